"""Streams that several threads take, that are torn apart or dropped at a bad moment, and finalizers that wait."""

import _thread
import asyncio
import gc
import logging
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from ds4_core import Engine
from ds4_core.errors import EngineClosedError, EngineStateError
from ds4_core.generation import GenerationEnd
from ds4_core.scheduler import Scheduler
from ds4_core.step import Step
from ds4_core.streams import TokenStream
from tests.core.generations import PATIENCE_S, Watch, kv_bytes, prompt, settled, tokens_of, until_token, warm_engine

GREEDY = dict(temperature=0, ignore_eos=True)


@pytest.fixture
def own():
    with warm_engine(max_running=41) as engine:
        yield engine


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


# -- several threads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started", [False, True])
def test_threads_that_take_one_stream_share_its_events_and_all_come_to_its_end(own, started):
    expected = tokens_of(own.generate(prompt(10), max_tokens=40, **GREEDY))
    stream = own.generate(prompt(10), max_tokens=40, **GREEDY)
    if started:
        stream.start()
    begin = threading.Barrier(4)

    def take():
        begin.wait(PATIENCE_S)
        return list(stream)

    pool = ThreadPoolExecutor(4)
    parts = [pool.submit(take) for _ in range(4)]
    try:
        events = [event for part in parts for event in part.result(PATIENCE_S)]
    finally:
        stream._mailbox.end()
        pool.shutdown(wait=False)
    assert sorted(tokens_of(events)) == sorted(expected)
    assert sum(isinstance(event, GenerationEnd) for event in events) == 1


def test_who_waits_beside_a_thread_that_can_not_begin_comes_to_the_end(own, monkeypatch):
    stream = own.generate(prompt(10), max_tokens=5)
    begins, waits = threading.Event(), threading.Event()
    get = stream._get

    def fail(scheduler, work):
        begins.set()
        assert waits.wait(PATIENCE_S)
        raise RuntimeError("no thread can be started")

    def wait():
        waits.set()
        return get()

    def take():
        assert begins.wait(PATIENCE_S)
        return list(stream)

    monkeypatch.setattr(Scheduler, "submit", fail)
    monkeypatch.setattr(stream, "_get", wait)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(take)
        with pytest.raises(RuntimeError, match="no thread"):
            next(stream)
        assert other.result(PATIENCE_S) == []
    assert not stream.started


def test_interrupt_that_does_not_wake_the_waiting_thread_is_seen_soon(own, watch):
    watch.hold_after(0)
    stream = own.generate(prompt(10), **GREEDY)

    def interrupt():
        watch.wait_until_held()
        _thread.interrupt_main()  # as a notebook's kernel does it on Windows: no system call ends

    helper = threading.Thread(target=interrupt)
    # Without it the step would go on, one day, and the test would fail instead of hanging.
    release = threading.Timer(PATIENCE_S / 2, watch.release)
    release.start()
    helper.start()
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    helper.join(PATIENCE_S)
    assert watch.steps == []
    release.cancel()
    watch.release()
    assert stream.closed


def test_stream_closed_while_its_model_is_opened_computes_nothing(own, monkeypatch):
    opens, go, shared = threading.Event(), threading.Event(), Engine._shared
    before = own.layers_computed

    def late(engine):
        opens.set()
        assert go.wait(PATIENCE_S)
        return shared(engine)

    stream = own.generate(prompt(10), **GREEDY)
    monkeypatch.setattr(Engine, "_shared", late)
    with ThreadPoolExecutor(1) as pool:
        events = pool.submit(list, stream)
        assert opens.wait(PATIENCE_S)
        stream.close()
        go.set()
        assert events.result(PATIENCE_S) == []
    settled(own)
    assert own.layers_computed == before
    assert not Scheduler.of(own._shared())._busy()


# -- torn apart --------------------------------------------------------------------------------------------------------


class Torn(Exception):
    """Of a signal handler."""


