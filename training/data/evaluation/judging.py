"""Whether an answer is the expected one: letter by letter, call by call, or by what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ds4_core.chat import ChatResult
from training.data.evaluation.reports import reports

_ACTION, _INPUT, _ANSWER = "\nAction: ", "\nAction Input: ", "\nAnswer: "


def is_right(check: dict[str, Any], result: ChatResult) -> bool:
    """Whether a result passes a held-out example's check.

    Args:
        check: "kind" is "text" (the very text), "calls" (these tools with these arguments in this order), "json" (this
            value), "react" (this action and input, or this answer), "holds" (a text with these words in it, whatever
            their case), "holds_all" (a text with each of these in it), "words" or "words_exact" (a text with one of each
            group of words in it, in any case or in this one), "react_words" (an agent's answer with them), "is" (one of
            these texts, but for case, quotes and the end sign) or "speaks" (any text). A "text" or "react" check with
            "results" is right by what the answer says of them (`reports`).
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
        does, wanted = _react(result.text), _react(expected)
        if "results" in check and does[0] == wanted[0] == "answer" and isinstance(does[1], str):
            return reports(does[1], wanted[1], check["results"], check["asked"])
        return does == wanted
    if kind == "text" and "results" in check:
        return reports(result.text, expected, check["results"], check["asked"])
    if kind == "holds":
        return bool(expected.lower() in result.text.lower())
    if kind == "holds_all":
        return all(words.lower() in result.text.lower() for words in expected)
    if kind in ("words", "words_exact"):
        return _has_words(result.text, expected, exact=kind == "words_exact")
    if kind == "react_words":
        does, *said = _react(result.text)
        return does == "answer" and isinstance(said[0], str) and _has_words(said[0], expected)
    if kind == "is":
        return _bare(result.text) in [_bare(one) for group in expected for one in group]
    if kind == "speaks":
        return bool(result.text.strip())
    return bool(result.text == expected)


def area_under_curve(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """The probability that a relevant passage scores above an irrelevant one; ties count half.

    Raises:
        ValueError: There are none of one kind.
    """
    good = [score for score, label in zip(scores, labels, strict=True) if label]
    bad = [score for score, label in zip(scores, labels, strict=True) if not label]
    if not good or not bad:
        raise ValueError(f"{len(good)} relevant and {len(bad)} irrelevant passages: it takes some of both")
    return sum((g > b) + (g == b) / 2 for g in good for b in bad) / (len(good) * len(bad))


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


def _has_words(text: str, groups: Sequence[Sequence[str]], *, exact: bool = False) -> bool:
    """Whether a text holds one of each group: short words and numbers whole; "1,200" is 1200."""
    if not exact:
        text = re.sub(r"(?<=\d),(?=\d{3})", "", text).lower()
    return bool(text.strip()) and all(any(_has(text, one, exact) for one in group) for group in groups)


def _has(text: str, words: str, exact: bool) -> bool:
    if not exact:
        words = re.sub(r"(?<=\d),(?=\d{3})", "", words).lower()
    if words.isdigit():
        return re.search(rf"(?<![\w.]){words}(?!\w|\.\d)", text) is not None
    if len(words) <= 3 and not exact:  # "no" is not in "know"
        return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", text) is not None
    return words in text


def _bare(text: str) -> str:
    return text.strip().strip("\"'“”").rstrip(".!").strip("\"'“”").lower()
