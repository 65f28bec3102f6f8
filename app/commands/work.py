"""`touchstone work`: a worker on its own."""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Engine

from app.commands.configured import note_start
from app.commands.learn import learn_week
from app.criteria import Criteria
from app.database import open_database, refuse_newer
from app.delivery import by_masked_name, send_report
from app.errors import SetupError, TouchstoneError
from app.isolation import Isolated, JudgeHost, isolate
from app.schedule import tend_reports
from app.selection import find_criteria, find_evaluators, load_all
from app.settings import Settings, read_settings
from app.tables import Report
from app.worker import run_chore, run_worker, stop_on_signals

PARENT_CHECK_SECONDS = 2.0
GIVES_WAY = 5
CHORE_SECONDS = 60.0
CHORE_END_SECONDS = 1.0

logger = logging.getLogger("touchstone.worker")


def command(
    parent: Annotated[
        int | None,
        typer.Option(hidden=True, help="Stop when this process is no longer the parent."),
    ] = None,
) -> None:
    """Run a worker on its own, here or on another machine, until it is told to stop.

    Example: TOUCHSTONE_DATABASE_URL=postgresql://db/touchstone touchstone work
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    settings = read_settings()
    stop = stop_on_signals()
    if parent is not None:
        # What nobody waits for gives way to requests and to scoring on demand.
        os.nice(GIVES_WAY)
        threading.Thread(target=_watch, args=(parent, stop), daemon=True).start()
    criteria = find_criteria(settings)
    host = JudgeHost(partial(find_evaluators, settings), answer_seconds=settings.judge_seconds)
    evaluators = isolated_evaluators(settings, criteria, host)
    engine = open_database(settings.database_url)
    refuse_newer(engine)
    if parent is None:
        # A worker waits for its database; what it judges by is noted where one answers.
        with suppress(TouchstoneError):
            note_start(engine, settings, criteria, [one.spec for one in evaluators])
    chores = threading.Thread(
        target=run_chore,
        args=(report_chore(engine, criteria, settings),),
        kwargs={"every_seconds": CHORE_SECONDS, "stop": stop},
        daemon=True,
    )
    chores.start()
    try:
        run_worker(engine, evaluators, criteria, settings, now=_now, stop=stop)
    finally:
        host.end()
    leave(chores)


def leave(chores: threading.Thread) -> None:
    """Return when the chores are over, or end this process where one takes its time.

    The interpreter aborts when it ends over a thread that is in native code, as that of a judge
    which learns from a week. What a chore stores is stored in transactions.
    """
    chores.join(CHORE_END_SECONDS)
    if chores.is_alive():
        logging.shutdown()
        os._exit(0)


def isolated_evaluators(settings: Settings, criteria: Criteria, host: JudgeHost) -> list[Isolated]:
    """The evaluators of known criteria, loaded in the host; SetupError when none can be."""
    everybody = find_evaluators(settings)
    found = [one for one in everybody if one.spec.criterion in criteria.by_name]
    for spec in (one.spec for one in everybody if one not in found):
        logger.warning("%r takes no work: no criterion is called %r", spec.name, spec.criterion)
    # What an evaluator costs by hanging, the others get before it is asked again.
    evaluators = isolate(found, host, pause_seconds=settings.judge_seconds)
    try:
        host.start()
    except (EOFError, OSError) as error:
        raise SetupError(f"the process of the evaluators could not be started: {error!r}") from None
    for name, fault in host.faults.items():
        logger.error("evaluator %r cannot be loaded and takes no work: %s", name, fault.words)
    if found and all(one.trouble for one in evaluators):
        one = evaluators[0]
        raise SetupError(f"no evaluator can be loaded; {one.spec.name!r}: {one.trouble}")
    logger.info("ready: %d evaluators loaded", len(found) - len(host.faults))
    return evaluators


def report_chore(engine: Engine, criteria: Criteria, settings: Settings) -> Callable[[], int]:
    """What issues and delivers the weekly reports; SetupError on an address that means nothing."""
    addresses = by_masked_name(settings.channels)

    def send(channel: str, report: Report) -> str:
        return send_report(addresses, channel, report, settings.public_address)

    def learn(project: str, week: str) -> None:
        # Evaluators belong to one thread; these are read for the week and dropped after it.
        own = [one for one in find_evaluators(settings) if one.spec.criterion in criteria.by_name]
        load_all(own)
        learn_week(engine, own, criteria, settings, project=project, week=week, now=_now())

    return partial(
        tend_reports,
        engine,
        criteria,
        settings,
        channels=list(addresses),
        send=send,
        learn=learn,
        now=_now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _watch(parent: int, stop: threading.Event) -> None:
    while not stop.wait(PARENT_CHECK_SECONDS):
        if os.getppid() != parent:
            stop.set()
