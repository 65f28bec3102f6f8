"""Traffic that is too much, too deep or not what it says: bounded, answered, and stored alike."""

import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import zstandard
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.assembly import assemble_due
from app.database import open_database, reading
from app.ingest.stored import spans_of
from app.migrate import migrate
from app.settings import Settings
from app.store.interactions import interactions_of_trace
from app.store.spans import entries_of
from tests.builders import WEDNESDAY
from tests.faults.processes import Server, database, serving
from tests.faults.registry import DATABASES, Found, World, fault
from tests.faults.senders import PROTOBUF, Senders, numbered_request, wait_until_acked
from tests.faults.storage import tables_of

TRACE = "ab" * 16
LIMIT = 64 * 1024 * 1024


def post(server: Server, body: bytes, **headers: str) -> tuple[int, float]:
    named = {"content-type": PROTOBUF} | {k.replace("_", "-"): v for k, v in headers.items()}
    started = time.monotonic()
    answer = httpx.post(f"{server.url}/v1/traces", content=body, headers=named, timeout=120)
    return answer.status_code, time.monotonic() - started


def sqlite_url(world: World) -> str:
    return f"sqlite:///{world.folder / 'touchstone.db'}"


@fault(
    "F16",
    "The same spans come ten times at once, then fuller, then contradicting",
    "one row per span; the fuller copy is kept; a contradiction is counted, not kept",
    databases=DATABASES,
)
def duplicates(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        body = numbered_request(range(1, 301))
        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(lambda _: post(server, body)[0], range(10)))
        counts = tables_of(url)
        fuller, other = one_span(end=20, name="fuller"), one_span(end=20, name="other")
        for each in (one_span(end=10, name="first"), fuller, other, fuller):
            statuses.append(post(server, each)[0])
        engine = open_database(url)
        with reading(engine) as session:
            (span,) = spans_of(session, "default", TRACE)
            (entry,) = entries_of(session, [("default", TRACE)])
        engine.dispose()
        told = metrics(server)
    found.figures |= {
        "answers": sorted(set(statuses)),
        "rows for 300 spans sent ten times": counts["span"],
        "kept copy": span.name,
        "conflicts counted": entry.conflicts,
        "received = stored + duplicate + rejected": told,
    }
    found.check(set(statuses) == {200}, "every copy is answered 200")
    found.check(counts["span"] == 300, "there is one row for each span")
    found.check(span.name == "fuller", "the fuller copy is kept")
    found.check(entry.conflicts == 1, "the contradiction is counted")
    found.check(
        told["received"] == told["stored"] + told["duplicate"] + told["rejected"],
        "the counters add up",
    )
    found.check(told["received"] == 3_004, "every span that was sent is counted")
    return found


def one_span(*, end: int, name: str) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(name=name)
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex("cd" * 8)
    span.end_time_unix_nano = end
    return request.SerializeToString()


def metrics(server: Server) -> dict[str, int]:
    """The four counters of spans, as /metrics tells them."""
    text = httpx.get(f"{server.url}/metrics", timeout=30).text
    found = {}
    for name in ("received", "stored", "duplicate", "rejected"):
        head = f'touchstone_ingest_{name}_total{{project="default",signal="traces"}} '
        lines = [line for line in text.splitlines() if line.startswith(head)]
        found[name] = int(float(lines[0].removeprefix(head))) if lines else 0
    return found


