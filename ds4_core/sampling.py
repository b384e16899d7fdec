"""Drawing a token from logits: `SampleParams` to and from libds4's struct, seeds, log-probabilities."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ds4_core import native
from ds4_core.errors import InvalidRequestError, InvalidTokenError
from ds4_core.native import CData, Native
from ds4_core.types import FloatArray, SampleParams, SampleResult, TokenScore, checked_float, checked_int

_U64 = 2**64 - 1


def random_seed() -> int:
    """A fresh 63-bit seed from the operating system."""
    return int.from_bytes(os.urandom(8), "little") >> 1


def rng_from_seed(seed: int) -> int:
    """The generator's first state for a seed: one step of splitmix64, so that near seeds give unrelated streams.

    Args:
        seed: Any integer; only its low 64 bits count.

    Returns:
        A 64-bit state that is never 0.

    Raises:
        InvalidRequestError: `seed` is no integer.
    """
    try:
        seed = operator.index(seed)
    except TypeError as error:
        raise InvalidRequestError(f"seed is {seed!r}: it must be an integer") from error
    z = (seed + 0x9E3779B97F4A7C15) & _U64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _U64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _U64
    return (z ^ (z >> 31)) or 1


class NativeParams:
    """An array of `ds4x_sample_params` together with the memory that it points to."""

    def __init__(self, loaded: Native, n_vocab: int, params: list[SampleParams]) -> None:
        """Converts `params`.

        Raises:
            InvalidRequestError: A mask of the wrong size, a penalty count or a bias out of range.
            InvalidTokenError: A penalty or bias for a token outside the vocabulary.
        """
        self._native = loaded
        self._keep: list[Any] = []
        self.array: CData = loaded.ffi.new("ds4x_sample_params[]", len(params))
        for entry, values in zip(self.array, params, strict=True):
            self._fill(loaded.ffi.addressof(entry), n_vocab, values)

    def _fill(self, entry: CData, n_vocab: int, values: SampleParams) -> None:
        ffi, lib = self._native.ffi, self._native.lib
        lib.ds4x_sample_params_init(entry, ffi.sizeof("ds4x_sample_params"))
        entry.temperature = values.temperature
        entry.top_k = values.top_k
        entry.top_p = values.top_p
        entry.min_p = values.min_p
        entry.repetition_penalty = values.repetition_penalty
        entry.presence_penalty = values.presence_penalty
        entry.frequency_penalty = values.frequency_penalty
        entry.rng = values.rng
        if values.penalty_counts:
            counts = [
                checked_int(f"the count of token {token}", count, 0, 2**32 - 1)
                for token, count in values.penalty_counts.items()
            ]
            entry.penalty_tokens = self._array("int32_t[]", _tokens(values.penalty_counts, "penalty_counts", n_vocab))
            entry.penalty_counts = self._array("uint32_t[]", counts)
            entry.n_penalty = len(values.penalty_counts)
        if values.bias:
            biases = [checked_float(f"the bias of token {token}", bias) for token, bias in values.bias.items()]
            if math.inf in biases:
                raise InvalidRequestError("a bias is inf: it must be a finite number or -inf")
            entry.bias_tokens = self._array("int32_t[]", _tokens(values.bias, "bias", n_vocab))
            entry.bias_values = self._array("float[]", biases)
            entry.n_bias = len(values.bias)
        if values.mask is not None:
            words = (n_vocab + 31) // 32
            if values.mask.shape != (words,):
                raise InvalidRequestError(f"mask has the shape {values.mask.shape}: it must be ({words},)")
            mask = np.ascontiguousarray(values.mask)
            entry.mask = ffi.from_buffer("uint32_t[]", mask)
            self._keep.append((mask, entry.mask))
        if values.n_top > 0:
            entry.n_top = min(values.n_top, n_vocab)
            entry.top = self._array("ds4x_token_score[]", entry.n_top)

    def _array(self, c_type: str, values: Any) -> CData:
        array = self._native.ffi.new(c_type, values)
        self._keep.append(array)
        return array

    def result(self, index: int) -> SampleResult:
        """What was drawn for entry `index`."""
        entry = self.array[index]
        top = tuple(
            TokenScore(entry.top[i].token, entry.top[i].logit, entry.top[i].logprob) for i in range(entry.n_top_out)
        )
        return SampleResult(token=entry.token, logprob=entry.logprob, top=top, rng=entry.rng)


class RowScorer:
    """Scores of given tokens in rows that the last forward has left."""

    def __init__(self, loaded: Native, n_vocab: int) -> None:
        """For rows of `n_vocab` logits."""
        self._native = loaded
        self._mask = np.zeros((n_vocab + 31) // 32, dtype=np.uint32)
        self._n_vocab = n_vocab
        self._n_top = 0
        self._err = loaded.new_error()
        self._params = NativeParams(loaded, n_vocab, [SampleParams(temperature=0, mask=self._mask)])

    def score(self, ptr: CData, row: int, token: int, n_top: int) -> tuple[float, tuple[TokenScore, ...]]:
        """The log-probability of `token` and the `n_top` most likely ones, at temperature 1.

        Args:
            ptr: The native engine.
            row: Of its last forward.
            token: Inside the vocabulary.
            n_top: Most alternatives.

        Raises:
            DS4Error: The token's logit is not finite.
        """
        if n_top != self._n_top:
            values = SampleParams(temperature=0, mask=self._mask, n_top=n_top)
            self._params, self._n_top = NativeParams(self._native, self._n_vocab, [values]), n_top
        entry = self._params.array[0]
        entry.row = row
        word, bit = token >> 5, 1 << (token & 31)
        self._mask[word] = bit  # the one token that can be drawn
        try:
            code = self._native.lib.ds4x_sample(ptr, self._params.array, 1, self._err) or entry.status
        finally:
            self._mask[word] = 0
        if code:
            raise self._native.exception(code, self._native.message(self._err))
        top = tuple(TokenScore(s.token, s.logit, s.logprob) for s in entry.top[0 : entry.n_top_out]) if n_top else ()
        return entry.logprob, top


def _tokens(by_token: Mapping[int, Any], name: str, n_vocab: int) -> list[int]:
    tokens = [checked_int(f"a token of {name}", token, -(2**63), 2**63) for token in by_token]
    for token in tokens:
        if not 0 <= token < n_vocab:
            raise InvalidTokenError(f"{name} names token {token}, the vocabulary has 0 .. {n_vocab - 1}")
    return tokens


def sample_logits(logits: FloatArray, params: SampleParams) -> SampleResult:
    """Draws a token from one row of logits. Needs no engine.

    Args:
        logits: float32 `[n_vocab]`.
        params: How to draw.

    Raises:
        InvalidRequestError: A parameter out of range, or no token left to draw.
    """
    loaded = native.load()
    row = np.ascontiguousarray(logits, dtype=np.float32)
    if row.ndim != 1 or not row.size:
        raise InvalidRequestError(f"logits have the shape {row.shape}: one row [n_vocab] is needed")
    c_params, err = NativeParams(loaded, row.size, [params]), loaded.new_error()
    code = loaded.lib.ds4x_sample_logits(loaded.ffi.from_buffer("float[]", row), row.size, c_params.array, err)
    loaded.check(code, err)
    return c_params.result(0)


def log_softmax(logits: FloatArray) -> FloatArray:
    """Natural log-probabilities at temperature 1 of float32 logits `[..., n_vocab]`, computed in float64."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    wide -= np.log(np.exp(wide).sum(axis=-1, keepdims=True))
    return wide.astype(np.float32)
