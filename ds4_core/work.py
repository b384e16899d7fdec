"""What callers ask of a scheduler's thread: work with a way to learn its end, to give it up, and to await it."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ds4_core.errors import EngineStateError
from ds4_core.types import CancelFlag, FloatArray, IntArray

if TYPE_CHECKING:
    from ds4_core.native import CData
    from ds4_core.session import Session

T = TypeVar("T")

#: A signal that comes just before a thread sleeps does not wake it: who waits looks up so often.
LOOK_UP_S = 0.1

#: `here` is set in the threads of schedulers.
serving = threading.local()


def check_may_wait() -> None:
    """For who is about to wait for a scheduler.

    Raises:
        EngineStateError: On a scheduler's own thread, where the garbage collector runs finalizers like on any other:
            that would wait for itself.
    """
    if getattr(serving, "here", False):
        raise EngineStateError(
            "a finalizer (__del__, a weak reference's callback) runs on the thread that computes and can not wait for "
            "it: hand the call over to another thread"
        )


class Work(Generic[T]):
    """Something that the scheduler does for a caller. Its thread finishes it exactly once, with a result or an error.

    Attributes:
        cancel: The caller's own flag, None without one.
        abandon: Raised by whoever waits and gives up; watched by libds4 like `cancel`.
        is_closed: Tells whether the engine handle it was asked through is closed.
        asked: True once a scheduler has it, also when whoever asked was interrupted just then.
        finished: True once it has ended.
        succeeded: True once it has ended without an error.
        listener: Called with what it tells on its way, by whoever waits. What it raises gives the work up.
    """

    listener: Callable[..., object] | None = None

    def __init__(self, is_closed: Callable[[], bool], cancel: CancelFlag | None = None) -> None:
        """Nothing is asked yet: see `Scheduler.submit`."""
        self.is_closed = is_closed
        self.cancel = cancel
        self.abandon = CancelFlag()
        self.asked = False
        self.finished = False
        self.succeeded = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._ended: Callable[[], object] = _nothing
        self._news: deque[tuple[Any, ...]] = deque()  # told, and not heard yet
        self._ring: Callable[[], object] = _nothing

    @property
    def given_up(self) -> bool:
        """True when one of its flags is raised."""
        return self.abandon.is_set() or (self.cancel is not None and self.cancel.is_set())

    @property
    def may_be_done(self) -> bool:
        """True when whoever waited for it gave up, and it was done all the same or still may be."""
        return self.abandon.is_set() and (self.succeeded or not self.finished)

    def on_end(self, call: Callable[[], object]) -> None:
        """Has `call` called when it finishes, on the scheduler's thread. Before it is submitted; it must not fail."""
        self._ended = call

    def tell(self, *news: Any) -> None:
        """Has the listener called, on the scheduler's thread. Does nothing when nobody listens."""
        if self.listener is not None:
            self._news.append(news)
            self._ring()

    def _hear(self) -> None:
        while self._news and self.listener is not None:
            self.listener(*self._news.popleft())

    def finish(self, result: T | None = None, error: BaseException | None = None) -> None:
        """Called on the scheduler's thread; later calls are ignored."""
        if self.finished:
            return
        self._result, self._error = result, error
        self.succeeded = error is None
        self.finished = True
        self._ended()

    def outcome(self) -> T:
        """The result of finished work. To be asked for once after an error.

        The error is not kept: what its traceback knows, such as a stream with its engine, then does not wait for the
        garbage collector.

        Raises:
            BaseException: What it ended with instead.
        """
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        return self._result  # type: ignore[return-value]

    def wait(self, submit: Callable[[Work[Any]], None]) -> T:
        """Submits it and waits for its end. An exception from outside (Ctrl-C) makes it stop, then passes."""
        check_may_wait()
        ended: SimpleQueue[None] = SimpleQueue()
        self._ring = lambda: ended.put(None)
        self.on_end(self._ring)
        try:
            submit(self)
            _wait_on(ended)
            while not self.finished:
                self._hear()
                _wait_on(ended)
            self._hear()
        except BaseException:
            self.abandon.set()
            while self.asked and not self.finished:
                _wait_on(ended)
            raise
        return self._claim()

    def settle(self, submit: Callable[[Work[Any]], None]) -> None:
        """Submits it and waits for its end, whatever that is. An exception from outside passes after that.

        For short work that must be done by then.
        """
        check_may_wait()
        ended: SimpleQueue[None] = SimpleQueue()
        self.on_end(lambda: ended.put(None))
        interrupt: BaseException | None = None
        try:
            submit(self)
        except BaseException as error:
            if not self.asked:
                raise
            interrupt = error
        while not self.finished:
            try:
                _wait_on(ended)
            except BaseException as error:  # noqa: BLE001 - raised below
                interrupt = error
        if interrupt is not None:
            try:
                raise interrupt
            finally:
                del interrupt

    def _claim(self) -> T:
        # The outcome, for good: an error and its traceback, which leads here, do not keep each other alive.
        result, error = self._result, self._error
        self._result = self._error = None
        if error is not None:
            try:
                raise error
            finally:
                del error
        return result  # type: ignore[return-value]

    async def awaited(self, submit: Callable[[Work[Any]], None]) -> T:
        """The same for a task: cancelling it makes the work stop, and waits for that."""
        ended = self._end_in_loop()
        try:
            submit(self)
            while not self.finished:
                await ended.wait()
                ended.clear()
                self._hear()
            self._hear()
        except BaseException as error:
            self.abandon.set()
            # A coroutine that is dropped, with its loop perhaps, can not await any more.
            if self.asked and not isinstance(error, GeneratorExit):
                await self._wait_on(ended)
            raise
        return self._claim()

    async def settled(self, submit: Callable[[Work[Any]], None]) -> None:
        """`settle` for a task. Cancelling it waits all the same: for short work that must be done by then."""
        ended = self._end_in_loop()
        submit(self)
        await self._wait_on(ended)

    def _end_in_loop(self) -> asyncio.Event:
        # Set when there is news, and at the end.
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._ring = lambda: call_in_loop(loop, ended.set)
        self.on_end(self._ring)
        return ended

    async def _wait_on(self, ended: asyncio.Event) -> None:
        while not self.finished:
            with suppress(asyncio.CancelledError):
                await ended.wait()
                ended.clear()


