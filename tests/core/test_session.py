"""Sessions: what is computed and what is kept, exact rewinds and forks, errors that change nothing."""

from __future__ import annotations

import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ds4_core import CancelFlag, Engine, errors
from ds4_core.engine import DEFAULT_N_CTX
from ds4_core.sampling import log_softmax, rng_from_seed, sample_logits
from ds4_core.session import Session
from ds4_core.types import SampleParams

PROMPT = [3, 14, 15, 92, 65, 35, 89, 79, 32, 38, 46, 26, 43, 38, 32, 79, 50, 28]


@pytest.fixture
def session(engine):
    with engine.session(256, seed=1) as session:
        yield session


def logits_of(engine, tokens):
    with engine.session() as session:
        session.eval(tokens)
        return session.logits()


def state(session):
    return session.tokens, None if session._logits is None else session.logits().tobytes(), session._rng


def test_sessions_are_made_by_engines_only():
    with pytest.raises(TypeError, match=r"Engine\.session"):
        Session()


def test_a_new_session_is_empty_and_has_no_logits(session):
    assert (session.pos, session.tokens, session.text) == (0, [], "")
    with pytest.raises(errors.EngineStateError, match="no logits"):
        session.logits()


def test_sync_computes_only_what_is_new(engine, session):
    n_layer = engine.info.n_layer

    def layers(tokens):
        before = engine.layers_computed
        session.sync(tokens)
        computed = engine.layers_computed - before
        assert session.tokens == list(tokens)
        assert np.array_equal(session.logits(), logits_of(engine, tokens))
        return computed

    assert layers(PROMPT) == n_layer
    assert layers(PROMPT) == 0  # the logits of its last token are still there
    assert layers([*PROMPT, 1, 2, 3]) == n_layer
    assert layers([*PROMPT, 1, 2, 4]) == n_layer  # one token back costs nothing but the new one
    assert layers(PROMPT) == n_layer  # its last token again, for its logits
    session.eval(7)
    session.rewind(len(PROMPT))
    assert layers(PROMPT) == n_layer


def test_sync_equals_computing_from_the_start(engine, session):
    rng = np.random.default_rng(5)
    base = rng.integers(0, engine.model.n_vocab, 200).tolist()
    for keep in (200, 150, 199, 10, 180, 1, 120, 0, 64):
        tokens = base[:keep] + rng.integers(0, engine.model.n_vocab, 256 - keep if keep < 64 else 20).tolist()
        session.sync(tokens)
        assert session.tokens == tokens
        assert np.array_equal(session.logits(), logits_of(engine, tokens))
        base = (tokens + base)[:200]


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_any_mixture_of_steps_is_exact(shared_tiny, data):
    engine = shared_tiny
    token = st.integers(0, engine.model.n_vocab - 1)
    with engine.session(400) as session:
        expected: list[int] = []
        for _ in range(data.draw(st.integers(1, 6))):
            step = data.draw(st.sampled_from(["eval", "rewind", "sync", "fork"]))
            if step == "eval":
                tokens = data.draw(st.lists(token, min_size=1, max_size=60))
                session.eval(tokens)
                expected = expected + tokens
            elif step == "rewind":
                pos = data.draw(st.integers(0, len(expected)))
                session.rewind(pos)
                expected = expected[:pos]
            elif step == "sync":
                keep = data.draw(st.integers(0, len(expected)))
                expected = expected[:keep] + data.draw(st.lists(token, min_size=1, max_size=30))
                session.sync(expected)
            else:
                session = session.fork()
            assert session.tokens == expected
        session.eval(1)
        assert np.array_equal(session.logits(), logits_of(engine, [*expected, 1]))


def test_eval_takes_one_token_or_several(engine, session):
    for token in PROMPT:
        session.eval(token)
    assert session.tokens == PROMPT
    assert np.array_equal(session.logits(), logits_of(engine, PROMPT))


def test_numpy_tokens_are_tokens(session):
    session.sync(np.array(PROMPT, dtype=np.int64))
    session.eval(np.array([1, 2], dtype=np.uint8))
    assert session.tokens == [*PROMPT, 1, 2]


def test_progress_of_a_sync_rises_to_the_prompts_length_on_the_calling_thread(tiny_path):
    told, ids = [], [(7 * i) % 300 for i in range(50)]
    here = threading.get_ident()

    def progress(done, total):
        assert threading.get_ident() == here
        told.append((done, total))

    with Engine(tiny_path, n_threads=1, step_tokens=16) as engine, engine.session(64) as session:
        session.sync(ids, progress=progress)
        assert told == [(16, 50), (32, 50), (48, 50), (50, 50)]
        session.sync(ids, progress=progress)  # nothing is computed
        assert len(told) == 4
        session.sync([*ids[:45], 5, 6], progress=progress)
        assert told[4:] == [(47, 47)]
        session.sync(ids[:20], progress=progress)
        assert told[5:] == [(20, 20)]
        with pytest.raises(errors.InvalidRequestError, match="progress is int"):
            session.sync(ids, progress=3)


