"""Whether an answer is the expected one: exactly, letter by letter, call by call."""

from __future__ import annotations

import json
from typing import Any

from ds4_core.chat import ChatResult

_ACTION, _INPUT, _ANSWER = "\nAction: ", "\nAction Input: ", "\nAnswer: "


def is_right(check: dict[str, Any], result: ChatResult) -> bool:
    """Whether a result passes a held-out example's check.

    Args:
        check: "kind" is "text" (the very text), "calls" (these tools with these arguments in this order), "json" (this
            value), "react" (this action and input, or this answer), "holds" (a text with these words in it, whatever
            their case) or "holds_all" (a text with each of these in it).
        result: What the model said.
    """
    kind, expected = check["kind"], check["expected"]
    if kind == "calls":
        return bool(said_calls(result) == expected)
    if result.tool_calls:
        return False
    if kind == "json":
        return parsed(result.text) == (True, expected)
    if kind == "react":
        return _react(result.text) == _react(expected)
    if kind == "holds":
        return bool(expected.lower() in result.text.lower())
    if kind == "holds_all":
        return all(words.lower() in result.text.lower() for words in expected)
    return bool(result.text == expected)


def said_calls(result: ChatResult) -> list[list[Any]]:
    """The calls of a result, each as name and arguments; arguments that are no JSON as their text."""
    return [[call.name, parsed(call.arguments)[1]] for call in result.tool_calls]


def parsed(text: str) -> tuple[bool, Any]:
    """Whether a text is JSON, and its value, or the text."""
    try:
        return True, json.loads(text)
    except ValueError:
        return False, text


def _react(text: str) -> tuple[Any, ...]:
    """What an agent's step does, its thought left out."""
    if _INPUT in text:
        head, _, given = text.partition(_INPUT)
        return "action", head.partition(_ACTION)[2], parsed(given)
    return "answer", text.partition(_ANSWER)[2] if _ANSWER in text else ("malformed", text)
