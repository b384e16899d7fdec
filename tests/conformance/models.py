"""Tiny random DeepSeek V4 models: shapes, weights made from a seed, and writers of GGUF files.

Nothing here is stored: weights are a pure function of (shape, seed), the same on every machine and numpy version,
because they are built from the raw 64-bit stream of PCG64 (which numpy promises never to change) with exact arithmetic.

    python -m tests.conformance.models --preset tiny --type q8_0 --out tiny-q8_0.gguf
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT

from training.gguf_layout import (
    CONTROL,
    CSA,
    HCA,
    NORMAL,
    SLIDING,
    USER_DEFINED,
    Array,
    ModelShape,
    TensorSpec,
    Vocabulary,
    Yarn,
    encode,
    tensors,
    write,
)

S, C, H = SLIDING, CSA, HCA


def _config(kinds: tuple[str, ...], csa: int, hca: int, **sizes: Any) -> ModelShape:
    """A conformance config: width 64, 6 layers, 512 tokens, 8 experts; `sizes` override."""
    ratio = {S: 0, C: csa, H: hca}
    base: dict[str, Any] = dict(
        kinds=kinds,
        ratios=tuple(ratio[k] for k in kinds),
        n_embd=64,
        n_vocab=512,
        n_head=8,
        head_dim=32,
        n_rot=8,
        q_rank=24,
        n_group=4,
        o_rank=12,
        n_window=16,
        idx_head=16,
        idx_dim=24,
        idx_top_k=8,
        n_expert=8,
        n_expert_used=3,
        n_ff=48,
        n_hash=3,
        yarn=Yarn(16.0, 4096),
    )
    return ModelShape(**{**base, **sizes})


CONFIGS: dict[str, ModelShape] = {
    # Every layer kind with every router kind; short HCA blocks, so that 300 tokens cross many.
    "A": _config((S, S, C, H, C, H), 4, 32),
    # Ratios of the released model, HCA first, a clamp small enough to bind, no YaRN.
    "B": _config((H, H, C, H, C, S), 4, 128, idx_top_k=16, clamp=0.25, yarn=None),
    # Window 128, more rotated channels, a top-k that prunes late.
    "C": _config((S, S, C, H, C, H), 4, 128, n_rot=16, n_window=128, idx_top_k=40, clamp=1.0),
    # Sharp hyper-connections: 20 Sinkhorn rounds do not converge, so count, order, axis and epsilon all show.
    "D": _config((S, C, H, C, H, S), 4, 16, n_window=8, idx_top_k=5, n_hash=1, clamp=0.5, hc_eps=1e-3, rms_eps=1e-3),
    # Head geometry of the released model: the one config where the KV simulation is defined.
    "E": _config(
        (S, S, C, H, C, H),
        4,
        128,
        head_dim=512,
        n_rot=64,
        idx_head=64,
        idx_dim=128,
        n_window=128,
        idx_top_k=16,
        yarn=Yarn(16.0, 65536),
    ),
}
SHARP = {"D": 6.0}  # factor on the hyper-connection biases

_TINY = ModelShape(
    kinds=(S, H, C, H, C, S),
    ratios=(0, 128, 4, 128, 4, 0),
    n_embd=128,
    n_vocab=1536,
    n_head=4,
    head_dim=128,
    n_rot=32,
    q_rank=64,
    n_group=2,
    o_rank=32,
    n_window=64,
    idx_head=16,
    idx_dim=64,
    idx_top_k=16,
    n_expert=8,
    n_expert_used=2,
    n_ff=64,
    n_hash=3,
    clamp=2.0,
    yarn=Yarn(16.0, 256),
    n_context=4096,
)
PRESETS: dict[str, ModelShape] = {
    # Small enough that every operation is overhead; also loads in llama.cpp.
    "tiny": _TINY,
    # Every row is a multiple of 256, so the K types fit everywhere.
    "k256": replace(
        _TINY,
        n_embd=256,
        n_head=8,
        head_dim=256,
        n_rot=64,
        q_rank=256,
        o_rank=128,
        n_ff=256,
        n_expert=16,
        n_expert_used=4,
        idx_dim=128,
        idx_top_k=32,
        n_window=128,
    ),
    # The layer schedule and the attention and indexer shapes of the released model at small width.
    "flashlike": replace(
        _TINY,
        kinds=(S, S, C, H, C, H, C, H),
        ratios=(0, 0, 4, 128, 4, 128, 4, 128),
        n_embd=512,
        n_head=16,
        head_dim=512,
        n_rot=64,
        q_rank=256,
        n_group=4,
        o_rank=128,
        n_ff=256,
        n_expert=32,
        n_expert_used=6,
        idx_head=32,
        idx_dim=128,
        idx_top_k=64,
        n_window=128,
        clamp=10.0,
        yarn=Yarn(16.0, 65536),
        n_context=1048576,
    ),
}

Weights = dict[str, Array]  # GGUF name -> float32 values (int32 for ids), row-major


def shape_of(name: str) -> ModelShape:
    """The shape of a config (A-E) or preset."""
    return CONFIGS[name] if name in CONFIGS else PRESETS[name]


# --------------------------------------------------------------------------------------------------------- random


def _raw(seed: int, label: str, n: int) -> Array:
    """n raw 64-bit values that depend on the seed and the label alone."""
    stream: Array = np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(label.encode())])).random_raw(n)
    return stream


def gaussian(seed: int, label: str, shape: tuple[int, ...], std: float = 1.0, mean: float = 0.0) -> Array:
    """Near-normal float32 values: centred sums of the four 16-bit parts of raw values, exact integers until the end."""
    n = int(np.prod(shape))
    parts = _raw(seed, label, n).view(np.uint16).reshape(n, 4).astype(np.int64)
    unit = 1.0 / np.sqrt(4 * (65536.0**2 - 1) / 12)
    values = (2 * parts.sum(1) - 4 * 65535).astype(np.float64) * (0.5 * unit * std) + mean
    return values.astype(np.float32).reshape(shape)


def token_ids(n: int, n_vocab: int, seed: int = 0) -> list[int]:
    """n token ids; a longer sequence of the same seed begins with a shorter one."""
    return [int(v) for v in _raw(seed, "tokens", n) % np.uint64(n_vocab)]


def _values(spec: TensorSpec, seed: int, shape: ModelShape, sharp: float) -> Array:
    name, dims = spec.name, spec.shape
    if spec.role == "ids":  # distinct experts per token
        order: Array = np.argsort(
            _raw(seed, name, dims[0] * shape.n_expert).reshape(dims[0], -1), axis=1, kind="stable"
        )
        return order[:, : dims[1]].astype(np.int32)
    if spec.role == "norm":
        return gaussian(seed, name, dims, 0.2, 1.0)
    if spec.role == "ape":
        return gaussian(seed, name, dims, 0.7)
    if spec.role == "hc":
        return gaussian(seed, name, dims, dims[-1] ** -0.5)
    if spec.role == "embedding":
        return gaussian(seed, name, dims)
    if spec.role == "vector":
        if name.endswith("_base.weight"):
            return gaussian(seed, name, dims, 0.8 * sharp)
        if name.endswith("_scale.weight"):
            return gaussian(seed, name, dims, 0.3, 1.0)
        return gaussian(seed, name, dims, 0.3 if name.endswith("exp_probs_b.bias") else 1.0)
    return gaussian(seed, name, dims, 1.5 * dims[-1] ** -0.5)


def make_weights(name: str, seed: int) -> Weights:
    """Every tensor of a config or preset."""
    shape = shape_of(name)
    return {spec.name: _values(spec, seed, shape, SHARP.get(name, 1.0)) for spec in tensors(shape)}


# ---------------------------------------------------------------------------------------------------------- types


@dataclass(frozen=True)
class BlockScale:
    """Where a block type keeps its f16 scales, so that random bytes become sane blocks."""

    scale: int  # byte offset of the scale
    minimum: int | None = None  # byte offset of the scale of the minimum, if there is one
    ratio: float = 0.0  # minimum scale / scale that centres the values


# Types that the gguf package can read but not make.
RANDOM_BLOCKS = {
    QT.Q2_K: BlockScale(80, 82, 1.5),
    QT.Q3_K: BlockScale(108),
    QT.Q4_K: BlockScale(0, 2, 7.5),
    QT.Q5_K: BlockScale(0, 2, 15.5),
    QT.Q6_K: BlockScale(208),
    QT.IQ2_XXS: BlockScale(0),
}


def random_blocks(seed: int, label: str, rows: tuple[int, ...], qtype: QT, std: float) -> Array:
    """Blocks of random bytes whose values have about this standard deviation. Result: uint8 [..., row bytes]."""
    n_elements, n_bytes = gguf.GGML_QUANT_SIZES[qtype]
    n_blocks = int(np.prod(rows)) // n_elements
    raw = _raw(seed, label, (n_blocks * n_bytes + 7) // 8).view(np.uint8)[: n_blocks * n_bytes]
    blocks = raw.reshape(n_blocks, n_bytes).copy()
    layout = RANDOM_BLOCKS[qtype]

    def set_scale(value: float) -> None:
        blocks[:, layout.scale : layout.scale + 2] = np.array([value], np.float16).view(np.uint8)
        if layout.minimum is not None:
            low = np.array([value * layout.ratio], np.float16).view(np.uint8)
            blocks[:, layout.minimum : layout.minimum + 2] = low

    set_scale(1.0 / 64)
    probe = gguf.quants.dequantize(blocks[: min(n_blocks, 64)], qtype)
    set_scale(std / 64 / float(probe.std()))
    return blocks.reshape(*rows[:-1], rows[-1] // n_elements * n_bytes)


# File layouts. "ds4-q2" and "ds4-q4" are those of ds4's published files, "mxfp4" is what llama.cpp's converter writes
# for the released checkpoint; any other name gives every matrix that type.
_PUBLISHED = {
    "dense": QT.Q8_0,
    "embedding": QT.F16,
    "compressor": QT.F16,
    "indexer": QT.F16,
    "router": QT.F16,
    "hc": QT.F16,
    "ape": QT.F16,
}
LAYOUTS: dict[str, dict[str, QT]] = {
    "f32": {},
    "ds4-q2": {**_PUBLISHED, "expert": QT.IQ2_XXS},  # the down matrices are Q2_K
    "ds4-q4": {**_PUBLISHED, "expert": QT.Q4_K},
    "mxfp4": {
        "dense": QT.Q8_0,
        "expert": QT.MXFP4,
        "embedding": QT.BF16,
        "compressor": QT.BF16,
        "indexer": QT.BF16,
        "router": QT.BF16,
    },
}
MATRICES = ("dense", "expert", "embedding", "compressor", "indexer")


def qtype_for(spec: TensorSpec, layout: str) -> QT:
    """The type of a tensor in a layout; F32 where its rows do not fit the type's blocks."""
    if spec.role == "ids":
        return QT.I32
    if layout in LAYOUTS:
        qtype = LAYOUTS[layout].get(spec.role, QT.F32)
        if layout == "ds4-q2" and "ffn_down_exps" in spec.name:
            qtype = QT.Q2_K
    else:
        qtype = QT[layout.upper()] if spec.role in MATRICES else QT.F32
    return QT.F32 if spec.shape[-1] % gguf.GGML_QUANT_SIZES[qtype][0] else qtype