@fault(
    "F18",
    "A trace of a hundred thousand spans, two thousand deep, with a circle of parents",
    "it is stored, read as a tree without recursion, and its page answers within 3 s",
    databases=DATABASES,
)
def huge_trace(world: World) -> Found:
    found, n = Found(), world.times(100_000, 3_000)
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        started = time.monotonic()
        statuses = {post(server, body)[0] for body in tree_of(n)}
        stored_seconds = time.monotonic() - started
        started = time.monotonic()
        page = httpx.get(f"{server.url}/traces/{TRACE}", timeout=120)
        page_seconds = time.monotonic() - started
        engine = open_database(url)
        started = time.monotonic()
        now = WEDNESDAY.replace(year=2099)
        assemble_due(engine, [], Settings(trace_quiet_seconds=0), now=now)
        read_seconds = time.monotonic() - started
        with reading(engine) as session:
            rows = interactions_of_trace(session, "default", TRACE)
        engine.dispose()
    found.figures |= {
        "spans": n,
        "seconds to store": round(stored_seconds, 2),
        "seconds to assemble": round(read_seconds, 2),
        "page": f"{page.status_code} in {page_seconds:.2f} s",
        "interactions": len(rows),
    }
    found.check(statuses == {200}, "every part is answered 200")
    found.check(page.status_code == 200, "the page of the trace answers")
    found.check(page_seconds < 3 or not world.full, "and does so within 3 s")
    found.check(len(rows) == 1, "its one interaction is found")
    return found


def tree_of(n: int) -> list[bytes]:
    """A chain of 2,000, the rest beside it, a circle of two, and one span with words."""
    bodies = []
    for start in range(1, n + 1, 5_000):
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for number in range(start, min(start + 5_000, n + 1)):
            span = spans.add(name=f"span {number}", span_id=number.to_bytes(8))
            span.trace_id, span.start_time_unix_nano = bytes.fromhex(TRACE), number
            parent = number - 1 if number <= 2_000 else 1 + number % 2_000
            parent = {n: n - 1, n - 1: n}.get(number, parent)
            span.parent_span_id = parent.to_bytes(8) if parent else b""
            if number == 1:
                span.attributes.add(key="prompt").value.string_value = "When?"
                span.attributes.add(key="response").value.string_value = "In 5 days."
        bodies.append(request.SerializeToString())
    return bodies


