"""The scheduler's event stream, awaited: the same generation, driven without blocking the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor

from ds4_core.chat.events import Event
from ds4_core.chat.request import ChatRequest
from ds4_core.engine import Engine
from ds4_core.scheduler import generate
from ds4_core.types import CancelFlag


async def agenerate(engine: Engine, request: ChatRequest) -> AsyncGenerator[Event, None]:
    """The events of `generate`, each computed when it is awaited.

    Cancelling the task, `aclose()`, or leaving an `async for` raises the generation's cancel flag: a step under way
    ends within a layer. Unless the wait for it is cancelled as well, the session is freed when the stream is closed.

    Raises:
        DS4Error: As `ds4_core.scheduler.generate`.
    """
    cancel = CancelFlag()
    events = generate(engine, request, cancel=cancel)
    loop = asyncio.get_running_loop()
    # One thread per stream: a generator must not be entered twice, and closing it has to wait for the step under way.
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ds4-stream")
    try:
        while (event := await loop.run_in_executor(worker, next, events, None)) is not None:
            yield event
    finally:
        cancel.set()
        closed = loop.run_in_executor(worker, events.close)
        worker.shutdown(wait=False)
        await asyncio.shield(closed)
