"""The DeepSeek V4 message encoding: messages to segments to token ids.

Control tokens are segments of their own and become ids directly; whatever a caller wrote is plain text and is never
searched for control tokens, so that a message can not open a turn. `render_text` spells the same segments for people.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from ds4_core.chat.messages import Message, as_messages
from ds4_core.chat.protocol import (
    DEFAULT_EFFORT,
    MAX_EFFORT_MIN_N_CTX,
    Effort,
    Release,
    Sampled,
    Segment,
    Special,
    spell,
)
from ds4_core.chat.render import PromptOptions, render, render_prompt
from ds4_core.chat.roundtrip import ParseTurn, raw_turns
from ds4_core.chat.tools import Tool, as_tools, calls_block
from ds4_core.errors import InvalidRequestError, UnsupportedError

if TYPE_CHECKING:
    from ds4_core.chat.request import ChatRequest

__all__ = [
    "MAX_EFFORT_MIN_N_CTX",
    "PromptOptions",
    "Special",
    "Vocabulary",
    "check_effort",
    "count_tokens",
    "encode",
    "encode_messages",
    "encode_raw",
    "encode_request",
    "release_of",
    "render",
    "render_prompt",
    "render_text",
]


class Vocabulary(Protocol):
    """What the encoder asks of a model; `ds4_core.Model`, which needs no weights, is one."""

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The model file's metadata."""
        ...

    def tokenize(self, text: str, /, *, parse_special: bool = False) -> list[int]:
        """Text to ids. Without `parse_special` no id is a token whose text is a protocol literal."""
        ...

    def find_token(self, text: str, /) -> int | None:
        """The id of the token whose text is exactly this, None when there is none."""
        ...


# -- segments to ids ---------------------------------------------------------------------------------------------------


def encode(vocabulary: Vocabulary, segments: Iterable[Segment]) -> list[int]:
    """Segments to token ids. Neighbouring plain texts are joined first, so that a border between them leaves no trace.

    Raises:
        UnsupportedError: The vocabulary lacks a control token.
        InvalidRequestError: A plain text that is no Unicode.
    """
    ids: list[int] = []
    plain: list[str] = []
    known: dict[Special, int] = {}
    for segment in segments:
        if isinstance(segment, str):
            plain.append(segment)
            continue
        ids += _encode_plain(vocabulary, "".join(plain))
        plain = []
        if isinstance(segment, Sampled):
            ids += segment.tokens
            continue
        if segment not in known:
            known[segment] = _control_token(vocabulary, segment)
        ids.append(known[segment])
    return ids + _encode_plain(vocabulary, "".join(plain))


def _control_token(vocabulary: Vocabulary, special: Special) -> int:
    token = vocabulary.find_token(special.value)
    if token is None:
        raise UnsupportedError(
            f"the model's vocabulary has no token {special.value!r}, which the chat encoding needs; "
            "use a DeepSeek V4 vocabulary, or a raw prompt"
        )
    return token


def _encode_plain(vocabulary: Vocabulary, text: str) -> list[int]:
    return _tokenize(vocabulary, text, parse_special=False) if text else []


def _tokenize(vocabulary: Vocabulary, text: str, *, parse_special: bool) -> list[int]:
    try:
        return vocabulary.tokenize(text, parse_special=parse_special)
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise InvalidRequestError(
            f"the text holds the lone surrogate U+{code:04X} at character {error.start}, which no encoding has"
        ) from error


# -- conversations to ids ----------------------------------------------------------------------------------------------


def encode_messages(
    vocabulary: Vocabulary,
    messages: Sequence[Message],
    *,
    tools: Iterable[Tool | Mapping[str, Any]] | None = None,
    response_format: Mapping[str, Any] | None = None,
    thinking: bool = False,
    effort: Effort | None = None,
    release: Release | None = None,
    parse: ParseTurn | None = None,
) -> list[int]:
    """The prompt of a conversation as token ids, the assistant's turn open at the end.

    Args:
        vocabulary: The model.
        messages: The conversation.
        tools: Tools the model may call, as `ds4_core.chat.tools.as_tool` takes them.
        response_format: JSON schema that the prompt shows.
        thinking: Whether the model thinks first.
        effort: How much it thinks, if it does; None is "high".
        release: Release of the encoding; None is what the model file says.
        parse: Reads a sampled turn. With it the raw tokens of messages are used where they agree with the message;
            without it they are left alone.

    Raises:
        InvalidRequestError: An option of another type or unknown; text that is no Unicode, with the number of the
            message.
        UnsupportedError: The vocabulary lacks a control token.
    """
    options = PromptOptions(
        tools=as_tools(tools),
        schema=response_format,
        thinking=thinking,
        effort=DEFAULT_EFFORT if effort is None else effort,
        release=release_of(vocabulary.metadata) if release is None else release,
    )
    segments = render_prompt(messages, options, None if parse is None else raw_turns(vocabulary, parse))
    try:
        return encode(vocabulary, segments)
    except InvalidRequestError as error:
        for index, message in enumerate(messages):
            calls = spell(calls_block(message.tool_calls))
            for what, text in (("content", message.content), ("reasoning", message.reasoning), ("tool calls", calls)):
                if found := _LONE_SURROGATE.search(text):
                    raise InvalidRequestError(
                        f"messages[{index}] holds the lone surrogate U+{ord(found.group()):04X} at character "
                        f"{found.start()} of its {what}, which no encoding has; take it out"
                    ) from error
        raise


