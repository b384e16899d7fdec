"""What a generation is asked for: messages or a raw prompt, sampling and limits. Nothing of a framework."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

from ds4_core.chat.messages import ROLES, Message, Role, ToolCall, as_message, as_messages, as_tool_call
from ds4_core.chat.protocol import DEFAULT_EFFORT, EFFORTS, RELEASES, Effort, Release
from ds4_core.chat.response_format import ResponseFormat, as_response_format
from ds4_core.chat.tools import Tool, as_tool, as_tools
from ds4_core.errors import InvalidRequestError

__all__ = [
    "CALL_OPTIONS",
    "REQUEST_OPTIONS",
    "ROLES",
    "ChatRequest",
    "Message",
    "ResponseFormat",
    "Role",
    "Sampling",
    "Tool",
    "ToolCall",
    "as_message",
    "as_messages",
    "as_response_format",
    "as_tool",
    "as_tool_call",
    "as_tools",
    "build_request",
    "unknown_option",
]

_MAX_I32 = 2**31 - 1
_MAX_F32 = 3.4028234663852886e38


def _integer(name: str, value: object, low: int, high: int | None, more: str = "") -> int:
    """The value as an int, also of a NumPy integer; bools and floats are refused."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < low or (high is not None and number > high):
        span = f"from {low} to {high}" if high is not None else f"of {low} or more"
        raise InvalidRequestError(f"{name}={value!r:.80} is out of range; it must be an integer {span}{more}")
    return number


