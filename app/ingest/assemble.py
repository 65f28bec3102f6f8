"""Turn the spans and log records of a trace into interactions.

An interaction is made of the topmost spans that hold both a prompt and a response; what lies below
them are its steps, which make none of their own. Its contexts are the documents that were retrieved
for it: below it, or else beside it, or else what tools answered.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from app.ingest.contexts import Step, outermost, sent_for, used
from app.ingest.dialects import Finding, Found, read_span
from app.ingest.dialects.general import OWN_CONTEXTS
from app.ingest.lengths import cut, note_of_cut
from app.ingest.pieces import EMBEDDING, EVALUATOR, LLM, MAX_TOKENS, RERANKER, RETRIEVER, TOOL
from app.ingest.telemetry import LogRecord, Span
from app.ingest.tree import Tree
from app.ingest.values import MAX_INT64
from app.ingest.words import CALLS
from app.store.interactions import content_hash, hash_user, interaction_id
from app.tables import Interaction

MAX_CONTEXTS = 200
LONG = ("prompt", "response", "system_prompt", "error")
MAX_ANCESTORS = 100
MAX_SECOND = 253_402_300_799
STEPS = frozenset({RETRIEVER, RERANKER, EMBEDDING, EVALUATOR})
NEVER_ANSWERS = STEPS | {TOOL}
# What a library calls the service when the application has not named itself.
LIBRARY_NAMES = ("unknown_service", "trulens", "langsmith")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def assemble_trace(
    spans: Sequence[Span], logs: Sequence[LogRecord], *, now: datetime
) -> list[Interaction]:
    """The interactions of one trace, oldest first; none when no span holds prompt and response."""
    return TraceReading(spans, logs).interactions(now)


class TraceReading:
    """The spans of a trace, what was found in each, and which of them retrieved something."""

    def __init__(self, spans: Sequence[Span], logs: Sequence[LogRecord]) -> None:
        self.tree = Tree(spans)
        self.logs = logs
        by_span: dict[str, list[LogRecord]] = {}
        for log in logs:
            by_span.setdefault(log.span_id, []).append(log)
        self.found = {
            span_id: read_span(span, by_span.get(span_id, ()))
            for span_id, span in self.tree.spans.items()
        }
        self._known_steps: dict[str, Step] = {}
        in_order = [self.tree.spans[span_id] for span_id in self.tree.order]
        self.starts = [span.start_ns for span in in_order]
        self.ends = [span.end_ns for span in in_order]
        self.steps = {
            # Whoever has no span for the retrieval names the documents on that of the answer.
            "contexts": outermost(self.tree, self.found, self._positions("contexts")),
            "tool_results": self._positions("tool_results", kind=TOOL),
        }
        candidates = self._choose(certain=True) or self._choose(certain=False)
        self.chosen = self._answers(candidates)
        """The spans that make interactions."""
        self.overtaken = frozenset(candidates) - frozenset(self.chosen)
        """The spans that hold an answer after which another to the same question came."""
        self.answered = sorted(self.tree.spans[span_id].end_ns for span_id in self.chosen)
        self.free = {name: self._outside(steps, self.chosen) for name, steps in self.steps.items()}

    def interactions(self, now: datetime) -> list[Interaction]:
        """The interactions of the trace, oldest first."""
        rows = [self._interaction(span_id, now) for span_id in self.chosen]
        return sorted(rows, key=lambda row: (row.started_at, row.span_id))

    def question(self, span_id: str) -> Finding:
        """What was asked of the span: its prompt, unless only a span above says it plainly."""
        own = self.found[span_id].fields["prompt"]
        above = islice(self.tree.ancestors(span_id), MAX_ANCESTORS if not own.certain else 0)
        asked = (self.found[one].fields.get("prompt") for one in above)
        return next((one for one in asked if one and one.certain and one.value), own)

    def _positions(self, name: str, *, kind: str | None = None) -> list[int]:
        """Where the spans stand that have a value of that name, of one kind or of any."""
        return [
            position
            for position, span_id in enumerate(self.tree.order)
            if self.found[span_id].value(name) and kind in (None, self.found[span_id].value("kind"))
        ]

    def _outside(self, positions: Sequence[int], chosen: Iterable[str]) -> list[int]:
        """The positions that are part of no answer."""
        inside = {one for span_id in chosen for one in self.tree.range_of(span_id)}
        return [position for position in positions if position not in inside]

    def _choose(self, *, certain: bool) -> list[str]:
        chosen = []
        stack = list(reversed(self.tree.tops))
        while stack:
            span_id = stack.pop()
            found = self.found[span_id]
            kind = found.value("kind")
            if kind not in NEVER_ANSWERS and _holds_both(found, certain=certain):
                chosen.append(span_id)
            elif kind not in STEPS:
                stack += reversed(self.tree.children(span_id))
        return chosen

    def _answers(self, chosen: list[str]) -> list[str]:
        """Without what a model said beside the call of a tool, until it failed, or on the way to
        the answer of the whole above it, when the same question was answered after that."""
        latest: dict[str, int] = {}
        for span_id in chosen:
            asked, start = self.question(span_id).value, self.tree.spans[span_id].start_ns
            latest[asked] = max(latest.get(asked, 0), start)
        return [
            span_id
            for span_id in chosen
            if not self._may_be_overtaken(span_id)
            or self.tree.spans[span_id].start_ns == latest[self.question(span_id).value]
        ]

    def _may_be_overtaken(self, span_id: str) -> bool:
        found = self.found[span_id]
        calls = found.value("calls") or found.value("finish_reason") in CALLS
        is_lent = self.question(span_id).span_id != span_id
        return calls or is_lent or found.value("error") is not None

    def _interaction(self, span_id: str, now: datetime) -> Interaction:
        span = self.tree.spans[span_id]
        findings = self._findings(span_id)
        contexts = self.contexts(span_id)
        texts = [text for finding in contexts for text in finding.value]
        texts = list(dict.fromkeys(texts))[:MAX_CONTEXTS]
        value = {name: finding.value for name, finding in findings.items()}
        long = {name: [value[name]] for name in LONG if name in value} | {"contexts": texts}
        texts = [cut(text) for text in texts]
        value |= {name: cut(value[name]) for name in LONG if name in value}
        user = value.get("user")
        segments = self._segments(span_id, value.get("model"))
        return Interaction(
            id=interaction_id(span.project, span.trace_id, span_id),
            project=span.project,
            trace_id=span.trace_id,
            span_id=span_id,
            application=_application(span, value.get("application")),
            model=value.get("model"),
            conversation_id=value.get("conversation_id"),
            user_hash=hash_user(span.project, user) if user else None,
            system_prompt=value.get("system_prompt"),
            prompt=value["prompt"],
            response=value["response"],
            contexts=texts,
            content_hash=content_hash(value["prompt"], value["response"], texts),
            segments={key: finding.value for key, finding in segments.items()},
            provenance=_provenance(findings, contexts, segments, long),
            duration_ns=_duration_ns(span),
            input_tokens=self._tokens(span_id, "input_tokens"),
            output_tokens=self._tokens(span_id, "output_tokens"),
            finish_reason=value.get("finish_reason"),
            error=value.get("error"),
            started_at=_started_at(span),
            received_at=span.received_at or now,
        )

    def _findings(self, span_id: str) -> dict[str, Finding]:
        """The fields of the interaction, from its span or from where else they may stand."""
        own = self.found[span_id].fields
        above = list(islice(self.tree.ancestors(span_id), MAX_ANCESTORS))
        below = self._below(span_id)
        models = [one for one in below if self.found[one].value("kind") == LLM]
        # The one that said the answer, before those that only worked for it, or after it.
        answering = sorted(reversed(models), key=lambda one: not self._says(one, own["response"]))
        places = {
            "model": answering + above,
            "finish_reason": answering,
            "system_prompt": models,
            "conversation_id": above + below,
            "user": above + below,
            "application": above,
            # Whoever asked saw the error of the whole; several answers may be good in spite of it.
            "error": above if len(self.chosen) == 1 else [],
        }
        findings = {"prompt": self.question(span_id), "response": own["response"]}
        for name in places:
            finding = own.get(name) or self._first(name, places[name])
            if finding is not None:
                findings[name] = finding
        return findings

    def _says(self, span_id: str, answer: Finding) -> bool:
        said = self.found[span_id].value("response")
        return isinstance(said, str) and said.strip() == answer.value.strip()

    def _below(self, span_id: str) -> list[str]:
        span_range = self.tree.range_of(span_id)
        return self.tree.order[span_range.start + 1 : span_range.stop]

    def _first(self, name: str, places: Iterable[str]) -> Finding | None:
        findings = (self.found[span_id].fields.get(name) for span_id in places)
        return next((finding for finding in findings if finding is not None), None)

    def _segments(self, span_id: str, model: str | None) -> dict[str, Finding]:
        segments: dict[str, Finding] = {}
        for place in (span_id, *islice(self.tree.ancestors(span_id), MAX_ANCESTORS)):
            segments = self.found[place].segments | segments
        if model and "model" not in segments:
            segments["model"] = Finding(model, "touchstone", "model", span_id)
        return segments

    def contexts(self, span_id: str) -> list[Finding]:
        """The documents the answer could rest on: below it, beside it, or from tools."""
        own = self.found[span_id].fields.get("contexts")
        if own and own.attribute == OWN_CONTEXTS:
            return [own]
        for name, positions in self.steps.items():
            inside = _within(positions, self.tree.range_of(span_id))
            taken = inside or self._beside(span_id, self.free[name])
            if taken:
                in_time = sorted(taken, key=self.starts.__getitem__)
                steps = [self._step(self.tree.order[one]) for one in in_time]
                if name == "contexts":
                    steps = used(steps, self._sent(span_id))
                found = [step.found.fields[name] for step in steps]
                plain = [finding for finding in found if finding.certain]
                if own in found and _picks(own, plain):
                    return [own]
                return (plain or found)[:MAX_CONTEXTS]
        own = self.found[span_id].fields.get("tool_results")
        return [own] if own else []

    def _step(self, span_id: str) -> Step:
        if span_id not in self._known_steps:
            self._known_steps[span_id] = Step(self.found[span_id])
        return self._known_steps[span_id]

    def left_out(self, span_id: str) -> list[str]:
        """The spans below whose documents are none of the contexts."""
        taken = {text for one in self.contexts(span_id) for text in one.value}
        inside = (self.tree.order[one] for one in self.tree.range_of(span_id))
        texts = ((one, self.found[one].value("contexts") or []) for one in inside)
        return [one for one, found in texts if found and taken.isdisjoint(found)]

    def _sent(self, span_id: str) -> str:
        """The words that the model was given that said the answer."""
        ids = sorted(
            [span_id, *self._below(span_id)], key=lambda one: self.tree.spans[one].start_ns
        )
        answer = self.found[span_id].value("response")
        return sent_for(answer, [self.found[one] for one in ids])

    def _beside(self, span_id: str, positions: Sequence[int]) -> list[int]:
        """What was found before the answer below the nearest span above, or anywhere at last."""
        if not positions:
            return []
        answered = self.tree.spans[span_id].end_ns or MAX_INT64
        at = self.tree.position(span_id)
        seen = 0
        above = islice(self.tree.ancestors(span_id), MAX_ANCESTORS)
        for places in (*map(self.tree.range_of, above), range(len(self.tree.order))):
            near = _within(positions, places)
            if len(near) == seen:
                continue
            seen = len(near)
            turn = bisect_left(near, at)
            close = [*near[:turn][-MAX_CONTEXTS:], *near[turn:][:MAX_CONTEXTS]]
            earlier = [one for one in close if self.ends[one] <= answered]
            if earlier:
                return self._of_this_turn(span_id, earlier)[-MAX_CONTEXTS:]
        return []

    def _of_this_turn(self, span_id: str, positions: Sequence[int]) -> list[int]:
        """What was found since the last answer before, if anything was."""
        start = self.tree.spans[span_id].start_ns
        before = bisect_right(self.answered, start)
        since = self.answered[before - 1] if before else 0
        return [one for one in positions if self.starts[one] >= since] or list(positions)

    def _tokens(self, span_id: str, name: str) -> int | None:
        """What the models used: the span's own count if it is a model, else that of its steps.

        Agents repeat the sum of their steps, which must not be added to it.
        """
        found = self.found[span_id]
        counts = (one.value(name) for one in self._outermost_models(span_id))
        used: list[int] = [count for count in counts if count]
        if found.value("kind") == LLM or not used:
            count: int | None = found.value(name)
            return count
        return min(sum(used), MAX_TOKENS)

    def _outermost_models(self, span_id: str) -> Iterator[Found]:
        """The models below that count tokens, without those inside one, which tell of one call."""
        ends = 0
        for one in self._below(span_id):
            found = self.found[one]
            counts = found.value("input_tokens") or found.value("output_tokens")
            if found.value("kind") == LLM and counts and self.tree.position(one) >= ends:
                ends = self.tree.range_of(one).stop
                yield found


def _holds_both(found: Found, *, certain: bool) -> bool:
    halves = [found.fields.get(name) for name in ("prompt", "response")]
    return all(half is not None and (half.certain or not certain) for half in halves)


def _picks(own: Finding | None, plain: Sequence[Finding]) -> bool:
    """Whether an answer names some of the documents that were found, as those it rests on."""
    texts = {text for finding in plain for text in finding.value}
    return own is not None and not own.certain and set(own.value) < texts


def _within(positions: Sequence[int], places: range) -> Sequence[int]:
    return positions[bisect_left(positions, places.start) : bisect_left(positions, places.stop)]


def _application(span: Span, named: Any) -> str:
    service = span.resource.get("service.name")
    known = isinstance(service, str) and not service.startswith(LIBRARY_NAMES)
    name = service if known else named or service
    return name if isinstance(name, str) else ""


def _provenance(
    findings: dict[str, Finding],
    contexts: Sequence[Finding],
    segments: dict[str, Finding],
    texts: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """Where each field was found, and what was cut of it."""
    stored: dict[str, Any] = {name: one.provenance for name, one in findings.items()}
    if contexts:
        stored["contexts"] = contexts[0].provenance | {
            "span_ids": list(dict.fromkeys(one.span_id for one in contexts))
        }
    for name, whole in texts.items():
        if name in stored:
            stored[name] |= note_of_cut(whole)
    return stored | {f"segments.{key}": one.provenance for key, one in segments.items()}


def _duration_ns(span: Span) -> int | None:
    if not span.start_ns or span.end_ns < span.start_ns:
        return None
    return span.end_ns - span.start_ns


def _started_at(span: Span) -> datetime:
    if not 0 < span.start_ns // 10**9 <= MAX_SECOND:
        return span.received_at
    return EPOCH + timedelta(microseconds=span.start_ns // 1_000)
