"""Targets: how they are set, when they count as met or missed, and where that is told."""

import copy
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import Engine

from app.commands.configured import configuration
from app.criteria import Criteria
from app.database import reading, transaction
from app.errors import SetupError
from app.reports import build_report, render_html, render_markdown, render_slack, report_schema
from app.reports.courses import Share, follow
from app.reports.targets import assurance_of
from app.reports.weeks import weeks_up_to
from app.settings import Settings
from app.statistics.control_charts import assurance
from app.statistics.intervals import Interval
from tests.report_world import RATES, Plan, write_weeks

WEEK = "2026-W45"
Rate = Callable[[str, Mapping[str, str]], float]
TARGETS = "groundedness=20% answer_relevance=0.08 toxicity=25%"


def half_ungrounded(criterion: str, _: Mapping[str, str]) -> float:
    return 0.5 if criterion == "groundedness" else RATES[criterion]


def report_after(
    engine: Engine,
    criteria: Criteria,
    earlier: int,
    now: datetime,
    *,
    project: str,
    last: Rate = half_ungrounded,
) -> dict[str, Any]:
    words = {"project": project}
    usual = Plan(n=60, rate=half_ungrounded, words=words)
    plans = dict.fromkeys(weeks_up_to(WEEK, earlier), usual)
    with transaction(engine) as session:
        write_weeks(session, plans | {WEEK: Plan(n=60, rate=last, words=words)})
    with reading(engine) as session:
        return build_report(
            session,
            project=project,
            criteria=criteria.with_targets(TARGETS),
            week=WEEK,
            application=None,
            now=now,
            time_zone="UTC",
        )


@pytest.fixture(scope="module")
def report(shared_engine: Engine, criteria: Criteria, now: datetime) -> dict[str, Any]:
    """A quiet week after twelve others, in which half of the answers are ungrounded."""
    return report_after(shared_engine, criteria, 12, now, project="quiet")


def section(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in report["sections"] if one["id"] == name)
    return found


def target_cells(report: dict[str, Any]) -> dict[str, tuple[float | None, str]]:
    (table,) = section(report, "scorecard")["blocks"]
    assert table["columns"][-2:] == ["Variation", "Target"]
    return {row[0]["text"]: (row[-1]["rate"], row[-1]["sign"]) for row in table["rows"]}


def test_a_target_is_a_share_in_percent_or_plain(criteria: Criteria) -> None:
    found = criteria.with_targets(TARGETS)
    assert {one.name: one.target for one in found if one.target} == {
        "groundedness": 0.2,
        "answer_relevance": 0.08,
        "toxicity": 0.25,
    }
    assert all(one.target is None for one in criteria)
    assert found.digest == criteria.digest


@pytest.mark.parametrize("text", ["groundedness", "toxicity=5", "bias=0", "bias=100%", "bias=x"])
def test_a_target_that_is_no_share_is_refused_with_an_example(
    criteria: Criteria, text: str
) -> None:
    with pytest.raises(SetupError, match=r"groundedness=5% or groundedness=0\.05"):
        criteria.with_targets(text)


def test_a_target_of_an_unknown_criterion_is_refused(criteria: Criteria) -> None:
    with pytest.raises(SetupError, match=r"'kindness'.*groundedness"):
        criteria.with_targets("kindness=5%")


def test_the_audit_log_learns_of_targets(criteria: Criteria) -> None:
    told = configuration(Settings(), criteria.with_targets("toxicity=1%"), [])
    assert told["target of toxicity"] == "0.01"


@pytest.mark.parametrize(
    ("target", "found"),
    [(0.19, "misses"), (0.2, "hit_or_miss"), (0.25, "hit_or_miss"), (0.3, "meets")],
)
def test_a_target_outside_the_limits_is_met_or_missed_by_usual_variation(
    target: float, found: str
) -> None:
    assert assurance(Interval(0.2, 0.3), target) == found


def test_nothing_is_said_of_a_target_before_twelve_periods() -> None:
    shares = [Share(50, 100)] * 12
    assert assurance_of(follow(shares[:11], [True] * 11), 0.1) is None
    assert assurance_of(follow(shares, [True] * 12), 0.1) == "misses"
    assert assurance_of(follow(shares, [False] + [True] * 11), 0.1) is None
    assert assurance_of(follow([*shares, Share(1, 2)], [True] * 13), 0.1) is None


