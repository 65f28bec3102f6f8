"""Senders that are refused before their body was read see the answer, not a connection reset."""

import asyncio
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from app import answers
from app.answers import HearOut
from app.criteria import Criteria
from app.settings import Settings
from tests.clients import PROTOBUF
from tests.test_ingest_real_clients import serving

BODY_BYTES = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def port(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, criteria: Criteria
) -> Iterator[int]:
    """The port of a server that takes bodies of a megabyte, from holders of keys."""
    path = tmp_path_factory.mktemp("refused") / "test.db"
    shutil.copy(sqlite_template, path)
    settings = Settings(database_url=f"sqlite:///{path}", max_body_bytes=1024 * 1024)
    with serving(settings, criteria) as url:
        yield int(urlsplit(url).port or 0)


def answer_to(port: int, head: str, body: bytes) -> bytes:
    """The first line of what comes back to somebody who sends everything before reading."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode())
        connection.sendall(body)
        return connection.recv(65_536).partition(b"\r\n")[0]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize(("path", "status"), [("/v1/traces", b"401"), ("/v1/nothing", b"404")])
def test_who_sends_all_before_reading_hears_why_it_was_refused(
    port: int, version: str, path: str, status: bytes
) -> None:
    head = (
        f"POST {path} HTTP/{version}\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: {PROTOBUF}\r\nContent-Length: {BODY_BYTES}\r\n\r\n"
    )
    assert answer_to(port, head, bytes(BODY_BYTES)).split()[1] == status


def test_a_body_in_chunks_that_is_refused_is_heard_out_too(port: int) -> None:
    head = (
        "POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Content-Type: {PROTOBUF}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    assert answer_to(port, head, chunk * 8 + b"0\r\n\r\n").split()[1] == b"401"


def scope_of(version: str, **headers: str) -> Scope:
    pairs = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return {"type": "http", "method": "POST", "http_version": version, "headers": pairs}


def bytes_dropped(scope: Scope, *, part: bytes = bytes(65_536), seconds: float = 0.0) -> int:
    """How much of a body without an end is taken in when nobody wants it."""
    taken = 0

    async def receive() -> Message:
        nonlocal taken
        await asyncio.sleep(seconds)
        taken += len(part)
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(_: Message) -> None: ...

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})

    asyncio.run(HearOut(refuse)(scope, receive, send))
    return taken


def test_a_body_without_an_end_is_heard_out_for_so_long_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scope = scope_of("1.0", content_length="9")
    assert bytes_dropped(scope) == answers.MOST_DROPPED_BYTES
    monkeypatch.setattr(answers, "SILENCE_SECONDS", 0.01)
    assert bytes_dropped(scope, seconds=30) == 0


@pytest.mark.parametrize(
    "scope",
    [
        scope_of("1.1", content_length="9"),
        scope_of("1.0", content_length="0"),
        scope_of("1.0"),
        scope_of("1.1", content_length="9", connection="close", expect="100-continue"),
    ],
)
def test_nothing_is_taken_in_where_the_connection_stays_or_the_sender_asked_first(
    scope: Scope,
) -> None:
    assert bytes_dropped(scope) == 0


def test_requests_on_a_lasting_connection_pass_untouched() -> None:
    seen: list[Receive | Send] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_: Message) -> None: ...

    async def note(_scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((receive, send))

    asyncio.run(HearOut(note)(scope_of("1.1", content_length="9"), receive, send))
    assert seen == [receive, send]
