"""The audit log: an act and its entry are one, and nobody can change the past unseen."""

import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient
from typer.testing import CliRunner

from app.commands import audit, backup, export, keys, prune, reviewers
from app.commands.configured import note_start
from app.commands.operator import operator
from app.criteria import Criteria
from app.database import is_sqlite, reading, transaction
from app.errors import AuditBroken, NotFound, SetupError, UnknownField
from app.settings import Settings
from app.store.audit import Actor, Head, entries, head, note, verify
from app.store.interactions import InteractionFilter, hash_user
from app.store.reviewers import add_reviewer
from app.store.reviews import Plan, create_queue
from app.tables import AuditEntry
from tests.builders import FAKE_EVALUATORS, save, score_all, some_interactions
from tests.clients import an_app

ANNA = Actor("anna", "lead", "10.0.0.7")
HERE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, database_url: str) -> Callable[..., Any]:
    """What a command prints on the test's database; the error where it raises one."""
    monkeypatch.setenv("TOUCHSTONE_DATABASE_URL", database_url)

    def _run(command: Any, *arguments: str) -> str:
        line = getattr(command, "app", None)
        if not isinstance(line, typer.Typer):
            line = typer.Typer()
            line.command()(command.command)
        result = CliRunner().invoke(line, list(arguments))
        if result.exception is not None:
            raise result.exception
        return result.stdout

    return _run


def some_entries(engine: Engine, n: int, now: datetime) -> None:
    for number in range(n):
        with transaction(engine) as session:
            note(session, ANNA, "label.stored", now=now, about=f"i{number}", label="ünsafe \u2028")


def whole(engine: Engine, expected: Head | None = None) -> Head:
    with reading(engine) as session:
        return verify(entries(session), expected)


def tamper(engine: Engine, *statements: str) -> None:
    """What somebody does who owns the database: switch the triggers off first."""
    with transaction(engine) as session:
        if is_sqlite(session):
            for act in ("update", "delete"):
                session.execute(text(f"DROP TRIGGER IF EXISTS audit_entry_no_{act}"))
        else:
            session.execute(text("ALTER TABLE audit_entry DISABLE TRIGGER ALL"))
        for statement in statements:
            session.execute(text(statement))


def test_the_database_refuses_to_change_or_delete_an_entry(engine: Engine, now: datetime) -> None:
    some_entries(engine, 2, now)
    for statement in ("UPDATE audit_entry SET actor = 'ben'", "DELETE FROM audit_entry"):
        with pytest.raises(DBAPIError, match="only added to"), transaction(engine) as session:
            session.execute(text(statement))
    assert whole(engine).seq == 2


@pytest.mark.parametrize("column", [*AuditEntry.model_fields])
def test_a_changed_column_is_found_and_named(engine: Engine, now: datetime, column: str) -> None:
    some_entries(engine, 3, now)
    new = {
        "seq": "9",
        "at": "'2026-11-18 12:00:00.000001+00'",
        "digest": f"'{'0' * 64}'",
        "previous": f"'{'1' * 64}'",
    }
    if column == "at" and engine.dialect.name == "sqlite":
        new["at"] = "'2026-11-18 12:00:00.000001'"
    tamper(engine, f"UPDATE audit_entry SET {column} = {new.get(column, repr('x'))} WHERE seq = 2")
    with pytest.raises(AuditBroken, match=r"entry 2 (was changed|is missing)"):
        whole(engine)


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (["DELETE FROM audit_entry WHERE seq = 1"], "entry 1 is missing"),
        (["DELETE FROM audit_entry WHERE seq = 3"], "entry 3 is missing: after 2 comes 4"),
        (
            [
                "UPDATE audit_entry SET seq = 99 WHERE seq = 2",
                "UPDATE audit_entry SET seq = 2 WHERE seq = 3",
                "UPDATE audit_entry SET seq = 3 WHERE seq = 99",
            ],
            "entry 2 was changed",
        ),
    ],
)
def test_a_missing_or_moved_entry_is_found(
    engine: Engine, now: datetime, statements: list[str], words: str
) -> None:
    some_entries(engine, 5, now)
    tamper(engine, *statements)
    with pytest.raises(AuditBroken, match=words):
        whole(engine)


