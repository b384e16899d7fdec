"""Who may begin when memory, places or the queue are short; parking and going on gives the same tokens."""

import numpy as np
import pytest

from ds4_core import Span, admission
from ds4_core.admission import Admission
from ds4_core.errors import InvalidRequestError, OutOfMemoryError, QueueFullError
from ds4_core.scheduler import Scheduler
from tests.core.generations import (
    Pauses,
    Watch,
    end_of,
    is_generation,
    kv_bytes,
    never_pause,
    prompt,
    settled,
    tokens_of,
    until_token,
    warm_engine,
)

GREEDY = dict(temperature=0, ignore_eos=True)
STATE, PAGE = 0, 0  # bytes, of the embedded model with f16 rows


@pytest.fixture(scope="module", autouse=True)
def sizes():
    global STATE, PAGE
    with warm_engine() as engine:
        shared = engine._shared()
        STATE, PAGE = shared.state_bytes, shared.page_bytes
        assert shared.page_tokens == 128


@pytest.fixture(scope="module")
def free():
    """An engine with all the memory there is."""
    with warm_engine(prefix_bytes_max=0) as engine:
        yield engine


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture
def parked(monkeypatch):
    """Every generation that was parked."""
    seen = []
    park = Admission.park

    def recorded(self, generation):
        seen.append(generation)
        park(self, generation)

    monkeypatch.setattr(Admission, "park", recorded)
    return seen


def tree_of(engine):
    return Scheduler.of(engine._shared())._admission.tree


def running_together(watch):
    """The most requests that any step moved."""
    return max(sum(is_generation(lane) for lane, _ in lanes) for lanes in watch.steps)


def occupy(engine, n):
    """`n` sessions that take a state and a page each, and leave as much less to requests."""
    sessions = [engine.session() for _ in range(n)]
    for session in sessions:
        session.eval(5)
    return sessions


def finish_together(streams):
    """Takes one event of each in turn, so that all go on; their tokens."""
    tokens = [[] for _ in streams]
    going = list(range(len(streams)))
    while going:
        for i in list(going):
            event = next(streams[i], None)
            if event is None:
                going.remove(i)
            elif hasattr(event, "logprob"):
                tokens[i].append(event.token)
    return tokens


# -- memory ------------------------------------------------------------------------------------------------------------


def test_request_that_can_never_fit_is_refused_with_the_numbers():
    limit = 2 * STATE + 10 * PAGE
    with warm_engine(kv_bytes_max=limit) as engine:
        need = 2 * STATE + 18 * PAGE
        with pytest.raises(OutOfMemoryError) as caught:
            list(engine.generate(prompt(1200), max_tokens=3000))
        message = str(caught.value)
        for number in (need, 1200, 1024, limit):
            assert str(number) in message
        # The answer counts with its first 1,024 tokens at most, and with fewer when fewer are asked for.
        assert len(tokens_of(engine.generate(prompt(1200), max_tokens=3, **GREEDY))) == 3


def test_second_request_waits_until_the_first_one_has_freed_its_memory(free, watch):
    with warm_engine(kv_bytes_max=3 * STATE + 14 * PAGE, prefix_bytes_max=0) as engine:
        prompts = [prompt(900, seed) for seed in (1, 2, 3)]
        streams = [engine.generate(ids, max_tokens=60, **GREEDY).start() for ids in prompts]
        expected = [tokens_of(free.generate(ids, max_tokens=60, **GREEDY)) for ids in prompts]
        watch.steps.clear()
        got = [tokens_of(stream) for stream in streams]
        assert got == expected
        assert all(
            sum(is_generation(lane) and lane in [s._work for s in streams] for lane, _ in lanes) <= 1
            for lanes in watch.steps
        )


