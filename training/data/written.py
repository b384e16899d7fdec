"""Lines written by hand, with slots for random values: loading them, splitting them, and filling them.

The files are `written/<area>/*.jsonl`, a JSON object a line. `{name:kind}` in a text is a slot, `{name}` afterwards the
same value again; `KINDS` and the lists in `written/values` say what a kind gives. One line in twelve is held out with
all it says, and of every long list of wordings one in eight.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from training.data.phrasing import vary
from training.data.slips import typed
from training.data.swap import Swap
from training.data.words import COLORS, MONTHS, WEEKDAYS, Words

T = TypeVar("T")

HERE = Path(__file__).with_name("written")
_HELD_OUT_LINES = 12  # one line in so many is held out
HELD_OUT_WORDINGS = 8  # one wording in so many, in lists of at least as many
_HELD_OUT_VALUES = 10
_SLOT = re.compile(r"\{\{|\}\}|\{([A-Za-z_]\w*(?:#\d)?)(?::([^{}]+))?\}")
_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)-(-?\d+(?:\.\d+)?)")


def held(text: str, n: int) -> bool:
    """Whether a text belongs to the one part in `n` that training never sees."""
    return zlib.crc32(text.encode()) % n == 0


# -- values ------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def values(name: str, split: str) -> tuple[str, ...]:
    """The natural values of a list, of one split.

    Raises:
        FileNotFoundError: There is no such list.
    """
    lines = dict.fromkeys(line.strip() for line in (HERE / "values" / f"{name}.txt").read_text("utf-8").splitlines())
    return tuple(line for line in lines if line and held(line, _HELD_OUT_VALUES) == (split == "heldout"))


def _street(w: Words) -> str:
    return f"{w.between(1, 220)} {w.last_name()} {w.pick(('Street', 'Road', 'Avenue', 'Lane', 'Square'))}"


def _money(w: Words) -> int | float:
    return w.between(1, 2000) if w.chance(0.6) else round(w.between(100, 50000) / 100 + 0.01, 2)


def _duration(w: Words) -> str:
    n = w.between(2, 90)
    return f"{n} {w.pick(('minutes', 'hours', 'days', 'weeks', 'months', 'seconds'))}"


def _phone(w: Words) -> str:
    return f"{w.pick(('+', '0', '+4', '00'))}{w.between(10, 99)} {w.between(100, 999)} {w.between(1000, 99999)}"


def _isodate(w: Words) -> str:
    return f"{w.between(1990, 2035)}-{w.between(1, 12):02}-{w.between(1, 28):02}"


def _user(w: Words) -> str:
    return f"{w.pick((w.first_name, w.noun, w.syllables))().lower()}{w.pick(('', '', '_', '.'))}{w.between(1, 999)}"


_LANGUAGES = (
    *("French", "German", "Spanish", "Italian", "Japanese", "Chinese", "Russian", "Portuguese", "Dutch", "Greek"),
    *("Polish", "Korean", "Turkish", "Arabic", "Swedish", "Danish", "Czech", "Hindi", "Finnish", "Hungarian"),
)
_CURRENCIES = ("USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "BRL", "CAD", "SEK", "PLN", "NOK", "AUD", "MXN")

KINDS: dict[str, Callable[[Words], Any]] = {
    "person": Words.person,
    "first": Words.first_name,
    "last": Words.last_name,
    "full": Words.full_name,
    "city": Words.city,
    "country": Words.country,
    "place": Words.place,
    "located": lambda w: w.pick(values("place_located", w.split)) if w.chance(0.6) else w.located(),
    "company": Words.company,
    "street": _street,
    "noun": Words.noun,
    "adjective": Words.adjective,
    "verb": Words.verb,
    "product": Words.product,
    "title": Words.title,
    "job": Words.job,
    "word": Words.word,
    "phrase": Words.phrase,
    "sentence": Words.sentence,
    "foreign": Words.foreign,
    "invented": lambda w: w.syllables().capitalize(),
    "color": lambda w: w.pick(COLORS),
    "language": lambda w: w.pick(_LANGUAGES),
    "currency": lambda w: w.pick(_CURRENCIES),
    "code": Words.code,
    "email": Words.email,
    "url": Words.url,
    "file": Words.file,
    "user": _user,
    "phone": _phone,
    "isbn": lambda w: f"978-{w.between(0, 9)}-{w.between(100, 999)}-{w.between(10000, 99999)}-{w.between(0, 9)}",
    "money": _money,
    "int": Words.integer,
    "decimal": Words.decimal,
    "percent": lambda w: w.between(1, 100),
    "year": lambda w: w.between(1500, 2030),
    "date": Words.date,
    "isodate": _isodate,
    "time": Words.time,
    "hhmm": lambda w: f"{w.between(0, 23):02}:{w.between(0, 59):02}",
    "weekday": lambda w: w.pick(WEEKDAYS),
    "month": lambda w: w.pick(MONTHS),
    "duration": _duration,
    "ago": lambda w: f"{_duration(w)} ago",
}


_ENDS = (".", "?", "!", "…")
_OTHER_WORDS = 0.35  # of the values of these lists, so that where one ends is read and not known by heart
#: Lists whose values are copied and not understood: a dish with other words would be none.
_COPIED = frozenset(
    """
    film book song band place_name shop school team project event task topic query message note problem complaint review
    headline announcement reason goal wish opinion sql command
    """.split()
)

#: Of the values of these lists; "chair by the window" and "lamp with a shade" give "chair with a shade". Some make no sense,
#: and all are copied.
_OTHER_END = 0.4
_JOINED = frozenset(
    """
    animal appliance band book clothing department device dish drink event feature film furniture game gift hobby
    ingredient material medicine place_name plant project role room school shop song sport subject symptom team tool
    topic toy vehicle
    """.split()
)
_ROUNDED, _ROUND = 3000, 0.2  # from which number on, and how many of them; ranges up to 9999 are of codes
#: Words that a value can end before or go on with.
PREPOSITIONS = "of|in|at|with|for|to|on|from|off|by|after|before|without|under|over|behind|near|about|against"
_BORDER = re.compile(rf" (?=(?:{PREPOSITIONS}) )")


@lru_cache(maxsize=128)
def _halves(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """How the values of a list that are trained begin, and how they go on from a preposition."""
    halves = [_BORDER.split(value, maxsplit=1) for value in values(name, "train")]
    beginnings = dict.fromkeys(half[0] for half in halves)
    return tuple(beginnings), tuple(dict.fromkeys(half[1] for half in halves if len(half) > 1))


def _varied(w: Words, name: str, value: str) -> str:
    """A value of a list, in training now and then with another end, or with other nouns and adjectives in it."""
    if w.heldout:
        return value
    if name in _JOINED and w.chance(_OTHER_END):
        beginnings, ends = _halves(name)
        joined = f"{w.pick(beginnings)} {w.pick(ends)}" if len(ends) >= 8 else value  # few would come again and again
        value = value if joined in values(name, "heldout") else joined
    if name not in _COPIED or " " not in value or not w.chance(_OTHER_WORDS):
        return value
    return Swap(w, value, 0.7)(value)


def _whole(w: Words, low: int, high: int) -> int:
    """A whole number; of thousands now and then a round one, as people name them."""
    drawn = w.between(low, high)
    if drawn < _ROUNDED or high % 1000 == 999 or not w.chance(_ROUND):
        return drawn
    step = 10 ** (len(str(drawn)) - w.between(1, 2))
    rounded = drawn // step * step
    return rounded if rounded >= low else drawn


@lru_cache(maxsize=4096)
def maker(kind: str) -> Callable[[Words], Any]:
    """What draws a value of a kind.

    Raises:
        ValueError: There is no such kind.
        FileNotFoundError: There is no such list of values.
    """
    if kind in KINDS:
        return KINDS[kind]
    if kind.endswith("+"):
        of_one = maker(kind[:-1])
        return lambda w: " ".join(text if text.endswith(_ENDS) else f"{text}." for text in (of_one(w), of_one(w)))
    if kind.startswith("@"):
        name = kind[1:]
        values(name, "train")
        return lambda w: _varied(w, name, w.pick(values(name, w.split)))
    if "|" in kind:
        choices = kind.split("|")
        return lambda w: w.pick(choices)
    found = _RANGE.fullmatch(kind)
    if found is None:
        raise ValueError(f"kind {kind!r}: it must be one of {', '.join(KINDS)}, @LIST, a|b or 1-9")
    low, high = found[1], found[2]
    if "." not in kind:
        return lambda w: _whole(w, int(low), int(high))
    n_decimal = max(len(part.partition(".")[2]) for part in (low, high))
    return lambda w: round(w.rng.uniform(float(low), float(high)), n_decimal)


# -- filling -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 17)
def parsed(template: str) -> tuple[tuple[str, str, str], ...]:
    """A template in pieces: (text, "", "") or ("", slot, kind or "").

    Raises:
        ValueError: A brace that belongs to no slot.
    """
    pieces, at = [], 0
    for found in _SLOT.finditer(template):
        if found.start() > at:
            pieces.append((template[at : found.start()], "", ""))
        at = found.end()
        pieces.append((found[0][0], "", "") if found[1] is None else ("", found[1], found[2] or ""))
    if at < len(template):
        pieces.append((template[at:], "", ""))
    for text, slot, _ in pieces:
        if not slot and text not in ("{", "}") and ("{" in text or "}" in text):
            raise ValueError(f"a brace that belongs to no slot (write it twice): {template!r}")
    return tuple(pieces)


def slots_of(template: str) -> list[str]:
    """The slots of a template, in order, each once."""
    return list(dict.fromkeys(slot for _, slot, _ in parsed(template) if slot))


def strings_of(value: Any) -> list[str]:
    """All strings of a JSON value, keys among them."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *strings_of(item))]
    return [text for item in value for text in strings_of(item)] if isinstance(value, list) else []


