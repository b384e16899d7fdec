"""Passages ranked by how likely the model finds it that they help to answer a query."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace

from ds4_core.chat.encoding import encode_request
from ds4_core.chat.relevance import RELEVANCE_ANSWERS, relevance_messages
from ds4_core.chat.request import ChatRequest
from ds4_core.engine import Engine
from ds4_core.errors import ContextOverflowError, InvalidRequestError
from ds4_core.generation import SampledToken, TokenRequest
from ds4_core.scoring import Scoring, before
from ds4_core.types import CancelFlag

# Where both answers are among so many of the most likely tokens, one look at a passage is enough.
_N_TOP = 8


def rank(
    engine: Engine,
    query: str,
    passages: Sequence[str],
    *,
    n_ctx: int | None = None,
    cancel: CancelFlag | None = None,
) -> list[float]:
    """How likely it is that each passage helps to answer a query, by the model's own log-probabilities.

    The model is asked whether a passage helps, and the score is what "yes" has of the probability of "yes" and "no".
    Nothing is drawn: the same query and passage always have the same score. The passages are computed side by side, and
    the instructions and the query, which come first, once for all of them.

    Args:
        engine: The engine to use.
        query: What is looked for.
        passages: Plain texts.
        n_ctx: Most tokens of a prompt; None is the file's context, at most 32,768.
        cancel: Ends it from anywhere, within a layer.

    Returns:
        A score from 0 to 1 for each passage, in their order.

    Raises:
        InvalidRequestError: A query or a passage that is no text, or one text instead of a list of them.
        ContextOverflowError: A passage does not fit the context; its number and the tokens are named.
        GenerationCancelled: The flag was raised.
        DS4Error: Whatever opening the model or computing raises.
    """
    looks = _Ranking(engine, query, passages, n_ctx, cancel)
    if looks.prompts:
        looks.first(looks.scoring().run())
    if looks.unsure:
        looks.second(looks.scoring().run())
    return looks.scores


async def arank(
    engine: Engine,
    query: str,
    passages: Sequence[str],
    *,
    n_ctx: int | None = None,
    cancel: CancelFlag | None = None,
) -> list[float]:
    """The same, awaited. Cancelling the task stops the computation within a layer."""
    looks = await asyncio.to_thread(_Ranking, engine, query, passages, n_ctx, cancel)
    if looks.prompts:
        looks.first(await looks.scoring().arun())
    if looks.unsure:
        looks.second(await looks.scoring().arun())
    return looks.scores


def best_first(scores: Sequence[float], n: int | None, *, least: float = 0.0) -> list[int]:
    """The numbers of the passages whose scores are the `n` best and at least `least`, best first; None is all.

    Equals stay as they came.
    """
    kept = (number for number, score in enumerate(scores) if score >= least)
    return sorted(kept, key=lambda number: -scores[number])[:n]


class _Ranking:
    """Passages on their way to their scores.

    The first look scores "yes" and sees "no" among the likeliest tokens; the second scores "no" for those where it was
    not among them.
    """

    def __init__(
        self, engine: Engine, query: str, passages: Sequence[str], n_ctx: int | None, cancel: CancelFlag | None
    ) -> None:
        if not isinstance(query, str):
            raise InvalidRequestError(f"query={query!r:.80}: it must be a text")
        if isinstance(passages, str) or not all(isinstance(passage, str) for passage in passages):
            raise InvalidRequestError(f"passages={passages!r:.80}: they must be a list of texts")
        CancelFlag.pointer_of(cancel)
        self._engine, self._cancel = engine, cancel
        self.prompts: list[TokenRequest] = []
        self.unsure: list[int] = []  # numbers of the passages to look at again
        self._logprobs: list[tuple[float, float]] = []
        if not passages:
            return
        model = engine.open().model
        self._yes, self._no = (model.tokenize(answer) for answer in RELEVANCE_ANSWERS)
        self._answers = [self._yes] * len(passages)
        requests = [ChatRequest(messages=relevance_messages(query, passage)) for passage in passages]
        encoded = [encode_request(model, request) for request in requests]
        self._check_room(encoded, engine._n_ctx_of_request(n_ctx))
        first, last = min(encoded), max(encoded)  # what these two have in common, all have
        parted = (i for i, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
        shared = next(parted, min(len(first), len(last)))
        points = (shared,) if len(encoded) > 1 and shared else None
        self.prompts = [
            replace(before(ids, _N_TOP, n_ctx), checkpoints=points and tuple(sorted({shared, len(ids)})))
            for ids in encoded
        ]

    def _check_room(self, encoded: list[list[int]], n_ctx: int) -> None:
        longest = max(len(self._yes), len(self._no))
        for number, ids in enumerate(encoded):
            if len(ids) + longest > n_ctx:
                raise ContextOverflowError(
                    f"passages[{number}] makes a prompt of {len(ids)} tokens, which leaves no room for an answer in a "
                    f"context of {n_ctx}; split it into shorter ones or raise n_ctx",
                    n_prompt=len(ids),
                    n_ctx=n_ctx,
                )

    def scoring(self) -> Scoring:
        """The computation of the next look."""
        return Scoring(self._engine, self.prompts, self._answers, cancel=self._cancel)

    def first(self, scores: Sequence[Sequence[SampledToken]]) -> None:
        """Takes the scores of "yes"."""
        for number, tokens in enumerate(scores):
            yes, no = _sum(tokens), -math.inf
            seen = next((one.logprob for one in tokens[0].top if [one.token] == self._no), None)
            if seen is None:
                self.unsure.append(number)
            else:
                no = seen
            self._logprobs.append((yes, no))
        self.prompts = [self.prompts[number] for number in self.unsure]
        self._answers = [self._no] * len(self.unsure)

    def second(self, scores: Sequence[Sequence[SampledToken]]) -> None:
        """Takes those of "no"."""
        for number, tokens in zip(self.unsure, scores, strict=True):
            self._logprobs[number] = (self._logprobs[number][0], _sum(tokens))

    @property
    def scores(self) -> list[float]:
        """The share of "yes" for each passage."""
        return [1 / (1 + math.exp(min(no - yes, 700.0))) for yes, no in self._logprobs]


def _sum(tokens: Sequence[SampledToken]) -> float:
    return sum(token.logprob for token in tokens)
