"""An OpenAI endpoint that always gives the same answer, for real clients to talk to."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SYSTEM = "Be brief"
QUESTION = "What is the capital of France?"
ANSWER = "Paris is the capital of France."
MODEL = "fake-gpt"


class _Endpoint(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        if asked.get("stream"):
            self._answer(_stream(), "text/event-stream")
            return
        reply = _response() if self.path.endswith("/responses") else _completion()
        self._answer(json.dumps(reply).encode(), "application/json")

    def _answer(self, body: bytes, content_type: str) -> None:
        self.send_response(200)
        self.send_header("content-type", content_type)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def fake_openai() -> Iterator[str]:
    """The base URL of the endpoint, while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endpoint)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _completion() -> dict[str, Any]:
    message = {"role": "assistant", "content": ANSWER}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": f"{MODEL}-2026",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


def _stream() -> bytes:
    """The same completion, a word at a time, as server-sent events."""
    words = [{"role": "assistant", "content": ""}]
    words += [{"content": word} for word in re.findall(r"\S+\s*", ANSWER)]
    choices = [[{"index": 0, "delta": one, "finish_reason": None}] for one in words]
    choices += [[{"index": 0, "delta": {}, "finish_reason": "stop"}], []]
    whole = _completion()
    head = {key: whole[key] for key in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    parts = [{**head, "choices": one, "usage": None} for one in choices]
    parts[-1]["usage"] = whole["usage"]
    lines = [*map(json.dumps, parts), "[DONE]"]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def _response() -> dict[str, Any]:
    text = {"type": "output_text", "text": ANSWER, "annotations": []}
    message = {"id": "m1", "type": "message", "role": "assistant", "status": "completed"}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "status": "completed",
        "model": f"{MODEL}-2026",
        "output": [{**message, "content": [text]}],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": 11,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 7,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 18,
        },
    }
