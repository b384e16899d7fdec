"""The scheduler by counting steps and layers: fairness, cancelling, failing, idling, and what it leaves behind."""

import gc
import logging
import os
import signal
import sys
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise

import pytest

from ds4_core import CancelFlag, Engine, GenerationCancelled, InternalError
from ds4_core.errors import (
    ContextOverflowError,
    EngineClosedError,
    ForkedProcessError,
    GenerationTimeoutError,
    InvalidTokenError,
)
from ds4_core.generation import LOOKAHEAD, PrefillProgress, SampledToken
from ds4_core.scheduler import Scheduler
from ds4_core.step import Step
from ds4_core.work import Work
from tests.core.generations import (
    PATIENCE_S,
    Pauses,
    Watch,
    end_of,
    kv_bytes,
    never_pause,
    progress_of,
    prompt,
    settled,
    tokens_of,
    until_token,
    warm_engine,
)

GREEDY = dict(temperature=0, ignore_eos=True)


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture
def pauses(monkeypatch):
    return Pauses(monkeypatch)


@pytest.fixture
def own():
    with warm_engine(max_running=62) as engine:
        yield engine


def stepped_by_hand(engine, ids, n):
    """What greedy decoding gives with a session."""
    with engine.session() as session:
        session.sync(ids)
        tokens = []
        for _ in range(n):
            tokens.append(session.argmax())
            session.eval(tokens[-1])
    return tokens


# -- what comes out ----------------------------------------------------------------------------------------------------


def test_events_are_progress_then_tokens_then_one_end(own):
    events = list(own.generate(prompt(20), max_tokens=5, **GREEDY))
    assert [type(event) for event in events[:-1]] == [PrefillProgress] + [SampledToken] * 5
    assert end_of(events).reason == "length"


def test_tokens_are_those_of_a_session_stepped_by_hand(own):
    ids = prompt(40, 1)
    assert tokens_of(own.generate(ids, max_tokens=12, **GREEDY)) == stepped_by_hand(own, ids, 12)


def test_parallel_requests_sessions_and_batches_do_not_notice_each_other(own):
    prompts = [prompt(15 + 9 * i, i) for i in range(8)]
    alone = [stepped_by_hand(own, ids, 10) for ids in prompts]
    with ThreadPoolExecutor(16) as pool:
        streams = [
            pool.submit(lambda ids=ids: tokens_of(own.generate(ids, max_tokens=10, **GREEDY))) for ids in prompts
        ]
        sessions = [pool.submit(stepped_by_hand, own, ids, 10) for ids in prompts]
        assert [future.result() for future in streams] == alone
        assert [future.result() for future in sessions] == alone


def test_step_size_and_batch_size_leave_no_trace():
    ids, seen = prompt(150, 3), []
    for options in ({}, {"step_tokens": 1}, {"step_tokens": 7}, {"step_tokens": 100, "n_batch": 11}):
        with Engine("ds4-tiny", n_threads=1, **options) as engine:
            seen.append(tokens_of(engine.generate(ids, max_tokens=8, seed=5)))
    assert seen == [seen[0]] * 4


def test_nothing_happens_before_the_first_event_or_start(own):
    before = own.layers_computed
    stream = own.generate(prompt(10), max_tokens=3)
    settled(own)
    assert not stream.started
    assert own.layers_computed == before
    stream.start()
    assert stream.started
    assert len(tokens_of(stream)) <= 3
    assert stream.closed


def test_errors_before_anything_is_computed(own):
    with pytest.raises(ContextOverflowError) as caught:
        next(own.generate(prompt(10), n_ctx=10))
    assert (caught.value.n_prompt, caught.value.n_ctx) == (10, 10)
    with pytest.raises(InvalidTokenError, match="4096"):
        next(own.generate([5, 4096]))
    stream = own.generate([5, 4096])
    with pytest.raises(InvalidTokenError):
        stream.start()
    assert list(stream) == []


# -- fairness ----------------------------------------------------------------------------------------------------------


