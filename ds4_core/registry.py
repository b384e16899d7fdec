"""Native engines shared inside a process: one per model file and set of load options, counted, opened once.

Three things are guarded here and nowhere else: a native engine is never closed while a call is inside it, never touched
in a process other than the one that opened it, and no lock is ever waited for in a garbage collection.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Protocol

from ds4_core import native
from ds4_core.errors import EngineClosedError, ForkedProcessError, ModelFileError, ModelNotFoundError
from ds4_core.native import CData, Native
from ds4_core.progress import BOARD

_LOG = logging.getLogger(__name__)

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
    checkpoint_bytes_max: int = 0
    prefix_bytes_max: int = 2**30
    step_tokens: int = 512
    max_running: int = 64
    max_queue: int | None = None
    cache_dir: str | None = None
    cache_bytes_max: int = 2**33
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


def _drain(queue: deque[CData], free: Callable[[CData], None], of: Callable[[CData], CData] | None = None) -> None:
    # Frees everything in the queue. Taking an item out and freeing it happen inside one call of C code: an exception
    # from a signal handler comes before both or after both, so that nothing is freed twice or never.
    with suppress(IndexError):
        items = iter(queue.popleft, None)
        deque(map(free, items if of is None else map(of, items)), maxlen=0)


class Stoppable(Protocol):
    """Whatever serves an engine and must end with it."""

    def stop(self) -> None:
        """Ends it soon. Never waits; may be called any number of times."""
        ...

    def nudge(self) -> None:
        """Makes it look which of its users are still there. Never waits."""
        ...


class SharedEngine:
    """One open `ds4x_engine` with its users.

    `with shared.pinned() as ptr:` gives the native pointer and keeps it open until the block ends, whatever other
    threads close. Who also holds `compute_lock` keeps native sessions from being freed meanwhile. The lock is taken by
    its own `with` because that alone can not be torn apart by an exception of a signal handler.
    """

    def __init__(self, loaded: Native, ptr: CData, options: OpenOptions) -> None:
        """Takes ownership of `ptr`."""
        info, err = loaded.ffi.new("ds4x_engine_info *"), loaded.new_error()
        info.struct_size = loaded.ffi.sizeof("ds4x_engine_info")
        loaded.check(loaded.lib.ds4x_engine_get_info(ptr, info, err), err)
        self.n_vocab = int(info.n_vocab)
        self.n_batch = int(info.n_batch)
        self.n_context_train = int(info.n_context_train)
        self.page_tokens = int(info.page_tokens)
        self.page_bytes = int(info.page_bytes)
        self.state_bytes = int(info.state_bytes)
        self.token_eos = int(info.token_eos) if info.token_eos >= 0 else None
        self.description = (
            f"opened {options.path}: {info.n_layer} layers, {info.weight_bytes / 2**20:.1f} MiB of weights, "
            f"{info.n_threads} threads"
        )
        self.native = loaded
        self.options = options
        self.path = options.path
        self.compute_lock = threading.Lock()
        self._pid = os.getpid()
        self._ptr = ptr
        # Changed by single operations of built-in types only, which are atomic: no lock to wait for.
        self._open: deque[CData] = deque([ptr])
        self._pins: set[object] = set()
        self._closing = False
        self._dropped: deque[CData] = deque()
        self._dropped_checkpoints: deque[CData] = deque()
        self._scheduler: dict[str, Stoppable] = {}

    @property
    def scheduler(self) -> Stoppable | None:
        """What serves this engine, None before it was asked for."""
        return self._scheduler.get("it")

    def set_scheduler(self, scheduler: Stoppable) -> Stoppable:
        """Enters what serves this engine and returns what is entered: the first one stays."""
        first = self._scheduler.setdefault("it", scheduler)
        if self._closing:
            first.stop()
        return first

    def check_process(self) -> None:
        """Raises ForkedProcessError in a process that did not open the engine. Comes before any lock is touched."""
        if self.is_foreign:
            raise ForkedProcessError(
                f"the engine for {self.path} was opened in process {self._pid} and can not be used in its forked child "
                f"{os.getpid()}: make a new Engine in the child"
            )

    @property
    def is_foreign(self) -> bool:
        """True in a process that did not open the engine."""
        return os.getpid() != self._pid

    @contextmanager
    def pinned(self) -> Iterator[CData]:
        """The native pointer, open until the block ends.

        Raises:
            ForkedProcessError: This process did not open the engine; no lock was touched.
            EngineClosedError: The engine was closed.
        """
        self.check_process()
        pin = object()
        try:
            # Announced before looking: a close() either sees the pin or is seen.
            self._pins.add(pin)
            if self._closing:
                raise EngineClosedError(f"the engine for {self.path} was closed")
            yield self._ptr
        finally:
            self._pins.discard(pin)
            self.free_dropped()
            self._close_when_free()

    def close(self) -> None:
        """Closes now, or when the last call inside returns. Never waits; may be called any number of times."""
        self._closing = True
        if self.scheduler is not None:
            self.scheduler.stop()
        self._close_when_free()

    def _close_when_free(self) -> None:
        if self._closing and not self._pins and not self.is_foreign:
            self.free_dropped()
            _drain(self._open, self.native.lib.ds4x_engine_close)

    def drop_sessions(self, owned: deque[CData]) -> None:
        """Empties `owned` and frees the native sessions in these `ds4x_session **` as soon as nobody computes.

        Never waits; NULL is allowed. In a forked child nothing is freed.
        """
        _drain(owned, self._dropped.append)
        self.free_dropped()

    def drop_checkpoints(self, owned: deque[CData]) -> None:
        """The same for `ds4x_checkpoint **`."""
        _drain(owned, self._dropped_checkpoints.append)
        self.free_dropped()

    def free_dropped(self) -> None:
        """Frees what was dropped unless somebody computes, who will then do it. Never waits."""
        # A finalizer can run on the thread that computes, so nobody waits here: who holds the lock looks again
        # afterwards.
        while (self._dropped or self._dropped_checkpoints) and not self.is_foreign:
            locked = False
            try:
                (locked,) = map(self.compute_lock.acquire, (False,))  # with no place for a signal handler in between
                if not locked:
                    return
                self.free_dropped_now()
            finally:
                if locked:
                    self.compute_lock.release()

    def free_dropped_now(self) -> None:
        """Frees what was dropped. For who holds `compute_lock` and uses none of it."""
        _drain(self._dropped, self.native.lib.ds4x_session_free, itemgetter(0))
        _drain(self._dropped_checkpoints, self.native.lib.ds4x_checkpoint_free, itemgetter(0))


class _Entry:
    """A slot of the registry. Its engine is opened under its own lock: a slow open blocks only its own users."""

    def __init__(self, key: tuple[object, ...]) -> None:
        self.key = key
        self.pid = os.getpid()
        self.users: set[object] = set()
        self.open_lock = threading.Lock()
        self.shared: SharedEngine | None = None


_lock = threading.Lock()
_entries: dict[tuple[object, ...], _Entry] = {}
_released: deque[tuple[_Entry, object]] = deque()
_unused: set[SharedEngine] = set()


def _reset_after_fork() -> None:
    # The child starts with no engines; locks that other threads of the parent held would never be released here.
    global _lock, _entries, _released, _unused
    _lock = threading.Lock()
    _entries = {}
    _released = deque()
    _unused = set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


class Lease:
    """One user's share of a native engine. `release()` may be called any number of times, from any thread."""

    def __init__(self, entry: _Entry, user: object, shared: SharedEngine) -> None:
        """Made by `acquire` and `another` only."""
        self._entry = entry
        self._user = user
        self.shared = shared

    def another(self) -> Lease:
        """A second share of the same native engine. When the last one is already released, it is of no use."""
        user = object()
        self._entry.users.add(user)
        return Lease(self._entry, user, self.shared)

    def release(self) -> None:
        """Gives the share back; the last one closes the native engine. Never waits for a lock."""
        _release(self._entry, self._user)

    def __del__(self) -> None:
        # For one that nobody has entered yet, or whose user's finalizer was torn apart by a signal handler.
        if self._user in self._entry.users:
            self.release()


