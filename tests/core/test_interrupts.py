"""Exceptions from signal handlers at any moment: sessions stay exact, nothing leaks, no lock stays locked."""

from __future__ import annotations

import gc
import logging
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np
import pytest

from ds4_core import CancelFlag, Engine, Span, errors, registry
from ds4_core import batch as batch_module
from ds4_core import work as work_module
from ds4_core.scheduler import Scheduler
from ds4_core.step import Step

needs_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")


class _Interrupt(Exception):
    pass


_raised_at = []  # when the last one was raised that may still be on its way


def _interrupt(number, frame):
    # One at a time; again when it is lost.
    if not _raised_at or time.monotonic() - _raised_at[0] > 2:
        _raised_at[:] = [time.monotonic()]
        raise _Interrupt


def _dropped(unraisable):
    # The interpreter drops an exception that comes inside a callback of a weak reference.
    if unraisable.exc_type is _Interrupt:
        _raised_at.clear()


@pytest.fixture
def handler(monkeypatch):
    monkeypatch.setattr(sys, "unraisablehook", _dropped)
    before = signal.signal(signal.SIGALRM, _interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupted(work, delay):
    """Runs `work` with a signal after `delay` seconds; True when the signal came before the end."""
    try:
        try:
            _raised_at.clear()
            signal.setitimer(signal.ITIMER_REAL, delay, 0.05)
            work()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except _Interrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)  # when the signal came inside the `finally`
        return True
    return False


def assert_exact(engine, session):
    """The session, as far as it says it is, computes what a new one computes."""
    tokens = session.tokens
    if session._logits is not None:
        with engine.session(600) as other:
            other.eval(tokens)
            assert np.array_equal(session.logits(), other.logits())
    session.eval(5)
    assert session.tokens == [*tokens, 5]
    with engine.session(600) as other:
        other.eval([*tokens, 5])
        assert np.array_equal(session.logits(), other.logits())


@needs_timer
def test_a_session_is_exact_after_an_interrupt_at_any_moment(engine, handler):
    draw = random.Random(3)
    hits = 0
    for _ in range(120):
        with engine.session(500) as session:

            def steps(session=session):
                while session.pos < 400:
                    session.eval([8, 9, 10])
                    session.rewind(session.pos - 2)
                    session.sync([*session.tokens, 7])

            hits += interrupted(steps, draw.uniform(1e-4, 8e-3))
            assert_exact(engine, session)
    assert hits > 60


@needs_timer
def test_interrupts_leave_no_lock_no_pin_and_no_session_behind(tiny_path, handler):
    draw = random.Random(4)
    with Engine(tiny_path, n_threads=1) as engine:
        shared = engine.open()._shared()
        engine.session(64).close()  # starts the thread: `Thread.start` itself can be torn apart
        hits = 0
        for _ in range(200):

            def steps():
                while True:
                    with engine.session(64) as session:
                        session.eval([1, 2])
                        session.fork().close()

            hits += interrupted(steps, draw.uniform(1e-4, 4e-3))
        gc.collect()
        with engine.session(64):
            one = engine.memory_used().session_state
        assert hits == 200
        assert not shared.compute_lock.locked()
        assert not shared._pins
        # An exception in the callback of a weak reference itself is dropped by the interpreter, and the callback's work
        # with it. That is rare.
        assert engine.memory_used().session_state <= 4 * one


@needs_timer
def test_interrupts_while_opening_and_closing_leave_no_engine_open(tiny_path, handler):
    draw = random.Random(5)
    before = registry.open_count()

    def steps():
        with Engine(tiny_path, n_threads=1, n_batch=33) as engine:
            engine.open()

    hits = sum(interrupted(steps, draw.uniform(1e-4, 3e-2)) for _ in range(60))
    gc.collect()
    assert hits > 5
    assert registry.open_count() == before
    assert not registry._lock.locked()


def test_share_that_is_lost_on_its_way_to_the_handle_is_given_back(tiny_path, monkeypatch):
    before, acquire = registry.open_count(), registry.acquire

    def torn(options):
        acquire(options)
        raise _Interrupt

    monkeypatch.setattr(registry, "acquire", torn)
    with Engine(tiny_path, n_threads=1, n_batch=34) as engine, pytest.raises(_Interrupt):
        engine.open()
    monkeypatch.undo()
    assert registry.open_count() == before


def test_handle_whose_finalizer_is_torn_apart_gives_its_share_back(tiny_path, monkeypatch):
    before = registry.open_count()
    engine = Engine(tiny_path, n_threads=1, n_batch=34).open()
    monkeypatch.setattr(type(engine._holdings), "release", lambda holdings: None)
    engine._holdings = None  # what its finalizer alone holds now
    del engine
    gc.collect()
    assert registry.open_count() == before