def test_small_requests_run_together_in_the_same_memory(free, watch):
    with warm_engine(kv_bytes_max=12 * STATE, prefix_bytes_max=0) as engine:
        prompts = [prompt(40, seed) for seed in range(4)]
        streams = [engine.generate(ids, max_tokens=40, **GREEDY).start() for ids in prompts]
        assert finish_together(streams) == [tokens_of(free.generate(i, max_tokens=40, **GREEDY)) for i in prompts]
        assert running_together(watch) >= 2


def test_cached_prefixes_give_way_to_a_request(free):
    with warm_engine(kv_bytes_max=8 * STATE) as engine:
        for seed in range(12):
            assert len(tokens_of(engine.generate(prompt(100, seed), max_tokens=4, **GREEDY))) == 4
        settled(engine)
        full = tree_of(engine).n_bytes
        ids = prompt(1500, 50)
        assert tokens_of(engine.generate(ids, max_tokens=5, **GREEDY)) == tokens_of(
            free.generate(ids, max_tokens=5, **GREEDY)
        )
        assert full > 3 * STATE
        memory = engine.memory_used()
        assert memory.kv_pages + memory.session_state <= 8 * STATE


def test_request_begins_when_only_evicting_everything_makes_room(free):
    limit = 2 * STATE + 20 * PAGE
    with warm_engine(kv_bytes_max=limit) as engine:
        for seed in range(2):
            ids = prompt(1500 + seed, seed)
            got = tokens_of(engine.generate(ids, max_tokens=50, **GREEDY))
            assert got == tokens_of(free.generate(ids, max_tokens=50, **GREEDY))


@pytest.mark.parametrize("prefix_bytes_max", [0, 2**30])
def test_parked_request_goes_on_with_the_same_tokens(free, parked, monkeypatch, prefix_bytes_max):
    monkeypatch.setattr(admission, "ANSWER_RESERVE", 1)  # so that more begin than fit to their ends
    never_pause(monkeypatch)
    options = dict(
        temperature=1.3, max_tokens=400, ignore_eos=True, repetition_penalty=1.1, frequency_penalty=0.2, n_top=2
    )
    prompts = [prompt(90, seed) for seed in (1, 2)]
    expected = [list(free.generate(ids, seed=seed, **options)) for seed, ids in enumerate(prompts)]
    with warm_engine(kv_bytes_max=4 * STATE + 6 * PAGE, prefix_bytes_max=prefix_bytes_max) as engine:
        streams = [engine.generate(ids, seed=seed, **options) for seed, ids in enumerate(prompts)]
        events = [[until_token(stream)] for stream in streams]
        sessions = occupy(engine, 2)
        for stream, taken in zip(streams, events, strict=True):
            taken += stream
        # The one that asked first does not give way to those that came later.
        assert parked
        assert {generation.request.seed for generation in parked} == {1}
        for got, alone in zip(events, expected, strict=True):
            assert [e for e in got if hasattr(e, "logprob")] == [e for e in alone if hasattr(e, "logprob")]
            assert end_of(got).usage.completion_tokens == 400
        for session in sessions:
            session.close()
        assert kv_bytes(engine) <= STATE


def test_parked_during_its_prefill_tells_each_position_once(free, monkeypatch, parked):
    monkeypatch.setattr(admission, "ANSWER_RESERVE", 1)
    with warm_engine(step_tokens=32, prefix_bytes_max=0) as engine:
        scheduler = Scheduler.of(engine._shared())
        ids = prompt(200, 4)
        moved = Scheduler._generation_moved
        times = []

        def park_once(self, generation, n):
            moved(self, generation, n)
            if generation.prefilling and len(generation.ids) == 200:
                times.append(1)
                if len(times) == 3:
                    self._admission.park(generation)

        monkeypatch.setattr(Scheduler, "_generation_moved", park_once)
        events = list(engine.generate(ids, max_tokens=5, **GREEDY))
        assert len(parked) == 1
        assert scheduler is Scheduler.of(engine._shared())
        done = [event.done for event in events if hasattr(event, "done")]
        assert done == sorted(set(done))
        assert done[-1] == 200
        assert tokens_of(events) == tokens_of(free.generate(ids, max_tokens=5, **GREEDY))


