"""What requests leave for later ones, counted in tokens: repeated, longer, diverging, cancelled, parallel, evicted."""

import pytest

from ds4_core import CancelFlag, GenerationCancelled
from ds4_core.scheduler import Scheduler
from tests.core.generations import Watch, end_of, kv_bytes, progress_of, prompt, settled, tokens_of, warm_engine

GREEDY = dict(temperature=0, ignore_eos=True)
IDS = prompt(100, 1)


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture
def own():
    with warm_engine(max_running=53) as engine:
        yield engine


@pytest.fixture(scope="module")
def fresh():
    """Keeps nothing: what it answers is computed from zero."""
    with warm_engine(prefix_bytes_max=0) as engine:
        yield engine


def tree_of(engine):
    return Scheduler.of(engine._shared())._admission.tree


def answer(engine, ids, n=4, **options):
    """(drawn tokens, cached tokens)"""
    events = list(engine.generate(ids, max_tokens=n, **GREEDY, **options))
    return tokens_of(events), end_of(events).usage.cached_tokens


def together(engine, watch, prompts, **options):
    """Streams of requests that the scheduler sees at the same time; it goes on when the first event is taken."""
    watch.hold_after(0)
    first = engine.generate(prompt(2, 500), max_tokens=1).start()
    watch.wait_until_held()
    streams = [engine.generate(ids, **GREEDY, **options).start() for ids in prompts]
    watch.release()
    list(first)
    return streams


# -- one after the other -----------------------------------------------------------------------------------------------


def test_repeated_prompt_computes_its_last_token_alone(own, fresh):
    assert answer(own, IDS) == (answer(fresh, IDS)[0], 0)
    assert answer(own, IDS) == (answer(fresh, IDS)[0], 99)
    assert answer(own, IDS) == (answer(fresh, IDS)[0], 99)


@pytest.mark.parametrize("n", [1, 2, 127, 128, 129, 256])
def test_repeated_prompt_computes_its_last_token_alone_wherever_its_pages_end(own, fresh, watch, n):
    ids = prompt(n, 1000 + n)
    assert answer(own, ids)[1] == 0
    del watch.steps[:]
    stream = own.generate(ids, max_tokens=1, **GREEDY)
    assert tokens_of(stream) == answer(fresh, ids, 1)[0]
    assert watch.of(stream) == [1]
    assert answer(own, ids, 1)[1] == n - 1
    assert answer(own, [*ids, 9], 1)[1] == n


def test_longer_prompt_goes_on_where_the_shorter_one_ended(own, fresh):
    answer(own, IDS)
    longer = [*IDS, *prompt(20, 2)]
    assert answer(own, longer) == (answer(fresh, longer)[0], 100)


def test_next_turn_goes_on_behind_the_answer(own, fresh):
    tokens, _ = answer(own, IDS, 10)
    turn = [*IDS, *tokens, *prompt(20, 2)]
    # The last drawn token was not computed.
    assert answer(own, turn) == (answer(fresh, turn)[0], 109)


def test_shorter_prompt_starts_at_the_checkpoint_below(own, fresh):
    answer(own, IDS)
    answer(own, [*IDS, *prompt(50, 2)])
    shorter = [*IDS, *prompt(50, 2)][:130]
    assert answer(own, shorter) == (answer(fresh, shorter)[0], 100)


def test_where_prompts_part_a_checkpoint_is_made(own, fresh):
    answer(own, IDS)
    for seed, cached in ((2, 0), (3, 60), (4, 60)):
        parting = [*IDS[:60], *prompt(30, seed)]
        assert answer(own, parting) == (answer(fresh, parting)[0], cached)


def test_long_prompt_leaves_checkpoints_on_its_way(own, fresh):
    long = prompt(2300, 3)
    answer(own, long, 1)
    parting = [*long[:2200], 5, 6, 7]
    assert answer(own, parting, 1) == (answer(fresh, parting, 1)[0], 2048)


def test_cancelled_request_leaves_what_it_computed(fresh, watch):
    with warm_engine(step_tokens=16) as engine:
        flag = CancelFlag()
        watch.hold_after(2)
        stream = engine.generate(IDS, cancel=flag, **GREEDY).start()
        watch.wait_until_held()
        flag.set()
        watch.release()
        with pytest.raises(GenerationCancelled):
            list(stream)
        assert answer(engine, IDS) == (answer(fresh, IDS)[0], 32)


def test_closed_stream_leaves_what_its_consumer_took(own, fresh):
    stream = own.generate(IDS, **GREEDY)
    tokens = []
    while len(tokens) < 5:
        event = next(stream)
        tokens += [event.token] if hasattr(event, "token") else []
    stream.end_now(5, keep=4)
    turn = [*IDS, *tokens[:4], 7, 8, 9]
    assert answer(own, turn) == (answer(fresh, turn)[0], 104)


def test_given_checkpoints_are_where_later_requests_start(own, fresh):
    answer(own, IDS, checkpoints=[30, 70])
    for cut, cached in ((40, 30), (75, 70), (100, 75)):
        parting = [*IDS[:cut], *prompt(10, 40 + cut)]  # leaves a checkpoint itself, where it parts
        assert answer(own, parting) == (answer(fresh, parting)[0], cached)


def test_checkpoints_may_be_none_or_the_end(own):
    answer(own, IDS, checkpoints=[])
    assert answer(own, [*IDS, 5, 6])[1] == 0
    own.clear_prefix_cache()
    answer(own, IDS, checkpoints=[100])
    assert answer(own, [*IDS, 5, 6])[1] == 100


def test_progress_begins_behind_what_is_cached(own):
    answer(own, IDS)
    told = progress_of(own.generate([*IDS, *prompt(30, 2)], max_tokens=1))
    assert told == [(130, 130, 100)]


