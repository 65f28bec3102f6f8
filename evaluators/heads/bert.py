"""A BERT encoder in plain torch: what transformers computes, without the cost of importing it.

`Bert` holds the weights and the formula, on padded batches, so that it can be trained and compared.
`evaluators.heads.packed.Runner` computes the same formula fast.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

State = Mapping[str, Tensor]

EMBEDDINGS = "embeddings"
HEADS = 12
EPSILON = 1e-12


@dataclass(frozen=True, slots=True)
class Bert:
    """The weights of an encoder by name, and its shape."""

    state: State
    layers: int
    heads: int
    epsilon: float

    @classmethod
    def of(cls, state: State, *, heads: int = HEADS, epsilon: float = EPSILON) -> "Bert":
        """The encoder with these weights, named as transformers names those of `BertModel`."""
        numbers = {int(name.split(".")[2]) for name in state if name.startswith("encoder.layer.")}
        if numbers != set(range(len(numbers))) or not numbers:
            raise ValueError(f"the weights hold no row of encoder layers but {sorted(numbers)}")
        return cls(state=state, layers=len(numbers), heads=heads, epsilon=epsilon)

    @property
    def width(self) -> int:
        return self.state[f"{EMBEDDINGS}.LayerNorm.weight"].shape[0]

    def states(self, ids: Tensor, mask: Tensor, types: Tensor | None = None) -> Tensor:
        """The last hidden states, shape (batch, tokens, width); mask is True on real tokens.

        `types` are the segment ids of the tokens, shape (batch, tokens); without them all are 0.
        """
        embedding = self.state[f"{EMBEDDINGS}.word_embeddings.weight"][ids]
        embedding = (
            embedding + self.state[f"{EMBEDDINGS}.position_embeddings.weight"][: ids.shape[1]]
        )
        kinds = self.state[f"{EMBEDDINGS}.token_type_embeddings.weight"]
        embedding = embedding + (kinds[0] if types is None else kinds[types])
        states = self._normalise(embedding, f"{EMBEDDINGS}.LayerNorm")
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
    return Bert.of(
        load_file(folder / "model.safetensors", device=device),
        heads=config["num_attention_heads"],
        epsilon=config["layer_norm_eps"],
    )
