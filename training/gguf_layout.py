"""The layout of a DeepSeek V4 GGUF for writers: sizes, tensor names, metadata keys and the type of each tensor.

Names and keys are the ones ds4's published files and llama.cpp's `deepseek4` loader share, so one file serves both.
The converter of the embedded model and the writers of tiny random models all go through here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT

ARCH = "deepseek4"
SLIDING, CSA, HCA = "sliding", "csa", "hca"
Array = np.ndarray[Any, np.dtype[Any]]

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4  # tokenizer.ggml.token_type


@dataclass(frozen=True)
class Yarn:
    """YaRN of the compressed layers' RoPE."""

    factor: float
    n_context: int  # the context the unscaled frequencies were made for
    beta_fast: float = 32.0
    beta_slow: float = 1.0


@dataclass(frozen=True)
class ModelShape:
    """Every size and constant of a model. Field names are the engine's; widths are in elements."""

    kinds: tuple[str, ...]  # [n_layer] SLIDING, CSA or HCA
    ratios: tuple[int, ...]  # [n_layer] tokens per compressed row, 0 for SLIDING
    n_embd: int
    n_vocab: int
    n_head: int
    head_dim: int
    n_rot: int  # rotated channels, the last ones of a head
    q_rank: int
    n_group: int
    o_rank: int  # per group
    n_window: int
    idx_head: int
    idx_dim: int
    idx_top_k: int
    n_expert: int
    n_expert_used: int
    n_ff: int
    n_hash: int  # layers routed by token id, the first ones
    clamp: float = 10.0
    expert_scale: float = 1.5
    n_shared: int = 1
    n_stream: int = 4
    n_sinkhorn: int = 20
    hc_eps: float = 1e-6
    rms_eps: float = 1e-6
    theta: float = 10000.0
    theta_compressed: float = 160000.0
    yarn: Yarn | None = None
    n_context: int = 65536

    @property
    def n_layer(self) -> int:
        return len(self.kinds)

    @property
    def n_mix(self) -> int:
        """Hyper-connection mix values per position: pre, post and the stream matrix."""
        return self.n_stream * (2 + self.n_stream)

    def lanes(self, layer: int) -> int:
        return 2 if self.kinds[layer] == CSA else 1


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: GGUF name, shape in row-major order, and what it is to the model.

    role: "dense" (quantised in published files), "expert", "embedding", "compressor" and "indexer" (16 bit
    there), "router", "hc" (hyper-connection matrix), "ape" (position bias), "norm", "vector" or "ids" (int32).
    """

    name: str
    shape: tuple[int, ...]
    role: str


def tensors(s: ModelShape) -> Iterator[TensorSpec]:
    """Every tensor of a model of this shape, in file order."""
    yield TensorSpec("token_embd.weight", (s.n_vocab, s.n_embd), "embedding")
    yield TensorSpec("output_norm.weight", (s.n_embd,), "norm")
    yield TensorSpec("output.weight", (s.n_vocab, s.n_embd), "dense")
    yield TensorSpec("output_hc_fn.weight", (s.n_stream, s.n_stream * s.n_embd), "hc")
    yield TensorSpec("output_hc_base.weight", (s.n_stream,), "vector")
    yield TensorSpec("output_hc_scale.weight", (1,), "vector")
    for il in range(s.n_layer):
        for name, shape, role in _layer_tensors(s, il):
            yield TensorSpec(f"blk.{il}.{name}", shape, role)


def _layer_tensors(s: ModelShape, il: int) -> Iterator[tuple[str, tuple[int, ...], str]]:
    for part in ("attn", "ffn"):
        yield f"hc_{part}_fn.weight", (s.n_mix, s.n_stream * s.n_embd), "hc"
        yield f"hc_{part}_base.weight", (s.n_mix,), "vector"
        yield f"hc_{part}_scale.weight", (3,), "vector"
    yield "attn_norm.weight", (s.n_embd,), "norm"
    yield "attn_q_a.weight", (s.q_rank, s.n_embd), "dense"
    yield "attn_q_a_norm.weight", (s.q_rank,), "norm"
    yield "attn_q_b.weight", (s.n_head * s.head_dim, s.q_rank), "dense"
    yield "attn_kv.weight", (s.head_dim, s.n_embd), "dense"
    yield "attn_kv_a_norm.weight", (s.head_dim,), "norm"
    yield "attn_sinks.weight", (s.n_head,), "vector"
    yield "attn_output_a.weight", (s.n_group * s.o_rank, s.n_head * s.head_dim // s.n_group), "dense"
    yield "attn_output_b.weight", (s.n_embd, s.n_group * s.o_rank), "dense"
    if s.kinds[il] != SLIDING:
        yield from _compressor("attn_compressor", s.lanes(il) * s.head_dim, s.head_dim, s.ratios[il], s.n_embd)
    if s.kinds[il] == CSA:
        yield "indexer.attn_q_b.weight", (s.idx_head * s.idx_dim, s.q_rank), "indexer"
        yield "indexer.proj.weight", (s.idx_head, s.n_embd), "indexer"
        yield from _compressor("indexer_compressor", 2 * s.idx_dim, s.idx_dim, s.ratios[il], s.n_embd, "indexer")
    yield "ffn_norm.weight", (s.n_embd,), "norm"
    yield "ffn_gate_inp.weight", (s.n_expert, s.n_embd), "router"
    # A hash-routed layer must not carry a bias: loaders count tensors.
    if il < s.n_hash:
        yield "ffn_gate_tid2eid.weight", (s.n_vocab, s.n_expert_used), "ids"
    else:
        yield "exp_probs_b.bias", (s.n_expert,), "vector"
    yield "ffn_gate_exps.weight", (s.n_expert, s.n_ff, s.n_embd), "expert"
    yield "ffn_up_exps.weight", (s.n_expert, s.n_ff, s.n_embd), "expert"
    yield "ffn_down_exps.weight", (s.n_expert, s.n_embd, s.n_ff), "expert"
    yield "ffn_gate_shexp.weight", (s.n_shared * s.n_ff, s.n_embd), "dense"
    yield "ffn_up_shexp.weight", (s.n_shared * s.n_ff, s.n_embd), "dense"
    yield "ffn_down_shexp.weight", (s.n_embd, s.n_shared * s.n_ff), "dense"


def _compressor(
    prefix: str, width: int, dim: int, ratio: int, n_embd: int, role: str = "compressor"
) -> Iterator[tuple[str, tuple[int, ...], str]]:
    yield f"{prefix}_kv.weight", (width, n_embd), role
    yield f"{prefix}_gate.weight", (width, n_embd), role
    yield f"{prefix}_ape.weight", (ratio, width), "ape"
    yield f"{prefix}_norm.weight", (dim,), "norm"


def encode(values: Array, qtype: QT) -> Array:
    """Values as the bytes of one ggml type: float arrays for F32 and F16, uint8 blocks for the others.

    Raises:
        ValueError: rows whose length is not a multiple of the type's block.
    """
    if qtype == QT.I32:
        return np.ascontiguousarray(values, dtype=np.int32)
    if qtype == QT.F32:
        return np.ascontiguousarray(values, dtype=np.float32)
    if qtype == QT.F16:
        return np.ascontiguousarray(values, dtype=np.float16)
    block = gguf.GGML_QUANT_SIZES[qtype][0]
    if values.shape[-1] % block:
        raise ValueError(f"rows of {values.shape[-1]} values can not be {qtype.name}: its blocks hold {block}")
    blocks: Array = gguf.quants.quantize(np.ascontiguousarray(values, dtype=np.float32), qtype)
    return blocks


@dataclass
class Vocabulary:
    """A byte-level BPE vocabulary as GGUF stores it: index = token id."""

    tokens: Sequence[str]
    token_types: Sequence[int]
    merges: Sequence[str]
    bos: int
    eos: int
    pad: int
    pre: str = "joyai-llm"
    add_bos: bool = True


def write(
    path: Path,
    shape: ModelShape,
    data: Mapping[str, Array],
    types: Mapping[str, QT],
    vocabulary: Vocabulary | None,
    *,
    name: str,
    facts: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes one file.

    Args:
        path: The file; replaced if it exists.
        shape: Sizes and constants, written as metadata.
        data: Per tensor name, its encoded bytes as `encode` gives them (or blocks already quantised).
        types: Per tensor name, the ggml type of those bytes.
        vocabulary: None writes a file without a tokenizer (ids only).
        name: `general.name`.
        facts: More `general.*` strings, such as license or description.
    """
    writer = gguf.GGUFWriter(str(path), ARCH)
    _general(writer, name, facts, types)
    _sizes(writer, shape)
    _attention(writer, shape)
    _experts(writer, shape)
    if vocabulary is not None:
        _tokenizer(writer, vocabulary)
    for spec in tensors(shape):
        blocks, qtype = data[spec.name], types[spec.name]
        if qtype in (QT.F32, QT.F16, QT.I32):
            writer.add_tensor(spec.name, blocks)
        else:
            writer.add_tensor(spec.name, blocks, raw_dtype=qtype)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _general(w: gguf.GGUFWriter, name: str, facts: Mapping[str, str], types: Mapping[str, QT]) -> None:
    w.add_type("model")
    w.add_name(name)
    for key, value in facts.items():
        w.add_string(f"general.{key}", value)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    used = set(types.values()) - {QT.I32, QT.F32, QT.F16, QT.BF16}
    kinds = {
        QT.MXFP4: gguf.LlamaFileType.MOSTLY_MXFP4_MOE,
        QT.Q8_0: gguf.LlamaFileType.MOSTLY_Q8_0,
        QT.Q4_K: gguf.LlamaFileType.MOSTLY_Q4_K_S,
        QT.Q2_K: gguf.LlamaFileType.MOSTLY_Q2_K,
    }
    plain = gguf.LlamaFileType.MOSTLY_F16 if QT.F16 in types.values() else gguf.LlamaFileType.ALL_F32
    w.add_file_type(int(next((kinds[t] for t in kinds if t in used), plain)))


