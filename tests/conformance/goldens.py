"""Golden logits of Hugging Face transformers: how they are made, stored and read.

    python -m tests.conformance.goldens           # writes golden/*.npz; needs torch and transformers

Per model: the whole prompt of 300 tokens at every position (every fourth vocabulary entry, to stay small), and the
complete last row of a whole prompt of each listed length. Float32, eager attention, mask of ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.conformance.models import CONFIGS, make_weights, token_ids
from tests.conformance.reference import Reference
from training.gguf_layout import CSA, HCA, SLIDING, Array, ModelShape

LENGTHS = (1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 130, 257, 300)
N_TOKENS = LENGTHS[-1]
COLUMN_STEP = 4
CASES = (("A", 0), ("A", 1), ("B", 0), ("B", 1), ("C", 0), ("C", 1), ("D", 0), ("D", 1), ("E", 0))
FOLDER = Path(__file__).parent / "golden"


@dataclass
class Golden:
    """What is stored for one model.

    Attributes:
        all_positions: [300, n_vocab / 4] logits of the whole prompt.
        last_rows: [n_lengths, n_vocab]; row i is the last row of a whole prompt of LENGTHS[i] tokens.
        scale: Standard deviation of |logits|, the unit of every error.
        indexer_gap: [300] how narrowly each position's rows were picked, relative.
        router_gap: [300] the same for its experts.
    """

    all_positions: Array
    last_rows: Array
    scale: float
    indexer_gap: Array
    router_gap: Array


def load(name: str, seed: int) -> Golden:
    """Reads one golden file.

    Raises:
        FileNotFoundError: it was never made.
    """
    with np.load(FOLDER / f"{name}{seed}.npz") as z:
        return Golden(z["all_positions"], z["last_rows"], float(z["scale"]), z["indexer_gap"], z["router_gap"])


def hf_config(s: ModelShape) -> Any:
    """The same model as a transformers configuration."""
    from transformers.models.deepseek_v4.configuration_deepseek_v4 import DeepseekV4Config

    names = {SLIDING: "sliding_attention", CSA: "compressed_sparse_attention", HCA: "heavily_compressed_attention"}
    rope = None
    if s.yarn:
        rope = {
            "rope_type": "yarn",
            "factor": s.yarn.factor,
            "original_max_position_embeddings": s.yarn.n_context,
            "beta_fast": s.yarn.beta_fast,
            "beta_slow": s.yarn.beta_slow,
        }
    return DeepseekV4Config(
        vocab_size=s.n_vocab,
        hidden_size=s.n_embd,
        moe_intermediate_size=s.n_ff,
        num_hidden_layers=s.n_layer,
        num_attention_heads=s.n_head,
        num_key_value_heads=1,
        head_dim=s.head_dim,
        q_lora_rank=s.q_rank,
        partial_rotary_factor=s.n_rot / s.head_dim,
        num_experts_per_tok=s.n_expert_used,
        n_routed_experts=s.n_expert,
        n_shared_experts=s.n_shared,
        scoring_func="sqrtsoftplus",
        norm_topk_prob=True,
        routed_scaling_factor=s.expert_scale,
        max_position_embeddings=s.n_context,
        rope_theta=s.theta,
        compress_rope_theta=s.theta_compressed,
        layer_types=[names[k] for k in s.kinds],
        compress_rates={names[k]: r for k, r in zip(s.kinds, s.ratios, strict=True) if k != SLIDING},
        mlp_layer_types=["hash_moe"] * s.n_hash + ["moe"] * (s.n_layer - s.n_hash),
        hc_mult=s.n_stream,
        hc_sinkhorn_iters=s.n_sinkhorn,
        hc_eps=s.hc_eps,
        swiglu_limit=s.clamp,
        sliding_window=s.n_window,
        o_groups=s.n_group,
        o_lora_rank=s.o_rank,
        index_n_heads=s.idx_head,
        index_head_dim=s.idx_dim,
        index_topk=s.idx_top_k,
        num_nextn_predict_layers=0,
        rms_norm_eps=s.rms_eps,
        rope_parameters=rope,
        attn_implementation="eager",
    )


def hf_model(name: str, seed: int) -> Any:
    """A transformers model with this model's weights, float32, for evaluation.

    Raises:
        KeyError: transformers has a parameter that our weights do not fill.
    """
    import torch
    from transformers.models.deepseek_v4.modeling_deepseek_v4 import DeepseekV4ForCausalLM

    from training.convert_checkpoint import FUSED_EXPERTS, hf_name

    model = DeepseekV4ForCausalLM(hf_config(CONFIGS[name])).eval().float()
    values: dict[str, Any] = {}
    for ours, array in make_weights(name, seed).items():
        theirs = hf_name(ours)
        if theirs.endswith(FUSED_EXPERTS):  # gate rows first; "gate" comes before "up" in file order
            values[theirs] = np.concatenate([values[theirs], array], 1) if theirs in values else array
        else:
            values[theirs] = array
    slots = {k: v for k, v in (*model.named_parameters(), *model.named_buffers()) if "inv_freq" not in k}
    if set(slots) != set(values):
        raise KeyError(f"names differ from transformers: {sorted(set(slots) ^ set(values))[:6]}")
    with torch.no_grad():
        for key, slot in slots.items():
            if tuple(slot.shape) != values[key].shape:
                raise ValueError(f"{key}: transformers has {tuple(slot.shape)}, we have {values[key].shape}")
            slot.copy_(torch.from_numpy(np.ascontiguousarray(values[key])))
    return model


def hf_logits(model: Any, ids: list[int]) -> Array:
    """Logits of a whole prompt, [n, n_vocab]."""
    import torch

    with torch.no_grad():
        tokens = torch.tensor([ids])
        out = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), use_cache=False)
    result: Array = out.logits[0].float().numpy()
    return result


def make(name: str, seed: int, lengths: Sequence[int] = LENGTHS) -> tuple[Golden, Array]:
    """Computes one golden record, with last rows of `lengths`; also returns the complete logits of the 300 tokens."""
    s, ids = CONFIGS[name], token_ids(N_TOKENS, CONFIGS[name].n_vocab, seed)
    model = hf_model(name, seed)
    full = hf_logits(model, ids)
    last = np.stack([hf_logits(model, ids[:n])[-1] for n in lengths])
    gaps = Reference(s, make_weights(name, seed)).logits(ids)
    golden = Golden(
        np.ascontiguousarray(full[:, ::COLUMN_STEP]),
        last,
        float(np.abs(full).std()),
        gaps.indexer_gap.astype(np.float32),
        gaps.router_gap.astype(np.float32),
    )
    return golden, full


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name, seed in CASES:
        golden, full = make(name, seed)
        ids = token_ids(N_TOKENS, CONFIGS[name].n_vocab, seed)
        ours = Reference(CONFIGS[name], make_weights(name, seed)).logits(ids)
        path = args.out / f"{name}{seed}.npz"
        np.savez_compressed(path, **vars(golden))
        error = np.abs(ours.logits - full).max() / golden.scale
        print(
            f"{path.name}  {path.stat().st_size} bytes  float64 reference against transformers {error:.1e}  "
            f"gaps {golden.indexer_gap.min():.1e} {golden.router_gap.min():.1e}"
        )


if __name__ == "__main__":
    main()
