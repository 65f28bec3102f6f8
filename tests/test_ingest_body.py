import asyncio
import gzip
import time
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BadRequest, TooLarge
from app.ingest.body import MAX_GZIP_MEMBERS, read_body

WORDS = b"a body of words " * 100
GZIPPED = gzip.compress(WORDS, mtime=0)
"""Without the time: names of tests are made of it, and all processes must know the same ones."""


class SentBody:
    """What a client sent: headers, and the body in the chunks that the network made of it."""

    def __init__(self, chunks: Sequence[bytes], **headers: str) -> None:
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self._chunks = chunks

    async def stream(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk


def read(*chunks: bytes, limit: int = 10_000, **headers: str) -> bytes:
    return asyncio.run(read_body(SentBody(chunks, **headers), limit))


def bytewise(body: bytes) -> list[bytes]:
    return [bytes([byte]) for byte in body]


@pytest.mark.parametrize("coding", ["", "identity", "Identity, identity"])
def test_a_plain_body_comes_back_as_it_was_sent(coding: str) -> None:
    assert read(WORDS[:50], WORDS[50:], content_encoding=coding) == WORDS


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", GZIPPED),
        ("GZIP ", GZIPPED),
        ("x-gzip", GZIPPED),
        ("identity, gzip", GZIPPED),
        ("deflate", zlib.compress(WORDS)),
        ("zstd", zstandard.compress(WORDS)),
        ("zstd", zstandard.compress(WORDS[:7]) + zstandard.compress(WORDS[7:])),
    ],
)
def test_a_compressed_body_is_inflated_however_it_is_cut(coding: str, body: bytes) -> None:
    assert read(body, content_encoding=coding) == WORDS
    assert read(*bytewise(body), content_encoding=coding) == WORDS


def test_all_members_of_a_gzip_body_are_read() -> None:
    body = gzip.compress(b"one ") + gzip.compress(b"two ") + gzip.compress(b"three") + b"\0\0\0"
    assert read(body, content_encoding="gzip") == b"one two three"
    assert read(*bytewise(body), content_encoding="gzip") == b"one two three"


def test_an_empty_body_stays_empty_whatever_its_coding() -> None:
    assert read() == b""
    assert read(b"", content_encoding="gzip") == b""


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", WORDS, "not valid gzip"),
        ("deflate", WORDS, "not valid deflate"),
        ("gzip", GZIPPED[:-9], "cut off"),
        ("deflate", zlib.compress(WORDS)[:-1], "cut off"),
        ("gzip", GZIPPED + b"rest", "not valid gzip"),
        ("deflate", zlib.compress(WORDS) + b"rest", "goes on"),
        ("zstd", WORDS, "not valid zstd"),
        ("zstd", zstandard.compress(WORDS)[:-3], "cut off"),
        ("br", WORDS, "'br' is not supported"),
        ("gzip, gzip", gzip.compress(GZIPPED, mtime=0), "not supported"),
        ("gzip", gzip.compress(b"", mtime=0) * (MAX_GZIP_MEMBERS + 1), "goes on"),
    ],
)
def test_a_broken_or_unknown_coding_is_a_bad_request(coding: str, body: bytes, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason):
        read(body, content_encoding=coding, limit=1_000_000)


def test_the_limit_itself_is_allowed_on_both_sides_of_inflation() -> None:
    size = len(WORDS)
    assert read(WORDS, limit=size) == WORDS
    assert read(gzip.compress(WORDS), limit=size, content_encoding="gzip") == WORDS


def test_one_byte_over_the_limit_is_too_large_on_both_sides_of_inflation() -> None:
    over = len(WORDS) - 1
    for headers in ({}, {"content_length": str(len(WORDS))}, {"content_length": "1"}):
        with pytest.raises(TooLarge, match=str(over)):
            read(WORDS, limit=over, **headers)
    with pytest.raises(TooLarge):
        read(gzip.compress(WORDS), limit=over, content_encoding="gzip")
    incompressible = gzip.compress(WORDS, compresslevel=0)
    with pytest.raises(TooLarge):
        read(incompressible, limit=len(WORDS), content_encoding="gzip")


def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read() -> None:
    with pytest.raises(TooLarge):
        read(limit=10, content_length="1" + "0" * 30)


@pytest.mark.parametrize(
    ("coding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)]
)
def test_a_bomb_is_refused_within_a_second_and_little_memory(coding: str, pack: Any) -> None:
    bomb = pack(bytes(100_000_000), 9)
    started = time.perf_counter()
    with pytest.raises(TooLarge):
        read(bomb, limit=1_000_000, content_encoding=coding)
    assert time.perf_counter() - started < 1


@settings(deadline=None, max_examples=100)
@given(body=st.binary(max_size=200), coding=st.sampled_from(["", "gzip", "deflate", "zstd", "br"]))
def test_any_bytes_are_read_or_refused_with_our_own_error(body: bytes, coding: str) -> None:
    with suppress(BadRequest, TooLarge):
        read(body, content_encoding=coding)
