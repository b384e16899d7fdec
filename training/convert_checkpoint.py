"""Converts a Hugging Face DeepSeek V4 checkpoint (safetensors, config.json, tokenizer.json) to one GGUF file.

    python -m training.convert_checkpoint --checkpoint DIR --out ds4-tiny.gguf

Matrices become Q8_0, the small and sensitive ones (compressors, router, hyper-connections) F16, vectors F32. Made for
small models: all weights are in memory at once.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as QT
from safetensors.numpy import load_file

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

KINDS = {"sliding_attention": SLIDING, "compressed_sparse_attention": CSA, "heavily_compressed_attention": HCA}
DEFAULT_RATIOS = {SLIDING: 0, CSA: 4, HCA: 128}

# GGUF name -> Hugging Face name, global and per layer. Experts are stored fused there and are handled apart.
GLOBAL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
    "output_hc_fn.weight": "model.hc_head.hc_fn",
    "output_hc_base.weight": "model.hc_head.hc_base",
    "output_hc_scale.weight": "model.hc_head.hc_scale",
}
LAYER_NAMES = {
    **{f"hc_{part}_{leaf}.weight": f"{part}_hc.{leaf}" for part in ("attn", "ffn") for leaf in ("fn", "base", "scale")},
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q_a.weight": "self_attn.q_a_proj.weight",
    "attn_q_a_norm.weight": "self_attn.q_a_norm.weight",
    "attn_q_b.weight": "self_attn.q_b_proj.weight",
    "attn_kv.weight": "self_attn.kv_proj.weight",
    "attn_kv_a_norm.weight": "self_attn.kv_norm.weight",
    "attn_sinks.weight": "self_attn.sinks",
    "attn_output_a.weight": "self_attn.o_a_proj.weight",
    "attn_output_b.weight": "self_attn.o_b_proj.weight",
    "attn_compressor_kv.weight": "self_attn.compressor.kv_proj.weight",
    "attn_compressor_gate.weight": "self_attn.compressor.gate_proj.weight",
    "attn_compressor_ape.weight": "self_attn.compressor.position_bias",
    "attn_compressor_norm.weight": "self_attn.compressor.kv_norm.weight",
    "indexer.attn_q_b.weight": "self_attn.compressor.indexer.q_b_proj.weight",
    "indexer.proj.weight": "self_attn.compressor.indexer.scorer.weights_proj.weight",
    "indexer_compressor_kv.weight": "self_attn.compressor.indexer.kv_proj.weight",
    "indexer_compressor_gate.weight": "self_attn.compressor.indexer.gate_proj.weight",
    "indexer_compressor_ape.weight": "self_attn.compressor.indexer.position_bias",
    "indexer_compressor_norm.weight": "self_attn.compressor.indexer.kv_norm.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "ffn_gate_inp.weight": "mlp.gate.weight",
    "ffn_gate_tid2eid.weight": "mlp.gate.tid2eid",
    "exp_probs_b.bias": "mlp.gate.e_score_correction_bias",
    "ffn_down_exps.weight": "mlp.experts.down_proj",
    "ffn_gate_shexp.weight": "mlp.shared_experts.gate_proj.weight",
    "ffn_up_shexp.weight": "mlp.shared_experts.up_proj.weight",
    "ffn_down_shexp.weight": "mlp.shared_experts.down_proj.weight",
}
FUSED_EXPERTS = "mlp.experts.gate_up_proj"  # [n_expert, 2 * n_ff, n_embd], gate rows first

# The checkpoint is 16 bit, so F16 loses nothing. Q8_0 everywhere else keeps the file under 12 MB.
TYPES = {
    "dense": QT.Q8_0,
    "expert": QT.Q8_0,
    "embedding": QT.Q8_0,
    "indexer": QT.Q8_0,
    "compressor": QT.F16,
    "router": QT.F16,
    "hc": QT.F16,
    "ape": QT.F16,
    "norm": QT.F32,
    "vector": QT.F32,
    "ids": QT.I32,
}

FULL = {role: QT.I32 if role == "ids" else QT.F32 for role in TYPES}  # for comparisons


def hf_name(name: str) -> str:
    """The Hugging Face tensor that holds a GGUF tensor (for the routed gate and up matrices, the fused one)."""
    if name in GLOBAL_NAMES:
        return GLOBAL_NAMES[name]
    _, layer, leaf = name.split(".", 2)
    fused = leaf in ("ffn_gate_exps.weight", "ffn_up_exps.weight")
    return f"model.layers.{layer}.{FUSED_EXPERTS if fused else LAYER_NAMES[leaf]}"


def shape_from_config(config: Mapping[str, Any]) -> ModelShape:
    """Sizes from a Hugging Face config.json; missing keys take the defaults of `DeepseekV4Config`.

    Raises:
        KeyError: a size without a default is missing.
    """
    c = config
    kinds = tuple(KINDS[t] for t in c["layer_types"])
    rates = {**DEFAULT_RATIOS, **{KINDS[t]: r for t, r in c.get("compress_rates", {}).items()}}
    scaling = c.get("rope_scaling") or {}
    yarn = None
    if scaling.get("type", scaling.get("rope_type")) == "yarn":
        yarn = Yarn(
            scaling["factor"],
            scaling["original_max_position_embeddings"],
            scaling.get("beta_fast", 32.0),
            scaling.get("beta_slow", 1.0),
        )
    return ModelShape(
        kinds=kinds,
        ratios=tuple(rates[k] for k in kinds),
        n_embd=c["hidden_size"],
        n_vocab=c["vocab_size"],
        n_head=c["num_attention_heads"],
        head_dim=c["head_dim"],
        n_rot=c["qk_rope_head_dim"],
        q_rank=c["q_lora_rank"],
        n_group=c["o_groups"],
        o_rank=c["o_lora_rank"],
        n_window=c["sliding_window"],
        idx_head=c["index_n_heads"],
        idx_dim=c["index_head_dim"],
        idx_top_k=c["index_topk"],
        n_expert=c["n_routed_experts"],
        n_expert_used=c["num_experts_per_tok"],
        n_ff=c["moe_intermediate_size"],
        n_hash=c.get("num_hash_layers", 3),
        clamp=c.get("swiglu_limit", 10.0),
        expert_scale=c.get("routed_scaling_factor", 1.5),
        n_shared=c.get("n_shared_experts", 1),
        n_stream=c.get("hc_mult", 4),
        n_sinkhorn=c.get("hc_sinkhorn_iters", 20),
        hc_eps=c.get("hc_eps", 1e-6),
        rms_eps=c.get("rms_norm_eps", 1e-6),
        theta=c.get("rope_theta", 10000.0),
        theta_compressed=c.get("compress_rope_theta", 160000.0),
        yarn=yarn,
        n_context=c["max_position_embeddings"],
    )


def tensor(checkpoint: Mapping[str, Array], spec: TensorSpec) -> Array:
    """One GGUF tensor's values from the checkpoint, checked against its shape."""
    name = hf_name(spec.name)
    values = checkpoint[name]
    if name.endswith(FUSED_EXPERTS):
        n_ff = values.shape[1] // 2
        values = values[:, :n_ff] if "gate" in spec.name else values[:, n_ff:]
    if values.shape != spec.shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {spec.shape}")
    return values if spec.role == "ids" else values.astype(np.float32)


