"""What a generation is asked for and what it reports: validation, sampling, limits, scores, usage, seeds."""

import math
import pickle

import numpy as np
import pytest

from ds4_core import Engine, TokenRequest
from ds4_core.errors import EngineStateError, InvalidRequestError, InvalidTokenError
from ds4_core.generation import SampledToken
from ds4_core.sampling import rng_from_seed, sample_logits
from ds4_core.types import SampleParams
from tests.core.generations import end_of, prompt, tokens_of, until_token, warm_engine

IDS = prompt(30, 1)


@pytest.fixture(scope="module")
def own():
    with warm_engine(max_running=55) as engine:
        yield engine


def drawn(engine, **options):
    options.setdefault("max_tokens", 12)
    return list(engine.generate(IDS, **options))


def sampled_by_hand(engine, n, *, seed=0, penalise=None, bias=None, **options):
    """`n` tokens drawn from a session's logits with the rules of a request; options are those of SampleParams."""
    rng, tokens = rng_from_seed(seed), []
    with engine.session() as session:
        session.sync(IDS)
        for _ in range(n):
            counts = penalise(tokens) if penalise else {}
            params = SampleParams(rng=rng, penalty_counts=counts, bias=bias(tokens) if bias else {}, **options)
            result = sample_logits(session.logits(), params)
            rng = result.rng
            tokens.append(result.token)
            session.eval(result.token)
    return tokens


# -- what is checked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"max_tokens": True},
        {"min_tokens": -1},
        {"min_tokens": 4, "max_tokens": 3},
        {"temperature": math.nan},
        {"temperature": "1"},
        {"top_k": 2.5},
        {"top_p": 0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"repetition_penalty": 0},
        {"repetition_penalty": math.inf},
        {"presence_penalty": math.nan},
        {"frequency_penalty": math.inf},
        {"n_top": -1},
        {"n_ctx": 0},
        {"n_ctx": 2**31},
        {"seed": 1.5},
        {"seed": "x"},
        {"timeout_s": 0},
        {"timeout_s": -1},
        {"timeout_s": math.nan},
        {"timeout_s": "soon"},
        {"ignore_eos": 1},
        {"stop_token_ids": 5},
        {"stop_token_ids": "5"},
        {"stop_token_ids": [-1]},
        {"stop_token_ids": [1.5]},
        {"logit_bias": [1, 2]},
        {"logit_bias": {"a": 1.0}},
        {"logit_bias": {1: math.inf}},
        {"logit_bias": {1: math.nan}},
        {"logit_bias": {-1: 0.0}},
        {"checkpoints": 3},
        {"checkpoints": [0]},
        {"checkpoints": [31]},
        {"checkpoints": [5, 5]},
        {"checkpoints": [6, 5]},
    ],
    ids=str,
)
def test_value_out_of_range_is_refused_when_the_request_is_made(options):
    with pytest.raises(InvalidRequestError):
        TokenRequest(IDS, **options)


@pytest.mark.parametrize("ids", [[], None, "abc", [1.5], [[1, 2]], [-1], [2**40]], ids=str)
def test_prompt_that_is_no_list_of_tokens_is_refused(ids):
    with pytest.raises((InvalidRequestError, InvalidTokenError)):
        TokenRequest(ids)


def test_request_is_a_value_of_its_own():
    ids, bias = np.asarray(IDS, np.int64), {3: 1.0}
    request = TokenRequest(
        ids, logit_bias=bias, stop_token_ids=[7], checkpoints=np.asarray([3, 9]), max_tokens=np.int32(5)
    )
    ids[:], bias[4] = 0, 2.0
    assert request.prompt.tolist() == IDS
    assert request.prompt.dtype == np.int32
    assert not request.prompt.flags.writeable
    assert request.logit_bias == {3: 1.0}
    assert (request.stop_token_ids, request.checkpoints, request.max_tokens) == ((7,), (3, 9), 5)
    assert type(request.max_tokens) is int
    copy = pickle.loads(pickle.dumps(request))
    assert copy.prompt.tolist() == IDS
    assert copy.logit_bias == {3: 1.0}


def test_ready_request_takes_no_options_and_unknown_ones_are_refused(own):
    with pytest.raises(TypeError, match="max_tokens"):
        own.generate(TokenRequest(IDS), max_tokens=3)
    with pytest.raises(TypeError, match="maximum"):
        own.generate(IDS, maximum=3)
    with pytest.raises(InvalidRequestError, match="CancelFlag"):
        own.generate(IDS, cancel=1)