def test_what_progress_raises_stops_the_sync_and_passes(tiny_path):
    ids = [(7 * i) % 300 for i in range(2000)]

    def progress(done, total):
        raise KeyError(done)

    with Engine(tiny_path, n_threads=1, step_tokens=16) as engine, engine.session(2048) as session:
        with pytest.raises(KeyError):
            session.sync(ids, progress=progress)
        assert session.tokens == ids[: session.pos]
        session.sync(ids[:30])
        assert np.array_equal(session.logits(), logits_of(engine, ids[:30]))


# -- errors change nothing ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda s: s.sync([]), errors.InvalidRequestError, "at least one is needed"),
        (lambda s: s.eval([]), errors.InvalidRequestError, "at least one is needed"),
        (lambda s: s.eval(-1), errors.InvalidTokenError, "-1"),
        (lambda s: s.eval(10**6), errors.InvalidTokenError, "1000000"),
        (lambda s: s.eval([1, 2, 10**6]), errors.InvalidTokenError, "1000000"),
        (lambda s: s.sync([1, 10**6]), errors.InvalidTokenError, "1000000"),
        (lambda s: s.sync([2**70]), errors.InvalidTokenError, str(2**70)),
        (lambda s: s.eval([1] * 300), errors.ContextFullError, "256"),
        (lambda s: s.sync([1] * 300), errors.ContextFullError, "256"),
        (lambda s: s.eval([[1]]), errors.InvalidRequestError, "integers"),
        (lambda s: s.rewind(100), errors.InvalidRequestError, "100"),
        (lambda s: s.rewind(-1), errors.InvalidRequestError, "-1"),
        (lambda s: s.sample(top_p=2.0), errors.InvalidRequestError, "top_p"),
        (lambda s: s.sample(top_p=0.0), errors.InvalidRequestError, "top_p"),
        (lambda s: s.sample(min_p=-0.1), errors.InvalidRequestError, "min_p"),
        (lambda s: s.sample(temperature=float("nan")), errors.InvalidRequestError, "temperature"),
        (lambda s: s.logprobs(), errors.InvalidRequestError, "either"),
        (lambda s: s.logprobs([1], top_k=2), errors.InvalidRequestError, "either"),
        (lambda s: s.logprobs(top_k=0), errors.InvalidRequestError, "top_k"),
        (lambda s: s.logprobs([10**6]), errors.InvalidTokenError, "1000000"),
    ],
)
def test_an_error_leaves_the_session_unchanged(engine, session, call, kind, text):
    session.sync(PROMPT)
    before = state(session)
    with pytest.raises(kind, match=text):
        call(session)
    assert state(session) == before
    session.eval(5)
    assert np.array_equal(session.logits(), logits_of(engine, [*PROMPT, 5]))


def test_the_context_can_be_filled_to_its_last_token(engine):
    with engine.session(20) as session:
        session.eval([1] * 19)
        session.eval(2)
        before = state(session)
        with pytest.raises(errors.ContextFullError, match="20"):
            session.eval(3)
        assert state(session) == before
        session.rewind(19)
        session.eval(3)
        assert np.array_equal(session.logits(), logits_of(engine, [1] * 19 + [3]))


def test_a_cancelled_computation_never_happened(engine, session):
    session.sync(PROMPT)
    before = state(session)
    flag = CancelFlag()
    flag.set()
    with pytest.raises(errors.GenerationCancelled):
        session.eval([1, 2, 3], cancel=flag)
    assert state(session) == before
    with pytest.raises(errors.GenerationCancelled):
        session.sync([*PROMPT, 9, 9], cancel=flag)
    assert state(session) == before


def test_a_closed_session_says_so(session):
    session.eval(1)
    session.close()
    session.close()
    for use in (
        lambda: session.eval(1),
        lambda: session.sync([1]),
        session.logits,
        session.fork,
        lambda: session.rewind(0),
    ):
        with pytest.raises(errors.EngineClosedError, match="session was closed"):
            use()


@pytest.mark.parametrize("n_ctx", [0, -1, 2**31, 1.5, True])
def test_a_senseless_context_size_is_refused(engine, n_ctx):
    with pytest.raises(errors.InvalidRequestError, match="n_ctx is"):
        engine.session(n_ctx)


def test_the_default_context_is_what_the_model_was_made_for(engine):
    with engine.session() as session:
        assert session.n_ctx == min(engine.info.n_context_train, DEFAULT_N_CTX)


