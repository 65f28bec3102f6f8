"""The examples that the groundedness head learns from: people's labels and made claims."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from random import Random

from evaluators.protocol import Sample
from evaluators.signals import names
from evaluators.training.corruption import Made, make_claims
from evaluators.training.rows import Row, Source, rank

CRITERION = "groundedness"
TRAIN = (
    Source("begin_v1", "CC BY 4.0", 2500),
    Source("cad_nli", "Apache-2.0 / CC BY-SA 4.0", 2500),
    Source("fever_symmetric", "CC BY-SA 3.0"),
    Source("help_conj", "CC BY-SA 4.0", 500),
    Source("factcheck_gpt", "Apache-2.0", 600),
    Source("faithdial_audit", "MIT", 300),
    Source("factcg_cg2c_doc", "MIT", 250),
    Source("ares_synthetic", "Apache-2.0", 300),
    Source("squad1_qa", "CC BY-SA 4.0", 600),
    Source("tabfact_pairs", "MIT / CC BY 4.0", 120),
    Source("mtrag_human", "Apache-2.0", 150),
    Source("expertqa", "MIT"),
)
DEV = (
    Source("begin_v1", limit=300),
    Source("begin_wow", limit=300),
    Source("begin_cmu", limit=120),
    Source("begin_tc", limit=120),
    Source("cad_nli", limit=300),
    Source("expertqa", limit=150),
    Source("halueval_qa500", limit=300),
    Source("squad1_qa", limit=200),
    Source("summedits", limit=80),
    Source("tabfact_pairs", limit=80),
    Source("factcc_summac", limit=60),
    Source("cliff", limit=60),
    Source("goyal21"),
    Source("xsumfaith_summac", limit=60),
    Source("wice_claim", limit=30),
    Source("propsegment_wiki", limit=100),
    Source("climate_fever", limit=300),
    Source("anli_dev", limit=150),
)
PASSAGES = ("squad1_qa", "ares_synthetic", "mtrag_human", "factcg_cg2c_doc", "begin_v1")
"""Whose contexts claims are made from …"""
MADE_SHARE = 0.4
"""… and from which share of them."""

SHARE = 1.0
"""The share of contexts that is read, chosen by hash, so that a run takes minutes."""


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


def training_examples(data: Path, *, seed: int = 7) -> list[Example]:
    """All training examples, those over the same contexts next to each other."""
    random = Random(seed)
    rows = [row for source in TRAIN for row in source.rows(data, CRITERION, "train")]
    examples = [_example(row) for row in rows]
    examples += _made_examples(rows, random)
    examples += _swapped(rows, random)
    examples += list(support_examples(random, held_out=False))
    kept = [one for one in examples if one.group < SHARE or one.source == "support"]
    return sorted(kept, key=lambda example: (example.group, example.id))


def is_held_apart(example: Example, share: float) -> bool:
    """Whether an example is left to the calibration: the first contexts by hash."""
    return example.group < share * SHARE


def dev_examples(data: Path, source: Source) -> list[Example]:
    """The picked rows of a development set."""
    return [_example(row) for row in source.rows(data, CRITERION, "dev")]


def _example(row: Row) -> Example:
    return Example(row.id, row.source, row.sample, row.label, row.extra.get("kind") or "")


def _made_examples(rows: Sequence[Row], random: Random) -> Iterator[Example]:
    """Reworded and falsified sentences of the rows' passages, alone and joined to responses."""
    usable = [row for row in rows if row.source in PASSAGES]
    passages = {row.sample.contexts: row for row in usable if rank(row.id) < MADE_SHARE}
    strangers = sorted(
        {name.title() for row in usable[:400] for name in names(row.sample.contexts[0])}
    )
    for contexts, row in sorted(passages.items(), key=lambda item: item[1].id):
        made = make_claims("\n".join(contexts), strangers, random, count=2)
        sample = Sample("", "", contexts)
        for number, (text, label, kind) in enumerate(_with_joined(made, random)):
            made_sample = replace(sample, response=text)
            yield Example(f"{row.id}-made-{number}", "made", made_sample, label, kind)


def _with_joined(made: list[Made], random: Random) -> Iterator[tuple[str, int, str]]:
    for claim in made:
        yield claim.text, claim.label, claim.kind
    true = [claim for claim in made if claim.label == 1]
    false = [claim for claim in made if claim.label == 0]
    if len(true) >= 2:
        yield " ".join(claim.text for claim in true), 1, "joined"
        mixed = [*true[1:], random.choice(false)]
        random.shuffle(mixed)
        yield " ".join(claim.text for claim in mixed), 0, "joined"


def _swapped(rows: Sequence[Row], random: Random) -> Iterator[Example]:
    """Faithful responses over the contexts of another row."""
    grounded = [row for row in rows if row.label == 1 and row.source != "help_conj"]
    for row in random.sample(grounded, min(500, len(grounded))):
        other = random.choice(
            [r for r in random.sample(grounded, 20) if r.source == row.source] or grounded
        )
        if other.sample.contexts != row.sample.contexts:
            sample = replace(row.sample, contexts=other.sample.contexts)
            yield Example(f"{row.id}-swapped", "swapped", sample, 0, "swapped")


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
