"""Studies a week with the encoder that ships: what `touchstone work` and `report` share."""

import importlib
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from app.criteria import Criteria
from app.settings import Settings
from evaluators.engine import Encoder
from evaluators.protocol import Evaluator


def learn_week(
    engine: Engine,
    evaluators: Sequence[Evaluator],
    criteria: Criteria,
    settings: Settings,
    *,
    project: str,
    week: str,
    now: datetime,
    application: str | None = None,
) -> None:
    """Study the texts of a week and store what was found."""
    # Imported now, so that a worker holds scikit-learn only from its first study on.
    studies = importlib.import_module("app.studies")
    encoder = Encoder(device=settings.device)
    encoder.load()

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([one.vector for one in encoder.encode(texts)])

    studies.study_week(
        engine,
        project=project,
        application=application,
        week=week,
        criteria=criteria,
        evaluators=evaluators,
        embed=embed,
        time_zone=settings.time_zone,
        now=now,
    )
