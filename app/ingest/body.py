"""Read a request's body: inflated, whole, and never larger than the limit on either side."""

import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol

import zstandard

from app.errors import BadRequest, TooLarge

MAX_GZIP_MEMBERS = 1_000
MAX_ZSTD_WINDOW = 8 * 1024 * 1024
STEP_BYTES = 512
_GZIP_OR_ZLIB = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": 15}


class HasBody(Protocol):
    """The part of a Starlette request that is needed here."""

    @property
    def headers(self) -> Any: ...

    def stream(self) -> AsyncIterator[bytes]: ...


async def read_body(
    request: HasBody, limit: int, take: Callable[[int], None] = lambda n_bytes: None
) -> bytes:
    """The body of the request, inflated; TooLarge beyond the limit before or after inflation.

    `take` is told of every byte that is held from now on, and may raise.
    """
    coding = _coding_of(request.headers.get("content-encoding", ""))
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit:
        raise _too_large(limit)
    inflate = _reader(coding, limit)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        take(inflate.feed(chunk))
    return inflate.finish()


def _coding_of(header: str) -> str | None:
    codings = [name for part in header.split(",") if (name := part.strip().lower())]
    codings = [name for name in codings if name != "identity"]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in (*_GZIP_OR_ZLIB, "zstd"):
        raise BadRequest(
            f"Content-Encoding {header[:100]!r} is not supported; "
            "send gzip, deflate, zstd or identity"
        )
    return codings[0]


def _reader(coding: str | None, limit: int) -> "_Plain":
    if coding is None:
        return _Plain(limit)
    return _Zstd(limit) if coding == "zstd" else _Inflater(coding, limit)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the body is larger than {limit} bytes, before or after inflation; send smaller batches"
    )


class _Plain:
    """Collects chunks as they are."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._out = bytearray()

    def feed(self, chunk: bytes) -> int:
        """Take a chunk; return how many bytes of body it made."""
        self._out += chunk
        return len(chunk)

    def finish(self) -> bytes:
        """The whole body, or BadRequest when it is cut off."""
        return bytes(self._out)


class _Inflater(_Plain):
    """Inflates chunks as they come, all members of a gzip file, and stops at the limit."""

    def __init__(self, coding: str, limit: int) -> None:
        super().__init__(limit)
        self._coding = coding
        self._new: Callable[[], Any] = lambda: zlib.decompressobj(_GZIP_OR_ZLIB[coding])
        self._member = self._new()
        self._members = 1
        self._started = False

    def feed(self, chunk: bytes) -> int:
        before = len(self._out)
        self._started = self._started or bool(chunk)
        while chunk:
            if self._member.eof:
                chunk = self._next_member(chunk)
                continue
            try:
                self._out += self._member.decompress(chunk, self._limit - len(self._out) + 1)
            except zlib.error:
                raise BadRequest(f"the body is not valid {self._coding}") from None
            if len(self._out) > self._limit:
                raise _too_large(self._limit)
            chunk = self._member.unused_data or self._member.unconsumed_tail
        return len(self._out) - before

    def _next_member(self, chunk: bytes) -> bytes:
        # Archivers pad gzip files with zero bytes.
        chunk = chunk.lstrip(b"\0")
        if chunk:
            self._members += 1
            if self._members > MAX_GZIP_MEMBERS or self._coding == "deflate":
                raise BadRequest(f"the body goes on after the end of its {self._coding} data")
            self._member = self._new()
        return chunk

    def finish(self) -> bytes:
        if self._started and not self._member.eof:
            raise BadRequest(f"the {self._coding} data of the body is cut off")
        return super().finish()


class _Zstd(_Plain):
    """Inflates chunks a few bytes at a time, because four bytes of zstd can stand for 128 KiB."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._inflater = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW)
        self._frame: Any = None

    def feed(self, chunk: bytes) -> int:
        before = len(self._out)
        for start in range(0, len(chunk), STEP_BYTES):
            self._feed_step(chunk[start : start + STEP_BYTES])
        return len(self._out) - before

    def _feed_step(self, step: bytes) -> None:
        while step:
            if self._frame is None or self._frame.eof:
                self._frame = self._inflater.decompressobj()
            try:
                self._out += self._frame.decompress(step)
            except zstandard.ZstdError:
                raise BadRequest("the body is not valid zstd") from None
            if len(self._out) > self._limit:
                raise _too_large(self._limit)
            step = self._frame.unused_data if self._frame.eof else b""

    def finish(self) -> bytes:
        if self._frame is not None and not self._frame.eof:
            raise BadRequest("the zstd data of the body is cut off")
        return super().finish()
