"""Which stored traces name a user, whether or not an interaction was made of them.

A question that was never answered, a search, a trace that has not been assembled yet or whose
interactions were forgotten by age: only the spans say whose words these are.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from sqlmodel import Session, col, select

from app.ingest.dialects import read_span
from app.ingest.stored import Telemetry, telemetry_of
from app.ingest.telemetry import LogRecord
from app.packing import unpack
from app.store.spans import chunks_of
from app.tables import Trace

TRACES_AT_A_TIME = 200
PLAIN = re.compile(r"[\w@.:-]+", re.ASCII)
"""Ids that every library writes into JSON as they are."""
PLAIN_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")
"""What libraries send as an integer, which OTLP writes without its digits."""


def traces_naming(
    session: Session,
    project: str,
    users: Sequence[str],
    advance: Callable[[int], None] = lambda _: None,
) -> dict[str, list[str]]:
    """For each of the users the traces in which some span names them, by the conventions known."""
    found: dict[str, list[str]] = {user: [] for user in users}
    for ids in _all_traces(session, project) if users else ():
        likely = _likely(session, [(project, one) for one in ids], users)
        for (_, trace_id), telemetry in telemetry_of(session, likely).items():
            for user in _named_in(telemetry) & found.keys():
                found[user].append(trace_id)
        advance(len(ids))
    return found


def _all_traces(session: Session, project: str) -> Iterator[list[str]]:
    last = ""
    query = select(Trace.trace_id).where(Trace.project == project).order_by(col(Trace.trace_id))
    while ids := list(session.exec(query.where(Trace.trace_id > last).limit(TRACES_AT_A_TIME))):
        yield ids
        last = ids[-1]
        session.expunge_all()


def _likely(
    session: Session, keys: Sequence[tuple[str, str]], users: Sequence[str]
) -> list[tuple[str, str]]:
    """The traces that may name one of them: looking for bytes is quicker than reading spans."""
    if not all(PLAIN.fullmatch(user) for user in users):
        return list(keys)
    wanted = [spelling for user in users for spelling in _spellings(user)]
    found = set()
    for chunk in chunks_of(session, keys):
        content = unpack(chunk.content)
        if any(one in content for one in wanted):
            found.add((chunk.project, chunk.trace_id))
    return sorted(found)


def _spellings(user: str) -> Iterator[bytes]:
    yield user.encode()
    if PLAIN_NUMBER.fullmatch(user):
        yield AnyValue(int_value=int(user)).SerializeToString()


def _named_in(telemetry: Telemetry) -> set[str]:
    logs: dict[str, list[LogRecord]] = {}
    for log in telemetry.logs:
        logs.setdefault(log.span_id, []).append(log)
    found = (read_span(span, logs.get(span.span_id, ())) for span in telemetry.spans)
    return {str(user) for one in found if (user := one.value("user"))}
