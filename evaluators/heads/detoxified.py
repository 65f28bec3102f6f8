"""Reads a detoxify checkpoint with the detoxify package, offline.

The package would fetch the configuration of the network that a checkpoint names. Here it is given
a folder instead: the plain BERT configuration and the tokenizer of the bundled encoder, which has
the same vocabulary.
"""

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from detoxify.detoxify import get_model_and_tokenizer
from transformers import BertConfig
from transformers.utils import logging

from evaluators.engine import Device, WeightsError, choose_device, find_encoder
from evaluators.protocol import Computation

TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json")
CHANGED_NAMES = {
    "toxic": "toxicity",
    "identity_hate": "identity_attack",
    "severe_toxic": "severe_toxicity",
}


class Detoxifier:
    """A detoxify network with the names of its classes."""

    def __init__(self, model: Any, tokenizer: Any, names: Sequence[str], device: str) -> None:
        self._model, self._tokenizer, self._device = model.to(device).eval(), tokenizer, device
        self.computation = Computation("fp32", f"torch {torch.__version__} on {device}")
        self._names = [CHANGED_NAMES.get(name, name) for name in names]

    def score(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """The class that scores highest in each text, and its score."""
        inputs = self._tokenizer(
            [text[:20_000] for text in texts],
            return_tensors="pt",
            truncation=True,
            max_length=min(512, self._model.config.max_position_embeddings),
            padding=True,
        ).to(self._device)
        with torch.inference_mode():
            scores = torch.sigmoid(self._model(**inputs)[0]).cpu()
        best = scores.max(dim=1)
        return [
            (self._names[int(number)], round(float(value), 4))
            for value, number in zip(best.values, best.indices, strict=True)
        ]


def read_detoxify(checkpoint: Path, device: Device) -> Detoxifier:
    """The network of a checkpoint whose digest has been checked."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    stored = torch.load(checkpoint, map_location="cpu", weights_only=False)
    try:
        arguments = dict(stored["config"]["arch"]["args"])
        names = stored["config"]["dataset"]["args"]["classes"]
        state = stored["state_dict"]
    except (KeyError, TypeError):
        raise WeightsError(f"{checkpoint} is not a checkpoint of detoxify") from None
    with tempfile.TemporaryDirectory() as folder:
        _write_configuration(Path(folder), state, len(names))
        arguments |= {"model_type": folder}
        model, tokenizer = get_model_and_tokenizer(
            **arguments, state_dict=state, huggingface_config_path=folder
        )
    chosen = choose_device(device, has_cuda=torch.cuda.is_available())
    return Detoxifier(model, tokenizer, names, chosen)


def _write_configuration(folder: Path, state: dict[str, Any], classes: int) -> None:
    """The files that detoxify reads beside a checkpoint, in the shape that the weights have."""
    embeddings = state["bert.embeddings.word_embeddings.weight"]
    layers = {name.split(".")[3] for name in state if name.startswith("bert.encoder.layer.")}
    config = BertConfig(
        vocab_size=embeddings.shape[0],
        hidden_size=embeddings.shape[1],
        num_hidden_layers=len(layers),
        num_attention_heads=max(1, embeddings.shape[1] // 64),
        intermediate_size=state["bert.encoder.layer.0.intermediate.dense.weight"].shape[0],
        max_position_embeddings=state["bert.embeddings.position_embeddings.weight"].shape[0],
    )
    config.num_labels = classes
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    for name in TOKENIZER_FILES:
        shutil.copy(find_encoder() / name, folder / name)
