"""Evaluators that hang, die, fill the memory, lose their device or lack their weights."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from sqlmodel import select

from app.criteria import read_criteria
from app.database import open_database, reading
from app.isolation import JudgeHost, isolate
from app.migrate import migrate
from app.settings import Settings
from app.tables import Evaluation, Interaction
from app.worker import troubles_of, work_once
from evaluators import load_evaluators
from evaluators.hub import DETOXIFY
from evaluators.protocol import Evaluator
from tests.builders import save, some_interactions
from tests.faults.processes import ROOT, database, environment
from tests.faults.registry import DATABASES, Found, World, fault
from tests.moody import Moody, limited_evaluators, moody_alone


def judge(
    url: str, load: Callable[[], Sequence[Evaluator]], responses: Sequence[str], seconds: float
) -> tuple[list[tuple[str, Evaluation]], dict[str, str], int]:
    """What becomes of the responses, which evaluators are in trouble, and how often they started.

    The worker's own rounds, with the evaluators in a process apart, as `touchstone work` has them.
    """
    engine, host = open_database(url), Counted(load, answer_seconds=seconds)
    migrate(engine)
    evaluators = isolate(load_specs(load), host)
    rows = some_interactions(len(responses))
    for row, response in zip(rows, responses, strict=True):
        row.response = response
    save(engine, rows, evaluators=evaluators)
    host.start()
    settings, criteria = Settings(database_url=url), read_criteria()
    while work_once(engine, evaluators, criteria, settings, now=lambda: datetime.now(UTC)).judged:
        pass
    host.end()
    with reading(engine) as session:
        query = select(Interaction.response, Evaluation).join(Evaluation)
        found = [(response, row) for response, row in session.exec(query)]
    engine.dispose()
    return found, troubles_of(evaluators), host.starts


def load_specs(load: Callable[[], Sequence[Evaluator]]) -> Sequence[Evaluator]:
    """The evaluators, made here only for their specs."""
    return [Moody()] if isinstance(load, partial) and load.func is limited_evaluators else load()


class Counted(JudgeHost):
    """A host that counts how often its process was started."""

    starts = 0

    def start(self) -> None:
        self.starts += 1
        super().start()


def bad_among_good(world: World, bad: Sequence[str]) -> list[str]:
    """The bad responses, each among many good ones."""
    good = ["In 5 days."] * world.times(50, 3)
    return [one for each in bad * world.times(3, 1) for one in (*good, each)] + good


def check_only_bad_fail(found: Found, rows: list[tuple[str, Evaluation]], bad: set[str]) -> None:
    statuses = Counter(row.status for _, row in rows)
    wrong = [row.status for response, row in rows if (row.status == "failed") != (response in bad)]
    found.figures["statuses"] = dict(statuses)
    found.figures["errors"] = dict(Counter(row.error_type for _, row in rows if row.error_type))
    found.check(set(statuses) == {"scored", "failed"}, "everything is scored or failed")
    found.check(not wrong, "only what is bad fails, all others are scored")
    found.check(all(row.score is None for _, row in rows if row.status == "failed"), "no number")


@fault(
    "F12",
    "A judge asks for more memory than there is, and is killed as the system kills for memory",
    "the batch is split, only that item fails and says why, the worker lives on",
    databases=DATABASES,
)
def out_of_memory(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url:
        responses = bad_among_good(world, ["memory", "die"])
        load = partial(limited_evaluators, 8 << 30)
        rows, _, starts = judge(url, load, responses, seconds=60)
    check_only_bad_fail(found, rows, {"memory", "die"})
    errors = {response: row.error_type for response, row in rows if row.error_type}
    found.figures["processes started"] = starts
    found.check(errors == {"memory": "MemoryError", "die": "ProcessEnded"}, "the reason is kept")
    if world.full:
        judge_long_text(world, found)
    return found


def judge_long_text(world: World, found: Found) -> None:
    """Give the bundled judges a text of two hundred thousand tokens."""
    line = {"id": "1", "prompt": "When?", "response": "It takes five days. " * 45_000}
    source, out = world.folder / "in.jsonl", world.folder / "out.jsonl"
    source.write_text(json.dumps({**line, "contexts": ["It takes five days."]}) + "\n")
    command = [sys.executable, "-m", "app", "score", str(source), "--out", str(out)]
    started = time.monotonic()
    done = subprocess.Popen(
        command, cwd=ROOT, env=environment("sqlite:///unused.db"), stderr=subprocess.DEVNULL
    )
    peak = 0
    while done.poll() is None:
        peak = max(peak, resident(done.pid))
        time.sleep(0.1)
    verdicts = json.loads(out.read_text())["evaluations"] if out.exists() else []
    found.figures |= {
        "900,000 characters": dict(Counter(one["status"] for one in verdicts)),
        "seconds for them": round(time.monotonic() - started),
        "peak memory MB": round(peak / 1e6),
    }
    found.check(len(verdicts) == 5, "a long text is judged by all five")
    found.check(not any(one["status"] == "failed" for one in verdicts), "and none of them fails")


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    except (OSError, IndexError):
        return 0


@fault(
    "F13",
    "The device of a judge is lost: every call of its process fails from then on",
    "the process is replaced, only the item that did it fails, and never is there a number",
    databases=DATABASES,
)
def lost_device(world: World) -> Found:
    found = Found()
    with database(world.database, world.folder) as url:
        responses = bad_among_good(world, ["device"])
        rows, _, starts = judge(url, moody_alone, responses, seconds=60)
    check_only_bad_fail(found, rows, {"device"})
    found.figures["processes started"] = starts
    if world.full:
        found.check("scored" in judged_without_cuda(world, found), "without CUDA the CPU judges")
    return found


def judged_without_cuda(world: World, found: Found) -> Counter[str]:
    source, out = world.folder / "in.jsonl", world.folder / "out.jsonl"
    source.write_text('{"id":"1","prompt":"Open?","response":"At nine.","contexts":["At nine."]}\n')
    done = subprocess.run(
        [sys.executable, "-m", "app", "score", str(source), "--out", str(out)],
        cwd=ROOT,
        env=environment("sqlite:///unused.db", device="cuda") | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    verdicts = json.loads(out.read_text())["evaluations"] if out.exists() else []
    found.figures["asked for CUDA where there is none"] = done.stderr.strip().splitlines()[:1]
    return Counter(one["status"] for one in verdicts)


@fault(
    "F14",
    "The weights of a judge are missing, cut off, or other bytes of the right length",
    "it takes no work and says what to do; its items wait; the others go on",
    databases=DATABASES,
)
def wrong_weights(world: World) -> Found:
    found = Found()
    (file,) = DETOXIFY.files
    states: dict[str, bytes | None] = {"missing": None, "empty": b"", "other": bytes(1_000)}
    with database(world.database, world.folder) as url:
        for state, content in list(states.items())[: world.times(3, 1)]:
            models = world.folder / state
            if content is not None:
                DETOXIFY.folder(models).mkdir(parents=True)
                (DETOXIFY.folder(models) / file.name).write_bytes(content)
            load = partial(hub_and_moody, models)
            rows, troubles, _ = judge(url, load, ["In 5 days."], seconds=60)
            got = {row.evaluator: row.status for _, row in rows}
            told = troubles.get("detoxify@1", "").replace(f"{world.folder}/", "")
            found.figures[state] = told
            found.check(got == {"detoxify": "pending", "moody": "scored"}, f"{state}: it waits")
            hint = "touchstone fetch" if content is None else "sha256"
            found.check(hint in str(found.figures[state]), f"{state}: it says {hint}")
    return found


def hub_and_moody(models: Path) -> Sequence[Evaluator]:
    """A hub evaluator whose weights are looked for in that folder, and one without weights."""
    found = load_evaluators(["detoxify"], models_dir=models)
    return [*(one for one in found if one.spec.name == "detoxify"), Moody()]


@fault(
    "F15",
    "A judge never returns: it waits for ever, or spins without letting any thread run",
    "it is ended in time and counted; only that item fails and says why; the worker goes on",
    databases=DATABASES,
)
def hanging_judge(world: World) -> Found:
    found, seconds = Found(), 1.0 if world.full else 0.5
    with database(world.database, world.folder) as url:
        started = time.monotonic()
        responses = bad_among_good(world, ["hang", "spin"])
        rows, troubles, starts = judge(url, moody_alone, responses, seconds=seconds)
        found.figures |= {
            "a call may take s": seconds,
            "processes started": starts,
            "seconds in all": round(time.monotonic() - started),
        }
    check_only_bad_fail(found, rows, {"hang", "spin"})
    errors = {row.error_type for _, row in rows if row.error_type}
    words = {str(row.explanation) for _, row in rows if row.error_type}
    found.figures["told"] = sorted(words)
    found.check(errors == {"TimeLimit"}, "the reason is kept")
    found.check(not troubles, "the evaluator is at work again")
    return found