def test_two_handles_with_the_same_options_share_the_cache(own):
    answer(own, IDS)
    with type(own)("ds4-tiny", n_threads=1, max_running=53) as other:
        assert answer(other, [*IDS, 9])[1] == 100


# -- at the same time --------------------------------------------------------------------------------------------------


def test_common_beginning_of_parallel_requests_is_computed_once(own, fresh, watch):
    prompts = [[*prompt(200, 5), *prompt(5, 50 + i)] for i in range(8)]
    streams = together(own, watch, prompts, max_tokens=1)
    tokens = [tokens_of(stream) for stream in streams]
    assert sum(sum(watch.of(stream)) for stream in streams) == 200 + 8 * 5
    assert tokens == [answer(fresh, ids, 1)[0] for ids in prompts]


def test_equal_prompts_are_computed_once(own, fresh, watch):
    prompts = [prompt(150, 6)] * 6
    before = own.layers_computed
    streams = together(own, watch, prompts, max_tokens=3)
    tokens = [tokens_of(stream) for stream in streams]
    assert sum(sum(watch.of(stream)) for stream in streams) == 150 + 5 * 1 + 6 * 2
    assert tokens == [answer(fresh, prompts[0], 3)[0]] * 6
    assert own.layers_computed - before < own.info.n_layer * 20


def test_prompt_that_goes_on_behind_another_ones_end_waits_for_it(own, fresh, watch):
    prompts = [prompt(120, 7), [*prompt(120, 7), *prompt(30, 8)]]
    for checkpoints in (None, []):
        own.clear_prefix_cache()
        streams = [*together(own, watch, prompts, max_tokens=3, checkpoints=checkpoints)]
        tokens = [tokens_of(stream) for stream in streams]
        assert [sum(watch.of(stream)) for stream in streams] == [122, 32]
        assert tokens == [answer(fresh, ids, 3)[0] for ids in prompts]


def test_short_common_beginning_is_not_waited_for(own, watch):
    prompts = [[*prompt(10, 5), *prompt(40, 50 + i)] for i in range(3)]
    streams = together(own, watch, prompts, max_tokens=1)
    for stream in streams:
        list(stream)
    assert [watch.of(stream) for stream in streams] == [[50]] * 3


def test_who_waits_for_a_prefix_goes_on_when_its_leader_is_cancelled(fresh, watch):
    with warm_engine(step_tokens=16) as engine:
        prompts = [[*prompt(200, 5), *prompt(5, 50 + i)] for i in range(3)]
        streams = together(engine, watch, prompts, max_tokens=2)
        next(streams[0])
        streams[0].close()
        tokens = [tokens_of(stream) for stream in streams[1:]]
        assert tokens == [answer(fresh, ids, 2)[0] for ids in prompts[1:]]
        settled(engine)
        assert sum(sum(watch.of(stream)) for stream in streams) <= 205 + 5 + 16 + 4


def test_who_waits_for_a_prefix_can_be_cancelled(watch):
    with warm_engine(step_tokens=16) as engine:
        prompts = [[*prompt(200, 5), *prompt(5, 50 + i)] for i in range(2)]
        leader, follower = together(engine, watch, prompts, max_tokens=2)
        next(leader)
        follower.close()
        assert len(tokens_of(leader)) == 2
        settled(engine)
        assert watch.of(follower) == []


# -- budgets -----------------------------------------------------------------------------------------------------------


def test_without_a_budget_nothing_is_kept_and_nobody_waits(watch):
    with warm_engine(prefix_bytes_max=0) as engine:
        answer(engine, IDS)
        assert answer(engine, [*IDS, 5])[1] == 0
        base = kv_bytes(engine)
        streams = together(engine, watch, [[*IDS, seed] for seed in range(5, 9)], max_tokens=1)
        for stream in streams:
            list(stream)
        assert [watch.of(stream) for stream in streams] == [[101]] * 4
        settled(engine)
        memory = engine.memory_used()
        assert memory.kv_pages + memory.session_state == base


def test_small_budget_keeps_the_latest(fresh):
    # Each request leaves the end of its prompt and its own end; a checkpoint costs at most a state and a few pages.
    shared = fresh._shared()
    budget = 2 * (shared.state_bytes + 2 * shared.page_bytes)
    with warm_engine(prefix_bytes_max=budget) as engine:
        prompts = [prompt(100, seed) for seed in range(10, 20)]
        for ids in prompts:
            answer(engine, ids)
            assert 0 < tree_of(engine).n_bytes <= budget
        for ids, cached in ((prompts[-1], 100), (prompts[0], 0)):
            longer = [*ids, 5, 6]
            assert answer(engine, longer) == (answer(fresh, longer)[0], cached)


def test_cleared_cache_keeps_nothing_and_frees_its_memory(own):
    base = kv_bytes(own)
    answer(own, IDS)
    settled(own)
    memory = own.memory_used()
    assert tree_of(own).n_checkpoints >= 2
    assert memory.kv_pages > 0
    own.clear_prefix_cache()
    assert tree_of(own).n_checkpoints == 0
    assert own.memory_used().kv_pages == 0
    assert kv_bytes(own) == base
    assert answer(own, [*IDS, 7])[1] == 0


async def test_cache_is_cleared_by_the_awaited_engine_as_well():
    from ds4_core import AsyncEngine

    async with AsyncEngine("ds4-tiny", n_threads=1, max_running=52) as engine:
        assert len([event async for event in engine.generate(IDS, max_tokens=2)]) >= 3
        await engine.clear_prefix_cache()
        assert tree_of(engine.engine).n_checkpoints == 0
