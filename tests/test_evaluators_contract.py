"""Every evaluator keeps the protocol: order, repeatability, offline, light until it is loaded."""

import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import EntryPoint

import pytest

from app.criteria import read_criteria
from evaluators import UnknownEvaluator, load_evaluators
from evaluators.protocol import (
    TEXT_FIELDS,
    Abstention,
    EvaluatorSpec,
    Sample,
    Verdict,
    check_evaluator,
    missing_fields,
)
from tests.evaluator_fixtures import bundled

NAMES = ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias")


class Shouting:
    """A plugin in eight lines."""

    spec = EvaluatorSpec(
        name="shouting", criterion="politeness", version="1", needs=frozenset({"response"})
    )

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> Sequence[Verdict | Abstention]:
        return [Verdict(score=float(sample.response.isupper())) for sample in samples]


class Namesake(Shouting):
    spec = EvaluatorSpec(
        name="toxicity", criterion="toxicity", version="1", needs=frozenset({"response"})
    )


class Specless(Shouting):
    spec = {"name": "specless"}  # type: ignore[assignment]  # noqa: RUF012


def point(name: str) -> EntryPoint:
    return EntryPoint(name, f"{__name__}:{name}", "touchstone.evaluators")


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_evaluator_keeps_the_contract(name: str) -> None:
    assert check_evaluator(bundled()[name]) == []


def test_the_bundled_evaluators_cover_every_criterion() -> None:
    criteria = {evaluator.spec.criterion for evaluator in bundled().values()}
    assert criteria == {criterion.name for criterion in read_criteria()}


def test_every_bundled_evaluator_names_its_weights_and_calibration() -> None:
    for evaluator in bundled().values():
        names = {weights.name for weights in evaluator.spec.weights}
        assert len(names) == 4
        assert names >= {"all-MiniLM-L6-v2", "ranges.safetensors"}
        assert evaluator.spec.calibration is not None


def test_loading_opens_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("load() must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for evaluator in load_evaluators(plugins=()):
        evaluator.load()


def test_importing_and_constructing_brings_in_no_heavy_library() -> None:
    code = (
        "import sys, evaluators; evaluators.load_evaluators(plugins=());"
        "print([n for n in ('torch', 'numpy', 'transformers', 'safetensors') if n in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["x" * 100_000, "A b. " * 20_000, "\n" * 100_000, "1," * 50_000])
def test_very_long_texts_are_survived_quickly(name: str, text: str) -> None:
    evaluator = bundled()[name]
    sample = Sample("Why?", text, (text, "The sky is blue."))
    started = time.process_time()
    if not missing_fields(evaluator.spec, sample):
        assert len(evaluator.evaluate([sample])) == 1
    assert time.process_time() - started < 30


def test_plugins_follow_the_bundled_evaluators() -> None:
    found = load_evaluators(plugins=[point("Shouting")])
    assert [evaluator.spec.name for evaluator in found] == [*NAMES, "shouting"]
    assert check_evaluator(found[-1]) == []


def test_a_broken_plugin_is_told_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    found = load_evaluators(
        plugins=[point("NoSuchThing"), point("NAMES"), point("Specless"), point("Shouting")]
    )
    assert found[-1].spec.name == "shouting"
    assert "NoSuchThing" in caplog.text
    assert "NAMES" in caplog.text


def test_two_evaluators_of_one_name_are_refused() -> None:
    with pytest.raises(UnknownEvaluator, match="two evaluators are called 'toxicity'"):
        load_evaluators(plugins=[point("Namesake")])


def test_an_unknown_hub_evaluator_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UnknownEvaluator, match="detoxify, nli, ms-marco"):
        load_evaluators(["nile"], plugins=())


@pytest.mark.parametrize(
    ("text", "is_there"),
    [("", False), (" \n\t", False), ("\u00a0\u200b\u2060\ufeff", False), ("👍", True), ("é", True)],
)
def test_a_text_is_there_when_anything_of_it_can_be_seen(text: str, is_there: bool) -> None:
    sample = Sample(text, text, (text,))
    assert [sample.has(field) for field in TEXT_FIELDS] == [is_there] * 3
