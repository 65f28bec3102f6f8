"""Writes a trained head: its weights, its entry in the manifest, and its model card."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.numpy import save_file

from evaluators.engine import ENCODER, file_digest
from evaluators.training.tasks import Scored, Trained
from evaluators.weights import calibration_id

VERSIONS = {"groundedness": "9", "answer_relevance": "7", "context_relevance": "7"}
OTHERS = "6"
"""The version of the heads that are not named, whose scores have not changed since."""
FEW_FALSE_ALARMS = frozenset({"context_relevance"})
"""Heads whose failures are rare in practice, so that false alarms would drown them."""
MORE_LIKELY_THAN_NOT = 0.5
FAILING = 0.2
"""Which share of answers is taken to be ungrounded in practice when the threshold is chosen."""
Measure = Callable[..., dict[str, object]]
PickThreshold = Callable[..., float]

USE = {
    "groundedness": "Says whether each sentence of a response is supported by the contexts, and "
    "how likely it is that all of them are. Label 1 and a high score mean grounded.",
    "answer_relevance": "Says how likely it is that a response addresses the prompt, true or not. "
    "Label 1 and a high score mean relevant.",
    "context_relevance": "Says how likely it is that a passage helps to answer the prompt; the "
    "best passage counts. Label 1 and a high score mean relevant.",
    "toxicity": "Says how likely it is that a response is rude, insulting, threatening or hateful. "
    "Label 1 and a high score mean toxic.",
    "bias": "Says how likely it is that a response stereotypes or demeans a group. Label 1 and a "
    "high score mean biased.",
}
LIMITS = {
    "groundedness": "The encoder reads a claim beside at most five pieces of the contexts, chosen "
    "by shared words: support that is worded quite differently, arithmetic over tables and claims "
    "that only many passages together support are often missed. Other languages than English were "
    "hardly seen. Names in each other's place and plain contradictions often pass for support. A "
    "sentence of nine words or more that a context says word for word counts as supported without "
    "being read by the encoder, even if what stands around it there takes it back.",
    "answer_relevance": "It does not know whether an answer is true. Answers of one or two words "
    "are judged mostly by their type (a name, a number). Of long answers the first parts and the "
    "last one are read. Where the prompt is an order rather than a question, a text about the same "
    "thing passes for what was ordered. An order that names no subject, such as “Summarise the "
    "document.”, is taken to be about the contexts.",
    "context_relevance": "A passage on the right topic that lacks the answer often scores high. "
    "The training passages are encyclopedic and English. It abstains from orders that name no "
    "subject, such as “Summarise the document.”.",
    "toxicity": "Sarcasm and hate that is said politely are often missed, quotations sometimes "
    "flagged. A response is judged without the prompt. English only; insults in other languages "
    "are mostly missed.",
    "bias": "The judge knows contempt of groups better than stereotypes that are told in neutral "
    "words. It sees one response, not whether an application treats groups differently; that "
    "belongs to the report. English only.",
}


@dataclass(frozen=True, slots=True)
class Direction:
    """What a criterion says about scores, passed in since evaluators know no criteria."""

    higher_is_better: bool
    threshold: float | None = None
    """The threshold to report at; chosen on the development sets when None."""


def choose_threshold(trained: Trained, pick: PickThreshold) -> float:
    """The threshold by the rule that the card states."""
    chat = trained.dev.get("chat")
    if chat is not None and not any(chat.labels):
        ordered = sorted(chat.scores)
        highest = ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] + 0.0001
        return max(MORE_LIKELY_THAN_NOT, round(highest, 4))
    if chat is not None:
        return round(min(MORE_LIKELY_THAN_NOT, _low_score(chat, 20)), 4)
    sets = [one for one in trained.dev.values() if 0 < sum(one.labels) < len(one.labels)]
    if trained.name in FEW_FALSE_ALARMS:
        return round(sum(_low_score(one, 10) for one in sets) / len(sets), 4)
    if trained.name == "groundedness":
        return _best_for_share(sets)
    size = min(300, max(len(one.labels) for one in sets))
    scores = [score for one in sets for score in _stretched(one.scores, size)]
    labels = [label for one in sets for label in _stretched(one.labels, size)]
    return pick(scores, [int(label) for label in labels])


def _best_for_share(sets: Sequence[Scored]) -> float:
    """The threshold of the highest mean F1 of failures, were one row in `1 / FAILING` failing."""
    steps = [step / 200 for step in range(1, 200)]
    return max(steps, key=lambda step: sum(_f1_at(one, step) for one in sets))


def _f1_at(scored: Scored, threshold: float) -> float:
    rows = list(zip(scored.scores, scored.labels, strict=True))
    good = [score < threshold for score, label in rows if label]
    bad = [score < threshold for score, label in rows if not label]
    caught, false = FAILING * sum(bad) / len(bad), (1 - FAILING) * sum(good) / len(good)
    return 2 * caught / (caught + false + FAILING)


def _low_score(scored: Scored, part: int) -> float:
    """The score that one part in so many of the rows of label 1 stays below."""
    good = sorted(s for s, y in zip(scored.scores, scored.labels, strict=True) if y)
    return good[len(good) // part]


def _stretched(values: Sequence[float], size: int) -> list[float]:
    """`size` values evenly taken, again and again where there are fewer."""
    return [values[index * len(values) // size] for index in range(size)]


def _rule(trained: Trained) -> str:
    if trained.name == "groundedness":
        return (
            "the highest F1 of ungrounded answers, averaged over the development sets, each "
            f"weighted as if {FAILING:.0%} of its answers were ungrounded"
        )
    if trained.name == "answer_relevance":
        return (
            "more likely than not, and so low that at most 5 % of the answers of a general "
            "chatbot, label 1 of set `chat`, fail"
        )
    if "chat" in trained.dev:
        return (
            "more likely than not, and so high that at most 1 % of the answers of a general "
            "chatbot, set `chat`, fail"
        )
    if trained.name in FEW_FALSE_ALARMS:
        return "the mean over the development sets of the score that a tenth of label 1 stays below"
    return "the highest balanced accuracy over the development sets, each weighing the same"


def write_head(
    trained: Trained, out: Path, *, direction: Direction, measure: Measure, pick: PickThreshold
) -> dict[str, object]:
    """Write weights, manifest entry and card; return the entry."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = choose_threshold(trained, pick)
    threshold = chosen if direction.threshold is None else direction.threshold
    path = out / f"{trained.name}.safetensors"
    metadata = trained.metadata | {"cut": str(threshold)}
    # The order of several entries would differ between runs, and with it the digest.
    described = {"head": json.dumps(metadata, sort_keys=True)}
    save_file(dict(sorted(trained.tensors.items())), path, metadata=described)
    slope, offset = json.loads(trained.metadata["calibration"])
    entry: dict[str, object] = {
        "version": VERSIONS.get(trained.name, OTHERS),
        "file": path.name,
        "sha256": file_digest(path),
        "calibration": calibration_id(slope, offset),
        "threshold": threshold,
    }
    _add_to_manifest(out / "manifest.json", trained.name, entry)
    card = _card(trained, entry, direction, measure, chosen)
    (out / f"{trained.name}.md").write_text(card, encoding="utf-8")
    return entry


