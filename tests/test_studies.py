"""What a worker finds in texts: topics of failures, drift, and whether a group's name matters."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from scipy.stats import norm
from sqlalchemy import Engine
from sqlmodel import select

from app.criteria import Criteria
from app.database import reading, transaction
from app.reports import render_html, render_markdown
from app.store.interactions import InteractionFilter
from app.store.topics import within_topic
from app.studies import study_week
from app.studies.clusters import distinguishing_terms, find_clusters, match_clusters
from app.studies.drift import COMPONENTS, tell_apart
from app.studies.swapping import GROUPS, TEMPLATES, swap_groups
from app.tables import ReviewQueue
from tests.builders import FAKE_EVALUATORS, WordJudge
from tests.report_world import Plan, World, section, write_weeks

WIDTH = 24
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
TOPICS = {
    "refund": ["When is my refund paid?", "How long does a refund take?"],
    "battery": ["How long is the battery warranty?", "Is the battery covered?"],
    "opening": ["When do you open on Sunday?", "Are you open at Easter?"],
}


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors: texts of one topic lie together, with a little noise that the text decides."""
    rows = []
    for text in texts:
        rng = np.random.default_rng(sum(map(ord, text)) * 31 + len(text))
        row = 0.05 * rng.normal(size=WIDTH)
        for place, topic in enumerate(TOPICS):
            row[place] += 3.0 * (topic in text.lower() or topic[:4] in text.lower())
        rows.append(row / np.linalg.norm(row))
    return np.asarray(rows, dtype=np.float32)


def texts(**counts: int) -> list[str]:
    return [
        f"{TOPICS[topic][number % 2]} Number {number}."
        for topic, n in counts.items()
        for number in range(n)
    ]


def test_texts_of_one_topic_are_one_cluster_named_by_its_words() -> None:
    said = texts(refund=12, battery=9, opening=6)
    found = find_clusters(embed(said), said)
    assert [len(one.members) for one in found] == [12, 9, 6]
    assert "refund" in found[0].terms
    assert "battery" in found[1].terms
    assert found[0].nearest in found[0].members
    assert np.linalg.norm(found[0].centre) == pytest.approx(1, abs=1e-3)


def test_few_texts_have_no_clusters() -> None:
    said = texts(refund=11)
    assert find_clusters(embed(said), said) == []


def test_terms_set_a_group_apart_and_common_words_do_not() -> None:
    names = distinguishing_terms(
        [
            ["paid refund money please", "refund money please"],
            ["warranty please", "warranty please"],
        ]
    )
    assert names[0][0] in ("refund", "money")
    assert names[1][0] == "warranty"


def test_clusters_are_matched_to_the_nearest_of_last_week_once_each() -> None:
    first, second = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]
    assert match_clusters([second, first], [first, second]) == [1, 0]
    assert match_clusters([first, [0.9, 0.436, 0.0]], [first]) == [0, None]
    assert match_clusters([first], [[0.0, 0.0, 1.0]]) == [None]
    assert match_clusters([first], []) == [None]


def test_shifted_vectors_are_told_apart_and_alike_ones_are_not() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(80, WIDTH)), rng.normal(size=(90, WIDTH))
    alike = tell_apart(one.astype(np.float32), other.astype(np.float32))
    assert alike is not None
    assert alike.p_value > 0.05
    shifted = tell_apart((one + 0.6).astype(np.float32), other.astype(np.float32))
    assert shifted is not None
    assert shifted.auroc > 0.9
    assert shifted.p_value == pytest.approx(0.001)
    assert tell_apart(one[:10].astype(np.float32), other.astype(np.float32)) is None


@pytest.mark.parametrize("shift", [0.1, 0.2, 0.4])
def test_the_separation_of_two_normal_samples_is_what_theory_says(shift: float) -> None:
    """Of two normal samples the best rule ranks a pair right with chance phi(d / sqrt(2)), where d
    is Mahalanobis' distance of their means; a rule learnt from the samples stays a little below."""
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=(2, 900, COMPONENTS)).astype(np.float32)
    found = tell_apart(one + np.float32(shift), other)
    assert found is not None
    best = norm.cdf(shift * np.sqrt(COMPONENTS) / np.sqrt(2))
    assert best - 0.04 < found.auroc < best + 0.02


def test_samples_of_one_kind_are_told_apart_no_oftener_than_chance_allows() -> None:
    rng = np.random.default_rng(9)
    runs = [tell_apart(*rng.normal(size=(2, 50, WIDTH)).astype(np.float32)) for _ in range(40)]
    called = sum(one is not None and one.p_value <= 0.05 for one in runs)
    assert called <= 5


def test_an_evaluator_that_minds_a_group_is_caught_and_a_blind_one_is_not() -> None:
    unfair = WordJudge("bias", "Muslims", score_with=0.9)
    fair = WordJudge("toxicity", "idiot", score_with=0.9)
    bad, good = swap_groups([unfair, fair], {"bias": 0.5, "toxicity": 0.5})
    assert (bad.flips, bad.widest) == (len(TEMPLATES), "Muslims")
    assert bad.largest_gap == pytest.approx(0.8)
    assert (good.flips, good.largest_gap) == (0, 0.0)
    assert good.pairs == len(TEMPLATES) * (len(GROUPS) - 1)
    assert swap_groups([fair], {"toxicity": 0.5})[0].digest == good.digest
    assert bad.digest != good.digest


def week_of(engine: Engine, criteria: Criteria, week: str, evaluators: Any) -> dict[str, Any]:
    return study_week(
        engine,
        project="default",
        application=None,
        week=week,
        criteria=criteria,
        evaluators=evaluators,
        embed=embed,
        time_zone="UTC",
        now=NOW,
    )


