"""Awaited generation: every way of giving up, several loops, loops that die, engines that close, deadlines, crowds."""

import asyncio
import gc
import itertools
import random
import threading
import weakref
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from ds4_core import AsyncEngine, CancelFlag, Engine, GenerationCancelled
from ds4_core import streams as streams_module
from ds4_core.errors import ContextOverflowError, EngineClosedError, GenerationTimeoutError
from ds4_core.generation import LOOKAHEAD, PrefillProgress, SampledToken
from ds4_core.scheduler import Scheduler
from tests.core.generations import (
    PATIENCE_S,
    Pauses,
    Watch,
    end_of,
    kv_bytes,
    prompt,
    settled,
    tokens_of,
    warm_engine,
)

GREEDY = dict(temperature=0, ignore_eos=True)


@pytest.fixture
def own():
    with warm_engine(max_running=51) as engine:
        yield engine


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture
def pauses(monkeypatch):
    return Pauses(monkeypatch)


async def gather_events(stream):
    return [event async for event in stream]


async def until_token(stream):
    async for event in stream:
        if isinstance(event, SampledToken):
            return event
    raise AssertionError("the stream has no tokens")


async def freed(engine, base):
    """Fails unless nothing of what was given up holds memory."""
    assert await asyncio.to_thread(kv_bytes, engine) == base


# -- the same stream ---------------------------------------------------------------------------------------------------


async def test_awaited_events_are_those_of_the_plain_stream(own):
    options = dict(max_tokens=20, seed=3, n_top=2)
    awaited = await gather_events(AsyncEngine(own).generate(prompt(40), **options))
    own.clear_prefix_cache()
    plain = list(own.generate(prompt(40), **options))
    assert awaited[:-1] == plain[:-1]
    assert end_of(awaited).usage == end_of(plain).usage


async def test_errors_reach_whoever_awaits(own):
    with pytest.raises(ContextOverflowError):
        await anext(own.agenerate(prompt(10), n_ctx=5))
    stream = own.agenerate(prompt(10), n_ctx=5)
    with pytest.raises(ContextOverflowError):
        await stream.start()
    assert await gather_events(stream) == []
    await stream.aclose()


async def test_work_begins_with_the_first_event_or_start(own):
    before = own.layers_computed
    stream = own.agenerate(prompt(10), max_tokens=2, **GREEDY)
    await asyncio.to_thread(settled, own)
    assert (stream.started, own.layers_computed) == (False, before)
    await asyncio.gather(stream.start(), stream.start())
    assert stream.started
    assert len(tokens_of(await gather_events(stream))) == 2


async def test_first_use_opens_the_model_off_the_loop(monkeypatch):
    threads = []
    opened = Engine.open
    monkeypatch.setattr(Engine, "open", lambda self: (threads.append(threading.get_ident()), opened(self))[1])
    engine = AsyncEngine("ds4-tiny", n_threads=1, max_running=50)
    streams = [engine.generate(prompt(5), max_tokens=2, **GREEDY) for _ in range(3)]
    events = await asyncio.gather(*map(gather_events, streams))
    assert all(len(tokens_of(each)) == 2 for each in events)
    assert threads
    assert threading.get_ident() not in threads
    engine.close()


async def test_progress_arrives_while_the_prefill_runs(watch):
    with warm_engine(step_tokens=16) as engine:
        watch.hold_after(1)
        stream = engine.agenerate(prompt(60), max_tokens=1)
        assert await anext(stream) == PrefillProgress(16, 60, 0)
        await asyncio.to_thread(watch.wait_until_held)
        watch.release()
        rest = await gather_events(stream)
        assert [event.done for event in rest if isinstance(event, PrefillProgress)] == [32, 48, 60]


async def test_loop_turns_while_the_engine_computes(own, watch):
    # Turns between two layers of one forward: one that kept the loop away would give none, however long it took.
    turns = []
    async with asyncio.timeout(PATIENCE_S):
        for seed in itertools.count():
            task = asyncio.create_task(gather_events(own.agenerate(prompt(3000, seed), max_tokens=1)))
            seen = set()
            while not task.done():
                seen.add((len(watch.steps), own.layers_computed))
                await asyncio.sleep(0)
            await task
            turns.append(Counter(step for step, _ in seen))
            if max(turns[-1].values()) > 2:
                return


