"""Capture what a real client sends, as JSON lines for tests/payloads.

Run it with the interpreter of an environment that holds the client:

    python tests/real_clients/capture.py CLIENT tests/payloads

Each line is one request: path, content type, content encoding and the body in base64. The first
line names the client, its version and the words that its program said.
"""
# Clients exclude each other, so each is imported where it is used, in an environment of its own.
# ruff: noqa: PLC0415

import asyncio
import base64
import importlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fake_openai import ANSWER, MODEL, QUESTION, SYSTEM, fake_openai

DOCUMENTS = ["Paris is the capital and largest city of France.", "Lyon lies on the Rhône."]
KEY = os.environ.get("TOUCHSTONE_KEY", "none")
WORDS = {"prompt": QUESTION, "response": ANSWER}
ASKED = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]


@contextmanager
def receiver(requests: list[dict[str, Any]]) -> Iterator[str]:
    """The URL of a server that keeps every request, while the block runs."""

    class Receiver(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            if any(part in self.path for part in ("v1/traces", "v1/logs", "scores", "ingestion")):
                requests.append(
                    {
                        "path": self.path,
                        "content_type": self.headers.get("content-type", ""),
                        "content_encoding": self.headers.get("content-encoding", ""),
                        "body": base64.b64encode(body).decode(),
                    }
                )
            json_sent = "json" in self.headers.get("content-type", "")
            reply = b"{}" if json_sent else b""
            self.send_response(200)
            self.send_header("content-type", self.headers.get("content-type", ""))
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("content-length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()


def _provider(url: str, exporter: str = "opentelemetry.exporter.otlp.proto.http") -> Any:
    from opentelemetry import trace
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    module = importlib.import_module(f"{exporter}.trace_exporter")
    provider = TracerProvider(
        resource=Resource({"service.name": "capture", "service.version": "3"})
    )
    exporting = module.OTLPSpanExporter(endpoint=f"{url}/v1/traces")
    provider.add_span_processor(SimpleSpanProcessor(exporting))
    trace.set_tracer_provider(provider)
    return provider


def _ask_openai(openai_url: str) -> None:
    from openai import OpenAI

    OpenAI(base_url=openai_url, api_key="none").chat.completions.create(model=MODEL, messages=ASKED)


def opentelemetry_sdk(url: str, openai_url: str) -> dict[str, Any]:
    """The plain SDK with spans that follow the GenAI conventions, over protobuf."""
    return _plain_sdk(url, "opentelemetry.exporter.otlp.proto.http")


def opentelemetry_sdk_json(url: str, openai_url: str) -> dict[str, Any]:
    """The same with the exporter that writes JSON."""
    return _plain_sdk(url, "opentelemetry.exporter.otlp.json.http")


def _plain_sdk(url: str, exporter: str) -> dict[str, Any]:
    provider = _provider(url, exporter)
    tracer = provider.get_tracer("capture")
    with tracer.start_as_current_span("invoke_agent shop") as root:
        root.set_attribute("gen_ai.conversation.id", "c1")
        root.set_attribute("user.id", "u1")
        root.set_attribute("touchstone.segment.language", "en")
        with tracer.start_as_current_span("retrieval") as span:
            span.set_attribute("gen_ai.operation.name", "retrieval")
            documents = [{"id": str(n), "content": text} for n, text in enumerate(DOCUMENTS)]
            span.set_attribute("gen_ai.retrieval.documents", json.dumps(documents))
        with tracer.start_as_current_span("chat") as span:
            span.set_attribute("gen_ai.operation.name", "chat")
            span.set_attribute("gen_ai.request.model", MODEL)
            for side, role, text in (("input", "user", QUESTION), ("output", "assistant", ANSWER)):
                parts = [{"type": "text", "content": text}]
                messages = json.dumps([{"role": role, "parts": parts}])
                span.set_attribute(f"gen_ai.{side}.messages", messages)
    provider.shutdown()
    return {**WORDS, "contexts": DOCUMENTS, "conversation_id": "c1", "client": "opentelemetry-sdk"}


def openinference(url: str, openai_url: str) -> dict[str, Any]:
    from openinference.instrumentation import using_attributes
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = _provider(url)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    with using_attributes(session_id="c1", user_id="u1", metadata={"region": "EU"}, tags=["t"]):
        _ask_openai(openai_url)
    provider.shutdown()
    return {**WORDS, "system_prompt": SYSTEM, "client": "openinference-instrumentation-openai"}


def openinference_stream(url: str, openai_url: str) -> dict[str, Any]:
    """An answer that comes a word at a time."""
    from openai import OpenAI
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = _provider(url)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = OpenAI(base_url=openai_url, api_key="none")
    for _ in client.chat.completions.create(model=MODEL, messages=ASKED, stream=True):
        pass
    provider.shutdown()
    return {**WORDS, "system_prompt": SYSTEM, "client": "openinference-instrumentation-openai"}


def openinference_responses(url: str, openai_url: str) -> dict[str, Any]:
    from openai import OpenAI
    from openinference.instrumentation.openai import OpenAIInstrumentor

    provider = _provider(url)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = OpenAI(base_url=openai_url, api_key="none")
    client.responses.create(model=MODEL, instructions=SYSTEM, input=QUESTION)
    provider.shutdown()
    return {**WORDS, "system_prompt": SYSTEM, "client": "openinference-instrumentation-openai"}


def _with_logs(url: str) -> Any:
    from opentelemetry import _logs
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor

    logs = LoggerProvider()
    exporter = OTLPLogExporter(endpoint=f"{url}/v1/logs")
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    _logs.set_logger_provider(logs)
    return logs


def _genai(url: str, openai_url: str, mode: str) -> dict[str, Any]:
    os.environ["OTEL_SEMCONV_STABILITY_OPT_IN"] = "gen_ai_latest_experimental"
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = mode
    from opentelemetry.instrumentation.genai.openai import OpenAIInstrumentor

    provider, logs = _provider(url), _with_logs(url)
    OpenAIInstrumentor().instrument(tracer_provider=provider, logger_provider=logs)
    _ask_openai(openai_url)
    provider.shutdown()
    logs.shutdown()
    client = "opentelemetry-instrumentation-genai-openai"
    return {**WORDS, "system_prompt": SYSTEM, "client": client}


def genai_openai_span(url: str, openai_url: str) -> dict[str, Any]:
    return _genai(url, openai_url, "SPAN_ONLY")


def genai_openai_event(url: str, openai_url: str) -> dict[str, Any]:
    return _genai(url, openai_url, "EVENT_ONLY")


def openai_v2(url: str, openai_url: str) -> dict[str, Any]:
    """The older conventions: an event for each message."""
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "true"
    from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
    from opentelemetry.sdk._events import EventLoggerProvider

    provider, logs = _provider(url), _with_logs(url)
    events = EventLoggerProvider(logs)
    OpenAIInstrumentor().instrument(tracer_provider=provider, event_logger_provider=events)
    _ask_openai(openai_url)
    provider.shutdown()
    logs.shutdown()
    client = "opentelemetry-instrumentation-openai-v2"
    return {**WORDS, "system_prompt": SYSTEM, "client": client}


def openllmetry(url: str, openai_url: str) -> dict[str, Any]:
    from opentelemetry.instrumentation.openai import OpenAIInstrumentor

    provider = _provider(url)
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    _ask_openai(openai_url)
    provider.shutdown()
    return {**WORDS, "system_prompt": SYSTEM, "client": "opentelemetry-instrumentation-openai"}


def langfuse(url: str, openai_url: str) -> dict[str, Any]:
    os.environ.update(LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY=KEY, LANGFUSE_BASE_URL=url)
    from langfuse import get_client, observe, propagate_attributes

    @observe(as_type="retriever")
    def retrieve(question: str) -> list[dict[str, str]]:
        return [{"id": str(n), "content": text} for n, text in enumerate(DOCUMENTS)]

    @observe(as_type="generation")
    def generate(question: str, documents: list[dict[str, str]]) -> str:
        get_client().update_current_generation(
            model=MODEL, usage_details={"input": 11, "output": 7}
        )
        return ANSWER

    @observe()
    def answer(question: str) -> str:
        with propagate_attributes(session_id="c1", user_id="u1", tags=["t"]):
            reply = generate(question, retrieve(question))
            get_client().score_current_trace(name="thumb", value=1.0, comment="nice")
            return reply

    answer(QUESTION)
    get_client().flush()
    get_client().shutdown()
    return {**WORDS, "contexts": DOCUMENTS, "model": MODEL, "client": "langfuse"}


def pydantic_ai(url: str, openai_url: str) -> dict[str, Any]:
    from pydantic_ai import Agent
    from pydantic_ai.capabilities.instrumentation import Instrumentation
    from pydantic_ai.models.instrumented import InstrumentationSettings
    from pydantic_ai.models.test import TestModel

    provider = _provider(url)
    settings = InstrumentationSettings(tracer_provider=provider)
    model = TestModel(custom_output_text=ANSWER)
    watching = [Instrumentation(settings=settings)]
    agent = Agent(model, instructions=SYSTEM, capabilities=watching, name="shop")

    @agent.tool_plain
    def lookup(query: str) -> str:
        """Look something up."""
        return DOCUMENTS[0]

    asyncio.run(agent.run(QUESTION))
    provider.shutdown()
    words = {**WORDS, "system_prompt": SYSTEM, "contexts": DOCUMENTS[:1]}
    return {**words, "client": "pydantic-ai-slim"}


def logfire(url: str, openai_url: str) -> dict[str, Any]:
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = url
    import logfire as client
    from openai import OpenAI

    client.configure(send_to_logfire=False, service_name="capture", console=False)
    openai = OpenAI(base_url=openai_url, api_key="none")
    client.instrument_openai(openai)
    openai.chat.completions.create(model=MODEL, messages=ASKED)
    client.shutdown()
    return {**WORDS, "client": "logfire"}


def langsmith(url: str, openai_url: str) -> dict[str, Any]:
    os.environ.update(
        LANGSMITH_TRACING="true",
        LANGSMITH_TRACING_MODE="otel",
        LANGSMITH_ENDPOINT=url,
        LANGSMITH_API_KEY=KEY,
        LANGSMITH_PROJECT="capture",
    )
    from langsmith import Client, traceable
    from langsmith.wrappers import wrap_openai
    from openai import OpenAI

    client = Client()

    @traceable(run_type="retriever", client=client)
    def retrieve(question: str) -> list[dict[str, Any]]:
        return [{"page_content": text, "type": "Document", "metadata": {}} for text in DOCUMENTS]

    @traceable(client=client, metadata={"thread_id": "c1", "region": "EU"}, tags=["t"])
    def answer(question: str) -> str:
        retrieve(question)
        openai = wrap_openai(OpenAI(base_url=openai_url, api_key="none"))
        reply = openai.chat.completions.create(model=MODEL, messages=ASKED)
        return str(reply.choices[0].message.content)

    answer(QUESTION)
    client.flush()
    from opentelemetry import trace

    trace.get_tracer_provider().shutdown()
    return {**WORDS, "contexts": DOCUMENTS, "client": "langsmith"}


def mlflow(url: str, openai_url: str) -> dict[str, Any]:
    os.environ.update(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{url}/v1/traces",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/protobuf",
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        OTEL_BSP_SCHEDULE_DELAY="100",
    )
    import mlflow as client

    @client.trace(span_type="RETRIEVER")
    def retrieve(question: str) -> list[dict[str, Any]]:
        return [{"page_content": text, "metadata": {}, "id": text[:3]} for text in DOCUMENTS]

    @client.trace(span_type="CHAT_MODEL")
    def chat(messages: list[dict[str, str]]) -> dict[str, Any]:
        return {"choices": [{"message": {"role": "assistant", "content": ANSWER}}]}

    @client.trace
    def answer(question: str) -> str:
        retrieve(question)
        return str(chat(ASKED)["choices"][0]["message"]["content"])

    answer(QUESTION)
    client.flush_trace_async_logging()
    time.sleep(2)
    return {**WORDS, "contexts": DOCUMENTS, "client": "mlflow-tracing"}


def trulens(url: str, openai_url: str) -> dict[str, Any]:
    os.environ["TRULENS_OTEL_TRACING"] = "1"
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from trulens.apps.app import TruApp
    from trulens.core import TruSession
    from trulens.core.otel.instrument import instrument
    from trulens.otel.semconv.trace import SpanAttributes

    session = TruSession(_experimental_otel_exporter=OTLPSpanExporter(endpoint=f"{url}/v1/traces"))

    class Shop:
        @instrument(
            span_type=SpanAttributes.SpanType.RETRIEVAL,
            attributes={
                SpanAttributes.RETRIEVAL.QUERY_TEXT: "question",
                SpanAttributes.RETRIEVAL.RETRIEVED_CONTEXTS: "return",
            },
        )
        def retrieve(self, question: str) -> list[str]:
            return DOCUMENTS

        @instrument(span_type=SpanAttributes.SpanType.GENERATION)
        def generate(self, question: str, documents: list[str]) -> str:
            return ANSWER

        @instrument()
        def answer(self, question: str) -> str:
            return self.generate(question, self.retrieve(question))

    shop = Shop()
    app = TruApp(shop, app_name="shop", app_version="v1", main_method=shop.answer)
    with app:
        shop.answer(QUESTION)
    session.force_flush()
    return {**WORDS, "contexts": DOCUMENTS, "client": "trulens-core"}


def langchain(url: str, openai_url: str) -> dict[str, Any]:
    """A chain with a retriever, seen by OpenInference."""
    from langchain_core.documents import Document
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import RunnableLambda
    from openinference.instrumentation.langchain import LangChainInstrumentor

    class Documents(BaseRetriever):
        def _get_relevant_documents(self, query: str, *, run_manager: Any) -> list[Document]:
            return [Document(page_content=text) for text in DOCUMENTS]

    provider = _provider(url)
    LangChainInstrumentor().instrument(tracer_provider=provider)
    find, model = Documents(), FakeListChatModel(responses=[ANSWER])

    def answer(question: str) -> str:
        find.invoke(question)
        return str(model.invoke([("system", SYSTEM), ("user", question)]).content)

    RunnableLambda(answer).invoke(QUESTION)
    provider.shutdown()
    return {**WORDS, "contexts": DOCUMENTS, "client": "openinference-instrumentation-langchain"}


def langfuse3(url: str, openai_url: str) -> dict[str, Any]:
    """The third generation of Langfuse's SDK, which sets what belongs to the trace by a call."""
    os.environ.update(LANGFUSE_PUBLIC_KEY="pk", LANGFUSE_SECRET_KEY=KEY, LANGFUSE_HOST=url)
    from langfuse import get_client, observe

    @observe(as_type="generation")
    def generate(question: str) -> str:
        get_client().update_current_generation(model=MODEL)
        return ANSWER

    @observe()
    def answer(question: str) -> str:
        client = get_client()
        client.update_current_trace(session_id="c1", user_id="u1", tags=["t"])
        reply = generate(question)
        client.score_current_trace(name="thumb", value=1.0, comment="nice")
        return reply

    answer(QUESTION)
    get_client().flush()
    get_client().shutdown()
    return {**WORDS, "model": MODEL, "conversation_id": "c1", "client": "langfuse"}


def traceloop(url: str, openai_url: str) -> dict[str, Any]:
    """Traceloop's SDK: decorated functions around an instrumented client."""
    from traceloop.sdk import Traceloop
    from traceloop.sdk.decorators import task, workflow

    Traceloop.init(app_name="capture", api_endpoint=url, api_key=KEY, disable_batch=True)
    Traceloop.set_association_properties({"session_id": "c1", "user_id": "u1"})

    @task(name="retrieve")
    def retrieve(question: str) -> list[dict[str, str]]:
        return [{"content": text} for text in DOCUMENTS]

    @workflow(name="answer")
    def answer(question: str) -> str:
        retrieve(question)
        from openai import OpenAI

        client = OpenAI(base_url=openai_url, api_key="none")
        reply = client.chat.completions.create(model=MODEL, messages=ASKED)
        return str(reply.choices[0].message.content)

    answer(QUESTION)
    return {**WORDS, "contexts": DOCUMENTS, "conversation_id": "c1", "client": "traceloop-sdk"}


def llama_index(url: str, openai_url: str) -> dict[str, Any]:
    """A query engine of LlamaIndex with a retriever, seen by OpenInference."""
    from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
    from llama_index.core.llms.callbacks import llm_completion_callback
    from llama_index.core.query_engine import RetrieverQueryEngine
    from llama_index.core.response_synthesizers import get_response_synthesizer
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeWithScore, TextNode
    from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

    class Fixed(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name=MODEL)

        @llm_completion_callback()
        def complete(self, prompt: str, **kwargs: Any) -> CompletionResponse:
            return CompletionResponse(text=ANSWER)

        @llm_completion_callback()
        def stream_complete(self, prompt: str, **kwargs: Any) -> Any:
            raise NotImplementedError

    class Documents(BaseRetriever):
        def _retrieve(self, query_bundle: Any) -> list[NodeWithScore]:
            return [NodeWithScore(node=TextNode(text=text), score=1.0) for text in DOCUMENTS]

    provider = _provider(url)
    LlamaIndexInstrumentor().instrument(tracer_provider=provider)
    engine = RetrieverQueryEngine(Documents(), get_response_synthesizer(llm=Fixed()))
    engine.query(QUESTION)
    provider.shutdown()
    return {**WORDS, "contexts": DOCUMENTS, "client": "openinference-instrumentation-llama-index"}


def haystack(url: str, openai_url: str) -> dict[str, Any]:
    """A pipeline of Haystack with retriever and generator, by its own tracer.

    HAYSTACK_CONTENT_TRACING_ENABLED, which it reads when it is imported, lets it send words.
    """
    os.environ |= {"HAYSTACK_CONTENT_TRACING_ENABLED": "true", "HAYSTACK_TELEMETRY_ENABLED": ""}
    from haystack import Document, Pipeline, tracing
    from haystack.components.builders import ChatPromptBuilder
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.dataclasses import ChatMessage
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.tracing.opentelemetry import OpenTelemetryTracer
    from haystack.utils import Secret

    provider = _provider(url)
    tracing.enable_tracing(OpenTelemetryTracer(provider.get_tracer("haystack")))
    store = InMemoryDocumentStore()
    store.write_documents([Document(content=text) for text in DOCUMENTS])
    listed = "{% for one in documents %}{{ one.content }} {% endfor %}"
    asked = [ChatMessage.from_system(SYSTEM), ChatMessage.from_user(f"{listed} {{{{ query }}}}")]
    key = Secret.from_token("none")
    pipeline = Pipeline()
    pipeline.add_component("retriever", InMemoryBM25Retriever(store))
    pipeline.add_component("asked", ChatPromptBuilder(asked, required_variables="*"))
    pipeline.add_component("llm", OpenAIChatGenerator(key, MODEL, api_base_url=openai_url))
    pipeline.connect("retriever", "asked.documents")
    pipeline.connect("asked.prompt", "llm.messages")
    pipeline.run({"retriever": {"query": QUESTION}, "asked": {"query": QUESTION}})
    provider.shutdown()
    said = {"contexts": DOCUMENTS, "system_prompt": SYSTEM, "model": f"{MODEL}-2026"}
    return {**WORDS, **said, "client": "haystack-ai"}


def openllmetry_langchain(url: str, openai_url: str) -> dict[str, Any]:
    """A chain with a retriever, seen by OpenLLMetry."""
    from langchain_core.language_models.fake_chat_models import FakeListChatModel
    from langchain_core.prompts import ChatPromptTemplate
    from opentelemetry.instrumentation.langchain import LangchainInstrumentor

    provider = _provider(url)
    LangchainInstrumentor().instrument(tracer_provider=provider)
    asked = ChatPromptTemplate.from_messages([("system", SYSTEM), ("user", "{question}")])
    (asked | FakeListChatModel(responses=[ANSWER])).invoke({"question": QUESTION})
    provider.shutdown()
    return {**WORDS, "client": "opentelemetry-instrumentation-langchain"}


CLIENTS: tuple[Callable[[str, str], dict[str, Any]], ...] = (
    opentelemetry_sdk,
    opentelemetry_sdk_json,
    openinference,
    openinference_stream,
    openinference_responses,
    genai_openai_span,
    genai_openai_event,
    openai_v2,
    openllmetry,
    langfuse,
    pydantic_ai,
    logfire,
    langsmith,
    mlflow,
    trulens,
    langchain,
    langfuse3,
    traceloop,
    llama_index,
    haystack,
    openllmetry_langchain,
)


def vercel(url: str, openai_url: str, name: str) -> dict[str, Any]:
    """The Vercel AI SDK in Node, with the telemetry that NAME asks for."""
    said = _run_node("vercel.mjs", url, name, SYSTEM, QUESTION, ANSWER)
    return {**WORDS, "system_prompt": SYSTEM, **said}


def vercel_otel(url: str, openai_url: str, name: str) -> dict[str, Any]:
    """The Vercel AI SDK against an OpenAI endpoint, exported by @vercel/otel."""
    said = _run_node("vercel_otel.mjs", url, name, SYSTEM, QUESTION, openai_url, MODEL)
    return {**WORDS, "system_prompt": SYSTEM, **said}


def javascript(url: str, openai_url: str, name: str) -> dict[str, Any]:
    """OpenTelemetry's SDK in Node with the exporter that NAME asks for: JSON or protobuf."""
    return {**WORDS, **_run_node("opentelemetry.mjs", url, name, QUESTION, ANSWER)}


def _run_node(script: str, *arguments: str) -> dict[str, Any]:
    """What the script says of its client; its packages are looked for in the folder we are in."""
    path = Path(__file__).with_name(script)
    run = subprocess.run(
        ["node", str(path), *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    said: dict[str, Any] = json.loads(run.stdout)
    return said


NODE_CLIENTS: dict[str, Callable[[str, str, str], dict[str, Any]]] = {
    "javascript_json": javascript,
    "javascript_protobuf": javascript,
    "vercel_genai": vercel,
    "vercel_legacy": vercel,
    "vercel_otel": vercel_otel,
    "vercel_otel_stream": vercel_otel,
}


def send(name: str, url: str, openai_url: str) -> dict[str, Any]:
    """Let the client of that name talk to the server; its words, its name and its version."""
    if name in NODE_CLIENTS:
        return NODE_CLIENTS[name](url, openai_url, name)
    client = next(one for one in CLIENTS if one.__name__ == name)
    said = client(url, openai_url)
    return {**said, "version": version(said["client"])}


def main(name: str, folder: str) -> None:
    requests: list[dict[str, Any]] = []
    with fake_openai() as openai_url, receiver(requests) as url:
        said = send(name, url, openai_url)
    lines = [json.dumps(line, ensure_ascii=False) for line in (said, *requests)]
    Path(folder, f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{name}: {len(requests)} requests")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