def report_of(engine: Engine, criteria: Criteria, week: str) -> dict[str, Any]:
    return World(engine, criteria, NOW).report(week)


def test_a_report_shows_the_topics_of_its_week_and_what_became_of_last_weeks(
    engine: Engine, criteria: Criteria
) -> None:
    def bad(criterion: str, known: Any) -> float:
        return 1.0 if criterion == "groundedness" else 0.0

    def words(topic: str) -> dict[str, Any]:
        return {"prompt": TOPICS[topic][0]}

    with transaction(engine) as session:
        for seed, (week, topic, n) in enumerate(
            [
                ("2026-W46", "refund", 14),
                ("2026-W46", "opening", 9),
                ("2026-W47", "refund", 28),
                ("2026-W47", "battery", 14),
            ]
        ):
            write_weeks(session, {week: Plan(n=n, rate=bad, words=words(topic))}, seed=seed)
    assert section(report_of(engine, criteria, "2026-W47"), "clusters")["heading"] == (
        "The texts of this week have not been grouped yet"
    )
    week_of(engine, criteria, "2026-W46", FAKE_EVALUATORS)
    body = week_of(engine, criteria, "2026-W47", FAKE_EVALUATORS)
    assert body["clusters"]["groundedness"]["failures"] == 42
    report = report_of(engine, criteria, "2026-W47")
    topics = section(report, "clusters")
    items = topics["blocks"][0]["items"]
    assert {one["change"] for one in items} == {"14 more than last week", "new this week"}
    assert topics["heading"].startswith("Two topics hold 100")
    assert items[0]["example"]["prompt"] in render_html(report)
    assert "new this week" in render_markdown(report)


def test_the_answers_of_every_topic_can_be_listed_filtered_exported_and_drawn(
    engine: Engine, criteria: Criteria, client: TestClient
) -> None:
    def bad(criterion: str, known: Any) -> float:
        return 1.0 if criterion in ("groundedness", "toxicity") else 0.0

    with transaction(engine) as session:
        for seed, (topic, n) in enumerate([("refund", 14), ("battery", 9)]):
            plan = Plan(n=n, rate=bad, words={"prompt": TOPICS[topic][0]})
            write_weeks(session, {"2026-W47": plan}, seed=seed)
    week_of(engine, criteria, "2026-W47", FAKE_EVALUATORS)
    report = report_of(engine, criteria, "2026-W47")
    first, _, second = section(report, "clusters")["blocks"]
    # Those of the second criterion are folded, but in no format left out.
    items = [*first["items"], *second["blocks"][0]["items"]]
    assert {one["n"] for one in items} == {14, 9}
    markdown = render_markdown(report)
    assert f"**{second['summary']}**" in markdown
    for one in items:
        assert one["listed"] == one["n"]
        assert f"`{one['href']}`" in markdown
        listed = client.get(one["href"]).text
        assert f"{one['n']} on this page" in listed
        exported = client.get(one["href"].replace("/interactions?", "/annotations.jsonl?"))
        assert exported.status_code == 200
    topic = parse_qs(urlsplit(items[0]["href"]).query)["topic"][0]
    some = client.get("/interactions", params={"topic": topic, "application": "shop"}).text
    assert f'<input name="topic" value="{topic}">' in some
    assert "5 on this page" in some
    drawn = client.post("/review", data={"name": "refunds", "size": "50", "topic": topic})
    with reading(engine) as session:
        queue = session.exec(select(ReviewQueue)).one()
    assert drawn.status_code == 200
    assert (queue.filters["eligible"], queue.filters["filter"]) == (14, {"topic": topic})
    wrong = {"name": "others", "size": "5", "topic": "2026-W47.toxicity.00000000"}
    unknown = client.post("/review", data=wrong)
    assert unknown.status_code == 422
    assert "grouped anew" in unknown.text


def test_an_evaluator_whose_scores_moved_under_the_same_version_is_named(
    engine: Engine, criteria: Criteria
) -> None:
    with transaction(engine) as session:
        write_weeks(session, {f"2026-W{n}": Plan(n=40) for n in (44, 45, 46, 47)})
    week_of(engine, criteria, "2026-W46", [WordJudge("toxicity", "Friday", score_with=0.9)])
    week_of(engine, criteria, "2026-W47", [WordJudge("toxicity", "Friday", score_with=0.8)])
    report = report_of(engine, criteria, "2026-W47")
    assert section(report, "drift")["heading"].startswith(
        "The evaluator of toxicity does not score"
    )


def only_ungrounded(criterion: str, _: Any) -> float:
    return 1.0 if criterion == "groundedness" else 0.0


def test_a_link_to_a_topic_leads_on_when_its_week_was_grouped_anew(
    engine: Engine, criteria: Criteria, client: TestClient
) -> None:
    ids = []
    with transaction(engine) as session:
        for seed, topic in enumerate(("refund", "battery")):
            plan = Plan(n=14, rate=only_ungrounded, words={"prompt": TOPICS[topic][0]})
            ids.append([one.id for one in write_weeks(session, {"2026-W47": plan}, seed=seed)])
    week_of(engine, criteria, "2026-W47", FAKE_EVALUATORS)
    with reading(engine) as session:
        found = within_topic(
            session, "default", InteractionFilter(), f"2026-W47.groundedness.{ids[1][3][:8]}"
        )
    assert found.ids is not None
    assert set(found.ids) == set(ids[1])
    gone = client.get("/interactions?topic=2026-W47.groundedness.00000000", follow_redirects=False)
    assert gone.headers["location"] == (
        "/interactions?criterion=groundedness&label=ungrounded&from=2026-11-16&to=2026-11-22"
    )
    for key in ("nonsense", "2026-W47.humour.00000000", "W.groundedness.0"):
        assert client.get("/interactions", params={"topic": key}).status_code == 422
