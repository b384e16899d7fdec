"""One generation: what is asked for, the events it gives, and its state between two steps of the scheduler."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from ds4_core.errors import InvalidRequestError, InvalidTokenError
from ds4_core.guide import Guide, Lead, LimitedGuide
from ds4_core.model import token_array
from ds4_core.native import CData, Native
from ds4_core.sampling import NativeParams, rng_from_seed
from ds4_core.timeline import NativeSession
from ds4_core.types import (
    CancelFlag,
    IntArray,
    SampleParams,
    Timings,
    TokenScore,
    Usage,
    checked_bool,
    checked_float,
    checked_int,
)
from ds4_core.work import Work

_MAX_I32 = 2**31 - 1

#: Tokens drawn ahead of a consumer that does not take them: few enough to be taken back for nothing. Forced ones come
#: with the token before them, however many they are.
LOOKAHEAD = 8


@dataclass(frozen=True, slots=True, eq=False)
class TokenRequest:
    """What a generation is asked for, in tokens.

    Attributes:
        prompt: At least one id; int32 `[n]` after construction.
        max_tokens: Most tokens drawn, the ending one included; None is what the context leaves.
        temperature, top_k, top_p, min_p: As in `SampleParams`.
        repetition_penalty: Above 0; weakens tokens of the prompt and of the answer; 1 is off.
        presence_penalty: Subtracted once from tokens that the answer has.
        frequency_penalty: Subtracted once per occurrence in the answer.
        logit_bias: Token id -> value added to its logit; `-inf` forbids it.
        seed: Any integer; None is drawn from the operating system and reported with the end.
        stop_token_ids: Tokens that end the answer beside the model's end-of-turn token.
        ignore_eos: The end-of-turn token does not end the answer.
        min_tokens: So many tokens come before one may end the answer; sooner where a guide lets nothing else come.
        n_top: How many of the most likely tokens to report with every token.
        logprobs: Report log-probabilities. Without them forced tokens cost less, and no `n_top` can be had.
        guide: Makes the guide of this generation, once, on the scheduler's thread; None lets everything come. With
            `ignore_eos` the guide ends with the end-of-turn token that it lets come, not the answer; a `LastingGuide`
            may go on.
        n_ctx: Most tokens of prompt and answer together; None is the file's context, at most 32,768.
        timeout_s: Most seconds from start to end, waiting included; None is no limit.
        checkpoints: Positions of the prompt, ascending, from which later requests are likely to go on; None is its end.

    Raises:
        InvalidRequestError: A value of the wrong type or out of range, or an empty prompt.
    """

    prompt: Any
    max_tokens: int | None = None
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    seed: int | None = None
    stop_token_ids: Sequence[int] = ()
    ignore_eos: bool = False
    min_tokens: int = 0
    n_top: int = 0
    logprobs: bool = True
    guide: Callable[[], Guide] | None = None
    n_ctx: int | None = None
    timeout_s: float | None = None
    checkpoints: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Checks what can be checked without a vocabulary."""
        prompt = token_array(self.prompt)
        if not len(prompt):
            raise InvalidRequestError("the prompt is empty: at least one token is needed")
        prompt = prompt.copy()
        prompt.flags.writeable = False
        object.__setattr__(self, "prompt", prompt)
        SampleParams(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
            presence_penalty=self.presence_penalty,
            frequency_penalty=self.frequency_penalty,
            bias=self.logit_bias,  # type: ignore[arg-type]
            n_top=self.n_top,
        )
        if self.seed is not None:
            rng_from_seed(self.seed)
        for name, low in (("max_tokens", 1), ("n_ctx", 1)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, checked_int(name, getattr(self, name), low, _MAX_I32))
        object.__setattr__(self, "min_tokens", checked_int("min_tokens", self.min_tokens, 0, _MAX_I32))
        if self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise InvalidRequestError(f"min_tokens {self.min_tokens} is more than max_tokens {self.max_tokens}")
        object.__setattr__(self, "ignore_eos", checked_bool("ignore_eos", self.ignore_eos))
        object.__setattr__(self, "logprobs", checked_bool("logprobs", self.logprobs))
        if self.n_top and not self.logprobs:
            raise InvalidRequestError(f"n_top is {self.n_top} and logprobs False: alternatives need log-probabilities")
        if self.guide is not None and not callable(self.guide):
            raise InvalidRequestError(f"guide is {type(self.guide).__name__}: it must be a function that makes a guide")
        object.__setattr__(self, "stop_token_ids", _checked_ints("stop_token_ids", self.stop_token_ids, 0, _MAX_I32))
        bias = {checked_int("a token of logit_bias", t, 0, _MAX_I32): b for t, b in self.logit_bias.items()}
        bias = {token: checked_float(f"the logit_bias of token {token}", value) for token, value in bias.items()}
        if math.inf in bias.values():
            raise InvalidRequestError("a logit_bias is inf: it must be a finite number or -inf")
        object.__setattr__(self, "logit_bias", bias)
        if self.timeout_s is not None:
            timeout = checked_float("timeout_s", self.timeout_s)
            if timeout <= 0:
                raise InvalidRequestError(f"timeout_s is {timeout}: it must be above 0, or None")
            object.__setattr__(self, "timeout_s", timeout)
        if self.checkpoints is not None:
            points = _checked_ints("checkpoints", self.checkpoints, 1, len(prompt))
            if list(points) != sorted(set(points)):
                raise InvalidRequestError(f"checkpoints are {points}: they must be ascending")
            object.__setattr__(self, "checkpoints", points)


