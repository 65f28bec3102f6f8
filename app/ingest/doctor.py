"""Say what was found in each span, what was not, and why an interaction was or was not made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.ingest.assemble import NEVER_ANSWERS, TraceReading
from app.ingest.dialects import EXTRACTOR, Finding, Found
from app.ingest.nested import REDACTED
from app.ingest.pieces import has_prefix
from app.ingest.telemetry import Span

WORDS = frozenset({"prompt", "system_prompt", "response", "contexts", "tool_results"})
MEANINGS = WORDS | {"kind", "model", "input_tokens", "output_tokens"}
"""The fields of which one at least says that a convention knows this span."""
GENERAL = (
    *("http.", "url.", "net.", "network.", "server.", "client.", "peer.", "user_agent."),
    *("db.", "rpc.", "messaging.", "code.", "thread.", "process.", "faas.", "cloud.", "aws."),
    *("k8s.", "exception.", "error.", "otel.", "telemetry.", "graphql.", "tls.", "dns."),
)
"""Conventions of OpenTelemetry that tell of the plumbing around the words."""
EXCERPT = 200
FAR_SECONDS = 86_400
UNREAD_SHOWN = 40

Verdict = Literal["interaction", "step", "read", "plumbing", "unmapped"]
MEANING_OF: Mapping[Verdict, str] = {
    "interaction": "makes an interaction",
    "step": "is a step of the interaction above it",
    "read": "is understood, but makes no interaction",
    "plumbing": "tells of the plumbing, not of words",
    "unmapped": "follows no convention that is known here",
}


@dataclass(frozen=True, slots=True)
class FoundField:
    """A value that was found in a span: an excerpt, and where it stands."""

    field: str
    value: str
    convention: str
    attribute: str
    certain: bool


@dataclass(frozen=True, slots=True)
class SpanDiagnosis:
    """What one span says and what it does not."""

    span_id: str
    parent_span_id: str | None
    name: str
    scope: str
    kind: str | None
    verdict: Verdict
    why: str
    found: list[FoundField]
    missing: list[str]
    unread: list[str]
    """Attributes from which nothing was taken, some of them at least."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a trace holds, in sentences and span by span."""

    trace_id: str
    application: str
    extractor: str = EXTRACTOR
    interactions: int = 0
    sentences: list[str] = field(default_factory=list)
    spans: list[SpanDiagnosis] = field(default_factory=list)


def examine(trace_id: str, read: TraceReading) -> Diagnosis:
    """The diagnosis of a trace that has been read."""
    spans = [_examine_span(read, span_id) for span_id in read.tree.order]
    first = next(iter(read.tree.spans.values()), None)
    service = first.resource.get("service.name") if first else None
    return Diagnosis(
        trace_id=trace_id,
        application=service if isinstance(service, str) else "",
        interactions=len(read.chosen),
        sentences=[*_sentences(read, spans), *_clock_faults(read)],
        spans=spans,
    )


def unmapped_in(read: TraceReading) -> int:
    """How many spans of the trace follow no convention that is known here."""
    return sum(
        _is_unmapped(read.tree.spans[span_id], found) for span_id, found in read.found.items()
    )


def _examine_span(read: TraceReading, span_id: str) -> SpanDiagnosis:
    span, found = read.tree.spans[span_id], read.found[span_id]
    verdict = _verdict(read, span_id)
    kind = found.value("kind")
    used = {one.attribute for one in (*found.fields.values(), *found.segments.values())}
    unread = [
        name
        for name in span.attributes
        if not any(name == one or name.startswith(one.split(".N.")[0]) for one in used)
    ]
    return SpanDiagnosis(
        span_id=span_id,
        parent_span_id=read.tree.parent[span_id],
        name=span.name,
        scope=span.scope,
        kind=kind,
        verdict=verdict,
        why=f"{MEANING_OF[verdict]}{_because(read, span_id, verdict)}",
        found=[_found_field(name, one) for name, one in _findings(found).items()],
        missing=[name for name in ("prompt", "response") if not found.value(name)],
        unread=unread[:UNREAD_SHOWN],
    )


def _verdict(read: TraceReading, span_id: str) -> Verdict:
    if span_id in read.chosen:
        return "interaction"
    span, found = read.tree.spans[span_id], read.found[span_id]
    if _is_unmapped(span, found):
        return "unmapped"
    if not MEANINGS & found.fields.keys():
        return "plumbing"
    above = set(read.tree.ancestors(span_id))
    return "step" if above & set(read.chosen) else "read"


def _is_unmapped(span: Span, found: Found) -> bool:
    if MEANINGS & found.fields.keys():
        return False
    strange = [name for name in span.attributes if not name.startswith(GENERAL)]
    known = {one.attribute for one in (*found.fields.values(), *found.segments.values())}
    return any(name not in known for name in strange)