# The other half, U+DC80 to U+DCFF, stands for raw bytes, as in os.fsdecode.
_LONE_SURROGATE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def encode_request(vocabulary: Vocabulary, request: ChatRequest, *, parse: ParseTurn | None = None) -> list[int]:
    """The prompt of a request as token ids: its messages with all it says about the prompt, or its raw prompt.

    Args:
        vocabulary: The model.
        request: The request.
        parse: As for `encode_messages`.

    Raises:
        InvalidRequestError: As for `encode_messages`.
        UnsupportedError: As there.
    """
    if request.prompt is not None:
        return encode_raw(vocabulary, request.prompt)
    return encode_messages(
        vocabulary,
        request.messages,
        tools=request.tools,
        response_format=request.response_format.prompt_schema if request.response_format else None,
        thinking=request.thinking,
        effort=request.effort,
        release=request.release,
        parse=parse,
    )


def encode_raw(vocabulary: Vocabulary, prompt: str) -> list[int]:
    """A prompt that is formatted already: nothing is added, and protocol literals in it become their ids."""
    return _tokenize(vocabulary, prompt, parse_special=True)


def count_tokens(
    vocabulary: Vocabulary,
    messages: Sequence[Message],
    *,
    tools: Iterable[Tool | Mapping[str, Any]] | None = None,
    response_format: Mapping[str, Any] | None = None,
    thinking: bool = False,
    effort: Effort | None = None,
    release: Release | None = None,
    parse: ParseTurn | None = None,
) -> int:
    """Exact number of prompt tokens of a conversation; needs the vocabulary only, no weights. As `encode_messages`."""
    return len(
        encode_messages(
            vocabulary,
            messages,
            tools=tools,
            response_format=response_format,
            thinking=thinking,
            effort=effort,
            release=release,
            parse=parse,
        )
    )


# -- what depends on the model -----------------------------------------------------------------------------------------


def release_of(metadata: Mapping[str, Any]) -> Release:
    """The release of the encoding a model file was made for: "original" if its name or version says so, else "0731".

    Args:
        metadata: The file's metadata; `general.name` and `general.version` are looked at.
    """
    for key in ("general.name", "general.version"):
        value = metadata.get(key)
        if isinstance(value, str) and re.search(r"(?<![a-z0-9])original(?![a-z0-9])", value.lower()):
            return "original"
    return "0731"


def check_effort(effort: Effort | None, n_ctx: int) -> None:
    """Whether a context is large enough to think as much as asked. For generating; a prompt can be rendered anyhow.

    Args:
        effort: How much the model thinks; None if it does not.
        n_ctx: Tokens of the context.

    Raises:
        InvalidRequestError: It is "max", and the context is smaller than `MAX_EFFORT_MIN_N_CTX`.
    """
    if effort == "max" and n_ctx < MAX_EFFORT_MIN_N_CTX:
        raise InvalidRequestError(
            f"effort='max' needs a context of at least {MAX_EFFORT_MIN_N_CTX} tokens, and n_ctx is {n_ctx}; "
            "raise n_ctx, or use effort='high'"
        )


# -- for reading -------------------------------------------------------------------------------------------------------


def render_text(
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    tools: Iterable[Tool | Mapping[str, Any]] | None = None,
    response_format: Mapping[str, Any] | None = None,
    thinking: bool = False,
    effort: str | None = None,
    release: str = "0731",
) -> str:
    """The text that the segments of a conversation spell, for reading and for tests; generation uses the segments.

    Args:
        messages: Messages, or dicts as `as_message` takes them.
        tools: Tools the model may call, as `ds4_core.chat.tools.as_tool` takes them.
        response_format: JSON schema that the prompt shows.
        thinking: Whether the model thinks first.
        effort: How much it thinks, if it does: "low", "high" or "max"; None is the encoding's own default, "low". (A
            generation's default is "high".)
        release: Release of the encoding, "original" or "0731".

    Raises:
        InvalidRequestError: An unknown effort or release; a message or a tool that can not be encoded, with its number.
    """
    options = PromptOptions(
        tools=as_tools(tools),
        schema=response_format,
        thinking=thinking,
        effort="low" if effort is None else cast("Effort", effort),
        release=cast("Release", release),
    )
    return spell(render(as_messages(messages), options))
