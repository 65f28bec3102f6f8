import gzip
import json
from datetime import UTC, datetime, timedelta, timezone
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.database import reading, transaction
from app.errors import BadRequest, SetupError
from app.ingest.jsonl import (
    MAX_CONTEXTS,
    MAX_TEXT,
    parse_interaction,
    parse_line,
    parse_sample,
    read_lines,
)
from app.store.interactions import get_interaction, save_interactions
from app.tables import Interaction
from evaluators.protocol import Sample
from tests.builders import WEDNESDAY

LINE = {
    "id": "1",
    "prompt": "When?",
    "response": "Soon.",
    "contexts": ["It takes 5 days."],
    "segments": {"language": "en"},
}


def parse(value: object, **changes: Any) -> Interaction:
    fields = {"project": "default", "now": WEDNESDAY, "where": "line 12", **changes}
    return parse_interaction(value, **fields)


def test_a_line_becomes_an_interaction() -> None:
    row = parse(
        {
            **LINE,
            "application": "shop",
            "model": "small-1",
            "conversation_id": "c1",
            "user_id": "u1",
            "started_at": "2026-11-01T10:00:00+01:00",
            "trace_id": "AB" * 16,
            "anything": {"else": "is ignored"},
        }
    )
    assert (row.prompt, row.response, row.contexts) == ("When?", "Soon.", ["It takes 5 days."])
    assert (row.application, row.model, row.conversation_id) == ("shop", "small-1", "c1")
    assert row.segments == {"language": "en", "model": "small-1"}
    assert row.started_at == datetime(2026, 11, 1, 9, 0, tzinfo=UTC)
    assert (row.trace_id, len(row.span_id)) == ("ab" * 16, 16)
    assert row.user_hash not in (None, "u1")
    assert row.provenance["prompt"]["attribute"] == "prompt"


def test_only_a_response_is_needed() -> None:
    row = parse({"response": ""})
    assert (row.prompt, row.response, row.contexts, row.segments) == ("", "", [], {})
    assert (row.started_at, row.received_at) == (WEDNESDAY, WEDNESDAY)


def test_thoughts_before_an_answer_are_no_part_of_it() -> None:
    row = parse({"response": "<think>\nLet me see.\n</think>\n\nIn 5 days."})
    assert row.response == "In 5 days."
    assert row.content_hash == parse({"response": "In 5 days."}).content_hash


@pytest.mark.parametrize(
    "occasion",
    [
        {"started_at": "2026-11-18T09:30:00Z"},
        {"conversation_id": "c2"},
        {"user_id": "mia"},
    ],
)
def test_equal_words_on_two_occasions_are_two_interactions(occasion: dict[str, str]) -> None:
    words = {"prompt": "Hi", "response": "Hello!"}
    assert parse(words | occasion).id != parse(words).id
    assert parse(words | occasion).id == parse(words | occasion).id
    assert parse(words | occasion | {"id": "7"}).id == parse(words | {"id": "7"}).id


def test_the_same_line_is_the_same_interaction_and_another_is_another() -> None:
    assert parse(LINE).id == parse(dict(LINE), now=WEDNESDAY + timedelta(days=1)).id
    assert parse(LINE).id == parse({**LINE, "response": "Corrected."}).id
    others = [
        {**LINE, "id": "2"},
        {**LINE, "application": "other"},
        {**LINE, "trace_id": "cd" * 16},
        {key: value for key, value in LINE.items() if key != "id"},
    ]
    ids = {parse(line).id for line in (LINE, *others)}
    assert len(ids) == 5
    assert parse(LINE, project="p2").id != parse(LINE).id


def test_lines_of_one_trace_stay_apart() -> None:
    lines = [{**LINE, "id": str(n), "trace_id": "ab" * 16} for n in range(2)]
    assert len({parse(line).span_id for line in lines}) == 2


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("context", "contexts"),
        ("Prompt", "prompt"),
        ("conversationId", "conversation_id"),
        ("user-id", "user_id"),
        ("segment", "segments"),
    ],
)
def test_a_key_that_is_nearly_one_is_told_and_not_lost(key: str, meant: str) -> None:
    with pytest.raises(BadRequest, match=f"line 12: '{key}' is not read; write '{meant}' for it"):
        parse({"response": "Soon.", key: "x"})
    for other in ("label", "user", "source", "ids", "model_version", "", "prompt_tokens"):
        assert parse({"response": "Soon.", other: "x"}).response == "Soon."


