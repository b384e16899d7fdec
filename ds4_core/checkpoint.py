"""`Checkpoint`: a point of a session's timeline to which new sessions can return."""

from __future__ import annotations

import weakref
from collections import deque
from typing import TYPE_CHECKING

from ds4_core.errors import EngineClosedError
from ds4_core.native import CData
from ds4_core.sampling import random_seed, rng_from_seed
from ds4_core.scheduler import Scheduler
from ds4_core.types import checked_int
from ds4_core.work import SessionWork, at_once

if TYPE_CHECKING:
    from ds4_core.session import Session


class Checkpoint:
    """A point of a timeline to which new sessions can return. Made by `Session.checkpoint`; freed when dropped.

    It works as long as its engine is open, also after its session was closed, from any thread.
    """

    def __init__(self, session: Session) -> None:
        """For `Session.checkpoint`, on the scheduler's thread.

        Raises:
            OutOfMemoryError: No room for its copy of the state.
        """
        self._engine = session._engine  # keeps the engine's share alive as long as the checkpoint
        self._shared = shared = session._shared
        self._kind = type(session)
        self._tokens = session._tokens.copy()
        self._n_ctx = session._n_ctx
        self._out = shared.native.ffi.new("ds4x_checkpoint **")
        self._owned: deque[CData] = deque([self._out])  # empty after close()
        weakref.finalize(self, shared.drop_checkpoints, self._owned)
        lib = shared.native.lib
        Scheduler.of(shared).call(lib.ds4x_checkpoint_create, session._ptr, self._out)
        self._n_bytes = int(lib.ds4x_checkpoint_bytes(self._out[0]))

    @property
    def pos(self) -> int:
        """Tokens it holds."""
        return len(self._tokens)

    @property
    def n_bytes(self) -> int:
        """Bytes of its own copy of the state; its pages are shared with whoever holds them too."""
        return self._n_bytes

    @property
    def n_ctx(self) -> int:
        """Most tokens that the session may hold it was made of."""
        return self._n_ctx

    @property
    def tokens(self) -> list[int]:
        """A copy of its token ids."""
        return self._tokens.copy()

    def close(self) -> None:
        """Frees it. Safe to call twice and from any thread; waits for nothing."""
        self._shared.drop_checkpoints(self._owned)

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return not self._owned

    def session(self, n_ctx: int | None = None, *, seed: int | None = None) -> Session:
        """A new session that goes on from here. It has no `logits()` until a token is evaluated.

        Args:
            n_ctx: Most tokens it may hold, at least `pos`; default: that of the session it was made of.
            seed: Of its random numbers; None takes one from the operating system.

        Raises:
            InvalidRequestError: `n_ctx` out of range, `seed` no integer.
            OutOfMemoryError: No room for its state.
            EngineClosedError, ForkedProcessError: The checkpoint or the engine can not be used.
        """
        session = self._session_work(n_ctx, seed).wait(self._engine._submit)
        if n_ctx is not None:
            self._engine._warn_of_context(session.n_ctx, stacklevel=3)
        return session

    def _session_work(self, n_ctx: int | None, seed: int | None) -> SessionWork[Session]:
        self._shared.check_process()
        limit = self._n_ctx if n_ctx is None else checked_int("n_ctx", n_ctx, max(1, self.pos), 2**31 - 1)
        seed = random_seed() if seed is None else seed
        rng_from_seed(seed)
        self._check_open()

        def resume(ptr: CData) -> Session:
            self._check_open()
            shared = self._shared
            out = shared.native.ffi.new("ds4x_session **")
            session = self._kind._adopt(self._engine, shared, out, limit, seed)
            Scheduler.of(shared).call(shared.native.lib.ds4x_checkpoint_resume, self._out[0], limit, out)
            session._tokens = self._tokens.copy()
            return session

        return SessionWork((), at_once(resume), self._engine._is_closed)

    def _check_open(self) -> None:
        if self.closed:
            raise EngineClosedError("the checkpoint was closed")

    def __repr__(self) -> str:
        """Tells where it is."""
        return f"<Checkpoint {'closed' if self.closed else f'at {self.pos} tokens, {self.n_bytes} bytes'}>"
