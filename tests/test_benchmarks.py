"""The benchmarks: their workload, their load generator and their figures, in seconds."""

import sqlite3
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.commands.bench import ALONE, round_seconds, speed_figures
from app.criteria import Criteria
from app.workload import realistic_samples, sample_json
from benchmarks import reading
from benchmarks.__main__ import PARTS
from benchmarks.peers import Kept, _row
from benchmarks.precision import _compared
from benchmarks.receiving import Batch
from benchmarks.tables import Section
from benchmarks.timing import Spread, in_turns, percentile
from evaluators.heads.evidence import read_sample
from evaluators.protocol import Sample
from evaluators.training.rows import Row
from tests.builders import FAKE_EVALUATORS

ROOT = Path(__file__).parents[1]


def test_the_workload_is_realistic_different_and_the_same_in_every_run() -> None:
    samples = realistic_samples(40)
    assert samples == realistic_samples(40)
    assert samples != realistic_samples(40, seed=2)
    assert len({text for one in samples for text in one.contexts}) == 120
    for one in samples:
        assert all(150 <= len(text.split()) < 190 for text in one.contexts)
        assert 60 <= len(one.response.split()) < 240
        assert sample_json(one)["contexts"] == list(one.contexts)


def test_the_share_of_an_answer_that_is_copied_can_be_chosen() -> None:
    def copied(share: float) -> float:
        claims = [
            claim
            for sample in realistic_samples(20, copied=share)
            for claim in read_sample(sample).claims
        ]
        return sum(claim.is_copied for claim in claims) / len(claims)

    assert (copied(0), copied(1)) == (0, 1)
    assert 0.6 < copied(0.7) < 0.8


def test_a_batch_can_be_sent_again_under_other_ids() -> None:
    batch = Batch(7)
    traces, ids = set(), set()
    for _ in range(3):
        sent = ExportTraceServiceRequest.FromString(batch.fresh())
        spans = sent.resource_spans[0].scope_spans[0].spans
        assert len(spans) == 7
        traces |= {span.trace_id for span in spans}
        ids |= {span.span_id for span in spans}
        assert {span.parent_span_id for span in spans} - {b""} < ids
    assert len(traces) == 9
    assert len(ids) == 21


def test_a_rate_of_spans_that_a_peer_lost_is_not_told() -> None:
    whole, lost = Kept(acknowledged=600, stored=600, seconds=2.0), Kept(600, 3, 2.0)
    row = _row("60 × 1", {"Touchstone": [whole], "MLflow": [whole], "Phoenix": [whole, lost]})
    assert row[2:] == ("300 (300 to 300)", "603 of 1,200 acknowledged are there", "1 × MLflow")


def test_speed_is_told_per_judge_and_in_all(criteria: Criteria) -> None:
    judges = [one for one in FAKE_EVALUATORS if one.spec.criterion in criteria.by_name]
    seconds = round_seconds(judges, criteria, realistic_samples(4))
    assert set(seconds) == {ALONE, *(one.spec.name for one in judges)}
    figures = speed_figures([{"a": 1.0, "b": 1.0, ALONE: 0.5}, {"a": 2.0, "b": 2.0, ALONE: 0.7}], 8)
    assert figures["interactions_per_second"] == 3.0
    assert figures["seconds_per_interaction"] == {"a": 0.1875, "b": 0.1875}
    assert figures["seconds_for_a_single_one"] == 0.6


def test_a_grown_database_holds_what_was_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "SEED_INTERACTIONS", 10)
    reading.grow(tmp_path / "grown.db", 40)
    with sqlite3.connect(tmp_path / "grown.db") as database:
        interactions, days = database.execute(
            "SELECT count(DISTINCT id), count(DISTINCT substr(started_at, 1, 13)) FROM interaction"
        ).fetchone()
        judged = database.execute(
            "SELECT count(*) FROM evaluation JOIN interaction ON interaction.id = interaction_id"
        ).fetchone()
        counted = database.execute(
            "SELECT sum(n + failed) FROM rollup WHERE segment_key = ''"
        ).fetchone()
    assert (interactions, days) == (40, 8)
    assert judged == (200,)
    assert counted == (200,)


def test_figures_are_medians_with_their_spread() -> None:
    assert f"{Spread.of([3.0, 1.0, 2.0]):.1f}" == "2.0 (1.0 to 3.0)"
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    calls: list[str] = []
    taken = in_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=2)
    assert calls == ["a", "b"] * 3
    assert {name: len(seconds) for name, seconds in taken.items()} == {"a": 2, "b": 2}


def test_a_section_is_a_table_with_its_notes() -> None:
    section = Section("Speed", ("what", "figure"), [("a", 1)], ["It was quick."])
    expected = "## Speed\n\n| what | figure |\n| --- | --- |\n| a | 1 |\n\nIt was quick.\n"
    assert section.markdown() == expected


def test_every_part_exists() -> None:
    for place in PARTS.values():
        module, _, function = place.partition(":")
        assert f"def {function}(" in (ROOT / f"{module.replace('.', '/')}.py").read_text()


def test_the_gate_of_a_faster_precision_tells_passed_from_missed(criteria: Criteria) -> None:
    criterion = criteria.get("toxicity")
    rows = [Row(str(n), str(n), Sample("a", "b"), int(n >= 50)) for n in range(100)]
    exact: list[float | None] = [n / 100 for n in range(100)]
    near = [*exact[:10], None, *exact[11:]]
    assert _compared(criterion, rows, exact, near)[0] == 99
    assert _compared(criterion, rows, exact, near)[-1] == "passed"
    assert _compared(criterion, rows, exact, [0.0] * 100)[-1] == "**missed**"
    assert _compared(criterion, rows, exact, [None] * 100)[-1] == "abstained"
    one_label = [Row("1", "1", Sample("a", "b"), 0)] * 2
    assert _compared(criterion, one_label, [0.1, 0.99], [0.1, 0.1])[-3:] == (
        "50.00%",
        "0.8900",
        "**missed**",
    )