def test_a_log_that_was_cut_or_written_anew_is_found_by_a_noted_head(
    engine: Engine, now: datetime
) -> None:
    some_entries(engine, 4, now)
    noted = whole(engine)
    some_entries(engine, 1, now)
    assert whole(engine, noted).seq == 5
    tamper(engine, "DELETE FROM audit_entry WHERE seq > 3")
    assert whole(engine).seq == 3
    with pytest.raises(AuditBroken, match="ends at entry 3, before the noted entry 4"):
        whole(engine, noted)
    some_entries(engine, 2, now)
    with pytest.raises(AuditBroken, match="entry 4 is not the one that was noted"):
        whole(engine, noted)


def test_an_act_that_fails_leaves_no_entry_and_no_act_is_done_without_one(
    engine: Engine, now: datetime
) -> None:
    def act(name: str = "ben", *, fails_at_the_end: bool = False) -> None:
        with transaction(engine) as session:
            add_reviewer(session, name=name, now=now)
            note(session, ANNA, "reviewer.added", now=now, about=name)
            if fails_at_the_end:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        act(fails_at_the_end=True)
    assert whole(engine).seq == 0
    act()
    tamper(engine, "DROP TABLE audit_entry")
    with pytest.raises(SetupError, match="no tables"):
        act("mia")
    with reading(engine) as session:
        assert session.execute(text("SELECT count(*) FROM reviewer")).scalar() == 1


def test_many_writers_make_one_chain(engine: Engine, now: datetime) -> None:
    with ThreadPoolExecutor(8) as writers:
        list(writers.map(lambda _: some_entries(engine, 5, now), range(8)))
    assert whole(engine).seq == 40


def test_a_changed_threshold_is_noted_once_from_what_to_what(
    engine: Engine, settings: Settings, criteria: Criteria
) -> None:
    specs = [one.spec for one in FAKE_EVALUATORS]
    note_start(engine, settings, criteria, specs)
    assert note_start(engine, settings, criteria, specs).seq == 1
    strict = criteria.by_name["toxicity"].model_copy(update={"threshold": 0.25})
    by_name = {**criteria.by_name, "toxicity": strict}
    changed = Criteria(by_name=by_name, digest="f" * 64)
    assert note_start(engine, settings, changed, specs[1:]).seq == 2
    with reading(engine) as session:
        last = list(entries(session))[-1]
    details = json.loads(last.details)["changed"]
    usual = repr(criteria.by_name["toxicity"].threshold)
    assert details["threshold of toxicity"] == [usual, "0.25"]
    assert details["criteria"] == [criteria.digest[:12], "f" * 12]
    assert details["evaluator groundedness-words@1"][1] is None


def test_what_is_done_at_the_command_line_is_noted_and_erasure_leaves_the_log_whole(
    run: Callable[..., Any], engine: Engine
) -> None:
    rows = some_interactions(1, prompt="Zanzibar?")
    save(engine, rows)
    run(keys, "create", "bot", "--scope", "ingest")
    with reading(engine) as session:
        (made,) = entries(session)
    run(keys, "revoke", made.about)
    run(reviewers, "add", "ben")
    run(reviewers, "disable", "ben")
    run(export, "interactions", "-")
    run(prune, "--trace", rows[0].trace_id)
    run(prune, "--spans", "30")
    assert json.loads(run(audit, "verify", "--json"))["entries"] == 10
    lines = [json.loads(line) for line in run(audit, "list", "--json").splitlines()]
    assert [one["action"] for one in lines] == [
        *("key.created", "key.revoked", "reviewer.added", "reviewer.disabled"),
        *("export.made", "export.written"),
        *("interaction.erased", "trace.erased", "erasure.done", "trace.pruned", "audit.verified"),
    ]
    assert {one["role"] for one in lines} == {"operator"}
    shown = run(audit, "list", "--action", "key.created")
    assert f"key.created {made.about}: name bot" in shown
    assert len(shown.splitlines()) == 1
    assert "Zanzibar" not in json.dumps(lines)
    with pytest.raises(UnknownField, match="NUMBER:DIGEST"):
        run(audit, "verify", "--expect", "yesterday")
    with reading(engine) as session:
        run(audit, "verify", "--expect", str(head(session)))
    with pytest.raises(AuditBroken, match="written anew"):
        run(audit, "verify", "--expect", f"2:{'0' * 64}")


