"""Native engines shared inside a process: one per model file and set of load options, counted, opened once.

Three things are guarded here and nowhere else: a native engine is never closed while a call is inside it, never touched
in a process other than the one that opened it, and no lock is ever waited for in a garbage collection.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from ds4_core import native
from ds4_core.errors import EngineClosedError, ForkedProcessError, ModelFileError, ModelNotFoundError
from ds4_core.native import CData, Native

_SPLIT_NAME = re.compile(r"^(?P<stem>.*-)00001-of-(?P<n>\d{5})(?P<suffix>\.gguf)$")


@dataclass(frozen=True, slots=True)
class OpenOptions:
    """Everything that decides what a native engine is. Two handles with equal options on the same file share it."""

    path: str
    backend: str = "auto"
    n_threads: int = 0
    exact: bool = False
    kv_dtype: str = "auto"
    kv_simulation: bool = False
    isa: str = "auto"
    n_batch: int = 0
    repack: bool = False
    kv_bytes_max: int = 0
    vocab_only: bool = False


def file_identity(path: str) -> tuple[tuple[str, int, int], ...]:
    """(resolved path, size in bytes, mtime in ns) of the file and of the other parts of a split one.

    Raises:
        ModelNotFoundError: No such file.
        ModelFileError: A directory, or not accessible.
    """
    parts = [path]
    split = _SPLIT_NAME.match(path)
    if split:
        # A missing later part is for libds4 to report, which knows that it is needed.
        others = (f"{split['stem']}{i:05d}-of-{split['n']}{split['suffix']}" for i in range(2, int(split["n"]) + 1))
        parts += [part for part in others if os.path.exists(part)]
    identity = []
    for part in parts:
        try:
            stat = os.stat(part)
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"{part}: no such file") from error
        except OSError as error:
            raise ModelFileError(f"{part}: {error.strerror or error}") from error
        if os.path.isdir(part):
            raise ModelFileError(f"{part}: is a directory, a .gguf file is needed")
        identity.append((os.path.realpath(part), stat.st_size, stat.st_mtime_ns))
    return tuple(identity)


class SharedEngine:
    """One open `ds4x_engine` with its users.

    `with shared as ptr:` gives the native pointer and keeps it open until the block ends, whatever other threads close.
    `with shared.computing() as ptr:` does the same and keeps everybody else from computing or changing sessions, so
    that a forward and the reading of its rows are one step.
    """

    def __init__(self, loaded: Native, ptr: CData, path: str) -> None:
        """Takes ownership of `ptr`."""
        info, err = loaded.ffi.new("ds4x_engine_info *"), loaded.new_error()
        info.struct_size = loaded.ffi.sizeof("ds4x_engine_info")
        loaded.check(loaded.lib.ds4x_engine_get_info(ptr, info, err), err)
        self.n_vocab = int(info.n_vocab)
        self.n_context_train = int(info.n_context_train)
        self.native = loaded
        self.path = path
        self._compute_lock = threading.Lock()
        self._ptr = ptr
        self._pid = os.getpid()
        self._mutex = threading.Lock()
        self._pins = 0
        self._closing = False
        self._dropped: deque[CData] = deque()

    def check_process(self) -> None:
        """Raises ForkedProcessError in a process that did not open the engine. Comes before any lock is touched."""
        if os.getpid() != self._pid:
            raise ForkedProcessError(
                f"the engine for {self.path} was opened in process {self._pid} and can not be used in its forked child "
                f"{os.getpid()}: make a new Engine in the child"
            )

    @property
    def is_foreign(self) -> bool:
        """True in a process that did not open the engine."""
        return os.getpid() != self._pid

    def __enter__(self) -> CData:
        self.check_process()
        with self._mutex:
            if self._closing:
                raise EngineClosedError(f"the engine for {self.path} was closed")
            self._pins += 1
        return self._ptr

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.is_foreign:  # forked inside the block
            return
        with self._mutex:
            self._pins -= 1
            close_now = self._closing and self._pins == 0
        if close_now:
            self._close_native()

    def close(self) -> None:
        """Closes now, or when the last call inside returns. Never waits."""
        if self.is_foreign:
            return
        with self._mutex:
            close_now = not self._closing and self._pins == 0
            self._closing = True
        if close_now:
            self._close_native()

    def _close_native(self) -> None:
        self._free_dropped()
        self.native.lib.ds4x_engine_close(self._ptr)

    @contextmanager
    def computing(self) -> Iterator[CData]:
        """The native pointer, with the right to compute. Waits for other threads' computations.

        Raises:
            ForkedProcessError: This process did not open the engine; no lock was touched.
            EngineClosedError: The engine was closed.
        """
        with self as ptr:
            try:
                with self._compute_lock:
                    yield ptr
            finally:
                self._free_dropped()

    def drop_session(self, ptr: CData) -> None:
        """Frees a native session as soon as nobody computes. Never waits; does nothing in a forked child."""
        if not self.is_foreign:
            self._dropped.append(ptr)
            self._free_dropped()

    def _free_dropped(self) -> None:
        # A finalizer can run on the thread that computes, so nobody waits here: who holds the lock looks again
        # afterwards.
        while self._dropped and not self.is_foreign and self._compute_lock.acquire(blocking=False):
            try:
                while self._dropped:
                    self.native.lib.ds4x_session_free(self._dropped.popleft())
            finally:
                self._compute_lock.release()


class _Entry:
    """A slot of the registry. Its engine is opened under its own lock: a slow open blocks only its own users."""

    def __init__(self, key: tuple[object, ...]) -> None:
        self.key = key
        self.pid = os.getpid()
        self.refs = 0
        self.open_lock = threading.Lock()
        self.shared: SharedEngine | None = None


_lock = threading.Lock()
_entries: dict[tuple[object, ...], _Entry] = {}
_released: deque[_Entry] = deque()


def _reset_after_fork() -> None:
    # The child starts with no engines; locks that other threads of the parent held would never be released here.
    global _lock, _entries, _released
    _lock = threading.Lock()
    _entries = {}
    _released = deque()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class Lease:
    """One user's share of a native engine. `release()` may be called any number of times, from any thread."""

    def __init__(self, entry: _Entry, shared: SharedEngine) -> None:
        """Made by `acquire` only."""
        self._entry: _Entry | None = entry
        self.shared = shared

    def release(self) -> None:
        """Gives the share back; the last one closes the native engine. Never waits for a lock."""
        entry, self._entry = self._entry, None
        if entry is not None and entry.pid == os.getpid():
            _released.append(entry)
            _collect()


