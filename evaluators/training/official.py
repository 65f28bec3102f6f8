"""Reads the files that authors of well-known datasets publish, and writes labelled lines.

`python -m evaluators.training.official ragtruth FOLDER data/groundedness/ragtruth.train.jsonl.gz`
makes a file that `touchstone train` and `touchstone bench quality` can read. Of a dataset with an
official split only the training part is read; the test part stays what it is for.
"""

import argparse
import csv
import gzip
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evaluators.protocol import Sample
from evaluators.training.rows import Row, RowsError

Reader = Callable[[Path], Iterator[Row]]
JIGSAW_LABELS = ("toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate")
JIGSAW_SHARES = ("severe_toxicity", "obscene", "threat", "insult", "identity_attack")


def ragtruth(folder: Path) -> Iterator[Row]:
    """Training rows of RAGTruth: `response.jsonl` with `source_info.jsonl` (Niu et al. 2024).

    Rows of bad quality (cut off, refused) are left out, as its authors do. Label 1 means that no
    span is marked; `group_id` is the source that six responses share.
    """
    sources = {one["source_id"]: one for one in _lines(folder / "source_info.jsonl")}
    for one in _lines(folder / "response.jsonl"):
        if one["split"] != "train" or one["quality"] != "good":
            continue
        source = sources[one["source_id"]]
        prompt, contexts = _ragtruth_source(source["source_info"])
        spans = [
            {"start": span["start"], "end": span["end"], "type": span["label_type"]}
            for span in one["labels"]
        ]
        extra = {
            "spans": spans,
            "group_id": str(one["source_id"]),
            "task": source["task_type"],
            "system": one["model"],
        }
        sample = Sample(prompt, one["response"], contexts)
        yield Row(f"ragtruth-{one['id']}", "ragtruth", sample, int(not spans), extra)


def _ragtruth_source(info: Any) -> tuple[str, tuple[str, ...]]:
    """The question and the contexts: passages, a text, or a business as JSON."""
    if isinstance(info, str):
        return "", (info,)
    if "passages" in info:
        return str(info.get("question", "")), (str(info["passages"]),)
    return "", (json.dumps(info, ensure_ascii=False),)


def halueval(folder: Path) -> Iterator[Row]:
    """Pairs of HaluEval's `qa_data.json`, `dialogue_data.json`, `summarization_data.json`.

    One JSON object a line (Li et al. 2023); files that are absent are passed over.
    """
    fields = {
        "qa": ("question", "knowledge", "right_answer", "hallucinated_answer"),
        "dialogue": ("dialogue_history", "knowledge", "right_response", "hallucinated_response"),
        "summarization": ("", "document", "right_summary", "hallucinated_summary"),
    }
    present = {task: folder / f"{task}_data.json" for task in fields}
    if not any(path.is_file() for path in present.values()):
        raise RowsError(f"there is no qa_data.json, dialogue_data.json or … in {folder}")
    for task, path in present.items():
        prompt, context, right, wrong = fields[task]
        for number, one in enumerate(_lines(path) if path.is_file() else ()):
            for label, key in ((1, right), (0, wrong)):
                sample = Sample(one.get(prompt, ""), one[key], (one[context],))
                extra = {"group_id": f"{task}-{number}", "task": task}
                yield Row(f"halueval-{task}-{number}-{label}", "halueval", sample, label, extra)


def jigsaw(path: Path) -> Iterator[Row]:
    """Comments of Jigsaw's `train.csv`: the challenge of 2018 (labels) or of 2019 (shares).

    Label 1 means any label set, or that half of the annotators called it toxic.
    """
    for one in _table(path):
        if "toxic" in one:
            categories = {name: float(one[name]) for name in JIGSAW_LABELS}
            label = int(any(categories.values()))
        else:
            target = _field(one, "target", path)
            categories = {name: float(one[name] or 0) for name in JIGSAW_SHARES if name in one}
            label = int(float(target) >= 0.5)
        sample = Sample("", _field(one, "comment_text", path))
        yield Row(f"jigsaw-{one['id']}", "jigsaw", sample, label, {"categories": categories})


