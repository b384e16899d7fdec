"""The golden files are what the scripts make: by the float64 reference always, by transformers when it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conformance import goldens, harness
from tests.conformance.models import CONFIGS, make_weights, token_ids
from tests.conformance.reference import Reference


@pytest.mark.parametrize(("name", "seed"), goldens.CASES)
def test_float64_reference_agrees_with_the_golden_logits(name: str, seed: int) -> None:
    record = goldens.load(name, seed)
    ids = token_ids(goldens.N_TOKENS, CONFIGS[name].n_vocab, seed)
    ours = Reference(CONFIGS[name], make_weights(name, seed)).logits(ids)
    assert harness.error(ours.logits[:, :: goldens.COLUMN_STEP], record.all_positions, record.scale) < 5e-5
    # The last row of a whole prompt of n tokens is row n - 1 of the 300: attention is causal.
    rows = ours.logits[np.array(goldens.LENGTHS) - 1]
    assert harness.error(rows, record.last_rows, record.scale) < 5e-5
    assert np.allclose(ours.indexer_gap, record.indexer_gap, rtol=1e-3)
    assert np.allclose(ours.router_gap, record.router_gap, rtol=1e-3)


@pytest.mark.parametrize(("name", "seed"), goldens.CASES)
def test_transformers_gives_the_golden_logits_again(name: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    pytest.importorskip("torch", reason="torch is not installed: golden logits are checked against the reference only")
    pytest.importorskip(
        "transformers.models.deepseek_v4", reason="no transformers with DeepSeek V4: checked against the reference only"
    )
    record = goldens.load(name, seed)
    lengths = (1, 33, 130)
    again, _ = goldens.make(name, seed, lengths)
    assert harness.error(again.all_positions, record.all_positions, record.scale) < 5e-5
    stored = record.last_rows[[goldens.LENGTHS.index(n) for n in lengths]]
    assert harness.error(again.last_rows, stored, record.scale) < 5e-5
