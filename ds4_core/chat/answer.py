"""From a ChatRequest to its events: encodes the prompt, has tokens drawn, decodes them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from ds4_core.chat.encoding import check_effort, encode_request
from ds4_core.chat.events import Event, Finish, FinishReason
from ds4_core.chat.messages import Message, ToolCall
from ds4_core.chat.request import ChatRequest
from ds4_core.chat.roundtrip import ParseTurn
from ds4_core.chat.stream import ScoredToken, StreamDecoder, parse_turn
from ds4_core.chat.thinking import ThinkingBudget
from ds4_core.chat.tools import choice_of
from ds4_core.engine import Engine
from ds4_core.errors import ContextOverflowError
from ds4_core.generation import GenerationEnd, SampledToken, TokenEvent, TokenRequest
from ds4_core.guide import Guide
from ds4_core.model import Model
from ds4_core.sampling import random_seed
from ds4_core.streams import AsyncTokenStream, TokenStream
from ds4_core.types import CancelFlag, checked_int


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


def samples(
    engine: Engine, request: ChatRequest, n: int, *, cancel: CancelFlag | None = None
) -> tuple[ChatStream, ...]:
    """Several answers to one request, computed side by side after one prefill.

    Args:
        engine: The engine to use.
        request: What to generate. Its seed, or a drawn one, is that of the first answer; each further one has the next.
        n: How many.
        cancel: Ends all of them.

    Returns:
        A stream for each; they begin together when the first event of any is taken.

    Raises:
        InvalidRequestError: `n` is below 1.
    """
    streams = tuple(ChatStream(engine, each, cancel) for each in _with_seeds(request, n))
    for stream in streams:
        stream._beside = streams
    return streams


def asamples(
    engine: Engine, request: ChatRequest, n: int, *, cancel: CancelFlag | None = None
) -> tuple[AsyncChatStream, ...]:
    """The streams of `samples`, awaited; each begins when it is awaited first."""
    return tuple(AsyncChatStream(engine, each, cancel) for each in _with_seeds(request, n))


def prompt_tokens(model: Model, request: ChatRequest) -> list[int]:
    """The prompt that a request is answered to: where earlier turns hold their sampled tokens, those. Needs no weights.

    Raises:
        InvalidRequestError, UnsupportedError: As `encode_request`.
    """
    return encode_request(model, request, parse=_parser(model))


def _with_seeds(request: ChatRequest, n: int) -> list[ChatRequest]:
    n = checked_int("n", n, 1, 2**16)
    first = random_seed() if request.sampling.seed is None else request.sampling.seed
    return [replace(request, sampling=replace(request.sampling, seed=(first + index) % 2**64)) for index in range(n)]


class _Answer:
    """One answer on its way from token events to text events."""

    def __init__(self, engine: Engine, request: ChatRequest) -> None:
        """Encodes the prompt; opens the model."""
        engine.open()
        vocabulary = engine.model
        n_ctx = engine._n_ctx_of_request(request.n_ctx)
        check_effort(request.effective_effort, n_ctx)
        choice = choice_of(request.tool_choice, request.tools)
        prompt = prompt_tokens(vocabulary, request)
        reasoning = _is_thinking(vocabulary, prompt)
        guide = _guide(vocabulary, request, n_ctx, len(prompt), reasoning=reasoning)
        sampling = request.sampling
        self.token_request = TokenRequest(
            prompt,
            max_tokens=request.max_tokens,
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            repetition_penalty=sampling.repetition_penalty,
            presence_penalty=sampling.presence_penalty,
            frequency_penalty=sampling.frequency_penalty,
            logit_bias=sampling.logit_bias,
            seed=sampling.seed,
            stop_token_ids=request.stop_token_ids,
            ignore_eos=request.ignore_eos,
            min_tokens=request.min_tokens,
            n_top=request.top_logprobs,
            logprobs=request.logprobs,
            guide=None if guide is None else lambda: guide,
            n_ctx=n_ctx,
            timeout_s=request.timeout_s,
            checkpoints=_resume_points(vocabulary, prompt),
        )
        self._logprobs = request.logprobs
        self._decoder = StreamDecoder(
            vocabulary,
            stop=request.stop,
            reasoning=reasoning,
            tools=bool(request.tools) and choice != "none",
            # Beside a document, which may say anything, only the marker itself opens a call.
            tolerant=request.response_format is None,
            logprobs=request.logprobs,
            end_tokens=request.stop_token_ids,
        )
        self._n_tokens = 0
        self._raw: list[int] = []

    @property
    def stopped(self) -> bool:
        """True when a stop string has completed."""
        return self._decoder.stopped is not None

    def take(self, event: TokenEvent) -> Sequence[Event]:
        """What one token event says."""
        if isinstance(event, SampledToken):
            self._n_tokens += 1
            self._raw.append(event.token)
            return self._decoder.feed((ScoredToken(*event) if self._logprobs else event.token,))
        if isinstance(event, GenerationEnd):
            return (*self._decoder.finish(), self._finish(event))
        return ()

    def stop(self, tokens: TokenStream | AsyncTokenStream) -> Sequence[Event]:
        """The end after a stop string, whose text later requests do not start from."""
        decoder = self._decoder
        return (*decoder.finish(), self._finish(tokens.end_now(self._n_tokens, keep=decoder.n_kept)))

    def _finish(self, end: GenerationEnd) -> Finish:
        decoder = self._decoder
        reason: FinishReason = end.reason
        if reason == "stop" and decoder.stopped is None and decoder.n_complete_calls:
            reason = "tool_calls"
        return Finish(
            reason=reason,
            usage=replace(end.usage, completion_tokens=self._n_tokens, reasoning_tokens=decoder.n_reasoning),
            timings=end.timings,
            stop=decoder.stopped,
            seed=end.seed,
            tokens=decoder.trailing,
            raw=tuple(self._raw[: decoder.n_kept]),
        )


class _Stream:
    """What both kinds have in common: what was folded and is not taken yet, and the end."""

    def __init__(self, engine: Engine, request: ChatRequest, cancel: CancelFlag | None) -> None:
        CancelFlag.pointer_of(cancel)
        self._engine = engine
        self._request = request
        self._cancel = cancel
        self._ready: deque[Event] = deque()
        self._answer: _Answer | None = None
        self._tokens: TokenStream | AsyncTokenStream | None = None
        self._closed = False

    def _fold(self, answer: _Answer, tokens: TokenStream | AsyncTokenStream, event: TokenEvent | None) -> None:
        """Takes the next token event, None after the last."""
        if event is not None:
            self._ready.extend(answer.take(event))
        if answer.stopped:
            self._ready.extend(answer.stop(tokens))
        if event is None or answer.stopped:
            self._closed = True

    def close(self) -> None:
        """Ends the generation; waits for nothing."""
        self._closed = True
        self._ready.clear()
        if self._tokens is not None:
            self._tokens.close()


class ChatStream(_Stream, Iterator[Event]):
    """The events of one answer. Made by `generate`; `close()` or dropping it ends the generation.

    One thread takes them; any may close it.
    """

    def __init__(self, engine: Engine, request: ChatRequest, cancel: CancelFlag | None = None) -> None:
        """For `generate`."""
        super().__init__(engine, request, cancel)
        self._tokens: TokenStream | None = None
        self._beside: tuple[ChatStream, ...] = ()  # those that begin together with this one

    def _start(self) -> TokenStream:
        if self._tokens is None:
            self._answer = _Answer(self._engine, self._request)
            tokens = self._engine.generate(self._answer.token_request, cancel=self._cancel)
            self._tokens = tokens
            if self._closed:  # meanwhile
                tokens.close()
            tokens.start()
        return self._tokens

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
        if self._tokens is None:
            for stream in self._beside:
                stream._beside = ()  # from now on each can be dropped alone
                if not stream._closed:
                    stream._start()
        tokens, answer = self._start(), self._answer
        assert answer is not None  # noqa: S101
        event = next(tokens, None)
        self._fold(answer, tokens, event)

    def __enter__(self) -> Self:
        """Returns itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes it."""
        self.close()


class AsyncChatStream(_Stream, AsyncIterator[Event]):
    """The same events, awaited. Made by `agenerate`; nothing has to be awaited for a generation to stop.

    One task takes them; any may close it.
    """

    def __init__(self, engine: Engine, request: ChatRequest, cancel: CancelFlag | None = None) -> None:
        """For `agenerate`."""
        super().__init__(engine, request, cancel)
        self._tokens: AsyncTokenStream | None = None

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
            tokens = self._tokens = self._engine.agenerate(answer.token_request, cancel=self._cancel)
            if self._closed:  # meanwhile
                tokens.close()
        event = await anext(tokens, None)
        self._fold(answer, tokens, event)

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


def _guide(model: Model, request: ChatRequest, n_ctx: int, n_prompt: int, *, reasoning: bool) -> Guide | None:
    """What the answer is held to: tools, a response format, a budget for thinking.

    Raises:
        InvalidRequestError: Something that can not be followed; max_tokens below the shortest answer, with the number.
        ContextOverflowError: The prompt leaves no room for the shortest answer, with the numbers.
        UnsupportedError: A part of a schema that can not be enforced.
    """
    room = n_ctx - n_prompt
    guide: Guide | None = None
    if request.tools or request.response_format is not None:
        from ds4_core.chat import constraints  # takes a while to import, and most requests ask for nothing

        plan = constraints.compile(
            request,
            model,
            thinking=reasoning,
            tool_choice=request.tool_choice,
            parallel_tool_calls=request.parallel_tool_calls,
            strict=request.strict,
        )
        if plan is not None and room > 0:
            least = plan.min_tokens_left()
            if room < least:
                raise ContextOverflowError(
                    f"the prompt has {n_prompt} tokens and the shortest answer that fits what is asked for {least}, "
                    f"together more than a context of {n_ctx}; shorten it or raise n_ctx",
                    n_prompt=n_prompt,
                    n_ctx=n_ctx,
                )
            plan.limit(room if request.max_tokens is None else min(room, request.max_tokens))
        guide = plan
    if request.max_thinking_tokens is None or model.token_think_close is None:
        return guide
    return ThinkingBudget(
        guide,
        n_vocab=model.n_vocab,
        think_open=model.token_think_open,
        think_close=model.token_think_close,
        budget=request.max_thinking_tokens,
        thinking=reasoning,
    )


def _resume_points(model: Model, prompt: Sequence[int]) -> tuple[int, ...] | None:
    """Where later requests will leave this prompt: after the header of the turn, when tags follow it.

    A later prompt shows the turn without its thinking, so that what comes after the header is another tag.
    """
    after = next((len(prompt) - i for i, token in enumerate(reversed(prompt)) if token == model.token_assistant), 0)
    return (after,) if 0 < after < len(prompt) and len(prompt) - after <= 2 else None


def _parser(model: Model) -> ParseTurn:
    """Reads a sampled turn back, for histories that hold raw tokens."""

    def parse(tokens: Sequence[int], thinks: bool) -> Message | None:
        turn = parse_turn(model, tokens, reasoning=thinks, tools=True)
        if any(not call.complete for call in turn.tool_calls):
            if model.token_dsml in tokens:
                return None
            turn = parse_turn(model, tokens, reasoning=thinks)  # text that looks like a call
        calls = tuple(ToolCall(call.name, call.arguments, call.id) for call in turn.tool_calls)
        return Message("assistant", turn.text, turn.reasoning, calls)

    return parse
