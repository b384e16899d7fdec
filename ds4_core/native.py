"""The C boundary: finds libds4, opens it with cffi from the declarations in ds4x.h, turns status codes into exceptions.

The header that libds4 was compiled with is installed beside it and is the only source of the declarations. The library
is taken from `ds4_core/lib/` or, for developers, from the absolute path in the environment variable `DS4_LIBRARY`;
nothing is ever searched for in the working directory or in the system's library path.
"""

from __future__ import annotations

import os
import sys
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from ds4_core import errors
from ds4_core.ffi import new_ffi

#: A value that cffi made: a pointer, a struct, an array.
CData = Any

#: What `ds4x_abi_version()` must answer. Raised together with the library's when a struct or function changes.
ABI_VERSION: Final = 3

ERR_BUFFER: Final = 13

_LOAD_LOCK = threading.Lock()


def _reset_after_fork() -> None:
    # Another thread may have held the lock when the process forked; in the child nobody would ever release it.
    global _LOAD_LOCK
    _LOAD_LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


def library_file_name() -> str:
    """The file name of libds4 on this system."""
    if sys.platform == "win32":
        return "ds4.dll"
    return "libds4.dylib" if sys.platform == "darwin" else "libds4.so"


def _package_dirs() -> list[Path]:
    # An editable install has two: the source tree and the place where the built files were installed.
    import ds4_core

    return [Path(entry) for entry in ds4_core.__path__]


def find_library() -> Path:
    """The libds4 that will be loaded.

    Raises:
        LibraryError: `DS4_LIBRARY` is not the absolute path of a file, or the package was installed without its
            library.
    """
    override = os.environ.get("DS4_LIBRARY")
    if override:
        path = Path(override)
        if not path.is_absolute():
            raise errors.LibraryError(f"DS4_LIBRARY is {override!r}: it must be an absolute path")
        if not path.is_file():
            raise errors.LibraryError(f"DS4_LIBRARY is {override!r}: there is no such file")
        return path
    candidates = [directory / "lib" / library_file_name() for directory in _package_dirs()]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise errors.LibraryError(
        f"libds4 is not where the package keeps it ({', '.join(map(str, candidates))}). In a source checkout run "
        "'pip install -e .'; or set DS4_LIBRARY to its absolute path."
    )


def find_header(library: Path) -> Path:
    """The ds4x.h that belongs to `library`: beside it, in the package, or in the source checkout around the package.

    Raises:
        LibraryError: There is none.
    """
    candidates = [library.parent / "ds4x.h"]
    for directory in _package_dirs():
        candidates += [directory / "lib" / "ds4x.h", directory.parent / "csrc" / "include" / "ds4x.h"]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise errors.LibraryError(f"no ds4x.h for {library}: looked for {', '.join(map(str, candidates))}")


def declarations(header: str) -> str:
    """The plain C declarations in the text of ds4x.h, as cffi takes them.

    Preprocessor lines, the blocks for C++ and the export macro are dropped; everything else is C that pycparser reads.
    """
    kept = []
    in_cplusplus = False
    for line in header.splitlines():
        directive = line.lstrip()
        if directive.startswith("#"):
            if directive.startswith("#ifdef __cplusplus"):
                in_cplusplus = True
            elif directive.startswith("#endif"):
                in_cplusplus = False
        elif not in_cplusplus:
            kept.append(line.replace("DS4X_API ", ""))
    return "\n".join(kept)


class Native:
    """The opened library: `ffi` for types and memory, `lib` for the functions."""

    def __init__(self, library: Path) -> None:
        """Opens `library`.

        Raises:
            LibraryError: It can not be loaded, or its interface is of another version.
        """
        self.path = library
        self.ffi: Any = new_ffi()
        self.ffi.cdef(declarations(find_header(library).read_text(encoding="utf-8")))
        try:
            self.lib: Any = self.ffi.dlopen(str(library))
            found = self.lib.ds4x_abi_version()
        except (OSError, AttributeError) as error:
            raise errors.LibraryError(f"{library} can not be loaded: {error}") from error
        if found != ABI_VERSION:
            raise errors.LibraryError(
                f"{library} has interface version {found}, this package needs {ABI_VERSION}: install both together"
            )
        # cffi looks a function up under a lock when it is used first. A finalizer may call one while its own thread
        # has that lock, so none is left to be looked up.
        try:
            for name in dir(self.lib):
                getattr(self.lib, name)
        except AttributeError as error:
            raise errors.LibraryError(f"{library} does not fit its ds4x.h: {error}") from error

    @property
    def version(self) -> str:
        """The version of libds4, for example `"0.1.0"`."""
        return str(self.ffi.string(self.lib.ds4x_version()).decode())

    def new_error(self) -> CData:
        """An empty `ds4x_error *` for one call."""
        return self.ffi.new("ds4x_error *")

    def check(self, code: int, err: CData, *, path: str | None = None) -> None:
        """Raises the exception that belongs to a status code; does nothing for DS4X_OK.

        Args:
            code: What the call returned.
            err: The `ds4x_error *` it was given.
            path: The file the call was about, to tell a missing file from an unreadable one.
        """
        if code != 0:
            raise self.exception(code, self.message(err), path=path)

    def message(self, err: CData) -> str:
        """The text in a `ds4x_error *`."""
        return str(self.ffi.string(err.message).decode("utf-8", "replace"))

    def exception(self, code: int, message: str, *, path: str | None = None) -> errors.DS4Error:
        """The exception that belongs to a status code, not raised."""
        kind = errors.BY_CODE.get(code, errors.InternalError)
        if kind is errors.ModelFileError and path is not None and not os.path.exists(path):
            kind = errors.ModelNotFoundError
        return kind(message or f"libds4 answered {self.status_name(code)} without a message")

    def status_name(self, code: int) -> str:
        """`"DS4X_ERR_IO"` for 2, and so on."""
        return str(self.ffi.string(self.lib.ds4x_status_name(code)).decode())


@lru_cache(maxsize=1)
def _load_once() -> Native:
    return Native(find_library())


def load() -> Native:
    """Opens libds4 at the first call; later calls return the same object.

    Raises:
        LibraryError: There is no usable library; the next call tries again.
    """
    with _LOAD_LOCK:
        return _load_once()
