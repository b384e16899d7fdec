"""The events of one generation, taken by a thread or awaited by a task."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from ds4_core.errors import ContextOverflowError, InvalidTokenError
from ds4_core.generation import LOOKAHEAD, Generation, GenerationEnd, TokenEvent, TokenRequest
from ds4_core.progress import BOARD
from ds4_core.registry import SharedEngine
from ds4_core.sampling import random_seed
from ds4_core.scheduler import Scheduler
from ds4_core.types import CancelFlag
from ds4_core.work import LOOK_UP_S, call_in_loop, check_may_wait

if TYPE_CHECKING:
    from ds4_core.engine import Engine


class _Stream:
    """What both kinds have in common: asking, giving up, and being dropped.

    The scheduler knows the mailbox and never the stream, so that a stream which nobody holds any more is dropped.
    """

    _closed = True  # until there is something to close
    _kind: type[Generation] = Generation

    def __init__(self, engine: Engine, request: TokenRequest, cancel: CancelFlag | None, mailbox: Mailbox) -> None:
        CancelFlag.pointer_of(cancel)
        self.request = request
        self._engine = engine
        self._cancel = cancel
        self._mailbox = mailbox
        self._scheduler: Server | None = None
        self._begun: dict[str, Generation] = {}  # of several threads that take the first event, one begins
        self._closed = False

    @property
    def _work(self) -> Generation | None:
        return self._begun.get("it")

    @property
    def started(self) -> bool:
        """True when the scheduler knows of it."""
        return self._work is not None

    @property
    def closed(self) -> bool:
        """True when it ended or was closed: there are no more events."""
        return self._closed

    def _server(self, shared: SharedEngine) -> Server:
        return Scheduler.of(shared)

    def _submit(self) -> Generation:
        engine, request, mailbox = self._engine, self.request, self._mailbox
        shared = engine._shared()
        n_ctx = engine._n_ctx_of_request(request.n_ctx)
        n_prompt = len(request.prompt)
        if n_prompt >= n_ctx:
            raise ContextOverflowError(
                f"the prompt has {n_prompt} tokens, which leaves no room in a context of {n_ctx}; "
                "shorten the prompt or raise n_ctx",
                n_prompt=n_prompt,
                n_ctx=n_ctx,
            )
        if request.prompt.max() >= shared.n_vocab:
            raise InvalidTokenError(
                f"token {request.prompt.max()} is outside the vocabulary: ids are 0 .. {shared.n_vocab - 1}"
            )
        scheduler = self._server(shared)
        work = self._kind(
            request,
            shared.native,
            shared.n_vocab,
            n_ctx=n_ctx,
            token_eos=shared.token_eos,
            seed=random_seed() if request.seed is None else request.seed,
            is_closed=engine._is_closed,
            cancel=self._cancel,
            emit=mailbox.put,
            backlog=mailbox.qsize,
            owner=weakref.ref(self, scheduler.wake),
        )
        work.on_end(mailbox.end)
        self._scheduler = scheduler
        begun = self._begun.setdefault("it", work)
        if begun is not work:
            return begun
        if self._closed:  # while the model was opened
            work.abandon.set()
        try:
            scheduler.submit(work)
            BOARD.watch(work)
        except BaseException:
            # Nobody may wait for its end: whether it was asked for is not known when the exception came from outside.
            work.abandon.set()
            self._begun.clear()
            mailbox.end()
            scheduler.nudge()
            raise
        return work

    def _check_process(self) -> None:
        # In a forked child the thread that would put an event is missing.
        if self._scheduler is not None:
            self._scheduler.check_process()

    def _taken(self, work: Generation) -> None:
        # After an event was taken: the engine may be waiting for that.
        if work.paused and self._scheduler is not None and self._mailbox.qsize() < LOOKAHEAD // 2:
            self._scheduler.nudge()

    def close(self, *, keep: int | None = None) -> None:
        """Ends the generation, within one step; waits for nothing. Safe to call twice and from any thread.

        Args:
            keep: How many of its tokens later requests may start from; None is all that were computed.
        """
        self._closed = True
        work, scheduler = self._work, self._scheduler
        if work is not None and scheduler is not None and not work.finished:
            if keep is not None:
                work.keep = keep
            work.abandon.set()
            scheduler.nudge()

    def end_now(self, n_tokens: int, *, keep: int) -> GenerationEnd:
        """Ends the generation as if it had ended by itself after its first `n_tokens` tokens, and tells that end.

        Args:
            n_tokens: Tokens of the answer.
            keep: How many of them later requests may start from.
        """
        work = self._work
        assert work is not None  # noqa: S101
        end = work.end_after(n_tokens)
        self.close(keep=keep)
        return end

    def __del__(self) -> None:
        # Neither flags nor the scheduler's queue take a lock that this thread might hold.
        if not self._closed:
            self.close()


class Server(Protocol):
    """What serves generations: the scheduler, or something that plays them."""

    @property
    def wake(self) -> Callable[[object], object]:
        """Makes it look again; takes anything, never waits or fails."""
        ...

    def submit(self, work: Generation, /) -> None:
        """Takes a generation, which it finishes in any case."""
        ...

    def nudge(self) -> None:
        """As `wake`."""
        ...

    def check_process(self) -> None:
        """Raises ForkedProcessError in a process without its thread."""
        ...


class Mailbox(Protocol):
    """Where the scheduler's thread puts events; none of this blocks or fails."""

    def put(self, event: TokenEvent, /) -> None:
        """Takes the next event."""
        ...

    def end(self) -> None:
        """There will be no more."""
        ...

    def qsize(self) -> int:
        """Events put and not taken."""
        ...


