"""Send what real clients send to a running server, and check that the server found the words.

    python tests/real_clients/send_openai.py --endpoint http://127.0.0.1:8000 [--key KEY]

Uses the real OpenTelemetry SDK, and OpenInference's instrumentation of the real OpenAI client,
against an OpenAI endpoint that this script starts. Prints what it sent and what the server shows;
the exit code is 1 if something is missing.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openai import OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Span

# Run as a script, this file knows only its own folder.
sys.path.insert(0, str(Path(__file__).parent))
from fake_openai import ANSWER, MODEL, QUESTION, SYSTEM, fake_openai

DOCUMENTS = ["Paris is the capital and largest city of France.", "Lyon lies on the Rhône."]
ASKED = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A trace that was sent, and the words that were said in it."""

    client: str
    trace_id: str
    words: Mapping[str, Any]


@contextmanager
def tracing(endpoint: str, headers: Mapping[str, str]) -> Iterator[TracerProvider]:
    """A tracer provider that exports to the server while the block runs."""
    resource = Resource({"service.name": "real-clients", "service.version": "1"})
    provider = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", headers=dict(headers))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    try:
        yield provider
    finally:
        provider.shutdown()


def send_with_sdk(provider: TracerProvider) -> Sent:
    """A retrieval and a chat, written with the plain SDK in the words of the GenAI conventions."""
    tracer = provider.get_tracer("real-clients")
    with tracer.start_as_current_span("answer") as root:
        root.set_attribute("gen_ai.conversation.id", "c1")
        root.set_attribute("touchstone.segment.language", "en")
        with tracer.start_as_current_span("retrieval") as span:
            documents = [{"id": str(n), "content": text} for n, text in enumerate(DOCUMENTS)]
            span.set_attribute("gen_ai.operation.name", "retrieval")
            span.set_attribute("gen_ai.retrieval.documents", json.dumps(documents))
        with tracer.start_as_current_span("chat") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.request.model", MODEL)
            _say(span, "input", "user", QUESTION)
            _say(span, "output", "assistant", ANSWER)
    words = {"prompt": QUESTION, "response": ANSWER, "contexts": DOCUMENTS, "conversation_id": "c1"}
    return Sent("opentelemetry-sdk", _trace_id(root), words)


def _say(span: Span, side: str, role: str, text: str) -> None:
    message = {"role": role, "parts": [{"type": "text", "content": text}]}
    span.set_attribute(f"gen_ai.{side}.messages", json.dumps([message]))


def send_with_openinference(provider: TracerProvider, openai_url: str) -> list[Sent]:
    """A chat completion and a response, asked with the OpenAI client that OpenInference watches."""
    instrumentor = OpenAIInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        client = OpenAI(base_url=openai_url, api_key="none")
        tracer = provider.get_tracer("real-clients")
        with using_attributes(session_id="c2", user_id="u1", metadata={"region": "EU"}):
            with tracer.start_as_current_span("POST /chat") as chat:
                client.chat.completions.create(model=MODEL, messages=ASKED)  # type: ignore[arg-type]
            with tracer.start_as_current_span("POST /responses") as response:
                client.responses.create(model=MODEL, instructions=SYSTEM, input=QUESTION)
        client.close()
    finally:
        instrumentor.uninstrument()
    words = {
        "prompt": QUESTION,
        "response": ANSWER,
        "model": f"{MODEL}-2026",
        "conversation_id": "c2",
    }
    name = "openinference-instrumentation-openai"
    return [Sent(name, _trace_id(span), words) for span in (chat, response)]


def _trace_id(span: Span) -> str:
    return f"{span.get_span_context().trace_id:032x}"


def send_all(endpoint: str, headers: Mapping[str, str]) -> list[Sent]:
    """Send all traffic; return what was said in it."""
    with fake_openai() as openai_url, tracing(endpoint, headers) as provider:
        return [send_with_sdk(provider), *send_with_openinference(provider, openai_url)]


def shown(endpoint: str, headers: Mapping[str, str], trace_id: str) -> list[dict[str, Any]]:
    """The interactions that the server shows for a trace; none while it is not assembled."""
    trace = _get(f"{endpoint}/api/v1/traces/{trace_id}", headers)
    ids = [row["id"] for row in trace["interactions"]] if trace else []
    rows = [_get(f"{endpoint}/api/v1/interactions/{one}", headers) for one in ids]
    return [row for row in rows if row is not None]


def _get(url: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
    request = urllib.request.Request(url, headers=dict(headers))
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            answer: dict[str, Any] = json.load(reply)
            return answer
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 404:
                raise
        return None


def missing_words(sent: Sent, interactions: list[dict[str, Any]]) -> list[str]:
    """What the server does not show of what was said, one sentence each."""
    if len(interactions) != 1:
        return [f"expected one interaction, the server shows {len(interactions)}"]
    got = interactions[0]
    return [
        f"{name}: sent {said!r}, the server shows {got.get(name)!r}"
        for name, said in sent.words.items()
        if got.get(name) != said
    ]


def check(endpoint: str, headers: Mapping[str, str], sent: Sent, patience: float) -> bool:
    """Print what was sent and what is shown; whether they agree within the time given."""
    deadline = time.monotonic() + patience
    faults = missing_words(sent, shown(endpoint, headers, sent.trace_id))
    while faults and time.monotonic() < deadline:
        time.sleep(0.5)
        faults = missing_words(sent, shown(endpoint, headers, sent.trace_id))
    print(f"{sent.client}, trace {sent.trace_id}: {'MISSING' if faults else 'found'}")
    for name, said in sent.words.items():
        print(f"  {name}: {said!r}")
    for fault in faults:
        print(f"  ! {fault}")
    return not faults


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--endpoint", default="http://127.0.0.1:8000")
    parser.add_argument("--key", help="an API key with the scopes ingest and read")
    parser.add_argument("--patience", type=float, default=PATIENCE_SECONDS)
    options = parser.parse_args()
    endpoint = options.endpoint.rstrip("/")
    headers = {"Authorization": f"Bearer {options.key}"} if options.key else {}
    traces = send_all(endpoint, headers)
    results = [check(endpoint, headers, sent, options.patience) for sent in traces]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