def test_an_id_may_be_a_number() -> None:
    assert parse({**LINE, "id": 7}).id == parse({**LINE, "id": "7"}).id
    assert parse_sample({**LINE, "id": 7}, "line 1").id == 7


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "expected an object"),
        ("text", "not a text"),
        (None, "not null"),
        ({"prompt": "When?"}, "no 'response'"),
        ({"response": 5}, "'response' must be a text, not a number"),
        ({"response": "x", "prompt": ["a"]}, "'prompt' must be a text, not a list"),
        ({"response": "x", "contexts": "one"}, "'contexts' must be a list of texts"),
        ({"response": "x", "contexts": ["a", 1]}, "'contexts' entry 1 must be a text"),
        ({"response": "x", "contexts": [""] * (MAX_CONTEXTS + 1)}, "more than 10000 entries"),
        ({"response": "x" * (MAX_TEXT + 1)}, "1000001 characters; the limit is 1000000"),
        ({"response": "x", "segments": ["a"]}, "'segments' must be an object"),
        ({"response": "x", "segments": {"a": []}}, "segment 'a' must be a text"),
        ({"response": "x", "trace_id": "5b 8e"}, "'trace_id' must be 32 hexadecimal digits"),
        ({"response": "x", "span_id": "0" * 16}, "'span_id' must be 16 hexadecimal digits"),
        ({"response": "x", "started_at": "soon"}, "'started_at' must be a time such as"),
        ({"response": "x", "started_at": 5}, "'started_at' must be a text"),
        ({"response": "x", "id": [1]}, "'id' must be a text"),
        ({"response": "x", "id": True}, "'id' must be a text"),
    ],
)
def test_a_wrong_line_is_refused_with_its_place_and_the_reason(value: object, reason: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(value)
    assert str(caught.value).startswith("line 12: ")
    assert reason in str(caught.value)


def test_segments_are_texts_numbers_and_truths() -> None:
    segments = {"a": "x", "n": 3, "yes": True, "none": None}
    assert parse({**LINE, "segments": segments}).segments == {"a": "x", "n": "3", "yes": "true"}


def test_a_time_without_a_zone_is_in_utc() -> None:
    row = parse({**LINE, "started_at": "2026-11-01T10:00:00"})
    assert row.started_at == datetime(2026, 11, 1, 10, tzinfo=UTC)
    zoned = datetime(2026, 11, 1, 10, tzinfo=timezone(timedelta(hours=2)))
    assert parse({**LINE, "started_at": zoned.isoformat()}).started_at == zoned


def test_the_words_to_score_keep_their_id() -> None:
    line = parse_sample(LINE, "line 1")
    assert line == ("1", Sample("When?", "Soon.", ("It takes 5 days.",)))
    assert parse_sample({"response": "x"}, "line 1").id is None


# Files


def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes('\ufeff{}\n\n  \r\n{"a": "\u2028"}\r\n[]'.encode())
    assert list(read_lines(path)) == [(1, "{}"), (4, '{"a": "\u2028"}'), (5, "[]")]


def test_compressed_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl.gz"
    path.write_bytes(gzip.compress(b"{}\n[]\n"))
    assert [line.text for line in read_lines(path)] == ["{}", "[]"]


def test_standard_input_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    class StandardInput:
        buffer = BytesIO(b"{}\n")

    monkeypatch.setattr("sys.stdin", StandardInput())
    assert list(read_lines("-")) == [(1, "{}")]


@pytest.mark.parametrize("name", ["missing.jsonl", "missing.jsonl.gz", "broken.jsonl.gz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "broken.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 1000)[:-12])
    with pytest.raises(SetupError, match=name):
        list(read_lines(tmp_path / name))


def test_a_line_of_bad_bytes_spoils_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": "\xff"}\n{"a": "\\udcff"}\n')
    bad, good = list(read_lines(path))
    with pytest.raises(BadRequest, match="line 1: the text is not valid UTF-8"):
        parse_line(bad.text, "line 1")
    assert parse_line(good.text, "line 2") == {"a": "\udcff"}


@pytest.mark.parametrize(
    "text", ["{", "{} {}", "NaN", '{"a": Infinity}', "[" * 100_000, "9" * 5000]
)
def test_a_line_that_is_no_json_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(BadRequest, match="line 3: "):
        parse_line(text, "line 3")


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from([*LINE, "trace_id", "span_id", "started_at", "model", "user_id"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(st.text(max_size=3), max_size=2)
        | st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
    )
)
def test_any_object_is_an_interaction_or_refused(value: dict[str, Any]) -> None:
    try:
        row = parse({"response": "x", **value})
    except BadRequest:
        return
    json.dumps(row.model_dump(exclude={"started_at", "received_at"}), allow_nan=False).encode()


def test_an_imported_line_is_stored_equal_on_both_databases(engine: Engine) -> None:
    row = parse({**LINE, "response": "a\x00b\ud800 👍🏽 \u202e"})
    with transaction(engine) as session:
        save_interactions(session, [row], specs=[], now=WEDNESDAY)
    with reading(engine) as session:
        assert get_interaction(session, "default", row.id).response == "a\ufffdb\ufffd 👍🏽 \u202e"