async def test_an_event_wakes_who_waits_for_it_once(own, monkeypatch):
    wakes = []
    call = streams_module.call_in_loop
    monkeypatch.setattr(streams_module, "call_in_loop", lambda *args: (wakes.append(args), call(*args))[1])
    events = await gather_events(own.agenerate(prompt(20), max_tokens=200, **GREEDY))
    assert 0 < len(wakes) <= len(events) + 1  # the end is no event


# -- giving up ---------------------------------------------------------------------------------------------------------


async def test_cancelled_task_ends_the_generation(own):
    base = kv_bytes(own)
    stream = own.agenerate(prompt(20), **GREEDY)
    begun = asyncio.Event()

    async def consume():
        async for event in stream:
            if isinstance(event, SampledToken):
                begun.set()

    task = asyncio.create_task(consume())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert stream.closed
    await freed(own, base)


async def test_task_that_is_cancelled_before_its_first_event_computes_next_to_nothing(own, watch):
    watch.hold_after(0)
    stream = own.agenerate(prompt(3000), **GREEDY)
    task = asyncio.create_task(anext(stream))
    await asyncio.to_thread(watch.wait_until_held)
    before = own.layers_computed
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    watch.release()
    await asyncio.to_thread(settled, own)
    assert own.layers_computed <= before + 1


async def test_aclose_has_freed_the_memory_when_it_returns(own):
    base = kv_bytes(own)
    stream = own.agenerate(prompt(20), **GREEDY)
    await until_token(stream)
    await stream.aclose()
    await stream.aclose()
    own.clear_prefix_cache()
    memory = own.memory_used()
    assert memory.kv_pages + memory.session_state == base
    assert await gather_events(stream) == []


async def test_aclose_beside_a_waiting_task_ends_both(own, watch):
    watch.hold_after(1)
    stream = own.agenerate(prompt(600), **GREEDY)
    taken = asyncio.create_task(gather_events(stream))
    await asyncio.to_thread(watch.wait_until_held)
    closing = asyncio.create_task(stream.aclose())
    await asyncio.sleep(0)
    watch.release()
    async with asyncio.timeout(PATIENCE_S):
        assert tokens_of(await taken) == []
        await closing


async def test_leaving_an_async_for_ends_the_generation_without_the_garbage_collector(own):
    base = kv_bytes(own)
    gc.disable()
    try:
        async for event in own.agenerate(prompt(20), **GREEDY):
            if isinstance(event, SampledToken):
                break
        await freed(own, base)
    finally:
        gc.enable()


async def test_timeout_around_a_stream_ends_it(own, watch):
    base = kv_bytes(own)
    watch.hold_after(2)
    stream = own.agenerate(prompt(20), **GREEDY)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await gather_events(stream)
    assert stream.closed
    watch.release()
    await freed(own, base)


async def test_async_with_closes(own):
    base = kv_bytes(own)
    async with own.agenerate(prompt(20), **GREEDY) as stream:
        await until_token(stream)
    assert stream.closed
    await freed(own, base)


async def test_flag_of_the_caller_cancels(own):
    flag = CancelFlag()
    stream = own.agenerate(prompt(20), cancel=flag, **GREEDY)
    await until_token(stream)
    flag.set()
    with pytest.raises(GenerationCancelled):
        await gather_events(stream)


# -- loops -------------------------------------------------------------------------------------------------------------


def test_loop_that_ends_in_the_middle_ends_its_generations(own):
    base = kv_bytes(own)
    kept = []

    async def leave():
        kept.append(own.agenerate(prompt(20), **GREEDY))
        await until_token(kept[0])
        kept.append(asyncio.create_task(gather_events(own.agenerate(prompt(30), **GREEDY))))
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert kept[1].cancelled()
    kept[0].close()
    assert kv_bytes(own) == base
    assert len(tokens_of(own.generate(prompt(20), max_tokens=3, **GREEDY))) == 3


