"""The examples that the groundedness head learns from: people's labels and made claims."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from random import Random

from evaluators.heads.evidence import read_sample
from evaluators.protocol import Sample
from evaluators.signals import content_words, names
from evaluators.training.corruption import Made, make_claims
from evaluators.training.duplicates import training_rows
from evaluators.training.rows import Row, Source, rank

CRITERION = "groundedness"
TRAIN = (
    Source("begin_v1", "CC BY 4.0"),
    Source("cad_nli", "Apache-2.0 / CC BY-SA 4.0"),
    Source("fever_symmetric", "CC BY-SA 3.0"),
    Source("help_conj", "CC BY-SA 4.0", 2000),
    Source("factcheck_gpt", "Apache-2.0"),
    Source("faithdial_audit", "MIT"),
    Source("factcg_cg2c_doc", "MIT"),
    Source("squad1_qa", "CC BY-SA 4.0", 9000),
    Source("tabfact_pairs", "MIT / CC BY 4.0", 11_000),
    Source("ares_synthetic", "Apache-2.0", 3000),
    Source("mtrag_human", "Apache-2.0"),
    Source("expertqa", "MIT"),
    Source("wice_tokens", "CC BY-SA 4.0"),
)
DEV = (
    Source("begin_v1", limit=300),
    Source("begin_wow"),
    Source("begin_cmu"),
    Source("begin_tc"),
    Source("cad_nli", limit=500),
    Source("expertqa", limit=400),
    Source("factscore", limit=300),
    Source("halueval_qa500", limit=450),
    Source("squad1_qa", limit=400),
    Source("summedits", limit=500),
    Source("tabfact_pairs", limit=400),
    Source("factcc_summac", limit=120),
    Source("cliff", limit=150),
    Source("goyal21"),
    Source("xsumfaith_summac", limit=150),
    Source("wice_claim"),
    Source("propsegment_wiki", limit=300),
    Source("climate_fever", limit=400),
    Source("anli_dev", limit=300),
)
PASSAGES = ("squad1_qa", "ares_synthetic", "mtrag_human", "factcg_cg2c_doc", "begin_v1")
"""Whose contexts claims are made from …"""
PASSAGES_READ = 4000
"""… and from how many of them."""
LONG_SHARE = 0.3
"""For which share of the passages an answer of several sentences is made as well."""
APART_MADE = 1200
DELETED = 2500
"""From how many supported responses the evidence is taken away."""
DELETABLE = frozenset(
    {
        "squad1_qa",
        "factcheck_gpt",
        "begin_v1",
        "faithdial_audit",
        "factcg_cg2c_doc",
        "ares_synthetic",
    }
)
TIMES = {
    "begin_v1": 3,
    "cad_nli": 2,
    "fever_symmetric": 3,
    "factcheck_gpt": 2,
    "faithdial_audit": 3,
    "mtrag_human": 2,
    "expertqa": 2,
}
"""How often the encoder reads a row of a set that people labelled; of the others, once."""
WEIGHTS = {
    "mtrag_human": 0.7,
    "ares_synthetic": 0.7,
    "factcg_cg2c_doc": 0.7,
    "deleted": 0.8,
    "made": 0.8,
    "joined": 0.8,
    "long": 0.8,
}
HELD_APART = 0.1
"""The share of contexts, by hash, that only the last step and its calibration see."""


@dataclass(frozen=True, slots=True)
class Example:
    """A sample with its truth, where it comes from, and what it must not be parted from."""

    id: str
    source: str
    sample: Sample
    label: int
    kind: str = ""

    @property
    def group(self) -> float:
        """The same number in [0, 1) for all examples over the same contexts."""
        return rank("".join(self.sample.contexts)[:500] or self.id)


def training_examples(data: Path, *, seed: int = 5) -> list[Example]:
    """What the pair encoder learns groundedness from; the contexts held apart are left out."""
    random = Random(seed)
    rows = [row for row in _usable_rows(data) if not is_held_apart(_example(row))]
    examples = [_example(row) for row in rows for _ in range(TIMES.get(row.source, 1))]
    examples += _without_evidence(rows, random)
    examples += _made_examples(rows, random)
    return examples + 2 * list(support_examples(Random(1), held_out=False))


def apart_examples(data: Path, *, seed: int = 6) -> list[Example]:
    """Rows over contexts that the encoder has not seen, and claims made from them."""
    rows = [row for row in _usable_rows(data) if is_held_apart(_example(row))]
    made = list(_made_examples(rows, Random(seed)))
    return [*map(_example, rows), *made[:APART_MADE]]


def is_held_apart(example: Example) -> bool:
    """Whether an example is left to the last step: the first contexts by hash."""
    return example.group < HELD_APART


def _usable_rows(data: Path) -> list[Row]:
    """The rows of the training sets, without those that are neither right nor wrong."""
    return [
        row
        for source in TRAIN
        for row in training_rows(source, data, CRITERION)
        if not (row.source == "factcheck_gpt" and "partial" in json.dumps(row.extra))
    ]


def dev_examples(data: Path, source: Source) -> list[Example]:
    """The picked rows of a development set."""
    return [_example(row) for row in source.rows(data, CRITERION, "dev")]


def _example(row: Row) -> Example:
    return Example(row.id, row.source, row.sample, row.label, row.extra.get("kind") or "")


def _made_examples(rows: Sequence[Row], random: Random) -> Iterator[Example]:
    """Reworded and falsified sentences of the rows' passages, alone and two together."""
    usable = [row for row in rows if row.source in PASSAGES]
    passages = {row.sample.contexts: row for row in usable}
    strangers = sorted(
        {name.title() for row in usable[:600] for name in names(row.sample.contexts[0])}
    )
    chosen = sorted(passages.items(), key=lambda item: rank(item[1].id))[:PASSAGES_READ]
    for contexts, row in chosen:
        count = 1 if random.random() < 0.6 else 2
        made = make_claims("\n".join(contexts), strangers, random, count=count)
        told = [*_with_joined(made, random), *_long_answers(contexts, strangers, random)]
        for number, (text, label, kind) in enumerate(told):
            sample = Sample("", text, contexts)
            yield Example(f"{row.id}-made-{number}", kind, sample, label, kind)