def _add_to_manifest(path: Path, name: str, entry: dict[str, object]) -> None:
    manifest = json.loads(path.read_text()) if path.is_file() else {}
    manifest[name] = entry
    path.write_text(json.dumps(dict(sorted(manifest.items())), indent=2) + "\n")


def _card(
    trained: Trained,
    entry: dict[str, object],
    direction: Direction,
    measure: Measure,
    chosen: float,
) -> str:
    parameters = sum(tensor.size for tensor in trained.tensors.values())
    is_answer = trained.name == "answer_relevance"
    kept = "" if direction.threshold is None else " --keep-threshold"
    lines = [
        f"# Model card: {trained.name}",
        "",
        USE[trained.name],
        "",
        f"* Weights: `{entry['file']}`, {parameters:,} numbers, sha256 `{entry['sha256']}`",
        f"* Base: {ENCODER.name}, sha256 `{ENCODER.sha256}`; its upper layers are replaced by "
        f"those of `{_encoder_of(trained.name)}`, whose card is `encoders.md`"
        + ("; unchanged it tells how near the response is to the prompt" * is_answer),
        f"* Calibration: `{entry['calibration']}` (Platt, on rows that neither the encoder nor the "
        "last step was fitted to, held apart by a hash of their contexts, prompt or text)",
        f"* Threshold: {entry['threshold']}; the rule ({_rule(trained)}) gives {chosen}",
        "* Licence of the weights: Apache-2.0; the texts they were learned from keep theirs, below",
        f"* Made by: `touchstone train {trained.name} --data DIR{kept}`. The same data, the same "
        "torch and OpenVINO and the same kind of processor give the same digest; another processor "
        "may round differently and give another one.",
        "",
        "## The last step learned from",
        "",
        "Rows of the training sets that were held apart from the encoder.",
        "",
        "| Set | Rows | Licence |",
        "|---|---:|---|",
        *_source_lines(trained),
        "",
        "## Measured on",
        "",
        "Development sets, used for choosing thresholds and for nothing else; subsets are chosen "
        "by a hash of the row's id. Intervals are 95 % bootstrap intervals over rows.",
        "",
        "| Set | Rows | Label 1 | AUROC | Balanced accuracy | ECE | Brier | Abstained |",
        "|---|---:|---:|---|---|---:|---:|---:|",
        *_figure_lines(trained, entry, direction, measure),
        "",
        _near_chance(trained, entry, direction, measure),
        "",
        "## Limits",
        "",
        LIMITS[trained.name],
        "",
    ]
    return "\n".join(lines)


