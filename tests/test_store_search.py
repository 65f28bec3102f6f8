"""Full-text search says the same on both databases and follows what is stored."""

import random
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.database import transaction
from app.store import saying
from app.store.interactions import InteractionFilter, drop_interactions, list_interactions
from app.store.search import terms_of, words_condition
from app.tables import Interaction
from tests.builders import an_interaction, save

TEXTS = (
    "How do I return a jacket?",
    "Refunds take five working days.",
    "Die Größe passt nicht, was nun?",
    "Write to help@shop.example or see https://shop.example/returns-policy_v2",
    "それは返品できますか。",
    "A jacket in the autumn sale: 100 % wool!",
)


@pytest.fixture
def rows(engine: Engine) -> list[Interaction]:
    made = [
        an_interaction(trace_id=f"{n + 1:032x}", prompt=words, response="Ok.")
        for n, words in enumerate(TEXTS)
    ]
    save(engine, made)
    return made


def found(engine: Engine, wanted: str) -> set[int]:
    with transaction(engine) as session:
        page = list_interactions(session, "default", InteractionFilter(text=wanted))
    return {TEXTS.index(row.prompt) for row in page.rows if row.prompt in TEXTS}


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        ("jacket", {0, 5}),
        ("JACKET Autumn", {5}),
        ("refund", {1}),
        ("efund", set()),
        ("wor", {1}),
        ("wo", set()),
        ("do", {0}),
        ('"working days"', {1}),
        ('"days working"', set()),
        ('"return a jack"', set()),
        ("größe", {2}),
        ("help@shop.example", {3}),
        ("returns-policy", {3}),
        ("返品", {4}),
        ("100 %", {5}),
        ("%", {5}),
        ("ok", {0, 1, 2, 3, 4, 5}),
        ("jacket refund", set()),
        ("\"'; DROP TABLE interaction; --", set()),
        ("jacket*) OR (ok", set()),
        ("NEAR(jacket)", set()),
    ],
)
def test_words_are_found_from_their_beginning_in_any_order(
    engine: Engine, rows: list[Interaction], wanted: str, places: set[int]
) -> None:
    assert found(engine, wanted) == places


def test_the_index_follows_changes_and_what_is_dropped(
    engine: Engine, rows: list[Interaction], now: datetime
) -> None:
    changed = an_interaction(trace_id=rows[1].trace_id, prompt=TEXTS[5], response="Yes.")
    save(engine, [changed])
    assert found(engine, "refund") == set()
    assert found(engine, "wool yes") == {5}
    with transaction(engine) as session:
        drop_interactions(session, [session.get_one(Interaction, rows[0].id)])
    assert found(engine, "return") == {3}


def test_a_search_reads_the_index_and_not_the_texts(
    engine: Engine, rows: list[Interaction]
) -> None:
    query = select(Interaction.id).where(words_condition("jacket"))
    statement = query.compile(engine)
    with transaction(engine) as session:
        connection = session.connection()
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}").all()
            assert "search_interaction" in str(plan)
        else:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
            assert "search_words VIRTUAL TABLE INDEX" in str(plan)


def test_terms_are_words_and_phrases_without_signs() -> None:
    assert terms_of('Say "Hello, World" e-mail _') == [
        (("say",), True),
        (("hello", "world"), False),
        (("e", "mail"), True),
    ]


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("application", [None, "shop"])
def test_pages_of_a_search_hold_all_that_say_it_newest_first_in_whatever_order_they_came(
    engine: Engine,
    now: datetime,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    application: str | None,
) -> None:
    monkeypatch.setattr(saying, "FEW", few)
    monkeypatch.setattr(saying, "WINDOW", 3)
    monkeypatch.setattr(saying, "WIDER", 2)
    rows = _shuffled(now)
    save(engine, rows)
    other = [an_interaction(trace_id=row.trace_id, project="other") for row in rows]
    save(engine, other)
    moved = an_interaction(
        trace_id=rows[0].trace_id, prompt="A jacket", started_at=now + timedelta(days=9)
    )
    save(engine, [moved])
    filters = InteractionFilter(text="jack", application=application)
    wanted = sorted([moved, *rows[1:]], key=lambda row: (row.started_at, row.id), reverse=True)
    assert _paged(engine, filters) == [row.id for row in wanted if "jacket" in row.prompt]


def _shuffled(now: datetime) -> list[Interaction]:
    """Three times as many as say it, some at the same moment, not in the order of their times."""
    rng = random.Random(5)
    return [
        an_interaction(
            trace_id=f"{n + 1:032x}",
            prompt="A jacket" if n % 3 == 0 else "A coat",
            application="shop",
            started_at=now + timedelta(hours=rng.randrange(20)),
        )
        for n in range(60)
    ]


def _paged(engine: Engine, filters: InteractionFilter) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        with transaction(engine) as session:
            page = list_interactions(session, "default", filters, cursor=cursor, limit=4)
        found += [row.id for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            return found
