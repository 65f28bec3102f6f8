"""Where weights are and which ones are accepted: bundled heads, and hub weights that are fetched.

Nothing is loaded whose sha256 is not pinned, here or by the user in `pins.json` beside the fetched
files; a checkpoint that must be unpickled is refused without a digest like any other file, and no
code from a hub is ever run. Nothing here opens a connection; `evaluators.fetching` does.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evaluators.engine import WeightsError, check_digest
from evaluators.protocol import Weights

BUNDLED = Path(__file__).with_name("bundled")
HUB = "https://huggingface.co"
PINS = "pins.json"
RANGES = "ranges.json"
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class BundledHead:
    """A head that ships with the package."""

    name: str
    version: str
    path: Path
    sha256: str
    calibration: str

    @property
    def weights(self) -> Weights:
        """The head, as a spec lists it."""
        return Weights(self.path.name, self.sha256)


@dataclass(frozen=True, slots=True)
class BundledEncoder:
    """Upper layers of an encoder that ship with the package, and the names of its outputs."""

    path: Path
    sha256: str
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file to fetch: where it is served and which bytes it must have, if that is known."""

    name: str
    path: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class HubWeights:
    """The files of one hub evaluator at one revision."""

    name: str
    files: tuple[HubFile, ...]
    base: str = HUB

    def folder(self, models_dir: Path) -> Path:
        return models_dir / self.name


@cache
def bundled_head(name: str) -> BundledHead:
    """The head of that name as the manifest describes it."""
    entry = json.loads((BUNDLED / "manifest.json").read_text())[name]
    return BundledHead(
        name=name,
        version=entry["version"],
        path=BUNDLED / entry["file"],
        sha256=entry["sha256"],
        calibration=entry["calibration"],
    )


@cache
def bundled_encoder(name: str, folder: Path = BUNDLED) -> BundledEncoder:
    """The encoder of that name as the list of a folder describes it."""
    entry = json.loads((folder / "encoders.json").read_text())[name]
    return BundledEncoder(folder / entry["file"], entry["sha256"], tuple(entry["tasks"]))


def listed_ranges(folder: Path = BUNDLED) -> Weights | None:
    """The file of the encoders' ranges that a folder lists, which int8 depends on."""
    path = folder / RANGES
    if not path.is_file():
        return None
    entry = json.loads(path.read_text())
    return Weights(entry["file"], entry["sha256"])


def read_pins(folder: Path) -> dict[str, str]:
    """The digests that the user pinned for files of this folder."""
    path = folder / PINS
    if not path.is_file():
        return {}
    try:
        pins = json.loads(path.read_text())
    except ValueError as error:
        raise WeightsError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(pins, dict) or not all(SHA256.fullmatch(str(pin)) for pin in pins.values()):
        raise WeightsError(f"{path} must map file names to 64 hexadecimal digits of sha256")
    return pins


def pinned_digest(file: HubFile, folder: Path) -> str:
    """The digest that the file must have, or WeightsError telling how to pin one."""
    digest = file.sha256 or read_pins(folder).get(file.name)
    if digest is None:
        raise WeightsError(
            f"no sha256 is pinned for {file.name!r}; read it on the page of the model and write "
            f'{{"{file.name}": "<sha256>"}} to {folder / PINS}'
        )
    return digest


def checked_files(weights: HubWeights, models_dir: Path) -> dict[str, Path]:
    """The fetched files by name, digests checked, or WeightsError saying what to do."""
    folder = weights.folder(models_dir)
    missing = [file.name for file in weights.files if not (folder / file.name).is_file()]
    if missing:
        raise WeightsError(
            f"{weights.name!r} lacks {', '.join(missing)} in {folder}; "
            f"run: touchstone fetch {weights.name}"
        )
    for file in weights.files:
        check_digest(folder / file.name, pinned_digest(file, folder))
    return {file.name: folder / file.name for file in weights.files}


def calibration_id(slope: float, offset: float) -> str:
    """A short name of a calibration curve that changes with it."""
    digest = hashlib.sha256(f"{slope:.6f} {offset:.6f}".encode()).hexdigest()
    return f"platt-{digest[:8]}"
