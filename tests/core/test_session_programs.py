"""Random programs over several sessions compute what fresh sessions compute from the first token, bit for bit."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ds4_core import CancelFlag, Engine, Session, Span, errors
from ds4_core.checkpoint import Checkpoint
from ds4_core.step import Step

N_CTX = 420

OPTIONS = {
    "f16": {"n_threads": 1},
    "exact": {"exact": True, "n_threads": 2, "step_tokens": 16},
    "small pieces": {"n_threads": 2, "n_batch": 7, "step_tokens": 5, "checkpoint_bytes_max": 200_000},
    "one by one": {"n_threads": 1, "n_batch": 64, "step_tokens": 1, "kv_dtype": "f32", "checkpoint_bytes_max": 1},
}

# Repetitive, so that prompts share beginnings and diverge.
TOKENS = st.lists(st.integers(0, 5), min_size=1, max_size=12)
LONG = st.tuples(st.integers(0, 3), st.integers(10, 160)).map(lambda t: [(t[0] * i * i + i) % 97 for i in range(t[1])])
SOME = st.one_of(TOKENS, LONG)
INDEX = st.integers(0, 7)


@dataclass
class Known:
    """A session and what it must hold."""

    session: Session
    tokens: list[int]
    has_logits: bool


class Programs(RuleBasedStateMachine):
    """One engine; sessions, checkpoints and bytes that came out of it."""

    engine: Engine
    reference: Engine

    def __init__(self):
        super().__init__()
        self.sessions: list[Known] = []
        self.checkpoints: list[tuple[Checkpoint, list[int]]] = []
        self.saved: list[tuple[bytes, str, list[int], bool]] = []

    @classmethod
    @lru_cache(maxsize=5000)
    def expected(cls, tokens: tuple[int, ...]) -> bytes:
        with cls.reference.session(N_CTX) as session:
            session.eval(tokens)
            return session.logits().tobytes()

    @initialize()
    def begin(self):
        self.create()

    def pick(self, index) -> Known:
        return self.sessions[index % len(self.sessions)]

    def add(self, session, tokens, has_logits):
        if len(self.sessions) >= 4:
            self.sessions.pop(0).session.close()
        self.sessions.append(Known(session, list(tokens), has_logits))

    @rule()
    def create(self):
        self.add(self.engine.session(N_CTX), [], False)

    @rule(index=INDEX, tokens=SOME)
    def eval(self, index, tokens):
        known = self.pick(index)
        if len(known.tokens) + len(tokens) > N_CTX:
            with pytest.raises(errors.ContextFullError):
                known.session.eval(tokens)
            return
        known.session.eval(tokens)
        known.tokens, known.has_logits = known.tokens + tokens, True

    @rule(index=INDEX, keep=st.integers(0, N_CTX), tokens=st.one_of(st.just([]), SOME))
    def sync(self, index, keep, tokens):
        known = self.pick(index)
        wanted = (known.tokens[:keep] + tokens)[:N_CTX]
        if not wanted:
            return
        known.session.sync(wanted)
        known.tokens, known.has_logits = wanted, True

    @rule(index=INDEX, back=st.one_of(st.integers(0, 12), st.integers(0, N_CTX)))
    def rewind(self, index, back):
        known = self.pick(index)
        pos = max(0, len(known.tokens) - back)
        known.session.rewind(pos)
        known.has_logits &= pos == len(known.tokens)
        known.tokens = known.tokens[:pos]

    @rule(index=INDEX)
    def fork(self, index):
        known = self.pick(index)
        self.add(known.session.fork(), known.tokens, known.has_logits)

    @rule(index=INDEX)
    def checkpoint(self, index):
        known = self.pick(index)
        self.checkpoints = [*self.checkpoints[-2:], (known.session.checkpoint(), known.tokens)]

    @precondition(lambda self: self.checkpoints)
    @rule(index=INDEX)
    def resume(self, index):
        checkpoint, tokens = self.checkpoints[index % len(self.checkpoints)]
        self.add(checkpoint.session(), tokens, False)

    @precondition(lambda self: self.checkpoints)
    @rule(index=INDEX)
    def close_checkpoint(self, index):
        checkpoint, _ = self.checkpoints.pop(index % len(self.checkpoints))
        checkpoint.close()
        with pytest.raises(errors.EngineClosedError, match="checkpoint was closed"):
            checkpoint.session()

    @rule(
        index=INDEX, tokens=LONG, call=st.sampled_from(["eval", "sync", "rewind"]), keep=INDEX, steps=st.integers(0, 4)
    )
    def cancel(self, index, tokens, call, keep, steps):
        # After so many steps of the computation, or before it began.
        known, flag = self.pick(index), CancelFlag()
        tokens = tokens[: N_CTX - len(known.tokens)]
        wanted = known.tokens[: len(known.tokens) * keep // 8] + tokens
        back = len(known.tokens) * keep // 8
        if not tokens:
            return
        forward = Step.forward

        def counted(step, ptr):
            nonlocal steps
            forward(step, ptr)
            steps -= 1
            if steps == 0:
                flag.set()

        if steps == 0:
            flag.set()
        Step.forward = counted
        try:
            if call == "eval":
                known.session.eval(tokens, cancel=flag)
                known.tokens = known.tokens + tokens
            elif call == "sync":
                known.session.sync(wanted, cancel=flag)
                known.tokens = wanted
            else:
                known.session.rewind(back, cancel=flag)
                known.has_logits &= back == len(known.tokens)
                known.tokens = known.tokens[:back]
        except errors.GenerationCancelled:
            if call == "sync" and known.session.tokens != known.tokens:
                held = known.session.tokens
                common = next((i for i, (a, b) in enumerate(zip(known.tokens, wanted, strict=False)) if a != b), None)
                common = min(len(known.tokens), len(wanted)) if common is None else common
                assert len(held) >= common
                assert held == wanted[: len(held)]
                known.tokens, known.has_logits = held, False
        else:
            known.has_logits = known.has_logits if call == "rewind" else True
        finally:
            Step.forward = forward

    @rule(data=st.data())
    def forward(self, data):
        chosen = data.draw(st.lists(st.sampled_from(range(len(self.sessions))), min_size=1, unique=True))
        parts = [data.draw(SOME) for _ in chosen]
        flag = CancelFlag()
        flag.set()
        cancelled = data.draw(st.lists(st.booleans(), min_size=len(chosen), max_size=len(chosen)))
        spans = []
        for index, tokens, cancel in zip(chosen, parts, cancelled, strict=True):
            wanted = data.draw(st.sampled_from([None, range(len(tokens)), [0], []]))
            spans.append(Span(self.sessions[index].session, tokens, wanted=wanted, cancel=flag if cancel else None))
        for index, span, result in zip(chosen, spans, self.engine.forward(spans), strict=True):
            known, tokens = self.sessions[index], list(span.tokens)
            if len(known.tokens) + len(tokens) > N_CTX:
                assert isinstance(result.error, (errors.ContextFullError, errors.GenerationCancelled))
            elif span.cancel is not None:
                assert isinstance(result.error, errors.GenerationCancelled)
            else:
                assert result.error is None
                wanted = [len(tokens) - 1] if span.wanted is None else list(span.wanted)
                for row, at in zip(result.logits, wanted, strict=True):
                    assert row.tobytes() == self.expected((*known.tokens, *tokens[: at + 1]))
                known.tokens, known.has_logits = known.tokens + tokens, len(tokens) - 1 in wanted

    @rule(index=INDEX, format=st.sampled_from(["pages", "payload"]), to_file=st.booleans())
    def save(self, index, format, to_file):
        known = self.pick(index)
        if format == "payload" and not known.has_logits:
            with pytest.raises(errors.EngineStateError, match="evaluate a token first"):
                known.session.snapshot(format=format)
            return
        if to_file:
            with tempfile.TemporaryFile() as file:
                known.session.save(file, format=format)
                file.seek(0)
                data = file.read()
        else:
            data = bytes(known.session.snapshot(format=format))
        self.saved = [*self.saved[-2:], (data, format, known.tokens, known.has_logits)]

    @precondition(lambda self: self.saved)
    @rule(index=INDEX, which=INDEX, from_file=st.booleans(), damage=st.integers(0, 3))
    def load(self, index, which, from_file, damage):
        known = self.pick(index)
        data, format, tokens, has_logits = self.saved[which % len(self.saved)]
        if damage == 0:
            with pytest.raises((errors.ModelFormatError, errors.ContextFullError)):
                known.session.restore(data[: len(data) * 7 // 8], format=format)
            return
        if format == "payload" and len(tokens) == N_CTX:
            with pytest.raises(errors.ContextFullError):  # the format leaves room for one token more
                known.session.restore(data, format=format)
            return
        if from_file:
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(0)
                known.session.load(file, format=format)
        else:
            known.session.restore(io.BytesIO(data).getbuffer(), format=format)
        known.tokens, known.has_logits = list(tokens), has_logits

    @rule(index=INDEX)
    def close(self, index):
        if len(self.sessions) > 1:
            known = self.sessions.pop(index % len(self.sessions))
            known.session.close()
            with pytest.raises(errors.EngineClosedError):
                known.session.eval(1)

    @rule(index=INDEX)
    def generate(self, index):
        # A request between, which shares pages with nobody here, or with those that come later.
        known = self.pick(index)
        prompt = (known.tokens or [1])[: N_CTX - 4]
        answer = [event.token for event in self.engine.generate(prompt, max_tokens=2, n_ctx=N_CTX, temperature=0.0)
                  if hasattr(event, "token")]  # fmt: skip
        first = np.frombuffer(self.expected(tuple(prompt)), dtype=np.float32)
        assert answer[0] == int(np.argmax(first))

    @invariant()
    def every_session_is_what_it_must_be(self):
        for known in self.sessions:
            assert known.session.tokens == known.tokens
            assert (known.session._logits is not None) == known.has_logits
            if known.has_logits:
                assert known.session.logits().tobytes() == self.expected(tuple(known.tokens))

    def teardown(self):
        for known in self.sessions:
            if known.session.pos < N_CTX:
                known.session.eval(3)
                assert known.session.logits().tobytes() == self.expected((*known.tokens, 3))
            known.session.close()
        for checkpoint, _ in self.checkpoints:
            checkpoint.close()


def run_programs(options, tiny_path, n_programs, n_steps):
    numerics = {name: options[name] for name in ("backend", "exact", "kv_dtype") if name in options}
    with Engine(tiny_path, **options) as engine, Engine(tiny_path, prefix_bytes_max=0, **numerics) as reference:

        class Here(Programs):
            pass

        Here.engine, Here.reference = engine, reference
        engine.open()
        one = settings(
            max_examples=n_programs,
            stateful_step_count=n_steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        )
        run_state_machine_as_test(Here, settings=one)
        Programs.expected.cache_clear()
        used = engine.memory_used()
        assert used.session_state <= 2 * engine._shared().state_bytes  # a spare one for long spans


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_program_computes_what_fresh_sessions_compute(tiny_path, options):
    run_programs(options, tiny_path, 6, 15)


@pytest.mark.long
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_many_long_programs_compute_what_fresh_sessions_compute(tiny_path, options):
    run_programs(options, tiny_path, 150, 40)