def test_decoding_request_gets_a_token_in_every_step_of_a_long_prefill(watch, monkeypatch):
    never_pause(monkeypatch)
    with warm_engine(step_tokens=16) as engine:
        watch.hold_after(3)
        decoding = engine.generate(prompt(5, 1), max_tokens=2000, **GREEDY)
        until_token(decoding)
        watch.wait_until_held()
        long = engine.generate(prompt(400, 2), max_tokens=1, **GREEDY).start()
        watch.release()
        list(long)
        decoding.close()
        steps = [dict(lanes) for lanes in watch.steps if any(lane is long._work for lane, _ in lanes)]
        assert len(steps) == -(-400 // 15)
        assert all(step[decoding._work] == 1 for step in steps)
        assert all(sum(step.values()) <= 16 for step in steps)


def test_two_long_prompts_progress_evenly(watch):
    with warm_engine(step_tokens=16) as engine:
        watch.hold_after(0)
        first = engine.generate(prompt(5, 1), max_tokens=1).start()  # holds the scheduler while the two come
        watch.wait_until_held()
        a, b = (engine.generate(prompt(200, seed), max_tokens=1).start() for seed in (2, 3))
        watch.release()
        for stream in (first, a, b):
            list(stream)
        done = [0, 0]
        for lanes in watch.steps:
            moved = dict(lanes)
            done = [at + moved.get(stream._work, 0) for at, stream in zip(done, (a, b), strict=True)]
            assert abs(done[0] - done[1]) <= 1
        assert done == [200, 200]


def test_short_prompt_is_not_stuck_behind_a_long_one(watch):
    with warm_engine(step_tokens=16) as engine:
        watch.hold_after(2)
        long = engine.generate(prompt(400, 2), max_tokens=1).start()
        watch.wait_until_held()
        short = engine.generate(prompt(20, 3), max_tokens=1).start()
        watch.release()
        list(short)
        long.close()
        assert watch.of(short) == [8, 8, 4]


def test_share_that_a_short_prompt_leaves_goes_to_the_long_one(watch):
    with warm_engine(step_tokens=64) as engine:
        watch.hold_after(0)
        first = engine.generate(prompt(5, 1), max_tokens=1).start()
        watch.wait_until_held()
        long, short = (engine.generate(prompt(n, n), max_tokens=1).start() for n in (200, 10))
        watch.release()
        list(first), list(short), list(long)
        assert watch.of(short) == [10]
        assert watch.of(long)[0] == 54


def test_progress_arrives_while_the_prefill_runs(watch):
    with warm_engine(step_tokens=16) as engine:
        watch.hold_after(2)
        stream = engine.generate(prompt(100, 4), max_tokens=2, **GREEDY)
        events = [next(stream), next(stream)]
        watch.wait_until_held()  # the third piece is not computed, and two have been told
        assert progress_of(events) == [(16, 100, 0), (32, 100, 0)]
        watch.release()
        told = [done for done, _, _ in progress_of([*events, *stream])]
        assert told == [16, 32, 48, 64, 80, 96, 100]


def test_progress_is_told_for_a_prompt_of_one_piece_and_from_a_cached_beginning(own):
    ids = prompt(50, 5)
    assert progress_of(own.generate(ids, max_tokens=1)) == [(50, 50, 0)]
    told = progress_of(own.generate([*ids, 7, 8, 9], max_tokens=1))
    assert told == [(53, 53, 50)]


# -- ending early ------------------------------------------------------------------------------------------------------


def test_raised_flag_stops_within_one_layer(own):
    ids = prompt(3000, 6)
    for seed in range(3):
        flag = CancelFlag()
        before = own.layers_computed
        stream = own.generate(prompt(3000, 60 + seed), cancel=flag, **GREEDY).start()
        while own.layers_computed < before + 2 + seed:
            pass
        flag.set()
        at_flag = own.layers_computed
        with pytest.raises(GenerationCancelled):
            list(stream)
        assert own.layers_computed <= at_flag + 1
    assert len(tokens_of(own.generate(ids[:50], max_tokens=3, **GREEDY))) == 3


def test_flag_of_one_request_leaves_the_others_alone(own):
    flag = CancelFlag()
    ids = prompt(30, 7)
    expected = stepped_by_hand(own, ids, 20)
    other = own.generate(ids, max_tokens=20, **GREEDY)
    cancelled = own.generate(prompt(30, 8), cancel=flag, **GREEDY)
    until_token(cancelled)
    first = until_token(other).token
    flag.set()
    with pytest.raises(GenerationCancelled):
        list(cancelled)
    assert [first, *tokens_of(other)] == expected


def test_flag_that_is_raised_before_the_start_computes_nothing(own):
    flag = CancelFlag()
    flag.set()
    before = own.layers_computed
    with pytest.raises(GenerationCancelled):
        next(own.generate(prompt(10), cancel=flag))
    assert own.layers_computed == before
    assert flag.is_set()


def test_closed_stream_is_in_no_step_after_the_one_that_runs(own, watch, monkeypatch):
    never_pause(monkeypatch)
    stream = own.generate(prompt(10), **GREEDY)
    until_token(stream)
    watch.hold_after(0)
    watch.wait_until_held()
    seen = len(watch.steps)
    stream.close()
    stream.close()
    watch.release()
    settled(own)
    assert [lane for lanes in watch.steps[seen + 1 :] for lane, _ in lanes] == []
    assert list(stream) == []


def test_stream_closed_by_another_thread_just_ends(own, watch):
    watch.hold_after(1)
    stream = own.generate(prompt(10), **GREEDY)
    with ThreadPoolExecutor(1) as pool:
        taken = pool.submit(list, stream)
        watch.wait_until_held()
        stream.close()
        watch.release()
        assert len(tokens_of(taken.result(PATIENCE_S))) <= 1


def test_with_block_and_exceptions_in_it_close(own):
    base = kv_bytes(own)
    with suppress(KeyError), own.generate(prompt(10), **GREEDY) as stream:
        until_token(stream)
        raise KeyError
    assert stream.closed
    assert kv_bytes(own) == base


def test_dropped_stream_ends_without_the_garbage_collector(own):
    base = kv_bytes(own)
    gc.disable()
    try:
        stream = own.generate(prompt(10), **GREEDY)
        until_token(stream)
        dropped = weakref.ref(stream)
        del stream
        assert dropped() is None
        assert kv_bytes(own) == base
    finally:
        gc.enable()


def test_stream_that_failed_is_in_no_reference_cycle(own):
    gc.disable()
    try:
        flag = CancelFlag()
        stream = own.generate(prompt(10), cancel=flag, **GREEDY)
        until_token(stream)
        flag.set()
        with suppress(GenerationCancelled):
            list(stream)
        dropped = weakref.ref(stream)
        del stream
        assert dropped() is None
    finally:
        gc.enable()


def test_engine_handle_is_not_kept_by_what_was_computed():
    gc.disable()
    try:
        with warm_engine(max_running=61) as other:
            engine = Engine("ds4-tiny", n_threads=1, max_running=61)
            with engine.session() as session:
                session.sync(prompt(10))
            list(engine.generate(prompt(10), max_tokens=2))
            dropped = weakref.ref(engine)
            del engine, session
            settled(other)
            assert dropped() is None
    finally:
        gc.enable()


def test_closing_one_handle_ends_its_requests_alone(own):
    other = Engine("ds4-tiny", n_threads=1, max_running=62)
    mine, theirs = own.generate(prompt(10, 1), max_tokens=30, **GREEDY), other.generate(prompt(10, 2), **GREEDY)
    until_token(mine), until_token(theirs)
    other.close()
    with pytest.raises(EngineClosedError):
        list(theirs)
    assert len(tokens_of(mine)) == 29


def test_closing_the_handle_of_a_stalled_stream_frees_its_memory(own, pauses):
    base = kv_bytes(own)
    other = Engine("ds4-tiny", n_threads=1, max_running=62)
    stream = other.generate(prompt(10, 2), **GREEDY).start()
    pauses.wait_for_one()
    other.close()
    assert kv_bytes(own) == base
    with pytest.raises(EngineClosedError):
        list(stream)


def test_closing_the_last_handle_ends_everything_within_a_layer():
    engine = Engine("ds4-tiny", n_threads=1, max_running=60).open()
    shared = engine._shared()
    streams = [engine.generate(prompt(3000, seed), **GREEDY).start() for seed in range(3)]
    while engine.layers_computed < 3:
        pass
    with shared.pinned():  # to count
        engine.close()
        at_close = shared.native.lib.ds4x_layers_computed(shared._ptr)
        for stream in streams:
            with pytest.raises(EngineClosedError):
                list(stream)
        assert shared.native.lib.ds4x_layers_computed(shared._ptr) <= at_close + 1
    with pytest.raises(EngineClosedError):
        next(engine.generate(prompt(3)))


def test_timeout_while_computing_waiting_and_stalled(own):
    for ids in (prompt(3000, 1), prompt(10, 2)):
        stream = own.generate(ids, timeout_s=0.05, **GREEDY).start()
        while not stream._work.finished:  # nobody takes its tokens
            settled(own)
        with pytest.raises(GenerationTimeoutError, match=r"0\.05 s") as caught:
            list(stream)
        assert isinstance(caught.value, TimeoutError)
    with warm_engine(max_running=1) as engine:
        running = engine.generate(prompt(10, 1), **GREEDY)
        until_token(running)
        with pytest.raises(GenerationTimeoutError):
            list(engine.generate(prompt(3000, 2), timeout_s=1e-9))
        assert next(running)


def test_deadline_ends_a_long_step_in_its_middle():
    with warm_engine(step_tokens=2**20) as engine:
        before, n_layer = engine.layers_computed, engine.info.n_layer
        n_pieces = 40_000 // engine._shared().n_batch  # in one step: some seconds
        stream = engine.generate(prompt(40_000), n_ctx=50_000, timeout_s=0.05, **GREEDY)
        with pytest.raises(GenerationTimeoutError):
            list(stream)
        assert engine.layers_computed - before < n_layer * n_pieces
        # An end in time is no timeout, and its deadline meets nobody.
        assert len(tokens_of(engine.generate(prompt(10), max_tokens=3, timeout_s=60, **GREEDY))) == 3


def test_ended_requests_are_not_kept_until_their_deadlines(own):
    streams = [own.generate(prompt(4, seed), max_tokens=1, timeout_s=3600).start() for seed in range(20)]
    works = [weakref.ref(stream._work) for stream in streams]
    for stream in streams:
        list(stream)
    del stream, streams
    settled(own)
    gc.collect()
    assert [work() for work in works] == [None] * 20


def test_huge_timeout_is_no_fault(own, pauses):
    stream = own.generate(prompt(10), timeout_s=1e300, max_tokens=40, **GREEDY).start()
    pauses.wait_for_one()
    assert len(tokens_of(stream)) == 40


# -- idling ------------------------------------------------------------------------------------------------------------


def test_stalled_consumer_stops_the_engine_and_blocks_nobody(own, pauses):
    ids = prompt(10, 1)
    expected = stepped_by_hand(own, ids, 30)
    stalled = own.generate(prompt(10, 2), max_tokens=40, **GREEDY).start()
    pauses.wait_for_one()
    computed = own.layers_computed
    settled(own)
    assert own.layers_computed == computed  # it does not go on by itself
    assert stalled._mailbox.qsize() <= LOOKAHEAD + 1
    assert tokens_of(own.generate(ids, max_tokens=30, **GREEDY)) == expected
    assert tokens_of(stalled) == stepped_by_hand(own, prompt(10, 2), 40)


def test_nothing_turns_while_nothing_can_be_computed(own, pauses):
    streams = [own.generate(prompt(10, seed), **GREEDY).start() for seed in range(3)]
    pauses.wait_for_one()
    while not all(stream._work.paused for stream in streams):
        settled(own)
    settled(own)
    rounds = pauses.left(own)
    with warm_engine(max_running=59) as other:  # time passes
        list(other.generate(prompt(500), max_tokens=50, **GREEDY))
    assert pauses.left(own) - rounds <= 1


def test_flag_is_seen_while_nothing_can_be_computed(own, pauses):
    base = kv_bytes(own)
    flag = CancelFlag()
    stream = own.generate(prompt(10), cancel=flag, **GREEDY).start()
    pauses.wait_for_one()
    flag.set()
    with pytest.raises(GenerationCancelled):
        list(stream)
    assert kv_bytes(own) == base


# -- memory ------------------------------------------------------------------------------------------------------------


def test_nothing_is_left_when_all_have_ended_and_the_prefix_cache_is_cleared(own):
    base = kv_bytes(own)
    flag = CancelFlag()
    streams = [own.generate(prompt(30 + seed, seed), max_tokens=20, **GREEDY) for seed in range(6)]
    streams.append(own.generate(prompt(30, 20), cancel=flag, **GREEDY))
    for stream in streams:
        until_token(stream)
    flag.set()
    with pytest.raises(GenerationCancelled):
        list(streams.pop())
    streams.pop().close()
    del streams[0]
    for stream in streams:
        list(stream)
    memory = own.memory_used()
    assert memory.kv_pages > 0
    assert kv_bytes(own) == base
    assert own.memory_used().kv_pages == 0


# -- failures of its own -----------------------------------------------------------------------------------------------


def fail_once(monkeypatch, error, *, n_lanes):
    forward, failures = Step.forward, [error]

    def failing(step, ptr):
        if failures and len(step.lanes) >= n_lanes:
            raise failures.pop()
        return forward(step, ptr)

    monkeypatch.setattr(Step, "forward", failing)
    return failures


def test_failure_inside_leaves_nobody_waiting_and_the_engine_usable(own, watch, monkeypatch, caplog):
    expected = stepped_by_hand(own, prompt(20, 1), 10)
    base = kv_bytes(own)
    session = own.session()
    session.sync(prompt(10, 5))
    failures = fail_once(monkeypatch, RuntimeError("boom"), n_lanes=3)
    watch.hold_after(0)
    first = own.generate(prompt(5, 9), max_tokens=1).start()
    watch.wait_until_held()
    streams = [own.generate(prompt(20, seed), max_tokens=10, **GREEDY).start() for seed in (1, 2, 3)]
    with caplog.at_level(logging.ERROR, "ds4_core"), ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(list, stream) for stream in streams]
        waiting.append(pool.submit(session.eval, prompt(40, 6)))
        watch.release()
        list(first)
        errors = [future.exception(PATIENCE_S) for future in waiting]
    assert not failures
    assert any(record.exc_info and "boom" in str(record.exc_info[1]) for record in caplog.records)
    # The session may have come after it.
    ended = [error for error in errors if error is not None]
    assert len(ended) >= 3
    assert all(isinstance(error, InternalError) and "boom" in str(error) for error in ended)
    assert len({id(error) for error in ended}) == len(ended)
    assert tokens_of(own.generate(prompt(20, 1), max_tokens=10, **GREEDY)) == expected
    session.sync(prompt(10, 5))
    session.close()
    assert kv_bytes(own) == base


