"""The words of the DeepSeek V4 message protocol: control tokens, and the fixed texts a prompt is made of.

Facts only; `render` says where each of them goes. They are as published with the model weights.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Final, Literal, get_args


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


@dataclass(frozen=True, slots=True)
class Sampled:
    """Token ids that stand as the model sampled them."""

    tokens: tuple[int, ...]


#: A piece of a prompt: a control token, plain text, or tokens as they were sampled.
Segment = Special | str | Sampled

Effort = Literal["low", "high", "max"]
EFFORTS: Final[tuple[str, ...]] = get_args(Effort)
#: How much the model thinks when a generation asks it to think and does not say how much.
DEFAULT_EFFORT: Final[Effort] = "high"
Release = Literal["original", "0731"]
RELEASES: Final[tuple[str, ...]] = get_args(Release)

#: Fewest tokens of context that an answer at effort "max" needs, in either release.
MAX_EFFORT_MIN_N_CTX: Final = 393_216

_LITERAL = re.compile("|".join(re.escape(special.value) for special in Special))


@lru_cache(maxsize=64)
def template(text: str) -> tuple[Segment, ...]:
    """The segments of a text of the protocol itself: every literal in it is its control token.

    Never for text of a caller, whose literals are plain text.
    """
    segments: list[Segment] = []
    begin = 0
    for match in _LITERAL.finditer(text):
        segments += [text[begin : match.start()], Special(match.group())]
        begin = match.end()
    return (*segments, text[begin:])


def spell(segments: tuple[Segment, ...] | list[Segment]) -> str:
    """The text that segments without sampled tokens stand for.

    Raises:
        TypeError: There are sampled tokens, whose text only a vocabulary knows.
    """
    parts: list[str] = []
    for segment in segments:
        if isinstance(segment, Sampled):
            raise TypeError("sampled tokens have no text without a vocabulary")
        parts.append(segment if isinstance(segment, str) else segment.value)
    return "".join(parts)


# -- tools and the shape of answers ------------------------------------------------------------------------------------

#: Before the schemas of the tools, one JSON object per line.
TOOLS_HEAD = (
    "## Tools\n"
    "\n"
    "You have access to a set of tools to help answer the user's question. You can invoke tools by "
    'writing a "<｜DSML｜tool_calls>" block like the following:\n'
    "\n"
    "<｜DSML｜tool_calls>\n"
    '<｜DSML｜invoke name="$TOOL_NAME">\n'
    '<｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>\n'
    "...\n"
    "</｜DSML｜invoke>\n"
    '<｜DSML｜invoke name="$TOOL_NAME2">\n'
    "...\n"
    "</｜DSML｜invoke>\n"
    "</｜DSML｜tool_calls>\n"
    "\n"
    'String parameters should be specified as is and set `string="true"`. For all other types (numbers, '
    'booleans, arrays, objects), pass the value in JSON format and set `string="false"`.\n'
    "\n"
    "If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside "
    "<think>...</think> BEFORE any tool calls or final response.\n"
    "\n"
    "Otherwise, output directly after </think> with tool calls or final response.\n"
    "\n"
    "### Available Tool Schemas\n"
    "\n"
)

#: After them.
TOOLS_TAIL = "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.\n"

RESPONSE_FORMAT_HEAD = "## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n"

TOOL_RESULT_OPEN, TOOL_RESULT_CLOSE = "<tool_result>", "</tool_result>"

# -- reasoning effort --------------------------------------------------------------------------------------------------

_ABSOLUTE_MAXIMUM = (
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the "
    "root cause, rigorously stress-testing your logic against all potential paths, edge cases, and "
    "adversarial scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate step, "
    "considered alternative, and rejected hypothesis to ensure absolutely no assumption is left "
    "unchecked.\n"
    "\n"
)

_BEYOND_MAXIMUM = (
    "Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.\n"
    "You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively "
    "decompose the problem into its most fundamental components, trace every causal chain to its root, "
    "and resolve the underlying cause rather than any surface symptom.\n"
    "Do not stop reasoning until you have independently verified the solution from multiple angles and "
    "are certain that no assumption remains unchecked and no error remains undiscovered.\n"
    "\n"
)

# What the original release says for "max" is what 0731 says for "high".
_EFFORT_PREFIXES: dict[str, dict[str, str]] = {
    "original": {"low": "", "high": "", "max": _ABSOLUTE_MAXIMUM},
    "0731": {"low": "", "high": _ABSOLUTE_MAXIMUM, "max": _BEYOND_MAXIMUM},
}


def effort_prefix(effort: Effort, release: Release) -> str:
    """What stands before the first message of a prompt that asks for thinking.

    The original release has one level below "max" and no words for it: "low" and "high" are the same there.
    """
    return _EFFORT_PREFIXES[release][effort]
