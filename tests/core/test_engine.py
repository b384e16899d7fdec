"""Engines: lazy, shared, closed once, safe across threads; batches in which one span fails."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import re
import threading
import warnings

import numpy as np
import pytest

from ds4_core import CancelFlag, Engine, SampleParams, Span, errors, registry
from ds4_core.sampling import sample_logits
from ds4_core.types import ContextSizeWarning


@pytest.fixture
def copy_path(tiny_path, tmp_path):
    path = tmp_path / "copy.gguf"
    path.write_bytes(tiny_path.read_bytes())
    return path


def run_in_threads(n, work):
    failures = []

    def guarded(i):
        try:
            work(i)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(i,)) for i in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"backend": "gpu"}, r"backend is 'gpu': .*'auto', 'cpu', 'cuda', 'metal'"),
        ({"kv_dtype": "q4"}, r"kv_dtype is 'q4': .*'f32', 'f16'"),
        ({"isa": "sse"}, r"isa is 'sse'"),
        ({"n_threads": -1}, r"n_threads is -1"),
        ({"n_threads": 2.0}, r"n_threads is 2\.0"),
        ({"n_batch": 2**40}, r"n_batch is"),
        ({"kv_bytes_max": -1}, r"kv_bytes_max is -1"),
    ],
)
def test_a_wrong_option_is_named_with_its_value_and_choices(options, text):
    with pytest.raises(errors.InvalidRequestError, match=text):
        Engine(**options)


# -- laziness and sharing ----------------------------------------------------------------------------------------------


def test_making_an_engine_opens_nothing(copy_path):
    before = registry.open_count()
    with Engine(copy_path) as engine:
        assert not engine.is_open
        assert registry.open_count() == before
        assert engine.info.has_weights
        assert engine.is_open
        assert registry.open_count() == before + 1


def test_engines_of_one_file_and_options_share_one_native_engine(copy_path):
    before = registry.open_count()
    with Engine(copy_path) as first, Engine(str(copy_path)) as second:
        first.open()
        second.open()
        assert registry.open_count() == before + 1
        with first.session() as session:
            session.eval(1)
        assert second.layers_computed == first.layers_computed > 0
    assert registry.open_count() == before


def test_a_link_to_the_file_is_the_file(copy_path, tmp_path, monkeypatch):
    link = tmp_path / "link.gguf"
    link.symlink_to(copy_path)
    monkeypatch.chdir(tmp_path)
    before = registry.open_count()
    with Engine(copy_path).open(), Engine(link).open(), Engine("copy.gguf").open():
        assert registry.open_count() == before + 1


@pytest.mark.parametrize("options", [{"exact": True}, {"n_threads": 1}, {"kv_dtype": "f32"}, {"n_batch": 7}])
def test_engines_of_other_options_are_independent(copy_path, options):
    before = registry.open_count()
    with Engine(copy_path).open(), Engine(copy_path, **options).open() as second:
        assert registry.open_count() == before + 2
        assert second.layers_computed == 0


def test_a_changed_file_is_another_model(copy_path):
    with Engine(copy_path).open():
        before = registry.open_count()
        stat = copy_path.stat()
        os.utime(copy_path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
        with Engine(copy_path).open():
            assert registry.open_count() == before + 1


def test_the_first_use_from_many_threads_opens_once(copy_path):
    before = registry.open_count()
    barrier = threading.Barrier(8)
    with Engine(copy_path) as engine:
        infos = [None] * 8

        def work(i):
            barrier.wait()
            infos[i] = engine.info

        run_in_threads(8, work)
        assert registry.open_count() == before + 1
        assert infos == [engine.info] * 8
    assert registry.open_count() == before


def test_repr_tells_file_options_and_state(copy_path):
    engine = Engine(copy_path, exact=True)
    assert repr(engine) == f"<Engine {str(copy_path)!r}, exact=True, not opened yet>"
    engine.open()
    assert "open>" in repr(engine)
    engine.close()
    assert "closed>" in repr(engine)


# -- closing -----------------------------------------------------------------------------------------------------------


def test_a_closed_engine_says_so(copy_path):
    engine = Engine(copy_path).open()
    session = engine.session()
    session.eval(1)
    model = engine.model
    engine.close()
    engine.close()
    assert engine.closed
    for use in (
        engine.open,
        engine.session,
        engine.memory_used,
        lambda: engine.memory_estimate(10),
        lambda: engine.info,
        lambda: engine.model,
        lambda: engine.layers_computed,
        lambda: engine.forward([Span(session, [1])]),
        lambda: session.eval(2),
        lambda: session.sync([1, 2]),
        lambda: session.rewind(0),
        session.fork,
        session.logits,
        lambda: model.tokenize("a"),
    ):
        with pytest.raises(errors.EngineClosedError, match="closed"):
            use()
    session.close()


def test_closing_before_the_first_use_opens_nothing(copy_path):
    before = registry.open_count()
    engine = Engine(copy_path)
    engine.close()
    with pytest.raises(errors.EngineClosedError):
        engine.session()
    assert registry.open_count() == before


def test_closing_one_handle_leaves_the_other_working(copy_path):
    first, second = Engine(copy_path).open(), Engine(copy_path).open()
    session = second.session()
    session.eval([1, 2, 3])
    logits = session.logits()
    first.close()
    session.sync([1, 2])
    session.eval(3)
    assert np.array_equal(session.logits(), logits)
    second.close()


def test_a_dropped_engine_gives_its_share_back(copy_path):
    before = registry.open_count()
    engine = Engine(copy_path).open()
    session = engine.session()
    session.eval(1)
    del engine
    gc.collect()
    assert registry.open_count() == before + 1  # the session still needs it
    session.eval(2)
    del session
    gc.collect()
    assert registry.open_count() == before


def test_an_engine_in_a_reference_cycle_is_freed(copy_path):
    before = registry.open_count()
    engine = Engine(copy_path).open()
    cycle = [engine]
    cycle.append(cycle)
    del engine, cycle
    gc.collect()
    assert registry.open_count() == before


def test_closing_during_a_computation_lets_it_end(copy_path):
    before = registry.open_count()
    engine = Engine(copy_path).open()
    session = engine.session()
    started, outcome = threading.Event(), []

    def compute():
        started.set()
        try:
            session.eval([5] * 600)
            outcome.append(session.pos)
        except errors.EngineClosedError as error:
            outcome.append(error)

    thread = threading.Thread(target=compute)
    thread.start()
    started.wait()
    engine.close()
    thread.join()
    assert outcome[0] == 600 or isinstance(outcome[0], errors.EngineClosedError)
    assert registry.open_count() == before


def test_closing_from_many_threads_while_others_compute_is_safe(copy_path):
    before = registry.open_count()
    for _ in range(5):
        engine = Engine(copy_path)
        barrier = threading.Barrier(6)

        def work(i, engine=engine, barrier=barrier):
            barrier.wait()
            if i >= 4:
                engine.close()
                return
            try:
                with engine.session() as session:
                    for token in range(20):
                        session.eval(token)
            except errors.EngineClosedError:
                pass

        run_in_threads(6, work)
    assert registry.open_count() == before


# -- bad files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda data: b"", errors.ModelFormatError),
        (lambda data: b"not a model at all, but text", errors.ModelFormatError),
        (lambda data: b"XXXX" + data[4:], errors.ModelFormatError),
        (lambda data: data[:1000], errors.ModelFormatError),
        (lambda data: data[: len(data) // 2], errors.ModelFormatError),
        (lambda data: data[:-1], errors.ModelFormatError),
        (lambda data: data.replace(b"deepseek4", b"deepseek9"), errors.InvalidModelError),
    ],
    ids=["empty", "text", "magic", "short", "half", "last byte", "architecture"],
)
def test_a_damaged_file_is_a_typed_error_and_the_process_goes_on(engine, tiny_path, tmp_path, damage, kind):
    path = tmp_path / "damaged.gguf"
    path.write_bytes(damage(tiny_path.read_bytes()))
    before = registry.open_count()
    damaged = Engine(path)
    for _ in range(2):
        with pytest.raises(kind, match=r"damaged\.gguf"):
            damaged.open()
    assert registry.open_count() == before
    with engine.session() as session:
        session.eval(1)


def test_a_file_that_vanished_before_its_first_use_is_a_missing_file(copy_path):
    engine = Engine(copy_path)
    copy_path.unlink()
    with pytest.raises(errors.ModelNotFoundError, match=r"copy\.gguf"):
        engine.open()


def test_a_file_that_changed_between_two_calls_is_noticed(copy_path):
    with Engine(copy_path) as engine, engine.session() as session:
        session.eval(1)
        stat = copy_path.stat()
        os.utime(copy_path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
        with pytest.raises(errors.ModelFileError, match=r"copy\.gguf.*changed"):
            session.eval(2)
        assert session.tokens == [1]


# -- batches -----------------------------------------------------------------------------------------------------------


def test_a_batch_equals_its_spans_alone(engine):
    prompts = [[1, 2, 3, 4, 5], [7], [9, 8, 7, 6, 5, 4, 3, 2, 1] * 20]
    alone = []
    for prompt in prompts:
        with engine.session() as session:
            session.eval(prompt)
            alone.append(session.logits())
    sessions = [engine.session() for _ in prompts]
    results = engine.forward([Span(s, p) for s, p in zip(sessions, prompts, strict=True)])
    for result, session, expected in zip(results, sessions, alone, strict=True):
        assert result.error is None
        assert np.array_equal(result.logits, expected[None])
        assert np.array_equal(session.logits(), expected)


def test_wanted_positions_are_the_rows_asked_for(engine):
    tokens = list(range(10, 30))
    with engine.session() as session:
        (all_rows,) = engine.forward([Span(session, tokens, wanted=range(20))])
    assert all_rows.logits.shape == (20, engine.model.n_vocab)
    assert all_rows.logits.dtype == np.float32
    with engine.session() as session:
        (some,) = engine.forward([Span(session, tokens, wanted=[0, 7, 18])])
        assert np.array_equal(some.logits, all_rows.logits[[0, 7, 18]])
        with pytest.raises(errors.EngineStateError, match="no logits"):
            session.logits()  # the last position was not wanted
        assert session.pos == 20
    with engine.session() as session:
        (none,) = engine.forward([Span(session, tokens, wanted=[])])
        assert none.error is None
        assert none.logits.shape == (0, engine.model.n_vocab)


def test_a_failing_span_fails_alone(engine):
    n_vocab = engine.model.n_vocab
    good, bad_token, full, cancelled, huge, other = (engine.session(n_ctx=8) for _ in range(6))
    full.eval([1] * 8)
    flag = CancelFlag()
    flag.set()
    with engine.session() as reference:
        reference.eval([1, 2, 3])
        expected = reference.logits()
    results = engine.forward(
        [
            Span(bad_token, [1, n_vocab]),
            Span(good, [1, 2, 3]),
            Span(full, [1]),
            Span(cancelled, [1], cancel=flag),
            Span(huge, [2**40]),
            Span(other, [1, 2, 3]),
        ]
    )
    kinds = [
        errors.InvalidTokenError,
        None,
        errors.ContextFullError,
        errors.GenerationCancelled,
        errors.InvalidTokenError,
        None,
    ]
    assert [result.error and type(result.error) for result in results] == kinds
    assert all(str(result.error) for result in results if result.error)
    assert [session.pos for session in (bad_token, good, full, cancelled, huge, other)] == [0, 3, 8, 0, 0, 3]
    assert np.array_equal(good.logits(), expected)
    assert np.array_equal(other.logits(), expected)
    assert results[0].logits.shape == (0, n_vocab)


def test_malformed_spans_fail_alone(engine):
    good, twice, empty, wanted, order, closed = (engine.session() for _ in range(6))
    closed.close()
    with Engine(engine.path, n_batch=5) as other_engine, other_engine.session() as foreign:
        results = engine.forward(
            [
                Span(twice, [1]),
                Span(twice, [2]),
                Span(empty, []),
                Span(wanted, [1, 2], wanted=[2]),
                Span(order, [1, 2], wanted=[1, 0]),
                Span(closed, [1]),
                Span(foreign, [1]),
                Span(good, [1]),
            ]
        )
        assert foreign.pos == 0
    request, gone = errors.InvalidRequestError, errors.EngineClosedError
    assert [type(result.error) for result in results] == [
        type(None), request, request, request, request, gone, request, type(None),
    ]  # fmt: skip
    assert twice.tokens == [1]


def test_a_batch_needs_a_span(engine):
    with pytest.raises(errors.InvalidRequestError, match="at least one span"):
        engine.forward([])


def test_a_flag_for_the_call_cancels_every_span(engine):
    flag = CancelFlag()
    flag.set()
    sessions = [engine.session(), engine.session()]
    results = engine.forward([Span(session, [1, 2]) for session in sessions], cancel=flag)
    assert [type(result.error) for result in results] == [errors.GenerationCancelled] * 2
    assert [session.pos for session in sessions] == [0, 0]
    flag.clear()
    assert engine.forward([Span(sessions[0], [1, 2])], cancel=flag)[0].error is None


def test_sampling_in_a_batch_is_sampling_from_its_logits(engine):
    sessions = [engine.session() for _ in range(4)]
    params = [
        SampleParams(temperature=0.0, n_top=5),
        SampleParams(temperature=1.3, rng=77),
        SampleParams(
            temperature=0.8,
            top_k=40,
            top_p=0.9,
            min_p=0.01,
            rng=2**63 + 5,
            penalty_counts={3: 2, 5: 1},
            presence_penalty=0.5,
            frequency_penalty=0.25,
            repetition_penalty=1.1,
        ),
        SampleParams(bias={11: 100.0}, rng=5),
    ]
    spans = [Span(s, [1, 2, i + 3], sample=p) for i, (s, p) in enumerate(zip(sessions, params, strict=True))]
    for result, param in zip(engine.forward(spans), params, strict=True):
        assert result.error is None
        assert result.sample == sample_logits(result.logits[-1], param)
    (only_sample,) = engine.forward([Span(sessions[0], [4], sample=params[1], copy_logits=False)])
    assert only_sample.sample is not None
    assert only_sample.logits.shape[0] == 0


def test_a_mask_allows_only_its_tokens(engine):
    n_vocab = engine.model.n_vocab
    mask = np.zeros((n_vocab + 31) // 32, dtype=np.uint32)
    mask[123 // 32] |= np.uint32(1 << (123 % 32))
    with engine.session() as session:
        (result,) = engine.forward([Span(session, [1], sample=SampleParams(mask=mask, rng=9))])
        assert result.sample.token == 123
        short = SampleParams(mask=mask[:-1])
        with pytest.raises(errors.InvalidRequestError, match="mask"):
            sample_logits(result.logits[0], short)


def test_threads_get_the_same_logits_as_one(engine):
    prompts = [[i + 1, 2 * i + 1, 3 * i + 1] * 10 for i in range(6)]

    def compute(prompt):
        with engine.session() as session:
            session.eval(prompt)
            for _ in range(5):
                session.eval(session.argmax())
            return session.tokens, session.logits()

    expected = [compute(prompt) for prompt in prompts]
    got = [None] * len(prompts)

    def work(i):
        got[i] = compute(prompts[i])

    run_in_threads(len(prompts), work)
    for (tokens, logits), (expected_tokens, expected_logits) in zip(got, expected, strict=True):
        assert tokens == expected_tokens
        assert np.array_equal(logits, expected_logits)


def test_a_thread_can_cancel_another_ones_computation(engine):
    flag = CancelFlag()
    session = engine.session()
    session.eval([1, 2])
    failures = []

    def compute():
        try:
            while True:  # until the flag is seen
                session.eval([3] * 200, cancel=flag)
                session.rewind(2)
        except errors.GenerationCancelled as error:
            failures.append(error)

    thread = threading.Thread(target=compute)
    thread.start()
    flag.set()
    thread.join()
    assert len(failures) == 1
    assert session.tokens[:2] == [1, 2]


# -- memory, facts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"n_batch": 16}])
@pytest.mark.parametrize(("n_ctx", "n_sessions"), [(128, 1), (700, 3), (2048, 2)])
def test_memory_used_is_what_was_estimated(copy_path, options, n_ctx, n_sessions):
    with Engine(copy_path, **options) as engine:
        closed_estimate = engine.memory_estimate(n_ctx, n_sessions)
        rng = np.random.default_rng(3)
        engine.open()
        sessions = [engine.session(n_ctx) for _ in range(n_sessions)]
        for session in sessions:
            session.eval(rng.integers(0, engine.model.n_vocab, n_ctx))
        used, estimate = engine.memory_used(), engine.memory_estimate(n_ctx, n_sessions)
    print(f"{options} {n_sessions} x {n_ctx}: used {used}, estimated {estimate}")
    assert abs(used.total - estimate.total) <= 0.05 * used.total
    own = used.total - used.weights_mapped
    assert abs(own - (estimate.total - estimate.weights_mapped)) <= 0.05 * own
    assert abs(closed_estimate.total - estimate.total) <= 0.05 * used.total


def test_memory_comes_back_when_sessions_go(copy_path):
    with Engine(copy_path) as engine:
        with engine.session(64) as session:
            session.eval([1] * 64)
        before = engine.memory_used()
        for _ in range(5):
            session = engine.session(1000)
            session.eval([1] * 1000)
            assert engine.memory_used().session_state > before.session_state
            del session
            gc.collect()
        assert engine.memory_used().session_state == before.session_state


def test_a_kv_budget_is_kept_and_told(copy_path):
    with Engine(copy_path) as unlimited:
        one = unlimited.memory_estimate(512)
    with Engine(copy_path, kv_bytes_max=one.session_state + one.kv_pages) as engine:
        first = engine.session(512)
        first.eval([1] * 512)
        with pytest.raises(errors.OutOfMemoryError, match=r"kv_bytes_max|budget"):
            engine.session(4096).eval([1] * 4000)
        assert first.pos == 512
        first.rewind(511)
        first.eval(1)


def test_options_are_in_use(copy_path):
    with Engine(copy_path, exact=True, n_threads=1, n_batch=32, isa="portable", backend="cpu") as engine:
        info = engine.info
    assert (info.exact, info.kv_dtype, info.n_threads, info.n_batch) == (True, "f32", 1, 32)
    assert (info.isa, info.backend) == ("portable", "cpu")
    with Engine(copy_path) as engine:
        assert engine.info.kv_dtype == "f16"
        assert engine.info.isa != "auto"


def test_a_backend_that_is_not_there_is_a_typed_error(copy_path):
    with pytest.raises(errors.BackendError, match="metal"):
        Engine(copy_path, backend="metal").open()
    with Engine(copy_path) as engine:  # "auto" says why it took what it took
        info = engine.info
    assert info.backend_reason.startswith(f"{info.backend}: ")
    if info.backend == "cpu":
        assert info.device == ""
        with pytest.raises(errors.BackendError, match=re.escape(info.backend_reason.removeprefix("cpu: "))):
            Engine(copy_path, backend="cuda").open()
    with Engine(copy_path, backend="cpu") as engine:
        assert engine.info.backend_reason == "cpu: asked for"


def test_profiling_counts_operations(engine):
    with engine.session() as session:
        with engine.profile() as profile:
            session.eval([1, 2, 3])
            during = profile.ops
        session.eval(4)
        assert during
        assert all(op.calls > 0 and op.name for op in during if op.ns)
        assert {op.name: op.calls for op in profile.ops} == {op.name: op.calls for op in during}
        assert sum(op.n_bytes for op in during) > 0


# -- handles and arguments ---------------------------------------------------------------------------------------------


def test_an_engine_pickles_and_copies_as_its_options(copy_path):
    with Engine(copy_path, exact=True, n_batch=40).open() as engine:
        for made in (pickle.loads(pickle.dumps(engine)), copy.deepcopy(engine), copy.copy(engine)):
            assert not made.is_open
            with made:
                assert made._options == engine._options
                assert made.info == engine.info
            assert not engine.closed


@pytest.mark.parametrize("is_open", [False, True])
def test_a_model_outlives_a_dropped_handle(copy_path, is_open):
    before = registry.open_count()
    engine = Engine(copy_path)
    if is_open:
        engine.open()
    model = engine.model
    del engine
    gc.collect()
    assert model.tokenize("hi")
    del model
    gc.collect()
    assert registry.open_count() == before
    assert Engine(copy_path).model.tokenize("hi")


@pytest.mark.parametrize(
    "options", [{"exact": "no"}, {"repack": 1}, {"kv_simulation": None}, {"n_threads": True}, {"n_threads": 1025}]
)
def test_an_option_of_the_wrong_type_is_refused(options):
    with pytest.raises(errors.InvalidRequestError, match=next(iter(options))):
        Engine(**options)


def test_numpy_integers_are_integers(engine):
    with Engine(engine.path, n_threads=np.int64(1)) as other, other.session(np.int32(16), seed=np.int64(3)) as session:
        session.eval(np.int64(5))
        assert session.tokens == [5]
        assert [score.token for score in session.logprobs(np.array([7, 8]))] == [7, 8]


@pytest.mark.parametrize(
    "options",
    [
        {"top_k": 2**31}, {"top_k": 1.5}, {"top_k": True}, {"temperature": float("nan")}, {"temperature": "hot"},
        {"top_p": 0.0}, {"min_p": 2.0}, {"rng": 0}, {"rng": 2**64}, {"n_top": -1}, {"n_top": 10**12},
        {"repetition_penalty": 0.0}, {"presence_penalty": float("inf")}, {"mask": [0]}, {"bias": [(1, 2)]},
    ],
)  # fmt: skip
def test_sampling_parameters_are_checked_when_they_are_made(options):
    with pytest.raises(errors.InvalidRequestError, match=next(iter(options))):
        SampleParams(**options)


def test_a_span_that_can_not_be_served_fails_alone_before_anything_is_computed(engine):
    good = engine.session(16)
    bad = {
        "mask": {"sample": SampleParams(mask=np.ones(3, dtype=np.uint32))},
        "bias token": {"sample": SampleParams(bias={10**6: 1.0})},
        "bias value": {"sample": SampleParams(bias={1: float("nan")})},
        "count": {"sample": SampleParams(penalty_counts={1: -1})},
        "object": {"sample": {"top_k": 1}},
        "cancel": {"cancel": True},
        "half": {"wanted": [0.5]},
        "text": {"wanted": ["a"]},
        "none": {"wanted": [None]},
        "huge": {"wanted": [2**70]},
        "ragged": {"wanted": [[0], [0, 1]]},
        "tokens": {"tokens": [[1], [1, 2]]},
    }
    spans = [Span(**{"session": engine.session(16), "tokens": [1, 2], **fields}) for fields in bad.values()]
    spans.append(Span("no session", [1]))
    results = engine.forward([*spans, Span(good, [1, 2], sample=SampleParams(n_top=10**6))])
    for result in results[:-1]:
        assert isinstance(result.error, (errors.InvalidRequestError, errors.InvalidTokenError))
    assert [span.session.pos for span in spans[:-1]] == [0] * len(bad)
    assert results[-1].error is None
    assert len(results[-1].sample.top) == engine.model.n_vocab
    assert good.pos == 2


def test_a_flag_must_be_a_flag(engine):
    with engine.session(16) as session:
        for use in (
            lambda: engine.forward([Span(session, [1])], cancel=True),
            lambda: session.eval(1, cancel=True),
            lambda: session.sync([1], cancel=True),
            lambda: session.rewind(0, cancel=True),
        ):
            with pytest.raises(errors.InvalidRequestError, match="cancel is True"):
                use()
        assert session.pos == 0


def test_the_context_warning_points_at_the_caller_and_stops_no_request(engine, caplog):
    beyond = engine.info.n_context_train + 1
    with pytest.warns(ContextSizeWarning) as caught:
        engine.session(beyond).close()
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            assert len(list(engine.generate([1], n_ctx=beyond, max_tokens=2, ignore_eos=True))) == 4
    assert sum(str(beyond) in record.getMessage() for record in caplog.records) == 1
