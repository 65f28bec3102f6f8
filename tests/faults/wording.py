"""Keys, nesting and texts that no sane client sends: nothing breaks, and no score is made up."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from sqlmodel import select

from app.criteria import read_criteria
from app.database import open_database, reading
from app.migrate import migrate
from app.settings import Settings
from app.tables import Evaluation, Interaction
from app.worker import work_once
from tests.builders import FAKE_EVALUATORS
from tests.faults.hostile import post
from tests.faults.processes import ROOT, database, environment, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import PROTOBUF
from tests.faults.storage import tables_of

KEYS = (
    *("", ".", "..", "a..b", "__proto__", "__proto__.isPublic", "constructor.prototype.x"),
    *("llm.input_messages.4294967295.message.content", "gen_ai.prompt.99999999999.content"),
    *("retrieval.documents.-1.document.content", "llm.input_messages.1e9.message.role"),
    *("k" * 10_000, "touchstone.segment.", "touchstone.segment.__proto__", "langfuse.trace.tags"),
)
LEVELS = (50, 100, 5_000)
SAID: dict[str, tuple[str, str]] = {
    "empty": ("", ""),
    "no response": ("When?", ""),
    "white space": (" \n\t ", "\u00a0\u200b"),
    "emoji": ("👍" * 20, "🎉"),
    "redacted": ("__REDACTED__", "__REDACTED__"),
    "not English": ("Wann kommt mein Geld? 何時ですか", "في غضون خمسة أيام"),
    "right to left mark": ("\u202egnp.exe", "\u202eevil"),
    "combining marks": ("e" + "\u0301" * 50_000, "a"),
}
WITHOUT_WORDS = ("empty", "no response", "white space", "redacted", "image")


def span_of(number: int, attributes: dict[str, Any]) -> dict[str, Any]:
    """A span in OTLP/JSON whose ids say its number."""
    return {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "chat",
        "attributes": [{"key": key, "value": value} for key, value in attributes.items()],
    }


def as_json(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


def text(value: str) -> dict[str, Any]:
    return {"stringValue": value}


def nested_json(levels: int) -> str:
    """An AnyValue that holds itself so many times; text, for no encoder would write it."""
    return '{"arrayValue":{"values":[' * levels + '{"intValue":"1"}' + "]}}" * levels


def nested_protobuf(number: int, levels: int) -> bytes:
    """An export of one span whose one attribute is nested so deeply, and one that is not."""
    value = b"\x18\x01"
    for _ in range(levels):
        value = field(5, field(1, value))
    deep = field(9, field(1, b"deep") + field(2, value))
    spans = b"".join(
        field(2, field(1, one.to_bytes(16)) + field(2, one.to_bytes(8)) + more)
        for one, more in ((number, deep), (number + 1, b""))
    )
    return field(1, field(2, spans))


def field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    size, out = len(content), bytearray([number << 3 | 2])
    while size >= 0x80:
        out.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes(out) + bytes([size]) + content


@fault(
    "F24",
    "Values nested 50, 100 and 5,000 deep; keys that are empty, huge, dotted, prototypes, indexes",
    "no 5xx and no large allocation; the neighbours are stored; every page answers",
    databases=DATABASES,
)
def odd_keys(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        assert post(server, as_json(span_of(999, {})), content_type="application/json")[0] == 200
        before, statuses = server.resident_bytes, {}
        odd = span_of(1, {key: text("When?") for key in KEYS})
        words = span_of(2, {"prompt": text("When?"), "response": text("Soon.")})
        statuses["keys"] = post(server, as_json(odd, words), content_type="application/json")[0]
        for number, levels in enumerate(LEVELS):
            body = as_json(
                span_of(10 + 2 * number, {"deep": text("DEEP")}), span_of(11 + 2 * number, {})
            )
            body = body.replace(b'{"stringValue": "DEEP"}', nested_json(levels).encode())
            told = post(server, body, content_type="application/json")[0]
            statuses[f"JSON, {levels} levels"] = told
            body = nested_protobuf(30 + 2 * number, levels)
            statuses[f"protobuf, {levels} levels"] = post(server, body, content_type=PROTOBUF)[0]
        grown = server.resident_bytes - before
        engine = open_database(url)
        judged = judge_all(engine, url)
        engine.dispose()
        pages = {
            path: httpx.get(f"{server.url}{path}", timeout=60).status_code
            for trace in (f"{1:032x}", f"{10:032x}", f"{30:032x}")
            for path in (f"/traces/{trace}", f"/traces/{trace}/doctor", f"/api/v1/traces/{trace}")
        }
        held = tables_of(url)["span"]
    found.figures |= {
        "answers": statuses,
        "spans stored": held,
        "memory grown MB": round(grown / 1e6),
        "pages": dict(Counter(pages.values())),
        "evaluations": dict(Counter(judged.values())),
    }
    found.check(set(statuses.values()) <= {200, 400}, "no answer is a fault of ours")
    stored = sum(2 for status in statuses.values() if status == 200) + 1
    found.check(held == stored, "every span of an accepted body is stored")
    found.check(statuses["keys"] == 200 and set(pages.values()) == {200}, "every page answers")
    found.check(grown < 100e6, "memory grows by less than 100 MB")
    return found


@fault(
    "F25",
    "Words that are empty, white, emoji, redacted, an image, foreign, or cut off at the limit",
    "judged, or abstained where there are no words; never a failure, never a made-up 0",
    databases=DATABASES,
)
def odd_words(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        names = [*SAID, "image", "cut off"]
        for number, name in enumerate(names, start=1):
            body = as_json(span_of(number, attributes_of(name)))
            assert post(server, body, content_type="application/json")[0] == 200
        engine = open_database(url)
        judged = judge_all(engine, url)
        with reading(engine) as session:
            rows = {row.trace_id: row for row in session.exec(select(Interaction))}
        engine.dispose()
    told = {}
    for number, name in enumerate(names, start=1):
        trace_id = f"{number:032x}"
        statuses = {status for (one, _), status in judged.items() if one == trace_id}
        told[name] = "+".join(sorted(statuses)) if trace_id in rows else "no interaction"
        found.check("failed" not in statuses, f"{name}: nothing fails")
        if name in WITHOUT_WORDS:
            found.check("scored" not in statuses, f"{name}: nothing is scored without words")
        else:
            found.check("scored" in statuses, f"{name}: it is judged")
    cut = rows.get(f"{len(names):032x}")
    found.check(cut is not None and cut.finish_reason == "length", "the end at the limit is kept")
    found.figures["became"] = told
    if world.full:
        judge_for_real(world, found)
    return found


def attributes_of(name: str) -> dict[str, Any]:
    if name == "image":
        parts = [{"type": "blob", "modality": "image", "mime_type": "image/png", "content": "aGk="}]
        image = json.dumps([{"role": "user", "parts": parts}])
        answer = json.dumps([{"role": "assistant", "parts": parts}])
        return {"gen_ai.input.messages": text(image), "gen_ai.output.messages": text(answer)}
    if name == "cut off":
        reasons = {"arrayValue": {"values": [text("length")]}}
        said = {"prompt": text("When?"), "response": text("It takes five")}
        return {**said, "gen_ai.response.finish_reasons": reasons}
    prompt, response = SAID[name]
    return {"prompt": text(prompt), "response": text(response)}


def judge_all(engine: Any, url: str) -> dict[tuple[str, str], str]:
    """The status of every evaluation, by trace and criterion, once all is assembled and judged."""
    migrate(engine)
    at = datetime.now(UTC) + timedelta(hours=1)
    settings, criteria = Settings(database_url=url), read_criteria()
    while not work_once(engine, FAKE_EVALUATORS, criteria, settings, now=lambda: at).idle:
        pass
    with reading(engine) as session:
        query = select(Interaction.trace_id, Evaluation.criterion, Evaluation.status)
        rows = session.exec(query.join(Evaluation)).all()
    return {(trace, criterion): status for trace, criterion, status in rows}


def judge_for_real(world: World, found: Found) -> None:
    """Let the bundled judges read the same words."""
    source, out = world.folder / "in.jsonl", world.folder / "out.jsonl"
    lines = [
        json.dumps({"id": name, "prompt": prompt, "response": response, "contexts": [response]})
        for name, (prompt, response) in SAID.items()
    ]
    source.write_text("\n".join(lines) + "\n")
    command = [sys.executable, "-m", "app", "score", str(source), "--out", str(out)]
    own = environment("sqlite:///unused.db")
    done = subprocess.run(command, cwd=ROOT, env=own, capture_output=True, text=True)
    answers = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    counts = {
        one["id"]: dict(Counter(each["status"] for each in one.get("evaluations", ())))
        for one in answers
    }
    found.figures["bundled judges"] = counts
    found.check(done.returncode == 0 and len(answers) == len(SAID), "every line is answered")
    found.check(not any("failed" in one for one in counts.values()), "no bundled judge fails")