def test_every_work_is_finished_exactly_once_whatever_its_end(monkeypatch):
    ends = {}
    finish = Work.finish

    def counted(work, result=None, error=None):
        ends.setdefault(work, []).append(error)
        return finish(work, result, error)

    submitted = []
    submit = Scheduler.submit
    monkeypatch.setattr(Work, "finish", counted)
    monkeypatch.setattr(Scheduler, "submit", lambda self, work: (submitted.append(work), submit(self, work))[1])
    engine = Engine("ds4-tiny", n_threads=1, max_running=58)
    flag = CancelFlag()
    list(engine.generate(prompt(5), max_tokens=2))
    for options in (
        dict(timeout_s=1e-9),
        dict(cancel=flag),
        dict(logit_bias=dict.fromkeys(range(4096), float("-inf"))),
    ):
        flag.set()
        with pytest.raises(Exception, match=r"timeout|cancelled|no token"):
            list(engine.generate(prompt(700), **options))
    engine.generate(prompt(5)).start().close()
    with engine.session() as session:
        session.sync(prompt(5))
        flag.set()
        with pytest.raises(GenerationCancelled):
            session.sync(prompt(300), cancel=flag)
    fail_once(monkeypatch, MemoryError(), n_lanes=1)
    with pytest.raises(InternalError):
        list(engine.generate(prompt(5)))
    late = [engine.generate(prompt(900, seed), **GREEDY).start() for seed in range(3)]
    engine.close()
    for stream in late:
        with pytest.raises(EngineClosedError):
            list(stream)
    assert len(submitted) >= 10
    assert {work: len(ends.get(work, ())) for work in submitted} == dict.fromkeys(submitted, 1)


