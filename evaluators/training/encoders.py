"""Makes the two encoders that ship: examples as bags of sequences, runs, files."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save_file

from evaluators.engine import ENCODER, file_digest, find_encoder
from evaluators.heads.evidence import read_sample
from evaluators.heads.pairing import answer_windows, claim_sequences, passage_sequence
from evaluators.heads.sequences import Tokenizer, windows
from evaluators.training import grounding, pairing, wordings
from evaluators.training.duplicates import drop_near_duplicates, measured_rows
from evaluators.training.manifest import used_file, write_data_manifest
from evaluators.training.progress import Progress, no_progress
from evaluators.training.rows import Source
from evaluators.training.tuning import CHECKPOINT, Bag, Tuning, tune

ENCODERS = ("pair", "text")
PAIR_TASKS = ("grounded", "answers", "helps")
"""The outputs of the pair encoder, in order."""
MAX_CLAIMS = 8
MAX_WINDOWS = 8
READ_CHARACTERS = 2500
OURS = "made from the sets of this table, or written for this project (Apache-2.0)"
READ: dict[str, tuple[tuple[str, tuple[Source, ...]], ...]] = {
    "pair": (
        ("groundedness", grounding.TRAIN),
        ("answer_relevance", pairing.ANSWERS),
        ("context_relevance", (*pairing.CONTEXTS, pairing.PASSAGES)),
    ),
    "text": (
        ("toxicity", wordings.TOXICITY),
        ("bias", wordings.BIAS),
        ("", wordings.BENIGN),
    ),
}
"""The sets that an encoder learns from, by the folder that holds those without one of their own."""
SOURCES = {name: [one for _, sets in read for one in sets] for name, read in READ.items()}
GATHERED = {
    "answers": pairing.ANSWERS,
    "passages": (*pairing.CONTEXTS, pairing.PASSAGES),
    "benign": wordings.BENIGN,
}
"""Names in the list of rows that stand for several sets."""
READS = {
    "pair": "Reads a claim after the pieces of the contexts nearest to it, or a question with an "
    "answer or a passage.",
    "text": "Reads a few sentences of a response.",
}
REVIEWED = 22_000
"""How many bags of the first run are read again beside the written lines."""
REPEATED = 5
"""How often each written line is read; there are few, and each stands for many."""

TIMES = {
    "hatemojibuild": 2.0,
    "toxigen_seeds": 2.0,
    "stormfront": 0.6,
    "diasafety": 0.7,
    "civil_spans": 0.4,
    "paradetox": 0.25,
    "semeval_toxic_spans": 0.5,
    "spans cut": 0.5,
    "davidson": 0.3,
    "cat_large": 0.4,
    "disguised": 0.8,
    "edos": 0.35,
    "redditbias": 0.35,
    "stereoset": 0.5,
    "bold_neutral": 0.5,
    "emgsd_aug": 0.3,
    "diasafety_biased_opinion": 0.8,
    "benign": 0.5,
    "harmless": 3.0,
}
"""How often the last run of the text encoder reads an example of each set, on average."""

PAIR = Tuning(signs=(-1, 1, 1), pooled="first", tokens_per_step=3072)
TEXT = Tuning(signs=(1, 1, 1, 1), tokens_per_step=2048)
TEXT_WRITTEN = Tuning(
    signs=(1, 1, 1, 1),
    tokens_per_step=2048,
    learning_rate=6e-5,
    head_learning_rate=3e-4,
    seed=12,
)
TEXT_LANGUAGES = replace(TEXT_WRITTEN, seed=14)
TEXT_HATE = replace(TEXT_WRITTEN, learning_rate=1e-4, head_learning_rate=4e-4, seed=13)


@dataclass(frozen=True, slots=True)
class Learned:
    """The examples of a run, and how many each set gave."""

    bags: list[Bag]
    rows: Counter[str]


class _Collector:
    """Gathers bags and counts them by source."""

    def __init__(self) -> None:
        self.bags: list[Bag] = []
        self.rows: Counter[str] = Counter()

    def add(self, source: str, bag: Bag) -> None:
        if bag.sequences:
            self.bags.append(bag)
            self.rows[source] += 1

    @property
    def learned(self) -> Learned:
        return Learned(self.bags, self.rows)


def pair_bags(data: Path, tokenizer: Tokenizer) -> Learned:
    """What the pair encoder learns from; what is held apart for the last step is left out."""
    found = _Collector()
    for example in grounding.training_examples(data):
        claims = read_sample(example.sample).claims[:MAX_CLAIMS]
        weight = grounding.WEIGHTS.get(example.source, 1.0)
        bag = Bag(tuple(claim_sequences(claims, tokenizer)), {0: float(example.label)}, weight)
        found.add(example.source, bag)
    for one in pairing.answer_examples(data):
        if not pairing.is_held_apart(one):
            sequences = tuple(w.tokens for w in answer_windows(one.prompt, one.text, tokenizer))
            found.add(one.source, Bag(sequences, {1: float(one.label)}))
    for one in pairing.context_examples(data):
        if not pairing.is_held_apart(one):
            sequence = passage_sequence(one.prompt, one.text, tokenizer).tokens
            found.add(one.source, Bag((sequence,), {2: float(one.label)}))
    return found.learned


def text_bags(data: Path, tokenizer: Tokenizer) -> Learned:
    """What the text encoder learns from at first; what is held apart is left out."""
    found = _Collector()
    for example in wordings.wording_examples(data):
        if example.group >= wordings.HELD_APART:
            found.add(example.source, _text_bag(example, tokenizer))
    return found.learned


def written_bags(
    before: Sequence[Bag],
    tokenizer: Tokenizer,
    *,
    seed: int = 9,
    reviewed: int = REVIEWED,
    repeated: int = REPEATED,
    languages: int = REPEATED,
) -> Learned:
    """The lines that we wrote, several times over, among bags of the first run."""
    found = _Collector()
    for bag in Random(seed).sample(before, min(reviewed, len(before))):
        found.add("read again", bag)
    for example in wordings.written_examples("train"):
        times = languages if example.source == "written languages" else repeated
        for _ in range(times):
            found.add(example.source, _text_bag(example, tokenizer))
    return found.learned


def hate_bags(data: Path, tokenizer: Tokenizer, seed: int = 21) -> Learned:
    """The sets about hate of groups more often than others, and the written lines once more."""
    random, found = Random(seed), _Collector()
    for example in wordings.wording_examples(data):
        if example.group >= wordings.HELD_APART:
            share = TIMES[example.source]
            for _ in range(int(share) + (random.random() < share % 1)):
                found.add(example.source, _text_bag(example, tokenizer))
    for example in wordings.written_examples("train"):
        for _ in range(REPEATED - 1):
            found.add(example.source, _text_bag(example, tokenizer))
    return found.learned


def _text_bag(example: wordings.WordingExample, tokenizer: Tokenizer) -> Bag:
    found = windows(example.text[:READ_CHARACTERS], tokenizer)[:MAX_WINDOWS]
    labels = {wordings.TASKS.index(task): value for task, value in example.labels.items()}
    return Bag(tuple(window.tokens for window in found), labels, example.weight)


def train_encoder(
    name: str, data: Path, out: Path, work: Path, progress: Progress = no_progress
) -> dict[str, object]:
    """Train an encoder, write it to `out`, and return its entry; `work` keeps the checkpoints."""
    tokenizer = Tokenizer(find_encoder())
    if name == "pair":
        learned = pair_bags(data, tokenizer)
        tune(learned.bags, PAIR, work / "pair", progress)
        used = write_used("pair", data, out)
        return write_encoder("pair", PAIR_TASKS, work / "pair", out, learned.rows, used)
    learned = text_bags(data, tokenizer)
    tune(learned.bags, TEXT, work / "text", progress)
    again = written_bags(learned.bags, tokenizer)
    tune(again.bags, TEXT_WRITTEN, work / "text-written", progress, before=work / "text")
    last = hate_bags(data, tokenizer)
    tune(last.bags, TEXT_HATE, work / "text-hate", progress, before=work / "text-written")
    average_runs(work / "text-written", work / "text-hate", work / "text-average")
    tongues = written_bags(
        learned.bags, tokenizer, seed=31, reviewed=7000, repeated=2, languages=12
    )
    tune(tongues.bags, TEXT_LANGUAGES, work / "text-last", progress, before=work / "text-average")
    rows = learned.rows + again.rows + last.rows + tongues.rows
    shipped = work / "text-shipped"
    average_runs(work / "text-average", work / "text-last", shipped, share=0.6)
    used = write_used("text", data, out)
    return write_encoder("text", wordings.TASKS, shipped, out, rows, used)


def write_used(name: str, data: Path, out: Path) -> str:
    """Write which files and rows of `data` an encoder learns from, and return the file's sha256."""
    used, dropped = [], Counter[str]()
    for folder, one in ((folder, one) for folder, sets in READ[name] for one in sets):
        picked = one.rows(data, folder, "train")
        kept, near = drop_near_duplicates(picked, measured_rows(data))
        used.append(used_file(one.path(data, folder, "train"), data, kept))
        dropped += near
    seed = (PAIR if name == "pair" else TEXT).seed
    return write_data_manifest(out / f"{name}.data.json", used, seed=seed, dropped=dropped)


