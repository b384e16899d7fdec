"""Names of models, and how a name or a path given by a user becomes the path of a file.

A catalogue name always means the file in this package: a file of that name in the working directory is never picked up.
Everything else is a path, and is recognised as one by a separator, the suffix `.gguf`, or by being a `Path`.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from ds4_core.errors import ModelFileError, ModelFormatError, ModelNotFoundError

_DIRECTORY: Final = Path(__file__).parent

#: Name -> file in this folder.
EMBEDDED: Final[dict[str, str]] = {"ds4-tiny": "ds4-tiny.gguf"}

#: Lines of "<sha256>  <file>", as `sha256sum` writes and checks them.
CHECKSUMS: Final = _DIRECTORY / "SHA256SUMS"

_verified: set[str] = set()


def names() -> list[str]:
    """The names that `Engine(model=...)` and `Model(...)` accept beside paths."""
    return sorted(EMBEDDED)


def resolve(model: str | os.PathLike[str]) -> str:
    """The absolute path of the file that a name or a path stands for. Reads nothing but the directory.

    Raises:
        ModelNotFoundError: Neither a name of the catalogue nor an existing file.
        ModelFileError: A directory.
    """
    text = os.fspath(model)
    if isinstance(model, str) and model in EMBEDDED:
        path = str(_DIRECTORY / EMBEDDED[model])
        if not os.path.isfile(path):
            raise ModelNotFoundError(f"{path}: the file of model {model!r} is missing from the package; reinstall it")
        return path
    looks_like_path = (
        not isinstance(model, str) or text.endswith(".gguf") or os.sep in text or bool(os.altsep and os.altsep in text)
    )
    if not looks_like_path:
        hint = f"; for the file of that name here write {os.path.join('.', text)!r}" if os.path.exists(text) else ""
        raise ModelNotFoundError(
            f"unknown model {text!r}: known names are {', '.join(names())}; the path of a .gguf file works too{hint}"
        )
    # abspath and not realpath: the parts of a split file are found by their names, which links need not keep.
    path = os.path.abspath(os.path.expanduser(text))
    if os.path.isdir(path):
        raise ModelFileError(f"{path}: is a directory, a .gguf file is needed")
    if not os.path.exists(path):
        raise ModelNotFoundError(f"{path}: no such file; known model names are {', '.join(names())}")
    return path


def verify_once(path: str) -> None:
    """Checks the SHA-256 of an embedded model, once per process; does nothing for other files.

    Raises:
        ModelFormatError: The file is not the one that was packaged.
    """
    if path in _verified or os.path.dirname(path) != str(_DIRECTORY):
        return
    expected = checksums().get(os.path.basename(path))
    if expected is not None:
        with open(path, "rb") as file:
            actual = hashlib.file_digest(file, "sha256").hexdigest()
        if actual != expected:
            raise ModelFormatError(
                f"{path}: its SHA-256 is {actual}, the package lists {expected}; reinstall the package"
            )
    _verified.add(path)


def checksums() -> dict[str, str]:
    """File name -> SHA-256 as listed in `SHA256SUMS`."""
    if not CHECKSUMS.is_file():
        return {}
    lines = CHECKSUMS.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, name in (line.split() for line in lines if line)}