def hatexplain(folder: Path) -> Iterator[Row]:
    """Training posts of HateXplain: `dataset.json` with `post_id_divisions.json` (2021).

    Label 1 means that most annotators chose hate speech or offensive; posts on which all three
    disagree are left out, as its authors do. `spans` are words that two or more marked.
    """
    posts = _json(folder / "dataset.json")
    for name in _json(folder / "post_id_divisions.json")["train"]:
        post = posts[name]
        votes = Counter(one["label"] for one in post["annotators"])
        winner, count = votes.most_common(1)[0]
        if count < 2:
            continue
        text, spans = _marked(post["post_tokens"], post.get("rationales", []))
        targets = sorted({t for one in post["annotators"] for t in one["target"] if t != "None"})
        extra = {"spans": spans, "categories": {"majority": winner}, "target_group": targets}
        sample = Sample("", text)
        yield Row(f"hatexplain-{name}", "hatexplain", sample, int(winner != "normal"), extra)


def _marked(words: Sequence[str], rationales: Sequence[Sequence[int]]) -> tuple[str, list[Any]]:
    """The words joined by spaces, and where those lie that two or more annotators marked."""
    spans, start = [], 0
    for index, word in enumerate(words):
        if sum(one[index] for one in rationales if index < len(one)) >= 2:
            spans.append([start, start + len(word)])
        start += len(word) + 1
    return " ".join(words), spans


def stereoset(path: Path) -> Iterator[Row]:
    """Sentences of StereoSet's `dev.json` (Nadeem et al. 2021): label 1 means a stereotype.

    `kind` is stereotype, anti-stereotype or unrelated; `pair_id` is what three sentences share.
    """
    data = _json(path)["data"]
    for form in ("intrasentence", "intersentence"):
        for one in data.get(form, []):
            for sentence in one["sentences"]:
                kind = sentence["gold_label"]
                extra = {
                    "pair_id": f"stereoset-{one['id']}",
                    "kind": kind,
                    "category": one["bias_type"],
                    "group": one["target"],
                }
                prompt = one["context"] if form == "intersentence" else ""
                sample = Sample(prompt, sentence["sentence"])
                name = f"stereoset-{sentence['id']}"
                yield Row(name, "stereoset", sample, int(kind == "stereotype"), extra)


OFFICIAL: Mapping[str, Reader] = {
    "ragtruth": ragtruth,
    "halueval": halueval,
    "jigsaw": jigsaw,
    "hatexplain": hatexplain,
    "stereoset": stereoset,
}


def read_official(name: str, path: Path) -> Iterator[Row]:
    """The training rows of a dataset; RowsError says what is absent or malformed."""
    if name not in OFFICIAL:
        raise RowsError(f"there is no dataset {name!r}; there are {', '.join(OFFICIAL)}")
    try:
        yield from OFFICIAL[name](path)
    except KeyError as error:
        raise RowsError(
            f"{path} is not {name} as published: the field {error} is missing"
        ) from None
    except ValueError as error:
        raise RowsError(f"{path} is not {name} as published: {error}") from None


def write_rows(rows: Iterator[Row], out: Path) -> int:
    """Write labelled lines, gzip without a time, so that the same rows give the same bytes."""
    lines = [json.dumps(as_line(row), ensure_ascii=False) + "\n" for row in rows]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
    return len(lines)


def as_line(row: Row) -> dict[str, Any]:
    """A row as the object that `read_rows` reads."""
    sample = row.sample
    words = {"prompt": sample.prompt, "response": sample.response}
    contexts = {"contexts": list(sample.contexts), "label": row.label}
    return {"id": row.id, "source": row.source, **words, **contexts, **row.extra}


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def _json(path: Path) -> dict[str, Any]:
    with _opened(path) as file:
        return dict(json.load(file))


def _table(path: Path) -> Iterator[dict[str, str]]:
    csv.field_size_limit(2**24)
    with _opened(path) as file:
        yield from csv.DictReader(file)


def _field(row: Mapping[str, str], name: str, path: Path) -> str:
    if row.get(name) is None:
        raise RowsError(f"{path} has no column {name!r}")
    return row[name]


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise RowsError(f"there is no file {path}")
    return path.open(encoding="utf-8", newline="")


def main(arguments: Sequence[str]) -> None:
    """Convert one dataset."""
    parser = argparse.ArgumentParser(prog="python -m evaluators.training.official")
    parser.add_argument("dataset", choices=sorted(OFFICIAL))
    parser.add_argument("path", type=Path, help="the published file, or the folder that holds them")
    parser.add_argument("out", type=Path, help="the .jsonl.gz file to write")
    asked = parser.parse_args(arguments)
    try:
        print(f"{write_rows(read_official(asked.dataset, asked.path), asked.out)} rows")
    except RowsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
