"""Synthetic reviewers and end users, so that the reports have people to compare the judges with.

Nobody read these answers: a label is the truth that the generator knows, with a few slips. The
names say so. The sample is random within each week, and every label carries its probability.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random

from app.demo.traffic import SEED, DemoInteraction

REVIEWERS = ("Ada (synthetic)", "Bruno (synthetic)", "Carmen (synthetic)", "Dora (synthetic)")
PER_WEEK = 25
TWICE_PER_WEEK = 8
"""How many of them a second reviewer labels too, so that agreement can be measured."""
SLIP = 0.04
FEEDBACK_SHARE = 0.15
COMMENT = "Synthetic label, made by the demo."
_UNHAPPY = {"faithful": 0.1, "biased": 0.6}
_UNHAPPY_OTHERWISE = 0.85


@dataclass(frozen=True, slots=True)
class DemoLabel:
    """What one synthetic reviewer says about one criterion of one interaction."""

    trace_id: str
    criterion: str
    label: str
    reviewer: str
    inclusion_probability: float
    stratum: str

    def body(self, interaction_id: str) -> dict[str, object]:
        """The body of `POST /api/v1/annotations`."""
        return {
            "interaction_id": interaction_id,
            "criterion": self.criterion,
            "label": self.label,
            "reviewer": self.reviewer,
            "blind": True,
            "inclusion_probability": self.inclusion_probability,
            "stratum": self.stratum,
            "comment": COMMENT,
            "idempotency_key": f"demo/{self.trace_id}/{self.criterion}/{self.reviewer}",
        }


def labels(
    traffic: Sequence[DemoInteraction], known: Mapping[str, Sequence[str]]
) -> Iterator[DemoLabel]:
    """The labels for a random sample of each week; `known` are the labels of each criterion."""
    random = Random(f"{SEED}/review")
    for week, group in groupby(traffic, key=lambda one: one.week):
        interactions = list(group)
        probability = PER_WEEK / len(interactions)
        for position, one in enumerate(random.sample(interactions, k=PER_WEEK)):
            readers = 2 if position < TWICE_PER_WEEK else 1
            for reviewer in random.sample(REVIEWERS, k=readers):
                for criterion, truth in one.truth.items():
                    label = _slipped(truth, known[criterion], random)
                    trace_id = f"{one.trace_id:032x}"
                    yield DemoLabel(trace_id, criterion, label, reviewer, probability, week)


def thumbs(traffic: Sequence[DemoInteraction]) -> Iterator[dict[str, object]]:
    """The bodies of `POST /api/v1/feedback`: thumbs of a share of the synthetic end users."""
    random = Random(f"{SEED}/feedback")
    for one in traffic:
        if random.random() < FEEDBACK_SHARE:
            unhappy = random.random() < _UNHAPPY.get(one.kind, _UNHAPPY_OTHERWISE)
            yield {
                "trace_id": f"{one.trace_id:032x}",
                "name": "thumb",
                "value": 0 if unhappy else 1,
                "user_id": one.user,
            }


def _slipped(truth: str, known: Sequence[str], random: Random) -> str:
    if random.random() >= SLIP:
        return truth
    return random.choice([label for label in known if label != truth])
