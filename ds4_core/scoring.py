"""Scores of given tokens: generations that are told what comes next, several of them side by side."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np

from ds4_core.errors import ContextOverflowError, InvalidRequestError, InvalidTokenError, QueueFullError
from ds4_core.generation import Generation, SampledToken, TokenEvent, TokenRequest
from ds4_core.model import token_array
from ds4_core.progress import BOARD
from ds4_core.scheduler import Scheduler
from ds4_core.types import CancelFlag, IntArray
from ds4_core.work import call_in_loop

if TYPE_CHECKING:
    from ds4_core.engine import Engine

#: Continuations of one call that are with the scheduler at the same time, so that those of others get their turn.
_SIDE_BY_SIDE = 16

_LOOK_UP_S = 0.1


class _Recital:
    """A guide that lets given tokens come and nothing else."""

    finished = False

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = tokens

    def mask(self) -> None:
        return None

    def accept(self, token: int) -> None:
        pass

    def forced(self) -> list[int]:
        tokens, self._tokens = self._tokens, []
        return tokens


class Scoring:
    """Continuations of prompts on their way to their scores. What they have in common is computed once."""

    def __init__(
        self,
        engine: Engine,
        prompts: Sequence[TokenRequest],
        continuations: Sequence[Any],
        *,
        cancel: CancelFlag | None = None,
        keep: int | None = 0,
    ) -> None:
        """Checks what can be checked without opening the engine.

        Args:
            engine: The engine to use.
            prompts: What each continuation follows: its prompt, how many of the most likely tokens to report with
                every score, and the most tokens of prompt and continuation together. A single one is that of all.
            continuations: Ids, each list for itself; an empty one has no scores.
            cancel: Ends all of it.
            keep: As `TokenStream.close`.

        Raises:
            InvalidRequestError: A value of the wrong type or out of range.
        """
        CancelFlag.pointer_of(cancel)
        self._engine = engine
        self._cancel = cancel
        self._keep = keep
        self._side_by_side = _SIDE_BY_SIDE
        self._continuations: list[IntArray] = [token_array(ids).copy() for ids in continuations]
        self._requests = list(prompts) if len(prompts) != 1 else [*prompts] * len(self._continuations)
        self._scores: list[list[SampledToken]] = [[] for _ in self._continuations]

    def _begin(self, index: int, on_end: Callable[[], object]) -> tuple[Generation, Scheduler]:
        engine, request, ids = self._engine, self._requests[index], self._continuations[index]
        shared = engine._shared()
        n_ctx = engine._n_ctx_of_request(request.n_ctx)
        n_prompt = len(request.prompt)
        if n_prompt + len(ids) > n_ctx:
            raise ContextOverflowError(
                f"the prompt has {n_prompt} tokens and continuation {index} has {len(ids)}, together more than a "
                f"context of {n_ctx}; shorten them or raise n_ctx",
                n_prompt=n_prompt,
                n_ctx=n_ctx,
            )
        largest = max(request.prompt.max(), ids.max())
        if largest >= shared.n_vocab:
            raise InvalidTokenError(f"token {largest} is outside the vocabulary: ids are 0 .. {shared.n_vocab - 1}")
        scheduler = Scheduler.of(shared)
        work = Generation(
            replace(request, max_tokens=len(ids), guide=partial(_Recital, ids.tolist())),
            shared.native,
            shared.n_vocab,
            n_ctx=n_ctx,
            token_eos=None,  # a token like any other here
            seed=0,
            is_closed=engine._is_closed,
            owner=weakref.ref(self, scheduler.wake),
            cancel=self._cancel,
            emit=partial(_note, self._scores[index]),
            backlog=_nothing_waits,
        )
        work.keep = self._keep
        work.on_end(on_end)
        BOARD.watch(work)
        scheduler.submit(work)
        return work, scheduler

    def _indices(self) -> list[int]:
        # Of those that have something to compute, last first.
        return [index for index, ids in enumerate(self._continuations) if len(ids)][::-1]

    def _settle(self, index: int, running: dict[int, tuple[Generation, Scheduler]], left: list[int]) -> None:
        work, _ = running.pop(index)
        try:
            work.outcome()
        except QueueFullError:
            if not running:
                raise
            # The queue is full of those of this call: it comes when one of them has ended.
            self._side_by_side = len(running)
            left.append(index)

    def run(self) -> list[list[SampledToken]]:
        """Computes them and waits.

        Raises:
            ContextOverflowError: Prompt and continuation do not fit the context.
            InvalidTokenError: A token outside the vocabulary.
            QueueFullError: So many requests of others wait that not even one of these may.
            GenerationCancelled: The flag was raised.
            DS4Error: Whatever opening the model or computing raises.
        """
        ended: SimpleQueue[int] = SimpleQueue()
        left = self._indices()
        running: dict[int, tuple[Generation, Scheduler]] = {}
        try:
            while left or running:
                while left and len(running) < self._side_by_side:
                    index = left.pop()
                    running[index] = self._begin(index, partial(ended.put, index))
                # A signal that comes just before this thread sleeps does not wake it: it looks up now and then.
                with suppress(Empty):
                    self._settle(ended.get(timeout=_LOOK_UP_S), running, left)
        except BaseException:
            _give_up(running)
            raise
        return self._scores

    async def arun(self) -> list[list[SampledToken]]:
        """The same for a task. Cancelling it stops the computation within a layer."""
        if not self._engine.is_open:
            await asyncio.to_thread(self._engine.open)
        loop, ended = asyncio.get_running_loop(), asyncio.Queue[int]()
        left = self._indices()
        running: dict[int, tuple[Generation, Scheduler]] = {}
        try:
            while left or running:
                while left and len(running) < self._side_by_side:
                    index = left.pop()
                    running[index] = self._begin(index, partial(call_in_loop, loop, ended.put_nowait, index))
                self._settle(await ended.get(), running, left)
        except BaseException:
            _give_up(running)
            raise
        return self._scores


def _note(scores: list[SampledToken], event: TokenEvent) -> None:
    if isinstance(event, SampledToken):
        scores.append(event)


def _nothing_waits() -> int:
    return 0


def _give_up(running: dict[int, tuple[Generation, Scheduler]]) -> None:
    for work, scheduler in running.values():
        work.abandon.set()
        scheduler.nudge()


def is_one(continuations: Any) -> bool:
    """Whether these are the ids of one continuation, and not several of them."""
    if isinstance(continuations, np.ndarray):
        return continuations.ndim == 1 and continuations.dtype != object
    if isinstance(continuations, (str, bytes)) or not isinstance(continuations, Sequence):
        raise InvalidRequestError(
            f"continuations are {type(continuations).__name__}: they must be token ids, or a sequence of those"
        )
    return bool(len(continuations)) and isinstance(continuations[0], (int, np.integer))


def prompt_scoring(engine: Engine, prompt: Any, n_top: int, n_ctx: int | None, cancel: CancelFlag | None) -> Scoring:
    """The scores of a prompt: those of what follows its first token."""
    ids = token_array(prompt)
    return Scoring(engine, [before(ids[:1], n_top, n_ctx)], [ids[1:]], cancel=cancel, keep=None)


def before(prompt: Any, n_top: int = 0, n_ctx: int | None = None) -> TokenRequest:
    """What continuations of a prompt follow, as `Scoring` takes it.

    Raises:
        InvalidRequestError: A value of the wrong type or out of range.
    """
    return TokenRequest(prompt, seed=0, n_top=n_top, n_ctx=n_ctx)
