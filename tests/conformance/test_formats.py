"""Quantised files, fast mode and instruction sets against exact computation on the same values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ds4_core import Engine
from ds4_core.errors import InvalidRequestError
from tests.conformance.harness import ModelFile, error, open_isa, row_errors, run
from tests.conformance.models import CONFIGS, dequantized, encoded, int8_blocks, make_weights, shape_of, token_ids
from tests.conformance.reference import Reference

N = 160
FILES = [
    *(("tiny", quant) for quant in ("f16", "bf16", "q8_0", "mxfp4")),
    *(("k256", quant) for quant in ("ds4-q2", "ds4-q4", "q3_k", "q6_k", "q5_1")),
]
FAST_FILES = [("tiny", "f16"), ("tiny", "q8_0"), ("tiny", "mxfp4"), ("k256", "ds4-q2"), ("k256", "q4_k")]


@pytest.mark.parametrize(("name", "quant"), FILES)
def test_exact_mode_on_a_quantised_file_is_exact_on_its_values(
    name: str, quant: str, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    tokens = token_ids(N, 512, 2)
    packed, plain = model_file(name, 0, quant), model_file(name, 0, quant, dequantize=True)
    with Engine(packed, exact=True) as a, Engine(plain, exact=True) as b:
        worst = error(run(a, tokens), run(b, tokens))
    table("exact mode on quantised files against their values as F32", f"  {name:5} {quant:7} {worst:.1e}")
    assert worst <= 1e-5


@pytest.mark.parametrize(("name", "quant"), FAST_FILES)
def test_fast_mode_is_off_by_the_rounding_of_activations_and_kv_rows_only(
    name: str, quant: str, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    """Int8 rounding is discontinuous and these random nets amplify it: a change of 1e-6 in the embedding moves rounded
    logits as far as rounding itself does. So long prompts are compared by how far they move from exact computation, and
    single tokens, where many runs meet no boundary, directly with a reference that rounds the same way.
    """
    shape = shape_of(name)
    data, types = encoded(name, 0, quant)
    weights = dequantized(name, data, types)
    exact = Reference(shape, weights)
    rounded = Reference(shape, weights, half_rows=True, int8=int8_blocks(types))
    tokens, singles = token_ids(96, 512, 2), range(3, 33)
    with Engine(model_file(name, 0, quant)) as engine:
        values = exact.logits(tokens).logits
        moved = np.median(row_errors(run(engine, tokens), values))
        expected = np.median(row_errors(rounded.logits(tokens).logits, values))
        ours = np.concatenate([run(engine, [t]) for t in singles])
    rows = row_errors(ours, np.concatenate([rounded.logits([t]).logits for t in singles]))
    table(
        "fast mode, errors / std(|logits|)",
        f"  {name:5} {quant:7} off exact by median {moved:.1e}, rounding alone in float64 {expected:.1e};  "
        f"single tokens equal to the rounding reference: {np.mean(rows < 1e-4):.0%}",
    )
    assert moved <= 1.5 * expected
    assert np.mean(rows < 1e-4) >= 0.15


@pytest.mark.parametrize("name", CONFIGS)
def test_f16_kv_rows_move_logits_by_their_rounding_only(
    name: str, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    tokens, weights = token_ids(N, 512, 2), make_weights(name, 0)
    with Engine(model_file(name), kv_dtype="f16") as engine:
        ours = run(engine, tokens)
    rounded = Reference(CONFIGS[name], weights, half_rows=True).logits(tokens).logits
    rows, moved = (
        row_errors(ours, rounded),
        row_errors(rounded, Reference(CONFIGS[name], weights).logits(tokens).logits),
    )
    table(
        "f16 KV rows, errors / std(|logits|)",
        f"  {name}  against float64 with f16 rows: median {np.median(rows):.1e}, worst {rows.max():.1e};  "
        f"f16 moves logits by {np.median(moved):.1e}",
    )
    assert np.median(rows) <= 0.5 * np.median(moved)


def test_exact_mode_with_f16_kv_rows_is_refused(model_file: ModelFile) -> None:
    with pytest.raises(InvalidRequestError, match="kv_dtype"):
        Engine(model_file("A"), exact=True, kv_dtype="f16").open()


@pytest.mark.parametrize("isa", ["avx2", "avx512", "neon"])
@pytest.mark.parametrize(
    ("name", "quant"), [("tiny", "q8_0"), ("tiny", "mxfp4"), ("k256", "ds4-q2"), ("k256", "ds4-q4")]
)
def test_instruction_sets_agree_with_portable_kernels(name: str, quant: str, isa: str, model_file: ModelFile) -> None:
    tokens, path = token_ids(N, 1536, 2), model_file(name, 0, quant)
    with open_isa(path, isa, exact=True) as engine, open_isa(path, "portable", exact=True) as portable:
        assert error(run(engine, tokens), run(portable, tokens)) <= 1e-4
