"""A token's logits are the same bits whatever the chunking, the batch, the threads, a fork or a rewind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ds4_core import Engine
from ds4_core.types import Span
from tests.conformance.harness import ModelFile, extend, first_difference, open_isa, run
from tests.conformance.models import CONFIGS, token_ids
from training.gguf_layout import Array

N = 300  # tokens: past the 128-token blocks, the windows and the first pruning of every config


@dataclass(frozen=True)
class Mode:
    """A model with the engine options under test."""

    name: str
    exact: bool
    kv_dtype: str
    simulation: bool = False
    quant: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        return {"exact": self.exact, "kv_dtype": self.kv_dtype, "kv_simulation": self.simulation}

    def __str__(self) -> str:
        parts = (
            self.name,
            "exact" if self.exact else "fast",
            self.kv_dtype,
            self.quant,
            "sim" if self.simulation else None,
        )
        return "-".join(p for p in parts if p)


MODES = [
    *(Mode(name, *mode) for name in CONFIGS for mode in ((True, "f32"), (False, "f32"), (False, "f16"))),
    *(Mode("E", exact, kv, simulation=True) for exact, kv in ((True, "f32"), (False, "f16"))),
    *(Mode("tiny", False, "f16", quant=quant) for quant in ("q8_0", "mxfp4", "bf16", "f16")),
    *(Mode("k256", False, "f16", quant=quant) for quant in ("ds4-q2", "ds4-q4")),
]
# Where every feature meets: used for the properties that need many runs.
CHOSEN = [
    Mode("A", True, "f32"),
    Mode("D", False, "f16"),
    Mode("E", False, "f16", simulation=True),
    Mode("tiny", False, "f16", quant="q8_0"),
    Mode("k256", False, "f16", quant="ds4-q2"),
]


class Subject:
    """One mode's file, with its whole-prompt logits computed once."""

    def __init__(self, mode: Mode, path: Any) -> None:
        self.mode, self.path = mode, path
        self.tokens = token_ids(N, 512, 5)
        with self.engine() as engine:
            self.whole = run(engine, self.tokens)

    def engine(self, n_threads: int = 2, **options: Any) -> Engine:
        return Engine(self.path, backend="cpu", n_threads=n_threads, **self.mode.options, **options)


@pytest.fixture(scope="module")
def subjects(model_file: ModelFile) -> Any:
    made: dict[Mode, Subject] = {}

    def get(mode: Mode) -> Subject:
        if mode not in made:
            made[mode] = Subject(mode, model_file(mode.name, 0, mode.quant))
        return made[mode]

    return get


