"""Interactions as JSON Lines: what `touchstone import` and `score` read, one object a line.

    {"id": "1", "prompt": "…", "response": "…", "contexts": ["…"], "segments": {"language": "de"}}

A line may also hold `trace_id`, `span_id`, `application`, `started_at`, `model`, `conversation_id`
and `user_id`. Other keys are ignored, but one that is nearly one of these is refused: a slip
must lose no words. What a reasoning model thinks aloud in tags before its answer is no part of it.
The same line read twice is the same interaction, and so are two lines of equal words without an
`id`, unless these tell two occasions.
"""

import gzip
import hashlib
import json
import re
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from app.errors import BadRequest, SetupError
from app.ingest.lengths import MAX_TEXT
from app.ingest.otlp import valid_span_id, valid_trace_id
from app.ingest.thoughts import without_thoughts
from app.ingest.values import clean_text
from app.store.interactions import content_hash, hash_user, interaction_id
from app.tables import Interaction
from evaluators.protocol import Sample

CONVENTION = "json-lines"
READ = "id prompt response contexts segments trace_id span_id application started_at model"
KEYS = {
    name.replace("_", ""): name for name in f"{READ} conversation_id user_id system_prompt".split()
}
OCCASION = ("started_at", "conversation_id", "user_id")
MAX_NAME = 500
MAX_CONTEXTS = 10_000
MAX_SEGMENTS = 100
_BAD_BYTES = re.compile("[\udc80-\udcff]")


class NumberedLine(NamedTuple):
    """A line of a file that is not blank, counted from 1."""

    number: int
    text: str


class SampleLine(NamedTuple):
    """The words of a line and the id they were sent with."""

    id: str | int | None
    sample: Sample


def read_lines(path: Path | str) -> Iterator[NumberedLine]:
    """The lines of a `.jsonl` or `.jsonl.gz` file, or of standard input for "-".

    Raises SetupError when the file cannot be read. Bytes that are not UTF-8 pass through here and
    make `parse_line` refuse their line only.
    """
    name = str(path)
    try:
        yield from _number(_raw_lines(name))
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SetupError(f"cannot read {name!r}: {reason}") from None


def _raw_lines(name: str) -> Iterator[bytes]:
    if name == "-":
        yield from sys.stdin.buffer
    elif name.endswith(".gz"):
        with gzip.open(name, "rb") as compressed:
            yield from compressed
    else:
        with open(name, "rb") as plain:
            yield from plain


def _number(lines: Iterator[bytes]) -> Iterator[NumberedLine]:
    for number, line in enumerate(lines, start=1):
        text = line.decode("utf-8", "surrogateescape").strip().removeprefix("\ufeff")
        if text:
            yield NumberedLine(number, text)


