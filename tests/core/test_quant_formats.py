"""The quantised formats through the C API: dequantising against the gguf package, matrix products against float64.

The bound of a matrix product with quantised activations is derived, not tuned: an activation is off by at most half a
step of its block, so a dot product by at most the sum of |w| times half a step, plus float rounding.
"""

from __future__ import annotations

import numpy as np
import pytest

gguf = pytest.importorskip("gguf")

from ds4_core import native  # noqa: E402

ISA_NAMES = {1: "portable", 2: "avx2", 3: "avx512", 4: "neon"}
ERR_ARGUMENT = 1
ERR_UNSUPPORTED = 5
# Elements that share an activation scale, for the types whose kernels quantise activations.
ACT_BLOCK = {"Q8_0": 32, "MXFP4": 32, "Q2_K": 256, "Q4_K": 256, "IQ2_XXS": 256}
# Offsets of the half scales in a block; other types have one at offset 0, or none.
HALF_SCALES = {
    "F32": (),
    "F16": (0,),
    "BF16": (),
    "MXFP4": (),
    "IQ1_M": (),
    "Q4_1": (0, 2),
    "Q5_1": (0, 2),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q6_K": (208,),
    "TQ1_0": (52,),
    "TQ2_0": (64,),
}


def _supported_types() -> list[tuple[int, str, int, int]]:
    """Returns (id, name, elements, bytes) of every type the library dequantises."""
    loaded = native.load()
    ffi, lib = loaded.ffi, loaded.lib
    out = []
    for index in range(lib.ds4x_quant_count()):
        kind = lib.ds4x_quant_type(index)
        name, elements, size = ffi.new("char **"), ffi.new("uint32_t *"), ffi.new("uint32_t *")
        assert lib.ds4x_quant_block(kind, name, elements, size) == 0
        out.append((kind, ffi.string(name[0]).decode(), elements[0], size[0]))
    return out


TYPES = _supported_types()
each_type = pytest.mark.parametrize("kind", TYPES, ids=[t[1] for t in TYPES])


def _available_isas() -> list[int]:
    """Returns the kernel sets this build and processor can run, found by multiplying a single number."""
    loaded = native.load()
    ffi, lib = loaded.ffi, loaded.lib
    one = np.ones(1, np.float32)
    out = np.zeros(1, np.float32)
    pointer = ffi.cast("float *", one.ctypes.data)
    result = ffi.cast("float *", out.ctypes.data)
    return [i for i in ISA_NAMES if lib.ds4x_matmul(i, 0, pointer, 1, 1, pointer, 1, 1, result, ffi.NULL) == 0]


ISAS = _available_isas()
each_isa = pytest.mark.parametrize("isa", ISAS, ids=[ISA_NAMES[i] for i in ISAS])


def _random_blocks(rng: np.random.Generator, name: str, n_blocks: int, size: int) -> np.ndarray:
    """Returns uint8 [n_blocks, size]: random fields, scales between 2^-7 and 2^-3 with either sign."""
    raw = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
    scales = np.ldexp(rng.uniform(1, 2, (n_blocks, 2)), rng.integers(-7, -3, (n_blocks, 2)))
    halves = (scales * rng.choice([-1.0, 1.0], (n_blocks, 2))).astype("<f2")
    for i, offset in enumerate(HALF_SCALES.get(name, (0,))):
        raw[:, offset : offset + 2] = halves[:, i : i + 1].view(np.uint8)
    if name == "F32":
        raw[:] = rng.standard_normal((n_blocks, 1)).astype("<f4").view(np.uint8)
    elif name == "BF16":
        raw[:] = rng.standard_normal((n_blocks, 1)).astype("<f4").view(np.uint8)[:, 2:]
    elif name == "MXFP4":
        raw[:, 0] = rng.integers(120, 128, n_blocks)
    elif name == "IQ1_M":  # the half is cut into the top four bits of four words
        bits = halves[:, 0].view("<u2")
        for k in range(4):
            raw[:, 49 + 2 * k] = (raw[:, 49 + 2 * k] & 15) | ((bits >> (4 * k)) << 4).astype(np.uint8)
    return raw


def _reference(kind: int, name: str, raw: np.ndarray) -> np.ndarray:
    """Returns float32 [n]: what the gguf package makes of the blocks."""
    flat = np.ascontiguousarray(raw).reshape(-1)
    if name in ("F32", "F16"):
        return flat.view("<f4" if name == "F32" else "<f2").astype(np.float32)
    try:
        with np.errstate(all="ignore"):
            return gguf.quants.dequantize(flat.reshape(1, -1), gguf.GGMLQuantizationType(kind)).ravel()
    except (NotImplementedError, ValueError):
        pytest.skip(f"this gguf package does not dequantise {name}")


def _dequantize(kind: int, raw: np.ndarray, n: int) -> np.ndarray:
    loaded = native.load()
    flat = np.ascontiguousarray(raw).reshape(-1)
    out = np.empty(n, np.float32)
    err = loaded.ffi.new("ds4x_error *")
    code = loaded.lib.ds4x_dequantize(
        kind,
        loaded.ffi.cast("void *", flat.ctypes.data),
        n,
        loaded.ffi.cast("float *", out.ctypes.data),
        err,
    )
    assert code == 0, loaded.ffi.string(err.message)
    return out