def same(ours: Array, whole: Array) -> None:
    assert np.array_equal(ours, whole), first_difference(ours, whole)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_chunks_and_single_tokens_give_the_whole_prompts_logits(mode: Mode, subjects: Any) -> None:
    subject = subjects(mode)
    with subject.engine() as engine:
        same(run(engine, subject.tokens, [1]), subject.whole)
        same(run(engine, subject.tokens, [7, 1, 30, 2, 3, 64, 5]), subject.whole)
        same(run(engine, subject.tokens, [127, 2, 129]), subject.whole)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_number_of_threads_and_batch_size_do_not_change_logits(mode: Mode, subjects: Any) -> None:
    subject = subjects(mode)
    for options in ({"n_threads": 1}, {"n_threads": 3}, {"n_threads": 2, "n_batch": 17}):
        with subject.engine(**options) as engine:
            same(run(engine, subject.tokens), subject.whole)


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_sessions_in_one_batch_do_not_notice_each_other(mode: Mode, subjects: Any) -> None:
    subject = subjects(mode)
    others = [token_ids(N, 512, seed) for seed in (6, 7)]
    with subject.engine() as engine:
        alone = [subject.whole, *(run(engine, tokens) for tokens in others)]
        prompts = [subject.tokens, *others]
        sessions = [engine.session(n_ctx=N) for _ in prompts]
        got: list[list[Array]] = [[], [], []]
        steps = ((40, 1, 0), (1, 1, 90), (3, 128, 1), (1, 1, 1), (130, 0, 5), (1, 4, 1))
        for step in range(40):
            spans, who = [], []
            for i, size in enumerate(steps[step % len(steps)]):
                part = prompts[i][sessions[i].pos : sessions[i].pos + size]
                if part:
                    spans.append(Span(sessions[i], part, wanted=range(len(part))))
                    who.append(i)
            if not spans:
                continue
            for i, result in zip(who, engine.forward(spans), strict=True):
                assert result.error is None
                got[i].append(result.logits)
        for i, whole in enumerate(alone):
            ours = np.concatenate(got[i])
            assert len(ours) > 100
            same(ours, whole[: len(ours)])


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_rewound_session_continues_as_if_it_had_never_gone_further(mode: Mode, subjects: Any) -> None:
    subject = subjects(mode)
    tokens, whole, strange = subject.tokens, subject.whole, token_ids(60, 512, 9)
    with subject.engine() as engine:
        session = engine.session(n_ctx=N + 100)
        same(extend(engine, session, tokens[:200]), whole[:200])
        for pos, extra in ((199, 1), (191, 9), (191, 40), (150, 3), (128, 60), (127, 5), (33, 17), (4, 1), (0, 2)):
            if session.pos < pos:
                same(extend(engine, session, tokens[session.pos : 200]), whole[session.pos : 200])
            session.rewind(pos)
            extend(engine, session, strange[:extra])
            session.rewind(pos)
            assert session.tokens == tokens[:pos]
            same(extend(engine, session, tokens[pos : pos + 3]), whole[pos : pos + 3])
            same(extend(engine, session, tokens[pos + 3 : 210]), whole[pos + 3 : 210])
        same(extend(engine, session, tokens[210:]), whole[210:])


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_fork_and_its_origin_go_their_own_ways(mode: Mode, subjects: Any) -> None:
    subject = subjects(mode)
    tokens, whole = subject.tokens, subject.whole
    with subject.engine() as engine:
        for at in (1, 31, 127, 128, 130, 257):
            other_tokens = tokens[:at] + token_ids(30, 512, 11)
            other_whole = run(engine, other_tokens)
            session = engine.session(n_ctx=N)
            extend(engine, session, tokens[:at])
            fork = session.fork()
            results = engine.forward(
                [
                    Span(s, t, wanted=range(10))
                    for s, t in ((session, tokens[at : at + 10]), (fork, other_tokens[at : at + 10]))
                ]
            )
            same(results[0].logits, whole[at : at + 10])
            same(results[1].logits, other_whole[at : at + 10])
            session.close()  # the fork lives on its own
            same(extend(engine, fork, other_tokens[at + 10 :]), other_whole[at + 10 :])


def _check_chunks(subject: Subject, chunks: list[int]) -> None:
    with subject.engine() as engine:
        same(run(engine, subject.tokens, chunks), subject.whole)


CHUNKS = st.lists(st.integers(1, 140), min_size=1, max_size=12)
RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("mode", CHOSEN, ids=str)
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=RELAXED)
@given(chunks=CHUNKS)
def test_any_chunks_give_the_whole_prompts_logits(mode: Mode, chunks: list[int], subjects: Any) -> None:
    _check_chunks(subjects(mode), chunks)


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES, ids=str)
@settings(max_examples=100, deadline=None, suppress_health_check=RELAXED)
@given(chunks=CHUNKS)
def test_many_chunk_lists_give_the_whole_prompts_logits(mode: Mode, chunks: list[int], subjects: Any) -> None:
    _check_chunks(subjects(mode), chunks)


@pytest.mark.long
@pytest.mark.parametrize("mode", CHOSEN, ids=str)
@settings(max_examples=50, deadline=None, suppress_health_check=RELAXED)
@given(moves=st.lists(st.tuples(st.integers(0, N), st.integers(1, 150)), min_size=1, max_size=10))
def test_any_walk_of_rewinds_and_spans_stays_on_the_whole_prompts_logits(
    mode: Mode, moves: list[tuple[int, int]], subjects: Any
) -> None:
    subject = subjects(mode)
    with subject.engine() as engine:
        session = engine.session(n_ctx=N)
        for back, n in moves:
            session.rewind(max(0, session.pos - back))
            at = session.pos
            if part := subject.tokens[at : at + n]:
                same(extend(engine, session, part), subject.whole[at : at + len(part)])


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512", "neon"])
@pytest.mark.parametrize("mode", CHOSEN, ids=str)
def test_every_instruction_set_is_bit_identical_to_itself(mode: Mode, isa: str, model_file: ModelFile) -> None:
    tokens, path = token_ids(150, 512, 5), model_file(mode.name, 0, mode.quant)
    with (
        open_isa(path, isa, n_threads=1, **mode.options) as one,
        open_isa(path, isa, n_threads=2, **mode.options) as two,
    ):
        whole = run(one, tokens)
        same(run(two, tokens, [1]), whole)
        same(run(two, tokens, [9, 1, 33, 4]), whole)