class Slots:
    """The values of one example's slots."""

    def __init__(self, w: Words, kinds: dict[str, str] | None = None) -> None:
        """`kinds`: those that are declared beside the texts."""
        self._w = w
        self.kinds = dict(kinds or {})
        self.values: dict[str, Any] = {}

    def get(self, slot: str, kind: str = "") -> Any:
        """A slot's value; drawn at its first use, and unlike the others of its kind.

        Raises:
            KeyError: A slot without a kind.
        """
        if kind:
            self.kinds.setdefault(slot, kind)
        if slot not in self.values:
            of = self.kinds.get(slot) or self.kinds[slot.partition("#")[0]]
            make = maker(of)
            taken = {str(v) for name, v in self.values.items() if self.kinds.get(name.partition("#")[0]) == of}
            value = make(self._w)
            for _ in range(8):
                if str(value) not in taken:
                    break
                value = make(self._w)
            self.kinds[slot] = of
            self.values[slot] = value
        return self.values[slot]

    def fill(self, template: str) -> str:
        """The text with its slots filled."""
        return "".join([str(self.get(slot, kind)) if slot else text for text, slot, kind in parsed(template)])

    def value(self, made: Any) -> Any:
        """A JSON value with the slots of its strings filled; a string that is one slot gets the slot's type."""
        if isinstance(made, str):
            pieces = parsed(made)
            if len(pieces) == 1 and pieces[0][1]:
                return self.get(pieces[0][1], pieces[0][2])
            return self.fill(made)
        if isinstance(made, dict):
            return {self.fill(key): self.value(item) for key, item in made.items()}
        if isinstance(made, list):
            return [self.value(item) for item in made]
        return made