@pytest.mark.parametrize("options", [{"logit_bias": {4096: 1.0}}, {"stop_token_ids": [4096]}], ids=str)
def test_token_outside_the_vocabulary_is_refused_at_the_first_event(own, options):
    with pytest.raises(InvalidTokenError, match="4096") as refused:
        next(own.generate(IDS, **options))
    assert ("stop_token_ids" in str(refused.value)) == ("stop_token_ids" in options)


# -- how tokens are drawn ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"temperature": 1.0},
        {"temperature": 2.5, "top_k": 20},
        {"temperature": 1.5, "top_p": 0.8},
        {"temperature": 2.0, "min_p": 0.05},
        {"temperature": 1.7, "top_k": 50, "top_p": 0.9, "min_p": 0.01},
    ],
    ids=str,
)
def test_sampling_is_that_of_the_same_parameters_on_a_sessions_logits(own, options):
    expected = sampled_by_hand(own, 12, seed=9, **options)
    assert tokens_of(drawn(own, seed=9, ignore_eos=True, **options)) == expected


def test_bias_is_added_and_minus_infinity_forbids(own):
    bias = {7: 30.0, 9: 29.5}
    expected = sampled_by_hand(own, 12, seed=4, bias=lambda tokens: bias)
    events = drawn(own, seed=4, ignore_eos=True, logit_bias=bias)
    assert tokens_of(events) == expected
    assert {7, 9} & set(expected)
    first = tokens_of(drawn(own, temperature=0, max_tokens=1))[0]
    assert tokens_of(drawn(own, temperature=0, max_tokens=1, logit_bias={first: -math.inf}))[0] != first


@pytest.mark.parametrize(
    "options",
    [
        {"repetition_penalty": 1.7},
        {"presence_penalty": 1.5},
        {"frequency_penalty": 0.8},
        {"repetition_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": -0.4},
    ],
    ids=str,
)
def test_penalties_count_the_answer_and_repetition_the_prompt_as_well(own, options):
    def counts(tokens):
        return {token: tokens.count(token) for token in {*IDS, *tokens}}

    expected = sampled_by_hand(own, 40, seed=3, penalise=counts, temperature=0.7, **options)
    got = tokens_of(drawn(own, seed=3, temperature=0.7, max_tokens=40, ignore_eos=True, **options))
    assert got == expected
    assert got != tokens_of(drawn(own, seed=3, temperature=0.7, max_tokens=40, ignore_eos=True))


def test_penalty_table_grows_with_the_answer(own):
    def counts(tokens):
        return {token: tokens.count(token) for token in {*IDS, *tokens}}

    options = dict(temperature=3.0, frequency_penalty=0.5)
    got = tokens_of(own.generate(IDS, seed=2, n_ctx=330, ignore_eos=True, **options))
    assert len(got) == 300
    assert len(set(got)) > 256
    assert got[:40] == sampled_by_hand(own, 40, seed=2, penalise=counts, **options)


def test_same_seed_same_tokens_and_a_drawn_seed_is_reported(own):
    runs = [drawn(own, temperature=2.0, seed=seed, ignore_eos=True) for seed in (1, 1, 2)]
    assert tokens_of(runs[0]) == tokens_of(runs[1]) != tokens_of(runs[2])
    assert end_of(runs[0]).seed == 1
    free = drawn(own, temperature=2.0, ignore_eos=True)
    assert tokens_of(drawn(own, temperature=2.0, seed=end_of(free).seed, ignore_eos=True)) == tokens_of(free)
    assert end_of(drawn(own)).seed != end_of(drawn(own)).seed


@pytest.mark.parametrize("seed", [0, -1, 2**64 + 3, 10**40])
def test_any_integer_is_a_seed(own, seed):
    assert end_of(drawn(own, seed=seed, max_tokens=2)).seed == seed


def test_no_token_left_to_draw_is_an_error(own):
    with pytest.raises(EngineStateError, match="no token"):
        drawn(own, logit_bias=dict.fromkeys(range(4096), -math.inf))


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_stop_token_ends_and_is_reported_and_counted(own):
    tokens = tokens_of(drawn(own, temperature=0, ignore_eos=True))
    stop = tokens[4]
    n = tokens.index(stop) + 1
    events = drawn(own, temperature=0, stop_token_ids=[stop, 3])
    assert tokens_of(events) == tokens[:n]
    end = end_of(events)
    assert (end.reason, end.stop_token, end.usage.completion_tokens) == ("stop", stop, n)


def test_end_of_turn_ends_unless_it_is_ignored(own):
    eos = own.model.token_eos
    bias = {eos: 100.0}
    end = end_of(drawn(own, logit_bias=bias))
    assert (end.reason, end.stop_token, end.usage.completion_tokens) == ("stop", eos, 1)
    events = drawn(own, logit_bias=bias, ignore_eos=True, max_tokens=5)
    assert tokens_of(events) == [eos] * 5
    assert end_of(events).reason == "length"
    assert end_of(events).stop_token is None


