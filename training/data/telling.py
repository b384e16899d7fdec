"""What is answered after a tool's result that was written by hand: its own words, where they say all that is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from training.data.words import capitalized, ended
from training.data.written import Slots, slots_of

_SLOT = re.compile(r"\{[^{}]*\}")
_WORD = re.compile(r"[A-Za-z]{2,}")
_FAILURE = re.compile(
    r"error|fail|exception|could not|cannot|can't|not found|no such|unknown|fatal|conflict|denied|refused|invalid"
    r"|not supported|unavailable|^[45]\d\d\b",
    re.IGNORECASE,
)
_DATA = re.compile(r"[<>\[\]{}|=\n]|->|^[\"'`]")  # markup, objects and tables: nothing that is said
_SPEAKER = re.compile(r"\b(?:I|we|our|us|my|sorry|thanks|thank)\b", re.IGNORECASE)
_VERDICT = re.compile(r"(?:yes|no)\b", re.IGNORECASE)
_FEW = 2  # words and values, for a result to be told as it is: "with Ana" says too little alone


def says_all(result: Any, answer: str) -> bool:
    """Whether a result is words that tell every value of theirs which the answer tells, so that they can be the answer.

    A small model that may say the same in many ways drops values; told as it came, none is lost. Failures are told as
    such, what somebody says of himself is turned round, and a yes or no stays.
    """
    if not isinstance(result, str):
        return False
    values, words = slots_of(result), _SLOT.sub(" ", result)
    if not values or not set(values) <= set(slots_of(answer)) or _FAILURE.search(words) or _DATA.search(words):
        return False
    if (_SPEAKER.search(words) and not _SPEAKER.search(answer)) or (
        _VERDICT.match(answer) and not _VERDICT.match(words)
    ):
        return False
    n_word = len(_WORD.findall(words))
    return n_word > 0 and n_word + len(values) > _FEW


def told(slots: Slots, chosen: Mapping[str, Any], *, alone: bool = True) -> str:
    """The answer after a result.

    Args:
        slots: Their values.
        chosen: A line's "result" and "answer".
        alone: Whether it is the only result, and none of a failure; beside others an answer names what it is about.
    """
    result, answer = chosen["result"], chosen["answer"]
    if not alone or not says_all(result, answer):
        return slots.fill(answer)
    text = slots.fill(result)
    text = text if text.endswith('"') else ended(text)
    return text if result.startswith("{") else capitalized(text)  # a value is copied letter by letter
