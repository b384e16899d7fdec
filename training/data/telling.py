"""What is answered after a tool's result that was written by hand: its own words, where they say all that is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from training.data.words import capitalized, ended
from training.data.written import Slots, slots_of

_SLOT = re.compile(r"\{[^{}]*\}")
_FAILURE = re.compile(r"error|failed|failure|exception|could not|cannot|can't", re.IGNORECASE)
_FEW_WORDS = 2  # beside values, for a result to be told as it is: "with Ana" says too little alone


def says_all(result: Any, answer: str) -> bool:
    """Whether a result is words that tell every value of theirs which the answer tells, so that they can be the answer.

    A small model that may say the same in many ways drops values; told as it came, none is lost.
    """
    if not isinstance(result, str) or "\n" in result or _FAILURE.search(result):
        return False
    values = slots_of(result)
    n_word = len(_SLOT.sub(" ", result).split())
    return bool(values) and set(values) <= set(slots_of(answer)) and n_word + len(values) > _FEW_WORDS


def told(slots: Slots, chosen: Mapping[str, Any], *, alone: bool = True) -> str:
    """The answer after a result.

    Args:
        slots: Their values.
        chosen: A line's "result" and "answer".
        alone: Whether it is the only result; beside others an answer names what it is about.
    """
    result, answer = chosen["result"], chosen["answer"]
    return capitalized(ended(slots.fill(result))) if alone and says_all(result, answer) else slots.fill(answer)
