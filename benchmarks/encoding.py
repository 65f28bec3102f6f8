"""Tokens a second through the encoder: ours beside stock sentence-transformers and the limit."""

from collections.abc import Callable

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from app.workload import realistic_samples
from benchmarks.tables import Section
from benchmarks.timing import Spread, in_turns
from evaluators.engine import ENCODER, Tokens, find_encoder
from evaluators.heads.bert import Bert, read_bert
from evaluators.heads.int8 import has_int8, product
from evaluators.heads.packed import DTYPES, Precision, has_bf16, laid_out
from evaluators.heads.ranges import read_ranges
from evaluators.heads.runner import Runner, faster_precision
from evaluators.weights import BUNDLED

STOCK_BATCH = 32
LENGTHS = ("40", "128", "256", "12 to 256")
NARROWEST, WIDEST = 12, 256
LINEAR_OPERATIONS = 21.2e6
ATTENTION_OPERATIONS = 9216
"""Floating-point operations per token, and per token and token attended to (6 layers of 384)."""


def encoder_section(*, quick: bool) -> Section:
    """A row per length: stock, ours per precision, the ratio, and the share of the limit."""
    bert = read_bert(find_encoder(), "cpu")
    ranges = read_ranges(BUNDLED, "base", ENCODER.sha256)
    precisions: list[Precision] = ["fp32"]
    precisions += ["bf16"] if has_bf16() else []
    precisions += ["int8"] if has_int8() else []
    runners = {one: Runner(bert, device="cpu", precision=one, ranges=ranges) for one in precisions}
    stock = SentenceTransformer(str(find_encoder()), device="cpu")
    chosen = faster_precision(bert.width, int8=True)
    section = Section(
        "Encoder: all-MiniLM-L6-v2, tokens a second",
        ("length", "stock, batch 32", *precisions, f"{chosen} ÷ stock", f"of the {chosen} limit"),
    )
    for name in LENGTHS:
        section.rows.append(_row(name, bert, stock, runners, chosen, quick=quick))
    section.notes = [_agreement(runners), *NOTES]
    return section


NOTES = [
    "Stock is sentence-transformers in fp32 as its manual runs it, `encode(texts, batch_size=32)`; "
    "ours gets the same texts. Tokenising is timed in both, and both give a mean vector per text.",
    "The limit is what the fastest matrix product of the encoder's own shapes, measured in the "
    "same rounds, would allow if nothing else took any time.",
    "Wanted are at least 3.4 times stock at 256 tokens and 4 times at mixed lengths, at best 5 and "
    "7. What the products leave goes into attention, padding and the layers between them.",
]


def _row(
    name: str,
    bert: Bert,
    stock: SentenceTransformer,
    runners: dict[Precision, Runner],
    chosen: Precision,
    *,
    quick: bool,
) -> list[object]:
    texts, lengths = _texts(name, 4096 if quick else 8192)
    works: dict[str, Callable[[], object]] = {
        "stock": lambda: stock.encode(texts, batch_size=STOCK_BATCH, show_progress_bar=False),
        **{one: _encoding(runner, texts) for one, runner in runners.items()},
        "product": _product(bert.width, chosen),
    }
    seconds = in_turns(works, 3 if quick else 5)
    total = sum(lengths)
    speeds = {key: Spread.of([total / one for one in taken]) for key, taken in seconds.items()}
    operations = PRODUCT_ROWS * 2 * 4 * bert.width**2
    peak = operations / min(seconds["product"])
    attended = sum(length**2 for length in lengths) / total
    limit = peak / (LINEAR_OPERATIONS + ATTENTION_OPERATIONS * attended)
    ratio = [a / b for a, b in zip(seconds["stock"], seconds[chosen], strict=True)]
    unit = "OP" if chosen == "int8" else "FLOP"
    share = speeds[chosen].median / limit
    return [
        name,
        f"{speeds['stock']}",
        *(f"{speeds[one]}" for one in runners),
        f"**{Spread.of(ratio):.2f}**",
        f"{share:.0%} of {limit:,.0f} ({peak / 1e9:,.0f} G{unit}/s)",
    ]


PRODUCT_ROWS = 4096


def _product(width: int, precision: Precision) -> Callable[[], object]:
    weight = torch.randn(4 * width, width)
    if precision == "int8":
        return product(weight.numpy(), PRODUCT_ROWS)
    linear = laid_out(weight, weight[:, 0], precision, "cpu")
    states = torch.randn(PRODUCT_ROWS, width).to(DTYPES[precision])
    return lambda: linear(states)


def _encoding(runner: Runner, texts: list[str]) -> Callable[[], object]:
    tokenizer = _tokenizer()

    def encode() -> object:
        tokens = [Tokens(tuple(one.ids)) for one in tokenizer.encode_batch_fast(texts)]
        return runner.run(tokens, mean=True)

    return encode


def _tokenizer() -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(find_encoder() / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(WIDEST)
    return tokenizer


def _texts(name: str, total: int) -> tuple[list[str], list[int]]:
    """Different texts of the wanted numbers of tokens."""
    chance = np.random.default_rng(5)
    words = " ".join(one.response for one in realistic_samples(120)).split()
    tokenizer = _tokenizer()
    texts: list[str] = []
    lengths: list[int] = []
    while sum(lengths) < total:
        wanted = int(name) if name.isdigit() else int(chance.integers(NARROWEST, WIDEST + 1))
        text = " ".join(chance.choice(words, wanted))
        offsets = [end for _, end in tokenizer.encode(text).offsets if end]
        texts.append(text[: offsets[wanted - 3]])
        lengths.append(len(tokenizer.encode(texts[-1]).ids))
    return texts, lengths


def _agreement(runners: dict[Precision, Runner]) -> str:
    """How near the vectors of the precisions are to those of fp32."""
    tokens = [
        Tokens(tuple(_tokenizer().encode(one.response).ids)) for one in realistic_samples(300)
    ]
    unit = {
        name: torch.nn.functional.normalize(
            torch.from_numpy(runner.run(tokens, mean=True).mean), dim=1
        )
        for name, runner in runners.items()
    }
    exact = unit.pop("fp32")
    told = [f"{name}: {_compared(exact, one)}" for name, one in unit.items()]
    return "Against fp32 on 300 texts: " + " ".join(told)


def _compared(exact: torch.Tensor, other: torch.Tensor) -> str:
    cosine = (exact * other).sum(1)
    same = float((_nearest(exact) == _nearest(other)).float().mean())
    return (
        f"cosine {float(cosine.mean()):.5f} on average, {float(cosine.min()):.5f} at worst; the "
        f"same nearest neighbour for {same:.1%}."
    )


def _nearest(vectors: torch.Tensor) -> torch.Tensor:
    similar = vectors @ vectors.T
    return similar.fill_diagonal_(-1).argmax(dim=1)
