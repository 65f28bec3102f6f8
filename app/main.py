"""Where the rooms are wired together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from app import api, metrics, receive
from app.answers import HeadAsGet, HearOut, answer_errors
from app.criteria import Criteria
from app.database import open_database
from app.guardrail import InProcessJudge, JudgeProcess
from app.rates import Rates
from app.requests import Held
from app.selection import find_criteria, find_evaluators
from app.settings import Settings
from app.writing import Writer
from evaluators.protocol import Evaluator
from feedback_ui import routes


def create_app(
    settings: Settings,
    *,
    evaluators: Sequence[Evaluator] | None = None,
    criteria: Criteria | None = None,
) -> FastAPI:
    """The web application. Without `evaluators` it finds them, and judges in a process apart."""
    criteria = criteria or find_criteria(settings)
    app = FastAPI(
        title="Touchstone",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_close_at_the_end,
    )
    app.state.settings = settings
    app.state.criteria = criteria
    app.state.engine = open_database(settings.database_url)
    app.state.writer = Writer(app.state.engine)
    app.state.held = Held()
    app.state.rates = Rates()
    found = find_evaluators(settings) if evaluators is None else list(evaluators)
    specs = [one.spec for one in found if one.spec.criterion in criteria.by_name]
    app.state.specs = specs
    if evaluators is None:
        load = partial(find_evaluators, settings)
        app.state.score = JudgeProcess(load, specs, criteria)
    else:
        app.state.score = InProcessJudge(found, criteria)
    metrics.install_metrics(app)
    for router in (receive.router, api.router, metrics.router, routes.router):
        app.include_router(router)
    routes.install_pages(app)
    answer_errors(app, routes.error_page)
    app.add_middleware(HeadAsGet)
    app.add_middleware(HearOut)
    return app


@asynccontextmanager
async def _close_at_the_end(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.writer.close()
    app.state.score.close()
    app.state.engine.dispose()
