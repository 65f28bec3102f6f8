"""One call that trains a head and writes it."""

from pathlib import Path

from evaluators.engine import Encoder
from evaluators.training.caching import Progress
from evaluators.training.tasks import Kit, train
from evaluators.training.writing import Direction, Measure, PickThreshold, write_head

CACHED_TOKENS = 100_000


def train_heads(
    task: str,
    *,
    data: Path,
    out: Path,
    cache: Path | None,
    progress: Progress,
    higher_is_better: bool,
    threshold: float | None,
    measure: Measure,
    pick: PickThreshold,
) -> dict[str, object]:
    """Train one head, write its files and return its entry in the manifest."""
    encoder = Encoder(device="cpu", cached_tokens=CACHED_TOKENS)
    encoder.load()
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    trained = train(task, Kit(data=data, encoder=encoder, cache=cache, progress=progress))
    direction = Direction(higher_is_better=higher_is_better, threshold=threshold)
    return write_head(trained, out, direction=direction, measure=measure, pick=pick)
