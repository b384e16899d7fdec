"""From a ChatRequest to its events: encodes the prompt, has tokens drawn, decodes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from types import TracebackType
from typing import Self

from ds4_core.chat.encoding import encode_messages, encode_raw
from ds4_core.chat.events import Event, Finish
from ds4_core.chat.request import ChatRequest
from ds4_core.chat.stream import StreamDecoder
from ds4_core.engine import Engine
from ds4_core.generation import GenerationEnd, SampledToken, TokenEvent, TokenRequest
from ds4_core.model import Model
from ds4_core.streams import AsyncTokenStream, TokenStream
from ds4_core.types import CancelFlag, Timings, Usage


def generate(engine: Engine, request: ChatRequest, *, cancel: CancelFlag | None = None) -> ChatStream:
    """The events of one answer, as they happen; the last one is a Finish.

    Nothing is computed before the first event is taken. Closing the stream, or dropping it, ends the generation.

    Args:
        engine: The engine to use; opened at the first event.
        request: What to generate.
        cancel: A flag that ends the generation from another thread, within a layer.

    Raises:
        ContextOverflowError: The prompt fills the context.
        GenerationTimeoutError: `request.timeout_s` is over.
        GenerationCancelled: The flag was raised.
        DS4Error: Whatever opening the model or computing raises; all of them at the first event or later.
    """
    return ChatStream(engine, request, cancel)


def agenerate(engine: Engine, request: ChatRequest, *, cancel: CancelFlag | None = None) -> AsyncChatStream:
    """The events of `generate`, awaited."""
    return AsyncChatStream(engine, request, cancel)


class _Answer:
    """One answer on its way from token events to text events."""

    def __init__(self, engine: Engine, request: ChatRequest) -> None:
        """Encodes the prompt; opens the model."""
        engine.open()
        vocabulary = engine.model
        prompt = (
            encode_raw(vocabulary, request.prompt)
            if request.prompt is not None
            else encode_messages(vocabulary, request.messages)
        )
        sampling = request.sampling
        self.token_request = TokenRequest(
            prompt,
            max_tokens=request.max_tokens,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            seed=sampling.seed,
            n_ctx=request.n_ctx,
            timeout_s=request.timeout_s,
        )
        self._token_eos = vocabulary.token_eos
        self._n_prompt = len(prompt)
        self._decoder = StreamDecoder(vocabulary, stop=request.stop, reasoning=_is_thinking(vocabulary, prompt))
        self._n_tokens = 0
        #: Tokens of the answer up to and including the one that completed a stop string; None while none did.
        self.stopped_at: int | None = None

    def take(self, event: TokenEvent) -> Sequence[Event]:
        """What one token event says."""
        if isinstance(event, SampledToken):
            self._n_tokens += 1
            if event.token == self._token_eos:
                return ()
            events = self._decoder.feed((event.token,))
            if self._decoder.stopped is not None:
                self.stopped_at = self._n_tokens
            return events
        if isinstance(event, GenerationEnd):
            return (*self._decoder.finish(), self._finish(event.reason, event.usage, event.timings, event.seed))
        return ()

    def stop(self, tokens: TokenStream | AsyncTokenStream) -> Sequence[Event]:
        """The end after a stop string."""
        end = tokens.end_now(self._n_tokens, keep=self._n_tokens - 1)
        return (*self._decoder.finish(), self._finish("stop", end.usage, end.timings, end.seed))

    def _finish(self, reason: str, usage: Usage, timings: Timings, seed: int) -> Finish:
        usage = Usage(
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.cached_tokens,
            completion_tokens=self._n_tokens,
            reasoning_tokens=self._decoder.n_reasoning,
        )
        return Finish(
            reason="length" if reason == "length" else "stop",
            usage=usage,
            timings=timings,
            stop=self._decoder.stopped,
            seed=seed,
        )


class ChatStream(Iterator[Event]):
    """The events of one answer. Made by `generate`; `close()` or dropping it ends the generation.

    One thread takes them; any may close it.
    """

    def __init__(self, engine: Engine, request: ChatRequest, cancel: CancelFlag | None = None) -> None:
        """For `generate`."""
        CancelFlag.pointer_of(cancel)
        self._engine = engine
        self._request = request
        self._cancel = cancel
        self._ready: deque[Event] = deque()
        self._answer: _Answer | None = None
        self._tokens: TokenStream | None = None
        self._closed = False

    def __next__(self) -> Event:
        """Waits for the next event."""
        while not self._ready:
            if self._closed:
                raise StopIteration
            try:
                self._pull()
            except BaseException:
                self.close()
                raise
        return self._ready.popleft()

    def _pull(self) -> None:
        answer, tokens = self._answer, self._tokens
        if answer is None or tokens is None:
            answer = self._answer = _Answer(self._engine, self._request)
            tokens = self._tokens = TokenStream(self._engine, answer.token_request, self._cancel)
            if self._closed:  # meanwhile
                tokens.close()
        event = next(tokens, None)
        if event is not None:
            self._ready.extend(answer.take(event))
        if answer.stopped_at is not None:
            self._ready.extend(answer.stop(tokens))
        if event is None or answer.stopped_at is not None:
            self._closed = True

    def close(self) -> None:
        """Ends the generation; waits for nothing."""
        self._closed = True
        self._ready.clear()
        if self._tokens is not None:
            self._tokens.close()

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()


class AsyncChatStream(AsyncIterator[Event]):
    """The same events, awaited. Made by `agenerate`; nothing has to be awaited for a generation to stop.

    One task takes them; any may close it.
    """

    def __init__(self, engine: Engine, request: ChatRequest, cancel: CancelFlag | None = None) -> None:
        """For `agenerate`."""
        CancelFlag.pointer_of(cancel)
        self._engine = engine
        self._request = request
        self._cancel = cancel
        self._ready: deque[Event] = deque()
        self._answer: _Answer | None = None
        self._tokens: AsyncTokenStream | None = None
        self._closed = False

    async def __anext__(self) -> Event:
        """Waits for the next event."""
        while not self._ready:
            if self._closed:
                raise StopAsyncIteration
            try:
                await self._pull()
            except BaseException:
                self.close()
                raise
        return self._ready.popleft()

    async def _pull(self) -> None:
        answer, tokens = self._answer, self._tokens
        if answer is None or tokens is None:
            # Opening a model and encoding a long prompt must not keep the event loop busy.
            answer = self._answer = await asyncio.to_thread(_Answer, self._engine, self._request)
            tokens = self._tokens = AsyncTokenStream(self._engine, answer.token_request, self._cancel)
            if self._closed:  # meanwhile
                tokens.close()
        event = await anext(tokens, None)
        if event is not None:
            self._ready.extend(answer.take(event))
        if answer.stopped_at is not None:
            self._ready.extend(answer.stop(tokens))
        if event is None or answer.stopped_at is not None:
            self._closed = True

    def close(self) -> None:
        """Ends the generation; waits for nothing."""
        self._closed = True
        self._ready.clear()
        if self._tokens is not None:
            self._tokens.close()

    async def aclose(self) -> None:
        """`close()`, and waits until the generation has ended and its memory is free."""
        self.close()
        if self._tokens is not None:
            await self._tokens.aclose()


def _is_thinking(model: Model, prompt: Sequence[int]) -> bool:
    """Whether a prompt ends inside a thinking block of the turn to be continued."""
    borders = {model.token_assistant, model.token_think_open, model.token_think_close} - {None}
    last = next((token for token in reversed(prompt) if token in borders), None)
    return last is not None and last == model.token_think_open