def test_loop_that_is_closed_under_a_waiting_task_ends_the_generation(own, watch):
    base = kv_bytes(own)
    watch.hold_after(0)
    stream = own.agenerate(prompt(20), **GREEDY)
    loop = asyncio.new_event_loop()
    waiting = stream.__anext__()  # driven by hand: a task would complain that it was left

    async def begin():
        assert waiting.send(None) is not None

    loop.run_until_complete(begin())
    loop.close()
    watch.release()
    while not stream._work.finished:
        settled(own)
    assert kv_bytes(own) == base
    waiting.close()


def test_stream_that_began_in_one_loop_goes_on_in_another(own):
    stream = own.agenerate(prompt(20), max_tokens=30, **GREEDY)
    first = asyncio.run(until_token(stream))
    rest = asyncio.run(gather_events(stream))
    assert [first.token, *tokens_of(rest)] == tokens_of(own.generate(prompt(20), max_tokens=30, **GREEDY))


def test_loops_of_several_threads_share_an_engine(own):
    prompts = [prompt(20 + i, i) for i in range(12)]
    expected = [tokens_of(own.generate(ids, max_tokens=15, **GREEDY)) for ids in prompts]

    def in_a_loop(part):
        async def ask():
            streams = [own.agenerate(ids, max_tokens=15, **GREEDY) for ids in part]
            return await asyncio.gather(*map(gather_events, streams))

        return [tokens_of(events) for events in asyncio.run(ask())]

    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(in_a_loop, (prompts[i::4] for i in range(4))))
    assert parts == [expected[i::4] for i in range(4)]


# -- engines -----------------------------------------------------------------------------------------------------------


async def test_closed_engine_ends_live_requests_with_that_error(watch):
    engine = AsyncEngine("ds4-tiny", n_threads=1, max_running=49)
    await engine.open()
    watch.hold_after(1)
    streams = [engine.generate(prompt(700, seed), **GREEDY) for seed in range(3)]
    tasks = [asyncio.create_task(gather_events(stream)) for stream in streams]
    await asyncio.to_thread(watch.wait_until_held)
    engine.close()
    watch.release()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [EngineClosedError] * 3
    with pytest.raises(EngineClosedError):
        await anext(engine.generate(prompt(5)))


async def test_stream_keeps_its_engine_and_nothing_keeps_both():
    engine = Engine("ds4-tiny", n_threads=1, max_running=48)
    stream = engine.agenerate(prompt(20), max_tokens=20, **GREEDY)
    dropped = weakref.ref(engine)
    del engine
    assert len(tokens_of(await gather_events(stream))) == 20
    with Engine("ds4-tiny", n_threads=1, max_running=48) as other:
        await asyncio.to_thread(settled, other)
        del stream
        gc.collect()
        assert dropped() is None


async def test_live_stream_that_is_dropped_with_its_engine_closes_both():
    with Engine("ds4-tiny", n_threads=1, max_running=47) as other:
        engine = Engine("ds4-tiny", n_threads=1, max_running=47)
        stream = engine.agenerate(prompt(20), **GREEDY)
        await until_token(stream)
        dropped = weakref.ref(engine)
        del engine, stream
        await asyncio.to_thread(settled, other)
        gc.collect()
        assert dropped() is None


# -- deadlines and slow consumers --------------------------------------------------------------------------------------


async def test_deadline_while_prefilling(own):
    with pytest.raises(GenerationTimeoutError, match=r"0\.01 s"):
        await gather_events(own.agenerate(prompt(3500), timeout_s=0.01))


async def test_deadline_while_waiting_for_a_place(watch):
    with warm_engine(max_running=1) as engine:
        watch.hold_after(2)
        task = asyncio.create_task(gather_events(engine.agenerate(prompt(3000, 1), max_tokens=5, **GREEDY)))
        await asyncio.to_thread(watch.wait_until_held)
        waiting = await engine.agenerate(prompt(20, 2), timeout_s=1e-9).start()
        watch.release()
        with pytest.raises(GenerationTimeoutError):
            await gather_events(waiting)
        assert watch.of(waiting) == []
        assert len(tokens_of(await task)) == 5


