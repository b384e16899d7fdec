"""The DeepSeek V4 message encoding: messages to segments to token ids.

Control tokens are segments of their own and become ids directly; whatever a caller wrote is plain text and is never
searched for control tokens, so that a message can not open a turn. `render_text` spells the same segments for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from ds4_core.chat.request import Message, as_message
from ds4_core.errors import InvalidRequestError, UnsupportedError


class Special(Enum):
    """The control tokens of the protocol, each with the text its token has in the vocabulary."""

    BOS = "<｜begin▁of▁sentence｜>"
    EOS = "<｜end▁of▁sentence｜>"
    USER = "<｜User｜>"
    ASSISTANT = "<｜Assistant｜>"
    THINK_OPEN = "<think>"
    THINK_CLOSE = "</think>"
    DSML = "｜DSML｜"
    LATEST_REMINDER = "<｜latest_reminder｜>"


Segment = Special | str

_EFFORTS = ("low", "high", "max")
_RELEASES = ("original", "0731")


class Vocabulary(Protocol):
    """What the encoder asks of a vocabulary; `ds4_core.Model` is one."""

    def tokenize(self, text: str, /, *, parse_special: bool = False) -> list[int]:
        """Text to ids; control tokens are looked for in the text only if `parse_special`."""
        ...

    def find_token(self, text: str, /) -> int | None:
        """The id of the token whose text is exactly this, None when there is none."""
        ...


def render(messages: Sequence[Message]) -> list[Segment]:
    """Messages to segments, thinking off, as the official encoding writes them.

    System text stands as it is, without a header. A user or developer turn opens with its own token; consecutive user
    messages are one turn, joined by a blank line. The assistant's turn is opened right after the last turn before it,
    and the text of an assistant message ends with the end-of-sentence token. Thinking of earlier turns is left out.
    """
    turns = _merge_users(messages)
    out: list[Segment] = [Special.BOS]
    for i, message in enumerate(turns):
        if message.role == "system":
            out.append(message.content)
        elif message.role == "latest_reminder":
            out += [Special.LATEST_REMINDER, message.content]
        elif message.role == "assistant":
            out += [message.content, Special.EOS]
        else:
            out += [Special.USER, message.content]
            if i + 1 == len(turns) or turns[i + 1].role in ("assistant", "latest_reminder"):
                out += [Special.ASSISTANT, Special.THINK_CLOSE]
    return out


def render_prompt(messages: Sequence[Message]) -> list[Segment]:
    """Messages to the segments a model continues: `render`, with the assistant's turn open at the end.

    The encoding opens that turn after a user or developer message only. A conversation that ends otherwise (system
    text alone, or an assistant message) gets it here, so that there is always a turn to generate.
    """
    out = render(messages)
    if not messages or messages[-1].role in ("system", "assistant"):
        out += [Special.ASSISTANT, Special.THINK_CLOSE]
    return out


def _merge_users(messages: Sequence[Message]) -> list[Message]:
    turns: list[Message] = []
    parts: list[str] = []
    for message in messages:
        if message.role == "user":
            parts.append(message.content)
            continue
        if parts:
            turns.append(Message("user", "\n\n".join(parts)))
            parts = []
        turns.append(message)
    if parts:
        turns.append(Message("user", "\n\n".join(parts)))
    return turns


def encode(vocabulary: Vocabulary, segments: Iterable[Segment]) -> list[int]:
    """Segments to token ids. Neighbouring plain texts are joined first, so that a border between them leaves no trace.

    Raises:
        UnsupportedError: The vocabulary lacks a control token.
    """
    ids: list[int] = []
    plain: list[str] = []
    for segment in segments:
        if isinstance(segment, str):
            plain.append(segment)
            continue
        ids += _encode_plain(vocabulary, plain)
        plain = []
        token = vocabulary.find_token(segment.value)
        if token is None:
            raise UnsupportedError(
                f"the model's vocabulary has no token {segment.value!r}, which the chat encoding needs; "
                "use a DeepSeek V4 vocabulary, or a raw prompt"
            )
        ids.append(token)
    return ids + _encode_plain(vocabulary, plain)


def _encode_plain(vocabulary: Vocabulary, parts: list[str]) -> list[int]:
    text = "".join(parts)
    return _tokenize(vocabulary, text, parse_special=False) if text else []


def _tokenize(vocabulary: Vocabulary, text: str, *, parse_special: bool) -> list[int]:
    try:
        return vocabulary.tokenize(text, parse_special=parse_special)
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise InvalidRequestError(
            f"the text holds the lone surrogate U+{code:04X} at character {error.start}, which no encoding has"
        ) from error


def encode_messages(vocabulary: Vocabulary, messages: Sequence[Message]) -> list[int]:
    """The prompt of a conversation as token ids, the assistant's turn open at the end."""
    return encode(vocabulary, render_prompt(messages))


def encode_raw(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """A prompt that is formatted already: nothing is added, and protocol literals in it become their ids."""
    return _tokenize(vocabulary, prompt, parse_special=True)


def count_tokens(vocabulary: Vocabulary, messages: Sequence[Message]) -> int:
    """Exact number of prompt tokens of a conversation; needs the vocabulary only, no weights."""
    return len(encode_messages(vocabulary, messages))


def render_text(
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    tools: Sequence[Mapping[str, Any]] | None = None,
    response_format: Mapping[str, Any] | None = None,
    thinking: bool = False,
    effort: str | None = None,
    release: str = "0731",
) -> str:
    """The text that the segments of a conversation spell, for reading and for tests; generation uses the segments.

    Args:
        messages: Messages, or dicts with "role" and "content".
        tools: Must be empty.
        response_format: Must be None.
        thinking: Must be False.
        effort: Reasoning effort; must be None, as it only matters with thinking.
        release: Release of the encoding, "original" or "0731". Both agree on what is supported here.

    Raises:
        UnsupportedError: Tools, a response format, thinking, an effort, or tool calls in a message.
        InvalidRequestError: An unknown effort or release; a message with an unknown role or key, or without text.
    """
    if effort is not None and effort not in _EFFORTS:
        raise InvalidRequestError(f"effort is {effort!r}: it must be None or one of {', '.join(_EFFORTS)}")
    if release not in _RELEASES:
        raise InvalidRequestError(f"release is {release!r}: it must be one of {', '.join(_RELEASES)}")
    if tools:
        raise UnsupportedError("tools are not supported yet; leave tools out")
    if response_format is not None:
        raise UnsupportedError("response_format is not supported yet; leave it out")
    if thinking:
        raise UnsupportedError("thinking is not supported yet; leave it off")
    if effort is not None:
        raise UnsupportedError(f"effort={effort!r} is not supported yet, as thinking is not; leave it out")
    segments = render([as_message(message) for message in messages])
    return "".join(segment if isinstance(segment, str) else segment.value for segment in segments)