def _checked_ints(name: str, values: Any, low: int, high: int) -> tuple[int, ...]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidRequestError(f"{name} is {values!r}: it must be a sequence of integers")
    return tuple(checked_int(f"one of {name}", value, low, high) for value in values)


class PrefillProgress(NamedTuple):
    """So much of the prompt is computed.

    Attributes:
        done: Tokens of the prompt that the KV holds, cached ones included; ascending to `total`.
        total: Tokens of the prompt.
        cached: Those that did not have to be computed.
    """

    done: int
    total: int
    cached: int


class SampledToken(NamedTuple):
    """A drawn or forced token, the ending one included.

    Attributes:
        token: Its id.
        logprob: Natural log of its probability at temperature 1, before masks, penalties and filters. NaN when the
            request wants none.
        top: The `n_top` most likely tokens, best first.
        forced: It had to come and was not drawn.
    """

    token: int
    logprob: float
    top: tuple[TokenScore, ...] = ()
    forced: bool = False


class GenerationEnd(NamedTuple):
    """The last event of a generation that was not cancelled.

    Attributes:
        reason: "stop": the model ended its turn, or a stop token came; "length": `max_tokens` or the context is full.
        usage: Token counts.
        timings: Wall-clock times.
        seed: The seed the tokens were drawn with.
        stop_token: The token that ended it, None for "length".
    """

    reason: Literal["stop", "length"]
    usage: Usage
    timings: Timings
    seed: int
    stop_token: int | None = None


TokenEvent = PrefillProgress | SampledToken | GenerationEnd