@fault(
    "F19",
    "Attributes of 10 and 50 MB, a hundred thousand attributes, ten thousand events",
    "stored or refused as too large, never a fault of ours; memory stays bounded",
    databases=DATABASES,
)
def large_values(world: World) -> Found:
    found = Found()
    sizes = {"10 MB": 10_000_000, "50 MB": 50_000_000} if world.full else {"1 MB": 1_000_000}
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        assert post(server, numbered_request(range(1, 4)))[0] == 200
        before = server.resident_bytes
        statuses = {name: post(server, with_text(size))[0] for name, size in sizes.items()}
        statuses["over the limit"] = post(server, with_text(LIMIT + 1))[0]
        many = world.times(100_000, 5_000)
        statuses["many attributes"] = post(server, with_many(many, 0))[0]
        statuses["many events"] = post(server, with_many(0, many // 10))[0]
        grown = server.resident_bytes - before
        engine = open_database(url)
        with reading(engine) as session:
            spans = spans_of(session, "default", TRACE)
        engine.dispose()
    longest = max(len(str(span.attributes.get("text", ""))) for span in spans)
    found.figures |= {
        "answers": statuses,
        "longest text read back": longest,
        "memory grown MB": round(grown / 1e6),
    }
    found.check(statuses.pop("over the limit") == 413, "more than the limit is 413")
    found.check(set(statuses.values()) == {200}, "everything within the limit is stored")
    found.check(longest == max(sizes.values()), "the longest text is stored whole")
    found.check(grown < 8 * LIMIT, "memory grows by less than eight times the limit")
    return found


def with_text(size: int) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(span_id=size.to_bytes(8))
    span.trace_id = bytes.fromhex(TRACE)
    span.attributes.add(key="text").value.string_value = "word " * (size // 5)
    return request.SerializeToString()


def with_many(attributes: int, events: int) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = bytes.fromhex(TRACE), (7 + attributes).to_bytes(8)
    for number in range(attributes):
        span.attributes.add(key=f"key {number}").value.int_value = number
    for number in range(events):
        span.events.add(name=f"event {number}")
    return request.SerializeToString()


@fault(
    "F20",
    "Bombs: 64 kB that inflate to 1,000 and 30,000 times their size, and one inside another",
    "413, or 400 for one inside another; memory grows by less than twice the limit",
    databases=DATABASES,
)
def bombs(world: World) -> Found:
    found, size = Found(), world.times(1_000_000_000, 100_000_000)
    limits = {"max_body_bytes": LIMIT if world.full else LIMIT // 16}
    with (
        database(world.database, world.folder) as url,
        serving(url, world.folder, **limits) as server,
    ):
        assert post(server, numbered_request(range(1, 4)))[0] == 200
        before, answers = server.resident_bytes, {}
        for coding, bomb in (
            ("gzip", gzip.compress(bytes(size))),
            ("zstd", zstandard.compress(bytes(size))),
        ):
            status, seconds = post(server, bomb, content_encoding=coding)
            answers[coding] = f"{len(bomb):,} bytes: {status} in {seconds:.2f} s"
            found.check(status == 413, f"{coding} is answered 413")
        nested = gzip.compress(gzip.compress(bytes(size)))
        status, seconds = post(server, nested, content_encoding="gzip, gzip")
        answers["gzip in gzip"] = f"{status} in {seconds:.2f} s"
        found.check(status == 400, "one inside another is answered 400")
        grown = server.resident_bytes - before
    found.figures |= {"answers": answers, "memory grown MB": round(grown / 1e6)}
    found.check(grown < 2 * limits["max_body_bytes"] + 40e6, "memory grows by less than 2 limits")
    return found


@fault(
    "F21",
    "A thousand idle connections, and bodies that drip",
    "other clients are served as before; what never ends is answered 503",
    databases=DATABASES,
)
def slow_clients(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url, serving(url, world.folder) as server:
        with Senders(server.url, threads=2, batch=20) as senders:
            wait_until_acked(senders, 200)
        before = senders.slowest_seconds
        idle = [connect(server) for _ in range(world.times(1_000, 100))]
        dripping = [start_to_drip(server) for _ in range(50)]
        with Senders(server.url, threads=2, batch=20) as senders:
            wait_until_acked(senders, 200)
        for one in (*idle, *dripping):
            one.close()
    found.figures |= {
        "slowest answer s before": round(before, 3),
        "slowest answer s meanwhile": round(senders.slowest_seconds, 3),
        "answers meanwhile": dict(senders.statuses),
    }
    found.check(set(senders.statuses) == {200}, "other clients get 200")
    found.check(senders.slowest_seconds < 5, "and get it within 5 s")
    return found


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=10)


def start_to_drip(server: Server) -> socket.socket:
    one = connect(server)
    one.sendall(
        b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
        b"Content-Length: 1000\r\n\r\n\x0a"
    )
    return one


HOSTILE: dict[str, dict[str, Any]] = {
    "F22 invalid UTF-8 escapes": {"stringValue": "\ud800"},
    "F22 NUL": {"stringValue": "a\x00b"},
    "F22 right to left": {"stringValue": "\u202eevil"},
    "F22 combining marks": {"stringValue": "e" + "\u0301" * 100_000},
    "F23 NaN": {"doubleValue": "NaN"},
    "F23 infinite": {"doubleValue": "-Infinity"},
    "F23 too large": {"doubleValue": 1e308},
    "F23 2^64-1": {"intValue": str(2**64 - 1)},
    "F24 empty key": {"kvlistValue": {"values": [{"key": "", "value": {"stringValue": ""}}]}},
    "F24 __proto__": {"kvlistValue": {"values": [{"key": "__proto__.x", "value": {}}]}},
}
HOSTILE_WORDS = {
    "F25 empty": "",
    "F25 white space": " \n\t ",
    "F25 emoji": "👍" * 50,
    "F25 redacted": "__REDACTED__",
    "F25 not English": "Wann kommt mein Geld? 何時ですか",
    "F22 NUL in words": "When\x00?",
}


@fault(
    "F22",
    "NUL, lone surrogates, bad UTF-8, NaN, 2^64-1, deep nesting and odd keys",
    "each costs only its own value, and the same bytes give the same rows on both databases",
)
def hostile_values(world: World) -> Found:
    found = Found()
    bodies = hostile_bodies()
    rows = {}
    for kind in DATABASES:
        folder = world.folder / kind
        folder.mkdir()
        with database(kind, folder) as url, serving(url, folder) as server:
            statuses = {post(server, body, content_type=encoding)[0] for body, encoding in bodies}
            rows[kind] = everything(url)
        found.check(statuses == {200}, f"every body is stored on {kind}")
    found.figures |= {
        "bodies": len(bodies),
        "spans read back": len(rows["sqlite"][0]),
        "interactions": len(rows["sqlite"][1]),
        "rows are the same on both": rows["sqlite"] == rows["postgresql"],
    }
    found.check(rows["sqlite"] == rows["postgresql"], "rows are the same on both databases")
    found.check(len(rows["sqlite"][0]) == len(bodies), "every span is stored")
    return found


def hostile_bodies() -> list[tuple[bytes, str]]:
    attributes = [{"key": key, "value": value} for key, value in HOSTILE.items()]
    bodies = [(as_json(1, attributes), "application/json")]
    for number, words in enumerate(HOSTILE_WORDS.values(), start=10):
        said = [("prompt", words), ("response", f"Answer to {words}")]
        pairs = [{"key": key, "value": {"stringValue": value}} for key, value in said]
        bodies.append((as_json(number, pairs), "application/json"))
    deep: dict[str, Any] = {"intValue": 1}
    for _ in range(90):
        deep = {"arrayValue": {"values": [deep]}}
    bodies.append((as_json(2, [{"key": "deep", "value": deep}]), "application/json"))
    spoiled = numbered_request([3]).replace(b"words of", b"w\xffrds of")
    return [*bodies, (spoiled, PROTOBUF)]


def as_json(number: int, attributes: list[dict[str, Any]]) -> bytes:
    span = {
        "traceId": f"{number:032x}",
        "spanId": f"{number:016x}",
        "name": "\x00 \ud800",
        "startTimeUnixNano": str(2**64 - 1 if number == 1 else 10**18),
        "endTimeUnixNano": "5",
        "attributes": attributes,
    }
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def everything(url: str) -> tuple[list[Any], list[Any]]:
    """All spans and all interactions, as far as they do not depend on the time of arrival."""
    engine = open_database(url)
    migrate(engine)
    while assemble_due(
        engine, [], Settings(trace_quiet_seconds=0), now=WEDNESDAY.replace(year=2099)
    ):
        pass
    with reading(engine) as session:
        ids = [f"{number:032x}" for number in (1, 2, *range(10, 16))]
        spans = [one for trace in ids for one in spans_of(session, "default", trace)]
        rows = [one for trace in ids for one in interactions_of_trace(session, "default", trace)]
        found = [repr(span).partition("received_at")[0] for span in spans]
        left_out = {"received_at", "started_at"}
        words = [row.model_dump(exclude=left_out) for row in rows]
    engine.dispose()
    return found, words


@fault(
    "F34",
    "The server may open only 64 files, and 200 clients come at once",
    "some clients fail or get 503, none hangs, and it recovers by itself",
    databases=DATABASES,
)
def few_files(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url:
        server = Server(url, world.folder)
        server.start(["prlimit", "--nofile=64:64"])
        try:
            clients = [threading.Thread(target=hold, args=(server,)) for _ in range(200)]
            for one in clients:
                one.start()
            for one in clients:
                one.join(30)
            hanging = sum(one.is_alive() for one in clients)
            time.sleep(1)
            status, seconds = post(server, numbered_request(range(1, 4)))
        finally:
            server.kill()
    found.figures |= {
        "clients that hang": hanging,
        "afterwards": f"{status} in {seconds:.2f} s",
    }
    found.check(hanging == 0, "no client hangs")
    found.check(status == 200, "it serves again afterwards")
    return found


def hold(server: Server) -> None:
    try:
        one = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        time.sleep(1)
        one.close()
    except OSError:
        return


ALL = (duplicates, huge_trace, large_values, bombs, slow_clients, hostile_values, few_files)
