"""Writes golden_quant.inc: what the reference dequantisers of the `gguf` package make of fixed pseudo-random blocks.

Usage: ``python golden_quant.py > golden_quant.inc`` with `gguf` and NumPy installed. For every type that package
dequantises: a seed whose four blocks hold no NaN, a few of the resulting floats and a hash of all of them, as bits.
"""

from __future__ import annotations

import warnings

import numpy as np
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

N_BLOCKS = 4
SAMPLES = 6


def pseudo_random_bytes(seed: int, n: int) -> np.ndarray:
    """Returns n bytes, uint8 [n]: the top bytes of a 32-bit linear congruential generator."""
    out = np.empty(n, np.uint8)
    state = seed
    for i in range(n):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[i] = state >> 24
    return out


def fnv1a(data: bytes) -> int:
    """Returns the 64-bit FNV-1a hash."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def main() -> None:
    """Prints one line per type."""
    warnings.simplefilter("ignore")
    print("// Written by golden_quant.py: {type id, seed, values 0, 1/6, 2/6 ... of the blocks, hash of all}, as bits.")
    for kind in GGMLQuantizationType:
        elements, size = GGML_QUANT_SIZES[kind]
        if int(kind) > 39 or kind not in {*quants._type_traits, GGMLQuantizationType.F16, GGMLQuantizationType.F32}:
            continue
        n_blocks = N_BLOCKS * max(1, 32 // elements)
        seed = int(kind) * 1000
        while True:
            seed += 1
            raw = pseudo_random_bytes(seed, n_blocks * size)
            dense = {0: np.float32, 1: np.float16}.get(int(kind), np.uint8)
            values = quants.dequantize(raw.reshape(1, -1).view(dense), kind)
            values = values.astype(np.float32).ravel()
            if np.isfinite(values).all():
                break
        bits = values.view(np.uint32)
        samples = ", ".join(f"0x{bits[i * len(bits) // SAMPLES]:08x}" for i in range(SAMPLES))
        print(f"{{{int(kind)}, {seed}, {{{samples}}}, 0x{fnv1a(values.tobytes()):016x}ull}},  // {kind.name}")


if __name__ == "__main__":
    main()
