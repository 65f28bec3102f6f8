"""What endpoints read from a request: bodies within limits, JSON without surprises, times, now.

Everything here refuses with an error of `app.errors`, whose sentence says what was expected.
"""

import json
from asyncio import timeout
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar
from zoneinfo import ZoneInfo

from fastapi import Request
from pydantic import BaseModel, ValidationError
from sqlmodel import Session
from starlette.requests import ClientDisconnect

from app.errors import BadRequest, Busy, UnknownField, UnsupportedMediaType
from app.ingest.body import read_body
from app.settings import Settings
from app.writing import Writer

BODY_SECONDS = 60
JSON_TYPES = frozenset({"application/json", ""})
JSON_LINES_TYPES = frozenset(
    {"application/x-ndjson", "application/jsonl", "application/x-jsonlines"}
)
YEARS = range(1000, 9999)
"""Those that leave room to count days before and after them."""
INSTANT_EXAMPLES = "2026-11-18, 2026-11-18T09:30:00 or 2026-11-18T09:30:00+01:00"

Body = TypeVar("Body", bound=BaseModel)
Result = TypeVar("Result")


def current_time() -> datetime:
    """Now, as a dependency that tests can replace."""
    return datetime.now(UTC)


def settings_of(request: Request) -> Settings:
    """The settings that the application was created with."""
    settings: Settings = request.app.state.settings
    return settings


def refuse_nul(request: Request) -> None:
    """Raise BadRequest when the address holds a NUL, which PostgreSQL cannot compare with."""
    parts = [
        request.url.path,
        *(part for pair in request.query_params.multi_items() for part in pair),
    ]
    if any("\0" in part or "%00" in part for part in parts):
        raise BadRequest("the address holds a NUL character; remove %00 from it")


async def body_of(request: Request) -> AsyncIterator[bytes]:
    """The inflated body; declared after the caller, so that strangers send nothing.

    Raises TooLarge for the body itself, and Busy while the bodies of all requests together are
    larger than `max_pending_bytes`: what cannot be held is to be sent again, not to be lost.
    """
    settings = settings_of(request)
    share = Share(request.app.state.held, settings.max_pending_bytes)
    try:
        async with timeout(BODY_SECONDS):
            body = await read_body(request, settings.max_body_bytes, share.take)
        yield body
    except TimeoutError:
        raise Busy(f"the body did not arrive within {BODY_SECONDS} s; send it again") from None
    except ClientDisconnect:
        raise BadRequest("the connection ended before the body did") from None
    finally:
        share.give_back()


class Held:
    """How many bytes of bodies this process holds; only the event loop's thread changes it."""

    n_bytes = 0


class Share:
    """The part of the held bytes that belongs to one request."""

    def __init__(self, held: Held, limit: int) -> None:
        self._held, self._limit, self._mine = held, limit, 0

    def take(self, n_bytes: int) -> None:
        """Count that many bytes more, or raise Busy when all requests hold too many."""
        if self._held.n_bytes + n_bytes > self._limit:
            raise Busy("too many requests are waiting for the disk; send the same request again")
        self._held.n_bytes += n_bytes
        self._mine += n_bytes

    def give_back(self) -> None:
        self._held.n_bytes -= self._mine
        self._mine = 0


def write(request: Request, work: Callable[[Session], Result], n_bytes: int) -> Result:
    """What the work returns, once it is on disk together with the work of other requests."""
    writer: Writer = request.app.state.writer
    return writer.write(work, n_bytes=n_bytes)


def media_type_of(request: Request) -> str:
    """The content type in lower case without parameters, or an empty string."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def read_json(body: bytes | str, *, where: str = "the body") -> Any:
    """The value of a JSON text, or BadRequest; NaN and Infinity are no JSON."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise BadRequest(f"{where} is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise BadRequest(f"{where} is not valid UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise BadRequest(f"{where} is not valid JSON: {error.msg} at {place}") from None
    except ValueError as error:
        raise BadRequest(f"{where} is not valid JSON: {error}") from None


def json_of(request: Request, body: bytes) -> Any:
    """The JSON value of a request, or UnsupportedMediaType for another kind of body."""
    if media_type_of(request) not in JSON_TYPES:
        raise UnsupportedMediaType(
            f"this path reads application/json, not {media_type_of(request)!r}"
        )
    return read_json(body)


def numbered_lines(body: bytes) -> Iterator[tuple[int, str]]:
    """The lines of a body with their numbers from 1, without the empty ones.

    Bytes that are no UTF-8 pass through as surrogates, so that they spoil their own line only.
    """
    for number, line in enumerate(body.split(b"\n"), start=1):
        text = line.decode("utf-8", "surrogateescape").strip()
        if text:
            yield number, text


def validated(body_class: type[Body], value: object, *, where: str = "") -> Body:
    """The value as that class, or UnknownField naming the first field that is wrong."""
    try:
        return body_class.model_validate(value)
    except ValidationError as error:
        raise UnknownField(where + first_fault(error.errors()[0])) from None


def first_fault(fault: Any) -> str:
    """One sentence about a fault that pydantic found, with its place."""
    place = ".".join(str(part) for part in fault["loc"])
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def instant_of(text: str | None, zone: str, *, name: str) -> datetime | None:
    """An ISO 8601 date or time as an aware datetime; without an offset it is in `zone`."""
    if text is None or not text.strip():
        return None
    try:
        # A plus sign in a query arrives as a space.
        instant = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise BadRequest(
            f"{name} is not a date or a time: {text!r}; write {INSTANT_EXAMPLES}"
        ) from None
    if instant.year not in YEARS:
        raise BadRequest(f"{name} lies outside the calendar; write {INSTANT_EXAMPLES}")
    return (instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
