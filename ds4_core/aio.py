"""The scheduler's event stream, awaited: the same generation, driven without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor

from ds4_core.chat.events import Event
from ds4_core.chat.request import ChatRequest
from ds4_core.engine import Engine
from ds4_core.scheduler import generate_until
from ds4_core.types import CancelFlag


def agenerate(engine: Engine, request: ChatRequest, *, cancel: CancelFlag | None = None) -> EventStream:
    """The events of `generate`, each computed when it is awaited.

    Cancelling the task, `close()`, `aclose()`, or leaving an `async for` ends the generation: a step under way ends
    within a layer. Only `aclose()` waits for that.

    Args:
        engine: The engine to use; opened at the first event.
        request: What to generate.
        cancel: A flag that ends the generation from anywhere, within a layer. Closing the stream leaves it alone.

    Raises:
        DS4Error: As `ds4_core.scheduler.generate`, at the first event or later.
    """
    return EventStream(engine, request, cancel)


class EventStream(AsyncIterator[Event]):
    """One awaited generation, made by `agenerate`.

    Not an asynchronous generator: the event loop closes those in tasks of its own, which a loop that is about to end
    may not run to their end. Here nothing has to be awaited for a generation to stop.
    """

    def __init__(self, engine: Engine, request: ChatRequest, cancel: CancelFlag | None) -> None:
        """Computes nothing yet and starts no thread."""
        self._closing = CancelFlag()
        self._events = generate_until(engine, request, cancel=cancel, abandon=self._closing)
        # One thread per stream: a generator must not be entered twice, and a step must not block the event loop.
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ds4-stream")
        self._step: Future[Event | None] | None = None
        self._closed = False

    async def __anext__(self) -> Event:
        """Computes up to the next event."""
        if self._closed:
            raise StopAsyncIteration
        self._step = self._worker.submit(next, self._events, None)
        try:
            event = await asyncio.wrap_future(self._step)
        except BaseException:
            self.close()
            raise
        if event is None:
            self.close()
            raise StopAsyncIteration
        return event

    def close(self) -> None:
        """Ends the generation without waiting for a step under way, which frees the session when it has ended."""
        if self._closed:
            return
        self._closed = True
        self._closing.set()
        if self._step is None or self._step.done():
            self._events.close()
        else:
            self._worker.submit(self._events.close)
        self._worker.shutdown(wait=False)

    async def aclose(self) -> None:
        """`close()`, and waits until a step under way has ended and the session is free."""
        self.close()
        step = self._step
        if step is not None and not step.done():
            await asyncio.get_running_loop().run_in_executor(None, self._worker.shutdown)

    def __del__(self) -> None:
        # A stream that is dropped, mostly between two steps. This may run in a garbage collection anywhere, so it takes
        # no lock of the executor's: the thread ends when the executor goes, and a step under way then drops the rest.
        self._closing.set()
        if self._step is None or self._step.done():
            self._events.close()
