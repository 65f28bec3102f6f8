"""Where the rooms are wired together: the only module that knows everybody."""

from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from app.answers import answer_errors
from app.criteria import Criteria, read_criteria
from app.database import open_database
from app.guardrail import InProcessJudge, JudgeProcess
from app.settings import Settings
from evaluators import load_evaluators
from evaluators.protocol import Evaluator


def create_app(
    settings: Settings,
    *,
    evaluators: Sequence[Evaluator] | None = None,
    criteria: Criteria | None = None,
) -> FastAPI:
    """The web application. Without `evaluators` it finds them, and judges in a process apart."""
    criteria = criteria or read_criteria()
    app = FastAPI(title="Touchstone", docs_url=None, redoc_url=None, redirect_slashes=False)
    ...
    return app


def find_evaluators(settings: Settings) -> list[Evaluator]:
    """The evaluators that these settings ask for, not yet loaded."""
    return list(
        load_evaluators(
            settings.added_evaluators, models_dir=settings.models_dir, device=settings.device
        )
    )