def average_runs(one: Path, other: Path, made: Path, *, share: float = 0.5) -> None:
    """The mean of the weights of two runs, `share` of it the other, which went on from the one.

    Averaged weights do better on unlike sets than either end (Wortsman et al. 2022, Model soups).
    """
    states = [torch.load(run / CHECKPOINT, weights_only=True) for run in (one, other)]
    first, second = (state["judge"] for state in states)
    mean = {
        name: (1 - share) * first[name].float() + share * second[name].float() for name in second
    }
    made.mkdir(parents=True, exist_ok=True)
    torch.save({**states[1], "judge": mean}, made / CHECKPOINT)


def write_encoder(
    name: str, tasks: Sequence[str], run: Path, out: Path, rows: Counter[str], used: str = ""
) -> dict[str, object]:
    """Write the layers and the head of a finished run in half precision, and their entry.

    `used` is the sha256 of the file that says which rows the run learned from.
    """
    state = torch.load(run / CHECKPOINT, weights_only=True)
    frozen = int(state["tuning"]["frozen_layers"])
    fixed = tuple(f"encoder.encoder.layer.{number}." for number in range(frozen))
    kept = {
        key: one.to(torch.bfloat16).contiguous()
        for key, one in sorted(state["judge"].items())
        if not key.startswith(fixed)
    }
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.safetensors"
    save_file(kept, path, {"pooled": state["tuning"].get("pooled", "mean")})
    entry: dict[str, object] = {
        "file": path.name,
        "sha256": file_digest(path),
        "tasks": list(tasks),
        "layers_kept": frozen,
        "steps": state["steps"],
        "rows": dict(sorted(rows.items())),
        "data": used,
    }
    listed = out / "encoders.json"
    entries = json.loads(listed.read_text()) if listed.is_file() else {}
    entries[name] = entry
    listed.write_text(json.dumps(dict(sorted(entries.items())), indent=2) + "\n")
    (out / "encoders.md").write_text(encoders_card(entries | {name: entry}), encoding="utf-8")
    return entry


