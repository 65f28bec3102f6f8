"""Weights: fetched with pinned digests only, resumed, never half there; hub evaluators offline."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertForSequenceClassification

from evaluators import load_evaluators
from evaluators.engine import WeightsError
from evaluators.fetching import fetch
from evaluators.hub import DETOXIFY, HUB_WEIGHTS, Detoxify, MsMarco, Nli
from evaluators.protocol import check_evaluator
from evaluators.weights import HubFile, HubWeights, bundled_head, checked_files, read_pins

CONTENT = bytes(range(256)) * 40


class Shelf(BaseHTTPRequestHandler):
    """Serves one file, whole or from an offset."""

    def __init__(self, requests: list[str | None], *args: Any) -> None:
        self.requests = requests
        super().__init__(*args)

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.requests.append(wanted)
        if not self.path.endswith("model.bin"):
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:])

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def shelf() -> Iterator[tuple[str, list[str | None]]]:
    requests: list[str | None] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Shelf, requests))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    thread.join()
    server.server_close()


def weights(digest: str | None, path: str = "r/resolve/main/model.bin") -> HubWeights:
    return HubWeights("tiny", (HubFile("model.bin", path, digest),))


DIGEST = sha256(CONTENT).hexdigest()


def test_a_file_is_fetched_checked_and_reported(
    tmp_path: Path, shelf: tuple[str, list[str | None]]
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    folder = fetch(
        weights(DIGEST), tmp_path, base=shelf[0], progress=lambda *step: seen.append(step)
    )
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert seen[-1] == ("model.bin", len(CONTENT), len(CONTENT))
    fetch(weights(DIGEST), tmp_path, base=shelf[0])
    assert len(shelf[1]) == 1


def test_an_interrupted_fetch_goes_on_where_it_stopped(
    tmp_path: Path, shelf: tuple[str, list[str | None]]
) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "model.bin.part").write_bytes(CONTENT[:1000])
    folder = fetch(weights(DIGEST), tmp_path, base=shelf[0])
    assert shelf[1] == ["bytes=1000-"]
    assert (folder / "model.bin").read_bytes() == CONTENT
    assert not (folder / "model.bin.part").exists()


def test_bytes_with_another_digest_are_not_kept(
    tmp_path: Path, shelf: tuple[str, list[str | None]]
) -> None:
    with pytest.raises(WeightsError, match="it was not kept"):
        fetch(weights("0" * 64), tmp_path, base=shelf[0])
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_file_that_is_not_served_is_told(
    tmp_path: Path, shelf: tuple[str, list[str | None]]
) -> None:
    with pytest.raises(WeightsError, match="404"):
        fetch(weights(DIGEST, "r/absent"), tmp_path, base=shelf[0])


def test_without_a_digest_nothing_is_fetched_until_the_user_pins_one(
    tmp_path: Path, shelf: tuple[str, list[str | None]]
) -> None:
    with pytest.raises(WeightsError, match=r"no sha256 is pinned for 'model.bin'.*pins.json"):
        fetch(weights(None), tmp_path, base=shelf[0])
    assert shelf[1] == []
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "pins.json").write_text(json.dumps({"model.bin": DIGEST}))
    assert (fetch(weights(None), tmp_path, base=shelf[0]) / "model.bin").is_file()


def test_pins_must_be_digests(tmp_path: Path) -> None:
    (tmp_path / "pins.json").write_text('{"model.bin": "abc"}')
    with pytest.raises(WeightsError, match="64 hexadecimal digits"):
        read_pins(tmp_path)


def test_weights_that_are_not_there_name_the_command(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="run: touchstone fetch detoxify"):
        checked_files(DETOXIFY, tmp_path)


def test_the_manifest_and_the_cards_belong_to_the_bundled_files() -> None:
    for name in ("groundedness", "answer_relevance", "context_relevance", "toxicity", "bias"):
        head = bundled_head(name)
        assert sha256(head.path.read_bytes()).hexdigest() == head.sha256
        assert head.sha256 in head.path.with_suffix(".md").read_text()


def test_hub_evaluators_are_off_unless_named_and_light_until_loaded(tmp_path: Path) -> None:
    names = [one.spec.name for one in load_evaluators(plugins=())]
    assert not set(names) & set(HUB_WEIGHTS)
    added = load_evaluators(["detoxify", "nli", "ms-marco"], models_dir=tmp_path, plugins=())
    assert [one.spec.name for one in added[5:]] == ["detoxify", "nli", "ms-marco"]
    for evaluator in added[5:]:
        with pytest.raises(WeightsError, match="touchstone fetch"):
            evaluator.load()


def tiny_network(folder: Path, labels: list[str]) -> HubWeights:
    """A random cross-encoder of a few thousand weights, with its digests."""
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "Paris", "is", "in", "France", "the", "Moon"]
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    vocabulary = {word: number for number, word in enumerate(words)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("config.json", "tokenizer.json", "model.safetensors")
    files = [HubFile(n, n, sha256((folder / n).read_bytes()).hexdigest()) for n in names]
    return HubWeights(folder.name, tuple(files))


def test_the_ms_marco_evaluator_works_on_tiny_weights(tmp_path: Path) -> None:
    found = tiny_network(tmp_path / "ms-marco", ["LABEL_0"])
    assert check_evaluator(MsMarco(tmp_path, "cpu", found)) == []


def test_the_nli_evaluator_works_on_tiny_weights(tmp_path: Path) -> None:
    found = tiny_network(tmp_path / "nli", ["contradiction", "entailment", "neutral"])
    assert check_evaluator(Nli(tmp_path, "cpu", found)) == []


def test_an_evaluator_refuses_weights_that_were_changed(tmp_path: Path) -> None:
    found = tiny_network(tmp_path / "nli", ["contradiction", "entailment", "neutral"])
    with (tmp_path / "nli" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match="is pinned"):
        Nli(tmp_path, "cpu", found).load()


def tiny_checkpoint(folder: Path) -> HubWeights:
    """A random checkpoint in the shape that detoxify stores."""
    torch.manual_seed(0)
    classes = ["toxic", "insult"]
    config = BertConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=1, intermediate_size=32
    )
    network = BertForSequenceClassification(config)
    arguments = {
        "model_type": "bert-base-uncased",
        "model_name": "BertForSequenceClassification",
        "tokenizer_name": "BertTokenizer",
        "num_classes": 2,
    }
    stored = {
        "config": {"arch": {"args": arguments}, "dataset": {"args": {"classes": classes}}},
        "state_dict": network.state_dict(),
    }
    folder.mkdir()
    torch.save(stored, folder / "tiny.ckpt")
    digest = sha256((folder / "tiny.ckpt").read_bytes()).hexdigest()
    return HubWeights("detoxify", (HubFile("tiny.ckpt", "tiny.ckpt", digest),))


def test_the_detoxify_evaluator_works_on_a_tiny_checkpoint(tmp_path: Path) -> None:
    found = tiny_checkpoint(tmp_path / "detoxify")
    assert check_evaluator(Detoxify(tmp_path, "cpu", found)) == []


def test_a_checkpoint_is_not_unpickled_without_its_digest(tmp_path: Path) -> None:
    tiny_checkpoint(tmp_path / "detoxify")
    unpinned = HubWeights("detoxify", (HubFile("tiny.ckpt", "tiny.ckpt"),))
    with pytest.raises(WeightsError, match="no sha256 is pinned"):
        Detoxify(tmp_path, "cpu", unpinned).load()
