"""Helpers for tests of generation: prompts, readings of event lists, and a scheduler that can be watched and held."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import contextmanager

from ds4_core import Engine
from ds4_core.generation import Generation, GenerationEnd, PrefillProgress, SampledToken
from ds4_core.scheduler import Scheduler
from ds4_core.step import Step

#: Most seconds a test waits for another thread before it fails.
PATIENCE_S = 120


def prompt(n, seed=0):
    """`n` ids of plain tokens; different seeds have no beginning in common."""
    draw = random.Random(seed)
    ids = [draw.randrange(100, 4000) for _ in range(n)]
    return [100 + seed % 3900, *ids[1:]]


def tokens_of(events):
    """The drawn ids."""
    return [event.token for event in events if isinstance(event, SampledToken)]


def progress_of(events):
    """(done, total, cached) of every progress event."""
    return [tuple(event) for event in events if isinstance(event, PrefillProgress)]


def end_of(events):
    """The last event, which must be the end."""
    assert isinstance(events[-1], GenerationEnd)
    assert sum(isinstance(event, GenerationEnd) for event in events) == 1
    return events[-1]


def until_token(stream):
    """Takes events up to the first drawn token, which it returns."""
    return next(event for event in stream if isinstance(event, SampledToken))


def settled(engine):
    """Returns when everything that was asked of the engine before has happened."""
    for _ in range(2):
        engine.session(n_ctx=1).close()


def kv_bytes(engine):
    """What is held when the prefix cache is dropped: pages and states."""
    settled(engine)
    engine.clear_prefix_cache()
    memory = engine.memory_used()
    return memory.kv_pages + memory.session_state


@contextmanager
def warm_engine(**options):
    """An engine that shares with no other test, and has what libds4 keeps for the next long span."""
    with Engine("ds4-tiny", n_threads=1, **options) as engine:
        list(engine.generate(prompt(3, 999), max_tokens=1))
        engine.clear_prefix_cache()
        yield engine


class Watch:
    """Every forward of every scheduler while it is installed: who moved by how much. It can hold the next one.

    Attributes:
        steps: For each forward, the list of (generation or work, tokens).
    """

    def __init__(self, monkeypatch):
        self.steps = []
        self._go = threading.Event()
        self._go.set()
        self._at_gate = threading.Event()
        self._left = 0
        forward = Step.forward

        def watched(step, ptr):
            if self._left == 0:
                self._at_gate.set()
                assert self._go.wait(PATIENCE_S)
            self._left -= 1
            self.steps.append(list(step.lanes))
            return forward(step, ptr)

        monkeypatch.setattr(Step, "forward", watched)
        self._left = -1

    def hold_after(self, n_steps):
        """The forward after the next `n_steps` waits for `release`."""
        self._go.clear()
        self._at_gate.clear()
        self._left = n_steps

    def wait_until_held(self):
        """Returns when a forward waits."""
        assert self._at_gate.wait(PATIENCE_S)

    def release(self):
        """Lets the held one go on, and those after it."""
        self._left = -1
        self._go.set()

    def of(self, stream):
        """[tokens] of a stream's generation in every step that it was in."""
        work = stream._work
        return [n for lanes in self.steps for lane, n in lanes if lane is work]


def never_pause(monkeypatch):
    """Generations run on however little is taken."""
    monkeypatch.setattr(Scheduler, "_pause_those_ahead", lambda self: None)


def is_generation(lane):
    """Whether a lane of a step is a request's."""
    return isinstance(lane, Generation)


class Pauses:
    """Counts how often schedulers had nothing to compute and waited; tells when one does."""

    def __init__(self, monkeypatch):
        self._left = Counter()
        self._waiting = threading.Semaphore(0)
        wait = Scheduler._wait

        def watched(scheduler):
            self._waiting.release()
            wait(scheduler)
            self._left[scheduler] += 1

        monkeypatch.setattr(Scheduler, "_wait", watched)

    def wait_for_one(self):
        """Returns when a scheduler is about to wait."""
        assert self._waiting.acquire(timeout=PATIENCE_S)

    def left(self, engine):
        """How often the scheduler of this engine has gone on afterwards."""
        return self._left[Scheduler.of(engine._shared())]
