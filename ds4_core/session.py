"""`Session`: one timeline of tokens on an engine, for callers that work token by token."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import numpy as np

from ds4_core.checkpoint import Checkpoint
from ds4_core.choosing import Choosing
from ds4_core.errors import (
    ContextFullError,
    DS4Error,
    EngineClosedError,
    InvalidRequestError,
    InvalidTokenError,
    OutOfMemoryError,
)
from ds4_core.model import token_array
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.sampling import rng_from_seed
from ds4_core.saving import Saving
from ds4_core.scheduler import Scheduler
from ds4_core.types import CancelFlag, FloatArray, IntArray, checked_int
from ds4_core.work import Feed, SessionWork, Steps, Work, at_once

if TYPE_CHECKING:
    from ds4_core.engine import Engine

T = TypeVar("T")

# So many tokens are taken back for nothing.
_REWIND_SLACK = 9


class _Before(NamedTuple):
    # What a session was before an eval, and how many changes it had seen after it.
    pos: int
    last: tuple[int, FloatArray] | None
    changes: int


class Session(Saving, Choosing):
    """Tokens, their KV state, and the logits that the last one left. Made by `Engine.session`.

    Every method either does what it says or raises and leaves the session as it was; after an exception from outside
    (Ctrl-C, a signal handler) one of the two is true as well. A session is used by one thread at a time; different
    sessions of an engine may be used from different threads.
    """

    def __init__(self) -> None:
        """Not for callers: use `Engine.session` or `fork`."""
        raise TypeError("use Engine.session() or Session.fork()")

    _engine: Engine
    _shared: SharedEngine
    _out: CData
    _owned: deque[CData]
    _n_ctx: int
    _tokens: list[int]
    _last: tuple[int, FloatArray] | None
    _changes: int
    _seed: int
    _rng: int

    @classmethod
    def _adopt(cls, engine: Engine, shared: SharedEngine, out: CData, n_ctx: int, seed: int) -> Self:
        # Takes ownership of the native session that the caller is about to put into `out`: made first, so that nothing
        # is lost when an exception comes in between.
        session = cls.__new__(cls)
        session._engine = engine  # keeps the engine's share alive as long as the session
        session._shared = shared
        session._out = out
        session._n_ctx = n_ctx
        session._tokens = []  # what the native session holds
        session._last = None  # number of tokens, logits after them; of no use when it is another number by now
        session._changes = 0  # raised with every change of its tokens
        session._seed = seed
        session._rng = rng_from_seed(seed)
        session._owned = deque([out])  # empty after close()
        weakref.finalize(session, shared.drop_sessions, session._owned)
        return session

    # -- life ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Frees the KV state. Safe to call twice; a computation of another session is not waited for."""
        self._shared.drop_sessions(self._owned)
        self._last = None

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return not self._owned

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """Tells how far it is."""
        return f"<Session {'closed' if self.closed else f'{self.pos} of {self.n_ctx} tokens'}>"

    @property
    def _ptr(self) -> CData:
        return self._out[0]

    @property
    def _logits(self) -> FloatArray | None:
        last = self._last
        return last[1] if last is not None and last[0] == len(self._tokens) else None

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The engine it lives on."""
        return self._engine

    @property
    def n_ctx(self) -> int:
        """Most tokens it may hold."""
        return self._n_ctx

    @property
    def pos(self) -> int:
        """Tokens it holds."""
        return len(self._tokens)

    @property
    def tokens(self) -> list[int]:
        """A copy of the token ids it holds."""
        return self._tokens.copy()

    @property
    def text_bytes(self) -> bytes:
        """The bytes its tokens stand for, special tokens included."""
        return self._engine.model.detokenize(self._tokens)

    @property
    def text(self) -> str:
        """The same as text; bytes that are no UTF-8 become U+FFFD."""
        return self.text_bytes.decode("utf-8", "replace")

    @property
    def seed(self) -> int:
        """The seed its random numbers began with."""
        return self._seed

    def tokenize(self, text: str | bytes, *, parse_special: bool = False) -> list[int]:
        """Token ids of a text; see `Model.tokenize`. Does not change the session."""
        return self._engine.model.tokenize(text, parse_special=parse_special)

    # -- computing -----------------------------------------------------------------------------------------------------
    #
    # Each method is work for the scheduler's thread: `_..._work` says what is to be done, the method waits for it and
    # `AsyncSession` awaits it. Tokens and logits change on that thread alone.

    def _work(self, steps: Callable[[CData], Steps[T]], cancel: CancelFlag | None = None) -> SessionWork[T]:
        CancelFlag.pointer_of(cancel)
        self._check_open()
        return SessionWork((self,), steps, self._is_closed, cancel)

    def _submit(self, work: Work[Any]) -> None:
        Scheduler.of(self._engine._shared()).submit(work)

    def _do(self, work: SessionWork[T]) -> T:
        return work.wait(self._submit)

    def _is_closed(self) -> bool:
        return self.closed or self._engine.closed

    def _check_open(self) -> None:
        self._shared.check_process()
        if self.closed:
            raise EngineClosedError("the session was closed")
        self._engine._check_not_closed()

    def sync(
        self,
        tokens: Sequence[int],
        *,
        cancel: CancelFlag | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """Makes the session hold exactly `tokens`, computing only what is new, with the `logits()` of the last one.

        The longest common prefix is kept, also for a shorter or a diverging prompt. When `tokens` is what the session
        already holds, nothing is computed.

        Args:
            tokens: At least one id.
            cancel: Stops the computation; the session is then unchanged, or holds a beginning of `tokens`: what it had
                in common with them, and maybe more. The same is true after Ctrl-C and after an OutOfMemoryError.
            progress: Called with (done, total) whenever a piece is computed, by the thread that waits here: `done` of
                `total` tokens, ascending to `total`. What it raises stops the computation and passes.

        Raises:
            InvalidRequestError: No tokens.
            InvalidTokenError, ContextFullError: Checked before anything is dropped: the session is unchanged.
            GenerationCancelled: `cancel` was set.
        """
        self._do(self._sync_work(tokens, cancel, progress))

    def _sync_work(
        self, tokens: Sequence[int], cancel: CancelFlag | None, progress: Callable[[int, int], object] | None = None
    ) -> SessionWork[None]:
        if progress is not None and not callable(progress):
            raise InvalidRequestError(f"progress is {type(progress).__name__}: it must be a function of (done, total)")
        ids = self._checked_ids(tokens)
        if len(ids) > self._n_ctx:
            raise ContextFullError(
                f"the prompt has {len(ids)} tokens, n_ctx is {self._n_ctx}: shorten it or make a larger session"
            )

        def steps(ptr: CData) -> Steps[None]:
            native = self._shared.native
            c_ids = native.ffi.from_buffer("int32_t[]", ids)
            common = int(native.lib.ds4x_session_common_prefix(self._ptr, c_ids, len(ids)))
            if common < len(ids):
                if common < self.pos:
                    yield from self._go_back(common)
                yield from self._take(ids[common:], lambda: work.tell(self.pos, len(ids)))
            elif common < self.pos or self._logits is None:
                # At least the last token is computed, for its logits; unless that succeeds nothing has happened.
                beside = self._fork_near(common - 1)
                logits = yield from self._exchanged(beside, ids, wants_logits=True)
                self._now_holds(ids.tolist(), logits)
                work.tell(len(ids), len(ids))

        work = self._work(steps, cancel)
        work.listener = progress
        return work

    def eval(self, tokens: int | Sequence[int], *, cancel: CancelFlag | None = None) -> None:
        """Appends one token, or several; afterwards `logits()` are those of the last.

        Raises:
            InvalidRequestError: No tokens.
            InvalidTokenError, ContextFullError, GenerationCancelled, OutOfMemoryError: The session is unchanged, as
                it is after Ctrl-C.
        """
        work = self._eval_work(tokens, cancel)
        try:
            self._do(work)
        except BaseException:
            if work.may_be_done:
                with suppress(DS4Error):  # closed
                    self._undo_work(work).settle(self._submit)
            raise

    def _eval_work(self, tokens: int | Sequence[int], cancel: CancelFlag | None) -> SessionWork[_Before]:
        ids = self._checked_ids([tokens] if isinstance(tokens, (int, np.integer)) else tokens)

        def steps(ptr: CData) -> Steps[_Before]:
            pos, last = self.pos, self._last
            if pos + len(ids) > self._n_ctx:
                raise ContextFullError(f"{len(ids)} tokens at position {pos} do not fit, n_ctx is {self._n_ctx}")
            if pos == 0 or len(ids) <= _REWIND_SLACK:
                try:
                    yield from self._take(ids)
                except Exception:
                    self._back_for_nothing(pos)
                    raise
            else:
                yield from self._take_wholly(ids)
            return _Before(pos, last, self._changes)

        return self._work(steps, cancel)

    def _undo_work(self, work: SessionWork[_Before]) -> SessionWork[None]:
        # Whoever gave up an eval must not find it done a moment later: it is taken back if it was done after all,
        # unless what others asked of the session has begun since. Asked after it, this comes after it.
        def steps(ptr: CData) -> Steps[None]:
            if not work.succeeded:
                return
            before = work.outcome()
            if before.changes == self._changes:
                yield from self._go_back(before.pos)
                self._last = before.last

        return self._work(steps)

    def rewind(self, pos: int, *, cancel: CancelFlag | None = None) -> None:
        """Goes back to the first `pos` tokens, exactly.

        A few tokens back cost nothing; further back the nearest checkpoint at or before `pos` is restored and the
        tokens between are computed again. There are no `logits()` afterwards until a token is evaluated.

        Raises:
            InvalidRequestError: `pos` is not 0 .. `self.pos`.
            GenerationCancelled: `cancel` was set; the session is unchanged.
            OutOfMemoryError: No room for what is computed again; the session is unchanged.
        """
        self._do(self._rewind_work(pos, cancel))

    def _rewind_work(self, pos: int, cancel: CancelFlag | None) -> SessionWork[None]:
        pos = checked_int("pos", pos, -(2**63), 2**63)

        def steps(ptr: CData) -> Steps[None]:
            if not 0 <= pos <= self.pos:
                raise InvalidRequestError(f"can not rewind to {pos}: the session is at {self.pos}")
            if pos < self.pos:
                yield from self._go_back(pos)

        return self._work(steps, cancel)

    def fork(self, *, seed: int | None = None) -> Session:
        """A second session with the same tokens, KV and logits. The two go their own ways; memory is shared meanwhile.

        Args:
            seed: Of the new session's random numbers; None continues with a copy of this session's.

        Raises:
            InvalidRequestError: `seed` is no integer.
            OutOfMemoryError: No room for its state.
        """
        return self._do(self._fork_work(seed))

    def _fork_work(self, seed: int | None) -> SessionWork[Session]:
        def fork(ptr: CData) -> Session:
            twin = self._new_twin(self._seed if seed is None else seed)
            self._call(self._shared.native.lib.ds4x_session_fork, self._ptr, twin._out)
            twin._tokens = self._tokens.copy()
            twin._last = self._last
            if seed is None:
                twin._rng = self._rng
            return twin

        return self._work(at_once(fork))

    def checkpoint(self) -> Checkpoint:
        """A point from which new sessions can go on, also after this one is gone: shared pages and a small copy.

        Raises:
            OutOfMemoryError: No room for the copy.
        """
        return self._do(self._checkpoint_work())

    def _checkpoint_work(self) -> SessionWork[Checkpoint]:
        return self._work(at_once(lambda ptr: Checkpoint(self)))

    # -- on the scheduler's thread -------------------------------------------------------------------------------------

    def _checked_ids(self, tokens: Any) -> IntArray:
        ids = token_array(tokens)
        if not len(ids):
            raise InvalidRequestError("there are no tokens: at least one is needed")
        if ids.max() >= self._shared.n_vocab:
            raise InvalidTokenError(
                f"token {ids.max()} is outside the vocabulary: ids are 0 .. {self._shared.n_vocab - 1}"
            )
        # Computed later: the caller's own array may have changed by then.
        return ids if isinstance(tokens, (list, tuple)) else ids.copy()

    def _call(self, function: Callable[..., int], *arguments: Any) -> None:
        Scheduler.of(self._shared).call(function, *arguments)

    def _take(self, ids: IntArray, took_some: Callable[[], object] | None = None) -> Steps[None]:
        # Appends tokens and keeps the logits of the last.
        def took(ids: IntArray) -> None:
            self._took(ids)
            if took_some is not None:
                took_some()

        logits = yield Feed(self._ptr, ids, took, wants_logits=True)
        assert logits is not None  # noqa: S101
        self._last = (len(self._tokens), logits)

    def _took(self, ids: IntArray) -> None:
        self._tokens += ids.tolist()
        self._changes += 1

    def _take_wholly(self, ids: IntArray) -> Steps[None]:
        # The same, wholly or not at all: in a session beside this one, which it changes places with at the end.
        try:
            beside = self._fork_near(self.pos)
        except OutOfMemoryError:  # slower for the others, but without a second session
            logits = yield Feed(self._ptr, ids, self._took, wants_logits=True, whole=True)
        else:
            tokens = np.concatenate((np.asarray(self._tokens, dtype=np.int32), ids))
            logits = yield from self._exchanged(beside, tokens, wants_logits=True)
            self._took(ids)
        assert logits is not None  # noqa: S101
        self._last = (len(self._tokens), logits)

    def _go_back(self, pos: int) -> Steps[None]:
        # Unchanged unless it succeeds: what has to be computed again is computed beside the old timeline.
        if self._shared.native.lib.ds4x_session_near(self._ptr, pos) == pos:
            self._call(self._shared.native.lib.ds4x_session_rewind, self._ptr, pos, self._shared.native.ffi.NULL)
        else:
            ids = np.asarray(self._tokens[:pos], dtype=np.int32)
            yield from self._exchanged(self._fork_near(pos), ids, wants_logits=False)
        self._now_holds(self._tokens[:pos], None)

    def _fork_near(self, pos: int) -> Session:
        # A session with the first `pos` tokens or as many of them as cost nothing.
        beside = self._new_twin(self._seed)
        lib, null = self._shared.native.lib, self._shared.native.ffi.NULL
        near = lib.ds4x_session_near(self._ptr, pos)
        self._call(lib.ds4x_session_fork_at, self._ptr, near, null, beside._out)
        return beside

    def _exchanged(self, beside: Session, ids: IntArray, *, wants_logits: bool) -> Steps[FloatArray | None]:
        # Computes what `beside` lacks of `ids`, and gives it this session's place.
        lib = self._shared.native.lib
        try:
            at = int(lib.ds4x_session_pos(beside._ptr))
            logits = yield Feed(beside._ptr, ids[at:], wants_logits=wants_logits)
            self._call(lib.ds4x_session_swap, self._ptr, beside._ptr)
        finally:
            beside.close()
        return logits

    def _back_for_nothing(self, pos: int) -> None:
        # To a position that costs nothing, after a failure. A closed session may be freed already.
        native = self._shared.native
        if self.pos > pos and not self.closed:
            native.lib.ds4x_session_rewind(self._ptr, pos, native.ffi.NULL, native.ffi.NULL)
            del self._tokens[native.lib.ds4x_session_pos(self._ptr) :]
            self._changes += 1

    def _now_holds(self, tokens: list[int], logits: FloatArray | None) -> None:
        # After the native session was replaced or shortened.
        self._last = None
        self._tokens = tokens
        self._changes += 1
        if logits is not None:
            self._last = (len(tokens), logits)

    def _new_twin(self, seed: int) -> Session:
        # With room for a native session, which the caller is about to make.
        out = self._shared.native.ffi.new("ds4x_session **")
        return Session._adopt(self._engine, self._shared, out, self._n_ctx, seed)