def _encoder_of(name: str) -> str:
    return "text.safetensors" if name in ("toxicity", "bias") else "pair.safetensors"


def _source_lines(trained: Trained) -> list[str]:
    licences = {source.name: source.licence for source in trained.sources}
    licences |= dict.fromkeys(("support", "harmless", "orders", "help"), "Apache-2.0")
    made = "made from the sets of this table"
    return [
        f"| {name} | {count} | {licences.get(name) or made} |"
        for name, count in sorted(trained.rows.items())
    ]


def _figure_lines(
    trained: Trained, entry: dict[str, object], direction: Direction, measure: Measure
) -> list[str]:
    return [
        _figure_line(name, scored, entry, direction, measure)
        for name, scored in trained.dev.items()
        if scored.labels
    ]


def _figure_line(
    name: str, scored: Scored, entry: dict[str, object], direction: Direction, measure: Measure
) -> str:
    figures = measure(
        scored.scores,
        scored.labels,
        threshold=entry["threshold"],
        higher_is_better=direction.higher_is_better,
    )
    cells = [_interval(figures["auroc"]), _interval(figures["balanced_accuracy"])]
    single = [f"{figures[key]['value']:.3f}" for key in ("ece", "brier")]  # type: ignore[index]
    share = f"{figures['prevalence']:.2f}"
    return (
        f"| {name} | {figures['n']} | {share} | {' | '.join(cells + single)} | {scored.abstained} |"
    )


def _near_chance(
    trained: Trained, entry: dict[str, object], direction: Direction, measure: Measure
) -> str:
    """Which sets the head cannot be relied on for."""
    weak = []
    for name, scored in trained.dev.items():
        figure = measure(
            scored.scores,
            scored.labels,
            threshold=entry["threshold"],
            higher_is_better=direction.higher_is_better,
        )["auroc"]
        if isinstance(figure, dict) and figure["low"] is not None and figure["low"] <= 0.5:
            weak.append(name)
    if not weak:
        return "On every set with both classes the whole interval of AUROC lies above chance."
    return f"Not shown to be better than chance (the interval reaches 0.5) on: {', '.join(weak)}."


def _interval(figure: object) -> str:
    assert isinstance(figure, dict)
    if figure["value"] is None:
        return "one class only"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