def _with_joined(made: list[Made], random: Random) -> Iterator[tuple[str, int, str]]:
    """The claims, and two of them as one response: true ones, or a true and a false one."""
    for claim in made:
        yield claim.text, claim.label, "made"
    true = [claim.text for claim in made if claim.label == 1]
    false = [claim.text for claim in made if claim.label == 0]
    if len(true) > 1:
        if random.random() < 0.5:
            yield " ".join(true), 1, "joined"
        else:
            yield f"{true[0]} {false[-1]}", 0, "joined"


def _long_answers(
    contexts: Sequence[str], strangers: Sequence[str], random: Random
) -> Iterator[tuple[str, int, str]]:
    """For some passages, an answer of several sentences, and the same with one that is false."""
    if random.random() > LONG_SHARE:
        return
    made = make_claims("\n".join(contexts), strangers, random, count=random.randint(3, 6))
    twins = list(zip(made[::2], made[1::2], strict=True))
    if len(twins) < 3:
        return
    texts = [true.text for true, _ in twins]
    place = random.randrange(len(texts))
    spoilt = [*texts[:place], twins[place][1].text, *texts[place + 1 :]]
    yield " ".join(texts), 1, "long"
    yield " ".join(spoilt), 0, "long"


def _without_evidence(rows: Sequence[Row], random: Random) -> Iterator[Example]:
    """Supported responses over contexts from which the supporting pieces are cut.

    The response stays as it is, so that its own style cannot tell.
    """
    usable = [row for row in rows if row.label == 1 and row.source in DELETABLE]
    for row in random.sample(usable, min(DELETED, len(usable))):
        left = _cut_evidence(row.sample)
        if left is not None:
            sample = replace(row.sample, contexts=left)
            yield Example(f"{row.id}-deleted", "deleted", sample, 0, "deleted")


def _cut_evidence(sample: Sample) -> tuple[str, ...] | None:
    """The contexts without what supports the response; None where that cannot be told."""
    claims = read_sample(sample).claims
    if len(claims) != 1:
        return None
    said = set(content_words(claims[0].text))
    answer = sample.response.lower().strip(" .")
    supporting = [
        piece
        for piece in claims[0].evidence[:3]
        if len(said & set(content_words(piece.text))) >= 0.4 * len(said)
        or answer in piece.text.lower()
    ]
    contexts = list(sample.contexts)
    for piece in sorted(supporting, key=lambda piece: -piece.span.start):
        text = contexts[piece.context]
        contexts[piece.context] = text[: piece.span.start] + text[piece.span.end :]
    left = tuple(text for text in contexts if text.strip())
    is_gone = supporting and left and answer not in " ".join(left).lower()
    return left if is_gone else None


def support_examples(random: Random, *, held_out: bool) -> Iterator[Example]:
    """Hand-written help-desk passages with faithful and false answers; a quarter is held out."""
    text = resources.files("evaluators.training").joinpath("support.jsonl").read_text("utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    for number, entry in enumerate(entries):
        if (number % 4 == 3) != held_out:
            continue
        others = [other["context"] for other in random.sample(entries, 2) if other is not entry]
        contexts = [entry["context"], *others][: random.randint(1, 3)]
        random.shuffle(contexts)
        yield from _support_answers(f"support-{number}", entry, tuple(contexts), random)


def _support_answers(
    name: str, entry: dict[str, list[str]], contexts: tuple[str, ...], random: Random
) -> Iterator[Example]:
    true, false = entry["supported"], entry["unsupported"]
    answers = [(text, 1) for text in true] + [(text, 0) for text in false]
    answers += [(" ".join(true), 1), (f"{random.choice(true)} {random.choice(false)}", 0)]
    answers += [(f"{random.choice(false)} {random.choice(true)}", 0)]
    for number, (text, label) in enumerate(answers):
        yield Example(f"{name}-{number}", "support", Sample("", text, contexts), label, "support")
