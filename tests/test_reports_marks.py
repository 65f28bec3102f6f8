"""Marks on trends: what changed between two periods, in place, kind and words."""

from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Engine
from starlette.testclient import TestClient

from app.criteria import Criteria
from app.database import reading, transaction
from app.main import create_app
from app.reports import build_report, render_html, render_markdown
from app.reports.charts import ChartMark, Point, line_chart
from app.reports.marks import marks, sentence
from app.reports.tallies import Release, Source
from app.settings import Settings
from tests.report_world import RATES, Plan, a_label, write_weeks
from tests.test_reports_charts import of_class, parse

OLD, NEW = Source("words", "1.3", 0.5), Source("words", "1.4", 0.5)
STRICT = Source("words", "1.4", 0.6)
WEEKS = [f"2026-W{number}" for number in range(40, 46)]


def told(sources: list[set[Source]], releases: list[set[str]]) -> list[tuple[int, str, str]]:
    found = marks(sources, [of("shop", *versions) for versions in releases])
    return [(mark.place, mark.kind, mark.label) for mark in found]


def of(application: str, *versions: str) -> set[Release]:
    return {Release(application, version) for version in versions}


def of_releases(*releases: set[Release]) -> list[tuple[int, str, str]]:
    found = marks([{OLD}] * len(releases), releases)
    return [(mark.place, mark.label, mark.text) for mark in found]


def test_evaluators_thresholds_and_releases_are_told_apart() -> None:
    sources = [{OLD}, {OLD}, {NEW}, {STRICT}]
    releases = [{"2.0"}, {"2.0", "2.1"}, {"2.1"}, {"2.1"}]
    assert told(sources, releases) == [
        (1, "release", "release 2.1"),
        (2, "evaluator", "evaluator 1.4"),
        (3, "threshold", "threshold 0.6"),
    ]


def test_a_period_without_data_or_with_both_versions_does_not_hide_or_repeat_a_change() -> None:
    sources: list[set[Source]] = [{OLD}, set(), {OLD, NEW}, {NEW}]
    assert told(sources, [set()] * 4) == [(2, "evaluator", "evaluator 1.4")]


def test_the_first_period_has_no_mark_and_many_releases_are_counted() -> None:
    releases = [{"1"}, {"1", "2", "3", "4"}, {"1"}]
    assert told([{OLD}] * 3, releases)[0] == (1, "release", "3 releases")


def test_a_release_names_its_application_where_there_are_others() -> None:
    city = of("city", "1.0")
    assert of_releases(of("shop", "2.0") | city, of("shop", "2.1") | city) == [
        (1, "shop 2.1", "release 2.1 of shop came")
    ]
    everywhere = of("shop", "3.0") | of("city", "3.0")
    (common,) = of_releases(of("shop", "2.0") | city, everywhere)
    assert common == (1, "release 3.0", "release 3.0 came")
    health = of("health", "1.0")
    (some,) = of_releases(of("shop", "2.0") | city | health, everywhere | health)
    assert some == (1, "release 3.0", "release 3.0 of city and shop came")
    (two,) = of_releases(of("shop", "2.0") | city, of("shop", "2.1") | of("city", "1.1"))
    assert two[2] == "release 1.1 of city and release 2.1 of shop came"


def test_the_first_release_of_a_new_application_is_no_change() -> None:
    assert not of_releases(of("shop", "2.0"), of("shop", "2.0") | of("city", "1.0"))


def test_a_rollback_is_marked_and_so_is_the_next_try() -> None:
    first, second = of("shop", "2.0"), of("shop", "2.1")
    assert of_releases(first, second, first | second, first, second) == [
        (1, "release 2.1", "release 2.1 came"),
        (2, "back to 2.0", "release 2.0 came back"),
        (4, "back to 2.1", "release 2.1 came back"),
    ]
    assert told([{OLD}] * 2, [{"2"}, {"2"}]) == []
    assert told([{OLD}] * 3, [{"1"}, {"2"}, {"1", "2"}])[-1] == (2, "return", "back to 1")


def test_a_release_beside_another_is_not_marked_whenever_a_period_has_missed_it() -> None:
    both, one = of("shop", "2.0", "2.1"), of("shop", "2.1")
    assert not of_releases(both, one, both, one, both, both)


