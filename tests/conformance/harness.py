"""Running an engine over token sequences in different ways, and the unit in which errors are measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from ds4_core import Engine
from ds4_core.errors import UnsupportedError
from ds4_core.session import Session
from ds4_core.types import Span
from training.gguf_layout import Array

ModelFile = Callable[..., Path]  # the fixture model_file: (name, seed=0, quant=None, dequantize=False) -> path


def open_isa(path: Path, isa: str, **options: Any) -> Engine:
    """An opened CPU engine with the kernels of one instruction set; skips the test where there are none."""
    engine = Engine(path, backend="cpu", isa=cast(Any, isa), **options)
    try:
        return engine.open()
    except UnsupportedError as reason:
        pytest.skip(f"this processor or build has no {isa} kernels: {reason}")


def extend(engine: Engine, session: Session, tokens: Sequence[int]) -> Array:
    """Appends tokens to a session in one span; logits of all of them, [n, n_vocab]."""
    result = engine.forward([Span(session, list(tokens), wanted=range(len(tokens)))])[0]
    if result.error is not None:
        raise result.error
    return result.logits


def run(engine: Engine, tokens: Sequence[int], chunks: Sequence[int] | None = None) -> Array:
    """Logits of a sequence from position 0, [n, n_vocab], computed in chunks of the given sizes (default: all at once).

    Sizes that do not add up are repeated and cut.
    """
    session = engine.session(n_ctx=max(len(tokens), 1))
    parts, at, step = [], 0, 0
    while at < len(tokens):
        size = min(chunks[step % len(chunks)] if chunks else len(tokens), len(tokens) - at)
        parts.append(extend(engine, session, tokens[at : at + size]))
        at, step = at + size, step + 1
    return np.concatenate(parts)


def error(ours: Array, theirs: Array, scale: float | None = None) -> float:
    """max|a - b| in units of std(|b|), or of `scale`."""
    unit = float(np.abs(theirs).std()) if scale is None else scale
    return float(np.abs(ours.astype(np.float64) - theirs).max() / unit)


def row_errors(ours: Array, theirs: Array) -> Array:
    """max|a - b| of every row in units of std(|b|): [n]."""
    worst: Array = np.abs(ours.astype(np.float64) - theirs).max(1) / float(np.abs(theirs).std())
    return worst


def first_difference(a: Array, b: Array) -> str:
    """Where two logits arrays first differ, for an assertion message."""
    if a.shape != b.shape:
        return f"shapes {a.shape} and {b.shape}"
    rows = np.flatnonzero((a != b).any(1))
    if not len(rows):
        return "no difference"
    largest = np.abs(a - b).max()
    return f"{len(rows)} of {len(a)} rows differ, first at position {rows[0]}, largest difference {largest:.3g}"