def encoded(name: str, seed: int, layout: str) -> tuple[Weights, dict[str, QT]]:
    """The bytes and the type of every tensor of a file."""
    weights = make_weights(name, seed)
    specs = list(tensors(shape_of(name)))
    types = {s.name: qtype_for(s, layout) for s in specs}
    data = {}
    for s in specs:
        qtype = types[s.name]
        if qtype in RANDOM_BLOCKS:
            data[s.name] = random_blocks(seed, s.name, s.shape, qtype, 1.5 * s.shape[-1] ** -0.5)
        else:
            data[s.name] = encode(weights[s.name], qtype)
    return data, types


def int8_blocks(types: Mapping[str, QT]) -> dict[str, int]:
    """Tensor name -> block size of the int8 activations that fast mode multiplies it with."""
    sizes = {QT.Q8_0: 32, QT.MXFP4: 32, QT.Q2_K: 256, QT.Q4_K: 256, QT.IQ2_XXS: 256}
    return {name: sizes[t] for name, t in types.items() if t in sizes}


def dequantized(name: str, data: Mapping[str, Array], types: Mapping[str, QT]) -> Weights:
    """Float32 values of encoded tensors, by the gguf package."""
    out = {}
    for s in tensors(shape_of(name)):
        blocks, qtype = data[s.name], types[s.name]
        if qtype in (QT.F32, QT.F16):
            out[s.name] = blocks.astype(np.float32)
        elif qtype == QT.I32:
            out[s.name] = blocks
        else:
            out[s.name] = gguf.quants.dequantize(blocks, qtype).astype(np.float32).reshape(s.shape)
    return out


