"""The encoders of the bundled evaluators, shared by those of one process.

The *pair* encoder reads a claim with its evidence, or a question with an answer or a passage; the
*text* encoder reads a few sentences of a response. Both are all-MiniLM-L6-v2 with layers of their
own, which ship with Touchstone; unchanged it tells how much two texts have in common. Raw outputs
of a sequence are kept, so that two evaluators that read the same text cost one pass. Constructing
is free; `load()` imports torch and checks digests.
"""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluators.engine import ENCODER, Device, Encoder, Tokens, Wanted, check_digest, find_encoder
from evaluators.protocol import Computation, Weights
from evaluators.weights import BUNDLED, bundled_encoder, listed_ranges

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 4000
"""How many sequences' outputs are kept."""


class TunedEncoder:
    """One of the two encoders: raw outputs of token sequences, a column per task."""

    def __init__(
        self,
        name: str,
        device: Device = "auto",
        folder: Path = BUNDLED,
        precision: Wanted = "auto",
    ) -> None:
        self._name, self._folder = name, folder
        self._bundled = bundled_encoder(name, folder)
        self.tasks = self._bundled.tasks
        self.tokenizer: Any = None
        self._device: Device = device
        self._precision: Wanted = precision
        self._network: Any = None
        self._kept: OrderedDict[Tokens, Any] = OrderedDict()

    @property
    def weights(self) -> tuple[Weights, ...]:
        """What a verdict depends on: the base encoder, the layers that replace its own, ranges."""
        ranges = listed_ranges(self._folder)
        own = Weights(self._bundled.path.name, self._bundled.sha256)
        return (ENCODER, own) if ranges is None else (ENCODER, own, ranges)

    @property
    def computation(self) -> Computation | None:
        """How it computes; None before `load`."""
        return None if self._network is None else self._network.computation

    def load(self) -> None:
        """Read tokenizer and weights once; raise WeightsError for any other weights."""
        if self._network is not None:
            return
        folder = find_encoder()
        check_digest(folder / "model.safetensors", ENCODER.sha256)
        check_digest(self._bundled.path, self._bundled.sha256)
        from evaluators.heads.ranges import read_ranges  # noqa: PLC0415
        from evaluators.heads.sequences import Tokenizer  # noqa: PLC0415
        from evaluators.heads.tuned import read_tuned  # noqa: PLC0415

        self.tokenizer = Tokenizer(folder)
        ranges = read_ranges(self._folder, self._name, self._bundled.sha256)
        self._network = read_tuned(
            folder, self._bundled.path, self._device, self._precision, ranges
        )

    def outputs(self, sequences: Sequence[Tokens]) -> "NDArray[np.float32]":
        """Raw outputs in order, shape (sequences, tasks); equal sequences are computed once."""
        wanted = dict.fromkeys(sequences)
        found = {one: self._kept[one] for one in wanted if one in self._kept}
        missing = [one for one in wanted if one not in found]
        if missing:
            found.update(zip(missing, self._network.outputs(missing), strict=True))
        self._keep(found)
        outputs: NDArray[np.float32] = self._network.stacked(
            [found[one] for one in sequences], len(self.tasks)
        )
        return outputs

    def column(self, task: str) -> int:
        """Where the outputs of a task stand."""
        return self.tasks.index(task)

    def _keep(self, found: dict[Tokens, Any]) -> None:
        self._kept.update(found)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


class Encoders:
    """The encoders of a process."""

    def __init__(
        self, device: Device = "auto", folder: Path = BUNDLED, precision: Wanted = "auto"
    ) -> None:
        self.pair = TunedEncoder("pair", device, folder, precision)
        self.text = TunedEncoder("text", device, folder, precision)
        self.base = Encoder(device=device, ranges=folder, precision=precision)

    def load(self) -> None:
        """Read them all."""
        self.pair.load()
        self.text.load()
        self.base.load()
