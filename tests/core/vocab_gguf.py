"""Writes a GGUF file that holds a vocabulary and no tensors, from the contents of a Hugging Face tokenizer.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gguf import GGUFWriter, TokenType

# Spelled by the message protocol; no text from outside may become one of their ids.
PROTOCOL_LITERALS = (
    "<｜begin▁of▁sentence｜>",
    "<｜end▁of▁sentence｜>",
    "<｜User｜>",
    "<｜Assistant｜>",
    "<think>",
    "</think>",
    "｜DSML｜",
    "<｜latest_reminder｜>",
)

# The smallest shape that the architecture allows: one sliding-window layer.
_UINTS = {
    "block_count": 1,
    "context_length": 1024,
    "embedding_length": 32,
    "attention.head_count": 1,
    "attention.head_count_kv": 1,
    "attention.key_length": 32,
    "attention.value_length": 32,
    "rope.dimension_count": 16,
    "attention.q_lora_rank": 32,
    "attention.output_lora_rank": 32,
    "attention.output_group_count": 1,
    "expert_count": 2,
    "expert_used_count": 1,
    "expert_feed_forward_length": 32,
    "expert_shared_count": 1,
    "hash_layer_count": 0,
    "attention.sliding_window": 8,
    "attention.indexer.head_count": 1,
    "attention.indexer.key_length": 32,
    "attention.indexer.top_k": 4,
    "hyper_connection.count": 2,
    "hyper_connection.sinkhorn_iterations": 4,
}
_FLOATS = {
    "rope.freq_base": 10000.0,
    "attention.compress_rope_freq_base": 160000.0,
    "expert_weights_scale": 1.5,
    "attention.layer_norm_rms_epsilon": 1e-6,
    "hyper_connection.epsilon": 1e-6,
}


def vocabulary(tokenizer_json: dict[str, Any]) -> tuple[list[str], list[str], list[int]]:
    """Tokens, merges and token types as GGUF stores them. Added tokens keep their text; ids without one are unused."""
    texts = {token: text for text, token in tokenizer_json["model"]["vocab"].items()}
    types = dict.fromkeys(texts, TokenType.NORMAL)
    for added in tokenizer_json["added_tokens"]:
        texts[added["id"]] = added["content"]
        types[added["id"]] = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
    ids = range(max(texts) + 1)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer_json["model"]["merges"]]
    return (
        [texts.get(i, f"[PAD{i}]") for i in ids],
        merges,
        [int(types.get(i, TokenType.UNUSED)) for i in ids],
    )


def write_vocab_gguf(path: Path, tokenizer_json: dict[str, Any]) -> None:
    """Writes the file at `path`."""
    tokens, merges, types = vocabulary(tokenizer_json)
    writer = GGUFWriter(str(path), "deepseek4")
    for key, number in _UINTS.items():
        writer.add_uint32(f"deepseek4.{key}", number)
    for key, value in _FLOATS.items():
        writer.add_float32(f"deepseek4.{key}", value)
    writer.add_uint32("deepseek4.vocab_size", len(tokens))
    writer.add_bool("deepseek4.expert_weights_norm", True)
    writer.add_array("deepseek4.attention.compress_ratios", [0])
    writer.add_array("deepseek4.swiglu_clamp_exp", [10.0])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