def vocabulary_from_tokenizer(tokenizer: Mapping[str, Any], config: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary of a tokenizer.json with a byte-level BPE model.

    Special added tokens become control tokens (text never turns into them), other added tokens user-defined ones (text
    does).
    """
    ids: dict[str, int] = dict(tokenizer["model"]["vocab"])
    types = dict.fromkeys(ids.values(), NORMAL)
    for added in tokenizer["added_tokens"]:
        ids[added["content"]] = added["id"]
        types[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    tokens = sorted(ids, key=ids.__getitem__)
    if [ids[t] for t in tokens] != list(range(config["vocab_size"])):
        raise ValueError(f"token ids are not 0 .. {config['vocab_size'] - 1}")
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    return Vocabulary(
        tokens,
        [types[i] for i in range(len(tokens))],
        merges,
        bos=config["bos_token_id"],
        eos=config["eos_token_id"],
        pad=config["pad_token_id"],
    )


def closest_q8_0(values: Array) -> Array:
    """Q8_0 blocks with the scale that leaves the smallest squared error, a fifth less than that of the usual one.

    A block is a scale d (F16) and 32 signed bytes q, and stands for d * q. The usual d makes the largest value 127; a
    little more or less often suits the other 31 better.

    Args:
        values: [..., n], n a multiple of 32.

    Raises:
        ValueError: A weight is no number, or infinite, or too large for a scale of 16 bit.
    """
    if not np.abs(values).max(initial=0.0) < 112.0 * 65504.0:
        raise ValueError("a matrix has a weight that is no number, infinite or beyond 7e6: it can not be Q8_0")
    rows = np.ascontiguousarray(values, dtype=np.float32).reshape(-1, 32)
    largest = np.abs(rows).max(axis=1)
    error = np.full(len(rows), np.inf, np.float32)
    scales, codes = np.zeros(len(rows), np.float16), np.zeros(rows.shape, np.int8)
    for top in (127.0, *np.linspace(112.0, 127.5, 32)):  # what the largest value becomes
        scale = (largest / np.float32(top)).astype(np.float16)
        wide = scale.astype(np.float32)[:, None]
        code = np.clip(np.round(np.divide(rows, wide, out=np.zeros_like(rows), where=wide > 0)), -127, 127)
        missed = ((code * wide - rows) ** 2).sum(axis=1)
        better = missed < error
        error[better], scales[better], codes[better] = missed[better], scale[better], code[better].astype(np.int8)
    blocks = np.concatenate([scales.view(np.uint8).reshape(-1, 2), codes.view(np.uint8)], axis=1)
    return blocks.reshape(*values.shape[:-1], -1)


def _encoded(values: Array, qtype: QT) -> Array:
    return closest_q8_0(values) if qtype == QT.Q8_0 else encode(values, qtype)


def convert(checkpoint_dir: Path, out: Path, name: str, types_of: Mapping[str, QT] = TYPES) -> None:
    """Reads every .safetensors in a folder and writes `out`.

    Args:
        types_of: Role of a tensor (`TensorSpec.role`) to its type in the file.

    Raises:
        FileNotFoundError: no weights, config.json or tokenizer.json in the folder.
        KeyError: a tensor is missing.
        ValueError: a tensor has the wrong shape or the checkpoint holds tensors the format has no place for.
    """
    parts = sorted(checkpoint_dir.glob("*.safetensors"))
    if not parts:
        raise FileNotFoundError(f"no .safetensors in {checkpoint_dir}")
    checkpoint: dict[str, Array] = {}
    for part in parts:
        checkpoint.update(load_file(part))
    config = json.loads((checkpoint_dir / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((checkpoint_dir / "tokenizer.json").read_text(encoding="utf-8"))
    shape = shape_from_config(config)
    specs = list(tensors(shape))
    unknown = set(checkpoint) - {hf_name(s.name) for s in specs}
    if unknown:
        raise ValueError(f"tensors without a place in the file: {sorted(unknown)[:5]}")
    types = {s.name: types_of[s.role] for s in specs}
    for s in specs:
        if s.shape[-1] % gguf.GGML_QUANT_SIZES[types[s.name]][0]:
            types[s.name] = QT.F16
    data = {s.name: _encoded(tensor(checkpoint, s), types[s.name]) for s in specs}
    facts = {
        "description": "A tiny demonstration model of the DeepSeek V4 architecture, trained on synthetic text. "
        "Not DeepSeek's weights."
    }
    write(out, shape, data, types, vocabulary_from_tokenizer(tokenizer, config), name=name, facts=facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="ds4-tiny", help="general.name (default: ds4-tiny)")
    parser.add_argument("--full", action="store_true", help="F32 throughout, to compare logits with the checkpoint's")
    args = parser.parse_args()
    convert(args.checkpoint, args.out, args.name, FULL if args.full else TYPES)
    digest = hashlib.sha256(args.out.read_bytes()).hexdigest()
    print(f"{args.out}  {args.out.stat().st_size} bytes  sha256 {digest}")


if __name__ == "__main__":
    main()
