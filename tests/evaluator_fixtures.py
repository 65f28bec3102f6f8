"""One loaded set of bundled evaluators for all tests that judge with real weights."""

from functools import cache

from evaluators import load_evaluators
from evaluators.engine import Encoder
from evaluators.protocol import Abstention, Evaluator, Sample, Verdict


@cache
def bundled() -> dict[str, Evaluator]:
    """The five bundled evaluators by name, loaded once per process."""
    found = {evaluator.spec.name: evaluator for evaluator in load_evaluators(plugins=())}
    for evaluator in found.values():
        evaluator.load()
    return found


def judge(name: str, prompt: str, response: str, *contexts: str) -> Verdict:
    """The verdict of one evaluator on one sample, which must not be an abstention."""
    answer = bundled()[name].evaluate([Sample(prompt, response, contexts)])[0]
    assert isinstance(answer, Verdict), answer
    return answer


def abstain(name: str, prompt: str, response: str, *contexts: str) -> str:
    """The reason of an evaluator's abstention on one sample."""
    answer = bundled()[name].evaluate([Sample(prompt, response, contexts)])[0]
    assert isinstance(answer, Abstention), answer
    return answer.reason


@cache
def bundled_encoder() -> Encoder:
    """The sentence encoder as it came, one copy per process."""
    return Encoder()