class Generation(Work[None]):
    """A request while it is served. Its fields belong to the scheduler's thread.

    Attributes:
        ids: int32: the prompt, and after parking also what came after it; to be computed before the next token comes.
        tokens: What was drawn or forced, and told.
        pending: Once `ids` are computed: how many of the last `tokens` are not.
        queue: Forced tokens that the guide knows of. Each is told with the score that the token before it leaves.
        lead: The guide that is followed, once it has begun.
        session: Its timeline while it has one.
        at: How many of `ids` are computed; once all are, the last told token is the next to compute.
        cuts: Positions ahead, descending, at which a checkpoint is made.
        leader: Another generation that is computing a prefix of this one's prompt, up to `follow`.
        follows: Whether it may wait for another one's prefix; once that was of no use it does not again.
        let_in: It may wait although `max_queue` others do.
        followed: Another one waits for the end of `ids`: a checkpoint is made there in any case.
        paused: It is too far ahead of its consumer, who is to tell when he has taken something.
    """

    def __init__(
        self,
        request: TokenRequest,
        loaded: Native,
        n_vocab: int,
        *,
        n_ctx: int,
        token_eos: int | None,
        seed: int,
        is_closed: Callable[[], bool],
        cancel: CancelFlag | None,
        emit: Callable[[TokenEvent], object],
        backlog: Callable[[], int],
        owner: Callable[[], object],
    ) -> None:
        """Prepares what is drawn with.

        Args:
            request: What is asked for.
            loaded: libds4.
            n_vocab: Of the model.
            n_ctx: Most tokens of prompt and answer.
            token_eos: The end-of-turn token.
            seed: That of the request, or a drawn one.
            is_closed: Whether the engine handle was closed.
            cancel: The caller's flag.
            emit: Takes every event; must not block or fail.
            backlog: How many events were emitted and not taken.
            owner: Gives None once nobody is left who would take any.

        Raises:
            InvalidRequestError, InvalidTokenError: A bias or a stop token outside the vocabulary.
        """
        super().__init__(is_closed, cancel)
        self.request = request
        self.emit = emit
        self.backlog = backlog
        self.owner = owner
        self.n_ctx = n_ctx
        self.seed = seed
        self.n_prompt = len(request.prompt)
        self.ids: IntArray = request.prompt
        self.tokens: list[int] = []
        room = n_ctx - self.n_prompt
        self.max_tokens = room if request.max_tokens is None else min(room, request.max_tokens)
        self.stops = frozenset(request.stop_token_ids) | (
            frozenset() if request.ignore_eos or token_eos is None else frozenset((token_eos,))
        )
        self.pending = 1
        self.queue: list[int] = []
        self.lead: Lead | None = None
        self._begun = request.guide is None
        self._loaded = loaded
        self._n_vocab = n_vocab
        self._token_eos = token_eos
        self._sampler = _Sampler(request, loaded, n_vocab, seed, self.stops)
        self.c_sample: CData = self._sampler.c_params
        self.session: NativeSession | None = None
        self.at = 0
        self.cached = 0
        self.cuts: list[int] = []
        self.leader: Generation | None = None
        self.follow = 0
        self.follows = True
        self.followed = False
        self.let_in = False
        self.keep: int | None = None
        self.paused = False
        self._told = 0
        self._kept: list[TokenEvent] = []
        self.asked_at = time.monotonic()
        self.deadline = math.inf if request.timeout_s is None else self.asked_at + request.timeout_s
        self.admitted_at: float | None = None
        self._drawn_at: list[float] = []  # of each token

    @property
    def prefilling(self) -> bool:
        """True until everything before the next draw is computed."""
        return self.at < len(self.ids)

    @property
    def pos(self) -> int:
        """Tokens its timeline holds."""
        session = self.session
        return 0 if session is None else session.pos

    @property
    def single(self) -> bool:
        """True when it draws from what its last token leaves, and nothing else is to be computed before."""
        return self.at >= len(self.ids) and self.pending == 1 and not self.queue

    @property
    def n_ahead(self) -> int:
        """Tokens to be computed before the next one that is not known yet, up to the next cut."""
        if not self.prefilling:
            return self.pending + len(self.queue) - self._queue_ends
        return (self.cuts[-1] if self.cuts else len(self.ids)) - self.at

    def reach(self, n: int) -> int:
        """How far a span of the next `n` tokens goes into the queue; negative when it ends before that begins."""
        return n - (len(self.ids) - self.at if self.prefilling else self.pending)

    def span(self, n: int) -> IntArray:
        """The next `n` tokens to compute, int32."""
        if self.prefilling:
            return self.ids[self.at : self.at + n]
        known = self.tokens[len(self.tokens) - self.pending :][:n]
        return np.asarray(known + self.queue[: n - len(known)], dtype=np.int32)

    def n_rows(self, n: int) -> int:
        """How many of the last tokens of that span have to leave logits."""
        scores = self.request.logprobs or not self.queue
        return max(0, self.reach(n) + 1) if scores else 0

    def draws(self, n: int) -> bool:
        """Whether a token is drawn after that span."""
        return self.reach(n) == len(self.queue) and not self._queue_ends

    def timeline(self) -> IntArray:
        """Prompt and told tokens, int32; the last one is not computed yet."""
        return np.concatenate((self.request.prompt, np.asarray(self.tokens, dtype=np.int32)))

    # -- following a guide ---------------------------------------------------------------------------------------------

    @property
    def must_begin(self) -> bool:
        """True before `begin`, when there is a guide."""
        return not self._begun

    def begin(self) -> None:
        """Makes the guide. Raises what that raises."""
        self._begun = True
        guide = self.request.guide() if self.request.guide is not None else None
        if isinstance(guide, LimitedGuide):
            guide.limit(self.max_tokens)
        if guide is not None:
            self.lead = Lead(guide, self._loaded, self._n_vocab, self._token_eos)
            self._ask_forced()

    @property
    def _queue_ends(self) -> bool:
        # Whether the last queued token ends the answer: then nothing comes from what it would leave.
        queue = self.queue
        return bool(queue) and (queue[-1] in self.stops or len(self.tokens) + len(queue) == self.max_tokens)

    def _ask_forced(self) -> None:
        while (lead := self.lead) is not None and not self._queue_ends and (forced := lead.forced()):
            for token in forced:
                self._sampler.count(token)
                self.queue.append(token)
                self._accept(lead, token)
                if self._queue_ends or self.lead is None:
                    break

    def _accept(self, lead: Lead, token: int) -> None:
        lead.accept(token)
        if token == self._token_eos and token not in self.stops and not lead.outlasts_turns:
            self.lead = None  # the turn is over, and what comes after it nobody guides
            self.c_sample.mask = self._sampler.no_mask

    def set_mask(self) -> bool:
        """Draws with the mask that the guide has given; False when it has failed."""
        lead = self.lead
        if lead is None:
            return True
        if lead.error is not None:
            return False
        self.c_sample.mask = lead.pointer
        if self._sampler.holds and not lead.allows_beside(self.stops):
            self._sampler.let_end()
        return True

    # -- telling -------------------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the last token ended the answer."""
        return bool(self.tokens) and (self.tokens[-1] in self.stops or len(self.tokens) == self.max_tokens)

    def take(self, covered: int, score: Callable[[int, int], Score], draw: Callable[[], object]) -> None:
        """Tells what comes from the rows of its span.

        Args:
            covered: How far that went into the queue.
            score: From the number of a row and a token to its score.
            draw: Makes sure that a token was drawn into `c_sample`; may raise.
        """
        queue = self.queue
        if queue:
            self.queue = queue[covered + 1 :]
            for row, token in enumerate(queue[: covered + 1]):
                self._tell_forced(token, score(row, token) if self.request.logprobs else _NO_SCORE)
        if covered == len(queue):
            draw()
            event = self._sampler.take()
            self._tell(event)
            if self.lead is not None:
                self._accept(self.lead, event.token)
        self._goes_on_from(1)

    def look_ahead(self) -> None:
        """Asks the guide what has to come next; tells it at once where no scores are wanted."""
        if self.lead is not None:
            self._ask_forced()
        if self.queue and not self.request.logprobs:
            for token in self.queue:
                self._tell_forced(token, _NO_SCORE)
            self._goes_on_from(1 + len(self.queue))
            self.queue = []

    def _goes_on_from(self, pending: int) -> None:
        self.pending = pending
        self.c_sample.token = self.tokens[-1]  # where a span of this token alone finds it

    def _tell_forced(self, token: int, score: Score) -> None:
        self._tell(SampledToken(token, *score, forced=True))

    def _tell(self, event: SampledToken) -> None:
        self._drawn_at.append(time.monotonic())
        self.tokens.append(event.token)
        self._kept.append(event)

    def emit_progress(self, pos: int) -> None:
        """Tells how much of the prompt is computed; once for each position, also after parking."""
        if self._told < pos <= self.n_prompt:
            self._told = pos
            self._kept.append(PrefillProgress(pos, self.n_prompt, self.cached))

    def hand_out(self) -> None:
        """Emits what was told since the last time."""
        kept, self._kept = self._kept, []
        for event in kept:
            self.emit(event)

    @property
    def n_not_taken(self) -> int:
        """Events that were told and not taken, handed out or not."""
        return self.backlog() + len(self._kept)

    def finish(self, result: None = None, error: BaseException | None = None) -> None:
        """As `Work.finish`, after everything that was told; the guide goes with the thread that it was made on."""
        self.lead = None
        try:
            self.hand_out()
        finally:
            super().finish(result, error)

    def end(self) -> None:
        """Tells the end after the last token, and finishes."""
        end = self.end_after(len(self.tokens))
        stop_token = self.tokens[-1] if self.tokens[-1] in self.stops else None
        self._kept.append(end._replace(reason="length" if stop_token is None else "stop", stop_token=stop_token))
        self.finish()

    def end_after(self, n_tokens: int) -> GenerationEnd:
        """The end of an answer of the first `n_tokens` tokens, by a stop."""
        admitted = self.asked_at if self.admitted_at is None else self.admitted_at
        first, last = (self._drawn_at[0], self._drawn_at[n_tokens - 1]) if n_tokens else (admitted, admitted)
        return GenerationEnd(
            "stop",
            Usage(prompt_tokens=self.n_prompt, cached_tokens=self.cached, completion_tokens=n_tokens),
            Timings(
                queue_s=admitted - self.asked_at,
                prefill_s=first - admitted,
                decode_s=last - first,
                decoded_tokens=max(0, n_tokens - 1),
            ),
            self.seed,
        )


