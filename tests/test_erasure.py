"""Who asks to be forgotten is: no word of theirs is left, and every count and label stays."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine, text
from sqlmodel import Session, select
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.commands import prune
from app.criteria import Criteria
from app.database import reading, transaction
from app.errors import Conflict
from app.export import interaction_rows
from app.settings import Settings
from app.store.adjudications import open_cases
from app.store.annotations import add_annotation, annotations_of
from app.store.erased import remember_erased
from app.store.erasing import erase_trace
from app.store.feedback import add_feedback
from app.store.gold import gold_labels
from app.store.interactions import (
    InteractionFilter,
    hash_user,
    list_interactions,
    save_interactions,
)
from app.store.reports import save_report
from app.store.reviews import Plan, create_queue
from app.store.studies import save_study
from app.store.topics import topic_key
from app.store.turns import claim_turn, finish_turn, keep_draft, reopen_turn
from app.tables import (
    Adjudication,
    Annotation,
    Evaluation,
    Feedback,
    Interaction,
    Report,
    ReviewItem,
    ReviewQueue,
    ReviewTurn,
    Rollup,
    SpanChunk,
    SpanEntry,
    Study,
    Trace,
)
from tests.builders import a_span, an_interaction, save, score_all, some_interactions
from tests.telemetry import put_spans

SECRET = "Zanzibar"
EVERYTHING = InteractionFilter()


@pytest.fixture
def rows(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime
) -> list[Interaction]:
    """Three answers to one user, judged: the first labelled, the second held, the third free."""
    mine = hash_user("default", "mia")
    words = f"{SECRET} is those people's invented home."
    rows = some_interactions(3, prompt=f"{SECRET}?", response=words, user_hash=mine)
    save(engine, rows)
    score_all(engine, criteria, settings)
    with transaction(engine) as session:
        queue = create_queue(
            session,
            project="default",
            name="all",
            filters=EVERYTHING,
            plan=Plan(size=3),
            criteria=criteria,
            created_by="lea",
            now=now,
        )
        assert queue.id is not None
        first, second, third = (_item(session, one.id) for one in rows)
        session.delete(third)
        for item, position in ((first, 0), (second, 1)):
            item.position = position
        session.flush()
        turn = claim_turn(session, queue.id, reviewer="anna", now=now)
        assert turn is not None
        assert turn.item_id == first.id
        finish_turn(session, first, reviewer="anna", status="stored", key="k", now=now)
        add_annotation(session, a_label(rows[0], now, turn_id=turn.id), criteria=criteria)
        held = claim_turn(session, queue.id, reviewer="anna", now=now)
        assert held is not None
        assert held.item_id == second.id
        keep_draft(session, held, {"comment": SECRET})
        session.add(
            Adjudication(
                project="default",
                item_id=first.id or 0,
                interaction_id=rows[0].id,
                criterion="bias",
                label="clear",
                cause="slip",
                comment=SECRET,
                decided_by="lea",
                decided_at=now,
            )
        )
        save_report(session, a_report(rows[0]), now=now)
        save_study(
            session,
            "default",
            week="2026-W46",
            application=None,
            body={"clusters": {"bias": {"items": [{"n": 3, "example": an_example(rows[1])}]}}},
            now=now,
        )
        session.add(
            Feedback(
                project="default",
                trace_id=rows[2].trace_id,
                name="thumb",
                value=0.0,
                comment=SECRET,
                content_hash="h",
                received_at=now,
            )
        )
    return rows


def _item(session: Session, interaction_id: str) -> ReviewItem:
    return session.exec(select(ReviewItem).where(ReviewItem.interaction_id == interaction_id)).one()


def a_label(row: Interaction, now: datetime, **changes: Any) -> Annotation:
    fields: dict[str, Any] = {
        "project": "default",
        "interaction_id": row.id,
        "criterion": "toxicity",
        "reviewer": "anna",
        "blind_label": "none",
        "final_label": "none",
        "comment": SECRET,
        "corrected_response": SECRET,
        "guideline_version": "g",
        "idempotency_key": "k",
        "created_at": now,
        **changes,
    }
    return Annotation(**fields)


def an_example(row: Interaction) -> dict[str, Any]:
    return {
        "interaction_id": row.id,
        "title": "Bias",
        "href": f"/interactions/{row.id}",
        "prompt": row.prompt,
        "response": [{"text": row.response, "marked": True}],
        "explanation": f"It says {SECRET}.",
        "evidence": {"context": 0, "text": SECRET},
        "segments": {"city": SECRET},
        "score": 0.9,
    }


def a_report(row: Interaction) -> dict[str, Any]:
    blocks = [{"block": "examples", "items": [an_example(row)]}, {"block": "figures", "items": [7]}]
    return {
        "project": "default",
        "week": "2026-W46",
        "application": None,
        "sha256": "0" * 64,
        "sections": [{"id": "examples", "name": "Examples", "heading": "h", "blocks": blocks}],
    }


def everything_stored(engine: Engine) -> Iterator[str]:
    with reading(engine) as session:
        for table in Interaction.metadata.tables:
            for row in session.execute(text(f'SELECT * FROM "{table}"')):
                yield f"{table}: {tuple(row)!r}"


def test_a_users_words_are_gone_and_labels_counts_and_scores_stay(
    run_prune: Any, engine: Engine, rows: list[Interaction], criteria: Criteria
) -> None:
    counts = all_of(engine, Rollup)
    assert any(SECRET in line for line in everything_stored(engine))
    would = run_prune("--user", "mia", "--dry-run")
    assert (would["traces"], would["interactions"], would["emptied"]) == (3, 2, 1)
    did = run_prune("--user", "mia")
    assert (did["traces"], did["interactions"], did["emptied"], did["examples"]) == (3, 2, 1, 1)
    assert not [line for line in everything_stored(engine) if SECRET.lower() in line.lower()]
    (left,) = all_of(engine, Interaction)
    assert (left["id"], left["prompt"], left["content_hash"]) == (rows[0].id, "", "")
    assert left["erased_at"] is not None
    assert all_of(engine, Rollup) == counts
    with reading(engine) as session:
        (label,) = annotations_of(session, [left["id"]])[left["id"]]
        assert (label.blind_label, label.comment) == ("none", None)
        scores = session.exec(select(Evaluation.score).where(Evaluation.criterion == "bias"))
        assert list(scores) == [0.9]
        (report,) = session.exec(select(Report))
        assert "The words of 1 example were erased" in report.body["change_note"]
        assert report.body["sections"][0]["blocks"][1]["items"] == [7]
        assert gold_labels(session, "default", criteria) == {}
        assert list(interaction_rows(session, "default", EVERYTHING)) == []
        (queue,) = session.exec(select(ReviewQueue))
        assert open_cases(session, queue) == []


def all_of(engine: Engine, table: Any) -> list[dict[str, Any]]:
    with reading(engine) as session:
        return [row.model_dump() for row in session.exec(select(table))]


def test_reviewers_get_no_item_without_words_and_can_store_nothing_on_it(
    run_prune: Any, engine: Engine, rows: list[Interaction], criteria: Criteria, now: datetime
) -> None:
    run_prune("--trace", rows[0].trace_id, "--trace", rows[1].trace_id)
    (item,) = all_of(engine, ReviewItem)
    (turn,) = all_of(engine, ReviewTurn)
    assert (item["interaction_id"], turn["status"]) == (rows[0].id, "stored")
    with transaction(engine) as session:
        assert claim_turn(session, item["queue_id"], reviewer="ben", now=now) is None
        with pytest.raises(Conflict, match="were erased"):
            add_annotation(
                session, a_label(rows[0], now, idempotency_key="late"), criteria=criteria
            )
        with pytest.raises(Conflict, match="were erased"):
            reopen_turn(session, session.get_one(ReviewTurn, turn["id"]), {}, now=now)


def test_what_was_erased_is_refused_in_every_form_and_counted(
    run_prune: Any, client: TestClient, engine: Engine, rows: list[Interaction]
) -> None:
    run_prune("--user", "mia")
    gone = {"prompt": "Again?", "response": SECRET, "trace_id": rows[2].trace_id.upper()}
    fresh = {"prompt": "New?", "response": "Yes.", "trace_id": "ab" * 16}
    answer = client.post("/api/v1/interactions", json=[fresh, gone]).json()
    assert (answer["created"], answer["rejected_count"]) == (1, 1)
    assert answer["rejected"][0]["index"] == 1
    assert "was deleted here" in answer["rejected"][0]["error"]
    lines = "\n".join(json.dumps(one) for one in (gone, fresh))
    kind = {"Content-Type": "application/x-ndjson"}
    answer = client.post("/api/v1/interactions", content=lines, headers=kind).json()
    assert (answer["unchanged"], answer["rejected"][0]["line"]) == (1, 1)
    thumb = {"trace_id": rows[2].trace_id, "name": "thumb", "value": 1, "comment": SECRET}
    answer = client.post("/api/v1/feedback", json=thumb).json()
    assert (answer["stored"], answer["duplicate"], answer["rejected_count"]) == (0, 0, 1)
    assert not [line for line in everything_stored(engine) if SECRET in line]
    counted = client.get("/metrics").text
    for signal, n in (("interactions", 2), ("feedback", 1)):
        key = f'touchstone_ingest_rejected_total{{project="default",signal="{signal}"}}'
        assert f"{key} {n}.0" in counted
        received = key.replace("rejected", "received")
        total = 4.0 if signal == "interactions" else 1.0
        assert f"{received} {total}" in counted


def test_an_interaction_whose_old_spans_went_may_still_be_sent(
    run_prune: Any, client: TestClient, rows: list[Interaction]
) -> None:
    span = {"traceId": "ef" * 16, "spanId": "cd" * 8}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    assert client.post("/v1/traces", json=body).status_code == 200
    said = {"prompt": "Still?", "response": "Yes.", "trace_id": "ef" * 16}
    engine = client.app.state.engine  # type: ignore[attr-defined]
    with transaction(engine) as session:
        until = datetime.now(UTC)
        remember_erased(session, "default", ["ef" * 16], until_at=until)
    assert client.post("/api/v1/interactions", json=said).json()["created"] == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_erased_word_is_left_in_the_files(
    run_prune: Any, engine: Engine, rows: list[Interaction], tmp_path: Path
) -> None:
    assert any(SECRET.encode() in path.read_bytes() for path in tmp_path.glob("test.db*"))
    run_prune("--user", "mia")
    engine.dispose()
    for path in tmp_path.glob("test.db*"):
        assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET.lower().encode() not in path.read_bytes(), path
    with reading(engine) as session:
        page = list_interactions(session, "default", InteractionFilter(text=SECRET))
        assert page.rows == []


@pytest.mark.parametrize("kind", ["spans", "interactions", "feedback"])
def test_what_is_on_its_way_when_its_trace_is_erased_goes_with_it(
    engine: Engine, criteria: Criteria, settings: Settings, now: datetime, kind: str
) -> None:
    trace_id = a_span().trace_id
    thumb = Feedback(
        project="default",
        trace_id=trace_id,
        name="thumb",
        comment=SECRET,
        content_hash="h",
        received_at=now,
    )

    def erase() -> None:
        with transaction(engine) as session:
            erase_trace(session, "default", trace_id, now=now)

    eraser = threading.Thread(target=erase)
    with transaction(engine) as session:
        if kind == "spans":
            put_spans(session, [a_span()], now=now)
        elif kind == "feedback":
            add_feedback(session, [thumb], now=now)
        else:
            save_interactions(session, [an_interaction(trace_id=trace_id)], specs=[], now=now)
        eraser.start()
        eraser.join(0.3)
        assert eraser.is_alive(), "it waits for what is on its way"
    eraser.join()
    score_all(engine, criteria, settings, now=datetime.now(UTC))
    for table in (SpanEntry, SpanChunk, Trace, Interaction, Feedback):
        assert all_of(engine, table) == []


def test_a_trace_or_a_user_that_nobody_knows_is_told_and_not_counted(
    database_url: str, rows: list[Interaction], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    line = typer.Typer()
    line.command()(prune.command)
    known = rows[0].trace_id
    result = CliRunner().invoke(line, ["--trace", "odd", "--trace", known, "--user", "mya"])
    assert result.stdout.splitlines()[-3:] == [
        "The spans of 1 trace and 0 interactions forgotten.",
        "1 labelled interaction lost all words; labels stay.",
        "The words of 1 example in reports are erased.",
    ]
    assert "nothing of a trace 'odd' is here; should it come, it is refused" in result.stderr
    assert "no trace names the user 'mya'" in result.stderr
    assert known not in result.stderr


@pytest.mark.parametrize(
    ("user", "attributes"),
    [
        ("mia@example.org", {"user.id": "mia@example.org", "input.value": SECRET}),
        ("Zoë K.", {"metadata": json.dumps({"user_id": "Zoë K."}), "input.value": SECRET}),
        ("4711", {"user.id": 4711, "gen_ai.prompt": SECRET}),
    ],
)
def test_a_users_spans_go_though_no_answer_came_of_them(
    run_prune: Any, engine: Engine, now: datetime, user: str, attributes: dict[str, Any]
) -> None:
    mine = a_span(trace_id="1" * 32, attributes={"openinference.span.kind": "CHAIN", **attributes})
    near = a_span(trace_id="2" * 32, attributes={"user.id": f"{user}2", "note": f"met {user}"})
    waiting = a_span(trace_id="3" * 32)
    waiting.attributes["openinference.span.kind"] = "CHAIN"
    waiting.attributes.update(attributes)
    with transaction(engine) as session:
        put_spans(session, [mine, near, waiting], now=now)
    assert run_prune("--user", user, "--dry-run")["traces"] == 2
    assert run_prune("--user", user)["traces"] == 2
    assert [one["trace_id"] for one in all_of(engine, Trace)] == [near.trace_id]
    with transaction(engine) as session:
        put_spans(session, [waiting], now=now)
    assert [one["trace_id"] for one in all_of(engine, SpanEntry)] == [near.trace_id]


def test_it_is_told_that_other_projects_were_not_looked_through(
    database_url: str, engine: Engine, monkeypatch: pytest.MonkeyPatch, now: datetime
) -> None:
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)
    line = typer.Typer()
    line.command()(prune.command)
    assert "looks in project" not in CliRunner().invoke(line, ["--user", "mia"]).stderr
    with transaction(engine) as session:
        put_spans(session, [a_span(project="shop")], now=now)
    save(engine, [an_interaction(project="bank"), an_interaction()])
    told = CliRunner().invoke(line, ["--user", "mia"]).stderr
    assert "looks in project 'default' only; run it with --project for bank, shop" in told


def test_a_topic_keeps_of_its_name_only_what_others_say(
    run_prune: Any, engine: Engine, now: datetime
) -> None:
    mine = hash_user("default", "mia")
    own = some_interactions(3, prompt=f"{SECRET} parcel?", user_hash=mine)
    others = some_interactions(6, prompt="Another parcel?")[3:]
    save(engine, [*own, *others])
    name = f"{SECRET.lower()} · parcel"
    key = topic_key("2026-W46", "bias", others[0].id)
    topic = {"name": name, "n": 6, "ids": [one.id for one in [*own, *others]]}
    far = {"name": name, "n": 4, "ids": ["f" * 32], "example": an_example(an_interaction())}
    items = [{**topic, "example": {"interaction_id": others[0].id}}, far]
    linked = {"name": name, "href": f"/interactions?topic={key}", "n": 6}
    report = a_report(others[1])
    report["sections"][0]["blocks"].append({"block": "clusters", "items": [linked]})
    with transaction(engine) as session:
        body = {"clusters": {"bias": {"failures": 9, "items": items}}}
        save_study(session, "default", week="2026-W46", application=None, body=body, now=now)
        save_report(session, report, now=now)
    run_prune("--trace", own[0].trace_id)
    assert names_of_topics(engine) == (name, name, name, "")
    run_prune("--user", "mia")
    told = f"Words in names of topics were erased on {datetime.now(UTC):%Y-%m-%d}."
    assert names_of_topics(engine) == ("parcel", name, "parcel", told)


def names_of_topics(engine: Engine) -> tuple[str, ...]:
    """In the study, of both topics; in the report, with its note."""
    with reading(engine) as session:
        (study,), (report,) = session.exec(select(Study)).all(), session.exec(select(Report)).all()
        first, second = (one["name"] for one in study.body["clusters"]["bias"]["items"])
        shown = report.body["sections"][0]["blocks"][-1]["items"][0]["name"]
        return first, second, shown, report.body["change_note"]
