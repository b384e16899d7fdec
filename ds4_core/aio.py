"""`AsyncEngine`, `AsyncSession` and `AsyncCheckpoint`: the same engine, scheduler and sessions, awaited."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ds4_core import state
from ds4_core.checkpoint import Checkpoint
from ds4_core.engine import Engine
from ds4_core.errors import DS4Error, EngineStateError, InvalidRequestError
from ds4_core.generation import SampledToken, TokenRequest
from ds4_core.profiling import Profile
from ds4_core.scoring import Scoring, before, is_one, prompt_scoring
from ds4_core.session import Session
from ds4_core.state import StateBytes, StateFile, StateFormat
from ds4_core.streams import AsyncTokenStream
from ds4_core.types import CancelFlag, EngineInfo, FloatArray, MemoryUse, Span, SpanResult, TokenScore
from ds4_core.work import SessionWork

if TYPE_CHECKING:
    from ds4_core.model import Model

T = TypeVar("T")


class AsyncEngine:
    """An `Engine` for event loops: what computes or opens is awaited, nothing blocks the loop.

    Cancelling a task that awaits something stops the computation within a layer; session and engine stay usable. Any
    number of event loops and threads may use one engine, also beside its synchronous form.
    """

    def __init__(self, model: str | os.PathLike[str] | Engine = "ds4-tiny", **options: Any) -> None:
        """Describes an engine; loads nothing.

        Args:
            model: As for `Engine`, or a ready `Engine`, which is shared and keeps its options.
            options: Those of `Engine`.

        Raises:
            InvalidRequestError, ModelNotFoundError, ModelFileError: As `Engine`.
        """
        if isinstance(model, Engine):
            if options:
                raise InvalidRequestError(f"{', '.join(options)}: a ready engine has its own options")
            self._engine = model
        else:
            self._engine = Engine(model, **options)

    @property
    def engine(self) -> Engine:
        """Its synchronous form."""
        return self._engine

    @property
    def path(self) -> str:
        """Absolute path of the model file."""
        return self._engine.path

    @property
    def model(self) -> Model:
        """The file's facts and vocabulary; see `Engine.model`.

        Raises:
            EngineStateError: The engine is not open yet: reading the file would block the loop.
        """
        self._check_open()
        return self._engine.model

    @property
    def layers_computed(self) -> int:
        """See `Engine.layers_computed`.

        Raises:
            EngineStateError: The engine is not open yet.
        """
        self._check_open()
        return self._engine.layers_computed

    def _check_open(self) -> None:
        if not self._engine.is_open and not self._engine.closed:
            raise EngineStateError("the engine is not open yet: await open() first, or use `async with`")

    @property
    def is_open(self) -> bool:
        """True when the native engine was opened and not closed."""
        return self._engine.is_open

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._engine.closed

    async def open(self) -> Self:
        """Opens the native engine in a thread. Cancelling does not wait for that.

        Raises:
            DS4Error: As `Engine.open`.
        """
        if not self._engine.is_open:
            await asyncio.to_thread(self._engine.open)
        return self

    def close(self) -> None:
        """As `Engine.close`; waits for nothing."""
        self._engine.close()

    async def __aenter__(self) -> Self:
        """Opens it."""
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """As the engine's."""
        return f"<Async{repr(self._engine).lstrip('<')}"

    async def info(self) -> EngineInfo:
        """See `Engine.info`."""
        await self.open()
        return await asyncio.to_thread(lambda: self._engine.info)

    async def memory_used(self) -> MemoryUse:
        """See `Engine.memory_used`."""
        await self.open()
        return await self._engine._memory_work().awaited(self._engine._submit)

    async def memory_estimate(self, n_ctx: int, n_sessions: int = 1) -> MemoryUse:
        """See `Engine.memory_estimate`."""
        return await asyncio.to_thread(self._engine.memory_estimate, n_ctx, n_sessions)

    @asynccontextmanager
    async def profile(self) -> AsyncIterator[Profile]:
        """See `Engine.profile`; inside the block use `await profile.aops()`."""
        await self.open()
        engine = self._engine
        profile = Profile(engine._profile_work, engine._submit)
        try:
            await engine._profile_work(True).awaited(engine._submit)
            yield profile
        finally:
            await profile.astop()

    async def session(self, n_ctx: int | None = None, *, seed: int | None = None) -> AsyncSession:
        """See `Engine.session`."""
        await self.open()
        session = await self._engine._session_work(n_ctx, seed).awaited(self._engine._submit)
        self._engine._warn_of_context(session.n_ctx, stacklevel=3)
        return AsyncSession(session)

    async def forward(self, spans: Sequence[Span], *, cancel: CancelFlag | None = None) -> list[SpanResult]:
        """See `Engine.forward`; spans hold `Session` objects (`AsyncSession.session`)."""
        await self.open()
        return await self._engine._forward_work(spans, cancel).awaited(self._engine._submit)

    async def clear_prefix_cache(self) -> None:
        """See `Engine.clear_prefix_cache`."""
        await self.open()
        await self._engine._clear_prefixes_work().awaited(self._engine._submit)

    async def score(
        self,
        prompt: Sequence[int],
        continuations: Sequence[int] | Sequence[Sequence[int]],
        *,
        n_top: int = 0,
        n_ctx: int | None = None,
        cancel: CancelFlag | None = None,
    ) -> Any:
        """See `Engine.score`."""
        one = is_one(continuations)
        given = [continuations] if one else continuations
        scores = await Scoring(self._engine, [before(prompt, n_top, n_ctx)], given, cancel=cancel).arun()
        return scores[0] if one else scores

    async def prompt_logprobs(
        self,
        prompt: Sequence[int],
        *,
        n_top: int = 0,
        n_ctx: int | None = None,
        cancel: CancelFlag | None = None,
    ) -> list[SampledToken | None]:
        """See `Engine.prompt_logprobs`."""
        return [None, *(await prompt_scoring(self._engine, prompt, n_top, n_ctx, cancel).arun())[0]]

    def generate(
        self, prompt: TokenRequest | Sequence[int], *, cancel: CancelFlag | None = None, **options: Any
    ) -> AsyncTokenStream:
        """See `Engine.agenerate`."""
        return self._engine.agenerate(prompt, cancel=cancel, **options)


