"""How programs end: the interpreter with live requests, a forked child, Ctrl-C, engines that are collected."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import textwrap
import weakref

import numpy as np
import pytest

from ds4_core import Engine, registry

TOKENS = [(7 * i) % 300 for i in range(120)]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PRELUDE = """
import asyncio, contextlib, faulthandler, gc, os, signal, sys, threading, warnings
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning)  # newer Pythons: fork in a program with threads
faulthandler.dump_traceback_later(120, exit=True)
from ds4_core import AsyncEngine, CancelFlag, Engine, Span, errors, registry
from ds4_core.step import Step
TOKENS = [(7 * i) % 300 for i in range(120)]

class Held:
    # Holds the scheduler inside its next steps.
    entered, go = threading.Event(), threading.Event()
forward = Step.forward
def hold():
    def held(step, ptr):
        forward(step, ptr)
        Held.entered.set()
        Held.go.wait(120)
    Step.forward = held
"""


def run(program, **options):
    code = PRELUDE + textwrap.dedent(program)
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False, **options
    )
    return result.returncode, result.stdout, result.stderr


# -- the interpreter ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "sys.exit(0)", "del engine, session", "engine.close()", "gc.collect()"])
def test_the_interpreter_ends_with_live_sessions_and_requests(end):
    assert run(f"""
        engine = Engine(n_threads=1, step_tokens=8).open()
        session = engine.session(300)
        session.eval(TOKENS)
        checkpoint = session.checkpoint()
        streams = [engine.generate([i, 2, 3], ignore_eos=True, max_tokens=4000, n_ctx=4096) for i in range(3)]
        tokens = [next(stream) for stream in streams for _ in range(3)]
        print("ends")
        {end}
    """) == (0, "ends\n", "")


@pytest.mark.parametrize("work", ["eval", "sync", "fork", "save", "generate"])
def test_the_interpreter_ends_while_threads_wait_for_the_engine(work):
    assert run(f"""
        engine = Engine(n_threads=1, n_batch=8, step_tokens=8).open()
        def forever():
            with contextlib.suppress(errors.EngineClosedError):
                while True:
                    with engine.session(300) as session:
                        started.set()
                        if "{work}" == "eval": session.eval(TOKENS)
                        if "{work}" == "sync": session.sync(TOKENS)
                        if "{work}" == "fork": session.fork().close()
                        if "{work}" == "save": session.save(os.devnull if os.name == "nt" else null)
                        if "{work}" == "generate": list(engine.generate(TOKENS, max_tokens=8, ignore_eos=True))
        null = open(os.devnull, "wb")
        started = threading.Event()
        for _ in range(3):
            threading.Thread(target=forever, daemon=True).start()
        started.wait()
        print("ends")
        sys.stdout.flush()
        null.flush()
    """)[:2] == (0, "ends\n")


def test_the_interpreter_ends_inside_a_step():
    assert run("""
        engine = Engine(n_threads=1, n_batch=8, step_tokens=100000).open()
        session = engine.session(4096)
        def work():
            with contextlib.suppress(errors.EngineClosedError):
                session.eval([5] * 4000)
        threading.Thread(target=work, daemon=True).start()
        while engine.layers_computed == 0:
            pass
        print("ends")
    """) == (0, "ends\n", "")


def test_an_event_loop_ends_with_live_tasks():
    assert run("""
        async def main():
            engine = await AsyncEngine(n_threads=1, step_tokens=8).open()
            session = await engine.session(300)
            async def read():
                async for event in engine.generate([1, 2], ignore_eos=True, max_tokens=100000, n_ctx=4000):
                    pass
            tasks = [asyncio.create_task(read()) for _ in range(3)]
            tasks.append(asyncio.create_task(session.sync(TOKENS * 2)))
            await asyncio.sleep(0.01)
            return tasks, engine, session
        kept = asyncio.run(main())
        assert all(task.cancelled() or task.done() for task in kept[0])
        print("ends")
    """) == (0, "ends\n", "")


def test_an_exit_handler_of_the_program_gets_an_error_and_does_not_hang():
    assert run("""
        import atexit
        engine = Engine(n_threads=1)
        session = engine.session(64)
        def last():
            for use in (lambda: session.eval(1), lambda: next(engine.generate([1])), engine.session):
                try:
                    use()
                except errors.EngineClosedError:
                    print("closed")
        import ds4_core.scheduler as scheduler
        atexit.unregister(scheduler._stop_all)
        atexit.register(last)
        atexit.register(scheduler._stop_all)  # runs first
    """) == (0, "closed\n" * 3, "")


# -- a forked child ----------------------------------------------------------------------------------------------------


@needs_fork
def test_a_child_of_a_busy_parent_refuses_everything_and_ends_cleanly():
    assert run("""
        import tempfile
        engine = Engine(n_threads=1, n_batch=8, step_tokens=8)
        session = engine.session(300)
        session.eval(TOKENS)
        checkpoint, data, path = session.checkpoint(), session.snapshot(), tempfile.mktemp()
        stream = engine.generate([1, 2, 3], ignore_eos=True, max_tokens=200)
        next(stream)
        hold()
        busy = threading.Thread(target=session.sync, args=([9, *TOKENS],))
        busy.start()
        Held.entered.wait()  # the scheduler holds its locks inside a step
        faulthandler.cancel_dump_traceback_later()  # its thread would be missed in the child
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            tried = 0
            for use in (lambda: session.eval(1), lambda: session.sync([1]), lambda: session.rewind(0), session.fork,
                        session.checkpoint, checkpoint.session, session.snapshot, lambda: session.restore(data),
                        lambda: session.save(path), session.logits, session.argmax, session.sample,
                        lambda: session.logprobs(top_k=1), lambda: engine.forward([Span(session, [1])]),
                        engine.session, engine.memory_used, lambda: engine.profile().__enter__(),
                        lambda: next(engine.generate([1])), lambda: asyncio.run(AsyncEngine(engine).session()),
                        lambda: asyncio.run(AsyncEngine(engine).memory_used())):
                try:
                    use()
                except errors.ForkedProcessError:
                    tried += 1
            assert tried == 20, tried
            assert not os.path.exists(path)
            assert session.tokens is not None and session.pos >= 0
            session.close(), checkpoint.close(), stream.close()
            with Engine(n_threads=1) as own, own.session(64) as other:
                Step.forward = forward
                other.eval([1, 2])
                list(own.generate([1, 2], max_tokens=3))
            del session, checkpoint, stream, engine
            gc.collect()
            sys.exit(7)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status == 7, status
        Step.forward = forward
        Held.go.set()
        busy.join()
        assert session.tokens == [9, *TOKENS]
        assert len(list(stream)) > 190
        print("ends")
    """) == (0, "ends\n", "")


# -- Ctrl-C ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to the process itself")
@pytest.mark.parametrize("call", ["eval", "sync"])
def test_ctrl_c_stops_a_long_computation_within_a_step(call):
    code, out, err = run(f"""
        import numpy as np
        engine = Engine(n_threads=1, n_batch=8, step_tokens=64)
        session = engine.session(4096)
        session.eval([1, 2, 3])
        row, steps = session.logits(), []
        raised = threading.Event()
        set_flag = CancelFlag.set
        def set_and_tell(flag):
            set_flag(flag)
            raised.set()
        CancelFlag.set = set_and_tell
        def counted(step, ptr):
            forward(step, ptr)
            steps.append(engine.layers_computed)
            if len(steps) == 2:
                os.kill(os.getpid(), signal.SIGINT)
                assert raised.wait(120)
        Step.forward = counted
        wanted = [1, 2, 3] + [(5 * i) % 300 for i in range(4000)]
        try:
            session.eval(wanted[3:]) if "{call}" == "eval" else session.sync(wanted)
        except KeyboardInterrupt:
            print("interrupted")
        assert engine.layers_computed == steps[1], (engine.layers_computed, steps)
        assert len(steps) <= 3
        Step.forward, CancelFlag.set = forward, set_flag
        if "{call}" == "eval":
            assert session.tokens == [1, 2, 3] and np.array_equal(session.logits(), row)
        else:
            assert session.tokens == wanted[: 3 + 128], session.pos
        held = session.tokens
        session.eval(7)
        with engine.session(4096) as fresh:
            fresh.eval([*held, 7])
            assert np.array_equal(fresh.logits(), session.logits())
        print("exact")
    """)
    assert (code, out, err) == (0, "interrupted\nexact\n", "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to the process itself")
def test_ctrl_c_from_outside_ends_a_program_like_any_other():
    code = PRELUDE + textwrap.dedent("""
        engine = Engine(n_threads=1)
        session = engine.session(4096)
        print("begins", flush=True)
        while True:
            session.sync(TOKENS * 30)
            session.rewind(0)
    """)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "begins\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == -signal.SIGINT
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert "Exception ignored" not in err


# -- collected ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def own_path(tiny_path, tmp_path):
    path = tmp_path / "own.gguf"
    path.write_bytes(tiny_path.read_bytes())
    return path


def test_sessions_and_checkpoints_keep_a_dropped_engine_alive(own_path):
    before = registry.open_count()
    engine = Engine(own_path)
    session = engine.session(300)
    session.eval(TOKENS)
    gone = weakref.ref(engine)
    checkpoint = session.checkpoint()
    del engine
    gc.collect()
    session.eval(1)
    expected = session.logits()
    del session
    gc.collect()
    with checkpoint.session() as resumed:
        resumed.eval(1)
        assert np.array_equal(resumed.logits(), expected)
    del checkpoint, resumed
    gc.collect()
    assert gone() is None
    assert registry.open_count() == before


@pytest.mark.parametrize("failing", [False, True])
def test_an_engine_and_its_sessions_in_a_cycle_are_collected_together(own_path, failing):
    before = registry.open_count()
    engine = Engine(own_path)
    sessions = [engine.session(300) for _ in range(3)]
    for session in sessions:
        session.eval(TOKENS[:20])
        if failing:
            try:
                session.eval([1] * 300)
            except ValueError as error:
                session.error = error  # holds frames, which hold the session
    cycle = [engine, sessions, sessions[0].checkpoint(), engine.generate([1, 2, 3], ignore_eos=True)]
    next(cycle[3])
    cycle.append(cycle)
    scheduler = engine._shared().scheduler
    del engine, sessions, session, cycle
    gc.collect()
    scheduler.join(120)  # it ends the request, lets go of the engine, and ends
    assert not scheduler._thread.is_alive()
    assert registry.open_count() == before
