"""The examples that the text encoder and the toxicity and bias heads learn from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from random import Random
from typing import Any

from evaluators.protocol import Sample
from evaluators.training.disguises import disguise
from evaluators.training.duplicates import training_rows
from evaluators.training.rows import Row, Source, rank
from evaluators.training.written import FILES, Half, Line, written_lines

TASKS = ("toxic", "biased", "identity", "threat")
"""The outputs of the text encoder, in order."""
TOXICITY = (
    Source("civil_spans", "CC0", 5000),
    Source("cat_large", "Apache-2.0", 2500),
    Source("davidson", "MIT", 2500),
    Source("diasafety", "Apache-2.0"),
    Source("hatemojibuild", "CC BY 4.0"),
    Source("paradetox", "CC0", 9000),
    Source("semeval_toxic_spans", "CC0", 2500),
    Source("stormfront", "CC BY-SA 3.0", 7000),
    Source("toxigen_seeds", "MIT"),
)
TOXICITY_DEV = (
    Source("cat_small", limit=600),
    Source("diasafety"),
    Source("dynahate_v01", limit=1000),
    Source("ethos", limit=600),
    Source("hatemojibuild"),
    Source("surge"),
    Source("wiki_toxicity_small", limit=600),
    Source("semeval_toxic_spans", limit=200),
)
BIAS = (
    Source("edos", "CC0", 10000),
    Source("redditbias", "MIT", 7000),
    Source("stereoset", "CC BY-SA 4.0"),
    Source("bold_neutral", "CC BY-SA 4.0", 2500),
    Source("emgsd_aug", "MIT", 2500),
    Source("diasafety_biased_opinion", "Apache-2.0"),
)
BIAS_DEV = (
    Source("edos", limit=1000),
    Source("redditbias", limit=1000),
    Source("crows_pairs", limit=1000),
    Source("bbq_ambiguous", limit=600),
    Source("diasafety_biased_opinion"),
    Source("winobias_invariance", limit=300),
)
BENIGN = (
    Source("squad1_sentence", "CC BY-SA 4.0", 2500, folder="answer_relevance"),
    Source("begin_v1", "CC BY 4.0", 1500, folder="groundedness"),
    Source("xstest_refusals", "CC BY 4.0", 1200, folder="refusal"),
    Source("mtrag_human", "Apache-2.0", 450, folder="informativeness"),
    Source("alce_utility", "MIT", 400, folder="informativeness"),
)
"""Ordinary sentences of assistants and encyclopedias, which are neither toxic nor biased."""
BENIGN_DEV = (
    Source("expertqa_informativeness", limit=300, folder="informativeness"),
    Source("squad1_sentence", limit=300, folder="answer_relevance"),
    Source("begin_v1", limit=150, folder="groundedness"),
)
HATE = frozenset({"stormfront", "toxigen_seeds", "hatemojibuild"})
"""Sets whose label 1 is hate of a group, which is biased too."""
WEIGHTS = {"davidson": 0.5, "diasafety": 0.7, "cat_large": 0.8, "stereoset": 0.7, "emgsd_aug": 0.5}
"""Sources whose labels follow a platform, a context or a template count less."""
HELD_APART = 0.1
"""The share of texts, by hash, that only the calibration sees."""
CUT_SHARE = 0.35
"""From which share of the rows with toxic spans the spans are cut."""
DISGUISED_TOXIC, DISGUISED_CLEAN = 0.08, 0.03
HARMLESS = {"toxic": 0.0, "biased": 0.0, "identity": 0.0, "threat": 0.0}
SEXIST_IS_TOXIC = (0.15, 0.9)
"""How toxic a row of EDOS is taken to be that is not sexist, and one that is."""


@dataclass(frozen=True, slots=True)
class WordingExample:
    """A response with what is known about it: a label between 0 and 1 for some tasks."""

    id: str
    source: str
    text: str
    labels: dict[str, float]
    weight: float = 1.0
    pair: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def group(self) -> float:
        """The same number in [0, 1) for both members of a pair and for all edits of a text."""
        return rank(self.pair or self.text)


def wording_examples(data: Path, *, seed: int = 5) -> list[WordingExample]:
    """All training examples of the text encoder."""
    random = Random(seed)
    found = [
        _toxicity(row) for source in TOXICITY for row in training_rows(source, data, "toxicity")
    ]
    found += [example for one in found for example in _edited(one, random)]
    found += [_bias(row) for source in BIAS for row in training_rows(source, data, "bias")]
    found += benign_examples(data, BENIGN, "train")
    return found + harmless_examples()


def labelled_examples(data: Path, criterion: str) -> list[WordingExample]:
    """The rows that people labelled for one criterion, with ordinary sentences beside them."""
    sources = TOXICITY if criterion == "toxicity" else BIAS
    make = _toxicity if criterion == "toxicity" else _bias
    found = [make(row) for source in sources for row in training_rows(source, data, criterion)]
    return found + benign_examples(data, BENIGN, "train")


def dev_wordings(data: Path, source: Source, criterion: str) -> list[WordingExample]:
    """The picked rows of a development set."""
    task = "toxic" if criterion == "toxicity" else "biased"
    return [
        WordingExample(row.id, row.source, row.sample.response, {task: row.label})
        for row in source.rows(data, criterion, "dev")
    ]


def benign_examples(data: Path, sources: tuple[Source, ...], split: str) -> list[WordingExample]:
    """The responses of other criteria's data, none of which is meant to be toxic or biased."""
    return [
        WordingExample(f"benign-{row.id}", "benign", row.sample.response[:700], HARMLESS)
        for source in sources
        for row in _rows(source, data, split)
        if len(row.sample.response.split()) > 2
    ]


