"""The part of the OTLP conformance suite that needs a real socket: C14, C15, C16 and C18."""

import http.client
import shutil
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.criteria import Criteria
from app.settings import Settings
from tests.clients import PROTOBUF, otlp_protobuf
from tests.test_ingest_real_clients import serving

BODY = otlp_protobuf(2)
HEADERS = {"Content-Type": PROTOBUF}


@pytest.fixture(scope="module")
def port(
    sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory, criteria: Criteria
) -> Iterator[int]:
    """The port of a server that all tests here share."""
    path = tmp_path_factory.mktemp("sockets") / "test.db"
    shutil.copy(sqlite_template, path)
    settings = Settings(database_url=f"sqlite:///{path}", open_access=True)
    with serving(settings, criteria) as url:
        yield int(urlsplit(url).port or 0)


def answer_to(port: int, request: bytes) -> bytes:
    """All that comes back until the server closes or is silent for a second."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=1) as connection, suppress(OSError):
        connection.sendall(request)
        while part := connection.recv(65_536):
            received += part
    return received


def request(version: str, length: int) -> bytes:
    head = (
        f"POST /v1/traces HTTP/{version}\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: {PROTOBUF}\r\nContent-Length: {length}\r\n\r\n"
    )
    return head.encode() + BODY


def statuses(answer: bytes) -> list[bytes]:
    return [line.split()[1] for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]


def works(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/v1/traces", BODY, HEADERS)
    status = connection.getresponse().status
    connection.close()
    return status == 200


@pytest.mark.parametrize("wrong", [-3, 7])
def test_c14_a_wrong_content_length_spoils_its_own_connection_only(port: int, wrong: int) -> None:
    answered = statuses(answer_to(port, request("1.1", len(BODY) + wrong)))
    assert not any(status.startswith((b"3", b"5")) for status in answered if status != b"503")
    assert works(port)


def test_c15_a_thousand_requests_on_one_connection(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for _ in range(1_000):
        connection.request("POST", "/v1/metrics", b"", HEADERS)
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (200, b"")
    connection.close()


def test_c16_a_hundred_connections_at_once(port: int) -> None:
    start = threading.Barrier(100, timeout=60)

    def send(_: int) -> bool:
        start.wait()
        return works(port)

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(send, range(100)))


def test_c18_a_client_of_http_1_0(port: int) -> None:
    assert statuses(answer_to(port, request("1.0", len(BODY)))) == [b"200"]