#: Log-probability and alternatives of a token.
Score = tuple[float, tuple[TokenScore, ...]]

_NO_SCORE: Score = (math.nan, ())


class _Sampler:
    """The native parameters of one generation, which follow its tokens."""

    def __init__(self, request: TokenRequest, loaded: Native, n_vocab: int, seed: int, stops: frozenset[int]) -> None:
        penalised = request.repetition_penalty != 1 or request.presence_penalty != 0 or request.frequency_penalty != 0
        # Tokens of the prompt count zero times: only the repetition penalty sees them.
        counts = dict.fromkeys(np.unique(request.prompt).tolist(), 0) if penalised else {}
        bias = dict(request.logit_bias)
        self._n_bias = len(bias)
        self._logprobs = request.logprobs
        self._min_tokens = request.min_tokens if stops else 0
        self.no_mask: CData = loaded.ffi.NULL
        params = SampleParams(
            temperature=request.temperature,
            top_k=request.top_k,
            top_p=request.top_p,
            min_p=request.min_p,
            repetition_penalty=request.repetition_penalty,
            presence_penalty=request.presence_penalty,
            frequency_penalty=request.frequency_penalty,
            penalty_counts=counts,
            bias=bias,
            n_top=request.n_top,
            rng=rng_from_seed(seed),
        )
        self._keep = NativeParams(loaded, n_vocab, [params])
        if stops and max(stops) >= n_vocab:
            raise InvalidTokenError(f"stop_token_ids name token {max(stops)}, the vocabulary has 0 .. {n_vocab - 1}")
        self.c_params = loaded.ffi.addressof(self._keep.array, 0)
        self._drawn = 0
        if self._min_tokens:
            ids = [*(token for token in bias if token not in stops), *stops]
            values = [bias[token] for token in ids if token not in stops] + [-math.inf] * len(stops)
            self._held = (loaded.ffi.new("int32_t[]", ids), loaded.ffi.new("float[]", values))
            self._free = (self.c_params.bias_tokens, self.c_params.bias_values)
            self.c_params.bias_tokens, self.c_params.bias_values = self._held
            self.c_params.n_bias = len(ids)
        self._penalties = _Penalties(self.c_params, counts, request.max_tokens) if penalised else None

    def take(self) -> SampledToken:
        """The drawn token; what is drawn next knows of it."""
        c = self.c_params
        token: int = c.token
        self.count(token)
        if not self._logprobs:
            return SampledToken(token, math.nan)
        top: tuple[TokenScore, ...] = ()
        if c.n_top:
            top = tuple(TokenScore(s.token, s.logit, s.logprob) for s in c.top[0 : c.n_top_out])
        return SampledToken(token, c.logprob, top)

    def count(self, token: int) -> None:
        """A token was appended."""
        self._drawn += 1
        if self._drawn == self._min_tokens:
            self.let_end()
        if self._penalties is not None:
            self._penalties.count(token)

    @property
    def holds(self) -> bool:
        """Whether no token may end the answer yet."""
        return self._drawn < self._min_tokens

    def let_end(self) -> None:
        """From now on one may."""
        c = self.c_params
        c.bias_tokens, c.bias_values = self._free
        c.n_bias = self._n_bias
        self._min_tokens = 0


