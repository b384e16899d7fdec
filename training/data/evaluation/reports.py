"""Whether an answer about a result reports what the expected answer reports, in whichever words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_WORD = re.compile(r"[^\s\"'“”(){}\[\],;:!?]+(?:['’]\w+)?")
#: Words that say nothing by themselves.
_SMALL = frozenset(
    """
    a an the is are was were be been it its this that these those there here you your i we he she they his her their our of
    on in at to for from by with and or but as so if has have had do does did will would can could may no not yes
    """.split()
)
_FAILED = re.compile(r"\b(?:fail\w*|errors?|not|no|none|nothing|cannot|unable|without)\b|n['’]t\b", re.IGNORECASE)


def values(results: Sequence[str], expected: str) -> list[str]:
    """What an answer has to say: the values of the results that the expected answer says, in small letters.

    Of a result that is JSON, or a dict as Python shows it, its leaves; of a text, its words but for small ones.
    """
    said = _words(expected)
    found: list[str] = []
    for text in results:
        parts = list(_leaves(_parsed(text))) if _parsed(text) is not None else _WORD.findall(text)
        for part in parts:
            words = [word for word in _words(part) if word not in _SMALL]
            if words and all(word in said for word in words):
                found.append(" ".join(_words(part)))
    return list(dict.fromkeys(found))


def reports(answer: str, expected: str, results: Sequence[str]) -> bool:
    """Whether the answer says every value of the results that the expected answer says, and failure where that does.

    Where the expected answer says no value of the results, as "Done.", only its own words are right, and for a failure
    that there was one.
    """
    failed = [bool(_FAILED.search(text)) for text in (answer, expected)]
    if not (wanted := values(results, expected)):
        return all(failed) or _words(answer) == _words(expected)
    said = f" {' '.join(_words(answer))} "
    return failed[0] == failed[1] and all(f" {value} " in said for value in wanted)


def _words(text: str) -> list[str]:
    """The words of a text in small letters, without signs around them."""
    return [bare for word in _WORD.findall(text) if (bare := word.strip(".-–%*_").lower())]


def _parsed(text: str) -> Any:
    """The value that a text is in JSON or as Python shows it, None where it is a plain text."""
    if text[:1] not in ("{", "["):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError):
            continue
    return None


def _leaves(value: Any) -> Iterator[str]:
    """The strings and numbers of a value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield str(value)