def acquire(options: OpenOptions) -> Lease:
    """A share of the native engine for these options, opening it when nobody has.

    Raises:
        DS4Error: Whatever opening the file raises; nothing is kept then and a later call tries again.
    """
    # The path as written does not matter, only which file it leads to.
    key: tuple[object, ...] = (file_identity(options.path), replace(options, path=""))
    with _lock:
        entry = _entries.setdefault(key, _Entry(key))
        entry.refs += 1
    try:
        with entry.open_lock:
            if entry.shared is None:
                entry.shared = _open(options)
            shared = entry.shared
    except BaseException:
        Lease(entry, _NO_ENGINE).release()
        raise
    finally:
        _collect()
    return Lease(entry, shared)


_NO_ENGINE: Any = None


def _collect() -> None:
    # Settles released shares. A finalizer can run inside the locked block of its own thread, so it must not wait:
    # whoever has the lock looks again after leaving it.
    while _released:
        if not _lock.acquire(blocking=False):
            return
        closing: list[Callable[[], None]] = []
        try:
            while _released:
                entry = _released.popleft()
                entry.refs -= 1
                if entry.refs == 0:
                    _entries.pop(entry.key, None)
                    if entry.shared is not None:
                        closing.append(entry.shared.close)
        finally:
            _lock.release()
        for close in closing:
            close()


def open_count() -> int:
    """How many native engines this process has open through the registry."""
    with _lock:
        count = sum(entry.shared is not None for entry in _entries.values())
    _collect()
    return count


def _open(options: OpenOptions) -> SharedEngine:
    loaded = native.load()
    ffi, lib = loaded.ffi, loaded.lib
    c_options = ffi.new("ds4x_options *")
    lib.ds4x_options_init(c_options, ffi.sizeof("ds4x_options"))
    c_path = ffi.new("char[]", os.fsencode(options.path))
    c_options.model_path = c_path
    c_options.backend = getattr(lib, f"DS4X_BACKEND_{options.backend.upper()}")
    c_options.kv_dtype = getattr(lib, f"DS4X_KV_{options.kv_dtype.upper()}")
    c_options.isa = getattr(lib, f"DS4X_ISA_{options.isa.upper()}")
    c_options.n_threads = options.n_threads
    c_options.exact = options.exact
    c_options.kv_simulation = options.kv_simulation
    c_options.vocab_only = options.vocab_only
    c_options.repack = options.repack
    c_options.n_batch = options.n_batch
    c_options.kv_bytes_max = options.kv_bytes_max
    c_options.log = loaded.log_callback
    out, err = ffi.new("ds4x_engine **"), loaded.new_error()
    loaded.check(lib.ds4x_engine_open(c_options, out, err), err, path=options.path)
    return SharedEngine(loaded, out[0], options.path)
