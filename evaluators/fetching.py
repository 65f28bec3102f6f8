"""Fetches hub weights: resumable, digests checked before a file gets its name.

This is the only module of the package that opens a connection.
"""

from collections.abc import Callable
from pathlib import Path

import httpx

from evaluators.engine import WeightsError, file_digest
from evaluators.weights import HubWeights, pinned_digest

CHUNK_BYTES = 1 << 20
Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes so far, and how many there will be, if known."""


def fetch(
    weights: HubWeights,
    models_dir: Path,
    *,
    base: str | None = None,
    progress: Progress = lambda name, done, total: None,
) -> Path:
    """Fetch every file that is not there yet, check its digest, and return the folder."""
    folder = weights.folder(models_dir)
    digests = {file.name: pinned_digest(file, folder) for file in weights.files}
    folder.mkdir(parents=True, exist_ok=True)
    with httpx.Client(follow_redirects=True, timeout=30) as client:
        for file in weights.files:
            target = folder / file.name
            if not target.is_file() or file_digest(target) != digests[file.name]:
                url = f"{(base or weights.base).rstrip('/')}/{file.path}"
                _download(client, url, target, digests[file.name], progress)
    return folder


def _download(
    client: httpx.Client, url: str, target: Path, sha256: str, progress: Progress
) -> None:
    """Fetch one file into a `.part` file, going on where an earlier attempt stopped."""
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    try:
        with client.stream("GET", url, headers=_resume_headers(have)) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()
                raise WeightsError(f"the part file of {target.name} was too long; fetch it again")
            response.raise_for_status()
            have = have if response.status_code == httpx.codes.PARTIAL_CONTENT else 0
            _write(response, part, have, progress)
    except httpx.HTTPError as error:
        raise WeightsError(
            f"{url} could not be fetched ({error}); try again, the part that came is kept"
        ) from None
    _accept(part, target, sha256, url)


def _resume_headers(have: int) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}
    return headers | {"Range": f"bytes={have}-"} if have else headers


def _write(response: httpx.Response, part: Path, have: int, progress: Progress) -> None:
    length = response.headers.get("content-length")
    total = have + int(length) if length is not None else None
    name = part.name.removesuffix(".part")
    with part.open("ab" if have else "wb") as file:
        progress(name, have, total)
        for chunk in response.iter_bytes(CHUNK_BYTES):
            file.write(chunk)
            have += len(chunk)
            progress(name, have, total)


def _accept(part: Path, target: Path, sha256: str, url: str) -> None:
    """Move the part file into place if its digest is the pinned one; delete it otherwise."""
    found = file_digest(part)
    if found != sha256:
        part.unlink()
        raise WeightsError(f"{url} has sha256 {found}, but {sha256} is pinned; it was not kept")
    part.replace(target)