def test_a_context_beyond_the_models_warns_and_works(engine):
    beyond = engine.info.n_context_train + 1
    with pytest.warns(UserWarning, match=str(beyond)), engine.session(beyond) as session:
        session.eval(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.session(engine.info.n_context_train).close()


# -- forks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 18, 127, 128, 200])
def test_a_fork_goes_its_own_way(engine, session, n):
    base = [(7 * i) % 500 for i in range(n)]
    session.eval(base)
    fork = session.fork()
    assert fork.tokens == base
    assert np.array_equal(fork.logits(), session.logits())
    fork.eval([1, 2, 3])
    session.eval([4])
    assert np.array_equal(fork.logits(), logits_of(engine, [*base, 1, 2, 3]))
    assert np.array_equal(session.logits(), logits_of(engine, [*base, 4]))
    session.close()
    fork.rewind(n)
    fork.eval(4)
    assert np.array_equal(fork.logits(), logits_of(engine, [*base, 4]))


def test_a_fork_continues_the_random_numbers_or_starts_its_own(session):
    session.sync(PROMPT)
    session.sample()
    same, other = session.fork(), session.fork(seed=99)
    draws = [[s.sample(temperature=5.0) for _ in range(20)] for s in (session, same, other)]
    assert draws[0] == draws[1] != draws[2]
    assert (same.seed, other.seed) == (1, 99)


# -- choosing tokens ---------------------------------------------------------------------------------------------------


def test_argmax_and_temperature_zero_are_the_most_likely_token(session):
    session.sync(PROMPT)
    expected = int(np.argmax(session.logits()))
    assert session.argmax() == session.sample(temperature=0.0) == session.sample(top_k=1) == expected


def test_a_seed_decides_the_draws(engine):
    def draws(seed):
        with engine.session(seed=seed) as session:
            session.sync(PROMPT)
            return [session.sample(temperature=3.0) for _ in range(30)]

    assert draws(1) == draws(1) != draws(2)
    with engine.session() as session, engine.session() as other:
        assert session.seed != other.seed
        session.sync(PROMPT)
        assert [session.sample(temperature=3.0) for _ in range(30)] == draws(session.seed)


def test_a_seed_given_to_sample_starts_anew(session):
    session.sync(PROMPT)
    assert session.sample(temperature=3.0, seed=5) == session.sample(temperature=3.0, seed=5)
    assert session.seed == 5


def test_samples_follow_the_probabilities(session):
    session.sync(PROMPT)
    row = session.logits()
    p = np.exp(log_softmax(row).astype(np.float64))
    top = np.argsort(-p)[:3]
    n = 4000
    draws = np.array([session.sample() for _ in range(n)])
    for token in top:
        spread = np.sqrt(p[token] * (1 - p[token]) / n)
        assert abs((draws == token).mean() - p[token]) <= 5 * spread + 1e-9


def test_sample_is_sampling_from_the_logits(session):
    session.sync(PROMPT)
    expected = sample_logits(
        session.logits(), SampleParams(temperature=0.7, top_k=20, top_p=0.95, rng=rng_from_seed(8))
    )
    assert session.sample(temperature=0.7, top_k=20, top_p=0.95, seed=8) == expected.token


def test_logprobs_are_the_log_softmax_of_the_logits(session):
    session.sync(PROMPT)
    row = session.logits().astype(np.float64)
    expected = row - row.max() - np.log(np.exp(row - row.max()).sum())
    best = session.logprobs(top_k=10)
    assert [score.token for score in best] == np.argsort(-row, kind="stable")[:10].tolist()
    given_tokens = session.logprobs([5, 3, 5])
    assert [score.token for score in given_tokens] == [5, 3, 5]
    for score in [*best, *given_tokens]:
        assert score.logit == row[score.token]
        assert score.logprob == pytest.approx(expected[score.token], abs=1e-5)
    native = sample_logits(session.logits(), SampleParams(n_top=10)).top
    assert [score.token for score in native] == [score.token for score in best]
    assert [score.logprob for score in native] == pytest.approx([score.logprob for score in best], abs=1e-4)


def test_logits_are_copies(session):
    session.sync(PROMPT)
    first = session.logits()
    first[:] = 0
    assert session.logits().any()


@pytest.mark.parametrize("seed", [0, 1, -1, 2**64 - 1, 2**100])
def test_every_seed_gives_a_usable_state(seed):
    assert 0 < rng_from_seed(seed) < 2**64


# -- text --------------------------------------------------------------------------------------------------------------


def test_text_is_what_the_tokens_say(session):
    text = "Grüße, 世界! 🙂"
    session.sync(session.tokenize(text))
    assert session.text == text
    assert session.text_bytes == text.encode()


def test_text_cut_inside_a_character_is_marked(engine):
    tokens = engine.model.tokenize("🙂")
    if len(tokens) == 1:
        pytest.skip("the vocabulary has this character as one token")
    with engine.session() as session:
        session.sync(tokens[:1])
        assert "\ufffd" in session.text
        assert session.text_bytes == engine.model.detokenize(tokens[:1])


def test_options_of_one_session_do_not_reach_another(tiny_path):
    with Engine(tiny_path) as engine, engine.session(16, seed=1) as small, engine.session(64, seed=2) as large:
        small.eval([1] * 16)
        large.eval([1] * 17)
        assert (small.n_ctx, large.n_ctx) == (16, 64)
