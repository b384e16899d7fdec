"""The simulation of the released model's KV rounding against the float64 reference, and where it is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ds4_core import Engine
from ds4_core.errors import UnsupportedError
from tests.conformance import models
from tests.conformance.harness import ModelFile, row_errors, run
from tests.conformance.models import CONFIGS, make_weights, token_ids
from tests.conformance.reference import Reference, simulate_indexer, simulate_kv

N = 120


def test_simulation_moves_the_engine_as_it_moves_the_reference(
    model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    """Rounding is discontinuous: a value that float32 and float64 place on two sides of a boundary moves by a step.
    The yardstick is therefore the float64 reference itself with its embedding off by 1e-6, the error of float32.
    """
    tokens, weights = token_ids(N, 512, 0), make_weights("E", 0)
    plain = Reference(CONFIGS["E"], weights).logits(tokens).logits
    simulated = Reference(CONFIGS["E"], weights, simulate=True).logits(tokens).logits
    name = "token_embd.weight"
    off = weights[name] * (1 + 1e-6 * models.gaussian(1, "noise", weights[name].shape).astype(np.float64))
    yardstick = row_errors(
        Reference(CONFIGS["E"], {**weights, name: off}, simulate=True).logits(tokens).logits, simulated
    )
    with Engine(model_file("E"), exact=True, kv_simulation=True) as engine:
        rows = row_errors(run(engine, tokens), simulated)
    effect = row_errors(simulated, plain)
    table(
        "KV simulation on E against the float64 reference",
        f"  engine: median {np.median(rows):.1e}, worst {rows.max():.1e}; off by 1e-6: {np.median(yardstick):.1e}, "
        f"{yardstick.max():.1e}; the simulation itself moves rows by {np.median(effect):.1e}",
    )
    assert np.median(effect) > 0.1
    assert rows[0] < 1e-4
    assert np.median(rows) <= 5 * np.median(yardstick) < 0.2 * np.median(effect)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"head_dim": 96, "n_rot": 64}, "unrotated"),  # 32 channels are no whole block of 64
        ({"idx_dim": 96}, "indexer"),  # no power of two
    ],
)
def test_simulation_is_refused_where_it_is_not_defined(
    change: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(models.CONFIGS, "odd", replace(CONFIGS["E"], **change))
    path = models.write_gguf("odd", 0, tmp_path / "odd.gguf")
    with Engine(path, exact=True) as plain:
        assert np.isfinite(run(plain, token_ids(20, 512))).all()
    with pytest.raises(UnsupportedError, match=reason):
        Engine(path, kv_simulation=True).open()


@pytest.mark.parametrize("name", ["A", "B", "C", "D"])
def test_simulation_is_refused_on_small_heads(name: str, model_file: ModelFile) -> None:
    with pytest.raises(UnsupportedError):
        Engine(model_file(name), kv_simulation=True).open()


def test_reference_rounding_is_idempotent_and_exact_on_representable_values() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 512))
    once = simulate_kv(x, 64)
    assert np.array_equal(simulate_kv(once, 64), once)
    assert np.array_equal(once[:, 448:], x[:, 448:])
    assert 0.02 < (once - x)[:, :448].std() < 0.04
    y = rng.standard_normal((50, 128))
    assert abs(simulate_indexer(y).std() / y.std() - 1) < 0.05  # an orthonormal transform keeps the spread
