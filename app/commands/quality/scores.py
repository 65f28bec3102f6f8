"""Scores that are kept in a folder, so that a run that was stopped goes on where it was."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import evaluators
from app.commands.progress import in_chunks
from app.outcomes import computation_of
from evaluators.protocol import Evaluator, Sample, Verdict, missing_fields
from evaluators.training import controls
from evaluators.training.controls import Cosine, Overlap

CHUNK = 64


@dataclass(frozen=True, slots=True)
class Scored:
    """A score, or None for an abstention, and how many pieces of evidence lie outside the text."""

    score: float | None
    outside: int = 0


def fingerprint(judge: Evaluator) -> str:
    """A short name that changes with the evaluator, its weights, precision and code.

    An evaluator tells its precision once it is loaded.
    """
    spec, computation = judge.spec, computation_of(judge)
    named = f"{spec.name} {spec.version} {spec.weights_digest} {spec.calibration}"
    if computation is not None:
        named += f" {computation.precision}"
    digest = hashlib.sha256(named.encode())
    for path in code_of(judge):
        digest.update(path.read_bytes())
    return f"{spec.name}-{digest.hexdigest()[:12]}"


def code_of(judge: Evaluator) -> list[Path]:
    """The code of the controls for a control, that of all judges for a judge."""
    if isinstance(judge, (Overlap, Cosine)):
        return [Path(controls.__file__)]
    room = Path(evaluators.__file__).parent
    return sorted([*room.glob("*.py"), *room.glob("heads/*.py")])


class ScoreBook:
    """The scores of one evaluator, in memory and, where a folder is given, in a file of it."""

    def __init__(self, judge: Evaluator, folder: Path | None) -> None:
        self._judge = judge
        self._loaded = False
        self._path = None if folder is None else folder / f"{fingerprint(judge)}.jsonl"
        self._known: dict[str, Scored] = {}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._known = dict(_read(self._path))

    def score(self, samples: Sequence[Sample]) -> list[Scored]:
        """One result per sample, in order; what is not known yet is judged and kept."""
        keys = [key_of(self._judge.spec.criterion, sample) for sample in samples]
        missing = {k: s for k, s in zip(keys, samples, strict=True) if k not in self._known}
        for chunk in in_chunks(missing.items(), CHUNK):
            found = self._judged([sample for _, sample in chunk])
            self._keep({key: one for (key, _), one in zip(chunk, found, strict=True)})
        return [self._known[key] for key in keys]

    def _judged(self, samples: Sequence[Sample]) -> list[Scored]:
        if not self._loaded:
            self._judge.load()
            self._loaded = True
        usable = [sample for sample in samples if not missing_fields(self._judge.spec, sample)]
        verdicts = iter(self._judge.evaluate(usable))
        return [
            Scored(None)
            if missing_fields(self._judge.spec, sample)
            else _scored(sample, next(verdicts))
            for sample in samples
        ]

    def _keep(self, found: dict[str, Scored]) -> None:
        self._known |= found
        if self._path is not None:
            with self._path.open("a", encoding="utf-8") as file:
                for key, one in found.items():
                    file.write(json.dumps([key, one.score, one.outside]) + "\n")


def key_of(criterion: str, sample: Sample) -> str:
    """A name for the words of a sample under one criterion."""
    words = json.dumps([criterion, sample.prompt, sample.response, sample.contexts])
    return hashlib.sha256(words.encode()).hexdigest()[:24]


def _scored(sample: Sample, verdict: object) -> Scored:
    if not isinstance(verdict, Verdict):
        return Scored(None)
    return Scored(verdict.score, evidence_outside(sample, verdict))


def evidence_outside(sample: Sample, verdict: Verdict) -> int:
    """How many pieces of evidence point outside the response or its contexts."""
    outside = 0
    for one in verdict.evidence:
        inside = one.end <= len(sample.response)
        if one.context is not None:
            inside = inside and 0 <= one.context < len(sample.contexts)
            end = one.context_end or 0
            inside = inside and (one.context_start or 0) <= end
            inside = inside and end <= len(sample.contexts[one.context])
        outside += not inside
    return outside


def _read(path: Path) -> list[tuple[str, Scored]]:
    """The complete lines of the file; one that a stopped run left half written is passed over."""
    if not path.is_file():
        return []
    whole = path.read_text(encoding="utf-8").rpartition("\n")[0]
    path.write_text(whole + "\n" if whole else "", encoding="utf-8")
    lines = [json.loads(line) for line in whole.splitlines()]
    return [(key, Scored(score, outside)) for key, score, outside in lines]
