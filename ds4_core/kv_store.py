"""Beginnings of prompts on disk: what was computed for them outlives the process.

One file for each beginning, `<tokens>-<digest of the tokens>.kv`, in a folder for the model and for what else its rows
depend on. The bytes and all checks of them are libds4's. Several processes may share a folder: a file appears whole,
and one that another process has removed is merely not found.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b, sha256
from typing import Any

import numpy as np

from ds4_core import state
from ds4_core.errors import DS4Error, ModelFormatError
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.timeline import NativeCheckpoint, NativeSession
from ds4_core.types import CancelFlag, IntArray

_LOG = logging.getLogger(__name__)

#: Fewer tokens are computed about as fast as they are read, and are not stored.
MIN_TOKENS = 256
_NAME = re.compile(r"(\d{8,})-([0-9a-f]{32})\.kv")
_DRAFT = re.compile(_NAME.pattern + r"\..+")
#: Bytes that may wait to be written; what comes on top is not stored.
_MAX_PENDING = 2**28
#: A draft that is older was left by a process that ended while it wrote.
_STALE_S = 3600.0
#: Longest wait for the writer when an engine is closed.
_FLUSH_S = 5.0


class KvStore:
    """The stored beginnings of one engine. Its scheduler's thread asks and gives; a thread of its own writes.

    What can not be read or written is as if it were not there: it is computed again.
    """

    def __init__(self, shared: SharedEngine, folder: str, bytes_max: int) -> None:
        """Touches nothing yet.

        Args:
            shared: The engine.
            folder: Made when something is stored first; readable for its owner alone.
            bytes_max: Most bytes of the whole folder; what was not used for longest is removed first.
        """
        self._shared = shared
        self._native = shared.native
        self._root, self._bytes_max = folder, bytes_max
        self._folder = ""  # of this model; known once the engine was asked
        self._read_at = -1  # the folder's time of change when it was read last
        self._known: dict[int, set[str]] = {}  # digests by number of tokens
        self._pending: deque[tuple[str, bytearray]] = deque()
        self._n_pending = 0
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None

    # -- finding -------------------------------------------------------------------------------------------------------

    def fetch(self, ptr: CData, ids: IntArray, start: int) -> NativeCheckpoint | None:
        """The longest stored beginning of `ids`, when it saves computing a number of tokens.

        Args:
            ptr: The native engine.
            ids: All tokens of a request; the last one is computed in any case.
            start: How many of them are there without.
        """
        ids = ids[:-1]
        for n, path in self._found(ptr, ids, start):
            try:
                return self._load(ptr, path, ids[:n])
            except ModelFormatError as error:
                _LOG.warning("%s is removed, it can not be used: %s", path, error)
                with suppress(OSError):
                    os.unlink(path)
            except DS4Error as error:  # removed meanwhile, or no room
                _LOG.debug("%s is not used: %s", path, error)
        return None

    def _found(self, ptr: CData, ids: IntArray, start: int) -> Iterator[tuple[int, str]]:
        # Longest first.
        self._look(ptr)
        raw = np.ascontiguousarray(ids, dtype="<i4").data.cast("B")
        digest, done = blake2b(digest_size=16), 0
        found: list[tuple[int, str]] = []
        for n in sorted(self._known):
            if n > len(ids):
                break
            digest.update(raw[4 * done : 4 * n])
            done = n
            name = digest.hexdigest()
            if n >= start + MIN_TOKENS and name in self._known[n]:
                found.append((n, self._path(n, name)))
        return reversed(found)

    def _load(self, ptr: CData, path: str, tokens: IntArray) -> NativeCheckpoint:
        native = self._native
        source = state.Source(path, CancelFlag())
        session: NativeSession | None = None
        try:
            session = NativeSession.create(native, ptr, len(tokens))
            source.load(native, self._call, session.ptr, self._shared.n_vocab, "pages")
            held = np.empty(len(tokens), dtype=np.int32)
            native.lib.ds4x_session_tokens(session.ptr, native.ffi.from_buffer("int32_t[]", held), len(held))
            if session.pos != len(tokens) or not np.array_equal(held, tokens):
                raise ModelFormatError(f"{path}: holds other tokens than its name says")
            checkpoint = session.checkpoint()
            checkpoint.low = checkpoint.pos  # what lies before is not in the file
        finally:
            source.close()
            if session is not None:
                session.close()
        with suppress(OSError):
            os.utime(path)
        return checkpoint

    def _call(self, function: Any, *arguments: Any) -> None:
        err = self._native.new_error()
        self._native.check(function(*arguments, err), err)

    def _path(self, n: int, digest: str) -> str:
        return os.path.join(self._folder, f"{n:08d}-{digest}.kv")

    def _look(self, ptr: CData) -> None:
        # Reads the folder when it has changed: others may write too.
        if not self._folder:
            self._folder = os.path.join(self._root, self._identity(ptr))
        try:
            changed = os.stat(self._folder).st_mtime_ns
            if changed != self._read_at:
                self._known = {}
                for match in map(_NAME.fullmatch, os.listdir(self._folder)):
                    if match is not None:
                        self._known.setdefault(int(match[1]), set()).add(match[2])
                self._read_at = changed
        except OSError:
            self._known, self._read_at = {}, -1

    def _identity(self, ptr: CData) -> str:
        # Everything that rows depend on.
        native = self._native
        out, info = native.ffi.new("uint8_t[32]"), native.ffi.new("ds4x_engine_info *")
        info.struct_size = native.ffi.sizeof("ds4x_engine_info")
        self._call(native.lib.ds4x_fingerprint, ptr, out)
        self._call(native.lib.ds4x_engine_get_info, ptr, info)
        facts = [int(getattr(info, name)) for name in ("backend", "isa", "exact", "kv_dtype", "kv_simulation")]
        return sha256(bytes(out) + repr(facts).encode()).hexdigest()[:32]

    # -- storing -------------------------------------------------------------------------------------------------------

    def offer(self, ptr: CData, tokens: IntArray, session: NativeSession) -> None:
        """Stores what a timeline holds, if that is worth it and not stored yet. Copies it; a thread writes it later.

        Args:
            ptr: The native engine.
            tokens: What the timeline holds.
            session: The timeline.
        """
        n = len(tokens)
        if n < MIN_TOKENS or self._n_pending > _MAX_PENDING:
            return
        try:
            self._look(ptr)
            name = blake2b(np.ascontiguousarray(tokens, dtype="<i4").tobytes(), digest_size=16).hexdigest()
            if name in self._known.get(n, ()):
                return
            data = state.snapshot(self._native, session.ptr, None, "pages")
        except (DS4Error, MemoryError) as error:
            _LOG.debug("%d tokens are not stored: %s", n, error)
            return
        self._known.setdefault(n, set()).add(name)
        with self._lock:
            self._pending.append((self._path(n, name), data))
            self._n_pending += len(data)
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_all, name="ds4-kv-store", daemon=True)
                self._writer.start()

    def flush(self) -> None:
        """Waits until everything is written, at most some seconds."""
        writer = self._writer
        if writer is not None:
            writer.join(_FLUSH_S)

    def _write_all(self) -> None:
        while True:
            with self._lock:
                if not self._pending:
                    self._writer = None
                    return
                path, data = self._pending.popleft()
            try:
                self._write(path, data)
                self._tidy()
            except OSError as error:
                _LOG.warning("%s is not stored: %s", path, error)
            finally:
                with self._lock:
                    self._n_pending -= len(data)

    def _write(self, path: str, data: bytearray) -> None:
        if len(data) > self._bytes_max:
            return
        folder, name = os.path.split(path)
        os.makedirs(folder, mode=0o700, exist_ok=True)
        # Not forced to the disk: what is torn there is noticed when it is read, and removed.
        fd, draft = tempfile.mkstemp(prefix=f"{name}.", dir=folder)
        try:
            with open(fd, "wb") as file:
                file.write(data)
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(draft)
            raise

    def _tidy(self) -> None:
        # Over all models of the folder: the least recently used go first, and drafts that nobody will finish.
        files = []
        total = 0
        for folder in os.scandir(self._root):
            if not folder.is_dir(follow_symlinks=False):
                continue
            for entry in os.scandir(folder.path):
                with suppress(OSError):
                    facts = entry.stat(follow_symlinks=False)
                    if _NAME.fullmatch(entry.name):
                        files.append((facts.st_mtime_ns, facts.st_size, entry.path))
                        total += facts.st_size
                    elif _DRAFT.fullmatch(entry.name) and time.time() - facts.st_mtime > _STALE_S:
                        os.unlink(entry.path)
        for _, size, path in sorted(files):
            if total <= self._bytes_max:
                return
            with suppress(OSError):
                os.unlink(path)
            total -= size
