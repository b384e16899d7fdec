"""Native sessions and checkpoints as the scheduler holds them: owned by its thread, freed there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ds4_core.native import CData, Native


class NativeSession:
    """One `ds4x_session` of a request."""

    __slots__ = ("_native", "ptr")

    def __init__(self, loaded: Native, ptr: CData) -> None:
        """Takes ownership of `ptr`."""
        self._native = loaded
        self.ptr = ptr

    @classmethod
    def create(cls, loaded: Native, engine: CData, n_ctx: int) -> NativeSession:
        """An empty one that makes no checkpoints of itself.

        Raises:
            OutOfMemoryError: No room for its state.
        """
        out, err = loaded.ffi.new("ds4x_session **"), loaded.new_error()
        loaded.check(loaded.lib.ds4x_session_create(engine, n_ctx, out, err), err)
        return cls._without_checkpoints(loaded, out[0])

    @classmethod
    def resume(cls, loaded: Native, checkpoint: NativeCheckpoint, n_ctx: int) -> NativeSession:
        """One that goes on from a checkpoint.

        Raises:
            OutOfMemoryError: No room for its state.
        """
        out, err = loaded.ffi.new("ds4x_session **"), loaded.new_error()
        loaded.check(loaded.lib.ds4x_checkpoint_resume(checkpoint.ptr, n_ctx, out, err), err)
        return cls._without_checkpoints(loaded, out[0])

    @classmethod
    def _without_checkpoints(cls, loaded: Native, ptr: CData) -> NativeSession:
        session, err = cls(loaded, ptr), loaded.new_error()
        loaded.check(loaded.lib.ds4x_session_auto_checkpoints(ptr, 0, err), err)
        return session

    @property
    def pos(self) -> int:
        """Tokens it holds."""
        return int(self._native.lib.ds4x_session_pos(self.ptr))

    def rewind_if_free(self, pos: int) -> bool:
        """Goes back to `pos` when nothing has to be computed for that; tells whether it did."""
        native, err = self._native, self._native.new_error()
        if native.lib.ds4x_session_near(self.ptr, pos) != pos:
            return False
        return bool(native.lib.ds4x_session_rewind(self.ptr, pos, native.ffi.NULL, err) == 0)

    def checkpoint(self) -> NativeCheckpoint:
        """A checkpoint at its position.

        Raises:
            OutOfMemoryError: No room for it.
        """
        native = self._native
        out, err = native.ffi.new("ds4x_checkpoint **"), native.new_error()
        native.check(native.lib.ds4x_checkpoint_create(self.ptr, out, err), err)
        return NativeCheckpoint(native, out[0])

    def close(self) -> None:
        """Frees it. Safe to call twice."""
        ptr, self.ptr = self.ptr, self._native.ffi.NULL
        self._native.lib.ds4x_session_free(ptr)


class NativeCheckpoint:
    """One `ds4x_checkpoint`."""

    __slots__ = ("_native", "low", "n_bytes", "pos", "ptr")

    def __init__(self, loaded: Native, ptr: CData) -> None:
        """Takes ownership of `ptr`."""
        self._native = loaded
        self.ptr = ptr
        #: Tokens it holds.
        self.pos: int = int(loaded.lib.ds4x_checkpoint_pos(ptr))
        #: The lowest position that a session resumed from it goes back to for nothing.
        self.low: int = int(loaded.lib.ds4x_checkpoint_low(ptr))
        #: Bytes of its own copy of the state; its pages apart.
        self.n_bytes: int = int(loaded.lib.ds4x_checkpoint_bytes(ptr))

    def close(self) -> None:
        """Frees it. Safe to call twice."""
        ptr, self.ptr = self.ptr, self._native.ffi.NULL
        self._native.lib.ds4x_checkpoint_free(ptr)


def common_prefix(a: Any, b: Any) -> int:
    """How many leading tokens two int32 arrays share."""
    n = min(len(a), len(b))
    different = np.flatnonzero(a[:n] != b[:n])
    return int(different[0]) if different.size else n
