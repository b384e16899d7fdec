"""AsyncSession, AsyncEngine: order among tasks, cancellation at every moment, several loops, nothing blocks a loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import os
import threading

import numpy as np
import pytest

from ds4_core import AsyncCheckpoint, AsyncEngine, AsyncSession, Checkpoint, Engine, Session, Span, errors
from ds4_core import work as work_module
from ds4_core.step import Step
from ds4_core.types import ContextSizeWarning

TOKENS = [(7 * i) % 300 for i in range(120)]


@pytest.fixture
async def aengine(tiny_path):
    async with AsyncEngine(tiny_path, n_threads=1, n_batch=8, step_tokens=8, checkpoint_bytes_max=1) as engine:
        yield engine


@pytest.fixture
async def session(aengine):
    async with await aengine.session(256, seed=1) as session:
        await session.eval([3, 4, 5])
        yield session


async def assert_exact(session):
    """The session computes what a new one computes."""
    with contextlib.suppress(errors.EngineStateError):
        logits = session.logits()
        with session.engine.session(256) as fresh:
            fresh.eval(session.tokens)
            assert np.array_equal(fresh.logits(), logits)
    expected = [*session.tokens, 9]
    await session.eval(9)
    assert session.tokens == expected
    with session.engine.session(256) as fresh:
        fresh.eval(expected)
        assert np.array_equal(fresh.logits(), session.logits())


class Gate:
    """Holds the scheduler inside a step, so that what is asked meanwhile can be arranged."""

    def __init__(self, monkeypatch, after=1):
        self.entered, self.go = threading.Event(), threading.Event()
        self.steps = 0
        forward = Step.forward

        def held(step, ptr):
            forward(step, ptr)
            self.steps += 1
            if self.steps == after:
                self.entered.set()
                assert self.go.wait(120)

        monkeypatch.setattr(Step, "forward", held)

    async def wait(self):
        assert await asyncio.to_thread(self.entered.wait, 120)


# -- the same words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sync", "twin"), [(Session, AsyncSession), (Checkpoint, AsyncCheckpoint), (Engine, AsyncEngine)]
)
def test_the_asynchronous_form_has_every_word_of_the_synchronous_one(sync, twin):
    def words(kind):
        return {name for name in dir(kind) if not name.startswith("_")}

    assert words(sync) - words(twin) == ({"agenerate"} if sync is Engine else set())
    for name in words(sync) & words(twin):
        one, other = inspect.getattr_static(sync, name), inspect.getattr_static(twin, name)
        if inspect.isfunction(one) and inspect.isfunction(other) and name != "profile":
            assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters), name


async def test_every_method_does_what_its_synchronous_form_does(aengine, session, tmp_path):
    plain = aengine.engine.session(256, seed=1)
    plain.eval([3, 4, 5])
    for step in (
        lambda s: s.sync(TOKENS),
        lambda s: s.eval(TOKENS[:20]),
        lambda s: s.eval(7),
        lambda s: s.rewind(60),
        lambda s: s.sync(TOKENS[:70]),
    ):
        await step(session)
        step(plain)
        assert session.tokens == plain.tokens
        assert session.text == plain.text
        assert session.text_bytes == plain.text_bytes
    assert np.array_equal(session.logits(), plain.logits())
    assert session.argmax() == plain.argmax()
    assert session.sample(top_k=5) == plain.sample(top_k=5)
    assert session.logprobs(top_k=4) == plain.logprobs(top_k=4)
    for format in ("pages", "payload"):
        data = await session.snapshot(format=format)
        assert data == plain.snapshot(format=format)
        await session.save(tmp_path / format, format=format)
        assert (tmp_path / format).read_bytes() == data
        async with await aengine.session(256) as other:
            await other.restore(data, format=format)
            assert np.array_equal(other.logits(), plain.logits())
            await other.rewind(10)
            await other.load(tmp_path / format, format=format)
            assert np.array_equal(other.logits(), plain.logits())
    checkpoint = await session.checkpoint()
    fork = await session.fork(seed=4)
    resumed = await checkpoint.session(100, seed=5)
    assert (fork.seed, resumed.seed, resumed.n_ctx, checkpoint.pos) == (4, 5, 100, 70)
    for made in (fork, resumed, session, plain):
        await made.eval(2) if isinstance(made, AsyncSession) else made.eval(2)
        assert np.array_equal(made.logits(), plain.logits()) or made is not plain
    assert np.array_equal(fork.logits(), plain.logits())
    assert np.array_equal(resumed.logits(), plain.logits())
    checkpoint.close()
    assert checkpoint.closed
    with pytest.raises(errors.EngineClosedError):
        await checkpoint.session()
    (result,) = await aengine.forward([Span(fork.session, [1, 2])])
    assert result.logits.shape[0] == 1
    async with aengine.profile() as profile:
        await fork.eval(1)
        assert await profile.aops()
    assert profile.ops
    assert (await aengine.memory_used()).total == aengine.engine.memory_used().total
    assert await aengine.memory_estimate(100) == aengine.engine.memory_estimate(100)
    assert await aengine.info() == aengine.engine.info
    assert aengine.layers_computed == aengine.engine.layers_computed


async def test_an_engine_that_is_not_open_says_so_instead_of_blocking(tiny_path):
    engine = AsyncEngine(tiny_path, n_batch=9)
    for use in (lambda: engine.model, lambda: engine.layers_computed):
        with pytest.raises(errors.EngineStateError, match="not open yet"):
            use()
    assert not engine.is_open
    async with engine:
        assert engine.model.n_vocab
        assert engine.layers_computed == 0
    with pytest.raises(errors.EngineClosedError):
        await engine.session()


async def test_the_context_warning_points_at_the_caller(aengine, session):
    beyond = aengine.engine.info.n_context_train + 1
    with pytest.warns(ContextSizeWarning) as caught:
        (await aengine.session(beyond)).close()
    checkpoint = await session.checkpoint()
    with pytest.warns(ContextSizeWarning) as again:
        (await checkpoint.session(beyond)).close()
    assert caught[0].filename == again[0].filename == __file__


async def test_progress_of_a_sync_is_told_in_the_task_that_awaits_it_while_it_runs(session, monkeypatch):
    gate, told = Gate(monkeypatch, after=4), []  # before the fourth piece is known

    def progress(done, total):
        told.append((done, total, asyncio.current_task()))
        if done == 24:
            heard.set()

    heard = asyncio.Event()
    task = asyncio.create_task(session.sync(TOKENS[:60], progress=progress))
    await gate.wait()
    await asyncio.wait_for(heard.wait(), 120)
    assert [done for done, _, _ in told] == [8, 16, 24]
    gate.go.set()
    await task
    assert [done for done, _, _ in told] == [8, 16, 24, 32, 40, 48, 56, 60]
    assert {(total, awaiting) for _, total, awaiting in told} == {(60, task)}
    monkeypatch.undo()
    await assert_exact(session)


async def test_what_progress_raises_stops_an_awaited_sync_and_passes(session):
    def progress(done, total):
        raise KeyError(done)

    with pytest.raises(KeyError):
        await session.sync(TOKENS, progress=progress)
    assert session.tokens == TOKENS[: session.pos]
    await assert_exact(session)


async def test_a_cancelled_task_whose_sync_tells_its_progress_leaves_the_session_exact(session, monkeypatch):
    gate = Gate(monkeypatch, after=3)
    task = asyncio.create_task(session.sync(TOKENS, progress=lambda done, total: None))
    await gate.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert session.tokens == TOKENS[: session.pos]
    await assert_exact(session)


# -- order -------------------------------------------------------------------------------------------------------------


async def test_what_tasks_ask_of_a_session_is_done_in_their_order(aengine, session, monkeypatch):
    gate = Gate(monkeypatch)
    other = await aengine.session(256)
    first = asyncio.create_task(session.eval(TOKENS[:30]))
    await gate.wait()
    tasks = []
    for i in range(12):
        tasks.append(asyncio.create_task(session.eval([i, i])))
        await asyncio.sleep(0)
        if i == 5:
            tasks.append(asyncio.create_task(session.rewind(3 + 30 + 2)))
            await asyncio.sleep(0)
    aside = asyncio.create_task(other.eval([1, 2]))
    await asyncio.sleep(0)
    gate.go.set()
    await asyncio.gather(first, aside, *tasks)
    monkeypatch.undo()
    later = [token for i in range(6, 12) for token in (i, i)]
    assert session.tokens == [3, 4, 5, *TOKENS[:30], 0, 0, *later]
    assert other.tokens == [1, 2]
    await assert_exact(session)


async def test_a_cancelled_task_in_the_queue_never_happened_and_waits_for_nobody(session, monkeypatch):
    gate, later = Gate(monkeypatch), Gate(monkeypatch, after=3)
    first = asyncio.create_task(session.eval(TOKENS[:60]))
    await gate.wait()
    waiting = [asyncio.create_task(call) for call in (session.eval([8, 8]), session.eval(9), session.eval([7]))]
    await asyncio.sleep(0)
    waiting[1].cancel()
    gate.go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting[1]
    assert not first.done()
    later.go.set()
    await asyncio.gather(first, waiting[0], waiting[2])
    monkeypatch.undo()
    assert session.tokens == [3, 4, 5, *TOKENS[:60], 8, 8, 7]
    await assert_exact(session)


# -- cancelling --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 3])
@pytest.mark.parametrize("call", ["eval", "sync", "rewind"])
async def test_a_cancelled_task_stops_its_computation_and_leaves_the_session_exact(
    aengine, session, monkeypatch, call, after
):
    await session.eval(TOKENS[:100])
    before, row = session.tokens, session.logits()
    target = [3, 4, 5, *TOKENS[:40], *TOKENS]
    gate = Gate(monkeypatch, after)
    layers, n_layer = aengine.layers_computed, aengine.engine.info.n_layer
    task = asyncio.create_task(
        {
            "eval": lambda: session.eval(TOKENS[:80]),
            "sync": lambda: session.sync(target),
            "rewind": lambda: session.rewind(60),
        }[call]()
    )
    await gate.wait()
    task.cancel()
    await asyncio.sleep(0)
    gate.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.undo()
    assert aengine.layers_computed == layers + after * n_layer
    held = session.tokens
    if call == "sync" and held != before:
        assert held == target[: len(held)]
        assert len(held) >= 43
    else:
        assert held == before
        assert np.array_equal(session.logits(), row)
    await assert_exact(session)


class HeldDelivery:
    """Nothing is computed before `wait()`, and nothing that is finished is told to the loop before `deliver()`."""

    def __init__(self, monkeypatch):
        self.held, self.arrived, self.awaited = [], threading.Event(), threading.Event()
        forward = Step.forward

        def after_it_is_awaited(step, ptr):
            assert self.awaited.wait(120)
            forward(step, ptr)

        def hold(loop, call, *args):
            self.held.append((loop, call, args))
            self.arrived.set()
            return True

        self._tell = work_module.call_in_loop
        monkeypatch.setattr(work_module, "call_in_loop", hold)
        monkeypatch.setattr(Step, "forward", after_it_is_awaited)
        self._undo = monkeypatch.undo

    async def wait(self):
        await asyncio.sleep(0)  # the task asks for its work and waits
        self.awaited.set()
        assert await asyncio.to_thread(self.arrived.wait, 120)

    def deliver(self):
        self._undo()
        for loop, call, args in self.held:
            self._tell(loop, call, *args)


@pytest.mark.parametrize("n", [1, 9, 10, 60])
async def test_an_eval_that_was_done_when_its_task_was_cancelled_is_taken_back(session, monkeypatch, n):
    await session.eval(TOKENS[:30])
    before, row = session.tokens, session.logits()
    held = HeldDelivery(monkeypatch)
    task = asyncio.create_task(session.eval([8] * n))
    await held.wait()
    assert session.pos == len(before) + n  # it is done, and nobody knows
    task.cancel()
    held.deliver()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.tokens == before
    assert np.array_equal(session.logits(), row)
    await assert_exact(session)


async def test_cancelling_again_while_an_eval_is_taken_back_changes_nothing(session, monkeypatch):
    before, row = session.tokens, session.logits()
    held = HeldDelivery(monkeypatch)
    task = asyncio.create_task(session.eval([8] * 20))
    await held.wait()
    held.deliver()
    gate_entered, gate_go = threading.Event(), threading.Event()
    undo_work = Session._undo_work

    def slowly(self, work):
        undo = undo_work(self, work)
        steps = undo.steps

        def held_steps(ptr):
            gate_entered.set()
            assert gate_go.wait(120)
            return steps(ptr)

        undo.steps = held_steps
        return undo

    monkeypatch.setattr(Session, "_undo_work", slowly)
    task.cancel()
    assert await asyncio.to_thread(gate_entered.wait, 120)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0)
    assert not task.done()
    gate_go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.tokens == before
    assert np.array_equal(session.logits(), row)
    await assert_exact(session)


async def test_an_eval_is_not_taken_back_from_under_what_another_task_did_after_it(session, monkeypatch):
    held = HeldDelivery(monkeypatch)
    task = asyncio.create_task(session.eval([8]))
    await held.wait()
    session.session.eval(6)
    task.cancel()
    held.deliver()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert session.tokens == [3, 4, 5, 8, 6]
    await assert_exact(session)


async def test_a_timeout_leaves_the_session_as_it_was(session, monkeypatch):
    gate = Gate(monkeypatch)
    before, row = session.tokens, session.logits()

    async def release():
        await gate.wait()
        while not timeout.expired():
            await asyncio.sleep(0.001)
        gate.go.set()

    releasing = asyncio.create_task(release())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05) as timeout:
            await session.eval(TOKENS)
    await releasing
    monkeypatch.undo()
    assert session.tokens == before
    assert np.array_equal(session.logits(), row)
    await assert_exact(session)


async def test_a_coroutine_that_is_dropped_takes_its_eval_back(session, monkeypatch):
    before = session.tokens
    held = HeldDelivery(monkeypatch)
    coroutine = session.eval([8, 8])
    coroutine.send(None)
    await held.wait()
    coroutine.close()  # as when its loop has died
    held.deliver()
    await session.rewind(len(before))  # comes after it
    assert session.tokens == before
    await assert_exact(session)


async def test_a_dropped_save_leaves_a_whole_file_or_none(session, tmp_path):
    for moment in range(6):
        path = tmp_path / f"state{moment}"
        task = asyncio.create_task(session.save(path))
        for _ in range(moment):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    await asyncio.get_running_loop().shutdown_default_executor()
    gc.collect()
    expected = await session.snapshot()
    for path in tmp_path.iterdir():
        assert path.suffix == ""
        assert path.read_bytes() == expected
    await assert_exact(session)


async def test_saving_to_a_pipe_nobody_reads_can_be_cancelled_and_holds_nobody_up(aengine, session):
    await session.eval(TOKENS)
    reader, writer = os.pipe()
    try:
        saving = asyncio.create_task(session.save(writer))
        loading = asyncio.create_task(session.load(os.dup(reader)))
        await session.eval(7)
        other = await aengine.session(64)
        await other.eval([1, 2])
        assert not saving.done() or not loading.done()
        saving.cancel()
        loading.cancel()
        for task in (saving, loading):
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.get_running_loop().shutdown_default_executor()  # whose threads have ended
        assert session.tokens == [3, 4, 5, *TOKENS, 7]
    finally:
        os.close(reader)
        os.close(writer)
    await assert_exact(session)


# -- closing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["session", "engine"])
@pytest.mark.parametrize("call", ["eval", "sync", "rewind"])
async def test_closing_meanwhile_ends_what_is_awaited_with_its_reason(aengine, session, monkeypatch, what, call):
    await session.eval(TOKENS)
    gate = Gate(monkeypatch)
    running = {
        "eval": lambda: session.eval(TOKENS[:60]),
        "sync": lambda: session.sync([3, *TOKENS]),
        "rewind": lambda: session.rewind(60),
    }[call]
    tasks = [asyncio.create_task(running()), asyncio.create_task(session.fork()), asyncio.create_task(session.eval(1))]
    await gate.wait()
    (session if what == "session" else aengine).close()
    gate.go.set()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(outcome, errors.EngineClosedError)
        assert f"the {what}" in str(outcome)
    monkeypatch.undo()
    with pytest.raises(errors.EngineClosedError):
        await session.eval(1)
    if what == "session":
        async with await aengine.session(256) as other:
            await other.eval([1, 2])
            await assert_exact(other)


# -- loops -------------------------------------------------------------------------------------------------------------


def test_several_loops_use_one_engine_and_one_session(tiny_path):
    with Engine(tiny_path, n_threads=1, step_tokens=8) as engine:
        shared = engine.session(400)
        alone, failures = [], []

        async def work(i):
            async with await AsyncEngine(engine).session(64) as own:
                for _ in range(10):
                    await own.eval([i, i])
                    await AsyncSession(shared).eval([i, i])
                alone.append((own.tokens, own.logits()))

        def run(i):
            try:
                asyncio.run(work(i))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert shared.pos == 80
        pairs = shared.tokens
        assert pairs[::2] == pairs[1::2]
        assert sorted(pairs) == sorted([i for i in range(4) for _ in range(20)])
        for tokens, logits in [*alone, (shared.tokens, shared.logits())]:
            with engine.session(400) as fresh:
                fresh.eval(tokens)
                assert np.array_equal(fresh.logits(), logits)


def test_a_loop_that_dies_leaves_session_and_engine_usable(tiny_path, monkeypatch):
    with Engine(tiny_path, n_threads=1, n_batch=8, step_tokens=8) as engine, engine.session(256) as session:
        session.eval([1, 2])
        gate = Gate(monkeypatch)
        loop = asyncio.new_event_loop()
        task = loop.create_task(AsyncSession(session).eval(TOKENS))
        loop.run_until_complete(gate.wait())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        task._log_destroy_pending = False  # what asyncio says of it is known
        coroutine = task.get_coro()
        coroutine.close()
        del task, coroutine
        gc.collect()
        gate.go.set()
        monkeypatch.undo()
        session.eval(3)
        assert session.tokens == [1, 2, 3]
        asyncio.run(assert_exact(AsyncSession(session)))


async def test_nothing_blocks_the_loop_while_the_engine_computes(aengine, session, monkeypatch):
    # The scheduler stands inside a step with all its locks; everything but awaiting a computation still works at once.
    gate = Gate(monkeypatch)
    checkpoint = await session.checkpoint()
    task = asyncio.create_task(session.eval(TOKENS[:60]))
    await gate.wait()
    dropped = await asyncio.wait_for(asyncio.to_thread(lambda: None), 10)
    assert dropped is None
    asked = [
        asyncio.create_task(call)
        for call in (
            aengine.memory_used(), aengine.session(64), aengine.forward([Span(session.session, [1])]),
            session.fork(), session.checkpoint(), session.snapshot(), checkpoint.session(), session.rewind(5),
        )
    ]  # fmt: skip
    for _ in range(3):
        await asyncio.sleep(0)
    assert (await asyncio.wait_for(aengine.info(), 10)).n_layer
    assert (await asyncio.wait_for(aengine.memory_estimate(64), 10)).total
    assert aengine.layers_computed
    assert aengine.model.tokenize("hello")
    assert session.text_bytes is not None
    assert not any(task.done() for task in asked)
    checkpoint.close()
    gate.go.set()
    results = await asyncio.gather(task, *asked, return_exceptions=True)
    monkeypatch.undo()
    assert isinstance(results[7], errors.EngineClosedError)  # its checkpoint was closed
    assert not any(isinstance(result, BaseException) for i, result in enumerate(results) if i != 7)
    assert session.pos == 5
    await assert_exact(session)
