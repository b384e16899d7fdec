"""Sessions as bytes: `snapshot`, `restore`, `save` and `load`, which `Session` has from here."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import numpy as np

from ds4_core import state
from ds4_core.errors import InvalidRequestError, ModelFileError
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.scheduler import Scheduler
from ds4_core.state import Source, StateBytes, StateFile, StateFormat, checked_format
from ds4_core.types import CancelFlag, FloatArray
from ds4_core.work import SessionWork, Steps, at_once

T = TypeVar("T")


class Saving(ABC):
    """What a session must have to be saved, and the methods that do it."""

    _shared: SharedEngine

    @property
    @abstractmethod
    def _ptr(self) -> CData: ...

    @property
    @abstractmethod
    def _logits(self) -> FloatArray | None: ...

    @abstractmethod
    def _work(self, steps: Callable[[CData], Steps[T]], cancel: CancelFlag | None = None) -> SessionWork[T]: ...

    @abstractmethod
    def _do(self, work: SessionWork[T]) -> T: ...

    @abstractmethod
    def _now_holds(self, tokens: list[int], logits: FloatArray | None) -> None: ...

    def snapshot(self, *, format: StateFormat = "pages") -> bytearray:
        """Everything the session holds, as bytes for `restore`.

        Args:
            format: "pages" is the package's own: KV pages as they lie in memory, checksummed, with a fingerprint of the
                model. "payload" is DS4's, version 1: f32 rows, for any model of the same shape; it holds no
                fingerprint, needs the logits of the last token, and fits sessions of the same `n_ctx` (from 2,048 on
                also larger ones) that it does not fill.

        Raises:
            InvalidRequestError: An unknown format.
            EngineStateError: "payload" and there are no `logits()`.
        """
        return self._do(self._snapshot_work(format))

    def _snapshot_work(self, format: StateFormat) -> SessionWork[bytearray]:
        format = checked_format(format)
        return self._work(at_once(lambda ptr: state.snapshot(self._shared.native, self._ptr, self._logits, format)))

    def restore(self, data: StateBytes, *, format: StateFormat = "pages") -> None:
        """Makes the session hold what `snapshot` gave, from any session of the same model.

        Everything is checked first: after an error the session is unchanged.

        Args:
            data: The bytes; they must not change meanwhile.
            format: As they were written.

        Raises:
            InvalidRequestError: No bytes, or an unknown format.
            ModelFormatError: The bytes are damaged, cut short, or of another model or KV dtype.
            ContextFullError: They hold more tokens than `n_ctx`, or are a payload of another one.
            OutOfMemoryError: No room for them beside what the session holds.
        """
        self._do(self._restore_work(data, format))

    def _restore_work(self, data: StateBytes, format: StateFormat) -> SessionWork[None]:
        format, native = checked_format(format), self._shared.native
        try:
            buffer = native.ffi.from_buffer(data)
        except (TypeError, ValueError, BufferError) as error:
            raise InvalidRequestError(
                f"the data is {type(data).__name__}: it must be bytes or another contiguous buffer"
            ) from error
        return self._replaced(lambda call: state.restore(native, call, self._ptr, self._shared.n_vocab, buffer, format))

    def save(self, file: StateFile, *, format: StateFormat = "pages") -> None:
        """Writes what `snapshot` gives to a file, without a copy in memory.

        Args:
            file: A path, which is replaced once everything is written, readable for its owner alone; or an open binary
                file or descriptor, written from where it stands. Pipes, sockets and the like may be read as slowly as
                they want: they get what the session held when its turn came, from a copy in memory.
            format: As in `snapshot`.

        Raises:
            InvalidRequestError: No file, or an unknown format.
            ModelFileError: It can not be written.
            EngineStateError: "payload" and there are no `logits()`.
        """
        stop = CancelFlag()
        rest = self._do(self._save_work(state.path_or_descriptor(file), format, stop))
        if rest is not None:
            rest()

    def _save_work(
        self, where: str | int, format: StateFormat, stop: CancelFlag
    ) -> SessionWork[Callable[[], None] | None]:
        # Its result is what is left to be done outside the scheduler's thread, because it may take long.
        format, native = checked_format(format), self._shared.native
        if isinstance(where, int) and not state.is_regular(where):
            take = partial(state.snapshot, native)
            return self._work(
                at_once(lambda ptr: partial(state.write_all, where, take(self._ptr, self._logits, format), stop))
            )

        def to_descriptor(fd: int) -> None:
            # One of its own: whoever gave up waiting may close his meanwhile.
            try:
                own = os.dup(fd)
            except OSError as error:
                raise ModelFileError(f"the descriptor {fd}: {error.strerror}") from error
            try:
                state.write(native, self._ptr, self._logits, own, format)
            finally:
                os.close(own)

        def to_path(path: str) -> Callable[[], None]:
            draft = state.Draft(path)
            try:
                state.write(native, self._ptr, self._logits, draft.fd, format)
            except BaseException:
                draft.drop()
                raise
            return draft.keep

        return self._work(at_once(lambda ptr: to_descriptor(where) if isinstance(where, int) else to_path(where)))

    def load(self, file: StateFile, *, format: StateFormat = "pages") -> None:
        """Makes the session hold what `save` wrote; unchanged after an error.

        The file is opened, or when it is a pipe read, before the session's turn comes.

        Args:
            file: A path, or an open binary file or descriptor, read from where it stands to its end.
            format: As it was written.

        Raises:
            InvalidRequestError: No file, or an unknown format.
            ModelFileError, ModelNotFoundError: It can not be read.
            ModelFormatError, ContextFullError, OutOfMemoryError: As `restore`.
        """
        checked_format(format)
        source = Source(file, CancelFlag())
        self._do(self._load_work(source, format))
        source.at_its_end(file)

    def _load_work(self, source: Source, format: StateFormat) -> SessionWork[None]:
        format, native = checked_format(format), self._shared.native

        def load(call: state.Call) -> FloatArray | None:
            try:
                return source.load(native, call, self._ptr, self._shared.n_vocab, format)
            finally:
                source.close()

        return self._replaced(load)

    def _replaced(self, load: Callable[[state.Call], FloatArray | None]) -> SessionWork[None]:
        def steps(ptr: CData) -> None:
            logits = load(Scheduler.of(self._shared).call)
            native = self._shared.native
            n = int(native.lib.ds4x_session_pos(self._ptr))
            ids = np.empty(max(n, 1), dtype=np.int32)
            native.lib.ds4x_session_tokens(self._ptr, native.ffi.from_buffer("int32_t[]", ids), n)
            self._now_holds(ids[:n].tolist(), logits)

        return self._work(at_once(steps))
