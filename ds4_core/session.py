"""`Session`: one timeline of tokens on an engine, for callers that work token by token."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ds4_core.errors import (
    ContextFullError,
    EngineClosedError,
    EngineStateError,
    InvalidRequestError,
    InvalidTokenError,
)
from ds4_core.model import token_array
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.sampling import log_softmax, rng_from_seed, sample_logits
from ds4_core.types import CancelFlag, FloatArray, SampleParams, Span, TokenScore, checked_int

if TYPE_CHECKING:
    from ds4_core.engine import Engine


class Session:
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
        session._tokens = []  # what the native session holds; read without waiting for other sessions' computations
        session._last = None  # number of tokens, logits after them; of no use when it is another number by now
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

    def _check_usable(self, shared: SharedEngine) -> None:
        # Called with the compute lock held, so that a close() from elsewhere can not come in between.
        if self.closed:
            raise EngineClosedError("the session was closed")
        if shared is not self._shared:
            raise InvalidRequestError("the session belongs to another engine")
        # An exception between a native call and its entry in `_tokens` leaves the two apart: then that call is undone.
        native = shared.native
        pos = native.lib.ds4x_session_pos(self._ptr)
        if pos > len(self._tokens):
            err = native.new_error()
            native.check(native.lib.ds4x_session_rewind(self._ptr, len(self._tokens), native.ffi.NULL, err), err)
        elif pos < len(self._tokens):
            self._last = None
            del self._tokens[pos:]

    @property
    def _ptr(self) -> CData:
        return self._out[0]

    @property
    def _logits(self) -> FloatArray | None:
        last = self._last
        return last[1] if last is not None and last[0] == len(self._tokens) else None

    def _advance(self, ids: Any, logits: FloatArray | None) -> None:
        # The native session has taken these tokens; `logits` are those after the last of them, None when not read.
        self._tokens += ids.tolist()
        self._last = None if logits is None else (len(self._tokens), logits)

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

    def sync(self, tokens: Sequence[int], *, cancel: CancelFlag | None = None) -> None:
        """Makes the session hold exactly `tokens`, computing only what is new, with the `logits()` of the last one.

        The longest common prefix is kept. When `tokens` is what the session already holds, nothing is computed.

        Args:
            tokens: At least one id.
            cancel: Stops the computation; the session is then unchanged, or holds a beginning of `tokens`: what it had
                in common with them, and maybe more. The same is true after Ctrl-C, which stops it after at most one
                piece of the engine's `n_batch` tokens, and after an OutOfMemoryError.

        Raises:
            InvalidRequestError: No tokens.
            InvalidTokenError, ContextFullError: Checked before anything is dropped: the session is unchanged.
            GenerationCancelled: `cancel` was set.
        """
        ids = token_array(tokens)
        if not len(ids):
            raise InvalidRequestError("the prompt is empty: at least one token is needed")
        CancelFlag.pointer_of(cancel)
        if len(ids) > self._n_ctx:
            raise ContextFullError(
                f"the prompt has {len(ids)} tokens, n_ctx is {self._n_ctx}: shorten it or make a larger session"
            )
        self._check_ids(ids)
        kept = self._common_prefix(ids)
        if kept == len(ids) == self.pos and self._logits is not None:
            return
        kept = min(kept, len(ids) - 1)  # at least the last token is computed, for its logits
        if kept < self.pos:
            self.rewind(kept, cancel=cancel)
        self._append(ids[kept:], cancel)

    def eval(self, tokens: int | Sequence[int], *, cancel: CancelFlag | None = None) -> None:
        """Appends one token, or several; afterwards `logits()` are those of the last.

        Ctrl-C stops it after at most one piece of the engine's `n_batch` tokens; the session is then unchanged.

        Raises:
            InvalidRequestError: No tokens.
            InvalidTokenError, ContextFullError, GenerationCancelled, OutOfMemoryError: The session is unchanged.
        """
        pos, last = self.pos, self._last
        try:
            self._append(token_array([tokens] if isinstance(tokens, (int, np.integer)) else tokens), cancel)
        except BaseException:
            # The native session follows when it is used next.
            del self._tokens[pos:]
            self._last = last
            raise

    def _check_ids(self, ids: Any) -> None:
        n_vocab = self._shared.n_vocab
        if ids.max() >= n_vocab:
            raise InvalidTokenError(f"token {ids.max()} is outside the vocabulary: ids are 0 .. {n_vocab - 1}")

    def _append(self, ids: Any, cancel: CancelFlag | None) -> None:
        # In pieces, so that signal handlers get their turn. Others do not, and a close() waits for the end.
        from ds4_core.batch import Batch

        shared = self._engine._shared()
        size = max(1, shared.n_batch)
        if len(ids) > size:  # what would stop a later piece is told before the first
            self._check_ids(ids)
            if self.pos + len(ids) > self._n_ctx:
                raise ContextFullError(f"{len(ids)} tokens at position {self.pos} do not fit, n_ctx is {self._n_ctx}")
        with shared.pinned() as ptr, shared.compute_lock:
            for begin in range(0, max(1, len(ids)), size):
                end = begin + size
                span = Span(self, ids[begin:end], wanted=None if end >= len(ids) else (), cancel=cancel)
                (result,) = Batch(shared, ptr, [span]).run(None)
                if result.error is not None:
                    raise result.error

    def rewind(self, pos: int, *, cancel: CancelFlag | None = None) -> None:
        """Goes back to the first `pos` tokens, exactly. A few tokens back cost nothing, further back some recomputing.

        There are no `logits()` afterwards until a token is evaluated.

        Raises:
            InvalidRequestError: `pos` is not 0 .. `self.pos`.
            GenerationCancelled: `cancel` was set; the session is unchanged.
        """
        shared = self._engine._shared()
        native = shared.native
        err, flag = native.new_error(), CancelFlag.pointer_of(cancel)
        with shared.pinned(), shared.compute_lock:
            self._check_usable(shared)
            if not 0 <= checked_int("pos", pos, -(2**63), 2**63) <= self.pos:
                raise InvalidRequestError(f"can not rewind to {pos}: the session is at {self.pos}")
            # Entered first: after an exception from outside the native session follows when it is used next.
            dropped, last = self._tokens[pos:], self._last
            if dropped:
                self._last = None
            del self._tokens[pos:]
            code = native.lib.ds4x_session_rewind(self._ptr, pos, flag, err)
            if code != 0:
                self._tokens += dropped
                self._last = last
            native.check(code, err)

    def fork(self, *, seed: int | None = None) -> Session:
        """A second session with the same tokens, KV and logits. The two go their own ways; memory is shared meanwhile.

        Args:
            seed: Of the new session's random numbers; None continues with a copy of this session's.
        """
        shared = self._engine._shared()
        native = shared.native
        out, err = native.ffi.new("ds4x_session **"), native.new_error()
        fork = Session._adopt(self._engine, shared, out, self._n_ctx, self._seed if seed is None else seed)
        with shared.pinned(), shared.compute_lock:
            self._check_usable(shared)
            native.check(native.lib.ds4x_session_fork(self._ptr, out, err), err)
            fork._tokens = self._tokens.copy()
            fork._last = self._last
            if seed is None:
                fork._rng = self._rng
        return fork

    def _common_prefix(self, ids: Any) -> int:
        shared = self._engine._shared()
        native = shared.native
        with shared.pinned(), shared.compute_lock:
            self._check_usable(shared)
            return int(
                native.lib.ds4x_session_common_prefix(self._ptr, native.ffi.from_buffer("int32_t[]", ids), len(ids))
            )

    # -- choosing a token ----------------------------------------------------------------------------------------------

    def _row(self) -> FloatArray:
        self._shared.check_process()
        if self.closed:
            raise EngineClosedError("the session was closed")
        self._engine._check_not_closed()
        if self._logits is None:
            raise EngineStateError("the session has no logits: evaluate a token first (sync or eval)")
        return self._logits

    def logits(self) -> FloatArray:
        """A copy of the logits after the last token, float32 `[n_vocab]`.

        Raises:
            EngineStateError: Nothing was evaluated since the session was made or rewound.
        """
        return self._row().copy()

    def argmax(self) -> int:
        """The most likely next token; of equals the lowest id. Does not change the session."""
        return int(np.argmax(self._row()))

    def sample(
        self,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int | None = None,
    ) -> int:
        """Draws the next token and advances the session's random numbers, nothing else.

        Args:
            temperature: 0 or less is `argmax`.
            top_k: Keep this many tokens; 0 is off.
            top_p: Keep the smallest set of tokens with this much probability; 1 is off.
            min_p: Drop tokens less likely than this share of the most likely one; 0 is off.
            seed: Starts the session's random numbers anew before drawing.

        Raises:
            EngineStateError: There are no logits.
            InvalidRequestError: A parameter out of range.
        """
        params = SampleParams(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            rng=self._rng if seed is None else rng_from_seed(seed),
        )
        result = sample_logits(self._row(), params)
        self._rng = result.rng
        if seed is not None:
            self._seed = seed
        return result.token

    def logprobs(self, tokens: Sequence[int] | None = None, *, top_k: int | None = None) -> list[TokenScore]:
        """Scores of possible next tokens: the given ones in their order, or the `top_k` most likely, best first.

        Raises:
            InvalidRequestError: Both or neither of the two were given, or `top_k` is below 1.
            InvalidTokenError: A token outside the vocabulary.
            EngineStateError: There are no logits.
        """
        row = self._row()
        if (tokens is None) == (top_k is None):
            raise InvalidRequestError("give either tokens or top_k")
        if top_k is not None:
            top_k = checked_int("top_k", top_k, 1, 2**31 - 1)
            ids: Any = np.argsort(-row, kind="stable")[:top_k]
        else:
            ids = token_array([] if tokens is None else tokens)
            if ids.size and ids.max() >= row.size:
                raise InvalidTokenError(f"token {ids.max()} is outside the vocabulary: ids are 0 .. {row.size - 1}")
        logprobs = log_softmax(row)
        return [TokenScore(int(token), float(row[token]), float(logprobs[token])) for token in ids]
