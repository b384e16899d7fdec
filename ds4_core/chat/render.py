"""Messages to segments: where the DeepSeek V4 encoding puts everything a prompt is made of.

The rules, as published with the model weights:

- Tools, then the schema of the answer, follow the text of a system message that comes first; without one they come
  first, after an empty system text. Other system messages stand where they are, without a header.
- Tool results and user messages in a row are one turn of the user, its parts joined by a blank line. Results of
  parallel calls change places so that they are in the order of the calls they answer.
- The turn of the assistant is opened after a turn of the user or developer that the assistant, a reminder or nothing
  follows, by `<think>` or `</think>`.
- With thinking and without tools the past loses its thoughts: earlier turns are opened by `</think>` and show what was
  said alone, and developer messages before the last turn of the user are left out. With tools all thoughts stay. With
  thinking off there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ds4_core.chat.messages import Message, to_json
from ds4_core.chat.protocol import (
    EFFORTS,
    RELEASES,
    RESPONSE_FORMAT_HEAD,
    TOOL_RESULT_CLOSE,
    TOOL_RESULT_OPEN,
    Effort,
    Release,
    Segment,
    Special,
    effort_prefix,
)
from ds4_core.chat.tools import Tool, calls_block, tools_section
from ds4_core.errors import InvalidRequestError

#: The segments between a turn's opening tag (`<think>` if the second argument says so) and its end-of-sentence token,
#: from the tokens the turn was sampled as; None where they can not be used.
RawTurn = Callable[[Message, bool], list[Segment] | None]


@dataclass(frozen=True, slots=True)
class PromptOptions:
    """What a prompt says beside its messages.

    Attributes:
        tools: Tools the model may call.
        schema: JSON schema of the answer; None or empty says nothing about it.
        thinking: Whether the model thinks first.
        effort: How much it thinks, if it does.
        release: Release of the encoding; they differ in the words for an effort.

    Raises:
        InvalidRequestError: An unknown effort or release, or a value of another type.
    """

    tools: tuple[Tool, ...] = ()
    schema: Mapping[str, Any] | None = None
    thinking: bool = False
    effort: Effort = "low"
    release: Release = "0731"

    def __post_init__(self) -> None:
        if not isinstance(self.thinking, bool):
            raise InvalidRequestError(f"thinking={self.thinking!r:.80}: it must be True or False")
        if self.effort not in EFFORTS:
            raise InvalidRequestError(f"effort is {self.effort!r:.80}: it must be None or one of {', '.join(EFFORTS)}")
        if self.release not in RELEASES:
            raise InvalidRequestError(f"release is {self.release!r:.80}: it must be one of {', '.join(RELEASES)}")
        if self.schema is not None and not isinstance(self.schema, Mapping):
            raise InvalidRequestError(f"response_format={self.schema!r:.80}: it must be a JSON schema, a dict")


@dataclass(slots=True)
class _Part:
    """A piece of a user's turn: what somebody wrote, or the result of a call."""

    text: str
    is_result: bool = False
    call_id: str = ""


@dataclass(slots=True)
class _Turn:
    """One message, or all user messages and tool results in a row."""

    message: Message
    parts: list[_Part]

    @property
    def role(self) -> str:
        return "user" if self.parts else self.message.role

    @property
    def is_users(self) -> bool:
        return self.role in ("user", "developer")


def render(messages: Sequence[Message], options: PromptOptions, raw_turn: RawTurn | None = None) -> list[Segment]:
    """Messages to segments, exactly as the encoding writes them.

    Args:
        messages: The conversation.
        options: What else the prompt says.
        raw_turn: Gives the sampled tokens of assistant messages that hold some; without it none are used.
    """
    return _render(messages, options, raw_turn)[0]


def render_prompt(
    messages: Sequence[Message], options: PromptOptions, raw_turn: RawTurn | None = None
) -> list[Segment]:
    """Messages to the segments a model continues: `render`, with the assistant's turn open at the end.

    The encoding opens that turn after a user's turn only. A conversation that ends otherwise (system text alone, or an
    assistant message) gets it here, so that there is always a turn to generate.
    """
    segments, is_open = _render(messages, options, raw_turn)
    return segments if is_open else [*segments, *_opening(options.thinking)]


