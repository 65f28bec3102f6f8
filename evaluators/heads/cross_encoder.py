"""A sequence classifier on pairs of texts, read from a local folder without any hub code."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast
from transformers.utils import logging

from evaluators.engine import Device, WeightsError, choose_device
from evaluators.protocol import Computation

MAX_TOKENS = 512
BATCH = 16


class CrossEncoder:
    """Scores pairs of texts with one network."""

    def __init__(self, folder: Path, device: Device = "auto") -> None:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._device = choose_device(device, has_cuda=torch.cuda.is_available())
        self._tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_file=str(folder / "tokenizer.json"), pad_token="[PAD]"
        )
        self._model = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
        ).to(self._device)
        self._model.eval()
        self.computation = Computation("fp32", f"torch {torch.__version__} on {self._device}")
        self._types = getattr(config, "type_vocab_size", 0) > 1
        self._labels = {name.lower(): number for number, name in config.id2label.items()}

    def relevance(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The chance that the second text answers the first, from a network with one output."""
        return [round(float(one), 4) for one in torch.sigmoid(self._logits(pairs)[:, 0])]

    def entailment(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """The chance that the first text entails the second."""
        if "entailment" not in self._labels:
            raise WeightsError(f"the network has no class 'entailment' but {list(self._labels)}")
        chances = torch.softmax(self._logits(pairs), dim=-1)[:, self._labels["entailment"]]
        return [round(float(one), 4) for one in chances]

    def _logits(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        parts = [self._run(pairs[start : start + BATCH]) for start in range(0, len(pairs), BATCH)]
        return torch.cat(parts) if parts else torch.zeros((0, self._model.config.num_labels))

    def _run(self, pairs: Sequence[tuple[str, str]]) -> Tensor:
        inputs = self._tokenizer(
            [one[:20_000] for one, _ in pairs],
            [other[:20_000] for _, other in pairs],
            truncation="longest_first",
            max_length=MAX_TOKENS,
            padding=True,
            return_tensors="pt",
            return_token_type_ids=self._types,
        ).to(self._device)
        with torch.inference_mode():
            return torch.as_tensor(self._model(**inputs).logits).float().cpu()