def _release(entry: _Entry, user: object) -> None:
    if entry.pid == os.getpid() and user in entry.users:
        _released.append((entry, user))
        _collect()


def acquire(options: OpenOptions) -> Lease:
    """A share of the native engine for these options, opening it when nobody has.

    Raises:
        DS4Error: Whatever opening the file raises; nothing is kept then and a later call tries again.
    """
    # The path as written does not matter, only which file it leads to.
    key: tuple[object, ...] = (file_identity(options.path), replace(options, path=""))
    user = object()
    entry: _Entry | None = None
    opened = False
    try:
        with _lock:
            entry = _entries.setdefault(key, _Entry(key))
            entry.users.add(user)
        with entry.open_lock:
            if entry.shared is None:
                with BOARD.opening(options.path):
                    entry.shared = _open(options)
                opened = not options.vocab_only
            shared = entry.shared
        _collect()
        if opened:
            _LOG.info("%s", shared.description)
        return Lease(entry, user, shared)
    except BaseException:
        if entry is not None:
            _release(entry, user)
        raise


def _collect() -> None:
    # Settles released shares. A finalizer can run inside the locked block of its own thread, so it must not wait:
    # whoever has the lock looks again after leaving it. Each step may be repeated, and what is still to be done stays
    # listed until it is done: an exception of a signal handler loses nothing.
    while _released:
        locked = False
        lock = _lock
        try:
            (locked,) = map(lock.acquire, (False,))  # with no place for a signal handler in between
            if not locked:
                return
            while _released:
                entry, user = _released[0]
                entry.users.discard(user)
                if not entry.users:
                    if entry.shared is not None:
                        _unused.add(entry.shared)
                    if _entries.get(entry.key) is entry:
                        del _entries[entry.key]
                _released.popleft()
        finally:
            if locked:
                lock.release()
    for shared in tuple(_unused):
        shared.close()
        _unused.discard(shared)


def open_count() -> int:
    """How many native engines this process has open through the registry."""
    _collect()
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
    c_options.checkpoint_bytes_max = options.checkpoint_bytes_max
    # No callback for messages: Python code called from inside libds4 can not pass on an exception (Ctrl-C) and must not
    # run while the interpreter ends. The one message there is, about an engine just opened, is logged by `acquire`.
    out, err = ffi.new("ds4x_engine **"), loaded.new_error()
    try:
        loaded.check(lib.ds4x_engine_open(c_options, out, err), err, path=options.path)
        return SharedEngine(loaded, out[0], options)
    except BaseException:
        lib.ds4x_engine_close(out[0])
        raise