def test_error_of_one_request_leaves_the_others_alone(own):
    ids = prompt(20, 1)
    expected = stepped_by_hand(own, ids, 10)
    good = own.generate(ids, max_tokens=10, **GREEDY)
    first = until_token(good).token
    with pytest.raises(Exception, match="no token can be sampled"):
        list(own.generate(prompt(20, 2), logit_bias=dict.fromkeys(range(4096), float("-inf"))))
    assert [first, *tokens_of(good)] == expected


def test_work_asked_for_after_the_end_is_refused_at_once():
    engine = Engine("ds4-tiny", n_threads=1, max_running=57).open()
    scheduler = Scheduler.of(engine._shared())
    scheduler.stop()
    with pytest.raises(EngineClosedError):
        next(engine.generate(prompt(3)))
    engine.close()


def test_threads_that_ask_first_at_the_same_time_are_served_by_one():
    with Engine("ds4-tiny", n_threads=1, max_running=56) as engine:
        engine.open()
        barrier = threading.Barrier(8)

        def ask(seed):
            barrier.wait(PATIENCE_S)
            return tokens_of(engine.generate(prompt(9, seed), max_tokens=3, **GREEDY))

        with ThreadPoolExecutor(8) as pool:
            assert all(len(tokens) == 3 for tokens in pool.map(ask, range(8)))
        scheduler = Scheduler.of(engine._shared())
        serving = [
            thread
            for thread in threading.enumerate()
            if getattr(thread, "_target", None) is not None and getattr(thread._target, "__self__", None) is scheduler
        ]
        assert len(serving) <= 1


