"""What a generation is asked for: messages or a raw prompt, sampling and limits. Nothing of a framework."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ds4_core.errors import InvalidRequestError, UnsupportedError

Role = Literal["system", "developer", "user", "assistant", "latest_reminder"]
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Who speaks.
        content: The text.
        reasoning: The thinking that led to an assistant message. Kept beside the text; a prompt with thinking off
            leaves it out.
    """

    role: Role
    content: str
    reasoning: str = ""


def as_message(message: Message | Mapping[str, Any]) -> Message:
    """A message from the usual dict form (`role`, `content`, `reasoning`); a Message is returned as it is.

    Raises:
        UnsupportedError: The message is a tool result or holds tool calls.
        InvalidRequestError: The role is unknown, or the content is no text.
    """
    if isinstance(message, Message):
        return message
    role, content = message.get("role"), message.get("content")
    if role == "tool" or message.get("tool_calls"):
        raise UnsupportedError("tool calls and tool results are not supported yet; leave them out of the messages")
    if role not in ROLES:
        raise InvalidRequestError(f"unknown message role {role!r}; known roles: {', '.join(ROLES)}")
    if content is None and role == "assistant":
        content = ""
    if not isinstance(content, str):
        raise InvalidRequestError(f"the content of a {role} message is a {type(content).__name__}, not a str")
    return Message(role, content, reasoning=message.get("reasoning") or "")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 always takes the most likely token; default 1.
        top_p: Keeps the most likely tokens up to this share of probability, 0..1; default 1, which keeps all.
        top_k: Keeps this many tokens; default 0, which keeps all.
        min_p: Drops tokens less likely than this share of the most likely one, 0..1; default 0.
        seed: Same seed, same prompt, same tokens. None draws a seed and reports it in the Finish event.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InvalidRequestError(f"temperature={self.temperature} is out of range; it must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise InvalidRequestError(f"top_p={self.top_p} is out of range; it must be above 0 and at most 1")
        if not 0 <= self.min_p <= 1:
            raise InvalidRequestError(f"min_p={self.min_p} is out of range; it must be 0..1")
        if self.top_k < 0:
            raise InvalidRequestError(f"top_k={self.top_k} is out of range; it must be 0 (off) or more")


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
        if (self.prompt is None) == (not self.messages):
            raise InvalidRequestError("a request needs either messages or a prompt, and not both")
        if self.prompt == "":
            raise InvalidRequestError("the prompt is empty; give at least one character")
        if self.thinking:
            raise UnsupportedError("thinking=True is not supported yet; leave thinking off")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise InvalidRequestError(f"max_tokens={self.max_tokens} is out of range; it must be 1 or more, or None")
        if isinstance(self.stop, str) or not all(isinstance(stop, str) and stop for stop in self.stop):
            raise InvalidRequestError(f"stop={self.stop!r} must be a tuple of strings, none of them empty")
        if self.n_ctx is not None and self.n_ctx < 1:
            raise InvalidRequestError(f"n_ctx={self.n_ctx} is out of range; it must be 1 or more, or None")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise InvalidRequestError(f"timeout_s={self.timeout_s} is out of range; it must be above 0, or None")


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
            if value:
                raise UnsupportedError(f"{name} is not supported yet; leave it out")
        elif name not in REQUEST_OPTIONS:
            raise TypeError(unknown_option(name, REQUEST_OPTIONS))
    known = {name: value for name, value in overrides.items() if name in REQUEST_OPTIONS}
    values = {**options, **{name: value for name, value in known.items() if value is not None or name in _NULLABLE}}
    stop = values.get("stop") or ()
    drawn = {name: values[name] for name in _SAMPLING if values.get(name) is not None}
    return ChatRequest(
        messages=tuple(messages),
        prompt=prompt,
        sampling=Sampling(**drawn),
        max_tokens=values.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        n_ctx=values.get("n_ctx"),
        thinking=bool(values.get("thinking")),
        timeout_s=values.get("timeout"),
    )


_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "seed")
_NULLABLE = ("seed", "max_tokens", "timeout")


def unknown_option(name: str, known: Iterable[str]) -> str:
    """The message for an option nobody knows, with the closest known name."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown option {name!r}{hint}"
