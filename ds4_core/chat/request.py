"""What a generation is asked for: messages or a raw prompt, sampling and limits. Nothing of a framework."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ds4_core.errors import InvalidRequestError, UnsupportedError

Role = Literal["system", "developer", "user", "assistant", "latest_reminder"]
ROLES: tuple[str, ...] = get_args(Role)

_MAX_I32 = 2**31 - 1
_MAX_F32 = 3.4028234663852886e38


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Who speaks, one of `ROLES`.
        content: The text.
        reasoning: The thinking that led to an assistant message. Kept beside the text; a prompt with thinking off
            leaves it out.

    Raises:
        InvalidRequestError: An unknown role, or a text that is no str.
    """

    role: Role
    content: str
    reasoning: str = ""

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise InvalidRequestError(f"unknown message role {self.role!r}; known roles: {', '.join(ROLES)}")
        for name in ("content", "reasoning"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidRequestError(
                    f"the {name} of a message with role {self.role!r} is {value!r:.80}: it must be a str"
                )


_MESSAGE_KEYS = ("role", "content", "reasoning", "reasoning_content", "tool_calls")


def as_message(message: Message | Mapping[str, Any]) -> Message:
    """A message from the usual dict form; a Message is returned as it is.

    Args:
        message: With "role" and "content"; "reasoning", also known as "reasoning_content", holds the thinking.
            "tool_calls" must be empty. The content of an assistant message may be None.

    Raises:
        UnsupportedError: The message is a tool result or holds tool calls.
        InvalidRequestError: The role or a key is unknown, or the content is no text.
    """
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise InvalidRequestError(f"a message is {message!r:.80}: it must be a Message or a dict")
    role, content = message.get("role"), message.get("content")
    if role == "tool" or message.get("tool_calls"):
        raise UnsupportedError("tool calls and tool results are not supported yet; leave them out of the messages")
    for key in message:
        if key not in _MESSAGE_KEYS:
            raise InvalidRequestError(f"a message has the unknown key {key!r}; known keys: {', '.join(_MESSAGE_KEYS)}")
    if content is None and role == "assistant":
        content = ""
    thoughts = [message[key] for key in ("reasoning", "reasoning_content") if message.get(key) is not None]
    if len(thoughts) == 2 and thoughts[0] != thoughts[1]:
        raise InvalidRequestError("a message has both reasoning and reasoning_content, and they differ; give one")
    return Message(role, content, reasoning=thoughts[0] if thoughts else "")  # type: ignore[arg-type] # checked there


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

    Raises:
        InvalidRequestError: A value of another type or out of range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        temperature = _number("temperature", self.temperature, lambda t: 0 <= t <= _MAX_F32, "of 0 or more")
        object.__setattr__(self, "temperature", temperature)
        top_p = _number("top_p", self.top_p, lambda p: 0 < p <= 1, "above 0 and at most 1")
        object.__setattr__(self, "top_p", top_p)
        object.__setattr__(self, "min_p", _number("min_p", self.min_p, lambda p: 0 <= p <= 1, "from 0 to 1"))
        object.__setattr__(self, "top_k", _integer("top_k", self.top_k, 0, _MAX_I32, "; 0 keeps all"))
        if self.seed is not None:
            object.__setattr__(self, "seed", _integer("seed", self.seed, 0, 2**64 - 1, ", or None"))


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
        thinking: Whether the model is asked to think first; only False is supported.
        timeout_s: Most seconds the generation may take; None is no limit.

    Raises:
        UnsupportedError: Thinking is asked for.
        InvalidRequestError: A value of another type or out of range, or not exactly one of messages and a prompt.
    """

    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    sampling: Sampling = Sampling()
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    n_ctx: int | None = None
    thinking: bool = False
    timeout_s: float | None = None

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
        if self.thinking:
            raise UnsupportedError("thinking=True is not supported yet; leave thinking off")
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


#: What a caller may set for one request, by the names that every adapter uses.
REQUEST_OPTIONS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "max_tokens",
    "stop",
    "n_ctx",
    "thinking",
    "timeout",
)
# Meaningful requests that can not be served; without a value they mean nothing and pass.
_UNSUPPORTED_OPTIONS = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "strict",
    "response_format",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
)


def build_request(
    options: Mapping[str, Any],
    overrides: Mapping[str, Any],
    *,
    messages: Iterable[Message] = (),
    prompt: str | None = None,
) -> ChatRequest:
    """One request from an adapter's own options and those of a single call, which win.

    Args:
        options: A value for each of `REQUEST_OPTIONS`; a value of None is the default of `ChatRequest`.
        overrides: Options of the call. None lifts `max_tokens` and `timeout` and unfixes `seed`; for the others it
            keeps the adapter's value.
        messages: The conversation, or nothing when `prompt` is given.
        prompt: A formatted prompt.

    Raises:
        TypeError: An override has an unknown name.
        UnsupportedError: Tools, structured output, logprobs or thinking are asked for.
        InvalidRequestError: A value out of range, or neither messages nor a prompt.
    """
    for name, value in overrides.items():
        if name in _UNSUPPORTED_OPTIONS:
            # Without tools there is nothing to choose: "auto" and "none" then say what happens anyway.
            if value and not (name == "tool_choice" and value in ("auto", "none")):
                raise UnsupportedError(f"{name} is not supported yet; leave it out")
        elif name not in REQUEST_OPTIONS:
            raise TypeError(unknown_option(name, REQUEST_OPTIONS))
    known = {name: value for name, value in overrides.items() if name in REQUEST_OPTIONS}
    values = {**options, **{name: value for name, value in known.items() if value is not None or name in _NULLABLE}}
    stop = values.get("stop")
    drawn = {name: values[name] for name in _SAMPLING if values.get(name) is not None}
    return ChatRequest(
        messages=tuple(messages),
        prompt=prompt,
        sampling=Sampling(**drawn),
        max_tokens=values.get("max_tokens"),
        stop=() if stop is None else (stop,) if isinstance(stop, str) else stop,
        n_ctx=values.get("n_ctx"),
        thinking=False if values.get("thinking") is None else values["thinking"],
        timeout_s=values.get("timeout"),
    )


_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "seed")
_NULLABLE = ("seed", "max_tokens", "timeout")


def unknown_option(name: str, known: Iterable[str]) -> str:
    """The message for an option nobody knows, with the closest known name."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown option {name!r}{hint}"
