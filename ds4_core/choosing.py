"""The next token, from the logits of the last one: methods that `Session` has from here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ds4_core.errors import EngineStateError, InvalidRequestError, InvalidTokenError
from ds4_core.model import token_array
from ds4_core.sampling import log_softmax, rng_from_seed, sample_logits
from ds4_core.types import FloatArray, SampleParams, TokenScore, checked_int


class Choosing(ABC):
    """What a session must have for that, and the methods. None of them computes or waits for anything."""

    _seed: int
    _rng: int

    @property
    @abstractmethod
    def _logits(self) -> FloatArray | None: ...

    @abstractmethod
    def _check_open(self) -> None: ...

    def _row(self) -> FloatArray:
        self._check_open()
        row = self._logits
        if row is None:
            raise EngineStateError("the session has no logits: evaluate a token first (sync or eval)")
        return row

    def logits(self) -> FloatArray:
        """A copy of the logits after the last token, float32 `[n_vocab]`.

        Raises:
            EngineStateError: Nothing was evaluated since the session was made or rewound.
        """
        return self._row().copy()

    def argmax(self) -> int:
        """The most likely next token; of equals the lowest id. Does not change the session."""
        return int(np.argmax(self._row()))

    def sample(
        self,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        seed: int | None = None,
    ) -> int:
        """Draws the next token and advances the session's random numbers, nothing else.

        Args:
            temperature: 0 or less is `argmax`.
            top_k: Keep this many tokens; 0 is off.
            top_p: Keep the smallest set of tokens with this much probability; 1 is off.
            min_p: Drop tokens less likely than this share of the most likely one; 0 is off.
            seed: Starts the session's random numbers anew before drawing.

        Raises:
            EngineStateError: There are no logits.
            InvalidRequestError: A parameter out of range.
        """
        params = SampleParams(
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            rng=self._rng if seed is None else rng_from_seed(seed),
        )
        result = sample_logits(self._row(), params)
        self._rng = result.rng
        if seed is not None:
            self._seed = seed
        return result.token

    def logprobs(self, tokens: Sequence[int] | None = None, *, top_k: int | None = None) -> list[TokenScore]:
        """Scores of possible next tokens: the given ones in their order, or the `top_k` most likely, best first.

        Raises:
            InvalidRequestError: Both or neither of the two were given, or `top_k` is below 1.
            InvalidTokenError: A token outside the vocabulary.
            EngineStateError: There are no logits.
        """
        row = self._row()
        if (tokens is None) == (top_k is None):
            raise InvalidRequestError("give either tokens or top_k")
        if top_k is not None:
            top_k = checked_int("top_k", top_k, 1, 2**31 - 1)
            ids: Any = np.argsort(-row, kind="stable")[:top_k]
        else:
            ids = token_array([] if tokens is None else tokens)
            if ids.size and ids.max() >= row.size:
                raise InvalidTokenError(f"token {ids.max()} is outside the vocabulary: ids are 0 .. {row.size - 1}")
        logprobs = log_softmax(row)
        return [TokenScore(int(token), float(row[token]), float(logprobs[token])) for token in ids]