def _opening(thinks: bool) -> list[Segment]:
    return [Special.ASSISTANT, Special.THINK_OPEN if thinks else Special.THINK_CLOSE]


def _render(
    messages: Sequence[Message], options: PromptOptions, raw_turn: RawTurn | None
) -> tuple[list[Segment], bool]:
    """The segments, and whether they end inside a turn of the assistant."""
    turns = _turns(messages)
    sections = _sections(options)
    if sections and not (turns and turns[0].role == "system"):
        turns.insert(0, _Turn(Message("system", ""), []))
    keeps_thoughts = bool(options.tools)
    if options.thinking and not keeps_thoughts:
        last = _last_of_user(turns)
        turns = [turn for i, turn in enumerate(turns) if i >= last or turn.role != "developer"]
    last = _last_of_user(turns)

    out: list[Segment] = [Special.BOS]
    if options.thinking and turns:
        out.append(effort_prefix(options.effort, options.release))
    is_open = False
    for i, turn in enumerate(turns):
        if turn.role == "system":
            out += [turn.message.content, *(sections if i == 0 else ())]
        elif turn.role == "latest_reminder":
            out += [Special.LATEST_REMINDER, turn.message.content]
        elif turn.role == "assistant":
            thinks = options.thinking and (keeps_thoughts or i > last)
            raw = raw_turn(turn.message, thinks) if raw_turn and turn.message.raw is not None else None
            if raw is not None and not is_open:
                out += _opening(thinks)  # nothing is sampled outside an open turn
            out += [*(_answer(turn.message, thinks) if raw is None else raw), Special.EOS]
            is_open = False
        else:
            out += [Special.USER, _join(turn.parts) if turn.parts else turn.message.content]
            if i + 1 == len(turns) or turns[i + 1].role in ("assistant", "latest_reminder"):
                out += _opening(options.thinking and (keeps_thoughts or i >= last))
                is_open = True
    return out, is_open


def _answer(message: Message, thinks: bool) -> list[Segment]:
    out: list[Segment] = [message.reasoning, Special.THINK_CLOSE] if thinks else []
    return [*out, message.content, *(calls_block(message.tool_calls) if message.tool_calls else ())]


def _sections(options: PromptOptions) -> list[Segment]:
    """What follows the first system text, each section after a blank line."""
    out: list[Segment] = []
    if options.tools:
        out += ["\n\n", *tools_section(options.tools)]
    if options.schema:
        out += ["\n\n" + RESPONSE_FORMAT_HEAD, to_json(options.schema, "the JSON schema of response_format")]
    return out


def _turns(messages: Sequence[Message]) -> list[_Turn]:
    turns: list[_Turn] = []
    for message in messages:
        if message.role not in ("user", "tool"):
            turns.append(_Turn(message, []))
            continue
        if not (turns and turns[-1].parts):
            turns.append(_Turn(message, []))
        turns[-1].parts.append(_Part(message.content, message.role == "tool", message.tool_call_id))
    order: dict[str, int] = {}  # the place of each call among those of the newest message that has any
    for turn in turns:
        if turn.message.tool_calls:
            order = {call.id: place for place, call in enumerate(turn.message.tool_calls) if call.id}
        elif order:
            _sort_results(turn.parts, order)
    return turns


def _sort_results(parts: list[_Part], order: Mapping[str, int]) -> None:
    """Puts the results into the order of their calls; what was written between them keeps its place.

    A result of no known call counts as one of the first call, as the published encoding has it.
    """
    places = [i for i, part in enumerate(parts) if part.is_result]
    in_order = sorted((parts[i] for i in places), key=lambda part: order.get(part.call_id, 0))
    for place, part in zip(places, in_order, strict=True):
        parts[place] = part


def _join(parts: Sequence[_Part]) -> str:
    texts = [TOOL_RESULT_OPEN + part.text + TOOL_RESULT_CLOSE if part.is_result else part.text for part in parts]
    return "\n\n".join(texts)


def _last_of_user(turns: Sequence[_Turn]) -> int:
    return max((i for i, turn in enumerate(turns) if turn.is_users), default=-1)