# -------------------------------------------------------------------------------------------------------- writing


def byte_symbols() -> list[str]:
    """The 256 characters that stand for bytes in a byte-level BPE vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = iter(range(256, 256 + 68))
    return [chr(b) if b in plain else chr(next(rest)) for b in range(256)]


HEAD = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>")
TAIL = ("<｜User｜>", "<｜Assistant｜>")
TAIL_TEXT = ("<think>", "</think>", "｜DSML｜")  # found in text too, as in the released vocabulary


def make_vocabulary(n_vocab: int, seed: int = 0) -> Vocabulary:
    """A valid byte-level BPE vocabulary: all bytes, random merges of letters, the protocol's tokens.

    Raises:
        ValueError: n_vocab is too small for the bytes and the protocol's tokens.
    """
    n_merges = n_vocab - 256 - len(HEAD) - len(TAIL) - len(TAIL_TEXT)
    if n_merges < 0:
        raise ValueError(f"a vocabulary of {n_vocab} tokens has no room for 256 bytes and the protocol's tokens")
    symbols = byte_symbols()
    words = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    known: set[str] = set(symbols)
    merges: list[str] = []
    for value in _raw(seed, "merges", 64 * n_merges + 64):
        if len(merges) == n_merges:
            break
        left = symbols[32] if value % 8 == 0 else words[int(value >> 3) % len(words)]
        right = words[int(value >> 32) % len(words)]
        if left + right not in known and len(left + right) <= 8:
            known.add(left + right)
            merges.append(f"{left} {right}")
            if not left.startswith(symbols[32]):
                words.append(left + right)
    tokens = [*HEAD, *symbols, *(m.replace(" ", "") for m in merges), *TAIL, *TAIL_TEXT]
    types = [CONTROL] * 3 + [NORMAL] * (256 + n_merges) + [CONTROL] * len(TAIL) + [USER_DEFINED] * len(TAIL_TEXT)
    return Vocabulary(tokens, types, merges, bos=0, eos=1, pad=2, add_bos=False)


def write_gguf(name: str, seed: int, path: Path, *, quant: str | None = None, dequantize: bool = False) -> Path:
    """Writes the model `name` (A-E or a preset).

    Args:
        quant: None or "f32"; a layout of LAYOUTS; or a ggml type for every matrix whose rows fit it ("q8_0", "q4_k").
        dequantize: Write the values of that layout as F32: the exact oracle of a quantised file.

    Returns:
        `path`.
    """
    layout = quant or "f32"
    data, types = encoded(name, seed, layout)
    if dequantize:
        data = dequantized(name, data, types)
        types = {k: t if t == QT.I32 else QT.F32 for k, t in types.items()}
    shape = shape_of(name)
    write(path, shape, data, types, make_vocabulary(shape.n_vocab), name=f"{name}-{layout}-seed{seed}")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", choices=[*PRESETS, *CONFIGS])
    parser.add_argument("--type", default="q8_0", help="f32, mxfp4, ds4-q2, ds4-q4 or a ggml type name")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    write_gguf(args.preset, args.seed, args.out, quant=args.type)
    print(f"{args.out}  {args.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
