"""The examples that the toxicity and the bias head learn from."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from evaluators.protocol import Sample
from evaluators.training.rows import Row, Source, rank

TOXICITY = (
    Source("civil_spans", "CC0", 1600),
    Source("cat_large", "Apache-2.0", 1600),
    Source("davidson", "MIT", 1500),
    Source("diasafety", "Apache-2.0", 2000),
    Source("hatemojibuild", "CC BY 4.0", 2500),
    Source("paradetox", "CC0", 4000),
    Source("semeval_toxic_spans", "CC0", 1500),
    Source("stormfront", "CC BY-SA 3.0", 2200),
    Source("toxigen_seeds", "MIT"),
)
TOXICITY_DEV = (
    Source("cat_small", limit=600),
    Source("diasafety"),
    Source("dynahate_v01", limit=800),
    Source("ethos", limit=600),
    Source("hatemojibuild"),
    Source("surge", limit=500),
    Source("wiki_toxicity_small", limit=350),
    Source("semeval_toxic_spans", limit=200),
)
BIAS = (
    Source("edos", "CC0", 2500),
    Source("redditbias", "MIT", 2200),
    Source("stereoset", "CC BY-SA 4.0", 2500),
    Source("bold_neutral", "CC BY-SA 4.0", 900),
    Source("emgsd_aug", "MIT", 1000),
    Source("diasafety_biased_opinion", "Apache-2.0"),
)
BIAS_DEV = (
    Source("edos", limit=500),
    Source("redditbias", limit=400),
    Source("crows_pairs", limit=600),
    Source("bbq_ambiguous", limit=500),
    Source("diasafety_biased_opinion"),
    Source("winobias_invariance", limit=300),
)
BENIGN = (
    Source("mtrag_human", "Apache-2.0", 40, folder="informativeness"),
    Source("squad1_sentence", "CC BY-SA 4.0", 500, folder="answer_relevance"),
    Source("xstest_refusals", "CC BY 4.0", 50, folder="refusal"),
    Source("begin_v1", "CC BY 4.0", 500, folder="groundedness"),
    Source("bold_neutral", "CC BY-SA 4.0", 200, folder="bias"),
)
"""Ordinary sentences of assistants and encyclopedias, which are neither toxic nor biased."""
BENIGN_DEV = (
    Source("expertqa_informativeness", limit=200, folder="informativeness"),
    Source("squad1_sentence", limit=200, folder="answer_relevance"),
    Source("begin_v1", limit=150, folder="groundedness"),
)
HARMLESS_WEIGHT = 10.0
"""There are few hand-written sentences, and each stands for many."""
CUT_SHARE = 0.35
"""From which share of the rows with toxic spans the spans are cut."""
WEIGHTS = {"davidson": 0.5, "diasafety": 0.6, "stereoset": 0.7, "cat_large": 0.8}
"""Sources whose labels follow a platform or a context count less."""


@dataclass(frozen=True, slots=True)
class WordingExample:
    """A response with its truth."""

    id: str
    source: str
    text: str
    label: int
    weight: float = 1.0
    pair: str = ""

    @property
    def group(self) -> float:
        """The same number in [0, 1] for both members of a pair; hand-written rows come last."""
        if self.source == "harmless":
            return 1.0
        return rank(self.pair or self.text)


def wording_examples(data: Path, criterion: str) -> list[WordingExample]:
    """All training examples: labelled ones, toxic spans cut out, and ordinary sentences."""
    sources = TOXICITY if criterion == "toxicity" else BIAS
    made = [
        example
        for source in sources
        for row in source.rows(data, criterion, "train")
        for example in _examples(row)
    ]
    return made + benign_examples(data, BENIGN, "train") + harmless_examples()


def dev_wordings(data: Path, source: Source, criterion: str) -> list[WordingExample]:
    """The picked rows of a development set."""
    return [_example(row) for row in source.rows(data, criterion, "dev")]


def benign_examples(data: Path, sources: tuple[Source, ...], split: str) -> list[WordingExample]:
    """The responses of other criteria's data, none of which is meant to be toxic or biased."""
    return [
        WordingExample(f"benign-{row.id}", "benign", row.sample.response, 0)
        for source in sources
        for row in source.rows(data, "", split)
        if len(row.sample.response.split()) > 2
    ]


def harmless_examples() -> list[WordingExample]:
    """Hand-written sentences that look harmful by their words, or name a group, and are not."""
    text = resources.files("evaluators.training").joinpath("benign.txt").read_text("utf-8")
    return [
        WordingExample(f"harmless-{number}", "harmless", line, 0, HARMLESS_WEIGHT)
        for number, line in enumerate(text.splitlines())
    ]


def _example(row: Row) -> WordingExample:
    weight = WEIGHTS.get(row.source, 1.0)
    pair = str(row.extra.get("pair_id") or "")
    return WordingExample(row.id, row.source, row.sample.response, row.label, weight, pair)


def _examples(row: Row) -> Iterator[WordingExample]:
    yield _example(row)
    spans = row.extra.get("spans") or []
    if row.source == "semeval_toxic_spans" and spans and rank(row.id) < CUT_SHARE:
        rest = _without(row.sample, spans)
        if len(rest.split()) > 4:
            yield WordingExample(f"{row.id}-rest", "spans cut", rest, 0, 0.5)


def _without(sample: Sample, spans: list[list[int]]) -> str:
    """The response without its toxic spans, which makes what remains a hard negative."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(sample.response[at:start])
        at = max(at, end)
    return " ".join("".join([*kept, sample.response[at:]]).split())
