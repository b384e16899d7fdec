"""How likely given texts are as the answer to a request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ds4_core.aio import AsyncEngine
from ds4_core.chat.encoding import encode_request
from ds4_core.chat.events import Alternative, TokenLogprob
from ds4_core.chat.request import ChatRequest
from ds4_core.engine import Engine
from ds4_core.errors import InvalidRequestError
from ds4_core.generation import SampledToken
from ds4_core.model import Model
from ds4_core.types import CancelFlag


@dataclass(frozen=True, slots=True)
class ScoredText:
    """A continuation and how likely it is.

    Attributes:
        text: As it was given.
        tokens: One entry per token, with the most likely ones at its position when asked for.
    """

    text: str
    tokens: tuple[TokenLogprob, ...]

    @property
    def logprob(self) -> float:
        """Natural log of the probability of the whole text."""
        return sum(token.logprob for token in self.tokens)


def score(
    engine: Engine,
    request: ChatRequest,
    continuations: Sequence[str],
    *,
    n_top: int = 0,
    cancel: CancelFlag | None = None,
) -> list[ScoredText]:
    """Scores texts as beginnings of the answer. The prompt is computed once for all of them.

    Args:
        engine: The engine to use.
        request: The conversation, with what it says about the prompt; its sampling and limits play no part.
        continuations: Plain texts, none of them empty.
        n_top: How many of the most likely tokens to report at every position.
        cancel: Ends it from anywhere, within a layer.

    Raises:
        InvalidRequestError: An empty text, or one text instead of a list of them.
        ContextOverflowError: Prompt and text do not fit the context.
        GenerationCancelled: The flag was raised.
    """
    model, prompt, ids = _encoded(engine, request, continuations)
    scores = engine.score(prompt, ids, n_top=n_top, n_ctx=request.n_ctx, cancel=cancel)
    return _scored(model, continuations, scores)


async def ascore(
    engine: Engine,
    request: ChatRequest,
    continuations: Sequence[str],
    *,
    n_top: int = 0,
    cancel: CancelFlag | None = None,
) -> list[ScoredText]:
    """The same, awaited."""
    model, prompt, ids = await asyncio.to_thread(_encoded, engine, request, continuations)
    scores = await AsyncEngine(engine).score(prompt, ids, n_top=n_top, n_ctx=request.n_ctx, cancel=cancel)
    return _scored(model, continuations, scores)


def _encoded(engine: Engine, request: ChatRequest, texts: Sequence[str]) -> tuple[Model, list[int], list[list[int]]]:
    if isinstance(texts, str) or not all(isinstance(text, str) and text for text in texts):
        raise InvalidRequestError(f"continuations={texts!r:.80}: it must be a list of texts, none of them empty")
    model = engine.open().model
    return model, encode_request(model, request), [model.tokenize(text) for text in texts]


def _scored(model: Model, texts: Sequence[str], scores: Sequence[Sequence[SampledToken]]) -> list[ScoredText]:
    return [
        ScoredText(text, tuple(_entry(model, token) for token in tokens))
        for text, tokens in zip(texts, scores, strict=True)
    ]


def _entry(model: Model, token: SampledToken) -> TokenLogprob:
    top = tuple(Alternative(one.token, model.token_bytes(one.token), one.logprob) for one in token.top)
    return TokenLogprob(token.token, model.token_bytes(token.token), token.logprob, top, "text")
