"""The weekly report, from rows in both databases to HTML and Markdown."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading, transaction
from app.errors import UnknownField
from app.reports import content_security_policy, render_html, render_markdown
from app.reports.numbers import percent, percent_range
from app.reports.weekly import sign
from app.store.reports import list_reports, load_report, save_report
from app.store.rollups import Contribution, roll_up
from app.tables import Annotation, Evaluation, Interaction
from tests.report_world import RATES, Plan, World, section

WEEKS = [f"2026-W{number}" for number in range(40, 48)]


@pytest.fixture
def world(engine: Engine, criteria: Criteria, now: datetime) -> World:
    return World(engine, criteria, now)


@pytest.fixture(scope="module")
def bad_week(shared_engine: Engine, criteria: Criteria, now: datetime) -> dict[str, Any]:
    """The report of a week with a bad release, for tests of how it is shown."""
    world = World(shared_engine, criteria, now)
    world.write({**ordinary(4), WEEKS[4]: Plan(rate=bad_release)})
    return world.report(WEEKS[4])


def scorecard(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    rows = section(report, "scorecard")["blocks"][0]["rows"]
    return dict(zip(RATES, rows, strict=True))


def ordinary(weeks: int) -> dict[str, Plan]:
    return {week: Plan() for week in WEEKS[:weeks]}


def bad_release(criterion: str, known: Mapping[str, str]) -> float:
    hit = criterion == "groundedness" and known["application"] == "shop"
    return 0.6 if hit else RATES[criterion]


def bad_german(criterion: str, known: Mapping[str, str]) -> float:
    return 0.6 if criterion == "groundedness" and known["language"] == "de" else RATES[criterion]


def toxic_burst(criterion: str, _: Mapping[str, str]) -> float:
    return 0.14 if criterion == "toxicity" else RATES[criterion]


def no_retrieval(criterion: str, known: Mapping[str, str]) -> bool:
    return criterion in ("groundedness", "context_relevance") and known["application"] == "city"


@pytest.mark.parametrize(
    ("plan", "verdict", "heading"),
    [
        (Plan(rate=bad_release, release="1.1"), "Groundedness got worse", "application shop"),
        (Plan(rate=bad_german), "on groundedness|Groundedness got worse", "language de"),
        (Plan(rate=toxic_burst), "Toxicity got worse", "Toxic answers rose above the usual"),
        (
            Plan(abstains=no_retrieval),
            "Groundedness and context relevance could not be judged in 33",
            "could not be judged",
        ),
        (Plan(), "A quiet week", "No slice got worse"),
    ],
)
def test_each_planted_event_is_the_verdict_of_its_week_and_a_quiet_week_is_called_quiet(
    world: World, plan: Plan, verdict: str, heading: str
) -> None:
    world.write({**ordinary(4), WEEKS[4]: plan})
    report = world.report(WEEKS[4])
    assert re.search(verdict, report["verdict"])
    assert any(heading in each["heading"] for each in report["sections"])
    assert report["is_quiet"] == (plan == Plan())
    assert 3 <= len(report["sentences"]) + 1 <= 6


def test_the_week_after_an_event_says_that_it_is_over(world: World) -> None:
    world.write({**ordinary(4), WEEKS[4]: Plan(rate=toxic_burst), WEEKS[5]: Plan()})
    report = world.report(WEEKS[5])
    assert report["verdict"].startswith("A quiet week")
    assert any("Toxicity is back at its usual level" in each for each in report["sentences"])


def test_a_week_without_data_says_so(world: World) -> None:
    report = world.report("2026-W47")
    assert report["verdict"] == "No interaction was received in week 47"
    assert report["received"] == 0
    assert not report["is_quiet"]
    assert "No interaction was received" in render_html(report)
    assert render_markdown(report)


def test_the_first_week_has_numbers_and_no_comparison(world: World) -> None:
    world.write({WEEKS[0]: Plan()})
    report = world.report(WEEKS[0])
    assert report["verdict"].startswith("The first week with data")
    row = scorecard(report)["groundedness"]
    assert row[1]["n"] == 88
    assert row[4]["value"] is None
    assert row[7]["text"] == "Too few weeks like it to know what is usual"


def test_a_criterion_that_always_abstains_has_no_rate_and_never_a_zero(world: World) -> None:
    plan = Plan(abstains=lambda criterion, _: criterion == "context_relevance")
    world.write(dict.fromkeys(WEEKS[:4], plan))
    report = world.report(WEEKS[3])
    row = scorecard(report)["context_relevance"]
    assert row[1] == {"cell": "share", "n": 0, "failing": 0, "rate": None}
    assert row[7]["text"] == "Not judged"
    assert report["verdict"].startswith("A quiet week")
    text = render_html(report)
    assert "nothing scored" in text
    assert "Not judged: there are no contexts. (88)" in text


def test_a_handful_of_answers_is_too_few_to_say(world: World) -> None:
    world.write({**ordinary(3), WEEKS[3]: Plan(n=9)})
    report = world.report(WEEKS[3])
    assert report["verdict"] == "Too few answers to say anything about this week: 9 interactions"
    assert scorecard(report)["groundedness"][1]["too_few"]
    assert "too few to say" in render_html(report)
    assert not report["is_quiet"]


def test_pending_answers_are_counted_as_pending(world: World) -> None:
    world.write({**ordinary(3), WEEKS[3]: Plan(status="pending")})
    report = world.report(WEEKS[3])
    assert (
        section(report, "coverage")["heading"] == "None of the 88 interactions has been judged yet"
    )
    assert not report["findings"]


def test_an_interaction_counts_once_by_the_newest_version_of_its_evaluator(world: World) -> None:
    written = world.write({WEEKS[0]: Plan(n=30)})
    with transaction(world.engine) as session:
        rows = session.exec(select(Evaluation).where(Evaluation.criterion == "toxicity")).all()
        for row in rows:
            again = Evaluation(**row.model_dump(exclude={"id"}))
            again.version, again.passed, again.score = "2", False, 0.9
            session.add(again)
            interaction = session.get_one(Interaction, row.interaction_id)
            roll_up(session, [Contribution(interaction, again)])
    row = scorecard(world.report(WEEKS[0]))["toxicity"]
    assert (row[1]["failing"], row[1]["n"]) == (30, len(written))


def test_weeks_judged_by_another_version_are_not_compared(world: World) -> None:
    world.write({**ordinary(4), WEEKS[4]: Plan(version="2", rate=toxic_burst)})
    report = world.report(WEEKS[4])
    assert not report["findings"]
    assert scorecard(report)["groundedness"][3]["small"] == "not compared"


def test_a_report_of_one_application_counts_only_its_answers(world: World) -> None:
    world.write({**ordinary(3), WEEKS[3]: Plan(n=90)})
    report = world.report(WEEKS[3], application="shop")
    assert report["received"] == 30
    assert report["application"] == "shop"


def test_weeks_follow_the_time_zone(world: World) -> None:
    world.write({WEEKS[0]: Plan(n=84)})
    local = world.report(WEEKS[0], time_zone="Asia/Tokyo")
    assert local["from"].endswith("+09:00")
    assert local["received"] < world.report(WEEKS[0])["received"] == 84


def test_days_without_data_are_listed(world: World) -> None:
    world.write({WEEKS[0]: Plan(n=3)})
    blocks = section(world.report(WEEKS[0]), "coverage")["blocks"]
    days = "Tue 29 Sep, Thu 1 Oct, Sat 3 Oct and Sun 4 Oct"
    assert blocks[-1]["text"] == f"No interaction was received on {days}."


def test_a_malformed_week_is_refused(world: World) -> None:
    with pytest.raises(UnknownField, match="not a week"):
        world.report("2026-W99")


def test_an_example_shows_the_unsupported_sentence_and_the_nearest_evidence(world: World) -> None:
    world.write({**ordinary(3), WEEKS[3]: Plan(rate=bad_german)})
    items = section(world.report(WEEKS[3]), "examples")["blocks"][0]["items"]
    first = next(item for item in items if item["criterion"] == "groundedness")
    assert [piece["text"] for piece in first["response"] if piece["marked"]] == [
        "You get it within 24 hours after we have the goods."
    ]
    assert first["evidence"]["text"] == "Refunds are issued within 5 to 7 working days."
    assert first["href"] == f"/interactions/{first['interaction_id']}"
    assert first["evaluator"] == "groundedness-words 1"
    assert first["segments"]["language"] == "de"


HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x> ![](http://evil.example) \"'`|"


def test_hostile_words_in_examples_stay_words(world: World) -> None:
    words = {"prompt": HOSTILE, "response": HOSTILE * 20, "contexts": [HOSTILE]}
    words["segments"] = {HOSTILE: HOSTILE}
    world.write({WEEKS[0]: Plan(words=words, applications=(HOSTILE,))})
    report = world.report(WEEKS[0])
    page = render_html(report)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "![](" not in render_markdown(report)


class Page(HTMLParser):
    """What a page asks a browser to do."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]