def test_when_there_is_no_room_for_logits_nothing_is_computed(engine, monkeypatch):
    first, second = engine.session(64), engine.session(64)
    first.eval([4, 5])
    row = first.logits()
    empty, layers = np.empty, engine.layers_computed

    def fail(shape, *args, **options):
        if shape == (1, engine.model.n_vocab):
            raise MemoryError("no room for logits")
        return empty(shape, *args, **options)

    monkeypatch.setattr(batch_module.np, "empty", fail)
    with pytest.raises(MemoryError, match="no room"):
        engine.forward([Span(first, [1, 2, 3]), Span(second, [4])])
    monkeypatch.undo()
    assert engine.layers_computed == layers
    assert (first.tokens, second.tokens) == ([4, 5], [])
    assert np.array_equal(first.logits(), row)
    assert_exact(engine, first)
    assert_exact(engine, second)


def small_steps(tiny_path, **options):
    return Engine(tiny_path, n_threads=1, n_batch=8, step_tokens=8, **options)


@pytest.fixture
def stop_after(monkeypatch):
    """Interrupts or cancels after some steps; the scheduler goes on when whoever waits has noticed."""

    def install(n, way, flag):
        forward, set_flag, noticed, done = Step.forward, CancelFlag.set, threading.Event(), []
        main = threading.main_thread().ident

        def counted(self, ptr):
            forward(self, ptr)
            done.append(1)
            if len(done) == n:
                if way == "cancel":
                    flag.set()
                else:
                    signal.pthread_kill(main, signal.SIGINT)
                assert noticed.wait(120)

        def set_and_tell(self):
            set_flag(self)
            noticed.set()

        monkeypatch.setattr(Step, "forward", counted)
        monkeypatch.setattr(CancelFlag, "set", set_and_tell)

    yield install
    monkeypatch.undo()


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system can not send signals to threads")
@pytest.mark.parametrize("way", ["signal", "cancel"])
@pytest.mark.parametrize("begin", [0, 30])
@pytest.mark.parametrize("call", ["eval", "sync", "rewind"])
def test_what_is_stopped_between_steps_computes_not_a_layer_more(tiny_path, monkeypatch, stop_after, way, begin, call):
    flag = CancelFlag()
    tokens = [(7 * i) % 300 for i in range(120)]
    # Without checkpoints going back computes everything again.
    with small_steps(tiny_path, checkpoint_bytes_max=1) as engine, engine.session(200) as session:
        if call == "rewind":
            begin += 90
        if begin:
            session.eval(tokens[:begin])
        row = session.logits() if begin else None
        n_layer, layers = engine.info.n_layer, engine.layers_computed
        stop_after(3, way, flag)
        calls = {
            "eval": lambda: session.eval([9] * 80, cancel=flag),
            "sync": lambda: session.sync(tokens, cancel=flag),
            "rewind": lambda: session.rewind(begin - 20, cancel=flag),
        }
        with pytest.raises(errors.GenerationCancelled if way == "cancel" else KeyboardInterrupt):
            calls[call]()
        monkeypatch.undo()
        assert engine.layers_computed == layers + 3 * n_layer
        if call == "sync":
            assert session.tokens == tokens[: begin + 24]
        else:
            assert session.tokens == tokens[:begin]
            assert row is None or np.array_equal(session.logits(), row)
        assert_exact(engine, session)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system can not send signals to threads")
@pytest.mark.parametrize("n", [1, 9, 40])
def test_an_eval_that_was_done_when_its_caller_gave_up_is_taken_back(tiny_path, monkeypatch, n):
    with small_steps(tiny_path) as engine, engine.session(200) as session:
        session.eval(list(range(50)))
        row = session.logits()

        class Torn(SimpleQueue):
            def get(self, timeout):
                super().get()
                assert session.pos == 50 + n
                monkeypatch.setattr(work_module, "SimpleQueue", SimpleQueue)
                raise KeyboardInterrupt

        monkeypatch.setattr(work_module, "SimpleQueue", Torn)
        with pytest.raises(KeyboardInterrupt):
            session.eval([9] * n)
        assert session.tokens == list(range(50))
        assert np.array_equal(session.logits(), row)
        assert_exact(engine, session)


def test_an_eval_that_is_interrupted_again_while_it_is_taken_back_is_taken_back(tiny_path, monkeypatch):
    with small_steps(tiny_path) as engine, engine.session(200) as session:
        session.eval(list(range(50)))
        row, gets = session.logits(), []

        class Torn(SimpleQueue):
            def get(self, timeout):
                gets.append(self)
                if len(gets) == 1:
                    super().get()
                if len(gets) <= 2:  # the eval is done, then its undoing is waited for
                    raise KeyboardInterrupt
                return super().get(timeout=timeout)

        monkeypatch.setattr(work_module, "SimpleQueue", Torn)
        with pytest.raises(KeyboardInterrupt):
            session.eval([9] * 40)
        assert session.tokens == list(range(50))
        monkeypatch.undo()
        assert len(gets) > 2
        assert np.array_equal(session.logits(), row)
        assert_exact(engine, session)


