"""Whether an answer about a result reports what the expected answer reports, in its own words."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_WORD = re.compile(r"[^\s\"“”(){}\[\],;:!?]+")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
#: Words that say nothing by themselves, and those by which a failure is told, which need not be the same.
_SMALL = frozenset(
    """
    a an the is are was were be been it its this that these those there here you your i we he she they his her their our of
    on in at to for from by with and or but as so if has have had do does did will would can could may no not yes
    error errors failed failure tool
    """.split()
)
_FAILED = re.compile(r"\b(?:fail\w*|errors?|not|no|none|nothing|cannot|unable|without)\b|n['’]t\b", re.IGNORECASE)
_MOST_WORDS = 20  # of a text that may be reported in other words; longer ones are passages to answer from


def reports(answer: str, expected: str, results: Sequence[str], asked: str = "") -> bool:
    """Whether the answer says what the expected answer says of the results.

    Every value that the expected answer says must be there, in its order, and no other value of the results but those
    that the request named; and both or neither say that something is not so. Where the expected answer says no value, as
    "Done.", only its own words are right, and where there is nothing to say a value of, that there is nothing.

    Args:
        answer: What is judged.
        expected: What says the right thing.
        results: What the tools returned.
        asked: The request.
    """
    if any(_parsed(text) is None and len(text.split()) > _MOST_WORDS for text in results):
        return answer == expected
    told, right = _words(answer), _words(expected)
    failed = [bool(_FAILED.search(text)) for text in (answer, expected)]
    found = _values(results)
    wanted = [value for value in found if _at(value, right) >= 0]
    if not wanted:
        return told == right or (all(failed) and not any(_truths(_parsed(text)) for text in results))
    if failed[0] != failed[1] or any(_at(value, told) < 0 for value in wanted):
        return False
    leaves = [value for value in _values([t for t in results if _parsed(t) is not None]) if value in wanted]
    places = [_at(value, told) for value in sorted(leaves, key=lambda value: _at(value, right))]
    named = _words(asked)
    return places == sorted(places) and not any(
        _at(value, told) >= 0 > max(_at(value, right), _at(value, named)) for value in _telling(results)
    )


def _telling(results: Sequence[str]) -> list[list[str]]:
    """The values that nobody says by chance: leaves of JSON, and of a text names and what has digits in it."""
    out = _values([text for text in results if _parsed(text) is not None])
    for text in results:
        if _parsed(text) is None:
            out += [_words(word) for word in text.split()[1:] if word[:1].isupper() or any(c.isdigit() for c in word)]
    return [value for value in out if value]


def _values(results: Sequence[str]) -> list[list[str]]:
    """What may be told of results, as words: the leaves of JSON or of a dict as Python shows it, the words of a text."""
    out: list[list[str]] = []
    for text in results:
        value = _parsed(text)
        leaves = [_words(leaf) for leaf in _leaves(value)] if value is not None else [[word] for word in _words(text)]
        out += [leaf for leaf in leaves if any(word not in _SMALL for word in leaf) and leaf not in out]
    return out


def _at(words: Sequence[str], told: Sequence[str]) -> int:
    """Where words stand in others, -1 where they do not."""
    n = len(words)
    return next((at for at in range(len(told) - n + 1) if list(told[at : at + n]) == list(words)), -1)


def _words(text: str) -> list[str]:
    """The words of a text in small letters: without signs around them, "'s" or thousands' commas; 68.0 is 68."""
    out = []
    for found in _WORD.findall(_THOUSANDS.sub("", text)):
        word = found.strip("'’").strip(".–%*_").rstrip("-").lower()
        word = re.sub(r"['’]s$", "", word)
        word = re.sub(r"^(-?\d+)\.0+$", r"\1", word if re.match(r"-\d", word) else word.lstrip("-"))
        if word:
            out.append(word)
    return out


def _parsed(text: str) -> Any:
    """The value that a text is in JSON or as Python shows it, None where it is a plain text."""
    if text[:1] not in ("{", "["):
        return None
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return None


def _leaves(value: Any) -> Iterator[str]:
    """The strings and numbers of a value."""
    for item in _items(value):
        if isinstance(item, str | int | float) and not isinstance(item, bool):
            yield str(item)


def _truths(value: Any) -> bool:
    """Whether a value holds true or false."""
    return any(isinstance(item, bool) for item in _items(value))


def _items(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _items(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _items(item)
    else:
        yield value
