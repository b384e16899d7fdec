"""os.fork(): an engine of the parent refuses in the child with a typed error and never hangs; a new one works.

Each test runs a program of its own, because a forked test process would run the tests twice.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PRELUDE = """
import faulthandler, gc, os, signal, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn about fork in a program with threads
import numpy as np
from ds4_core import CancelFlag, Engine, Model, Span, errors, registry

def in_child(work):
    # Runs work() in a forked child that is killed when it hangs; fails unless it returns.
    pid = os.fork()
    if pid == 0:
        faulthandler.enable()
        signal.alarm(120)
        try:
            work()
            os._exit(0)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

def refuses(use):
    try:
        use()
    except errors.ForkedProcessError as error:
        assert str(os.getpid()) in str(error), error
    else:
        raise AssertionError("it did not refuse")
"""


def run(program, python=sys.executable):
    code = PRELUDE + textwrap.dedent(program)
    result = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr


def test_everything_of_the_parent_refuses_in_the_child():
    run("""
        engine = Engine().open()
        session = engine.session()
        session.eval([1, 2, 3])
        model = Model("ds4-tiny")
        def child():
            for use in (lambda: engine.info, engine.session, engine.memory_used, lambda: engine.memory_estimate(5),
                        lambda: engine.forward([Span(session, [1])]), lambda: session.eval(1), session.fork,
                        lambda: session.sync([1, 2]), lambda: session.rewind(1), session.logits, session.argmax,
                        lambda: engine.model.tokenize("a"), lambda: model.info, lambda: model.tokenize("a")):
                refuses(use)
        in_child(child)
        session.eval(4)
        assert session.tokens == [1, 2, 3, 4]
    """)


def test_closing_and_collecting_in_the_child_is_harmless():
    run("""
        engine, other = Engine().open(), Engine(n_batch=64).open()
        session, dropped = engine.session(), other.session()
        session.eval([1, 2, 3])
        dropped.eval(1)
        def child():
            global other, dropped
            session.close(); engine.close(); engine.close()
            del other, dropped
            gc.collect()
            assert registry.open_count() == 0
        in_child(child)
        session.eval(4)
        dropped.eval(2)
    """)


def test_the_child_can_make_its_own_engine():
    run("""
        engine = Engine().open()
        with engine.session() as session:
            session.eval([1, 2, 3])
            expected = session.logits()
        def child():
            with Engine() as own, own.session() as session:
                session.eval([1, 2, 3])
                assert np.array_equal(session.logits(), expected)
        in_child(child)
        in_child(lambda: in_child(child))
    """)


def test_an_engine_that_was_never_opened_works_in_the_child():
    run("""
        engine = Engine()
        def child():
            with engine.session() as session:
                session.eval(1)
        in_child(child)
        child()
    """)


def test_a_fork_in_the_middle_of_other_threads_computations_does_not_hang():
    run("""
        engine = Engine().open()
        stop = threading.Event()
        def compute():
            while not stop.is_set():
                with engine.session() as session:
                    session.eval([3] * 50)
        threads = [threading.Thread(target=compute) for _ in range(3)]
        for thread in threads: thread.start()
        def child():
            session_error = None
            refuses(engine.session)
            engine.close()
            with Engine() as own, own.session() as session:
                session.eval(1)
        for _ in range(10): in_child(child)
        stop.set()
        for thread in threads: thread.join()
    """)


def test_a_fork_while_another_thread_opens_does_not_hang():
    run("""
        for i in range(10):
            engine = Engine(n_batch=100 + i)
            thread = threading.Thread(target=engine.open)
            thread.start()
            def child():
                try:
                    with engine.session() as session:
                        session.eval(1)
                except errors.ForkedProcessError:
                    pass
                with Engine() as own:
                    own.open()
            in_child(child)
            thread.join()
            engine.close()
    """)


def test_opening_imports_no_module():
    # A fork in the middle of an import would leave the child with that module's lock held for ever.
    run("""
        before = set(sys.modules)
        with Engine() as engine, engine.session() as session:
            session.eval(1)
        assert set(sys.modules) == before, set(sys.modules) - before
    """)


def test_a_fork_waits_for_a_thread_that_parses_declarations():
    run("""
        from cffi import cparser
        from ds4_core.ffi import new_ffi
        ffi, inside, go_on = new_ffi(), threading.Event(), threading.Event()
        def parse():
            with ffi._lock, cparser.lock:
                inside.set()
                go_on.wait()
        thread = threading.Thread(target=parse)
        thread.start()
        inside.wait()
        os.register_at_fork(before=go_on.set)  # the last one registered runs first
        def child():
            assert not ffi._lock.locked() and not cparser.lock.locked()
            with Engine() as own:
                own.open()
        in_child(child)
        assert not ffi._lock.locked()
        thread.join()
    """)


def test_a_child_that_ends_normally_does_not_crash():
    run("""
        engine = Engine().open()
        session = engine.session()
        session.eval(1)
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            sys.exit(0)  # runs the finalizers
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        session.eval(2)
    """)


def test_a_process_pool_that_forks_gets_a_typed_error():
    run("""
        import multiprocessing
        engine = Engine().open()
        def work(queue):
            try:
                engine.session()
            except errors.ForkedProcessError as error:
                queue.put(error)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        process = context.Process(target=work, args=(queue,))
        process.start()
        assert isinstance(queue.get(timeout=120), errors.ForkedProcessError)
        process.join()
    """)


def test_the_program_ends_cleanly_with_everything_left_open():
    run("""
        engine = Engine().open()
        session = engine.session()
        session.eval(1)
        thread = threading.Thread(target=lambda: [session.fork() for _ in range(50)], daemon=True)
        thread.start()
    """)
