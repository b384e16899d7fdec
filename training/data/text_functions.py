"""What format instructions do to a text or a list, by name: written lines say `["upper", "{t}"]`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from training.data.words import MONTHS, regular_plural

_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
_PLURALS = {
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "person": "people",
    "sheep": "sheep",
    "fish": "fish",
    "knife": "knives",
    "wife": "wives",
    "life": "lives",
    "leaf": "leaves",
    "wolf": "wolves",
    "half": "halves",
    "shelf": "shelves",
    "thief": "thieves",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "hero": "heroes",
    "ox": "oxen",
    "loaf": "loaves",
}
_PAST = {
    "go": "went",
    "see": "saw",
    "eat": "ate",
    "drink": "drank",
    "write": "wrote",
    "run": "ran",
    "come": "came",
    "give": "gave",
    "take": "took",
    "make": "made",
    "buy": "bought",
    "bring": "brought",
    "think": "thought",
    "teach": "taught",
    "catch": "caught",
    "sing": "sang",
    "swim": "swam",
    "begin": "began",
    "speak": "spoke",
    "break": "broke",
    "drive": "drove",
    "fly": "flew",
    "grow": "grew",
    "know": "knew",
    "throw": "threw",
    "sleep": "slept",
    "keep": "kept",
    "feel": "felt",
    "leave": "left",
    "lose": "lost",
    "win": "won",
    "sit": "sat",
    "stand": "stood",
    "find": "found",
    "hold": "held",
    "hear": "heard",
    "say": "said",
    "tell": "told",
    "sell": "sold",
    "pay": "paid",
    "meet": "met",
    "read": "read",
    "cut": "cut",
    "put": "put",
    "hit": "hit",
}


def in_words(n: int) -> str:
    """A number below a thousand in English words."""
    if n < 20:
        return _ONES[n]
    if n < 100:
        return _TENS[n // 10 - 2] + (f"-{_ONES[n % 10]}" if n % 10 else "")
    rest = f" and {in_words(n % 100)}" if n % 100 else ""
    return f"{_ONES[n // 100]} hundred{rest}"


def plural(noun: str) -> str:
    """More than one of them."""
    if noun in _PLURALS:
        return _PLURALS[noun]
    return regular_plural(noun)


def past(verb: str) -> str:
    """A verb in the past."""
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    if re.search(r"[^aeiou]y$", verb):
        return verb[:-1] + "ied"
    return verb + verb[-1] + "ed" if re.search(r"^[^aeiou]*[aeiou][bdgmnpt]$", verb) else verb + "ed"


def _words(text: Any) -> list[str]:
    return str(text).split()


def _vowels(text: str) -> int:
    return sum(char in "aeiouAEIOU" for char in text)


def _pascal(text: str) -> str:
    return "".join(word[:1].upper() + word[1:].lower() for word in _words(text))


def _table(headers: list[str], *columns: list[Any]) -> str:
    rows = [headers, ["---"] * len(headers), *map(list, zip(*columns, strict=True))]
    return "\n".join("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows)


def _csv(items: list[Any]) -> str:
    return ",".join(f'"{item}"' if "," in str(item) else str(item) for item in items)


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def _hour(text: str) -> str:
    hours, minutes = text.split(":")
    n = int(hours)
    return f"{n % 12 or 12}:{minutes} {'am' if n < 12 else 'pm'}"


def _key(item: Any) -> Any:
    return item if isinstance(item, int | float) else str(item).lower()


FUNCTIONS: dict[str, Callable[..., Any]] = {
    # case
    "upper": lambda t: str(t).upper(),
    "lower": lambda t: str(t).lower(),
    "title": lambda t: " ".join(word[:1].upper() + word[1:] for word in _words(t)),
    "capitalize": lambda t: t[:1].upper() + t[1:],
    "swapcase": lambda t: t.swapcase(),
    "snake": lambda t: "_".join(_words(t)).lower(),
    "kebab": lambda t: "-".join(_words(t)).lower(),
    "constant": lambda t: "_".join(_words(t)).upper(),
    "pascal": _pascal,
    "camel": lambda t: (p := _pascal(t))[:1].lower() + p[1:],
    "initials": lambda t: "".join(word[:1].upper() for word in _words(t)),
    "initials_dots": lambda t: "".join(f"{word[:1].upper()}." for word in _words(t)),
    # words and letters
    "words": _words,
    "first_word": lambda t: _words(t)[0],
    "last_word": lambda t: _words(t)[-1],
    "nth_word": lambda t, n: _words(t)[n - 1],
    "without_first": lambda t: " ".join(_words(t)[1:]),
    "without_last": lambda t: " ".join(_words(t)[:-1]),
    "first_words": lambda t, n: " ".join(_words(t)[:n]),
    "last_words": lambda t, n: " ".join(_words(t)[-n:]),
    "n_words": lambda t: len(_words(t)),
    "n_letters": lambda t: sum(char.isalpha() for char in str(t)),
    "n_vowels": _vowels,
    "first_letter": lambda t: str(t)[0],
    "last_letter": lambda t: str(t)[-1],
    "letters": lambda t: [char for char in str(t) if char != " "],
    "backwards": lambda t: str(t)[::-1],
    "words_backwards": lambda t: " ".join(reversed(_words(t))),
    "longest": lambda items: max(items, key=lambda item: len(str(item))),
    "shortest": lambda items: min(items, key=lambda item: len(str(item))),
    "replace": lambda t, a, b: str(t).replace(str(a), str(b)),
    "no_spaces": lambda t: str(t).replace(" ", ""),
    "no_vowels": lambda t: re.sub("[aeiouAEIOU]", "", t),
    "no_digits": lambda t: re.sub(r"\d", "", t),
    "only_digits": lambda t: re.sub(r"\D", "", t),
    "mask": lambda t: "*" * len(str(t)),
    # lists
    "first": lambda items: items[0],
    "last": lambda items: items[-1],
    "second": lambda items: items[1],
    "nth": lambda items, n: items[n - 1],
    "count": len,
    "sort": lambda items: sorted(items, key=_key),
    "sort_down": lambda items: sorted(items, key=_key, reverse=True),
    "by_length": lambda items: sorted(items, key=lambda item: len(str(item))),
    "reverse": lambda items: list(reversed(items)),
    "without": lambda items, x: [item for item in items if item != x],
    "with": lambda items, *more: [*items, *more],
    "in_front": lambda items, *more: [*more, *items],
    "each_upper": lambda items: [str(item).upper() for item in items],
    "each_capital": lambda items: [str(item)[:1].upper() + str(item)[1:] for item in items],
    "each_quoted": lambda items: [f'"{item}"' for item in items],
    "each": lambda items, before, after: [f"{before}{item}{after}" for item in items],
    "each_plural": lambda items: [plural(item) for item in items],
    "join": lambda items, by: by.join(str(item) for item in items),
    "row": lambda items, last="and": (
        items[0] if len(items) == 1 else f"{', '.join(map(str, items[:-1]))} {last} {items[-1]}"
    ),
    "bullets": lambda items: "\n".join(f"- {item}" for item in items),
    "stars": lambda items: "\n".join(f"* {item}" for item in items),
    "boxes": lambda items: "\n".join(f"- [ ] {item}" for item in items),
    "numbered": lambda items: "\n".join(f"{at}. {item}" for at, item in enumerate(items, 1)),
    "parens": lambda items: "\n".join(f"{at}) {item}" for at, item in enumerate(items, 1)),
    "lettered": lambda items: "\n".join(f"{chr(96 + at)}) {item}" for at, item in enumerate(items, 1)),
    "lines": lambda items: "\n".join(str(item) for item in items),
    "contains": lambda items, x: "yes" if x in items else "no",
    "split": lambda t, by: str(t).split(by),
    "upto": lambda n: list(range(1, n + 1)),
    "down_from": lambda n: list(range(n, 0, -1)),
    "between": lambda a, b: list(range(a, b + 1)),
    "times": lambda t, n, by=" ": by.join([str(t)] * n),
    # yes, no and choices
    "yes_if": lambda x: "yes" if x else "no",
    "greater": lambda a, b: a > b,
    "equal": lambda a, b: a == b,
    "even": lambda n: n % 2 == 0,
    "starts": lambda t, x: str(t).lower().startswith(str(x).lower()),
    "if": lambda x, a, b: a if x else b,
    "max": lambda *xs: max(xs[0] if isinstance(xs[0], list) else xs),
    "min": lambda *xs: min(xs[0] if isinstance(xs[0], list) else xs),
    # numbers and dates
    "in_words": in_words,
    "ordinal": _ordinal,
    "ordinal_word": lambda n: _ORDINALS[n - 1],
    "padded": lambda n, width: str(n).zfill(width),
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "whole": lambda x: str(int(x)),
    "two_places": lambda x: f"{x:.2f}",
    "thousands": lambda n: f"{n:,}",
    "month_name": lambda m: MONTHS[m - 1],
    "iso": lambda y, m, d: f"{y}-{m:02}-{d:02}",
    "dotted": lambda y, m, d: f"{d:02}.{m:02}.{y}",
    "slashed": lambda y, m, d: f"{m:02}/{d:02}/{y}",
    "long": lambda y, m, d: f"{d} {MONTHS[m - 1]} {y}",
    "american": lambda y, m, d: f"{MONTHS[m - 1]} {d}, {y}",
    "twelve_hours": _hour,
    "plural": plural,
    "past": past,
    # markup
    "csv": _csv,
    "json": lambda x: json.dumps(x, ensure_ascii=False),
    "object": lambda *pairs: json.dumps(dict(zip(pairs[::2], pairs[1::2], strict=True)), ensure_ascii=False),
    "table": _table,
    "list": lambda *items: list(items),
}
