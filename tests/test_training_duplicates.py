"""Near duplicates: what a head may not learn because it is measured on it."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluators.protocol import Sample
from evaluators.training.duplicates import (
    Hashes,
    Measured,
    drop_near_duplicates,
    main,
    near_duplicates,
    overlaps,
    run_hashes,
    training_rows,
)
from evaluators.training.rows import Row, Source

PASSAGE = (
    "The harbour of Bergen was rebuilt in stone after the fire of 1702 and the merchants paid for "
    "it with a tax on dried fish that was kept until the middle of the next century."
)


def row(prompt: str = "", response: str = "", *contexts: str, source: str = "made") -> Row:
    return Row("1", source, Sample(prompt, response, contexts), 1)


def runs(*texts: str) -> Hashes:
    return np.unique(run_hashes(texts)[0])


def test_an_edited_copy_overlaps_and_another_text_does_not() -> None:
    edited = PASSAGE.replace("1702", "1703").upper()
    other = "A refund is paid within fourteen days after the warehouse has received the parcel."
    found = overlaps([PASSAGE, edited, other, ""], runs(PASSAGE))
    assert found[0] == 1.0
    assert 0.5 < found[1] < 1.0
    assert found[2] == found[3] == 0.0


def test_a_short_text_is_known_only_as_a_whole() -> None:
    known = runs("You are late, my friend.")
    assert list(overlaps(["you are late my friend", "you are late"], known)) == [1.0, 0.0]


def test_runs_do_not_reach_from_one_text_into_the_next() -> None:
    halves = PASSAGE.split()[:7], PASSAGE.split()[7:14]
    found = overlaps([" ".join(half) for half in halves], runs(PASSAGE))
    assert list(found) == [0.0, 0.0]


def test_rows_about_a_measured_document_are_dropped_whatever_they_say() -> None:
    measured = Measured.of([row("", "It was rebuilt in stone.", PASSAGE)])
    rows = [row("Why?", "A new claim.", PASSAGE), row("", "It was rebuilt in stone.", "Fish.")]
    kept, dropped = drop_near_duplicates(rows, measured)
    assert kept == rows[1:]
    assert dropped == {"made": 1}


def test_the_same_short_answer_to_a_new_question_stays() -> None:
    measured = Measured.of([row("Is the shop open today?", "Yes."), row("", "What a fool you are")])
    rows = [
        row("Is the shop open today?", "Yes."),
        row("Is the pool open today?", "Yes."),
        row("", "what a fool you are!"),
        row("", ""),
    ]
    assert list(near_duplicates(rows, measured)) == [True, False, True, False]


@given(st.lists(st.text(max_size=80), max_size=8), st.lists(st.text(max_size=80), max_size=8))
def test_any_texts_have_overlaps_between_nothing_and_all(one: list[str], other: list[str]) -> None:
    found = overlaps(one, runs(*other))
    assert len(found) == len(one)
    assert all(0.0 <= share <= 1.0 for share in found)
    assert all(s == 1.0 for s, t in zip(overlaps(one, runs(*one)), one, strict=True) if t.isalpha())


def write_rows(folder: Path, sets: dict[str, list[str]]) -> None:
    folder.mkdir()
    for name, texts in sets.items():
        lines = [json.dumps({"id": text, "response": text, "label": 0}) for text in texts]
        (folder / f"{name}.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))


def test_training_rows_leave_out_what_any_criterion_measures(tmp_path: Path) -> None:
    write_rows(tmp_path / "toxicity", {"a.train": ["one two", "three"], "b.dev": ["four"]})
    write_rows(tmp_path / "bias", {"c.dev": ["One, two!"]})
    kept = training_rows(Source("a"), tmp_path, "toxicity")
    assert [row.sample.response for row in kept] == ["three"]


def test_the_tool_counts_them_by_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(tmp_path / "toxicity", {"a.train": ["one two", "three"], "b.dev": ["One, two!"]})
    main([str(tmp_path)])
    assert capsys.readouterr().out == "toxicity/a.train.jsonl.gz: 1 of 2 rows\n"