@pytest.mark.parametrize("asked", [False, True])
def test_stream_torn_apart_while_it_begins_is_given_up_and_nobody_waits_for_it(own, monkeypatch, asked):
    base = kv_bytes(own)
    submit = Scheduler.submit

    def torn(scheduler, work):
        if asked:
            submit(scheduler, work)
        raise Torn

    async def awaited():
        stream = own.agenerate(prompt(10), **GREEDY)
        with pytest.raises(Torn):
            await anext(stream)
        await asyncio.wait_for(stream.aclose(), PATIENCE_S)
        return stream

    monkeypatch.setattr(Scheduler, "submit", torn)
    streams = [own.generate(prompt(10), **GREEDY)]
    with pytest.raises(Torn):
        next(streams[0])
    streams.append(asyncio.run(awaited()))
    monkeypatch.undo()
    settled(own)
    scheduler = Scheduler.of(own._shared())
    assert not scheduler._busy()
    assert kv_bytes(own) == base
    assert list(streams[0]) == []


def test_stream_whose_finalizer_is_torn_apart_is_given_up(own, monkeypatch):
    base = kv_bytes(own)

    def torn(stream, *, keep=None):
        raise Torn

    stream = own.generate(prompt(10), **GREEDY)
    until_token(stream)
    monkeypatch.setattr(sys, "unraisablehook", lambda failure: None)  # the test runner's keeps what it is told
    monkeypatch.setattr(TokenStream, "close", torn)
    del stream
    monkeypatch.undo()
    settled(own)
    assert not Scheduler.of(own._shared())._busy()
    assert kv_bytes(own) == base


# -- the scheduler's own thread ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wait", ["memory", "profile", "stream"])
def test_finalizer_on_the_scheduler_s_thread_is_refused_instead_of_waiting_for_itself(own, monkeypatch, wait):
    calls = {
        "memory": own.memory_used,
        "profile": lambda: own.profile().__enter__(),
        "stream": lambda: list(own.generate(prompt(5), max_tokens=1)),
    }
    seen = []

    class Cycle:
        def __init__(self):
            self.me = self

        def __del__(self):
            try:
                calls[wait]()
            except EngineStateError as error:
                seen.append((threading.current_thread() is scheduler._thread, str(error)))

    scheduler = Scheduler.of(own._shared())
    forward = Step.forward

    def collecting(step, ptr):
        if not seen:
            gc.collect()
        forward(step, ptr)

    gc.disable()
    try:
        Cycle()
        monkeypatch.setattr(Step, "forward", collecting)
        with ThreadPoolExecutor(1) as pool:
            tokens = pool.submit(lambda: tokens_of(own.generate(prompt(10), max_tokens=3, **GREEDY)))
            assert len(tokens.result(PATIENCE_S)) == 3
    finally:
        gc.enable()
    assert [on_it for on_it, _ in seen] == [True]
    assert "another thread" in seen[0][1]


def test_thread_ends_although_others_still_ask_while_it_is_stopped():
    class Late(SimpleQueue):
        def get(self, *args, **options):
            at_gate.set()
            assert go.wait(PATIENCE_S)
            return super().get(*args, **options)

    at_gate, go = threading.Event(), threading.Event()
    go.set()
    with Engine("ds4-tiny", n_threads=1, max_running=40).open() as engine:
        scheduler = Scheduler.of(engine._shared())
        scheduler._inbox = Late()
        settled(engine)
        go.clear()
        at_gate.clear()
        scheduler.nudge()
        assert at_gate.wait(PATIENCE_S)  # it has seen that it is not stopped, and is about to wait
        scheduler.stop()
        with pytest.raises(EngineClosedError):
            engine.session()  # takes what is in the queue
        go.set()
        scheduler.join(PATIENCE_S)
        assert not scheduler._thread.is_alive()


def test_log_handler_that_fails_does_not_end_the_thread(own, monkeypatch):
    class Fails(logging.Handler):
        def emit(self, record):
            raise ValueError("no place to log to")

    handler = Fails()
    logger = logging.getLogger("ds4_core.scheduler")
    forward = Step.forward

    def fail_once(step, ptr):
        monkeypatch.setattr(Step, "forward", forward)
        raise RuntimeError("a fault")

    logger.addHandler(handler)
    try:
        monkeypatch.setattr(Step, "forward", fail_once)
        with pytest.raises(RuntimeError, match="a fault"):
            list(own.generate(prompt(10), max_tokens=3))
    finally:
        logger.removeHandler(handler)
    assert len(tokens_of(own.generate(prompt(10), max_tokens=3, **GREEDY))) == 3
