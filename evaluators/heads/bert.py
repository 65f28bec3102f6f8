"""A BERT encoder in plain torch: what transformers computes, without the cost of importing it."""

import json
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Bert:
    """The weights of an encoder by name, and its shape."""

    state: State
    layers: int
    heads: int
    epsilon: float

    def states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The last hidden states, shape (batch, tokens, width); mask is True on real tokens."""
        embedding = self.state["embeddings.word_embeddings.weight"][ids]
        embedding = embedding + self.state["embeddings.position_embeddings.weight"][: ids.shape[1]]
        embedding = embedding + self.state["embeddings.token_type_embeddings.weight"][0]
        states = self._normalise(embedding, "embeddings.LayerNorm")
        attended = mask[:, None, None, :]
        for layer in range(self.layers):
            states = self._layer(states, attended, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: Tensor, mask: Tensor, name: str) -> Tensor:
        attention = f"{name}.attention"
        query, key, value = (
            self._split(self._linear(states, f"{attention}.self.{part}"))
            for part in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        mixed = self._linear(mixed.transpose(1, 2).flatten(2), f"{attention}.output.dense")
        states = self._normalise(states + mixed, f"{attention}.output.LayerNorm")
        inner = F.gelu(self._linear(states, f"{name}.intermediate.dense"))
        inner = self._linear(inner, f"{name}.output.dense")
        return self._normalise(states + inner, f"{name}.output.LayerNorm")

    def _split(self, states: Tensor) -> Tensor:
        batch, tokens, width = states.shape
        return states.view(batch, tokens, self.heads, width // self.heads).transpose(1, 2)

    def _linear(self, states: Tensor, name: str) -> Tensor:
        return F.linear(states, self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def _normalise(self, states: Tensor, name: str) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(states, weight.shape, weight, bias, self.epsilon)


def read_bert(folder: Path, device: str) -> Bert:
    """The encoder of a folder with config.json and model.safetensors, on a device."""
    config = json.loads((folder / "config.json").read_text())
    if config["model_type"] != "bert" or config["hidden_act"] != "gelu":
        raise ValueError(f"{folder} holds no BERT encoder with gelu")
    return Bert(
        state=load_file(folder / "model.safetensors", device=device),
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        epsilon=config["layer_norm_eps"],
    )