def parse_line(text: str, where: str) -> Any:
    """The JSON value of a line, or BadRequest that names the place."""
    if _BAD_BYTES.search(text):
        raise BadRequest(f"{where}: the text is not valid UTF-8")
    try:
        return json.loads(text, parse_constant=lambda name: _refuse_constant(name, where))
    except RecursionError:
        raise BadRequest(f"{where}: the JSON is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadRequest(f"{where}: not valid JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise BadRequest(f"{where}: not valid JSON: {error}") from None


def _refuse_constant(name: str, where: str) -> NoReturn:
    raise BadRequest(f"{where}: not valid JSON: {name} is not a JSON number")


def parse_sample(value: object, where: str) -> SampleLine:
    """The words that a line holds, or BadRequest that names the place."""
    line = _Line.of(value, where)
    return SampleLine(line.id(), line.sample())


def parse_interaction(value: object, *, project: str, now: datetime, where: str) -> Interaction:
    """The interaction that a line holds, or BadRequest that names the place.

    Without `trace_id` the line's ids follow from its `id`, or else from its words and from who said
    them where and when, as far as that is told, so that a file can be imported again.
    """
    line = _Line.of(value, where)
    sample = line.sample()
    contexts, response = list(sample.contexts), without_thoughts(sample.response)
    words = content_hash(sample.prompt, response, contexts)
    application = line.text("application", limit=MAX_NAME) or ""
    line_id = line.id()
    told = [line.text(name, limit=MAX_NAME) or "" for name in OCCASION]
    occasion = told if any(told) else []
    identity = ("id", str(line_id)) if line_id is not None else ("words", words, *occasion)
    trace_id = line.hex_id("trace_id", 32) or _derive("trace", application, *identity)[:32]
    span_id = line.hex_id("span_id", 16) or _derive("span", trace_id, *identity)[:16]
    user = line.text("user_id", limit=MAX_NAME)
    model = line.text("model", limit=MAX_NAME)
    return Interaction(
        id=interaction_id(project, trace_id, span_id),
        project=project,
        trace_id=trace_id,
        span_id=span_id,
        application=application,
        model=model,
        conversation_id=line.text("conversation_id", limit=MAX_NAME),
        user_hash=hash_user(project, user) if user else None,
        system_prompt=line.text("system_prompt"),
        prompt=sample.prompt,
        response=response,
        contexts=contexts,
        content_hash=words,
        segments=({"model": model} if model else {}) | line.segments(),
        provenance=line.provenance(span_id),
        started_at=line.instant("started_at") or now,
        received_at=now,
    )


def _derive(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@lru_cache(maxsize=1000)
def _meant(key: str) -> str | None:
    """The key that this one nearly is, such as `contexts` for `context`.

    None for one that is read, and for any that is far from all of them.
    """
    if key in KEYS.values() or len(key) > MAX_NAME:
        return None
    bare = re.sub("[^a-z]", "", key.lower())
    near = get_close_matches(bare, KEYS, 1, cutoff=0.87)
    return KEYS[near[0]] if near else None


class _Line:
    """A JSON object and its place, read with errors that name both."""

    def __init__(self, fields: dict[str, Any], where: str) -> None:
        self._fields = fields
        self._where = where

    @classmethod
    def of(cls, value: object, where: str) -> "_Line":
        if not isinstance(value, dict):
            raise BadRequest(
                f'{where}: expected an object such as {{"prompt": "…", "response": "…"}}, '
                f"not {_kind(value)}"
            )
        for key in value:
            meant = _meant(key)
            if meant is not None and meant not in value:
                raise BadRequest(f"{where}: {key!r} is not read; write {meant!r} for it")
        return cls(value, where)

    def sample(self) -> Sample:
        if "response" not in self._fields:
            raise BadRequest(f"{self._where}: there is no 'response'; it may be empty")
        response = self.text("response") or ""
        return Sample(self.text("prompt") or "", response, tuple(self._contexts()))

    def id(self) -> str | int | None:
        value = self._fields.get("id")
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self.text("id", limit=MAX_NAME)

    def text(self, name: str, *, limit: int = MAX_TEXT) -> str | None:
        value = self._fields.get(name)
        if value is None:
            return None
        return self._checked(value, repr(name), limit)

    def hex_id(self, name: str, digits: int) -> str | None:
        value = self.text(name, limit=MAX_NAME)
        valid = valid_trace_id if digits == 32 else valid_span_id
        if value is not None and not valid(value):
            raise BadRequest(
                f"{self._where}: {name!r} must be {digits} hexadecimal digits that are not all zero"
            )
        return value.lower() if value else None

    def instant(self, name: str) -> datetime | None:
        value = self.text(name, limit=MAX_NAME)
        if value is None:
            return None
        try:
            instant = datetime.fromisoformat(value)
            return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise BadRequest(
                f"{self._where}: {name!r} must be a time such as 2026-11-18T09:30:00Z, "
                f"not {value[:50]!r}"
            ) from None

    def segments(self) -> dict[str, str]:
        value = self._fields.get("segments")
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self._wrong("'segments'", "an object of texts", value)
        if len(value) > MAX_SEGMENTS:
            raise BadRequest(f"{self._where}: 'segments' has more than {MAX_SEGMENTS} keys")
        return {
            self._checked(key, "a segment's key", MAX_NAME): self._segment(key, item)
            for key, item in value.items()
            if item is not None
        }

    def provenance(self, span_id: str) -> dict[str, Any]:
        names = ("prompt", "response", "contexts", "system_prompt", "model")
        return {
            name: {"convention": CONVENTION, "attribute": name, "span_id": span_id}
            for name in names
            if self._fields.get(name) is not None
        }

    def _segment(self, key: str, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int | float):
            return str(value)
        return self._checked(value, f"segment {key[:50]!r}", MAX_NAME)

    def _contexts(self) -> list[str]:
        value = self._fields.get("contexts")
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong("'contexts'", "a list of texts", value)
        if len(value) > MAX_CONTEXTS:
            raise BadRequest(f"{self._where}: 'contexts' has more than {MAX_CONTEXTS} entries")
        return [
            self._checked(item, f"'contexts' entry {index}", MAX_TEXT)
            for index, item in enumerate(value)
        ]

    def _checked(self, value: Any, name: str, limit: int) -> str:
        if not isinstance(value, str):
            raise self._wrong(name, "a text", value)
        if len(value) > limit:
            raise BadRequest(
                f"{self._where}: {name} has {len(value)} characters; the limit is {limit}"
            )
        return clean_text(value)

    def _wrong(self, name: str, wanted: str, value: Any) -> BadRequest:
        return BadRequest(f"{self._where}: {name} must be {wanted}, not {_kind(value)}")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "a text" if isinstance(value, str) else "a number"