async def test_deadline_while_its_consumer_takes_nothing(own):
    base = kv_bytes(own)
    stream = await own.agenerate(prompt(20), timeout_s=0.1, **GREEDY).start()
    while not stream._work.finished:
        await asyncio.to_thread(settled, own)
    await freed(own, base)
    with pytest.raises(GenerationTimeoutError):
        await gather_events(stream)


async def test_stalled_consumer_blocks_nobody_and_is_computed_no_further(own, pauses):
    expected = tokens_of(own.generate(prompt(20, 1), max_tokens=60, **GREEDY))
    stalled = await own.agenerate(prompt(20, 1), max_tokens=60, **GREEDY).start()
    await asyncio.to_thread(pauses.wait_for_one)
    computed = own.layers_computed
    others = [gather_events(own.agenerate(prompt(20, seed), max_tokens=20, **GREEDY)) for seed in range(2, 6)]
    for events in await asyncio.gather(*others):
        assert len(tokens_of(events)) == 20
    assert stalled._work.paused
    assert len(stalled._work.tokens) <= LOOKAHEAD
    await asyncio.to_thread(settled, own)
    after, rounds = own.layers_computed, pauses.left(own)
    assert after > computed
    for _ in range(50):
        await asyncio.sleep(0)
    assert own.layers_computed == after
    assert pauses.left(own) == rounds
    assert tokens_of(await gather_events(stalled)) == expected


# -- crowds ------------------------------------------------------------------------------------------------------------


def test_random_cancellations_leave_all_others_as_they_are_alone():
    n_requests, draw = 100, random.Random(100)
    with warm_engine(step_tokens=64) as alone, warm_engine(step_tokens=63, max_running=16) as engine:
        common = prompt(70, 1)
        requests = []
        for i in range(n_requests):
            ids = [*common[: draw.choice((0, 40, 70))], *prompt(draw.randrange(1, 60), i)]
            requests.append((ids, dict(seed=i, max_tokens=draw.randrange(1, 25), temperature=1.2, ignore_eos=True)))
        expected = [tokens_of(alone.generate(ids, **options)) for ids, options in requests]
        base = kv_bytes(engine)

        async def one(i, way):
            ids, options = requests[i]
            flag = CancelFlag()
            stream = engine.agenerate(ids, cancel=flag, **options)
            tokens, leave_after = [], draw.randrange(0, 12)
            async for event in stream:
                tokens += [event.token] if isinstance(event, SampledToken) else []
                if way != "whole" and len(tokens) >= leave_after:
                    if way == "flag":
                        flag.set()
                    elif way == "close":
                        stream.close()
                    elif way == "aclose":
                        await stream.aclose()
                    elif way == "break":
                        break
                    elif way == "cancel":
                        asyncio.current_task().cancel()
            return tokens

        async def all_of_them():
            ways = [
                draw.choice(("whole", "whole", "whole", "flag", "close", "aclose", "break", "cancel")) for _ in requests
            ]
            tasks = [asyncio.create_task(one(i, way)) for i, way in enumerate(ways)]
            for i, task in enumerate(tasks):
                if ways[i] == "cancel" and draw.random() < 0.3:
                    await asyncio.sleep(0)
                    task.cancel()
            return ways, await asyncio.gather(*tasks, return_exceptions=True)

        ways, results = asyncio.run(all_of_them())
        assert ways.count("whole") > n_requests // 5
        for way, result, tokens in zip(ways, results, expected, strict=True):
            if way == "whole":
                assert result == tokens
            elif isinstance(result, BaseException):
                assert isinstance(result, asyncio.CancelledError if way == "cancel" else GenerationCancelled)
            else:
                assert result == tokens[: len(result)]
        assert kv_bytes(engine) == base
        scheduler = Scheduler.of(engine._shared())
        assert not scheduler._busy()