class AsyncSession:
    """A `Session` whose computations are awaited. What only reads is the same and needs no await.

    What is asked of one session by several tasks is done in the order in which they asked. Cancelling a task stops
    what it awaits within a layer: `eval` never happened then, also when it was done just before, unless what another
    task asked of the session has begun since; `sync` leaves a beginning of its tokens.
    """

    def __init__(self, session: Session) -> None:
        """Awaits on behalf of a session, which stays usable on its own."""
        self._session = session

    # -- life ----------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Frees the KV state; waits for nothing. What tasks still await of it ends with EngineClosedError."""
        self._session.close()

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._session.closed

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()

    def __repr__(self) -> str:
        """As the session's."""
        return f"<Async{repr(self._session).lstrip('<')}"

    # -- reading -------------------------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """Its synchronous form."""
        return self._session

    @property
    def engine(self) -> Engine:
        """The engine it lives on, in its synchronous form."""
        return self._session.engine

    @property
    def n_ctx(self) -> int:
        """Most tokens it may hold."""
        return self._session.n_ctx

    @property
    def pos(self) -> int:
        """Tokens it holds."""
        return self._session.pos

    @property
    def tokens(self) -> list[int]:
        """A copy of the token ids it holds."""
        return self._session.tokens

    @property
    def text_bytes(self) -> bytes:
        """The bytes its tokens stand for, special tokens included."""
        return self._session.text_bytes

    @property
    def text(self) -> str:
        """The same as text; bytes that are no UTF-8 become U+FFFD."""
        return self._session.text

    @property
    def seed(self) -> int:
        """The seed its random numbers began with."""
        return self._session.seed

    def tokenize(self, text: str | bytes, *, parse_special: bool = False) -> list[int]:
        """See `Session.tokenize`."""
        return self._session.tokenize(text, parse_special=parse_special)

    # -- computing -----------------------------------------------------------------------------------------------------

    async def _do(self, work: SessionWork[T]) -> T:
        return await work.awaited(self._session._submit)

    async def sync(
        self,
        tokens: Sequence[int],
        *,
        cancel: CancelFlag | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> None:
        """See `Session.sync`; `progress` is called by the task that awaits this."""
        await self._do(self._session._sync_work(tokens, cancel, progress))

    async def eval(self, tokens: int | Sequence[int], *, cancel: CancelFlag | None = None) -> None:
        """See `Session.eval`."""
        session = self._session
        work = session._eval_work(tokens, cancel)
        try:
            await self._do(work)
        except BaseException as error:
            if work.may_be_done:
                with suppress(DS4Error):  # closed
                    undo = session._undo_work(work)
                    if isinstance(error, GeneratorExit):  # nothing can be awaited any more
                        session._submit(undo)
                    else:
                        await undo.settled(session._submit)
            raise

    async def rewind(self, pos: int, *, cancel: CancelFlag | None = None) -> None:
        """See `Session.rewind`."""
        await self._do(self._session._rewind_work(pos, cancel))

    async def fork(self, *, seed: int | None = None) -> AsyncSession:
        """See `Session.fork`."""
        return AsyncSession(await self._do(self._session._fork_work(seed)))

    async def checkpoint(self) -> AsyncCheckpoint:
        """See `Session.checkpoint`."""
        return AsyncCheckpoint(await self._do(self._session._checkpoint_work()))

    # -- as bytes ------------------------------------------------------------------------------------------------------

    async def snapshot(self, *, format: StateFormat = "pages") -> bytearray:
        """See `Session.snapshot`."""
        return await self._do(self._session._snapshot_work(format))

    async def restore(self, data: StateBytes, *, format: StateFormat = "pages") -> None:
        """See `Session.restore`."""
        await self._do(self._session._restore_work(data, format))

    async def save(self, file: StateFile, *, format: StateFormat = "pages") -> None:
        """See `Session.save`. Cancelled, the path holds what it held or what was saved, never a part."""
        session, stop = self._session, CancelFlag()
        # Flushing an open file may wait for whoever reads it.
        plain = isinstance(file, (int, str, os.PathLike))
        where = state.path_or_descriptor(file) if plain else await _in_thread(state.path_or_descriptor, file)
        rest = await self._do(session._save_work(where, format, stop))
        if rest is not None:
            await _in_thread(rest, stop=stop)

    async def load(self, file: StateFile, *, format: StateFormat = "pages") -> None:
        """See `Session.load`. Its turn comes once the file is open, or a pipe is read."""
        session, stop = self._session, CancelFlag()
        state.checked_format(format)
        source = await _in_thread(state.Source, file, stop, stop=stop)
        await self._do(session._load_work(source, format))
        source.at_its_end(file)

    # -- choosing a token ----------------------------------------------------------------------------------------------

    def logits(self) -> FloatArray:
        """See `Session.logits`."""
        return self._session.logits()

    def argmax(self) -> int:
        """See `Session.argmax`."""
        return self._session.argmax()

    def sample(
        self,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int | None = None,
    ) -> int:
        """See `Session.sample`."""
        return self._session.sample(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p, seed=seed)

    def logprobs(self, tokens: Sequence[int] | None = None, *, top_k: int | None = None) -> list[TokenScore]:
        """See `Session.logprobs`."""
        return self._session.logprobs(tokens, top_k=top_k)


class AsyncCheckpoint:
    """A `Checkpoint` from which sessions are awaited. Made by `AsyncSession.checkpoint`; freed when dropped."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Awaits on behalf of a checkpoint, which stays usable on its own."""
        self._checkpoint = checkpoint

    @property
    def checkpoint(self) -> Checkpoint:
        """Its synchronous form."""
        return self._checkpoint

    @property
    def pos(self) -> int:
        """Tokens it holds."""
        return self._checkpoint.pos

    @property
    def n_bytes(self) -> int:
        """Bytes of its own copy of the state; its pages are shared with whoever holds them too."""
        return self._checkpoint.n_bytes

    @property
    def n_ctx(self) -> int:
        """Most tokens that the session may hold it was made of."""
        return self._checkpoint.n_ctx

    @property
    def tokens(self) -> list[int]:
        """A copy of its token ids."""
        return self._checkpoint.tokens

    def close(self) -> None:
        """Frees it; waits for nothing."""
        self._checkpoint.close()

    @property
    def closed(self) -> bool:
        """True after `close()`."""
        return self._checkpoint.closed

    async def session(self, n_ctx: int | None = None, *, seed: int | None = None) -> AsyncSession:
        """See `Checkpoint.session`."""
        work = self._checkpoint._session_work(n_ctx, seed)
        session = await work.awaited(self._checkpoint._engine._submit)
        if n_ctx is not None:
            session.engine._warn_of_context(session.n_ctx, stacklevel=3)
        return AsyncSession(session)

    def __repr__(self) -> str:
        """As the checkpoint's."""
        return f"<Async{repr(self._checkpoint).lstrip('<')}"


async def _in_thread(call: Callable[..., T], *arguments: Any, stop: CancelFlag | None = None) -> T:
    # What waits for files and pipes. A cancelled task does not wait for it; it ends soon when it watches `stop`.
    try:
        return await asyncio.to_thread(call, *arguments)
    except BaseException:
        if stop is not None:
            stop.set()
        raise