def test_a_week_on_the_other_side_of_its_target_is_not_called_consistent() -> None:
    bad, good = Share(90, 100), Share(1, 100)
    assert assurance_of(follow([good] * 12 + [bad], [True] * 13), 0.2) == "hit_or_miss"
    assert assurance_of(follow([bad] * 12 + [good], [True] * 13), 0.2) == "hit_or_miss"


def test_a_target_that_is_consistently_missed_is_the_heading_of_a_quiet_week(
    report: dict[str, Any],
) -> None:
    words = "groundedness consistently misses its target: usually 50.0"
    assert report["verdict"].startswith(f"Nothing new this week, but {words}")
    assert words in section(report, "scorecard")["heading"]
    assert report["is_quiet"]
    assert target_cells(report) == {
        "Ungrounded answers": (0.2, "F"),
        "Irrelevant answers": (0.08, "?"),
        "Answers without a useful context": (None, ""),
        "Toxic answers": (0.25, "P"),
        "Biased answers": (None, ""),
    }
    (finding,) = [one for one in report["findings"] if one["kind"] == "misses_target"]
    assert finding["criterion"] == "groundedness"
    assert finding["difference"] == pytest.approx(0.3)
    assert 0 < finding["low"] < finding["difference"] < finding["high"]
    actions = section(report, "actions")["blocks"][0]["rows"]
    assert any("ungrounded answers to stay within 20.0" in row[0]["text"] for row in actions)
    schema = Draft202012Validator(report_schema())
    assert not list(schema.iter_errors(json.loads(json.dumps(report))))


def test_every_format_tells_the_target_in_words_and_charts_draw_it(
    report: dict[str, Any],
) -> None:
    html = render_html(report)
    assert html.count('class="target"') == 3
    assert '<i aria-hidden="true">F</i>Consistently misses' in html
    told = "target ≤ 20.0\N{NARROW NO-BREAK SPACE}% consistently misses"
    assert told in render_markdown(report)
    assert told in json.dumps(render_slack(report), ensure_ascii=False)
    charts = [block for block in blocks_of(section(report, "trend")) if "target" in block]
    said = {block["target"]: block["description"] for block in charts}
    assert "at most 20.0\N{NARROW NO-BREAK SPACE}%: consistently misses." in said[0.2]
    assert "target" not in said[None]


def test_few_weeks_show_the_target_and_claim_nothing(
    shared_engine: Engine, criteria: Criteria, now: datetime
) -> None:
    report = report_after(shared_engine, criteria, 5, now, project="young")
    assert "target" not in report["verdict"] + section(report, "scorecard")["heading"]
    assert {sign for _, sign in target_cells(report).values()} == {""}
    assert not [one for one in report["findings"] if one["kind"] == "misses_target"]
    assert "at most 20.0" in render_html(report)
    assert "Too little is known" in render_html(report)


def test_a_missed_target_does_not_hide_what_changed(
    shared_engine: Engine, criteria: Criteria, now: datetime
) -> None:
    def toxic(criterion: str, known: Mapping[str, str]) -> float:
        return 0.5 if criterion == "toxicity" else half_ungrounded(criterion, known)

    report = report_after(shared_engine, criteria, 12, now, project="toxic", last=toxic)
    assert report["verdict"].startswith("Toxicity got worse")
    assert "groundedness consistently misses" in section(report, "scorecard")["heading"]
    assert target_cells(report)["Toxic answers"] == (0.25, "?")


def test_a_report_of_the_schema_without_targets_is_still_shown(report: dict[str, Any]) -> None:
    older = copy.deepcopy(report)
    (table,) = section(older, "scorecard")["blocks"]
    table["columns"].pop()
    for row in table["rows"]:
        row.pop()
    for block in blocks_of(section(older, "trend")):
        block.pop("target", None)
    assert 'class="target"' not in render_html(older)
    for text in (render_markdown(older), json.dumps(render_slack(older), ensure_ascii=False)):
        assert "Irrelevant answers 8.3" in text
        assert "target ≤" not in text


def blocks_of(found: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [each for block in found["blocks"] for each in block.get("blocks", ())]
    return [*found["blocks"], *inner]