def test_min_tokens_holds_back_every_ending_token(own):
    eos = own.model.token_eos
    bias = {eos: 3000.0, 50: 2000.0, 60: 1000.0}
    options = dict(temperature=0, logit_bias=bias, stop_token_ids=[50])
    events = drawn(own, min_tokens=3, **options)
    assert tokens_of(events) == [60, 60, 60, eos]
    assert tokens_of(drawn(own, min_tokens=0, **options)) == [eos]
    assert tokens_of(drawn(own, min_tokens=3, max_tokens=3, **options)) == [60] * 3
    assert tokens_of(drawn(own, min_tokens=2, ignore_eos=True, **options)) == [eos] * 12


def test_min_tokens_without_any_bias(own):
    plain = drawn(own, temperature=0, max_tokens=3, stop_token_ids=list(range(2000)))
    held = drawn(own, temperature=0, min_tokens=5, max_tokens=9, stop_token_ids=list(range(2000)))
    assert min(tokens_of(held)[:5]) >= 2000
    assert len(tokens_of(plain)) <= 3


def test_full_context_ends_with_length(own):
    end = end_of(list(own.generate(IDS, n_ctx=35, ignore_eos=True)))
    assert (end.reason, end.usage.prompt_tokens, end.usage.completion_tokens) == ("length", 30, 5)
    assert end_of(list(own.generate(IDS, n_ctx=31, max_tokens=9, ignore_eos=True))).usage.completion_tokens == 1


# -- what is reported --------------------------------------------------------------------------------------------------


def test_scores_are_those_of_a_session(own):
    events = [event for event in drawn(own, temperature=0, n_top=5, ignore_eos=True) if isinstance(event, SampledToken)]
    with own.session() as session:
        session.sync(IDS)
        for event in events:
            assert [score.token for score in event.top] == [score.token for score in session.logprobs(top_k=5)]
            for got, expected in zip(event.top, session.logprobs(top_k=5), strict=True):
                assert got.logit == expected.logit
                assert got.logprob == pytest.approx(expected.logprob, abs=1e-5)
            assert event.logprob == pytest.approx(session.logprobs([event.token])[0].logprob, abs=1e-5)
            session.eval(event.token)


def test_scores_are_raw_whatever_changes_the_drawing(own):
    plain, bent = (
        next(event for event in drawn(own, n_top=3, seed=1, **options) if isinstance(event, SampledToken))
        for options in ({}, {"temperature": 3.0, "logit_bias": {9: 100.0}, "top_k": 4, "repetition_penalty": 2.0})
    )
    assert bent.token == 9
    assert bent.top == plain.top
    assert bent.logprob < -1


def test_no_scores_unless_asked_for_and_more_than_there_are_is_all(own):
    assert all(event.top == () for event in drawn(own) if isinstance(event, SampledToken))
    event = next(e for e in drawn(own, n_top=10**6, max_tokens=1) if isinstance(e, SampledToken))
    assert len(event.top) == 4096


def test_usage_and_times(own):
    own.clear_prefix_cache()
    end = end_of(drawn(own, ignore_eos=True))
    assert (end.usage.prompt_tokens, end.usage.cached_tokens, end.usage.completion_tokens) == (30, 0, 12)
    times = end.timings
    assert times.queue_s >= 0
    assert times.prefill_s > 0
    assert times.decode_s > 0
    assert times.decoded_tokens == 11
    assert times.decode_tokens_per_s == pytest.approx(11 / times.decode_s)


def test_end_told_early_counts_and_times_the_tokens_that_were_taken(own):
    stream = own.generate(IDS, temperature=0, ignore_eos=True)
    taken = [until_token(stream), next(stream), next(stream)]
    end = stream.end_now(3, keep=2)
    assert (end.reason, end.usage.completion_tokens, end.timings.decoded_tokens) == ("stop", 3, 2)
    assert list(stream) == []
    whole = end_of(drawn(own, temperature=0, ignore_eos=True, max_tokens=200))
    assert end.timings.decode_s < whole.timings.decode_s
    # What came after the tokens that are kept is not there any more.
    again = own.generate([*IDS, *(event.token for event in taken), 5, 6], max_tokens=1)
    assert next(again).cached <= 32


def test_context_beyond_the_files_is_logged_once(caplog):
    with Engine("ds4-tiny", n_threads=1, max_running=54) as engine:
        for _ in range(2):
            list(engine.generate(IDS, n_ctx=10**5, max_tokens=1))
    assert sum("100000" in record.getMessage() for record in caplog.records) == 1
