"""Compiles the small C helpers of the benchmarks, once per source text and machine."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

_HERE = Path(__file__).parent


class HelperError(RuntimeError):
    """A helper could not be built or run; the benchmark goes on without it where it can."""


def cache_dir() -> Path:
    """Where compiled helpers and model files of the benchmarks are kept: `ds4-benchmarks-<user>` in the temp folder."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    path = Path(tempfile.gettempdir()) / f"ds4-benchmarks-{user}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def compiler() -> str:
    """The C compiler: `$CC`, else the first of cc, gcc and clang.

    Raises:
        HelperError: There is none.
    """
    for name in (os.environ.get("CC", ""), "cc", "gcc", "clang"):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise HelperError("no C compiler (cc, gcc or clang): set CC to one")


def build(source: str, *, shared: bool = False, flags: Sequence[str] = ()) -> Path:
    """Compiles `source`, a file of this folder, to a program or a shared library.

    Raises:
        HelperError: There is no compiler, or it refuses.
    """
    path = _HERE / source
    command = [compiler(), "-O3", "-march=native", "-pthread", *flags]
    if shared:
        command += ["-shared", "-fPIC"]
    key = hashlib.sha256(repr((path.read_bytes(), command, platform.processor())).encode()).hexdigest()[:12]
    out = cache_dir() / f"{path.stem}-{key}{'.so' if shared else ''}"
    if not out.exists():
        partial = out.with_name(f"{out.name}.{os.getpid()}")
        done = subprocess.run([*command, str(path), "-o", str(partial)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise HelperError(f"{' '.join(command)} {path}: {done.stderr.strip()}")
        partial.replace(out)
    return out
