"""`touchstone work`: a worker on its own."""

import logging
import os
import threading
from datetime import UTC, datetime
from typing import Annotated

import typer

from app.criteria import read_criteria
from app.database import open_database
from app.main import find_evaluators, load_all
from app.settings import read_settings
from app.worker import run_worker, stop_on_signals

PARENT_CHECK_SECONDS = 2.0
GIVES_WAY = 5


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
    criteria = read_criteria()
    evaluators = [
        one for one in find_evaluators(settings) if one.spec.criterion in criteria.by_name
    ]
    load_all(evaluators)
    logging.getLogger("touchstone.worker").info("ready: %d evaluators loaded", len(evaluators))
    engine = open_database(settings.database_url)
    run_worker(engine, evaluators, criteria, settings, now=lambda: datetime.now(UTC), stop=stop)


def _watch(parent: int, stop: threading.Event) -> None:
    while not stop.wait(PARENT_CHECK_SECONDS):
        if os.getppid() != parent:
            stop.set()