def _number(name: str, value: object, fits: Callable[[float], bool], expected: str) -> float:
    """The value as a float; bools, text and what is not finite are refused."""
    number = math.nan
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        with suppress(OverflowError):
            number = float(value)
    if not (math.isfinite(number) and fits(number)):
        raise InvalidRequestError(f"{name}={value!r:.80} is out of range; it must be a number {expected}")
    return number


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 always takes the most likely token; default 1.
        top_p: Keeps the most likely tokens up to this share of probability, 0..1; default 1, which keeps all.
        top_k: Keeps this many tokens; default 0, which keeps all.
        min_p: Drops tokens less likely than this share of the most likely one, 0..1; default 0.
        seed: Same seed, same prompt, same tokens; 0 .. 2**64 - 1. None draws a seed and reports it in the Finish event.
        repetition_penalty: Above 0; weakens tokens of the prompt and of the answer; default 1, which is off.
        presence_penalty: Subtracted once from the logits of tokens that the answer has; default 0.
        frequency_penalty: Subtracted once per occurrence in the answer; default 0.
        logit_bias: Token id -> value added to its logit; `-inf` forbids it.

    Raises:
        InvalidRequestError: A value of another type or out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: Mapping[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        temperature = _number("temperature", self.temperature, lambda t: 0 <= t <= _MAX_F32, "of 0 or more")
        object.__setattr__(self, "temperature", temperature)
        top_p = _number("top_p", self.top_p, lambda p: 0 < p <= 1, "above 0 and at most 1")
        object.__setattr__(self, "top_p", top_p)
        object.__setattr__(self, "min_p", _number("min_p", self.min_p, lambda p: 0 <= p <= 1, "from 0 to 1"))
        object.__setattr__(self, "top_k", _integer("top_k", self.top_k, 0, _MAX_I32, "; 0 keeps all"))
        if self.seed is not None:
            object.__setattr__(self, "seed", _integer("seed", self.seed, 0, 2**64 - 1, ", or None"))
        penalty = _number("repetition_penalty", self.repetition_penalty, lambda p: 0 < p <= _MAX_F32, "above 0")
        object.__setattr__(self, "repetition_penalty", penalty)
        for name in ("presence_penalty", "frequency_penalty"):
            value = _number(name, getattr(self, name), lambda p: abs(p) <= _MAX_F32, "that is finite")
            object.__setattr__(self, name, value)
        if not isinstance(self.logit_bias, Mapping):
            raise InvalidRequestError(f"logit_bias={self.logit_bias!r:.80}: it must be a dict of token ids and numbers")
        object.__setattr__(self, "logit_bias", dict(self.logit_bias))


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One generation. Exactly one of `messages` and `prompt` is given.

    Attributes:
        messages: The conversation, put through the model's message encoding.
        prompt: A prompt that is formatted already: used as it is, its protocol literals become control tokens.
        sampling: How tokens are drawn.
        max_tokens: Most tokens to sample; None samples until the model ends its turn or the context is full.
        stop: The visible answer ends before the first of these strings; thinking is not searched.
        n_ctx: Most tokens of prompt and answer together; None takes the model's trained context length, at most
            `ds4_core.engine.DEFAULT_N_CTX`.
        thinking: Whether the model is asked to think first.
        effort: How much it thinks, if it does: "low", "high" or "max"; None is "high". It may be set with thinking off,
            where it says nothing.
        release: Release of the message encoding, "original" or "0731"; None is what the model file says.
        tools: Tools the model may call; dicts are taken as `as_tool` takes them. A `prompt` is not told of them.
        response_format: What the answer must look like, in any form that `as_response_format` takes; None is any text.
            A `prompt` is not told of it.
        timeout_s: Most seconds the generation may take; None is no limit.
        min_tokens: So many tokens are drawn before one may end the answer.
        stop_token_ids: Tokens that end the answer, beside the end of the turn.
        ignore_eos: The model's end of turn does not end the answer.
        tool_choice: "auto" (text or calls), "none", "required" or "any", or the name of a tool, also in OpenAI's dict
            form; None is "auto".
        parallel_tool_calls: Whether one answer may hold several calls.
        strict: Whether arguments have to fit the schemas of their tools; None is yes where a schema can be enforced.
        max_thinking_tokens: After so many tokens of thinking `</think>` follows; None is no limit.
        logprobs: Whether events carry the log-probabilities of their tokens.
        top_logprobs: How many of the most likely tokens at each position go with them.

    Raises:
        InvalidRequestError: A value of another type or out of range, or not exactly one of messages and a prompt.
    """

    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n_ctx: int | None = None
    thinking: bool = False
    effort: Effort | None = None
    release: Release | None = None
    tools: tuple[Tool, ...] = ()
    response_format: ResponseFormat | None = None
    timeout_s: float | None = None
    min_tokens: int = 0
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    tool_choice: str | Mapping[str, Any] | None = None
    parallel_tool_calls: bool = True
    strict: bool | None = None
    max_thinking_tokens: int | None = None
    logprobs: bool = False
    top_logprobs: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.messages, tuple | list):
            raise InvalidRequestError(f"messages={self.messages!r:.80}: it must be a tuple of Message")
        for index, message in enumerate(self.messages):
            if not isinstance(message, Message):
                raise InvalidRequestError(
                    f"messages[{index}] is {message!r:.80}: it must be a Message; as_message makes one of a dict"
                )
        object.__setattr__(self, "messages", tuple(self.messages))
        if self.prompt is not None and not isinstance(self.prompt, str):
            raise InvalidRequestError(f"prompt={self.prompt!r:.80}: it must be a str")
        if (self.prompt is None) == (not self.messages):
            raise InvalidRequestError("a request needs either messages or a prompt, and not both")
        if self.prompt == "":
            raise InvalidRequestError("the prompt is empty; give at least one character")
        if not isinstance(self.sampling, Sampling):
            raise InvalidRequestError(f"sampling={self.sampling!r:.80}: it must be a Sampling")
        if not isinstance(self.thinking, bool):
            raise InvalidRequestError(f"thinking={self.thinking!r:.80}: it must be True or False")
        for name, known in (("effort", EFFORTS), ("release", RELEASES)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InvalidRequestError(f"{name}={value!r:.80}: it must be None or one of {', '.join(known)}")
        object.__setattr__(self, "tools", as_tools(self.tools))
        object.__setattr__(self, "response_format", as_response_format(self.response_format))
        if self.prompt is not None and self.thinking:
            raise InvalidRequestError(
                "a request with a prompt has thinking=True; whether the model thinks is for the prompt to say, by "
                "ending in <think>: leave thinking off"
            )
        if not isinstance(self.stop, tuple | list) or not all(isinstance(stop, str) and stop for stop in self.stop):
            raise InvalidRequestError(f"stop={self.stop!r:.80} must be a list of strings, none of them empty")
        object.__setattr__(self, "stop", tuple(self.stop))
        if self.max_tokens is not None:
            object.__setattr__(self, "max_tokens", _integer("max_tokens", self.max_tokens, 1, None, ", or None"))
        if self.n_ctx is not None:
            object.__setattr__(self, "n_ctx", _integer("n_ctx", self.n_ctx, 1, _MAX_I32, ", or None"))
        if self.timeout_s is not None:
            timeout = _number("timeout_s", self.timeout_s, lambda t: t > 0, "of seconds above 0, or None")
            object.__setattr__(self, "timeout_s", timeout)
        object.__setattr__(self, "min_tokens", _integer("min_tokens", self.min_tokens, 0, _MAX_I32))
        if self.max_tokens is not None and self.min_tokens > self.max_tokens:
            raise InvalidRequestError(f"min_tokens={self.min_tokens} is more than max_tokens={self.max_tokens}")
        if not isinstance(self.stop_token_ids, tuple | list):
            raise InvalidRequestError(f"stop_token_ids={self.stop_token_ids!r:.80}: it must be a list of token ids")
        stops = tuple(_integer("a stop token id", token, 0, _MAX_I32) for token in self.stop_token_ids)
        object.__setattr__(self, "stop_token_ids", stops)
        for name in ("ignore_eos", "logprobs", "parallel_tool_calls", "strict"):
            if not isinstance(getattr(self, name), bool) and not (name == "strict" and self.strict is None):
                raise InvalidRequestError(f"{name}={getattr(self, name)!r:.80}: it must be True or False")
        if self.max_thinking_tokens is not None:
            most = _integer("max_thinking_tokens", self.max_thinking_tokens, 0, _MAX_I32, ", or None")
            object.__setattr__(self, "max_thinking_tokens", most)
        object.__setattr__(self, "top_logprobs", _integer("top_logprobs", self.top_logprobs, 0, _MAX_I32))
        if self.tool_choice is not None and not isinstance(self.tool_choice, str | Mapping):
            raise InvalidRequestError(f"tool_choice={self.tool_choice!r:.80}: it must be a name, a dict, or None")
        if self.ignore_eos and (self.tools or self.response_format):
            raise InvalidRequestError("ignore_eos=True contradicts tools and response formats, whose answers end")
        if self.top_logprobs and not self.logprobs:
            raise InvalidRequestError(f"top_logprobs={self.top_logprobs} says nothing without logprobs=True")

    @property
    def effective_effort(self) -> Effort | None:
        """How much the model thinks; None when it does not."""
        return (self.effort or DEFAULT_EFFORT) if self.thinking else None


#: What a caller may set for one request and an adapter for all of them, by the names that every adapter uses.
REQUEST_OPTIONS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "min_tokens",
    "max_tokens",
    "stop",
    "n_ctx",
    "thinking",
    "reasoning_effort",
    "max_thinking_tokens",
    "logprobs",
    "top_logprobs",
    "timeout",
)
#: What only a single request can say.
CALL_OPTIONS = ("tools", "tool_choice", "parallel_tool_calls", "strict", "response_format")


def build_request(
    options: Mapping[str, Any],
    overrides: Mapping[str, Any],
    *,
    messages: Iterable[Message] = (),
    prompt: str | None = None,
) -> ChatRequest:
    """One request from an adapter's own options and those of a single call, which win.

    Args:
        options: A value for each of `REQUEST_OPTIONS`; a value of None is the default of `ChatRequest`. `thinking` may
            also be "auto", and None is that too: the model thinks when there is a `reasoning_effort`. Asking for
            `top_logprobs` asks for `logprobs`, where these are not refused beside it.
        overrides: Options of the call, of `REQUEST_OPTIONS` and `CALL_OPTIONS`. None lifts `max_tokens`,
            `max_thinking_tokens` and `timeout` and unfixes `seed`; for the others it keeps the adapter's value. A
            `reasoning_effort` without `thinking` is one with `thinking="auto"`. `tool_choice` may be True, which is
            "required", and False or "", which say nothing; a dict of it may have "disable_parallel_tool_use".
        messages: The conversation, or nothing when `prompt` is given.
        prompt: A formatted prompt. Whether the model thinks is for it to say, whatever the adapter's `thinking` is.

    Raises:
        TypeError: An override has an unknown name.
        InvalidRequestError: A value out of range, or neither messages nor a prompt.
    """
    for name in overrides:
        if name not in REQUEST_OPTIONS and name not in CALL_OPTIONS:
            raise TypeError(unknown_option(name, (*REQUEST_OPTIONS, *CALL_OPTIONS)))
    given = {name: value for name, value in overrides.items() if value is not None or name in _NULLABLE}
    values = {**options, **_implied(given), **given}
    if values.get("logprobs") is None:
        values["logprobs"] = bool(values.get("top_logprobs"))
    stop = values.get("stop")
    choice = values.get("tool_choice")
    known = {_FIELDS.get(name, name): value for name, value in values.items() if value is not None}
    if values.get("thinking") in (None, "auto"):
        known["thinking"] = values.get("reasoning_effort") is not None
    if prompt is not None and given.get("thinking") in (None, "auto"):
        del known["thinking"]
    if isinstance(choice, Mapping) and choice.get("disable_parallel_tool_use"):
        known["parallel_tool_calls"] = False
    sampling = Sampling(**{name: known.pop(name) for name in _SAMPLING if name in known})
    known.update(
        stop=() if stop is None else (stop,) if isinstance(stop, str) else stop,
        tools=as_tools(values.get("tools")),
        tool_choice="required" if choice is True else choice or None,
    )
    return ChatRequest(messages=tuple(messages), prompt=prompt, sampling=sampling, **known)


def _implied(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the options of a call say about others that it does not mention."""
    implied: dict[str, Any] = {}
    if given.get("reasoning_effort") is not None:
        implied["thinking"] = "auto"
    if given.get("logprobs") is False:
        implied["top_logprobs"] = 0
    elif given.get("top_logprobs"):
        implied["logprobs"] = None
    return implied


_SAMPLING = tuple(field.name for field in fields(Sampling))
_NULLABLE = ("seed", "max_tokens", "max_thinking_tokens", "timeout")
_FIELDS = {"reasoning_effort": "effort", "timeout": "timeout_s"}


def unknown_option(name: str, known: Iterable[str]) -> str:
    """The message for an option nobody knows, with the closest known name."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown option {name!r}{hint}"