def _sizes(w: gguf.GGUFWriter, s: ModelShape) -> None:
    w.add_uint32(f"{ARCH}.vocab_size", s.n_vocab)
    w.add_uint32(f"{ARCH}.block_count", s.n_layer)
    w.add_uint32(f"{ARCH}.context_length", s.n_context)
    w.add_uint32(f"{ARCH}.embedding_length", s.n_embd)
    w.add_uint32(f"{ARCH}.hyper_connection.count", s.n_stream)
    w.add_uint32(f"{ARCH}.hyper_connection.sinkhorn_iterations", s.n_sinkhorn)
    w.add_float32(f"{ARCH}.hyper_connection.epsilon", s.hc_eps)


def _attention(w: gguf.GGUFWriter, s: ModelShape) -> None:
    a = f"{ARCH}.attention"
    w.add_uint32(f"{a}.head_count", s.n_head)
    w.add_uint32(f"{a}.head_count_kv", 1)
    w.add_uint32(f"{a}.key_length", s.head_dim)
    w.add_uint32(f"{a}.value_length", s.head_dim)
    w.add_float32(f"{a}.layer_norm_rms_epsilon", s.rms_eps)
    w.add_uint32(f"{a}.q_lora_rank", s.q_rank)
    w.add_uint32(f"{a}.output_lora_rank", s.o_rank)
    w.add_uint32(f"{a}.output_group_count", s.n_group)
    w.add_uint32(f"{a}.sliding_window", s.n_window)
    w.add_array(f"{a}.compress_ratios", [int(r) for r in s.ratios])
    w.add_float32(f"{a}.compress_rope_freq_base", s.theta_compressed)
    w.add_uint32(f"{a}.indexer.head_count", s.idx_head)
    w.add_uint32(f"{a}.indexer.key_length", s.idx_dim)
    w.add_uint32(f"{a}.indexer.top_k", s.idx_top_k)
    w.add_uint32(f"{ARCH}.rope.dimension_count", s.n_rot)
    w.add_float32(f"{ARCH}.rope.freq_base", s.theta)
    # Readers that know no "none" take a missing factor as 1, so no factor is written without YaRN.
    w.add_string(f"{ARCH}.rope.scaling.type", "yarn" if s.yarn else "none")
    if s.yarn:
        w.add_float32(f"{ARCH}.rope.scaling.factor", s.yarn.factor)
        w.add_uint32(f"{ARCH}.rope.scaling.original_context_length", s.yarn.n_context)
        w.add_float32(f"{ARCH}.rope.scaling.yarn_beta_fast", s.yarn.beta_fast)
        w.add_float32(f"{ARCH}.rope.scaling.yarn_beta_slow", s.yarn.beta_slow)


