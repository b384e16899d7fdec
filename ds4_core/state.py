"""Where sessions are saved to and read from: memory, files, pipes. The formats and all checks are libds4's."""

from __future__ import annotations

import io
import os
import select
import stat
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Literal, Protocol, get_args

import numpy as np

from ds4_core.errors import (
    DS4Error,
    EngineStateError,
    GenerationCancelled,
    InvalidRequestError,
    ModelFileError,
    ModelNotFoundError,
)
from ds4_core.native import CData, Native
from ds4_core.types import CancelFlag, FloatArray

StateFormat = Literal["pages", "payload"]

#: So much goes into a pipe that can take anything at all without waiting.
_PIPE_BYTES = getattr(select, "PIPE_BUF", 4096)
_READ_BYTES = 2**20
#: How often a flag is looked at while a pipe gives or takes nothing.
_LOOK_AT_FLAG_MS = 50


class HasFileno(Protocol):
    """An open file."""

    def fileno(self) -> int:
        """Its descriptor."""
        ...


StateFile = str | os.PathLike[str] | int | HasFileno
StateBytes = bytes | bytearray | memoryview
#: `Scheduler.call`.
Call = Callable[..., None]


def checked_format(format: Any) -> StateFormat:
    """`format`, which must be one of the two.

    Raises:
        InvalidRequestError: It is something else.
    """
    if not isinstance(format, str) or format not in get_args(StateFormat):
        raise InvalidRequestError(
            f"format is {format!r}: it must be one of {', '.join(map(repr, get_args(StateFormat)))}"
        )
    return format  # type: ignore[return-value]


# -- libds4's side, on the scheduler's thread --------------------------------------------------------------------------


def _c_format(loaded: Native, format: StateFormat) -> int:
    return int(getattr(loaded.lib, f"DS4X_STATE_{format.upper()}"))


def _c_logits(loaded: Native, logits: FloatArray | None, format: StateFormat) -> CData:
    if logits is not None:
        return loaded.ffi.from_buffer("float[]", logits)
    if format == "payload":
        raise EngineStateError("the format 'payload' holds logits, the session has none: evaluate a token first")
    return loaded.ffi.NULL


def snapshot(native: Native, session: CData, logits: FloatArray | None, format: StateFormat) -> bytearray:
    """What a native session holds. See `Session.snapshot`."""
    err, out = native.new_error(), native.ffi.new("uint64_t *")
    kind, row = _c_format(native, format), _c_logits(native, logits, format)
    native.check(native.lib.ds4x_state_bytes(session, kind, logits is not None, out, err), err)
    data = bytearray(out[0])
    buffer = native.ffi.from_buffer(data)
    native.check(native.lib.ds4x_state_save(session, kind, row, buffer, len(data), out, err), err)
    return data


def write(native: Native, session: CData, logits: FloatArray | None, fd: int, format: StateFormat) -> None:
    """Writes what a native session holds to a descriptor, without a copy in memory."""
    err, row = native.new_error(), _c_logits(native, logits, format)
    native.check(native.lib.ds4x_state_save_fd(session, _c_format(native, format), row, fd, err), err)


# -- saving ------------------------------------------------------------------------------------------------------------


class Draft:
    """A file that takes the place of another when it is complete; dropped before that, nothing is left of it.

    Attributes:
        fd: Its descriptor, readable and writable for its owner alone.
    """

    def __init__(self, path: str) -> None:
        """Makes it beside its final place.

        Raises:
            ModelFileError: Nothing can be written there.
        """
        self.path = os.path.realpath(path)
        try:
            with _names(self.path):
                folder, name = os.path.split(self.path)
                self.fd, temporary = tempfile.mkstemp(prefix=f"{name}.", dir=folder)
        except ModelNotFoundError as error:
            raise ModelFileError(str(error)) from error
        self._temporary = temporary
        self._drop = weakref.finalize(self, _remove, self.fd, temporary)

    def drop(self) -> None:
        """Removes it. Safe to call twice."""
        self._drop()

    def keep(self) -> None:
        """Gives it its place.

        Raises:
            ModelFileError: That is not possible; it is removed.
        """
        try:
            with _names(self.path):
                os.fsync(self.fd)
                os.replace(self._temporary, self.path)
        finally:
            self._drop()


def _remove(fd: int, temporary: str) -> None:
    with suppress(OSError):
        os.close(fd)
    with suppress(OSError):
        os.unlink(temporary)  # not there any more when it was kept


def path_or_descriptor(file: StateFile) -> str | int:
    """Where an open file stands is what its descriptor tells afterwards.

    Raises:
        InvalidRequestError: No path, no descriptor and no binary file.
        ModelFileError: It can not be flushed, or is closed.
    """
    if isinstance(file, (bool, io.TextIOBase)):
        raise InvalidRequestError(f"the file is {file!r}: it must be a path, a binary file or a descriptor")
    if isinstance(file, int):
        return file
    if isinstance(file, (str, os.PathLike)):
        path = os.fspath(file)
        if not isinstance(path, str) or "\0" in path:
            raise InvalidRequestError(f"the file is {file!r}: it must be a path, a binary file or a descriptor")
        return path
    try:
        if hasattr(file, "flush"):
            file.flush()
        return int(file.fileno())
    except AttributeError as error:
        raise InvalidRequestError(f"the file is {file!r}: it must be a path, a binary file or a descriptor") from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{file!r} can not be used: {error}") from error