def test_lone_request_that_runs_out_of_memory_ends_with_that_error(monkeypatch):
    monkeypatch.setattr(admission, "ANSWER_RESERVE", 1)
    with warm_engine(kv_bytes_max=2 * STATE + 4 * PAGE, prefix_bytes_max=0) as engine:
        (session,) = occupy(engine, 1)
        with pytest.raises(OutOfMemoryError):
            list(engine.generate(prompt(1), max_tokens=2000, **GREEDY))
        session.close()
        assert len(tokens_of(engine.generate(prompt(60), max_tokens=5, **GREEDY))) == 5


def test_who_does_not_take_his_tokens_gives_way(free, monkeypatch, parked):
    pauses = Pauses(monkeypatch)
    prompts = [prompt(300, seed) for seed in (1, 2)]
    expected = [tokens_of(free.generate(ids, max_tokens=60, **GREEDY)) for ids in prompts]
    with warm_engine(kv_bytes_max=3 * STATE + 8 * PAGE) as engine:
        settled(engine)
        stalled = engine.generate(prompts[0], max_tokens=60, **GREEDY).start()
        pauses.wait_for_one()
        assert tokens_of(engine.generate(prompts[1], max_tokens=60, **GREEDY)) == expected[1]
        assert parked == [stalled._work]
        assert tokens_of(stalled) == expected[0]


def test_user_sessions_and_requests_share_the_limit():
    with warm_engine(kv_bytes_max=4 * STATE) as engine:
        with engine.session() as session:
            session.sync(prompt(200))
            assert len(tokens_of(engine.generate(prompt(100, 3), max_tokens=5, **GREEDY))) == 5
            session.eval(prompt(50, 5))
        assert len(tokens_of(engine.generate(prompt(200, 4), max_tokens=5, **GREEDY))) == 5


# -- places ------------------------------------------------------------------------------------------------------------


def test_no_more_than_max_running_are_computed_side_by_side_and_the_first_come_first(watch):
    with warm_engine(max_running=2) as engine:
        streams = [engine.generate(prompt(20, seed), max_tokens=6, **GREEDY).start() for seed in range(7)]
        assert [len(tokens_of(stream)) for stream in streams] == [6] * 7
        assert running_together(watch) == 2
        began = {}
        for index, lanes in enumerate(watch.steps):
            for lane, _ in lanes:
                began.setdefault(lane, index)
        assert [began[s._work] for s in streams] == sorted(began[s._work] for s in streams)


def test_stalled_streams_take_no_places(monkeypatch):
    pauses = Pauses(monkeypatch)
    with warm_engine(max_running=1) as engine:
        stalled = []
        for seed in range(3):
            stalled.append(engine.generate(prompt(20, seed), max_tokens=30, **GREEDY).start())
            pauses.wait_for_one()
        assert len(tokens_of(engine.generate(prompt(20, 9), max_tokens=30, **GREEDY))) == 30
        assert [len(tokens_of(stream)) for stream in stalled] == [30] * 3


def test_queue_holds_max_queue_requests_and_refuses_one_more(watch):
    with warm_engine(max_running=1, max_queue=2) as engine:
        watch.hold_after(0)
        first = engine.generate(prompt(20, 1), max_tokens=3, **GREEDY).start()
        watch.wait_until_held()
        others = [engine.generate(prompt(20, seed), max_tokens=3, **GREEDY).start() for seed in range(2, 6)]
        watch.release()
        with pytest.raises(QueueFullError, match="max_queue"):
            list(others[2])
        with pytest.raises(QueueFullError):
            list(others[3])
        assert [len(tokens_of(stream)) for stream in (first, *others[:2])] == [3] * 3
        assert len(tokens_of(engine.generate(prompt(20, 1), max_tokens=3, **GREEDY))) == 3


