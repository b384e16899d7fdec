"""The CUDA backend against the CPU: exact against exact, fast against exact, every weight type, prompts against tokens.

Needs a libds4_cuda beside libds4 and a device, real or emulated (`make test-cuda`): skipped where there is none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ds4_core import Engine
from ds4_core.errors import BackendError
from ds4_core.generation import SampledToken
from ds4_core.types import Span
from tests.conformance import goldens, harness
from tests.conformance.harness import ModelFile
from tests.conformance.models import CONFIGS, token_ids
from tests.conformance.test_conformance import comparable
from tests.core.test_session_programs import run_programs
from training.gguf_layout import Array

#: The emulated device takes about 10 ms a token.
N = int(os.environ.get("DS4_CUDA_TEST_TOKENS", "150"))
EXACT = 1e-3  # of std(|logits|)
FAST = 0.1  # the same, of the median row: in random models this small some choice flips in many rows
TITLE = f"cuda against cpu exact, {N} tokens, max|a-b| / std(|logits|)"

LAYOUTS = [
    ("tiny", "q8_0"),
    ("tiny", "mxfp4"),
    ("tiny", "bf16"),
    ("tiny", "f16"),
    ("k256", "ds4-q2"),
    ("k256", "ds4-q4"),
    ("k256", "iq2_xxs"),
    ("k256", "q2_k"),
    ("k256", "q4_k"),
]


def open_cuda(path: Any, **options: Any) -> Engine:
    """An open engine on the device; skips the test where there is none."""
    engine = Engine(path, backend="cuda", **options)
    try:
        return engine.open()
    except BackendError as reason:
        pytest.skip(str(reason))


def cpu_exact(path: Any, tokens: list[int], **options: Any) -> Array:
    with Engine(path, backend="cpu", exact=True, **options) as engine:
        return harness.run(engine, tokens)


@pytest.mark.parametrize("name", CONFIGS)
def test_exact_mode_is_that_of_the_cpu_on_every_config(
    name: str, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    path, tokens = model_file(name), token_ids(goldens.N_TOKENS, CONFIGS[name].n_vocab, 0)[:N]
    limit = min(N, comparable(goldens.load(name, 0), CONFIGS[name].idx_top_k))
    with open_cuda(path, exact=True) as engine:
        ours = harness.run(engine, tokens)
        assert (engine.info.backend, engine.info.exact, engine.info.kv_dtype) == ("cuda", True, "f32")
        # One kernel serves every batch size: how a prompt is cut changes nothing.
        assert np.array_equal(harness.run(engine, tokens[:60], [1, 7, 30, 2]), ours[:60])
    worst = harness.error(ours[:limit], cpu_exact(path, tokens)[:limit])
    table(TITLE, f"  {name}  exact           {worst:.1e}   {limit} positions")
    assert worst <= EXACT


@pytest.mark.parametrize(("name", "quant"), LAYOUTS)
def test_every_weight_type_gives_the_cpus_logits(
    name: str, quant: str, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    path, tokens = model_file(name, 0, quant), token_ids(60, 512, 5)
    expected = cpu_exact(path, tokens)
    with open_cuda(path, exact=True) as engine:
        exact = harness.error(harness.run(engine, tokens), expected)
    with open_cuda(path) as engine:
        whole = harness.run(engine, tokens)
        assert np.array_equal(harness.run(engine, tokens), whole)  # the same batch gives the same bits
        fast = float(np.median(harness.row_errors(whole, expected)))
        single = float(np.median(harness.row_errors(harness.run(engine, tokens, [1]), whole)))
    table(TITLE, f"  {name:5} {quant:8} exact {exact:.1e}   fast {fast:.1e}   fast by single tokens {single:.1e}")
    assert exact <= EXACT
    assert fast <= FAST
    assert single <= FAST


@pytest.mark.parametrize("exact", [True, False])
def test_kv_simulation_rounds_as_on_the_cpu(exact: bool, model_file: ModelFile) -> None:
    path, tokens = model_file("E"), token_ids(90, CONFIGS["E"].n_vocab, 3)
    expected = cpu_exact(path, tokens, kv_simulation=True)
    with open_cuda(path, exact=exact, kv_simulation=True) as engine:
        errors = harness.row_errors(harness.run(engine, tokens), expected)
    # A value on the edge between two codes may fall either way: most rows agree closely, none is far off.
    assert np.median(errors) <= (EXACT if exact else 0.1)


def test_sessions_in_one_batch_do_not_notice_each_other(model_file: ModelFile) -> None:
    path = model_file("A")
    prompts = [token_ids(40, CONFIGS["A"].n_vocab, seed) for seed in range(3)]
    with open_cuda(path, exact=True) as engine:
        alone = [harness.run(engine, tokens) for tokens in prompts]
        sessions = [engine.session(n_ctx=40) for _ in prompts]
        for at, n in ((0, 33), (33, 1), (34, 6)):
            spans = [Span(s, t[at : at + n], wanted=range(n)) for s, t in zip(sessions, prompts, strict=True)]
            for result, whole in zip(engine.forward(spans), alone, strict=True):
                assert result.error is None
                assert np.array_equal(result.logits, whole[at : at + n])


def test_auto_takes_the_device_and_says_so(model_file: ModelFile) -> None:
    path = model_file("A")
    with open_cuda(path) as engine:
        device = engine.info.device
        assert device
    with Engine(path) as engine:
        assert (engine.info.backend, engine.info.device) == ("cuda", device)
        assert engine.info.backend_reason == f"cuda: {device}"
        used = engine.memory_used()
        assert used.weights_mapped == 0
        assert used.weights_copied > 0
    with Engine(path, isa="portable") as engine:
        assert engine.info.backend == "cpu"
        assert "instruction set" in engine.info.backend_reason
    with Engine(path, backend="cpu") as engine:
        assert (engine.info.device, engine.info.backend_reason) == ("", "cpu: asked for")


def test_answers_are_the_cpus_greedy_ones(model_file: ModelFile) -> None:
    path = model_file("A")
    prompt = token_ids(30, CONFIGS["A"].n_vocab, 8)
    answers = []
    for backend in ("cuda", "cpu"):
        with open_cuda(path, exact=True) if backend == "cuda" else Engine(path, backend="cpu", exact=True) as engine:
            stream = engine.generate(prompt, max_tokens=20, temperature=0)
            answers.append([event.token for event in stream if isinstance(event, SampledToken)])
    assert answers[0] == answers[1]


@pytest.mark.long
@pytest.mark.parametrize(
    "options", [{}, {"n_batch": 7, "step_tokens": 5, "checkpoint_bytes_max": 200_000}], ids=["default", "small pieces"]
)
def test_random_programs_of_the_embedded_model_compute_what_fresh_sessions_compute(
    tiny_path: Path, options: dict[str, Any]
) -> None:
    open_cuda(tiny_path).close()
    run_programs({"backend": "cuda", "exact": True, **options}, tiny_path, 6, 15)