def test_who_is_interrupted_just_after_he_asked_waits_for_the_end_of_it(tiny_path, monkeypatch):
    with small_steps(tiny_path) as engine, engine.session(200) as session, engine.session(200) as other:
        session.eval(list(range(50)))
        held, go, asked = threading.Event(), threading.Event(), threading.Event()
        forward, submit = Step.forward, Scheduler.submit

        def hold(step, ptr):
            held.set()
            assert go.wait(120)
            forward(step, ptr)

        def torn(scheduler, work):
            submit(scheduler, work)
            asked.set()
            raise KeyboardInterrupt

        with ThreadPoolExecutor(2) as pool:
            monkeypatch.setattr(Step, "forward", hold)
            first = pool.submit(other.eval, 5)
            assert held.wait(120)
            monkeypatch.setattr(Scheduler, "submit", torn)
            torn_apart = pool.submit(session.rewind, 20)
            assert asked.wait(120)
            assert not torn_apart.done()
            go.set()
            assert isinstance(torn_apart.exception(120), KeyboardInterrupt)
            tokens = session.tokens
            first.result(120)
        monkeypatch.undo()
        engine.session(8).close()
        assert session.tokens == tokens
        assert_exact(engine, session)


def test_errors_that_a_later_piece_would_have_are_told_before_anything_is_computed(tiny_path):
    with small_steps(tiny_path) as engine, engine.session(100) as session:
        session.eval(1)
        before = engine.layers_computed
        with pytest.raises(errors.InvalidTokenError, match="1000000"):
            session.eval([1] * 50 + [10**6])
        with pytest.raises(errors.ContextFullError, match="100"):
            session.eval([1] * 100)
        assert engine.layers_computed == before
        assert session.tokens == [1]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system can not send signals to threads")
def test_ctrl_c_in_the_middle_of_a_forward_stops_a_long_prompt(tiny_path):
    tokens = [8] * 4000
    with Engine(tiny_path, n_threads=1, n_batch=64) as engine, engine.session(4096) as session:
        session.eval(1)
        before, told = engine.layers_computed, threading.Event()

        def interrupt():
            while engine.layers_computed < before + 3:
                pass
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            told.set()

        def sync_and_wait():
            helper.start()
            session.sync(tokens)
            told.wait(120)  # it was faster than the signal

        helper = threading.Thread(target=interrupt)
        try:
            with pytest.raises(KeyboardInterrupt):
                sync_and_wait()
        finally:
            helper.join()
        assert session.tokens == tokens[: session.pos]
        assert_exact_beginning(engine, session)


def assert_exact_beginning(engine, session):
    session.rewind(min(session.pos, 100))
    assert_exact(engine, session)


# -- opening -----------------------------------------------------------------------------------------------------------


def run(program):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=300, check=False
    )


def test_ctrl_c_while_opening_is_not_swallowed(tiny_path, monkeypatch):
    loaded = registry.native.load()
    original = loaded.lib.ds4x_engine_open

    class Lib:
        def __getattr__(self, name):
            return getattr(loaded.lib, name)

        @staticmethod
        def ds4x_engine_open(*arguments):
            signal.raise_signal(signal.SIGINT)
            return original(*arguments)

    class Loaded:
        lib = Lib()

        def __getattr__(self, name):
            return getattr(loaded, name)

    before = registry.open_count()
    monkeypatch.setattr(registry.native, "load", Loaded)
    with Engine(tiny_path, n_batch=35) as engine:
        with pytest.raises(KeyboardInterrupt):
            engine.open()
        monkeypatch.undo()
        assert registry.open_count() == before
        assert engine.open().is_open


def test_the_program_may_end_while_a_thread_opens_engines():
    result = run("""
        import threading
        from ds4_core import Engine
        opened = threading.Event()
        def work():
            while True:
                with Engine("ds4-tiny", n_threads=1) as engine:
                    engine.open()
                opened.set()
        threading.Thread(target=work, daemon=True).start()
        opened.wait()
        print("ends")
    """)
    assert (result.returncode, result.stdout, result.stderr) == (0, "ends\n", "")


def test_opening_is_logged_by_python(tiny_path, caplog):
    with caplog.at_level(logging.INFO, logger="ds4_core"), Engine(tiny_path, n_batch=37) as engine:
        engine.open()
    (record,) = (record for record in caplog.records if str(tiny_path) in record.getMessage())
    assert (record.levelno, record.threadName) == (logging.INFO, threading.current_thread().name)
    assert "layers" in record.getMessage()