def test_queue_of_none_serves_who_can_begin_at_once(watch):
    with warm_engine(max_running=1, max_queue=0) as engine:
        assert len(tokens_of(engine.generate(prompt(20, 1), max_tokens=3, **GREEDY))) == 3
        watch.hold_after(1)
        first = engine.generate(prompt(20, 2), max_tokens=3, **GREEDY).start()
        watch.wait_until_held()
        second = engine.generate(prompt(20, 3), max_tokens=3, **GREEDY).start()
        watch.release()
        with pytest.raises(QueueFullError):
            list(second)
        assert len(tokens_of(first)) == 3


def test_two_that_take_turns_and_do_not_fit_together_both_end(free, monkeypatch, parked):
    # Each stops when its consumer takes from the other one, which then has all the memory.
    monkeypatch.setattr(admission, "ANSWER_RESERVE", 1)
    prompts = [prompt(90, seed) for seed in (1, 2)]
    with warm_engine(kv_bytes_max=4 * STATE + 6 * PAGE) as engine:
        streams = [engine.generate(ids, max_tokens=330, **GREEDY) for ids in prompts]
        for stream in streams:
            until_token(stream)
        sessions = occupy(engine, 2)
        got = finish_together(streams)
        assert len(parked) > 2
        for tokens, ids in zip(got, prompts, strict=True):
            assert tokens == tokens_of(free.generate(ids, max_tokens=330, **GREEDY))[1:]
        assert all(session.pos == 1 for session in sessions)


def test_parked_request_is_never_refused_by_the_queue(monkeypatch, parked, free):
    monkeypatch.setattr(admission, "ANSWER_RESERVE", 1)
    never_pause(monkeypatch)
    prompts = [prompt(90, seed) for seed in (1, 2)]
    with warm_engine(kv_bytes_max=4 * STATE + 6 * PAGE, prefix_bytes_max=0, max_queue=0) as engine:
        streams = [engine.generate(ids, max_tokens=400, **GREEDY) for ids in prompts]
        for stream in streams:
            until_token(stream)
        sessions = occupy(engine, 2)
        got = [tokens_of(stream) for stream in streams]
        assert parked
        for tokens, ids in zip(got, prompts, strict=True):
            assert tokens == tokens_of(free.generate(ids, max_tokens=400, **GREEDY))[1:]
        assert all(session.pos == 1 for session in sessions)


def test_spans_of_a_batch_get_memory_that_only_prefixes_hold():
    ids = prompt(3000, 1)
    with warm_engine(kv_bytes_max=4 * STATE + 26 * PAGE) as engine:
        for seed in range(2, 12):
            list(engine.generate(prompt(500, seed), max_tokens=1))
        one, other = engine.session(), engine.session()
        kept = tree_of(engine).n_checkpoints
        long, short, bad = engine.forward([Span(one, ids), Span(other, ids[:3]), Span(other, [1])])
        assert 0 <= tree_of(engine).n_checkpoints < kept
        assert (long.error, short.error, one.tokens, other.tokens) == (None, None, ids, ids[:3])
        assert isinstance(bad.error, InvalidRequestError)
        rows = [long.logits[0], short.logits[0]]
    with warm_engine() as engine:
        for row, tokens in zip(rows, (ids, ids[:3]), strict=True):
            with engine.session() as session:
                session.eval(tokens)
                assert np.array_equal(row, session.logits())


def test_who_was_let_in_to_wait_for_a_prefix_is_not_refused_when_memory_is_short_then(watch):
    common = prompt(300, 1)
    with warm_engine(max_queue=0, kv_bytes_max=3 * STATE + 8 * PAGE, step_tokens=64) as engine:
        watch.hold_after(0)
        leader = engine.generate(common, max_tokens=60, **GREEDY).start()
        watch.wait_until_held()
        followers = [engine.generate([*common, i], max_tokens=5, **GREEDY).start() for i in (5, 6, 7)]
        watch.release()
        assert [len(tokens_of(stream)) for stream in (leader, *followers)] == [60, 5, 5, 5]
