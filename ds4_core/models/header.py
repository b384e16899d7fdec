"""A fact from the beginning of a model file that is needed before anything is opened: its context length."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import BinaryIO, Final

from ds4_core.errors import DS4Error
from ds4_core.registry import file_identity

# Sizes in bytes of GGUF's value types by number; 8 is a string, 9 an array.
_SIZES: Final = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _UINT32, _UINT64 = 8, 4, 10
_MAX_KEYS, _MAX_STRING = 200, 2**20


def context_length(path: str) -> int | None:
    """The tokens of context that a file was made for; None when its beginning does not say, or is no GGUF.

    Reads a few hundred bytes, once per file: writers put this before the vocabulary. Whoever opens the file learns all.
    """
    try:
        return _context_length(file_identity(path))
    except (OSError, DS4Error, struct.error):
        return None


@lru_cache(maxsize=64)
def _context_length(identity: tuple[tuple[str, int, int], ...]) -> int | None:
    with open(identity[0][0], "rb") as file:
        magic, version, _, n_keys = struct.unpack("<4sIQQ", file.read(24))
        if magic != b"GGUF" or version < 2:
            return None
        for _ in range(min(n_keys, _MAX_KEYS)):
            key = _string(file)
            (kind,) = struct.unpack("<I", file.read(4))
            if key.endswith(b".context_length") and kind in (_UINT32, _UINT64):
                value = int.from_bytes(file.read(_SIZES[kind]), "little")
                return value or None
            if kind == _STRING:
                _string(file)
            elif kind in _SIZES:
                file.seek(_SIZES[kind], 1)
            else:
                return None  # an array: the vocabulary begins
    return None


def _string(file: BinaryIO) -> bytes:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > _MAX_STRING:
        raise struct.error(f"a text of {length} bytes before the vocabulary")
    return file.read(length)
