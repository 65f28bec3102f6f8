"""What a plugin may answer wrongly costs one sample, and what is stored can be stored and shown."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from app.criteria import Criteria
from app.outcomes import Outcome, judge_batch
from app.verdicts import MOST_WORDS
from evaluators.protocol import Abstention, EvaluatorSpec, Evidence, Sample, Verdict

SAMPLE = Sample("Where?", "In Paris.", ("Paris is in France.",))
SPEC = EvaluatorSpec(name="odd", criterion="bias", version="1", needs=frozenset({"response"}))


class Odd:
    """Answers what it was made with to the first sample, and well to all others."""

    spec = SPEC

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def load(self) -> None:
        """Nothing to load."""

    def evaluate(self, samples: Sequence[Sample]) -> list[Any]:
        return [self._answer, *(Verdict(0.9) for _ in samples[1:])]


def outcome_of(answer: Any, criteria: Criteria) -> Outcome:
    first, second = judge_batch(Odd(answer), criteria.get("bias"), [SAMPLE, SAMPLE])
    assert second.status == "scored"
    json.dumps([first.explanation, first.evidence]).encode()
    return first


def spoilt(score: Any) -> Verdict:
    verdict = Verdict(0.5)
    object.__setattr__(verdict, "score", score)
    return verdict


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "got NoneType, not a Verdict"),
        (0.5, "got float, not a Verdict"),
        (spoilt(float("nan")), "must be a finite number"),
        (spoilt(True), "must be a finite number"),
        (spoilt(None), "NoneType"),
        (Verdict(0.5, None), "'NoneType' object is not iterable"),  # type: ignore[arg-type]
        (Verdict(0.5, [{"start": 0}]), "its evidence holds dict"),  # type: ignore[arg-type]
        (Verdict(0.5, (Evidence(0, 1.5, 0.5),)), "float"),  # type: ignore[arg-type]
        (Verdict(0.5, (), {"why": 1}), "its explanation is dict"),  # type: ignore[arg-type]
        (Abstention(None), "its reason is NoneType"),  # type: ignore[arg-type]
    ],
)
def test_an_answer_that_is_no_verdict_costs_its_own_sample(
    answer: Any, words: str, criteria: Criteria
) -> None:
    outcome = outcome_of(answer, criteria)
    assert (outcome.status, outcome.score) == ("failed", None)
    assert words in (outcome.explanation or "")


class Ending(Odd):
    def evaluate(self, samples: Sequence[Sample]) -> list[Any]:
        sys.exit(3)


def test_a_library_that_wants_to_end_the_process_does_not(criteria: Criteria) -> None:
    (outcome,) = judge_batch(Ending(None), criteria.get("bias"), [SAMPLE])
    assert (outcome.status, outcome.error_type) == ("failed", "SystemExit")


def test_words_that_no_database_stores_are_replaced_and_endless_ones_are_cut(
    criteria: Criteria,
) -> None:
    assert outcome_of(Verdict(0.5, (), "a\0\ud800b"), criteria).explanation == "a\ufffd?b"
    assert outcome_of(Abstention("no\0ne"), criteria).explanation == "no\ufffdne"
    assert len(outcome_of(Verdict(0.5, (), "x" * 10**6), criteria).explanation or "") == MOST_WORDS


@pytest.mark.parametrize(
    ("place", "kept"),
    [
        ((0, 0, 5), (0, 0, 5)),
        ((0, 4, 10**30), (0, None, None)),
        ((7, 0, 5), (None, None, None)),
        ((-1, 0, 5), (None, None, None)),
    ],
)
def test_evidence_points_at_contexts_that_are_there(
    place: tuple[int, int, int], kept: tuple[int | None, ...], criteria: Criteria
) -> None:
    outcome = outcome_of(Verdict(0.5, (Evidence(0, 2, 0.5, *place),)), criteria)
    names = ("context", "context_start", "context_end")
    assert [tuple(one[name] for name in names) for one in outcome.evidence] == [kept]
    beyond = Verdict(0.5, (Evidence(0, 10**6, 0.5),))
    assert outcome_of(beyond, criteria).evidence == []
