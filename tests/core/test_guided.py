"""Guided generation against the same done by hand with a session: masks, forced tokens, endings, failures, scores."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from ds4_core import CancelFlag, Engine, GenerationCancelled, step
from ds4_core.errors import EngineStateError, InvalidRequestError, InvalidTokenError
from ds4_core.generation import Generation, SampledToken, TokenRequest
from ds4_core.sampling import rng_from_seed, sample_logits
from ds4_core.scheduler import Scheduler
from ds4_core.types import SampleParams
from tests.core.generations import (
    PATIENCE_S,
    Pauses,
    Watch,
    end_of,
    kv_bytes,
    prompt,
    settled,
    tokens_of,
    until_token,
    warm_engine,
)

N_VOCAB = 4096
WORDS = N_VOCAB // 32
EOS = 1


@pytest.fixture(scope="module")
def own():
    with warm_engine() as engine:
        global EOS
        EOS = engine.model.token_eos
        yield engine


@pytest.fixture(params=["before", "beside"])
def way(request, monkeypatch):
    """Masks computed before the forward, or by the other thread."""
    monkeypatch.setattr(step, "_LONG_FORWARD_S", -1.0 if request.param == "beside" else 1e9)
    return request.param


@pytest.fixture
def watch(own, monkeypatch):
    own.clear_prefix_cache()
    return Watch(monkeypatch)


def only(*tokens):
    mask = np.zeros(WORDS, dtype=np.uint32)
    for token in tokens:
        mask[token >> 5] |= np.uint32(1 << (token & 31))
    return mask


class Free:
    """Lets everything come."""

    finished = False

    def __init__(self):
        self.accepted = []

    def mask(self):
        return None

    def accept(self, token):
        self.accepted.append(token)

    def forced(self):
        return []


class Mixed(Free):
    """Masks and forced runs that depend on everything that was accepted."""

    def __init__(self, key=0):
        super().__init__()
        self.key = key
        self.due = self._run()
        self.buffer = np.zeros(WORDS, dtype=np.uint32)

    def _draw(self):
        return np.random.default_rng([self.key, len(self.accepted), sum(self.accepted)])

    def _run(self):
        draw = self._draw()
        return draw.integers(100, 4000, draw.integers(1, 13)).tolist() if draw.random() < 0.3 else []

    def mask(self):
        if self._draw().random() < 0.3:
            return None
        self.buffer[:] = self._draw().integers(0, 2**32, WORDS, dtype=np.uint32)
        self.buffer[EOS >> 5] &= np.uint32(0xFFFFFFFF ^ (1 << (EOS & 31)))
        return self.buffer

    def accept(self, token):
        if self.due:
            assert token == self.due.pop(0)
        super().accept(token)
        if not self.due:
            self.due = self._run()

    def forced(self):
        return list(self.due)


class Script(Free):
    """Forces its tokens after `free` that were drawn."""

    def __init__(self, tokens, free=0, finished=False):
        super().__init__()
        self.script, self.free, self.ends = list(tokens), free, finished

    @property
    def _at(self):
        return len(self.accepted) - self.free

    @property
    def finished(self):
        return self.ends and self._at >= len(self.script)

    def forced(self):
        return self.script[self._at :] if self._at >= 0 else []


class Raising(Free):
    """Raises where it is told to, at its third token."""

    def __init__(self, where):
        super().__init__()
        self.where = where

    def _raise(self, where):
        if where == self.where and len(self.accepted) == 3:
            raise ZeroDivisionError(where)

    def mask(self):
        self._raise("mask")

    def accept(self, token):
        super().accept(token)
        self._raise("accept")

    def forced(self):
        self._raise("forced")
        return []


def by_hand(engine, ids, guide, n, *, seed=0, n_top=0, stops=(), **sampling):
    """The same with a session: (token, logprob, top, forced) of up to `n` tokens."""
    penalised = bool(sampling)
    counts = dict.fromkeys(ids, 0) if penalised else {}
    rng, out = rng_from_seed(seed), []
    with engine.session() as session:
        session.sync(ids)
        while len(out) < n and not (out and out[-1][0] in stops):
            row = session.logits()
            forced = guide.forced()
            if forced:
                drawn = sample_logits(row, SampleParams(temperature=0, mask=only(forced[0]), n_top=n_top))
            else:
                params = SampleParams(mask=guide.mask(), rng=rng, penalty_counts=counts, n_top=n_top, **sampling)
                drawn = sample_logits(row, params)
                rng = drawn.rng
            known = session.logprobs([drawn.token])[0]
            assert drawn.logprob == pytest.approx(known.logprob, abs=1e-6)
            out.append((drawn.token, drawn.logprob, drawn.top, bool(forced)))
            guide.accept(drawn.token)
            if penalised:
                counts[drawn.token] = counts.get(drawn.token, 0) + 1
            session.eval(drawn.token)
    return out


def sampled(events):
    return [tuple(event) for event in events if isinstance(event, SampledToken)]


def tokens_by_hand(*args, **options):
    return [token for token, *_ in by_hand(*args, **options)]


# -- what comes out ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", range(4))
def test_tokens_and_scores_are_those_of_a_session_stepped_by_hand(own, way, key):
    ids = prompt(30, key)
    expected = by_hand(own, ids, Mixed(key), 60, seed=7, n_top=3)
    assert any(forced for *_, forced in expected)
    assert sampled(own.generate(ids, guide=lambda: Mixed(key), max_tokens=60, seed=7, n_top=3)) == expected


@pytest.mark.parametrize("step_tokens", [1, 3, 8])
def test_step_size_leaves_no_trace(own, way, step_tokens):
    ids = prompt(20, 5)
    expected = by_hand(own, ids, Mixed(5), 40)
    with Engine("ds4-tiny", n_threads=1, step_tokens=step_tokens) as engine:
        options = dict(guide=lambda: Mixed(5), max_tokens=40, seed=0)
        assert sampled(engine.generate(ids, **options)) == expected
        assert tokens_of(engine.generate(ids, logprobs=False, **options)) == [token for token, *_ in expected]


def test_guided_and_free_requests_do_not_notice_each_other(own, way):
    jobs = [(prompt(12 + 5 * i, i), i if i % 3 else None) for i in range(9)]
    alone = [by_hand(own, ids, Free() if key is None else Mixed(key), 30, seed=i) for i, (ids, key) in enumerate(jobs)]

    def run(i):
        ids, key = jobs[i]
        guide = None if key is None else (lambda: Mixed(key))
        logprobs = i % 2 == 0
        got = sampled(own.generate(ids, guide=guide, max_tokens=30, seed=i, ignore_eos=True, logprobs=logprobs))
        return got if logprobs else [token for token, *_ in got]

    with ThreadPoolExecutor(9) as pool:
        got = list(pool.map(run, range(9)))
    assert got == [result if i % 2 == 0 else [token for token, *_ in result] for i, result in enumerate(alone)]


def test_without_logprobs_every_score_is_nan(own):
    events = list(own.generate(prompt(9), guide=lambda: Mixed(1), max_tokens=20, logprobs=False))
    assert all(math.isnan(logprob) and top == () for _, logprob, top, _ in sampled(events))
    with pytest.raises(InvalidRequestError, match="n_top"):
        TokenRequest([1], n_top=1, logprobs=False)
    with pytest.raises(InvalidRequestError, match="guide"):
        TokenRequest([1], guide=Mixed())


def test_forced_tokens_count_for_penalties(own, way):
    ids = prompt(25, 2)
    penalties = dict(repetition_penalty=1.8, presence_penalty=1.5, frequency_penalty=1.8, temperature=1.2)
    expected = tokens_by_hand(own, ids, Mixed(3), 50, seed=1, **penalties)
    assert tokens_of(own.generate(ids, guide=lambda: Mixed(3), max_tokens=50, seed=1, **penalties)) == expected
    assert expected != tokens_by_hand(own, ids, Mixed(3), 50, seed=1, temperature=1.2)


def test_a_guide_is_told_every_token_once_and_in_order(own, way):
    guide = Mixed(4)
    tokens = tokens_of(own.generate(prompt(10), guide=lambda: guide, max_tokens=50, seed=2))
    assert guide.accepted == tokens


# -- spans -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("logprobs", [True, False])
def test_forced_tokens_are_one_span_with_the_token_before_them(own, watch, logprobs):
    ids = prompt(10)
    stream = own.generate(
        ids, guide=lambda: Script([7, 8, 9, 10], free=2), max_tokens=8, logprobs=logprobs, temperature=0
    )
    tokens = tokens_of(stream)
    assert tokens[2:6] == [7, 8, 9, 10]
    assert watch.of(stream) == [10, 1, 5, 1]  # the prompt, a drawn token, another one with the run, one before the last


def test_what_the_prompt_is_followed_by_is_forced_in_one_span(own, watch):
    ids = prompt(10)
    stream = own.generate(ids, guide=lambda: Script([7, 8, 9]), max_tokens=4, temperature=0)
    assert tokens_of(stream)[:3] == [7, 8, 9]
    assert watch.of(stream) == [10, 3]


def test_nothing_is_computed_behind_the_last_token(own, watch):
    with_scores = own.generate(prompt(10), guide=lambda: Script([7, 8, EOS], free=1), temperature=0)
    assert tokens_of(with_scores)[1:] == [7, 8, EOS]
    assert watch.of(with_scores) == [10, 3]
    without = own.generate(prompt(10, 1), guide=lambda: Script([7, 8, EOS], free=1), temperature=0, logprobs=False)
    assert tokens_of(without)[1:] == [7, 8, EOS]
    assert watch.of(without) == [10]


def test_rows_of_a_long_forced_run_stay_within_bounds(own, watch, monkeypatch):
    monkeypatch.setattr(step, "_SCORED_ROWS_BYTES", 5 * 4 * N_VOCAB)
    run = prompt(23, 5)
    stream = own.generate(prompt(10), guide=lambda: Script(run), max_tokens=24, temperature=0)
    got = sampled(stream)
    assert watch.of(stream) == [10, 5, 5, 5, 5, 3]
    assert got == by_hand(own, prompt(10), Script(run), 24, temperature=0)


# -- endings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("guide", [lambda: Script([9, EOS], free=1), lambda: Script([9], free=1, finished=True)])
def test_a_forced_end_of_turn_ends_the_answer(own, guide, logprobs):
    events = list(own.generate(prompt(10), guide=guide, max_tokens=9, temperature=0, logprobs=logprobs))
    assert tokens_of(events)[1:] == [9, EOS]
    assert (end_of(events).reason, end_of(events).stop_token) == ("stop", EOS)
    assert end_of(events).usage.completion_tokens == 3


def test_a_forced_stop_token_ends_the_answer_also_before_min_tokens(own):
    events = list(own.generate(prompt(10), guide=lambda: Script([9, 77, 5]), stop_token_ids=[77], min_tokens=5))
    assert tokens_of(events) == [9, 77]
    assert (end_of(events).reason, end_of(events).stop_token) == ("stop", 77)


def test_min_tokens_hold_unless_the_guide_lets_nothing_else_come(own, way):
    class Ends(Free):
        def mask(self):
            return only(EOS, 300) if len(self.accepted) < 4 else only(EOS)

    events = list(own.generate(prompt(10), guide=Ends, min_tokens=8, max_tokens=20, logit_bias={EOS: 100.0}))
    assert tokens_of(events) == [300] * 4 + [EOS]


def test_with_ignore_eos_the_guide_ends_and_the_answer_goes_on(own, way):
    guide = Script([9, EOS, 12, 13], free=1)
    ids = prompt(10)
    tokens = tokens_of(own.generate(ids, guide=lambda: guide, max_tokens=9, temperature=0, ignore_eos=True))
    assert tokens[1:3] == [9, EOS]
    assert guide.accepted == tokens[:3]
    assert tokens == tokens_by_hand(own, ids, Script([9, EOS], free=1), 9, temperature=0)


def test_with_ignore_eos_a_lasting_guide_goes_on(own, way):
    class Lasting(Script):
        outlasts_turns = True

    guide = Lasting([9, EOS, 12, EOS, 13], free=1)
    events = own.generate(prompt(10), guide=lambda: guide, max_tokens=9, temperature=0, ignore_eos=True)
    tokens = tokens_of(events)
    assert tokens[1:6] == [9, EOS, 12, EOS, 13]
    assert guide.accepted == tokens


@pytest.mark.parametrize("logprobs", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 4, 5])
def test_max_tokens_end_a_forced_run(own, limit, logprobs):
    run = [7, 8, 9, 10]

    class Then(Script):
        def mask(self):
            return only(11)  # what is drawn after the run

    events = list(own.generate(prompt(10), guide=lambda: Then(run), max_tokens=limit, logprobs=logprobs))
    assert tokens_of(events) == [*run, 11][:limit]
    assert end_of(events).reason == "length"


@pytest.mark.parametrize("logprobs", [True, False])
def test_the_context_ends_a_forced_run_and_a_guide_is_told(own, logprobs):
    told = []

    class Told(Script):
        def limit(self, max_tokens):
            told.append((max_tokens, len(self.accepted)))

    options = dict(guide=lambda: Told(range(50, 80)), n_ctx=20, logprobs=logprobs)
    events = list(own.generate(prompt(10), max_tokens=15, **options))
    assert tokens_of(events) == list(range(50, 60))
    assert end_of(events).reason == "length"
    assert told == [(10, 0)]


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["make", "mask", "accept", "forced"])
def test_a_guide_that_raises_ends_its_own_generation_alone(own, way, where):
    def make():
        if where == "make":
            raise ZeroDivisionError(where)
        return Raising(where)

    ids = prompt(14, 3)
    expected = by_hand(own, ids, Mixed(6), 40)
    other = own.generate(ids, guide=lambda: Mixed(6), max_tokens=40, seed=0)
    first = until_token(other)
    with pytest.raises(ZeroDivisionError, match=where):
        list(own.generate(prompt(10), guide=make, ignore_eos=True, max_tokens=10, seed=0))
    assert [tuple(first), *sampled(other)] == expected


@pytest.mark.parametrize(
    ("mask", "error"),
    [
        (np.zeros(WORDS, dtype=np.uint32), EngineStateError),
        (np.zeros(WORDS + 1, dtype=np.uint32), InvalidRequestError),
        (np.zeros(WORDS, dtype=np.int64), InvalidRequestError),
        ([1] * WORDS, InvalidRequestError),
    ],
)
def test_an_empty_or_wrong_mask_is_an_error_of_its_generation(own, way, mask, error):
    class Wrong(Free):
        def mask(self):
            return None if len(self.accepted) < 2 else mask

    stream = own.generate(prompt(10), guide=Wrong, ignore_eos=True, max_tokens=10, seed=0)
    other = own.generate(prompt(10, 2), ignore_eos=True, max_tokens=10, temperature=0).start()
    got = []
    with pytest.raises(error):
        got += (event.token for event in stream if isinstance(event, SampledToken))
    assert tokens_of(other) == tokens_by_hand(own, prompt(10, 2), Free(), 10, temperature=0)


def test_a_forced_token_outside_the_vocabulary_is_an_error(own):
    with pytest.raises(InvalidTokenError, match="4096"):
        list(own.generate(prompt(10), guide=lambda: Script([5, 4096], free=1)))


def test_a_failed_generation_leaves_a_prefix_that_is_right(own):
    ids = prompt(40, 8)
    with pytest.raises(ZeroDivisionError):
        list(own.generate(ids, guide=lambda: Raising("mask"), ignore_eos=True, max_tokens=10, seed=0))
    events = list(own.generate(ids, max_tokens=12, temperature=0, ignore_eos=True))
    assert end_of(events).usage.cached_tokens == 39
    assert tokens_of(events) == tokens_by_hand(own, ids, Free(), 12, temperature=0)


# -- the rest of the scheduler -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 2, 4, 9])
@pytest.mark.parametrize("logprobs", [True, False])
def test_a_parked_generation_goes_on_with_its_guide(own, way, monkeypatch, at, logprobs):
    ids, moves, made = prompt(30, 11), [], []
    expected = by_hand(own, ids, Mixed(2), 45)
    moved = Scheduler._generation_moved

    def park_once(scheduler, generation, n):
        moved(scheduler, generation, n)
        moves.append(n)
        if len(moves) == at:
            scheduler._admission.park(generation)

    monkeypatch.setattr(Scheduler, "_generation_moved", park_once)

    def make():
        made.append(Mixed(2))
        return made[-1]

    with Engine("ds4-tiny", n_threads=1, step_tokens=4, prefix_bytes_max=0) as engine:
        got = sampled(engine.generate(ids, guide=make, max_tokens=45, seed=0, logprobs=logprobs))
    assert [token for token, *_ in got] == [token for token, *_ in expected]
    assert not logprobs or got == expected
    assert len(made) == 1
    assert len(moves) > at


def test_a_guided_stream_that_nobody_reads_pauses_and_goes_on(own, way, monkeypatch):
    pauses = Pauses(monkeypatch)
    ids = prompt(16, 12)
    stream = own.generate(ids, guide=lambda: Mixed(8), max_tokens=50, seed=0)
    first = until_token(stream)
    pauses.wait_for_one()
    assert [tuple(first), *sampled(stream)] == by_hand(own, ids, Mixed(8), 50)


def test_cancelling_and_closing_end_a_guided_generation(own, way):
    flag = CancelFlag()
    stream = own.generate(prompt(16), guide=lambda: Mixed(8), cancel=flag, ignore_eos=True)
    until_token(stream)
    flag.set()
    with pytest.raises(GenerationCancelled):
        list(stream)
    settled(own)
    own.clear_prefix_cache()
    before = kv_bytes(own)
    stream = own.generate(prompt(16), guide=lambda: Mixed(8), ignore_eos=True)
    until_token(stream)
    stream.close()
    assert kv_bytes(own) == before


def test_an_ended_generation_drops_its_guide_where_it_was_used(own):
    ended = []
    finish = Generation.finish

    def watched(self, *args, **kwargs):
        finish(self, *args, **kwargs)
        ended.append(self.lead)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generation, "finish", watched)
        list(own.generate(prompt(16), guide=lambda: Mixed(8), max_tokens=5))
        settled(own)
    assert ended == [None]


def test_the_thread_for_masks_ends_with_its_engine(monkeypatch):
    monkeypatch.setattr(step, "_LONG_FORWARD_S", -1.0)

    def helpers():
        return {thread for thread in threading.enumerate() if thread.name == "ds4-masks"}

    before = helpers()
    with Engine("ds4-tiny", n_threads=1, n_batch=77) as engine:
        list(engine.generate(prompt(16), guide=lambda: Mixed(8), max_tokens=5))
        (mine,) = helpers() - before
    mine.join(PATIENCE_S)
    assert not mine.is_alive()
