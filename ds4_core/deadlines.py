"""Ends generations whose time is over while the engine computes, within a layer instead of after the step."""

from __future__ import annotations

import heapq
import threading
import time
import weakref
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue

from ds4_core.generation import Generation

#: Longest wait of a queue.
_LONGEST_WAIT_S = 3600.0

#: When, whose.
_Deadline = tuple[float, weakref.ref[Generation]]


class Deadlines:
    """For one scheduler's thread. What watches is a thread of its own, which there is once a request has a deadline."""

    def __init__(self) -> None:
        """Starts no thread yet."""
        self._watched: SimpleQueue[_Deadline | None] | None = None

    def watch(self, generation: Generation) -> None:
        """From its deadline on its flag is raised, unless it has ended."""
        if self._watched is None:
            watched: SimpleQueue[_Deadline | None] = SimpleQueue()
            try:
                threading.Thread(target=_watch, args=(watched,), name="ds4-deadlines", daemon=True).start()
            except RuntimeError:  # there can be no more threads: it is seen after the step
                return
            self._watched = watched
        self._watched.put((generation.deadline, weakref.ref(generation)))

    def close(self) -> None:
        """Ends the thread."""
        watched, self._watched = self._watched, None
        if watched is not None:
            watched.put(None)


def _watch(watched: SimpleQueue[_Deadline | None]) -> None:
    # The soonest first; numbered, because what ends at the same time has no order of its own.
    waiting: list[tuple[float, int, weakref.ref[Generation]]] = []
    numbers, crowd = count(), 64
    while True:
        wait = waiting[0][0] - time.monotonic() if waiting else _LONGEST_WAIT_S
        with suppress(Empty):
            entry = watched.get(timeout=min(max(0.0, wait), _LONGEST_WAIT_S))
            if entry is None:
                return
            heapq.heappush(waiting, (entry[0], next(numbers), entry[1]))
        now = time.monotonic()
        while waiting and waiting[0][0] <= now:
            overdue = heapq.heappop(waiting)[2]()
            if overdue is not None:
                overdue.abandon.set()
            del overdue  # this thread keeps nobody alive while it waits
        if len(waiting) > crowd:  # most have ended long before
            waiting = [there for there in waiting if there[2]() is not None]
            heapq.heapify(waiting)
            crowd = 2 * len(waiting) + 64