def _rows(source: Source, data: Path, split: str) -> list[Row]:
    return training_rows(source, data, "") if split == "train" else source.rows(data, "", split)


def harmless_examples() -> list[WordingExample]:
    """Hand-written sentences that look harmful by their words, or name a group, and are not."""
    text = resources.files("evaluators.training").joinpath("benign.txt").read_text("utf-8")
    return [
        WordingExample(f"harmless-{number}", "harmless", line, HARMLESS)
        for number, line in enumerate(text.splitlines())
    ]


def written_examples(half: Half) -> list[WordingExample]:
    """The lines that we wrote, of the half that may be trained on or of the other."""
    return [_written(name, line) for name in FILES for line in written_lines(name, half)]


def held_out_written(criterion: str) -> list[WordingExample]:
    """The written lines that are only measured and that say something about a criterion."""
    task = "toxic" if criterion == "toxicity" else "biased"
    return [one for one in written_examples("measured") if task in one.labels]


def _written(name: str, line: Line) -> WordingExample:
    labels = {"biased": float(line.biased)}
    if line.toxic is not None:
        labels["toxic"] = float(line.toxic)
    if line.toxic == 0:
        labels |= {"identity": 0.0, "threat": 0.0}
    if line.category:
        labels["threat"] = float(line.category == "threat")
        labels["identity"] = float("identity" in line.category)
    return WordingExample(line.id, f"written {name}", line.text, labels, pair=line.pair_id or "")


def _toxicity(row: Row) -> WordingExample:
    label, categories = float(row.label), row.extra.get("categories") or {}
    labels = {"toxic": label}
    if row.source in HATE:
        labels |= {"identity": label, "biased": label}
    if row.source == "hatemojibuild" and row.label:
        labels["threat"] = float("threat" in str(categories.get("type", "")))
    if row.source == "davidson":
        labels["identity"] = float(categories.get("hate", 0) > 0.5)
    if row.source in ("paradetox", "cat_large") and not row.label:
        labels = dict(HARMLESS)
    return _example(row, labels)


def _bias(row: Row) -> WordingExample:
    labels = {"biased": float(row.label)}
    if row.source == "bold_neutral":
        labels = dict(HARMLESS)
    if row.source in ("redditbias", "stereoset", "edos") and not row.label:
        labels["threat"] = 0.0
    if row.source == "edos":
        labels["toxic"] = SEXIST_IS_TOXIC[row.label]
    return _example(row, labels)


def _example(row: Row, labels: dict[str, float]) -> WordingExample:
    return WordingExample(
        id=row.id,
        source=row.source,
        text=row.sample.response,
        labels=labels,
        weight=WEIGHTS.get(row.source, 1.0),
        pair=str(row.extra.get("pair_id") or ""),
        extra=row.extra,
    )


def _edited(one: WordingExample, random: Random) -> Iterator[WordingExample]:
    """The text disguised, now and then, and without its toxic spans, where they are known."""
    label = one.labels["toxic"]
    if random.random() < (DISGUISED_TOXIC if label else DISGUISED_CLEAN):
        text = disguise(one.text, random)
        labels = {"toxic": label}
        yield WordingExample(
            f"{one.id}-disguised", "disguised", text, labels, one.weight, one.pair or one.text
        )
    spans = one.extra.get("spans") or []
    if one.source == "semeval_toxic_spans" and spans and rank(one.id) < CUT_SHARE:
        rest = _without(Sample("", one.text), spans)
        if len(rest.split()) > 4:
            yield WordingExample(
                f"{one.id}-rest", "spans cut", rest, {"toxic": 0.0}, 0.5, one.pair or one.text
            )


def _without(sample: Sample, spans: list[list[int]]) -> str:
    """The response without its toxic spans, which makes what remains a hard negative."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(sample.response[at:start])
        at = max(at, end)
    return " ".join("".join([*kept, sample.response[at:]]).split())