def test_another_guideline_is_marked_once_in_the_period_of_its_first_label() -> None:
    versions = [{"a"}, set(), {"a", "b"}, {"b"}, {"a"}]
    found = marks([{OLD}] * 5, [set()] * 5, versions)
    assert [(mark.place, mark.kind) for mark in found] == [(2, "guideline"), (4, "guideline")]


def test_trends_mark_the_week_in_which_verdicts_were_first_computed_otherwise(
    engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    told = [None, "fp32", "fp32", None, "int8"]
    plans = {week: Plan(n=21, precision=one) for week, one in zip(WEEKS, told, strict=False)}
    with transaction(engine) as session:
        write_weeks(session, plans)
    app = create_app(settings, evaluators=[], criteria=criteria)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        html = client.get("/trends?criterion=toxicity").text
    assert html.count("Marked: 2026-W44, the precision of verdicts changed from fp32 to int8.") == 2
    assert html.count(">precision int8</text>") == 1


def test_report_dashboard_and_trends_mark_the_week_in_which_a_guideline_changed(
    engine: Engine, criteria: Criteria, now: datetime, settings: Settings
) -> None:
    with transaction(engine) as session:
        written = write_weeks(session, {week: Plan(n=21) for week in WEEKS[:4]})
        for place, one in enumerate(written):
            label = a_label(one, place)
            label.guideline_version = "new" if one.started_at >= written[50].started_at else "old"
            session.add(label)
        for criterion, one in zip(("toxicity", "bias"), written[-2:], strict=True):
            label = a_label(one, 1)
            label.criterion, label.guideline_version = criterion, "a whole file"
            label.idempotency_key = f"{criterion} {one.id}"
            session.add(label)
    words = "W42, the guideline for reviewers changed"
    report = report_of(engine, criteria, WEEKS[3], now)
    assert words in chart(report)["description"]
    assert [mark["place"] for mark in chart(report)["marks"]] == [2]
    others = section_of(report, "trend")["blocks"][-1]["blocks"]
    assert not any("guideline" in block["description"] for block in others)
    app = create_app(settings, evaluators=[], criteria=criteria)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert client.get("/trends?criterion=groundedness").text.count(words) == 2
        assert "guideline for reviewers" not in client.get("/trends?criterion=toxicity").text
        shown = client.get("/dashboard?from=2026-10-19&to=2026-10-25").text
    assert "12 Oct, the guideline for reviewers changed" in shown


def test_report_dashboard_and_trends_mark_the_week_in_which_another_evaluator_took_over(
    engine: Engine, criteria: Criteria, now: datetime, settings: Settings
) -> None:
    with transaction(engine) as session:
        write_weeks(session, {week: Plan(n=21) for week in WEEKS[:3]})
        later = {week: Plan(n=21, evaluator="sentences") for week in WEEKS[3:]}
        write_weeks(session, later, seed=2)
    report = report_of(engine, criteria, WEEKS[-1], now)
    took = "evaluator groundedness-words 1 gave way to groundedness-sentences 1"
    assert f"W43, {took}." in chart(report)["description"]
    (found,) = chart(report)["marks"]
    assert (found["place"], found["label"]) == (1, "evaluator groundedness-sentences")
    assert [(one["label"], one["n"]) for one in chart(report)["points"]][:2] == [
        ("W42", 0),
        ("W43", 21),
    ]
    assert took in render_html(report)
    app = create_app(settings, evaluators=[], criteria=criteria)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert f"2026-W43, {took}." in client.get("/trends?criterion=groundedness").text
        shown = client.get("/dashboard?from=2026-11-02&to=2026-11-08").text
    assert f"19 Oct, {took}." in shown


def test_an_evaluator_that_judges_beside_another_all_along_is_no_change(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        write_weeks(session, {week: Plan(n=21) for week in WEEKS})
        both = {week: Plan(n=15, evaluator="sentences") for week in WEEKS[:-1]}
        write_weeks(session, both, seed=2)
    report = report_of(engine, criteria, WEEKS[-1], now)
    assert chart(report)["marks"] == []
    assert len(chart(report)["points"]) == len(WEEKS)


def test_marks_are_put_into_words_with_their_period() -> None:
    found = marks([{OLD}, {STRICT}], [of("shop", "2.0"), of("shop", "2.1")])
    assert sentence(found, ["W44", "W45"]) == (
        "Marked: W45, evaluator words 1.3 gave way to words 1.4 and the threshold changed from 0.5 "
        "to 0.6; W45, release 2.1 came."
    )
    assert sentence([], []) == ""


def test_a_mark_stands_between_two_points_and_its_words_do_not_overlap() -> None:
    points = [Point(f"W{number}", 0.1) for number in range(13)]
    changes = [
        ChartMark(place, kind, f"{kind} 2026.11.{place}", f"{kind} came")
        for place in range(1, 13)
        for kind in ("evaluator", "release")
    ]
    svg = parse(line_chart(points, title="t", description="d", marks=changes))
    lines = of_class(svg, "mid")
    circles = [float(each.get("cx", "0")) for each in of_class(svg, "m")]
    at = [float(each.get("x1", "0")) for each in lines]
    assert len(lines) == len(changes)
    assert all(circles[(i // 2)] < x < circles[i // 2 + 1] for i, x in enumerate(at))
    assert [bool(each.get("stroke-dasharray")) for each in lines] == [False, True] * 12
    rows: dict[str, list[float]] = {}
    for each in of_class(svg, "tick"):
        if "2026.11" in (each.text or ""):
            rows.setdefault(each.get("y", ""), []).append(float(each.get("x", "0")))
    assert rows
    for starts in rows.values():
        assert all(b - a > 80 for a, b in pairwise(starts))


def test_the_report_marks_both_and_names_the_release_without_calling_it_the_cause(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    plans = {week: Plan() for week in WEEKS[:5]}
    plans[WEEKS[0]] = Plan(version="0")
    plans[WEEKS[5]] = Plan(
        release="1.1", rate=lambda name, _: 0.5 if name == "groundedness" else RATES[name]
    )
    with transaction(engine) as session:
        write_weeks(session, plans)
    report = report_of(engine, criteria, WEEKS[5], now)
    block = chart(report)
    assert [(mark["place"], mark["kind"]) for mark in block["marks"]] == [
        (1, "evaluator"),
        (5, "release"),
    ]
    words = "Release 1.1 came in the same week, which does not prove a connection."
    assert any(words in each for each in report["sentences"])
    assert "W45, release 1.1 came." in block["description"]
    assert "W45, release 1.1 came." in render_markdown(report)
    assert ">release 1.1</text>" in render_html(report)


def test_a_change_that_lasts_names_the_release_of_its_first_week(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    weeks = [f"2026-W{number}" for number in range(38, 47)]
    plans = {week: Plan(n=300) for week in weeks[:-2]}
    for week in weeks[-2:]:
        plans[week] = Plan(
            n=300,
            release="1.1",
            rate=lambda name, _: 0.9 if name == "groundedness" else RATES[name],
        )
    with transaction(engine) as session:
        write_weeks(session, plans)
    report = report_of(engine, criteria, weeks[-1], now)
    words = "since W45, the week in which release 1.1 came"
    assert words in report["verdict"]


def test_a_report_of_the_schema_without_marks_is_still_shown(
    engine: Engine, criteria: Criteria, now: datetime
) -> None:
    with transaction(engine) as session:
        write_weeks(session, {week: Plan() for week in WEEKS[:3]})
    report = report_of(engine, criteria, WEEKS[2], now)
    del chart(report)["marks"]
    assert "<svg" in render_html(report)
    assert chart(report)["description"] in render_markdown(report)


def report_of(engine: Engine, criteria: Criteria, week: str, now: datetime) -> dict[str, Any]:
    with reading(engine) as session:
        return build_report(
            session,
            project="default",
            criteria=criteria,
            week=week,
            application=None,
            now=now,
            time_zone="UTC",
        )


def section_of(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in report["sections"] if each["id"] == name)
    return found


def chart(report: dict[str, Any]) -> dict[str, Any]:
    block: dict[str, Any] = section_of(report, "trend")["blocks"][0]
    return block
