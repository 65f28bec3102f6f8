"""How errors leave the service: JSON everywhere, `Status` on the OTLP paths, a page in the UI.

Every answer is a sentence; none holds a stack trace, a statement of SQL or a word of a body.
"""

import json
import math
from asyncio import timeout
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Limited, TouchstoneError
from app.ingest.otlp import reply_type, status_body
from app.requests import BODY_SECONDS, first_fault

OTLP_PREFIXES = ("/v1/", "/otel/", "/api/public/otel/")
CLASSES: Mapping[int, str] = {
    401: "Unauthenticated",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
}
RETRY_SECONDS = "1"
MOST_DROPPED_BYTES = 256 * 1024 * 1024
SILENCE_SECONDS = 2
PRIVATE: Mapping[str, str] = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

ErrorPage: TypeAlias = Callable[[Request, int, str], Response]
"""Makes the HTML page of an error from the request, the status and the sentence."""


class JsonAnswer(Response):
    """JSON in which NaN and Infinity have become null."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200) -> None:
        super().__init__(content, status_code, headers=dict(PRIVATE))

    def render(self, content: Any) -> bytes:
        try:
            text = json.dumps(content, ensure_ascii=False, allow_nan=False, default=_as_json)
        except ValueError:
            text = json.dumps(finite(content), ensure_ascii=False, default=_as_json)
        return text.encode("utf-8", "replace")


def finite(value: Any) -> Any:
    """The value with None in place of numbers that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def answer_errors(app: FastAPI, page: ErrorPage | None = None) -> None:
    """Give the application its answers to errors; `page` is used where a browser asks for HTML."""

    def answer(request: Request, status: int, name: str, detail: str) -> Response:
        if request.url.path.startswith(OTLP_PREFIXES):
            return otlp_error(request, status, detail)
        if page is not None and _wants_page(request):
            return page(request, status, detail)
        return JsonAnswer({"error": name, "detail": detail}, status_code=status)

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, TouchstoneError)
        name, status = type(error).__name__, error.status_code
        if isinstance(error, Limited):
            # Older exporters drop what is answered 429, and what they are to wait long for.
            is_otlp = request.url.path.startswith(OTLP_PREFIXES)
            response = answer(request, 503 if is_otlp else status, name, error.detail)
            response.headers["Retry-After"] = str(error.retry_seconds)
            return _with_headers(response)
        return _with_headers(answer(request, status, name, error.detail))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, 422, "UnknownField", first_fault(error.errors()[0]))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        name = CLASSES.get(error.status_code, "BadRequest")
        response = answer(request, error.status_code, name, _http_detail(request, error))
        response.headers.update(error.headers or {})
        return _with_headers(response)

    async def exhausted(request: Request, error: Exception) -> Response:
        detail = "too many requests are waiting for the database; send the same request again"
        return _with_headers(answer(request, 503, "Busy", detail))

    async def unexpected(request: Request, error: Exception) -> Response:
        # Senders of traces keep what is answered 503 and drop what is answered 500.
        status = 503 if request.url.path.startswith(OTLP_PREFIXES) else 500
        detail = "something went wrong in the server; its log says what"
        return _with_headers(answer(request, status, "TouchstoneError", detail))

    app.add_exception_handler(TouchstoneError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(PoolTimeoutError, exhausted)
    app.add_exception_handler(Exception, unexpected)


class HeadAsGet:
    """ASGI middleware that answers HEAD as GET, without the body: monitors ask so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            is_body = message["type"] == "http.response.body"
            await send({**message, "body": b""} if is_body else message)

        await self.app({**scope, "method": "GET"}, receive, send_head)


class HearOut:
    """ASGI middleware that takes in what is left of a refused body before it answers.

    Whoever sends all before reading would otherwise see a reset instead of the answer, where the
    connection is closed behind it. Only such requests are watched: on a connection that stays open,
    the web server drops what is left by itself.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _closes_over_body(scope):
            await self.app(scope, receive, send)
            return
        body = _Rest(receive)

        async def send_afterwards(message: Message) -> None:
            if message["type"] == "http.response.start":
                await body.drop()
            await send(message)

        await self.app(scope, body.receive, send_afterwards)


class _Rest:
    """A request's body on its way to the application, and what the application left of it."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._is_over = receive, False

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_over = not message.get("more_body", False)
        return message

    async def drop(self) -> None:
        """Take in and forget what is left, up to a limit of bytes, of time and of silence."""
        left = MOST_DROPPED_BYTES
        with suppress(TimeoutError):
            async with timeout(BODY_SECONDS):
                while not self._is_over and left > 0:
                    async with timeout(SILENCE_SECONDS):
                        left -= len((await self.receive()).get("body", b""))


def _closes_over_body(scope: Scope) -> bool:
    """Whether a body comes, unasked, on a connection that ends with the answer to it."""
    headers = dict(scope["headers"])
    if not (headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers):
        return False
    if b"expect" in headers:
        return False
    return scope["http_version"] == "1.0" or b"close" in headers.get(b"connection", b"").lower()


def otlp_error(request: Request, status: int, detail: str) -> Response:
    """A `google.rpc.Status` in the encoding of the request."""
    content_type = request.headers.get("content-type")
    body = status_body(content_type, status, detail)
    return Response(body, status_code=status, media_type=reply_type(content_type))


def _with_headers(response: Response) -> Response:
    if response.status_code == 503:
        response.headers["Retry-After"] = RETRY_SECONDS
    if response.status_code == 401:
        response.headers.setdefault("WWW-Authenticate", 'Bearer realm="touchstone"')
    return response


def _http_detail(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"there is nothing at {request.url.path!r}; /docs lists what there is"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return f"{request.method} is not allowed here; use {allowed}"
    phrase = HTTPStatus(error.status_code).phrase
    return str(error.detail or phrase)


def _wants_page(request: Request) -> bool:
    is_ours = not request.url.path.startswith("/api/")
    return is_ours and "text/html" in request.headers.get("accept", "")