def _because(read: TraceReading, span_id: str, verdict: Verdict) -> str:
    if verdict != "read":
        return ""
    found = read.found[span_id]
    kind = found.value("kind")
    if span_id in read.overtaken:
        return ": it broke off or went on to another step, and the same question was answered later"
    if kind in NEVER_ANSWERS:
        return f": a span of the kind {kind!r} supports an answer and never is one"
    missing = [name for name in ("prompt", "response") if not found.value(name)]
    if missing:
        return f": it holds no {' and no '.join(missing)}"
    return ": its words are data around words, and another span says them plainly"


def _findings(found: Found) -> dict[str, Finding]:
    return found.fields | {f"segment {key}": one for key, one in found.segments.items()}


def _found_field(name: str, finding: Finding) -> FoundField:
    value: Any = finding.value
    if isinstance(value, list):
        shown = f"{len(value)} texts: " + " | ".join(str(item) for item in value)
    else:
        shown = str(value)
    return FoundField(name, shown[:EXCERPT], finding.convention, finding.attribute, finding.certain)


def _sentences(read: TraceReading, spans: list[SpanDiagnosis]) -> list[str]:
    """Why this trace made the interactions it made, and what would help."""
    if not spans:
        return ["No span of this trace is stored; its interactions came by another way."]
    if read.chosen:
        return [_made(read, span_id) for span_id in read.chosen]
    return [
        "No interaction was made: no span holds both a prompt and a response.",
        *_halves(spans),
        *_hints(read, spans),
    ]


def _clock_faults(read: TraceReading) -> list[str]:
    """What is wrong with the times that the sender's clock gave."""
    spans = list(read.tree.spans.values())
    far = sum(_is_far(span) for span in spans)
    backwards = sum(0 < span.end_ns < span.start_ns for span in spans)
    timeless = sum(not span.start_ns for span in spans)
    faults = {
        "start more than a day away from when they arrived: late, or a clock is wrong": far,
        "end before they start, so that they have no duration": backwards,
        "have no start; the time of arrival stands in for it": timeless,
    }
    return [f"{n} of {len(spans)} spans {what}." for what, n in faults.items() if n]


def _is_far(span: Span) -> bool:
    seconds = span.start_ns / 1e9 - span.received_at.timestamp()
    return bool(span.start_ns) and abs(seconds) > FAR_SECONDS


def _made(read: TraceReading, span_id: str) -> str:
    span, found = read.tree.spans[span_id], read.found[span_id]
    prompt, response = read.question(span_id), found.fields["response"]
    left_out = len(read.left_out(span_id))
    others = (
        f"The documents of {left_out} spans below were not given to the model." if left_out else ""
    )
    return (
        f"The span {span.name!r} makes an interaction: it is the topmost one with a prompt "
        f"({prompt.convention}, {prompt.attribute}) and a response ({response.convention}, "
        f"{response.attribute}). {others}"
    ).strip()


def _halves(spans: list[SpanDiagnosis]) -> list[str]:
    sentences = []
    for has, lacks in (("prompt", "response"), ("response", "prompt")):
        names = [one.name for one in spans if lacks in one.missing and has not in one.missing]
        if names:
            shown = ", ".join(repr(name) for name in names[:3])
            sentences.append(f"{len(names)} spans hold a {has} but no {lacks}, such as {shown}.")
    return sentences


def _hints(read: TraceReading, spans: list[SpanDiagnosis]) -> list[str]:
    """What the sender could change, judged by what came."""
    hints = []
    if any(_is_hidden(found) for found in read.found.values()):
        hints.append(
            f"The client hides its words ({REDACTED}); its setting that hides inputs or outputs, "
            "such as OPENINFERENCE_HIDE_INPUTS, must be off for them to be judged."
        )
    models = [one for one in spans if any(f.field == "model" for f in one.found)]
    silent = not any(WORDS & found.fields.keys() for found in read.found.values())
    if models and silent:
        hints.append(
            "Spans name a model but carry no words: this instrumentation records no content unless "
            "it is told to, for instance by "
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_AND_EVENT or "
            "TRACELOOP_TRACE_CONTENT=true. If it sends words as log records, send logs here, too."
        )
    if silent and any(
        has_prefix(span.attributes, "haystack.") for span in read.tree.spans.values()
    ):
        hints.append(
            "Haystack sends no words unless HAYSTACK_CONTENT_TRACING_ENABLED=true is set before it "
            "is imported."
        )
    unmapped = sum(one.verdict == "unmapped" for one in spans)
    if unmapped:
        hints.append(
            f"{unmapped} of {len(spans)} spans follow no convention that is known here; they are "
            "stored whole. Attributes named `prompt` and `response` are understood without one."
        )
    return hints


def _is_hidden(found: Found) -> bool:
    return any(found.value(name) == "" for name in ("prompt", "response"))