def test_the_page_has_no_script_no_style_attribute_and_asks_no_other_host(
    bad_week: dict[str, Any],
) -> None:
    text = render_html(bad_week)
    page = Page(text)
    names = {name for name, _ in page.attributes}
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert not {"style", "src", "srcset", "action"} & names
    assert not [name for name in names if name.startswith("on")]
    links = [value for name, value in page.attributes if name == "href"]
    assert links
    assert all(link.startswith(("#", "/interactions/")) for link in links)
    assert not re.search(r"https?:|@import|url\(", text)
    assert len(page.ids) == len(set(page.ids))


def test_the_policy_allows_the_one_style_block_and_nothing_else(bad_week: dict[str, Any]) -> None:
    page = render_html(bad_week)
    policy = content_security_policy(page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert content_security_policy(page.replace("--bg:#f5f5f2", "--bg:#000000")) != policy


def test_html_and_markdown_show_the_numbers_of_the_json(bad_week: dict[str, Any]) -> None:
    report = json.loads(json.dumps(bad_week))
    page, markdown = render_html(report), render_markdown(report)
    for row in scorecard(report).values():
        now = row[1]
        assert f"{percent(now['rate'])}</span>" in page
        assert f"{percent_range(now['low'], now['high'])}</small>" in page
        assert percent(now["rate"]) in markdown
    assert report["verdict"] in page
    assert f"# {report['verdict']}" in markdown
    for each in report["sections"]:
        assert each["heading"] in page


def test_markdown_gives_a_line_per_measure(bad_week: dict[str, Any]) -> None:
    line = next(
        each
        for each in render_markdown(bad_week).splitlines()
        if each.startswith("- Ungrounded answers")
    )
    assert re.fullmatch(
        r"- Ungrounded answers [\d.]+\u202f% \([\d.]+–[\d.]+\) ▲ \+[\d.]+ pp vs W43 · "
        r"worse, special cause · usually [\d.]+\u202f%",
        line,
    )


def test_the_same_week_gives_the_same_digest_whenever_it_is_made(world: World) -> None:
    world.write(ordinary(3))
    first = world.report(WEEKS[2])
    world.now += timedelta(days=1)
    second = world.report(WEEKS[2])
    assert first["generated_at"] != second["generated_at"]
    assert first["sha256"] == second["sha256"] == sign(second)["sha256"]


def test_a_report_that_changed_is_a_new_revision_with_a_note(world: World, now: datetime) -> None:
    world.write(ordinary(3))
    with transaction(world.engine) as session:
        first = save_report(session, world.report(WEEKS[2]), now=now)
        again = save_report(session, world.report(WEEKS[2]), now=now + timedelta(hours=1))
    assert (first.id, first.revision) == (again.id, 1)
    world.write({WEEKS[2]: Plan(rate=toxic_burst)}, seed=2)
    with transaction(world.engine) as session:
        changed = save_report(session, world.report(WEEKS[2]), now=now + timedelta(days=1))
    assert changed.revision == 2
    assert "Changed since revision 1: actions, scorecard" in changed.body["change_note"]
    assert changed.body["change_note"] in render_html(changed.body).replace("&#34;", '"')
    with reading(world.engine) as session:
        stored = load_report(session, "default", week=WEEKS[2])
        old = load_report(session, "default", week=WEEKS[2], revision=1)
        listed = list_reports(session, "default")
    assert stored is not None
    assert stored.revision == 2
    assert old is not None
    assert old.body["sha256"] == first.sha256
    assert [row.revision for row in listed] == [2]


def label(interaction: Interaction, reviewer: str, value: str, **changes: Any) -> Annotation:
    fields: dict[str, Any] = {
        "project": "default",
        "interaction_id": interaction.id,
        "criterion": "groundedness",
        "reviewer": reviewer,
        "blind_label": value,
        "final_label": value,
        "inclusion_probability": 0.5,
        "guideline_version": "g",
        "idempotency_key": f"{interaction.id}-{reviewer}-{value}-{changes}",
        "created_at": interaction.started_at,
        **changes,
    }
    return Annotation(**fields)


def test_without_labels_the_report_says_what_to_do(world: World) -> None:
    world.write(ordinary(1))
    reviewers = section(world.report(WEEKS[0]), "trust")
    assert reviewers["heading"] == "Nobody has labelled answers of this week yet"
    assert "label about" in reviewers["blocks"][0]["text"]


def test_blind_labels_give_agreement_and_a_corrected_rate(world: World) -> None:
    written = world.write({WEEKS[0]: Plan(n=88)})
    with transaction(world.engine) as session:
        for place, interaction in enumerate(written[::2]):
            session.add(label(interaction, "ann", "ungrounded" if place % 4 == 0 else "grounded"))
            session.add(label(interaction, "ben", "partly" if place % 4 == 0 else "grounded"))
    rates, trust = section(world.report(WEEKS[0]), "trust")["blocks"][:2]
    _, n, raw, fixed, _, halve = rates["rows"][0]
    assert n["value"] == 44
    assert raw["rate"] == pytest.approx(11 / 88)
    assert fixed["low"] < 0.25 < fixed["high"]
    assert fixed["n"] == 44
    assert halve["text"].endswith("more") or halve["text"] == "more labels cannot"
    named = dict(
        zip(
            ("criterion", "labels", "agrees", "kappa", "ac1", "alpha"),
            trust["rows"][0],
            strict=False,
        )
    )
    assert named["agrees"]["n"] == 88
    assert named["alpha"]["value"] == pytest.approx(1.0)


def test_labels_given_in_view_of_the_score_or_saying_nothing_are_left_out(world: World) -> None:
    written = world.write({WEEKS[0]: Plan(n=30)})
    with transaction(world.engine) as session:
        session.add(label(written[0], "ann", "grounded", blind_label=None))
        session.add(label(written[1], "ann", "unsure"))
    reviewers = section(world.report(WEEKS[0]), "trust")
    assert reviewers["heading"] == "Nobody has labelled answers of this week yet"


def test_free_labels_are_counted_but_correct_no_rate(world: World) -> None:
    written = world.write({WEEKS[0]: Plan(n=60)})
    with transaction(world.engine) as session:
        for interaction in written[:40]:
            session.add(label(interaction, "ann", "grounded", inclusion_probability=None))
    reviewers = section(world.report(WEEKS[0]), "trust")
    assert reviewers["blocks"][0]["rows"][0][3]["text"] == "too few to say"
    assert "Groundedness" in reviewers["blocks"][-1]["text"]