def encoders_card(entries: dict[str, dict[str, Any]]) -> str:
    """The card of the encoders: what they read, what they learned from, under which licences."""
    lines = [
        "# Model card: the two encoders",
        "",
        f"Both start from {ENCODER.name} (sha256 `{ENCODER.sha256}`, Apache-2.0), which is "
        "installed as a package. Embeddings and lowest layers stay as they are; the other layers "
        "and the outputs were fine-tuned and ship here in bfloat16. What the judges say with them, "
        "and how well, is on the cards of the five criteria.",
        "",
        "* Licence of the weights: Apache-2.0; the texts they were learned from keep theirs, below",
        "* Made by: `touchstone train pair` and `touchstone train text`, on one CPU core in about "
        "an hour and half an hour; a tenth of contexts, prompts and texts, by hash, was held apart "
        "for the last steps and their calibration. Each ships as its command gives it",
        "* Near duplicates: training rows that share most runs of eight words with a development "
        "row of any criterion are left out (`evaluators.training.duplicates`; how many of which "
        "set stands in the list of rows)",
        "* In whole numbers: `ranges.safetensors`, made by `touchstone train ranges`, says between "
        "which values the inputs of every linear map lay on 3,000 training sequences of each "
        "encoder; with OpenVINO, the maps then run in int8. `python -m benchmarks.precision` "
        "compares the verdicts with those of fp32",
    ]
    for name, entry in sorted(entries.items()):
        lines += ["", f"## {name}", "", *_entry_lines(name, entry)]
    return "\n".join(lines) + "\n"


def _entry_lines(name: str, entry: dict[str, Any]) -> list[str]:
    licences = {source.name: source.licence for source in SOURCES[name]}
    licences |= {made: _listed(sources) for made, sources in GATHERED.items()}
    rows: dict[str, int] = entry["rows"]
    return [
        READS[name],
        "",
        f"* Weights: `{entry['file']}`, sha256 `{entry['sha256']}`",
        f"* Outputs: {', '.join(entry['tasks'])}; lowest layers kept: {entry['layers_kept']}; "
        f"steps of the last run: {entry['steps']}",
        f"* Files and rows that were read: `{name}.data.json`, sha256 `{entry['data']}`",
        "",
        "| Set | Examples | Licence |",
        "|---|---:|---|",
        *(f"| {one} | {count} | {licences.get(one) or OURS} |" for one, count in rows.items()),
    ]


def _listed(sources: Sequence[Source]) -> str:
    return ", ".join(f"{source.name} ({source.licence})" for source in sources)
