"""A trained model as a Hugging Face checkpoint, in files small enough to travel, and back.

The checkpoint is the model's exchange format: `training.convert_checkpoint` makes the GGUF file from it, transformers
loads it, and training goes on from it when nothing else was saved.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.config import ModelConfig
from training.model import Model
from training.tokenizer import CONTROL, PAD, Special

PIECE_BYTES = 15 << 20

TOP = {
    "model.embed_tokens.weight": "embed.weight",
    "lm_head.weight": "head.weight",
    "model.norm.weight": "norm",
    "model.hc_head.hc_fn": "head_hc_fn",
    "model.hc_head.hc_base": "head_hc_base",
    "model.hc_head.hc_scale": "head_hc_scale",
}
LAYER = {
    "input_layernorm.weight": "attn_norm",
    "post_attention_layernorm.weight": "ffn_norm",
    **{f"{part}_hc.{leaf}": f"{part}_hc.{leaf}" for part in ("attn", "ffn") for leaf in ("fn", "base", "scale")},
    "self_attn.q_a_proj.weight": "attn.q_a.weight",
    "self_attn.q_a_norm.weight": "attn.q_a_norm",
    "self_attn.q_b_proj.weight": "attn.q_b.weight",
    "self_attn.kv_proj.weight": "attn.kv.weight",
    "self_attn.kv_norm.weight": "attn.kv_norm",
    "self_attn.sinks": "attn.sinks",
    "self_attn.o_a_proj.weight": "attn.o_a",
    "self_attn.o_b_proj.weight": "attn.o_b.weight",
    "mlp.gate.weight": "ffn.router",
    "mlp.experts.down_proj": "ffn.down",
    "mlp.shared_experts.gate_proj.weight": "ffn.shared_gate.weight",
    "mlp.shared_experts.up_proj.weight": "ffn.shared_up.weight",
    "mlp.shared_experts.down_proj.weight": "ffn.shared_down.weight",
}
COMPRESSOR = {
    "kv_proj.weight": "kv.weight",
    "gate_proj.weight": "gate.weight",
    "position_bias": "ape",
    "kv_norm.weight": "norm",
}
INDEXER = {"q_b_proj.weight": "q.weight", "scorer.weights_proj.weight": "proj.weight"}
EXPERTS = "mlp.experts.gate_up_proj"  # two of our tensors in one, gate rows first


def names(config: ModelConfig) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every tensor: Hugging Face's name, and ours (two for the fused experts)."""
    for theirs, ours in TOP.items():
        yield theirs, (ours,)
    for i, ratio in enumerate(config.ratios):
        layer = dict(LAYER)
        if ratio:
            layer |= {f"self_attn.compressor.{a}": f"attn.compressor.{b}" for a, b in COMPRESSOR.items()}
        if ratio == 4:
            index = "self_attn.compressor.indexer."
            layer |= {index + a: f"attn.indexer.{b}" for a, b in INDEXER.items()}
            layer |= {index + a: f"attn.indexer.compressor.{b}" for a, b in COMPRESSOR.items()}
        if i < config.n_hash:
            layer["mlp.gate.tid2eid"] = "ffn.by_token"
        else:
            layer["mlp.gate.e_score_correction_bias"] = "ffn.bias"
        for theirs, ours in layer.items():
            yield f"model.layers.{i}.{theirs}", (f"layers.{i}.{ours}",)
        yield f"model.layers.{i}.{EXPERTS}", (f"layers.{i}.ffn.gate", f"layers.{i}.ffn.up")


def to_huggingface(model: Model) -> dict[str, Tensor]:
    """The model's tensors under Hugging Face's names; nothing is copied where nothing is joined."""
    state = model.state_dict()
    out = {}
    for theirs, ours in names(model.config):
        value = state[ours[0]] if len(ours) == 1 else torch.cat([state[o] for o in ours], 1)
        out[theirs] = value.flatten(0, 1) if theirs.endswith("o_a_proj.weight") else value
    return out


def from_huggingface(model: Model, checkpoint: dict[str, Tensor]) -> None:
    """Fills the model from such tensors.

    Raises:
        KeyError: A tensor is missing.
        RuntimeError: One has another shape.
    """
    state: dict[str, Tensor] = {}
    mine = model.state_dict()
    for theirs, ours in names(model.config):
        parts = checkpoint[theirs].chunk(len(ours), 1) if len(ours) > 1 else (checkpoint[theirs],)
        for name, value in zip(ours, parts, strict=True):
            state[name] = value.reshape(mine[name].shape)
    model.load_state_dict(state)


def save(model: Model, tokenizer: Path, folder: Path, facts: dict[str, Any]) -> None:
    """Writes a checkpoint in 16 bit: config.json, tokenizer.json, run.json (`facts`), and weights in pieces."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: (value.half() if value.is_floating_point() else value.to(torch.int32)).cpu().contiguous()
        for name, value in to_huggingface(model).items()
    }
    pieces: list[dict[str, Tensor]] = [{}]
    room = PIECE_BYTES
    for name, value in tensors.items():
        if value.nbytes > room and pieces[-1]:
            pieces.append({})
            room = PIECE_BYTES
        pieces[-1][name] = value
        room -= value.nbytes
    for old in folder.glob("model-*.safetensors"):
        old.unlink()
    place: dict[str, str] = {}
    for i, piece in enumerate(pieces, 1):
        name = f"model-{i:05}-of-{len(pieces):05}.safetensors"
        save_file(piece, folder / name, metadata={"format": "pt"})
        place |= dict.fromkeys(piece, name)
    index = {"metadata": {"total_size": sum(v.nbytes for v in tensors.values())}, "weight_map": place}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
    ids = {"bos": Special.BOS.value, "eos": Special.EOS.value, "pad": PAD}
    config = model.config.huggingface(**{name: CONTROL.index(text) for name, text in ids.items()})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    if tokenizer.resolve() != (folder / "tokenizer.json").resolve():
        shutil.copyfile(tokenizer, folder / "tokenizer.json")


def load(model: Model, folder: Path) -> dict[str, Any]:
    """Fills the model from a checkpoint and returns its facts."""
    tensors: dict[str, Tensor] = {}
    for piece in sorted(folder.glob("model-*.safetensors")):
        tensors |= load_file(piece)
    from_huggingface(model, tensors)
    facts: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return facts
