"""Scores of given continuations and of prompts: against a session, what is computed for them, how they end."""

import asyncio
import random

import numpy as np
import pytest

from ds4_core import AsyncEngine, CancelFlag, Engine, GenerationCancelled
from ds4_core.errors import ContextOverflowError, EngineClosedError, InvalidRequestError, InvalidTokenError
from ds4_core.sampling import sample_logits
from ds4_core.types import SampleParams
from tests.core.generations import Watch, end_of, kv_bytes, prompt, settled, tokens_of, warm_engine


@pytest.fixture(scope="module")
def own():
    with warm_engine() as engine:
        yield engine


@pytest.fixture
def watch(own, monkeypatch):
    own.clear_prefix_cache()
    return Watch(monkeypatch)


def by_hand(engine, ids, continuation, n_top=0):
    """(token, logprob, top) of each token, with a session."""
    out = []
    with engine.session() as session:
        session.sync(ids)
        for token in continuation:
            row = session.logits()
            bits = np.zeros(128, dtype=np.uint32)
            bits[token >> 5] = 1 << (token & 31)
            result = sample_logits(row, SampleParams(temperature=0, mask=bits, n_top=n_top))
            known = session.logprobs([token])[0]
            assert result.logprob == pytest.approx(known.logprob, abs=1e-6)
            out.append((token, result.logprob, result.top))
            session.eval(token)
    return out


def plain(scores):
    return [tuple(score[:3]) for score in scores]


def moved(watch):
    return [n for lanes in watch.steps for _, n in lanes]


def continuations(n, longest=20, seed=0):
    draw = random.Random(seed)
    return [[draw.randrange(4096) for _ in range(draw.randint(1, longest))] for _ in range(n)]


def test_scores_are_those_of_a_session_stepped_by_hand(own):
    ids = prompt(50, 1)
    given = [*continuations(20), [own.model.token_eos, 5, own.model.token_eos]]
    scores = own.score(ids, given, n_top=4)
    assert [plain(one) for one in scores] == [by_hand(own, ids, tokens, 4) for tokens in given]


def test_one_continuation_gives_one_list_and_an_empty_one_an_empty_list(own):
    ids = prompt(20, 2)
    one = own.score(ids, [5, 6, 7])
    assert plain(one) == by_hand(own, ids, [5, 6, 7])
    assert own.score(ids, np.array([5, 6, 7])) == one
    assert own.score(ids, ([5, 6, 7], (), np.array([5]))) == [one, [], one[:1]]
    assert own.score(ids, []) == []


def test_the_prompt_is_computed_once_and_the_last_tokens_never(own, watch):
    ids, given = prompt(200, 3), continuations(40)
    own.score(ids, given)
    # Who starts from the end of the prompt computes its last token again, for the logits.
    assert sum(moved(watch)) == 200 + 39 + sum(len(tokens) - 1 for tokens in given)
    assert len(watch.steps) < 40


def test_a_long_continuation_is_cut_into_steps_that_leave_room_for_others(monkeypatch):
    with warm_engine(step_tokens=16) as engine:
        expected = engine.score(prompt(5, 4), prompt(100, 5))
        assert plain(expected) == by_hand(engine, prompt(5, 4), prompt(100, 5))
        watch = Watch(monkeypatch)
        watch.hold_after(1)
        with pytest.MonkeyPatch.context():
            stream = engine.generate(prompt(6, 6), max_tokens=3, ignore_eos=True).start()
            watch.wait_until_held()
            watch.release()
            engine.score(prompt(5, 4), prompt(100, 5))
            assert len(tokens_of(stream)) == 3
        assert max(moved(watch)) <= 16


def test_scoring_leaves_only_the_prompt_behind(own):
    ids = prompt(60, 7)
    own.clear_prefix_cache()
    own.score(ids, continuations(10, seed=3))
    events = list(own.generate([*ids, *continuations(1, seed=3)[0]], max_tokens=1))
    assert end_of(events).usage.cached_tokens == 60
    before = kv_bytes(own)
    own.score(ids, continuations(30))
    assert kv_bytes(own) == before


def test_scores_of_a_prompt_are_those_of_what_follows_its_first_token(own):
    ids = prompt(300, 8)
    scores = own.prompt_logprobs(ids, n_top=2)
    assert scores[0] is None
    assert plain(scores[1:]) == by_hand(own, ids[:1], ids[1:], 2)
    assert end_of(list(own.generate(ids, max_tokens=1))).usage.cached_tokens == 299
    assert own.prompt_logprobs([5]) == [None]


def test_what_can_not_be_scored_is_an_error(own):
    with pytest.raises(ContextOverflowError, match="continuation 1"):
        own.score(prompt(10), [[5] * 6, [5] * 7], n_ctx=16)
    assert len(own.score(prompt(10), [5] * 6, n_ctx=16)) == 6
    with pytest.raises(InvalidTokenError, match="4096"):
        own.score(prompt(10), [5, 4096])
    with pytest.raises(InvalidTokenError, match="4096"):
        own.score([4096], [5])
    with pytest.raises(InvalidTokenError):
        own.score(prompt(10), [-1])
    for wrong in ("text", 5, None, [5.5], ["a"]):
        with pytest.raises(InvalidRequestError):
            own.score(prompt(10), wrong)
    with pytest.raises(InvalidRequestError):
        own.score([], [5])
    with pytest.raises(InvalidRequestError):
        own.prompt_logprobs([])


def test_a_flag_ends_all_of_it(own):
    flag = CancelFlag()
    flag.set()
    with pytest.raises(GenerationCancelled):
        own.score(prompt(50), continuations(40), cancel=flag)
    settled(own)
    assert len(own.score(prompt(50), continuations(40))) == 40


def test_a_closed_engine_refuses():
    engine = Engine(n_threads=1)
    engine.close()
    with pytest.raises(EngineClosedError):
        engine.score([5], [6])


def test_awaited_scores_are_the_same(own):
    ids, given = prompt(40, 9), continuations(40, seed=5)

    async def main():
        engine = AsyncEngine(own)
        return await asyncio.gather(
            engine.score(ids, given, n_top=1), engine.score(ids, given[0]), engine.prompt_logprobs(ids)
        )

    assert asyncio.run(main()) == [own.score(ids, given, n_top=1), own.score(ids, given[0]), own.prompt_logprobs(ids)]


def test_a_cancelled_task_stops_scoring(own, watch):
    async def main():
        engine = AsyncEngine(own)
        watch.hold_after(1)
        task = asyncio.create_task(engine.score(prompt(400, 10), continuations(60, seed=6)))
        await asyncio.to_thread(watch.wait_until_held)
        task.cancel()
        await asyncio.sleep(0)  # the task learns of it before the engine goes on
        watch.release()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    settled(own)
    n_steps = len(watch.steps)
    settled(own)
    assert len(watch.steps) == n_steps
    assert sum(moved(watch)) < 450


@pytest.mark.parametrize("options", [{"max_queue": 1, "max_running": 1}, {"prefix_bytes_max": 0}])
def test_scores_do_not_depend_on_the_engines_limits(own, options):
    ids, given = prompt(40, 11), continuations(60, seed=8)
    with Engine("ds4-tiny", n_threads=1, **options) as engine:
        assert engine.score(ids, given) == own.score(ids, given)
