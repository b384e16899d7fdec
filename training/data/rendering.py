"""An example as the pieces that a tokenizer encodes, made by the chat encoding of ds4_core itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ds4_core.chat.messages import as_messages
from ds4_core.chat.protocol import TOOLS_HEAD, Segment, Special
from ds4_core.chat.render import PromptOptions, render
from ds4_core.chat.tools import as_tools
from training.data.example import Example


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a rendered example.

    Attributes:
        text: A special token's spelling, or plain text.
        special: Whether it is a special token.
        trained: Whether it belongs to a target: thoughts, answer, calls and the end of the turn.
        opening: Of the first piece of a target what its first token is, `TARGET`, `DECISIVE` or `SPOKEN`; else 0.
    """

    text: str
    special: bool
    trained: bool
    opening: int = 0


#: What the loss does with a token: of a target as of others, of a short one, where something is decided, with the first of
#: an answer in words where a call was possible, and where another call follows one.
PADDING, PROMPT, TARGET, SHORT, DECISIVE, SPOKEN, ANOTHER = range(7)

_OPENINGS = (Special.THINK_OPEN, Special.THINK_CLOSE)


def segments(example: Example) -> list[Segment]:
    """The segments of the whole conversation."""
    messages = as_messages([{k: v for k, v in m.items() if k != "train"} for m in example.messages])
    options = PromptOptions(
        tools=as_tools(example.tools),
        schema=example.response_format,
        thinking=example.thinking,
        effort=example.effort or "low",  # type: ignore[arg-type] # one of the three by Example's contract
    )
    return render(messages, options)


def _opening(example: Example, message: dict[str, Any]) -> int:
    """What the first token of an assistant's message is; 0 if nothing of it is a target.

    A thought begins alike before calls and words, and an answer that follows a schema always begins with a brace.
    """
    if not message.get("train"):
        return 0
    if not example.tools or example.thinking or example.response_format:
        return DECISIVE
    return TARGET if message.get("tool_calls") else SPOKEN


def pieces(example: Example) -> list[Piece]:
    """The example's pieces in order; neighbouring plain texts of one kind are joined.

    A target begins after the token that opens its turn (`<think>` or `</think>`), so no plain piece spans a border.
    """
    openings = iter([_opening(example, m) for m in example.messages if m["role"] == "assistant"])
    out: list[Piece] = []
    plain: list[str] = []
    trained = False
    opening = 0
    before: Any = None

    def add(text: str, *, special: bool) -> None:
        nonlocal opening
        if text:
            out.append(Piece(text, special, trained, opening))
            opening = 0

    def flush() -> None:
        text = "".join(plain)
        plain.clear()
        add(text, special=False)

    for segment in segments(example):
        if isinstance(segment, str):
            plain.append(segment)
            continue
        flush()
        assert isinstance(segment, Special)
        add(segment.value, special=True)
        if before is Special.ASSISTANT and segment in _OPENINGS:
            opening = next(openings, 0)
            trained = bool(opening)
        elif segment is Special.EOS:
            trained = False
        before = segment
    flush()
    return out


_HEAD_BEGINS, _HEAD_ENDS = TOOLS_HEAD.splitlines()[2][:40], TOOLS_HEAD.rstrip().rsplit("\n", 1)[-1]


def without_instructions(parts: Sequence[Piece]) -> list[Piece]:
    """The pieces without the paragraphs that tell how tools are called, the same in every prompt; tools stay listed.

    They are a third of a prompt with tools. Where only few prompts have them, more conversations fit into a row.
    """
    first = next((i for i, part in enumerate(parts) if _HEAD_BEGINS in part.text and not part.trained), None)
    if first is None:
        return list(parts)
    last = next(i for i in range(first, len(parts)) if _HEAD_ENDS in parts[i].text)
    before, after = parts[first].text, parts[last].text
    kept = before[: before.index(_HEAD_BEGINS)] + after[after.index(_HEAD_ENDS) :]
    return [*parts[:first], replace(parts[first], text=kept), *parts[last + 1 :]]


def text_of(example: Example) -> str:
    """The rendered text, for reading."""
    return "".join(piece.text for piece in pieces(example))