def _nothing() -> None:
    pass


def _wait_on(ended: SimpleQueue[None]) -> None:
    while True:
        with suppress(Empty):
            return ended.get(timeout=LOOK_UP_S)


def _ignore(ids: IntArray) -> None:
    pass


def call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., object], *args: object) -> bool:
    """`loop.call_soon_threadsafe`; False when the loop is closed, so that nobody will ever look."""
    try:
        loop.call_soon_threadsafe(call, *args)
    except RuntimeError:
        return False
    return True


class Feed:
    """Tokens that a session takes, in as many spans as the scheduler likes.

    Attributes:
        ids: int32 `[n]`, n >= 1.
        took: Called with the tokens of every span that was computed.
        wants_logits: Whether the logits of the last one are read.
        whole: All of them in one span, which happens wholly or not at all.
        at: How many of `ids` are computed.
    """

    __slots__ = ("at", "ids", "ptr", "took", "wants_logits", "whole")

    def __init__(
        self,
        ptr: CData,
        ids: IntArray,
        took: Callable[[IntArray], object] = _ignore,
        *,
        wants_logits: bool,
        whole: bool = False,
    ) -> None:
        """`ptr` is the native session."""
        self.ptr = ptr
        self.ids = ids
        self.took = took
        self.wants_logits = wants_logits
        self.whole = whole
        self.at = 0


#: A session's steps on the scheduler's thread: yields what is to be computed, is sent the logits (None when not
#: wanted), returns the result. An error of a span is raised where it was yielded.
Steps = Generator[Feed, "FloatArray | None", T]


def at_once(call: Callable[[CData], T]) -> Callable[[CData], Steps[T]]:
    """Steps that compute no tokens. `call` gets the native engine."""

    def steps(ptr: CData) -> Steps[T]:
        return call(ptr)
        yield

    return steps


class SessionWork(Work[T]):
    """Steps of one or more sessions. What was asked of a session first is done first, wholly.

    Once it has ended it holds neither its sessions nor its steps: whoever still holds it keeps none of them alive.
    """

    def __init__(
        self,
        sessions: tuple[Session, ...],
        steps: Callable[[CData], Steps[T]],
        is_closed: Callable[[], bool],
        cancel: CancelFlag | None = None,
    ) -> None:
        """`steps` is called with the native engine, on the scheduler's thread."""
        super().__init__(is_closed, cancel)
        self.sessions = sessions
        self.steps = steps
        self.running: Steps[T] | None = None
        self.feed: Feed | None = None

    def why_closed(self) -> str | None:
        """When `is_closed`: that one of its sessions was, None when it must be the engine."""
        return "the session was closed" if any(session.closed for session in self.sessions) else None

    def finish(self, result: T | None = None, error: BaseException | None = None) -> None:
        """As `Work.finish`."""
        self.steps, self.is_closed = _ended_steps, _is_open
        self.sessions, self.running, self.feed = (), None, None
        super().finish(result, error)


def _ended_steps(ptr: CData) -> Steps[Any]:
    raise AssertionError("the work has ended")


def _is_open() -> bool:
    return False