# -- lines -------------------------------------------------------------------------------------------------------------


class Line:
    """One line of a file."""

    def __init__(self, data: dict[str, Any], key: str, *, whole: bool = False) -> None:
        """`key` decides whether it is held out; `whole`: its wordings are all of the split that it was made for."""
        self.data = data
        self.heldout = not whole and held(key, _HELD_OUT_LINES)
        self._whole = whole or self.heldout

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def get(self, key: str, default: Any = None) -> Any:
        """A part that may be missing."""
        return self.data.get(key, default)

    def among(self, w: Words, wordings: Sequence[T]) -> list[T]:
        """The wordings that a split may use: of a held-out line all, else those of the split."""
        if self._whole or len(wordings) < HELD_OUT_WORDINGS:
            return list(wordings)
        return _split(wordings, w.heldout)

    def one(self, w: Words, wordings: Sequence[T]) -> T:
        """One of the wordings of the split."""
        return w.pick(self.among(w, wordings))


#: By a list's identity: lists of wordings live as long as the lines they belong to, and are kept alive here.
_SPLITS: dict[int, tuple[Sequence[Any], dict[bool, list[Any]]]] = {}


def _split(wordings: Sequence[T], heldout: bool) -> list[T]:
    known = _SPLITS.get(id(wordings))
    if known is None or known[0] is not wordings:
        texts = [json.dumps(x, ensure_ascii=False) for x in wordings]
        out = [held(text, HELD_OUT_WORDINGS) for text in texts]
        if not any(out):
            out[min(range(len(texts)), key=lambda i: zlib.crc32(texts[i].encode()))] = True
        sides = {side: [x for x, h in zip(wordings, out, strict=True) if h is side] for side in (False, True)}
        known = _SPLITS[id(wordings)] = (wordings, {side: some or list(wordings) for side, some in sides.items()})
    return known[1][heldout]


