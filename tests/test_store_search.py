"""Full-text search says the same on both databases and follows what is stored."""

from datetime import datetime

import pytest
from sqlalchemy import Engine
from sqlmodel import select

from app.database import transaction
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
