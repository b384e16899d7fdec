"""Writes the header of a full-size DeepSeek V4 Flash file: metadata, vocabulary, tensor directory, but no data."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

N_LAYER, N_EMBD, N_VOCAB, N_HEAD, HEAD_DIM, N_GROUP, RANK = 43, 4096, 129280, 64, 512, 8, 1024
N_EXPERT, N_USED, N_FF, N_HASH, IDX_HEAD, IDX_DIM, N_STREAM = 256, 6, 2048, 3, 64, 128, 4
N_MIX = N_STREAM * (2 + N_STREAM)
RATIOS = [0 if layer < 2 else 128 if layer % 2 else 4 for layer in range(N_LAYER)]
ALIGNMENT = 32

# ggml type ids -> (elements, bytes) of a block
F32, F16, Q8_0, Q2_K, IQ2_XXS, I32 = 0, 1, 8, 10, 16, 26
_BLOCKS = {F32: (1, 4), F16: (1, 2), Q8_0: (32, 34), Q2_K: (256, 84), IQ2_XXS: (256, 66), I32: (1, 4)}
# value types
_U32, _FLOAT, _BOOL, _STRING, _ARRAY = 4, 6, 7, 8, 9

_UINTS = {
    "block_count": N_LAYER,
    "context_length": 1048576,
    "embedding_length": N_EMBD,
    "vocab_size": N_VOCAB,
    "attention.head_count": N_HEAD,
    "attention.head_count_kv": 1,
    "attention.key_length": HEAD_DIM,
    "attention.value_length": HEAD_DIM,
    "rope.dimension_count": 64,
    "attention.q_lora_rank": RANK,
    "attention.output_lora_rank": RANK,
    "attention.output_group_count": N_GROUP,
    "expert_count": N_EXPERT,
    "expert_used_count": N_USED,
    "expert_feed_forward_length": N_FF,
    "expert_shared_count": 1,
    "hash_layer_count": N_HASH,
    "expert_gating_func": 4,
    "attention.sliding_window": 128,
    "attention.indexer.head_count": IDX_HEAD,
    "attention.indexer.key_length": IDX_DIM,
    "attention.indexer.top_k": 512,
    "hyper_connection.count": N_STREAM,
    "hyper_connection.sinkhorn_iterations": 20,
    "rope.scaling.original_context_length": 65536,
}
_FLOATS = {
    "hyper_connection.epsilon": 1e-6,
    "rope.freq_base": 10000.0,
    "rope.scaling.factor": 16.0,
    "rope.scaling.yarn_beta_fast": 32.0,
    "rope.scaling.yarn_beta_slow": 1.0,
    "attention.compress_rope_freq_base": 160000.0,
    "expert_weights_scale": 1.5,
    "attention.layer_norm_rms_epsilon": 1e-6,
}

Tensor = tuple[str, int, tuple[int, ...]]


def _text(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


def _compressor(name: str, lanes: int, dim: int, ratio: int) -> Iterator[Tensor]:
    yield f"{name}_kv.weight", F16, (N_EMBD, lanes * dim)
    yield f"{name}_gate.weight", F16, (N_EMBD, lanes * dim)
    yield f"{name}_ape.weight", F16, (lanes * dim, ratio)
    yield f"{name}_norm.weight", F32, (dim,)


def _layer(layer: int) -> Iterator[Tensor]:
    for part in ("attn", "ffn"):
        yield f"hc_{part}_fn.weight", F16, (N_STREAM * N_EMBD, N_MIX)
        yield f"hc_{part}_base.weight", F32, (N_MIX,)
        yield f"hc_{part}_scale.weight", F32, (3,)
        yield f"{part}_norm.weight", F32, (N_EMBD,)
    yield "attn_q_a.weight", Q8_0, (N_EMBD, RANK)
    yield "attn_q_a_norm.weight", F32, (RANK,)
    yield "attn_q_b.weight", Q8_0, (RANK, N_HEAD * HEAD_DIM)
    yield "attn_kv.weight", Q8_0, (N_EMBD, HEAD_DIM)
    yield "attn_kv_a_norm.weight", F32, (HEAD_DIM,)
    yield "attn_sinks.weight", F32, (N_HEAD,)
    yield "attn_output_a.weight", Q8_0, (N_HEAD // N_GROUP * HEAD_DIM, N_GROUP * RANK)
    yield "attn_output_b.weight", Q8_0, (N_GROUP * RANK, N_EMBD)
    ratio = RATIOS[layer]
    lanes = 2 if ratio == 4 else 1
    if ratio:
        yield from _compressor("attn_compressor", lanes, HEAD_DIM, ratio)
    if ratio == 4:
        yield "indexer.attn_q_b.weight", F16, (RANK, IDX_HEAD * IDX_DIM)
        yield "indexer.proj.weight", F16, (N_EMBD, IDX_HEAD)
        yield from _compressor("indexer_compressor", lanes, IDX_DIM, ratio)
    yield "ffn_gate_inp.weight", F16, (N_EMBD, N_EXPERT)
    if layer < N_HASH:
        yield "ffn_gate_tid2eid.weight", I32, (N_USED, N_VOCAB)
    else:
        yield "exp_probs_b.bias", F32, (N_EXPERT,)
    yield "ffn_gate_exps.weight", IQ2_XXS, (N_EMBD, N_FF, N_EXPERT)
    yield "ffn_up_exps.weight", IQ2_XXS, (N_EMBD, N_FF, N_EXPERT)
    yield "ffn_down_exps.weight", Q2_K, (N_FF, N_EMBD, N_EXPERT)
    yield "ffn_gate_shexp.weight", Q8_0, (N_EMBD, N_FF)
    yield "ffn_up_shexp.weight", Q8_0, (N_EMBD, N_FF)
    yield "ffn_down_shexp.weight", Q8_0, (N_FF, N_EMBD)


def tensors() -> Iterator[Tensor]:
    """Name, type id and dims of every tensor, dims[0] contiguous."""
    yield "token_embd.weight", F16, (N_EMBD, N_VOCAB)
    for layer in range(N_LAYER):
        for name, kind, dims in _layer(layer):
            yield f"blk.{layer}.{name}", kind, dims
    yield "output_hc_fn.weight", F16, (N_STREAM * N_EMBD, N_STREAM)
    yield "output_hc_base.weight", F32, (N_STREAM,)
    yield "output_hc_scale.weight", F32, (1,)
    yield "output_norm.weight", F32, (N_EMBD,)
    yield "output.weight", Q8_0, (N_EMBD, N_VOCAB)


def size(kind: int, dims: tuple[int, ...]) -> tuple[int, int]:
    """(elements, bytes) of a tensor."""
    elements = 1
    for dim in dims:
        elements *= dim
    per_block, block_bytes = _BLOCKS[kind]
    return elements, elements // per_block * block_bytes


def _byte_alphabet() -> list[str]:
    # The 256 characters that stand for bytes in a byte-level BPE vocabulary: printable ones for themselves.
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) if byte in printable else chr(256 + other.index(byte)) for byte in range(256)]


def _metadata() -> list[bytes]:
    def entry(key: str, kind: int, value: bytes) -> bytes:
        return _text(key) + struct.pack("<I", kind) + value

    tokens = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>", *_byte_alphabet()]
    tokens += [f"<fill_{i}>" for i in range(len(tokens), N_VOCAB)]
    strings = struct.pack("<IQ", _STRING, len(tokens)) + b"".join(map(_text, tokens))
    ratios = struct.pack(f"<IQ{N_LAYER}I", _U32, N_LAYER, *RATIOS)
    return [
        entry("general.architecture", _STRING, _text("deepseek4")),
        entry("general.name", _STRING, _text("header of Flash")),
        *(entry(f"deepseek4.{key}", _U32, struct.pack("<I", value)) for key, value in _UINTS.items()),
        *(entry(f"deepseek4.{key}", _FLOAT, struct.pack("<f", value)) for key, value in _FLOATS.items()),
        entry("deepseek4.expert_weights_norm", _BOOL, b"\1"),
        entry("deepseek4.rope.scaling.type", _STRING, _text("yarn")),
        entry("deepseek4.swiglu_clamp_exp", _FLOAT, struct.pack("<f", 10.0)),
        entry("deepseek4.attention.compress_ratios", _ARRAY, ratios),
        entry("tokenizer.ggml.tokens", _ARRAY, strings),
        entry("tokenizer.ggml.merges", _ARRAY, struct.pack("<IQ", _STRING, 0)),
    ]


def write(path: Path) -> tuple[int, int]:
    """Writes the file, about 3 MB. Returns (elements, bytes) of all tensors that it describes."""
    metadata = _metadata()
    directory: list[bytes] = []
    offset = all_elements = all_bytes = 0
    for name, kind, dims in tensors():
        elements, n_bytes = size(kind, dims)
        directory.append(
            _text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)  # offset within the data
        )
        offset += (n_bytes + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        all_elements += elements
        all_bytes += n_bytes
    header = b"GGUF" + struct.pack("<IQQ", 3, len(directory), len(metadata)) + b"".join(metadata + directory)
    path.write_bytes(header)
    return all_elements, all_bytes