def test_an_erased_answer_is_told_with_its_verdicts_and_the_request_and_without_a_word(
    run: Callable[..., Any],
    engine: Engine,
    criteria: Criteria,
    settings: Settings,
    client: TestClient,
) -> None:
    mine = hash_user("default", "mia")
    (row,) = some_interactions(1, prompt="Zanzibar?", response="an idiot", user_hash=mine)
    save(engine, [row])
    score_all(engine, criteria, settings)
    run(prune, "--user", "mia", "--request", "DSR-7")
    run(prune, "--user", "nobody", "--request", "DSR-8")
    (who, about, details) = noted(engine, "interaction.erased")[0]
    assert (who, about, details["request"]) == (operator().name, row.id, "DSR-7")
    judged = {"label": "toxic", "score": 0.95, "threshold": 0.5}
    assert details["verdicts"]["toxicity-words@1"] == judged
    done = {about: (one["traces"], one["gone"]) for _, about, one in noted(engine, "erasure.done")}
    assert done == {"DSR-7": (1, 1), "DSR-8": (0, 0)}
    with reading(engine) as session:
        assert not [one for one in entries(session) if "mia" in one.details + one.about]
        told = rf"erased on {datetime.now(UTC):%Y-%m-%d}, by entry 1 of the audit log"
    assert told in client.get(f"/api/v1/interactions/{row.id}").json()["detail"]
    with pytest.raises(NotFound, match="by entry 1"):
        run(audit, "interaction", row.id)


@pytest.mark.parametrize("name", ["labels.csv", "labels.csv.gz", "rows.jsonl", "copy.db"])
def test_a_file_that_left_is_told_from_one_that_was_changed(
    run: Callable[..., Any], engine: Engine, tmp_path: Path, name: str
) -> None:
    save(engine, some_interactions(2))
    path = tmp_path / name
    if name == "copy.db" and engine.dialect.name != "sqlite":
        pytest.skip("an archive of PostgreSQL is made in test_backup.py")
    if name == "copy.db":
        run(backup, str(path))
    else:
        run(export, "annotations" if "csv" in name else "interactions", str(path))
    shown = run(audit, "file", str(path))
    assert f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}" in shown
    assert operator().name in shown
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(NotFound, match="it was changed, comes from elsewhere"):
        run(audit, "file", str(path))


def test_a_download_is_known_by_its_bytes(
    run: Callable[..., Any], engine: Engine, client: TestClient, tmp_path: Path
) -> None:
    (tmp_path / "got.csv").write_bytes(client.get("/annotations.csv").content)
    assert "export.written annotations" in run(audit, "file", str(tmp_path / "got.csv"))


def test_a_verdict_on_words_that_changed_since_is_told(
    run: Callable[..., Any], engine: Engine, criteria: Criteria, settings: Settings
) -> None:
    (row,) = some_interactions(1, response="an idiot")
    (same,) = some_interactions(1, response="an idiot", model="other-1")
    (fuller,) = some_interactions(1, response="A friend.")
    before, after = row.content_hash[:12], fuller.content_hash[:12]
    save(engine, [row])
    score_all(engine, criteria, settings)
    save(engine, [same])
    assert noted(engine, "interaction.changed") == []
    save(engine, [fuller])
    save(engine, some_interactions(1, response="A good friend."))
    ((who, about, details),) = noted(engine, "interaction.changed")
    assert (who, about, details["words"]) == ("touchstone", fuller.id, [before, after])
    judged = {"label": "toxic", "score": 0.95, "threshold": 0.5}
    assert details["verdicts"]["toxicity-words@1"] == judged
    score_all(engine, criteria, settings)
    told = run(audit, "interaction", fuller.id)
    assert f"the sender changed the words (from {before}, to {after}, " in told
    assert "toxicity-words@1 toxic 0.95 against 0.5" in told
    assert "toxicity-words@1 judged, toxicity: none" in told
    assert "idiot" not in json.dumps(details)


def test_what_may_have_gone_by_its_age_is_told_so(
    run: Callable[..., Any], engine: Engine, now: datetime
) -> None:
    (row,) = some_interactions(1, received_at=now - timedelta(days=4000))
    run(prune, "--interactions", "3650")
    with pytest.raises(NotFound, match=r"in this project$"):
        run(audit, "interaction", row.id)
    save(engine, [row])
    run(prune, "--interactions", "3650")
    with pytest.raises(NotFound, match=r"forgotten by their age, last on .*, by entry 2 of"):
        run(audit, "interaction", row.id)


