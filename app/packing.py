"""Content made small for the disk, and whole again: zstd, which costs less than writing the rest.

`pack` and `unpack` may be called from any thread.
"""

import threading

import zstandard

LEVEL = 3
_local = threading.local()


def pack(content: bytes) -> bytes:
    """The content compressed; `unpack` gives it back byte for byte."""
    compressor = getattr(_local, "compressor", None)
    if compressor is None:
        compressor = _local.compressor = zstandard.ZstdCompressor(level=LEVEL)
    return bytes(compressor.compress(content))


def unpack(packed: bytes) -> bytes:
    """What `pack` was given."""
    return zstandard.ZstdDecompressor().decompress(packed)