class _Penalties:
    """The table of tokens and their counts, growing as tokens are drawn."""

    def __init__(self, c_params: CData, counts: Mapping[int, int], expected: int | None) -> None:
        self._c = c_params
        self._slot = {token: slot for slot, token in enumerate(counts)}
        self._tokens = np.fromiter(counts, np.int32, len(counts))
        self._counts = np.fromiter(counts.values(), np.uint32, len(counts))
        self._grow(min(expected or 256, 4096))

    def _grow(self, n: int) -> None:
        from ds4_core.types import _FFI

        self._tokens = np.concatenate((self._tokens, np.zeros(n, np.int32)))
        self._counts = np.concatenate((self._counts, np.zeros(n, np.uint32)))
        self._views = (_FFI.from_buffer("int32_t[]", self._tokens), _FFI.from_buffer("uint32_t[]", self._counts))
        self._c.penalty_tokens, self._c.penalty_counts = self._views
        self._c.n_penalty = len(self._slot)

    def count(self, token: int) -> None:
        slot = self._slot.get(token)
        if slot is None:
            slot = self._slot[token] = len(self._slot)
            if slot == len(self._tokens):
                self._grow(len(self._tokens))
            self._tokens[slot] = token
            self._c.n_penalty = slot + 1
        self._counts[slot] += 1
