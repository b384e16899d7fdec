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

import numpy as np
import pytest

from ds4_core import CancelFlag, Engine, Span, errors, registry
from ds4_core import batch as batch_module

# Such a dropped exception is also reported as unraisable; that is what it is, not a fault of ours.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
needs_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timers")


class _Interrupt(Exception):
    pass


def _interrupt(number, frame):
    raise _Interrupt


@pytest.fixture
def handler():
    before = signal.signal(signal.SIGALRM, _interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def interrupted(work, delay):
    """Runs `work` with a signal after `delay` seconds; True when the signal came before the end."""
    try:
        try:
            # Again and again: the interpreter drops an exception that comes inside a callback of a weak reference.
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


class _Boom:
    """Stands for an exception after the native call: copying logits fails."""

    def __init__(self, monkeypatch):
        self._patch = monkeypatch

    def __enter__(self):
        def fail(*args):
            raise MemoryError("no room for logits")

        self._patch.setattr(batch_module.Batch, "_read_logits", fail)

    def __exit__(self, *error):
        self._patch.undo()


def test_when_reading_logits_fails_the_tokens_were_not_taken(engine, monkeypatch):
    first, second = engine.session(64), engine.session(64)
    first.eval([4, 5])
    row = first.logits()
    with _Boom(monkeypatch), pytest.raises(MemoryError, match="no room"):
        engine.forward([Span(first, [1, 2, 3]), Span(second, [4])])
    assert (first.tokens, second.tokens) == ([4, 5], [])
    assert np.array_equal(first.logits(), row)
    assert_exact(engine, first)
    assert_exact(engine, second)


def small_batches(tiny_path):
    return Engine(tiny_path, n_threads=1, n_batch=8)


@pytest.fixture
def stop_after(monkeypatch):
    """Raises or cancels after some pieces."""

    def install(n, action):
        original, done = batch_module.Batch.run, []

        def run(self, cancel):
            result = original(self, cancel)
            done.append(1)
            if len(done) == n:
                action()
            return result

        monkeypatch.setattr(batch_module.Batch, "run", run)
        return done

    yield install
    monkeypatch.undo()


@pytest.mark.parametrize("way", ["signal", "cancel"])
@pytest.mark.parametrize("begin", [0, 30])
def test_a_long_eval_that_is_stopped_between_pieces_leaves_the_session_unchanged(
    tiny_path, monkeypatch, stop_after, way, begin
):
    flag = CancelFlag()
    with small_batches(tiny_path) as engine, engine.session(200) as session:
        if begin:
            session.eval(list(range(begin)))
        row = session.logits() if begin else None
        done = stop_after(3, flag.set if way == "cancel" else lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(errors.GenerationCancelled if way == "cancel" else KeyboardInterrupt):
            session.eval([9] * 80, cancel=flag)
        monkeypatch.undo()
        assert len(done) <= 4  # of ten pieces
        assert session.tokens == list(range(begin))
        assert row is None or np.array_equal(session.logits(), row)
        assert_exact(engine, session)


def test_a_long_sync_that_is_interrupted_holds_a_beginning(tiny_path, monkeypatch, stop_after):
    tokens = [(7 * i) % 300 for i in range(80)]
    with small_batches(tiny_path) as engine, engine.session(200) as session:
        session.eval(tokens[:5])
        stop_after(3, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            session.sync(tokens)
        monkeypatch.undo()
        assert 5 <= session.pos < 80
        assert session.tokens == tokens[: session.pos]
        session.sync(tokens)
        assert_exact(engine, session)


def test_errors_that_a_later_piece_would_have_are_told_before_anything_is_computed(tiny_path):
    with small_batches(tiny_path) as engine, engine.session(100) as session:
        session.eval(1)
        before = engine.layers_computed
        with pytest.raises(errors.InvalidTokenError, match="1000000"):
            session.eval([1] * 50 + [10**6])
        with pytest.raises(errors.ContextFullError, match="100"):
            session.eval([1] * 100)
        assert engine.layers_computed == before
        assert session.tokens == [1]


def sync_and_wait(session, tokens):
    session.sync(tokens)
    time.sleep(10)  # the machine was faster than the timer


def test_ctrl_c_stops_a_long_prompt_soon(tiny_path):
    tokens = [8] * 4000
    with Engine(tiny_path, n_threads=1, n_batch=64) as engine, engine.session(4096) as session:
        session.eval(1)
        main = threading.main_thread().ident
        timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                sync_and_wait(session, tokens)
        finally:
            timer.join()
        if session.pos < 4000:
            assert session.tokens == tokens[: session.pos]
        assert_exact_beginning(engine, session)


def assert_exact_beginning(engine, session):
    session.rewind(min(session.pos, 100))
    assert_exact(engine, session)


# -- opening -----------------------------------------------------------------------------------------------------------


def run(program):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120, check=False
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