def _matmul(isa: int, kind: int, raw: np.ndarray, n_rows: int, x: np.ndarray, exact: bool) -> np.ndarray:
    """Returns float32 [n_tokens, n_rows]."""
    loaded = native.load()
    flat = np.ascontiguousarray(raw).reshape(-1)
    x = np.ascontiguousarray(x, np.float32)
    out = np.full((x.shape[0], n_rows), np.nan, np.float32)
    err = loaded.ffi.new("ds4x_error *")
    code = loaded.lib.ds4x_matmul(
        isa,
        kind,
        loaded.ffi.cast("void *", flat.ctypes.data),
        n_rows,
        x.shape[1],
        loaded.ffi.cast("float *", x.ctypes.data),
        x.shape[0],
        int(exact),
        loaded.ffi.cast("float *", out.ctypes.data),
        err,
    )
    assert code == 0, loaded.ffi.string(err.message)
    return out


def test_the_formats_of_the_released_models_are_supported() -> None:
    names = {t[1] for t in TYPES}
    assert {"F32", "F16", "BF16", "Q8_0", "Q2_K", "Q4_K", "IQ2_XXS", "MXFP4"} <= names
    assert len(names) == len(TYPES)


@each_type
def test_block_size_agrees_with_the_gguf_package(kind: tuple[int, str, int, int]) -> None:
    type_id, name, elements, size = kind
    assert gguf.GGMLQuantizationType(type_id).name == name
    assert gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType(type_id)] == (elements, size)


@each_type
def test_dequantize_matches_the_gguf_package_bit_for_bit(kind: tuple[int, str, int, int]) -> None:
    type_id, name, elements, size = kind
    rng = np.random.default_rng(type_id)
    n_blocks = 512 if elements > 1 else 16384
    # Also scales that are infinite, subnormal or no number.
    raw = rng.integers(0, 256, (n_blocks, size), dtype=np.uint8)
    ours = _dequantize(type_id, raw, n_blocks * elements)
    theirs = _reference(type_id, name, raw)
    no_number = np.isnan(theirs)
    assert np.array_equal(np.isnan(ours), no_number)
    assert np.array_equal(ours.view(np.uint32)[~no_number], theirs.view(np.uint32)[~no_number])
    assert (~no_number).sum() > 0.8 * len(theirs)


@each_isa
@each_type
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "fast"])
@pytest.mark.parametrize(("n_rows", "n_tokens"), [(19, 1), (35, 7)])
def test_matmul_is_within_the_derived_bound_of_float64(
    isa: int, kind: tuple[int, str, int, int], exact: bool, n_rows: int, n_tokens: int
) -> None:
    type_id, name, elements, size = kind
    rng = np.random.default_rng([type_id, n_rows])
    n_in = 768
    raw = _random_blocks(rng, name, n_rows * n_in // elements, size)
    weights = _dequantize(type_id, raw, n_rows * n_in).reshape(n_rows, n_in).astype(np.float64)
    x = rng.standard_normal((n_tokens, n_in)).astype(np.float32)
    got = _matmul(isa, type_id, raw, n_rows, x, exact)

    bound = 6e-8 * (n_in / 16 + 24) * (np.abs(x).astype(np.float64) @ np.abs(weights).T)
    block = None if exact else ACT_BLOCK.get(name)
    if block:
        steps = np.abs(x).reshape(n_tokens, -1, block).max(-1).astype(np.float64) / 127
        half_steps = np.repeat(steps / 2, block, axis=1)
        # The minimums of K blocks cancel against the rest: their float rounding counts up to sixteen half steps.
        bound += (1.0001 + 16 * 6e-8 * (n_in / 16 + 24)) * (half_steps @ np.abs(weights).T)
    assert np.all(np.abs(got - x.astype(np.float64) @ weights.T) <= bound)


@each_isa
@each_type
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "fast"])
def test_matmul_of_one_token_has_the_bits_of_the_same_token_in_a_batch(
    isa: int, kind: tuple[int, str, int, int], exact: bool
) -> None:
    type_id, name, elements, size = kind
    rng = np.random.default_rng(type_id)
    n_in, n_rows, n_tokens = 512, 21, 9
    raw = _random_blocks(rng, name, n_rows * n_in // elements, size)
    x = rng.standard_normal((n_tokens, n_in)).astype(np.float32)
    batch = _matmul(isa, type_id, raw, n_rows, x, exact)
    alone = np.concatenate([_matmul(isa, type_id, raw, n_rows, x[t : t + 1], exact) for t in range(n_tokens)])
    assert np.array_equal(batch.view(np.uint32), alone.view(np.uint32))


def test_types_without_a_dequantiser_are_refused() -> None:
    loaded = native.load()
    buffer = loaded.ffi.new("float[256]")
    err = loaded.ffi.new("ds4x_error *")
    for kind in (24, 26, 28, 9, 15, 99, -1):  # I8, I32, F64, Q8_1, Q8_K and no types at all
        assert loaded.lib.ds4x_dequantize(kind, buffer, 256, buffer, err) == ERR_UNSUPPORTED
        assert loaded.lib.ds4x_matmul(1, kind, buffer, 1, 256, buffer, 1, 0, buffer, err) == ERR_UNSUPPORTED


def test_a_length_that_cuts_a_block_is_refused() -> None:
    loaded = native.load()
    buffer = loaded.ffi.new("float[256]")
    err = loaded.ffi.new("ds4x_error *")
    assert loaded.lib.ds4x_dequantize(8, buffer, 33, buffer, err) == ERR_ARGUMENT
    assert loaded.lib.ds4x_matmul(1, 8, buffer, 1, 33, buffer, 1, 0, buffer, err) == ERR_ARGUMENT


def test_the_portable_kernels_are_always_there() -> None:
    assert 1 in ISAS
