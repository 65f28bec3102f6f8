"""Bundled evaluators on hostile text: evidence lies in the text, order and batches are nothing."""

import socket
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.commands.quality.run import largest_change
from app.commands.quality.scores import evidence_outside
from evaluators import load_evaluators
from evaluators.protocol import Abstention, Evaluator, Sample, Verdict, missing_fields
from tests.evaluator_fixtures import abstain, bundled, judge

NAMES = ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias")
MEGABYTES = 60
LARGEST_CHANGE = 1e-3
WORDS = "the refund women idiot is paid not 14 days Oslo . kroner and hate , fish shop open"

hostile = st.lists(
    st.sampled_from(
        [
            *("👩‍👩‍👧", "🏳️‍🌈", "e\u0301", "\u202eabc", "\u200b", "\x00", "\ud7ff", "ß", "ﬁ", "İ"),
            *(". ", "!", "?\n", "\r\n", "- ", "1. ", "Mr. ", '"', "“", "{", '{"a": null}', "<b>"),
            *("you are an idiot", "Paris", "is in France", "12,5 %", "not", "women", "f.u.c.k"),
            *(
                "I cannot answer that.",
                "中文。",
                "العربية",
                "\t",
                "   ",
                "a" * 300,
                "http://x.y/?z",
            ),
        ]
    )
    | st.text(max_size=20),
    max_size=12,
).map(" ".join)


@pytest.mark.parametrize("name", NAMES)
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(prompt=hostile, response=hostile, contexts=st.lists(hostile, max_size=3))
@example(prompt="a", response="👩‍👩‍👧 Paris is in France. 👩‍👩‍👧", contexts=["👩‍👩‍👧 It is.", ""])
@example(prompt="\x00", response="\u202e\x00.", contexts=["\x00"])
def test_evidence_lies_in_the_text(
    name: str, prompt: str, response: str, contexts: list[str]
) -> None:
    evaluator, sample = bundled()[name], Sample(prompt, response, tuple(contexts))
    if missing_fields(evaluator.spec, sample):
        return
    (verdict,) = evaluator.evaluate([sample])
    if isinstance(verdict, Verdict):
        assert evidence_outside(sample, verdict) == 0
        assert all(one.start < one.end for one in verdict.evidence)


def made_samples() -> list[Sample]:
    random = Random(11)
    words = WORDS.split()

    def text(longest: int) -> str:
        return " ".join(random.choices(words, k=random.randint(1, longest)))

    return [
        Sample(
            text(12), f"The shop {text(40)}.", tuple(text(80) for _ in range(random.randint(1, 3)))
        )
        for _ in range(12)
    ]


def fresh(name: str) -> Evaluator:
    return next(one for one in load_evaluators(plugins=()) if one.spec.name == name)


@pytest.mark.parametrize("name", NAMES)
def test_batches_and_order_hardly_move_a_score(name: str) -> None:
    assert largest_change(lambda: fresh(name), made_samples()) <= LARGEST_CHANGE


@pytest.mark.parametrize("name", NAMES)
def test_the_same_text_twice_gets_the_same_verdict_from_two_copies(name: str) -> None:
    samples = made_samples()[:4]

    def verdicts() -> Sequence[Verdict | Abstention]:
        evaluator = fresh(name)
        evaluator.load()
        return evaluator.evaluate(samples)

    assert verdicts() == verdicts()


def test_nothing_to_go_by_and_refusals_are_abstained_from() -> None:
    groundedness = bundled()["groundedness"]
    assert missing_fields(groundedness.spec, Sample("Why?", "Because.", ())) == ["contexts"]
    assert missing_fields(groundedness.spec, Sample("Why?", "Because.", (" \n", ""))) == [
        "contexts"
    ]
    for refusal in (
        "I cannot answer this question.",
        "I'm sorry, but I can't help with that.",
        "Unable to answer based on given passages.",
    ):
        abstain("groundedness", "Why?", refusal, "Refunds take 5 days.")


def test_contexts_of_json_are_read() -> None:
    context = (
        '{"name": "Bar Luna", "city": "Lyon", "attributes": {"WiFi": "free", "Parking": null}}'
    )
    told = judge("groundedness", "", "Bar Luna is in Lyon and has free WiFi.", context)
    false = judge("groundedness", "", "Bar Luna is in Madrid and has a heated pool.", context)
    assert told.score > false.score + 0.1
    assert (
        evidence_outside(Sample("", "Bar Luna is in Lyon and has free WiFi.", (context,)), told)
        == 0
    )


def test_all_criteria_are_judged_without_any_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a judge must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    sample = Sample("Where is Paris?", "Paris is in France.", ("Paris is a city in France.",))
    for evaluator in load_evaluators(plugins=()):
        evaluator.load()
        assert isinstance(evaluator.evaluate([sample])[0], Verdict)


def test_the_bundled_weights_weigh_little() -> None:
    folder = Path(__file__).parents[1] / "evaluators" / "bundled"
    total = sum(path.stat().st_size for path in folder.iterdir())
    assert total <= MEGABYTES * 1_000_000
