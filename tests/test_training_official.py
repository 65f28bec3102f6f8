"""Readers of published files, on tiny files in the documented formats, and data manifests."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from evaluators.protocol import Sample
from evaluators.training.manifest import changed_files, used_file, write_data_manifest
from evaluators.training.official import main, read_official, write_rows
from evaluators.training.rows import Row, RowsError, read_rows


def json_lines(path: Path, *rows: dict[str, Any]) -> None:
    path.write_text("\n".join(json.dumps(row) for row in rows))


def ragtruth_folder(tmp_path: Path) -> Path:
    info = {"question": "When?", "passages": "passage 1: At noon."}
    json_lines(
        tmp_path / "source_info.jsonl",
        {"source_id": "7", "task_type": "QA", "source_info": info},
        {"source_id": "8", "task_type": "Data2txt", "source_info": {"name": "Bar", "wifi": None}},
        {"source_id": "9", "task_type": "Summary", "source_info": "A long text."},
    )
    span = {"start": 3, "end": 11, "text": "midnight", "label_type": "Evident Conflict"}
    common = {"model": "m", "labels": [], "split": "train", "quality": "good"}
    json_lines(
        tmp_path / "response.jsonl",
        common | {"id": "1", "source_id": "7", "response": "At midnight.", "labels": [span]},
        common | {"id": "2", "source_id": "8", "response": "A bar."},
        common | {"id": "3", "source_id": "9", "response": "A text.", "quality": "truncated"},
        common | {"id": "4", "source_id": "7", "response": "At noon.", "split": "test"},
    )
    return tmp_path


def test_ragtruth_gives_good_training_rows_with_spans_and_sources(tmp_path: Path) -> None:
    first, second = read_official("ragtruth", ragtruth_folder(tmp_path))
    assert (first.sample.prompt, first.sample.contexts) == ("When?", ("passage 1: At noon.",))
    assert (first.label, first.extra["group_id"]) == (0, "7")
    span = first.extra["spans"][0]
    assert first.sample.response[span["start"] : span["end"]] == "midnight"
    assert second.label == 1
    assert json.loads(second.sample.contexts[0]) == {"name": "Bar", "wifi": None}


def test_halueval_gives_pairs(tmp_path: Path) -> None:
    qa = {"knowledge": "Oslo is big.", "question": "Which?", "right_answer": "Oslo"}
    json_lines(tmp_path / "qa_data.json", qa | {"hallucinated_answer": "Rome"})
    text = {"document": "Doc.", "right_summary": "D.", "hallucinated_summary": "E."}
    json_lines(tmp_path / "summarization_data.json", text)
    rows = list(read_official("halueval", tmp_path))
    assert [(row.sample.response, row.label) for row in rows] == [
        *(("Oslo", 1), ("Rome", 0)),
        *(("D.", 1), ("E.", 0)),
    ]
    assert rows[0].extra["group_id"] == rows[1].extra["group_id"]


def test_jigsaw_is_read_in_both_of_its_forms(tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    head = "id,comment_text,toxic,severe_toxic,obscene,threat,insult,identity_hate"
    old.write_text(f'{head}\n1,"Hi,\nthere",0,0,0,0,0,0\n2,You fool,1,0,0,0,1,0\n')
    rows = list(read_official("jigsaw", old))
    assert [(row.sample.response, row.label) for row in rows] == [
        ("Hi,\nthere", 0),
        ("You fool", 1),
    ]
    assert rows[1].extra["categories"]["insult"] == 1
    new = tmp_path / "new.csv"
    new.write_text("id,target,comment_text,insult,threat\n1,0.5,You fool,0.5,\n2,0.4,Hi,0,0\n")
    assert [row.label for row in read_official("jigsaw", new)] == [1, 0]


def hatexplain_post(*labels: str) -> dict[str, Any]:
    votes = [
        {"label": label, "annotator_id": n, "target": ["Women"]} for n, label in enumerate(labels)
    ]
    tokens = ["all", "dumb", "folk"]
    return {"annotators": votes, "post_tokens": tokens, "rationales": [[0, 1, 0], [0, 1, 1]]}


def test_hatexplain_gives_the_majority_of_training_posts_and_marked_words(tmp_path: Path) -> None:
    posts = {
        "a": hatexplain_post("hatespeech", "offensive", "hatespeech"),
        "b": hatexplain_post("hatespeech", "offensive", "normal"),
        "c": hatexplain_post("normal", "normal", "normal"),
        "d": hatexplain_post("normal", "normal", "normal"),
    }
    (tmp_path / "dataset.json").write_text(json.dumps(posts))
    divisions = {"train": ["a", "b", "c"], "val": [], "test": ["d"]}
    (tmp_path / "post_id_divisions.json").write_text(json.dumps(divisions))
    first, last = read_official("hatexplain", tmp_path)
    assert (first.label, last.label) == (1, 0)
    assert [first.sample.response[a:b] for a, b in first.extra["spans"]] == ["dumb"]
    assert first.extra["target_group"] == ["Women"]


def test_stereoset_gives_sentences_by_kind(tmp_path: Path) -> None:
    kinds = ("stereotype", "anti-stereotype", "unrelated")
    sentences = [{"id": kind, "sentence": f"S {kind}", "gold_label": kind} for kind in kinds]
    one = {"id": "1", "target": "poet", "bias_type": "profession", "context": "A poet."}
    data = {"intrasentence": [one | {"sentences": sentences}], "intersentence": []}
    path = tmp_path / "dev.json"
    path.write_text(json.dumps({"version": "1.0", "data": data}))
    rows = list(read_official("stereoset", path))
    assert [(row.extra["kind"], row.label) for row in rows] == list(
        zip(kinds, (1, 0, 0), strict=True)
    )


def test_what_is_absent_or_malformed_is_named(tmp_path: Path) -> None:
    with pytest.raises(RowsError, match="there is no dataset 'squad'; there are ragtruth"):
        list(read_official("squad", tmp_path))
    with pytest.raises(RowsError, match=r"there is no file .*source_info\.jsonl"):
        list(read_official("ragtruth", tmp_path))
    path = tmp_path / "train.csv"
    path.write_text("id,text\n1,x\n")
    with pytest.raises(RowsError, match="no column 'target'"):
        list(read_official("jigsaw", path))
    path.write_text("{}")
    with pytest.raises(RowsError, match="the field 'data' is missing"):
        list(read_official("stereoset", path))
    path.write_text("{")
    with pytest.raises(RowsError, match="not stereoset as published"):
        list(read_official("stereoset", path))


def test_the_tool_writes_lines_that_training_reads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = ragtruth_folder(tmp_path), tmp_path / "groundedness" / "ragtruth.train.jsonl.gz"
    main(["ragtruth", str(folder), str(out)])
    assert capsys.readouterr().out == "2 rows\n"
    assert list(read_rows(out)) == list(read_official("ragtruth", folder))


def test_the_same_rows_give_the_same_manifest_and_other_bytes_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "data" / "toxicity" / "made.train.jsonl.gz"
    rows = [Row(f"{n}", "made", Sample("", f"text {n}"), n % 2) for n in range(5)]
    digests = []
    for folder in ("one", "two"):
        write_rows(iter(rows), path)
        used = used_file(path, tmp_path / "data", rows[:3])
        manifest = tmp_path / folder / "data.json"
        digests.append(write_data_manifest(manifest, [used], seed=1, dropped=Counter(made=2)))
    assert digests[0] == digests[1]
    written = json.loads(manifest.read_text())
    assert written["files"][0]["file"] == "toxicity/made.train.jsonl.gz"
    assert (written["files"][0]["rows_used"], written["files"][0]["label_1"]) == (3, 1)
    assert str(tmp_path) not in manifest.read_text()
    assert changed_files(manifest, tmp_path / "data") == []
    write_rows(iter(rows[:4]), path)
    assert changed_files(manifest, tmp_path / "data") == ["toxicity/made.train.jsonl.gz"]