@pytest.fixture
def desk(settings: Settings, criteria: Criteria, engine: Engine, now: datetime) -> TestClient:
    """Somebody who can sign in at a server without open access."""
    save(engine, some_interactions(2, response="an invented idiot"))
    score_all(engine, criteria, settings)
    return TestClient(an_app(settings, criteria, open_access=False), base_url="http://127.0.0.1")


def sign_in(desk: TestClient, engine: Engine, name: str, role: str, now: datetime) -> None:
    with transaction(engine) as session:
        token = add_reviewer(session, name=name, role=role, now=now)
    form = {"link": token, "password": "some unrelated words"}
    desk.cookies.clear()
    answer = desk.post("/sign-in", data=form, headers=HERE, follow_redirects=False)
    assert answer.status_code == 303


def noted(engine: Engine, action: str) -> list[tuple[str, str, dict[str, Any]]]:
    with reading(engine) as session:
        found = entries(session, action=action)
        return [(one.actor, one.about, json.loads(one.details)) for one in found]


def test_who_judged_an_answer_and_who_overruled_it_has_one_answer(
    run: Callable[..., Any],
    desk: TestClient,
    engine: Engine,
    criteria: Criteria,
) -> None:
    now = datetime.now(UTC)
    with desk:
        with transaction(engine) as session:
            queue = create_queue(
                session,
                project="default",
                name="q",
                filters=InteractionFilter(),
                plan=Plan(size=2, need=2),
                criteria=criteria,
                criterion_names=["toxicity"],
                created_by="lea",
                now=now,
            )
        wrong = {"name": "hunter2", "password": "wrong"}
        for label, name in (("none", "anna"), ("severe", "ben")):
            sign_in(desk, engine, name, "reviewer", now)
            html = desk.get(f"/review/{queue.id}").text
            place = html.split('action="/review/', 1)[1].split('"', 1)[0]
            form = {"label.toxicity": label, "key": name}
            assert desk.post(f"/review/{place}", data=form, headers=HERE).status_code == 200
        sign_in(desk, engine, "lea", "lead", now)
        html = desk.get(f"/adjudicate/{queue.id}").text
        place = html.split('action="/adjudicate/', 1)[1].split('"', 1)[0]
        form = {"label.toxicity": "none", "cause": "edge"}
        assert desk.post(f"/adjudicate/{place}", data=form, headers=HERE).status_code == 200
        assert desk.get("/annotations.csv?text=Zanzibar").status_code == 200
        desk.cookies.clear()
        assert desk.post("/sign-in", data=wrong, headers=HERE).status_code == 401
        wrong["name"] = "anna"
        assert desk.post("/sign-in", data=wrong, headers=HERE).status_code == 401
    labels = noted(engine, "label")
    assert [(who, one["labels"]) for who, _, one in labels] == [
        ("anna", {"toxicity": "none"}),
        ("ben", {"toxicity": "severe"}),
        ("lea", {"toxicity": "none"}),
    ]
    assert [who for who, _, _ in noted(engine, "sign_in.failed")] == ["unknown", "anna"]
    assert noted(engine, "export")[0][2]["filters"] == {"text": True}
    answer = json.loads(run(audit, "interaction", labels[0][1], "--json"))
    told = [(one["who"], one["what"], one["overrules"]) for one in answer["events"]]
    judge = "toxicity-words@1"
    assert (judge, "judged", []) in told
    assert ("anna", "labelled", [judge]) in told
    assert ("ben", "labelled", []) in told
    assert ("lea", "decided", [judge]) in told
    judged = next(one for one in answer["events"] if one["who"] == judge)
    assert judged["details"]["weights_digest"] == FAKE_EVALUATORS[3].spec.weights_digest
    assert judged["details"]["precision"] == "int8"
    assert judged["details"]["backend"] == "words 1 on cpu"
    assert judged["details"]["words"] == answer["words"][:12]
    assert [one["action"] for one in answer["log"]] == [*["label.stored"] * 2, "label.decided"]
    assert judge in run(audit, "interaction", labels[0][1])
