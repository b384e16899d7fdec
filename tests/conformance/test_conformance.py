"""The engine in exact mode against the golden logits of Hugging Face transformers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ds4_core import Engine
from tests.conformance import goldens, harness
from tests.conformance.harness import ModelFile, open_isa
from tests.conformance.models import CONFIGS, token_ids

TOLERANCE = 1e-4  # of std(|logits|)
NEAR_TIE = 1e-6  # a discrete choice this close may fall either way in float32
TITLE = "conformance: exact mode against transformers float32, max|a-b| / std(|logits|), limit 1e-4"


def comparable(record: goldens.Golden, top_k: int) -> int:
    """Positions before the first near-tie: from there on two correct engines may differ."""
    narrow = np.minimum(record.indexer_gap, record.router_gap) < NEAR_TIE
    narrow[: 4 * top_k + 3] = record.router_gap[: 4 * top_k + 3] < NEAR_TIE
    return int(np.argmax(narrow)) if narrow.any() else len(narrow)


@pytest.mark.parametrize(("name", "seed"), goldens.CASES)
def test_exact_mode_matches_transformers_at_every_length(
    name: str, seed: int, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    record = goldens.load(name, seed)
    tokens = token_ids(goldens.N_TOKENS, CONFIGS[name].n_vocab, seed)
    limit = comparable(record, CONFIGS[name].idx_top_k)
    worst: dict[int, float] = {}
    with Engine(model_file(name, seed), exact=True, backend="cpu") as engine:
        for i, n in enumerate(goldens.LENGTHS):
            ours, m = harness.run(engine, tokens[:n]), min(n, limit)
            worst[n] = harness.error(ours[:m, :: goldens.COLUMN_STEP], record.all_positions[:m], record.scale)
            if n <= limit:
                worst[n] = max(worst[n], harness.error(ours[-1], record.last_rows[i], record.scale))
        isa = engine.info.isa
    at = max(worst, key=worst.__getitem__)
    skipped = goldens.N_TOKENS - limit
    table(
        TITLE,
        f"  {name} seed {seed}  {isa:9}  {worst[at]:.1e} at length {at:3}   "
        f"{len(worst)} lengths, {limit} positions{f', {skipped} after a near-tie' if skipped else ''}",
    )
    assert worst[at] <= TOLERANCE, f"worst error per length: { {n: f'{e:.1e}' for n, e in worst.items()} }"


@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512", "neon"])
@pytest.mark.parametrize("name", CONFIGS)
def test_every_instruction_set_matches_transformers(
    name: str, isa: str, model_file: ModelFile, table: Callable[[str, str], None]
) -> None:
    record = goldens.load(name, 0)
    tokens = token_ids(goldens.N_TOKENS, CONFIGS[name].n_vocab, 0)
    with open_isa(model_file(name), isa, exact=True) as engine:
        m = comparable(record, CONFIGS[name].idx_top_k)
        ours = harness.run(engine, tokens)
        worst = harness.error(ours[:m, :: goldens.COLUMN_STEP], record.all_positions[:m], record.scale)
    table("conformance by instruction set, 300 tokens", f"  {name}  {isa:9} {worst:.1e}")
    assert worst <= TOLERANCE


def test_golden_files_are_complete_and_small() -> None:
    files = sorted(goldens.FOLDER.glob("*.npz"))
    assert [f.stem for f in files] == sorted(f"{name}{seed}" for name, seed in goldens.CASES)
    assert sum(f.stat().st_size for f in files) < 4_000_000
    for name, seed in goldens.CASES:
        record, n_vocab = goldens.load(name, seed), CONFIGS[name].n_vocab
        assert record.all_positions.shape == (goldens.N_TOKENS, n_vocab // goldens.COLUMN_STEP)
        assert record.last_rows.shape == (len(goldens.LENGTHS), n_vocab)
        assert np.isfinite(record.all_positions).all()
        assert record.scale > 0.1