@lru_cache(maxsize=64)
def lines(area: str) -> tuple[Line, ...]:
    """All lines of an area, in the order of its files' names.

    Raises:
        FileNotFoundError: The area has no file.
        ValueError: A line that is no JSON object.
    """
    out = []
    for path in sorted((HERE / area).glob("*.jsonl")):
        for number, text in enumerate(path.read_text("utf-8").splitlines(), 1):
            if text.strip():
                try:
                    out.append(Line(json.loads(text), text))
                except ValueError as reason:
                    raise ValueError(f"{path.name}:{number}: {reason}") from None
    if not out:
        raise FileNotFoundError(f"written/{area}: no *.jsonl file with a line in it")
    return tuple(out)


@lru_cache(maxsize=128)
def _usable(area: str, heldout: bool) -> tuple[Line, ...]:
    return tuple(line for line in lines(area) if line.heldout is heldout)


def line_of(w: Words, area: str) -> Line:
    """A line of an area: for training never a held-out one; held out, half of the time one (else only the wording is)."""
    usable = _usable(area, w.heldout and w.chance(0.5)) or lines(area)
    return w.pick(usable)


def said(w: Words, template: str, *, rough: bool = True) -> str:
    """A template as somebody says it: in training now and then in other words, else often typed in another way."""
    if w.heldout:
        return template
    if w.chance(0.1):
        return vary(w.rng, template, rough=rough)
    return typed(w, template) if rough else template


def parameter_schema(about: dict[str, Any]) -> dict[str, Any]:
    """What a line says of a parameter, as a JSON schema of its own; items of a list are strings unless it says more."""
    if "schema" in about:
        return dict(about["schema"])
    kind = about["type"]
    return {"type": kind, "items": about.get("items", {"type": "string"})} if kind == "array" else {"type": kind}


def as_typed(schema: dict[str, Any], value: Any) -> Any:
    """A slot's value as the schema wants it: numbers of a string parameter are its text, one of "30|45" is a number."""
    if schema.get("type") == "string" and not isinstance(value, str):
        return str(value)
    if schema.get("type") in ("integer", "number") and isinstance(value, str):
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [as_typed(schema["items"], item) for item in value]
    if isinstance(value, dict) and isinstance(schema.get("properties"), dict):
        return {key: as_typed(schema["properties"].get(key, {}), item) for key, item in value.items()}
    return value