# -- processes and signals ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_stream_of_the_parent_refuses_in_a_forked_child_and_goes_on_in_the_parent(own):
    stream = own.generate(prompt(10), max_tokens=12, **GREEDY)
    until_token(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn about fork in a program with threads
        child = os.fork()
    if child == 0:
        signal.alarm(120)
        code = 1
        try:
            for _ in range(20):
                next(stream)
        except ForkedProcessError:
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(tokens_of(stream)) == 11


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind")
def test_ctrl_c_while_waiting_for_an_event_ends_the_generation(own, watch):
    base = kv_bytes(own)

    class Interrupt(BaseException):
        pass

    def interrupt(signum, frame):
        raise Interrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        watch.hold_after(1)
        stream = own.generate(prompt(700), **GREEDY)

        def send():
            watch.wait_until_held()
            while not stream.closed:  # one that comes just before the wait begins does not end it
                signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)
                interrupted.wait(0.05)

        interrupted = threading.Event()
        helper = threading.Thread(target=send)
        helper.start()
        with pytest.raises(Interrupt):
            list(stream)
    finally:
        while True:
            try:
                interrupted.set()
                helper.join(PATIENCE_S)
                signal.signal(signal.SIGUSR1, before)
                break
            except Interrupt:  # sent once too often
                continue
        watch.release()
    assert stream.closed
    assert kv_bytes(own) == base


def test_pairs_of_lookahead_and_resume_lose_and_repeat_nothing(own):
    ids = prompt(10, 3)
    expected = stepped_by_hand(own, ids, 60)
    stream = own.generate(ids, max_tokens=60, **GREEDY)
    got = []
    for event in stream:
        got.append(event)
        if len(got) % 7 == 0:
            settled(own)  # lets it run ahead and stop
    assert tokens_of(got) == expected
    positions = [done for done, _, _ in progress_of(got)]
    assert all(a < b for a, b in pairwise(positions))
