"""Where the rooms are wired together: the only module that knows everybody."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from app import api, metrics, receive
from app.answers import HeadAsGet, HearOut, answer_errors
from app.criteria import Criteria, read_criteria
from app.database import open_database
from app.errors import SetupError, UnknownField
from app.guardrail import InProcessJudge, JudgeProcess
from app.rates import Rates
from app.recalibrated import read_calibrations, recalibrate
from app.requests import Held
from app.settings import Settings
from app.writing import Writer
from evaluators import UnknownEvaluator, load_evaluators
from evaluators.engine import PrecisionError, WeightsError
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


def find_criteria(settings: Settings) -> Criteria:
    """The criteria with the targets and thresholds that these settings ask for."""
    own = read_calibrations(settings.calibration)
    try:
        thresholds = {name: one.threshold for name, one in own.items()}
        return read_criteria(targets=settings.targets).with_thresholds(thresholds)
    except UnknownField as error:
        raise SetupError(f"TOUCHSTONE_CALIBRATION is wrong: {error.detail}") from None


def find_evaluators(settings: Settings) -> list[Evaluator]:
    """The evaluators that these settings ask for, not yet loaded."""
    added, folder = settings.added_evaluators, settings.models_dir
    own = read_calibrations(settings.calibration)
    try:
        found = load_evaluators(
            added, models_dir=folder, device=settings.device, precision=settings.precision
        )
        return recalibrate(found, own)
    except UnknownEvaluator as error:
        raise SetupError(f"TOUCHSTONE_EVALUATORS is wrong: {error}") from None
    except PrecisionError as error:
        raise SetupError(f"TOUCHSTONE_PRECISION is wrong: {error}") from None


def load_all(evaluators: Sequence[Evaluator]) -> None:
    """Make all evaluators ready; SetupError names the one that cannot be, and says why."""
    for evaluator in evaluators:
        try:
            evaluator.load()
        except (WeightsError, PrecisionError) as error:
            raise SetupError(f"evaluator {evaluator.spec.name!r}: {error}") from None


@asynccontextmanager
async def _close_at_the_end(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.writer.close()
    app.state.score.close()
    app.state.engine.dispose()