def is_regular(fd: int) -> bool:
    """Whether a descriptor is that of a file that takes and gives bytes without waiting for anybody.

    Raises:
        ModelFileError: It is no open descriptor.
    """
    with _names(f"the descriptor {fd}"):
        return stat.S_ISREG(os.fstat(fd).st_mode)


def write_all(fd: int, data: StateBytes, stop: CancelFlag) -> None:
    """Writes to a pipe or the like, however slowly it is read.

    Raises:
        ModelFileError: Nobody reads any more, or it is not open for writing.
        GenerationCancelled: `stop` was set; a part is written.
    """
    left = memoryview(data)
    with _names(f"the descriptor {fd}"):
        while left:
            if _ready(fd, "POLLOUT", stop):
                with suppress(BlockingIOError):
                    left = left[os.write(fd, left[:_PIPE_BYTES]) :]


# -- loading -----------------------------------------------------------------------------------------------------------


class Source:
    """What is loaded from: an open regular file of its own, or everything that a pipe gave.

    Made outside the scheduler's thread, because it may wait for others.
    """

    def __init__(self, file: StateFile, stop: CancelFlag) -> None:
        """Opens or reads it.

        Raises:
            InvalidRequestError: As `path_or_descriptor`.
            ModelFileError, ModelNotFoundError: It can not be opened or read.
            GenerationCancelled: `stop` was set.
        """
        where = path_or_descriptor(file)
        self._name = where if isinstance(where, str) else f"the descriptor {where}"
        self._data: bytes | None = None
        with _names(self._name):
            if isinstance(where, str):
                flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
                self._fd = os.open(where, flags)
            else:
                if hasattr(file, "tell") and is_regular(where):
                    os.lseek(where, file.tell(), os.SEEK_SET)  # what it has read ahead
                self._fd = os.dup(where)
            self.close = weakref.finalize(self, os.close, self._fd)
            if is_regular(self._fd):
                self._start = os.lseek(self._fd, 0, os.SEEK_CUR)
                self._n_bytes = max(0, os.fstat(self._fd).st_size - self._start)
            else:
                self._data = _read_all(self._fd, getattr(file, "read1", None), stop)

    def load(self, native: Native, call: Call, session: CData, n_vocab: int, format: StateFormat) -> FloatArray | None:
        """Replaces what a native session holds; the logits of its last token, None without any. See `Session.load`."""
        if self._data is not None:
            return restore(native, call, session, n_vocab, native.ffi.from_buffer(self._data), format)
        kind = _c_format(native, format)

        def load(*out: Any) -> int:
            os.lseek(self._fd, self._start, os.SEEK_SET)  # after a first try without room
            return int(native.lib.ds4x_state_load_fd(session, kind, self._fd, self._n_bytes, *out))

        try:
            return _load(native, call, n_vocab, load)
        except DS4Error as error:
            error.args = (f"{self._name}: {error}",)
            raise

    def at_its_end(self, file: StateFile) -> None:
        """Tells the file object that was loaded from: it does not know that its descriptor was read."""
        if self._data is None and hasattr(file, "seek"):
            file.seek(0, os.SEEK_END)


def restore(
    native: Native, call: Call, session: CData, n_vocab: int, data: CData, format: StateFormat
) -> FloatArray | None:
    """The same from memory. See `Session.restore`."""
    kind = _c_format(native, format)
    return _load(
        native, call, n_vocab, lambda *out: int(native.lib.ds4x_state_load(session, kind, data, len(data), *out))
    )


def _load(native: Native, call: Call, n_vocab: int, load: Callable[..., int]) -> FloatArray | None:
    has_logits, logits = native.ffi.new("int32_t *"), np.empty(n_vocab, dtype=np.float32)
    call(load, native.ffi.from_buffer("float[]", logits), has_logits)
    return logits if has_logits[0] else None


def _read_all(fd: int, read1: Callable[[int], bytes] | None, stop: CancelFlag) -> bytes:
    parts: list[bytes] = []
    while True:
        if _ready(fd, "POLLIN", stop):
            with suppress(BlockingIOError):
                part = os.read(fd, _READ_BYTES) if read1 is None else read1(_READ_BYTES)
                if not part:
                    return b"".join(parts)
                parts.append(part)


def _ready(fd: int, event: str, stop: CancelFlag) -> bool:
    # Waits a little; False when nothing has happened.
    if stop.is_set():
        raise GenerationCancelled("cancelled while a pipe was waited for")
    if not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(fd, getattr(select, event))
    return bool(poll.poll(_LOOK_AT_FLAG_MS))


@contextmanager
def _names(name: str) -> Iterator[None]:
    # The system's errors as ours, with the name of what they are about.
    try:
        yield
    except DS4Error:
        raise
    except FileNotFoundError as error:
        raise ModelNotFoundError(f"{name}: {error.strerror or error}") from error
    except (OSError, ValueError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ModelFileError(f"{name}: {reason}") from error
