"""One call that trains an encoder or a head and writes it."""

from pathlib import Path

from evaluators.training.encoders import ENCODERS
from evaluators.training.progress import Progress
from evaluators.training.tasks import HEADS, Kit, train
from evaluators.training.writing import Direction, Measure, PickThreshold, write_head
from evaluators.tuned import Encoders
from evaluators.weights import BUNDLED

RANGES = "ranges"
"""The task of finding out between which values the inputs of the encoders lie."""
TASKS = (*ENCODERS, RANGES, *HEADS)


def train_head(
    task: str,
    *,
    data: Path,
    out: Path,
    progress: Progress,
    higher_is_better: bool,
    threshold: float | None,
    measure: Measure,
    pick: PickThreshold,
) -> dict[str, object]:
    """Train the last step of a judge on the encoders of `out`, write it and return its entry."""
    encoders = Encoders("cpu", out if (out / "encoders.json").is_file() else BUNDLED)
    encoders.load()
    trained = train(task, Kit(data=data, encoders=encoders, progress=progress))
    direction = Direction(higher_is_better=higher_is_better, threshold=threshold)
    return write_head(trained, out, direction=direction, measure=measure, pick=pick)
