"""Q8_0 blocks of the converter: what the format says, and closer to the weights than the usual scale."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as QT

from training.convert_checkpoint import closest_q8_0


def restored(blocks: np.ndarray) -> np.ndarray:
    return gguf.quants.dequantize(blocks, QT.Q8_0)


@pytest.mark.parametrize("spread", [0.002, 0.1, 40.0])
def test_no_block_is_further_from_its_weights_than_with_the_usual_scale(spread: float) -> None:
    weights = np.random.default_rng(1).normal(scale=spread, size=(3, 40, 64)).astype(np.float32)

    def missed(blocks: np.ndarray) -> np.ndarray:
        return ((restored(blocks) - weights) ** 2).reshape(-1, 32).sum(axis=1)

    ours, usual = missed(closest_q8_0(weights)), missed(gguf.quants.quantize(weights, QT.Q8_0))
    assert (ours <= usual * 1.001).all()
    assert ours.sum() < 0.85 * usual.sum()


def test_blocks_have_the_shape_of_the_format_and_zeros_stay_zero() -> None:
    blocks = closest_q8_0(np.zeros((2, 96), np.float32))
    assert blocks.shape == (2, 3 * 34)
    assert blocks.dtype == np.uint8
    assert not restored(blocks).any()
    one = np.zeros((1, 32), np.float32)
    one[0, 5] = -3.0
    assert restored(closest_q8_0(one))[0, 5] == pytest.approx(-3.0, rel=1e-3)
