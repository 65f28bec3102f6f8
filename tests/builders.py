"""Small worlds for tests: fakes that are real plugins, and rows with sensible words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, event

from app.criteria import Criteria
from app.database import transaction
from app.ingest.telemetry import Span
from app.settings import Settings
from app.store.interactions import Saved, content_hash, interaction_id, save_interactions
from app.tables import Interaction
from app.worker import Done, work_once
from evaluators.protocol import (
    Abstention,
    Computation,
    Evaluator,
    EvaluatorSpec,
    Evidence,
    Sample,
    TextField,
    Verdict,
    Weights,
)

WEDNESDAY = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


class WordJudge:
    """A real plugin that looks for one word: a response that holds it gets `score_with`."""

    def __init__(
        self,
        criterion: str,
        word: str,
        *,
        score_with: float,
        needs: Sequence[TextField] = ("response",),
        version: str = "1",
    ) -> None:
        self.spec = EvaluatorSpec(
            name=f"{criterion}-words",
            criterion=criterion,
            version=version,
            needs=frozenset(needs),
            weights=(Weights("words", "ab" * 32),),
            calibration="none",
        )
        self.computation = Computation("int8", "words 1 on cpu")
        self._word = word
        self._score_with = score_with

    def load(self) -> None: ...

    def evaluate(self, samples: Sequence[Sample]) -> list[Verdict | Abstention]:
        return [self._judge(sample) for sample in samples]

    def _judge(self, sample: Sample) -> Verdict | Abstention:
        if sample.response == "I cannot say.":
            return Abstention("The response declines to answer.")
        at = sample.response.find(self._word)
        if at < 0:
            return Verdict(1.0 - self._score_with)
        end = at + len(self._word)
        context = 0 if sample.contexts else None
        piece = Evidence(at, end, self._score_with, context, 0, 1, kind="unsupported")
        return Verdict(self._score_with, (piece,), f"The response says {self._word!r}.")


FAKE_EVALUATORS: tuple[Evaluator, ...] = (
    WordJudge("groundedness", "invented", score_with=0.1, needs=("response", "contexts")),
    WordJudge("answer_relevance", "weather", score_with=0.2, needs=("prompt", "response")),
    WordJudge("context_relevance", "nothing", score_with=0.1, needs=("prompt", "contexts")),
    WordJudge("toxicity", "idiot", score_with=0.95),
    WordJudge("bias", "those people", score_with=0.9),
)


def an_interaction(**changes: Any) -> Interaction:
    """An interaction with ordinary words; the changes replace fields."""
    fields: dict[str, Any] = {
        "project": "default",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "application": "shop",
        "model": "small-1",
        "conversation_id": "c1",
        "prompt": "When do I get my money back?",
        "response": "Refunds take 5 to 7 working days.",
        "contexts": ["Refunds are issued within 5 to 7 working days."],
        "segments": {"language": "en"},
        "started_at": WEDNESDAY,
        "received_at": WEDNESDAY,
        **changes,
    }
    words = content_hash(fields["prompt"], fields["response"], fields["contexts"])
    key = interaction_id(fields["project"], fields["trace_id"], fields["span_id"])
    return Interaction(**{"id": key, "content_hash": words, **fields})


def some_interactions(n: int, **changes: Any) -> list[Interaction]:
    """That many interactions in traces of their own."""
    return [an_interaction(trace_id=f"{index + 1:032x}", **changes) for index in range(n)]


def a_span(**changes: Any) -> Span:
    """A chat span in the words of the OTel GenAI convention; the changes replace fields."""
    fields: dict[str, Any] = {
        "project": "default",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "span_id": "b7ad6b7169203331",
        "name": "chat small-1",
        "start_ns": 1_795_435_200_000_000_000,
        "end_ns": 1_795_435_201_000_000_000,
        "attributes": {
            "gen_ai.operation.name": "chat",
            "gen_ai.input.messages": (
                '[{"role":"user","parts":[{"type":"text","content":"When?"}]}]'
            ),
            "gen_ai.output.messages": (
                '[{"role":"assistant","parts":[{"type":"text","content":"In 5 days."}]}]'
            ),
        },
        "resource": {"service.name": "shop"},
        "received_at": WEDNESDAY,
        **changes,
    }
    return Span(**fields)


def save(
    engine: Engine,
    rows: Sequence[Interaction],
    *,
    evaluators: Sequence[Evaluator] = FAKE_EVALUATORS,
    now: datetime = WEDNESDAY,
) -> Saved:
    """Store interactions and enqueue their evaluations in one transaction."""
    specs = [evaluator.spec for evaluator in evaluators]
    with transaction(engine) as session:
        return save_interactions(session, rows, specs=specs, now=now)


def score_all(
    engine: Engine,
    criteria: Criteria,
    settings: Settings,
    *,
    evaluators: Sequence[Evaluator] = FAKE_EVALUATORS,
    now: datetime = WEDNESDAY,
) -> Done:
    """Work until there is nothing left to do; return what all rounds did together."""
    total = Done(0, 0, 0)
    while True:
        done = work_once(engine, evaluators, criteria, settings, now=lambda: now)
        if done.idle:
            return total
        total = Done(
            total.assembled + done.assembled,
            total.judged + done.judged,
            total.recorded + done.recorded,
        )


@contextmanager
def only_reading(engine: Engine) -> Iterator[None]:
    """Let whoever connects in the block read only, as from a disk or a server that takes no more;
    who is connected stays so."""

    def refuse(connection: Any, _record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA query_only = ON")
        else:
            connection.execute("SET default_transaction_read_only = on")
            connection.commit()

    event.listen(engine, "connect", refuse)
    engine.dispose()
    try:
        yield
    finally:
        event.remove(engine, "connect", refuse)
