"""Serves generation requests: the one path from a ChatRequest to its events.

Each request has a session of its own. Its prompt is computed in pieces and its answer token by token; every forward
takes the engine for itself, so requests of several threads take turns between forwards instead of waiting for whole
answers.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from dataclasses import replace

from ds4_core.chat.encoding import encode_messages, encode_raw
from ds4_core.chat.events import Event, Finish, FinishReason, Timings, Usage
from ds4_core.chat.request import ChatRequest
from ds4_core.chat.stream import StreamDecoder
from ds4_core.engine import DEFAULT_N_CTX, Engine
from ds4_core.errors import ContextOverflowError, GenerationTimeoutError, InternalError
from ds4_core.model import Model
from ds4_core.sampling import random_seed, rng_from_seed
from ds4_core.session import Session
from ds4_core.types import CancelFlag, SampleParams, SampleResult, Span


def generate(engine: Engine, request: ChatRequest, *, cancel: CancelFlag | None = None) -> Generator[Event, None, None]:
    """The events of one generation, as they happen; the last one is a Finish.

    Nothing is computed ahead of the consumer. Closing the generator, or leaving the loop over it, ends the generation
    and frees its session.

    Args:
        engine: The engine to use; opened at the first event.
        request: What to generate.
        cancel: A flag that ends the generation from another thread, within a layer.

    Raises:
        ContextOverflowError: The prompt fills the context.
        GenerationTimeoutError: `request.timeout_s` is over.
        GenerationCancelled: The flag was raised.
        DS4Error: Whatever opening the model or computing raises.
    """
    return generate_until(engine, request, cancel=cancel)


def generate_until(
    engine: Engine, request: ChatRequest, *, cancel: CancelFlag | None = None, abandon: CancelFlag | None = None
) -> Generator[Event, None, None]:
    """`generate` with a second flag, for whoever drives it and must not raise the caller's."""
    started = time.monotonic()
    info = engine.open().info
    vocabulary = engine.model
    prompt = (
        encode_raw(vocabulary, request.prompt)
        if request.prompt is not None
        else encode_messages(vocabulary, request.messages)
    )
    n_ctx = request.n_ctx or min(info.n_context_train or DEFAULT_N_CTX, DEFAULT_N_CTX)
    if len(prompt) >= n_ctx:
        raise ContextOverflowError(
            f"the prompt has {len(prompt)} tokens, which leaves no room in a context of {n_ctx}; "
            "shorten the prompt or raise n_ctx",
            n_prompt=len(prompt),
            n_ctx=n_ctx,
        )
    seed = random_seed() if request.sampling.seed is None else request.sampling.seed
    budget = n_ctx - len(prompt)
    if request.max_tokens is not None:
        budget = min(budget, request.max_tokens)
    decoder = StreamDecoder(vocabulary, stop=request.stop, reasoning=_is_thinking(vocabulary, prompt))
    deadline = None if request.timeout_s is None else started + request.timeout_s

    with engine.session_for_request(n_ctx=n_ctx) as session:
        steps = _Steps(engine, session, request, seed, (cancel, abandon), deadline, n_batch=info.n_batch)
        reason: FinishReason = "length"
        token = steps.prefill(prompt)
        while True:
            if token == vocabulary.token_eos:
                reason = "stop"
                break
            yield from decoder.feed((token,))
            if decoder.stopped is not None:
                reason = "stop"
                break
            if steps.n_sampled == budget:
                break
            token = steps.decode(token)
    yield from decoder.finish()
    usage = Usage(prompt_tokens=len(prompt), completion_tokens=steps.n_sampled, reasoning_tokens=decoder.n_reasoning)
    yield Finish(reason=reason, usage=usage, timings=steps.timings(), stop=decoder.stopped, seed=seed)


class _Steps:
    """The forwards of one request, timed."""

    def __init__(
        self,
        engine: Engine,
        session: Session,
        request: ChatRequest,
        seed: int,
        flags: tuple[CancelFlag | None, CancelFlag | None],
        deadline: float | None,
        *,
        n_batch: int,
    ) -> None:
        self._engine = engine
        self._session = session
        self._request = request
        self._cancel, self._abandon = flags
        self._deadline = deadline
        self._n_batch = n_batch
        sampling = request.sampling
        self._params = SampleParams(
            temperature=sampling.temperature,
            top_k=sampling.top_k,
            top_p=sampling.top_p,
            min_p=sampling.min_p,
            rng=rng_from_seed(seed),
        )
        self._prefill_s = 0.0
        self._decode_s = 0.0
        self.n_sampled = 0

    def prefill(self, prompt: Sequence[int]) -> int:
        """Computes the prompt, in pieces so that others get their turn, and samples the first token."""
        start = time.perf_counter()
        size = self._n_batch
        for at in range(0, len(prompt), size):
            piece = prompt[at : at + size]
            result = self._forward(piece, sample=at + size >= len(prompt))
        self._prefill_s = time.perf_counter() - start
        return self._take(result)

    def decode(self, token: int) -> int:
        """Appends the last sampled token and samples the next."""
        start = time.perf_counter()
        result = self._forward((token,), sample=True)
        self._decode_s += time.perf_counter() - start
        return self._take(result)

    def timings(self) -> Timings:
        """What the forwards took so far."""
        return Timings(prefill_s=self._prefill_s, decode_s=self._decode_s, decoded_tokens=max(0, self.n_sampled - 1))

    def _forward(self, tokens: Sequence[int], *, sample: bool) -> SampleResult | None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise GenerationTimeoutError(f"the generation took longer than its timeout of {self._request.timeout_s} s")
        span = Span(
            self._session,
            tokens,
            wanted=None if sample else (),
            cancel=self._cancel,
            sample=self._params if sample else None,
            copy_logits=False,
        )
        (result,) = self._engine.forward([span], cancel=self._abandon)
        if result.error is not None:
            raise result.error
        return result.sample

    def _take(self, result: SampleResult | None) -> int:
        if result is None:
            raise InternalError("a forward that was asked for a token returned none")
        self._params = replace(self._params, rng=result.rng)
        self.n_sampled += 1
        return result.token


def _is_thinking(model: Model, prompt: Sequence[int]) -> bool:
    """Whether a prompt ends inside a thinking block of the turn to be continued."""
    borders = {model.token_assistant, model.token_think_open, model.token_think_close} - {None}
    last = next((token for token in reversed(prompt) if token in borders), None)
    return last is not None and last == model.token_think_open