def _experts(w: gguf.GGUFWriter, s: ModelShape) -> None:
    w.add_uint32(f"{ARCH}.expert_count", s.n_expert)
    w.add_uint32(f"{ARCH}.expert_used_count", s.n_expert_used)
    w.add_uint32(f"{ARCH}.expert_shared_count", s.n_shared)
    w.add_uint32(f"{ARCH}.expert_feed_forward_length", s.n_ff)
    w.add_float32(f"{ARCH}.expert_weights_scale", s.expert_scale)
    w.add_bool(f"{ARCH}.expert_weights_norm", True)
    w.add_uint32(f"{ARCH}.expert_gating_func", 4)  # square root of softplus
    w.add_uint32(f"{ARCH}.hash_layer_count", s.n_hash)
    w.add_array(f"{ARCH}.swiglu_clamp_exp", [float(s.clamp)] * s.n_layer)
    w.add_array(f"{ARCH}.swiglu_clamp_shexp", [float(s.clamp)] * s.n_layer)


def _tokenizer(w: gguf.GGUFWriter, v: Vocabulary) -> None:
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(v.pre)
    w.add_token_list(list(v.tokens))
    w.add_token_types(list(v.token_types))
    w.add_token_merges(list(v.merges))
    w.add_bos_token_id(v.bos)
    w.add_eos_token_id(v.eos)
    w.add_pad_token_id(v.pad)
    w.add_add_bos_token(v.add_bos)
    w.add_add_eos_token(False)
