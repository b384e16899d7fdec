"""Compares an exported checkpoint in Hugging Face's DeepseekV4 with the model that was trained.

    python -m training.check_hf --checkpoint RUN/checkpoint

Needs transformers. Both compute in float32 on the CPU, over conversations of the generator. Where two rows of a long
one have almost the same score, rounding decides which of them the indexer keeps, and a few logits differ by more than
1e-3; `--unpruned` keeps them all in both, so that nothing is left to it.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from training import export, tokenizer
from training.config import BLOCK, HF_KINDS, ModelConfig
from training.data import by_skill
from training.data.rendering import pieces
from training.model import Model
from training.rows import RowsMaker

SKILLS = ("small_talk", "tool_several", "long_context")


def config_of(checkpoint: Path) -> ModelConfig:
    """The sizes of a checkpoint that this package exported."""
    c = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    ratios = {kind: ratio for ratio, kind in HF_KINDS.items()}
    return ModelConfig(
        n_vocab=c["vocab_size"],
        n_embd=c["hidden_size"],
        ratios=tuple(ratios[kind] for kind in c["layer_types"]),
        n_hash=c["num_hash_layers"],
        n_head=c["num_attention_heads"],
        head_dim=c["head_dim"],
        n_rot=c["qk_rope_head_dim"],
        q_rank=c["q_lora_rank"],
        n_group=c["o_groups"],
        o_rank=c["o_lora_rank"],
        n_expert=c["n_routed_experts"],
        n_expert_used=c["num_experts_per_tok"],
        n_ff=c["moe_intermediate_size"],
        idx_head=c["index_n_heads"],
        idx_dim=c["index_head_dim"],
        idx_top_k=c["index_topk"],
        n_context=c["max_position_embeddings"],
    )


def logits(model: Model, ids: list[int]) -> torch.Tensor:
    """[n, V] of one conversation by this package's model."""
    n_block = -(-len(ids) // BLOCK)
    padded = torch.tensor([ids + [tokenizer.CONTROL.index(tokenizer.PAD)] * (n_block * BLOCK - len(ids))])
    rows = RowsMaker(model.config, n_block * BLOCK, torch.device("cpu"))
    with torch.no_grad():
        return model(padded, rows(torch.zeros(1, n_block)))[0, : len(ids)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--unpruned", action="store_true", help="the indexer keeps every row")
    args = parser.parse_args()
    config = config_of(args.checkpoint)
    if args.unpruned:
        config = replace(config, idx_top_k=config.n_context)
    model = Model(config)
    export.load(model, args.checkpoint)
    theirs = AutoModelForCausalLM.from_pretrained(
        args.checkpoint, dtype=torch.float32, index_topk=config.idx_top_k
    ).eval()
    encoder, rng = tokenizer.load(args.checkpoint / "tokenizer.json"), random.Random(1)
    for skill in SKILLS:
        ids, _ = encoder(pieces(by_skill(skill, rng, "heldout")))
        ours = logits(model, ids)
        tokens = torch.tensor([ids])
        with torch.no_grad():
            reference = theirs(tokens, attention_mask=torch.ones_like(tokens)).logits[0]
        worst = (ours - reference).abs().amax(-1)
        print(
            f"{skill:16} {len(ids):5} tokens: largest difference {worst.max():.2g}, "
            f"beyond 1e-3 at {int((worst > 1e-3).sum())} places",
            flush=True,
        )


if __name__ == "__main__":
    main()