class _ThreadMailbox:
    """For a thread: None stands for the end."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[TokenEvent | None] = SimpleQueue()
        self.put = self._queue.put
        self.qsize = self._queue.qsize

    def end(self) -> None:
        self._queue.put(None)

    def get(self) -> TokenEvent | None:
        """The next event, None after the end."""
        while True:
            try:
                event = self._queue.get(timeout=LOOK_UP_S)
            except Empty:
                check_may_wait()
                continue
            if event is None:
                self._queue.put(None)  # for others who wait
            return event


class _LoopMailbox:
    """For tasks of event loops."""

    def __init__(self) -> None:
        self.events: deque[TokenEvent] = deque()
        self.ended = False
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.abandon: CancelFlag | None = None

    def put(self, event: TokenEvent) -> None:
        self.events.append(event)
        if self._waiters:
            self._wake()

    def end(self) -> None:
        self.ended = True
        self._wake()

    def qsize(self) -> int:
        return len(self.events)

    def _wake(self) -> None:
        # On the scheduler's thread. Who comes too late to be woken looks for himself; see get. No more than wait now:
        # who is woken may have taken the event and wait for the next one already.
        with suppress(IndexError):
            for _ in range(len(self._waiters)):
                waiter = self._waiters.popleft()
                if not call_in_loop(waiter.get_loop(), _resume, waiter) and self.abandon is not None:
                    self.abandon.set()  # the loop is gone: nobody will take anything any more

    async def get(self) -> TokenEvent | None:
        """The next event, None after the end."""
        events = self.events
        while not events and not self.ended:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                if not events and not self.ended:  # or it came before anybody could see that this task waits
                    await waiter
            finally:
                with suppress(ValueError):
                    self._waiters.remove(waiter)
        return events.popleft() if events else None


def _resume(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class TokenStream(_Stream, Iterator[TokenEvent]):
    """The events of a generation, as they happen; the last one is a `GenerationEnd`. Made by `Engine.generate`.

    Nothing is computed before the first event is taken or `start()` is called. Taken slowly, the engine waits: it is
    never more than a few tokens ahead. Closing, leaving the `with` block, an exception while waiting (Ctrl-C) or
    dropping the stream ends the generation within one step; what was computed stays in the prefix cache.

    Several threads may take from one stream: each event goes to one of them, and all come to its end.
    """

    def __init__(self, engine: Engine, request: TokenRequest, cancel: CancelFlag | None = None) -> None:
        """For `Engine.generate`."""
        mailbox = _ThreadMailbox()
        super().__init__(engine, request, cancel, mailbox)
        self._get = mailbox.get

    def start(self) -> Self:
        """Begins now instead of when the first event is taken.

        Raises:
            DS4Error: As the first event would.
        """
        if self._work is None and not self._closed:
            try:
                self._submit()
            except BaseException:
                self.close()
                raise
        return self

    def __next__(self) -> TokenEvent:
        """Waits for the next event.

        Raises:
            ContextOverflowError: The prompt fills the context.
            GenerationTimeoutError: `timeout_s` is over.
            GenerationCancelled: The caller's flag was raised.
            DS4Error: Whatever opening the model or computing raises.
        """
        if self._closed:
            raise StopIteration
        try:
            self._check_process()
            work = self._work or self._submit()
            event = self._get()
            if work.paused:
                self._taken(work)
        except BaseException:
            self.close()
            raise
        if event is None:
            closed, self._closed = self._closed, True
            if not closed:  # by someone else, meanwhile
                work.outcome()
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()


class AsyncTokenStream(_Stream, AsyncIterator[TokenEvent]):
    """The same events, awaited. Made by `Engine.agenerate`.

    Not an asynchronous generator: the event loop closes those in tasks of its own, which a loop that is about to end
    may not run to their end. Here nothing has to be awaited for a generation to stop: cancelling the task, `close()`,
    `aclose()`, or leaving an `async for` ends it within one step.
    """

    def __init__(self, engine: Engine, request: TokenRequest, cancel: CancelFlag | None = None) -> None:
        """For `Engine.agenerate`."""
        self._events = _LoopMailbox()
        super().__init__(engine, request, cancel, self._events)

    async def start(self) -> Self:
        """Begins now instead of when the first event is awaited. A model that is not open yet is opened in a thread."""
        if self._work is None and not self._closed:
            try:
                if not self._engine.is_open:
                    await asyncio.to_thread(self._engine.open)
                if self._work is None and not self._closed:
                    self._events.abandon = self._submit().abandon
            except BaseException:
                self.close()
                raise
        return self

    async def __anext__(self) -> TokenEvent:
        """Waits for the next event; raises what `TokenStream` raises."""
        await self.start()
        work = self._work
        if self._closed or work is None:
            raise StopAsyncIteration
        try:
            self._check_process()
            event = await self._events.get()
            if work.paused:
                self._taken(work)
        except BaseException:
            self.close()
            raise
        if event is None:
            closed, self._closed = self._closed, True
            if not closed:  # by someone else, meanwhile
                work.outcome()
            raise StopAsyncIteration
        return event

    async def aclose(self) -> None:
        """`close()`, and waits until the generation has ended and its memory is free."""
        self.close()
        if self._work is not None:
            self._check_process()
            while await self._events.get() is not None:
                pass

    async def __aenter__(self) -> Self:
        """Returns itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        await self.aclose()


def as_token_request(prompt: Any, options: dict[str, Any]) -> TokenRequest:
    """A request from what `generate` is called with: a ready one, or tokens and the fields of one.

    Raises:
        TypeError: Options beside a ready request, or an unknown one.
        InvalidRequestError: A value out of range.
    """
    if isinstance(prompt, TokenRequest):
        if options:
            raise TypeError(f"{', '.join(options)}: options go into the TokenRequest when one is given")
        return prompt
    return TokenRequest(prompt, **options)
