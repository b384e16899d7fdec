"""The kinds of values that JSON schemas come down to, and what two of them have in common."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from fractions import Fraction
from typing import Any, NamedTuple

from ds4_core.chat import patterns
from ds4_core.chat.numerals import Number


class Part(NamedTuple):
    """A schema and where it stands. It equals another one when it is the very same schema."""

    schema: Any
    path: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Part) and self.schema is other.schema

    def __hash__(self) -> int:
        return id(self.schema)


#: Several that hold together.
Conj = tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A string of `lo` to `hi` characters that fits all patterns."""

    lo: int = 0
    hi: int | None = None
    trees: tuple[patterns.Tree, ...] = ()
    path: str = field(default="#", compare=False)


@dataclass(frozen=True, slots=True)
class Num:
    """A number."""

    is_integer: bool
    low: Fraction | None = None
    high: Fraction | None = None
    low_open: bool = False
    high_open: bool = False
    multiple: Fraction | None = None

    def bounds(self) -> dict[str, Any]:
        """As arguments of `machines.Number`."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def possible(self) -> bool:
        """Whether any number fits."""
        return Number(**self.bounds()).possible()


@dataclass(frozen=True, slots=True)
class Fixed:
    """One value, as JSON text in the encoding's own form."""

    text: str


@dataclass(frozen=True, slots=True)
class Array:
    """An array: a schema for each of the first items, and one for all others (None: anything; () forbids them)."""

    prefix: tuple[Conj, ...] = ()
    items: Conj | None = None
    closed: bool = False
    lo: int = 0
    hi: int | None = None


@dataclass(frozen=True, slots=True)
class Object:
    """An object: properties by name, those that must be there, and a schema for others.

    Attributes:
        extra: Schemas of properties that have none of their own; None is not said.
        closed: There are no others.
    """

    properties: tuple[tuple[str, Conj], ...] = ()
    required: tuple[str, ...] = ()
    extra: Conj | None = None
    closed: bool = False


Shape = Text | Num | Fixed | Array | Object


def dumps(value: Any) -> str:
    """A value as the encoding writes JSON: one line, a blank after commas and colons, letters as they are."""
    return json.dumps(value, ensure_ascii=False)


def anything() -> list[Shape]:
    """Every value."""
    return [Text(), Num(False), Fixed("null"), Fixed("false"), Fixed("true"), Array(), Object()]


def item_schema(shape: Array, index: int) -> Conj | None:
    """The schema of one item; None is anything."""
    return shape.prefix[index] if index < len(shape.prefix) else shape.items


def lower(a: int | None, b: int | None) -> int | None:
    """The lower of two bounds, None being none."""
    return min((x for x in (a, b) if x is not None), default=None)


def joined(*conjs: Conj | None) -> Conj | None:
    """Schemas that hold together; None when nothing is said."""
    parts: dict[int, Part] = {}
    for conj in conjs:
        for part in conj or ():
            parts.setdefault(id(part[0]), part)
    return tuple(parts.values()) if any(conj is not None for conj in conjs) else None


def both_numbers(a: Num, b: Num) -> Num:
    """Numbers that are both."""
    low, low_open = max(((n.low, n.low_open) for n in (a, b) if n.low is not None), default=(None, False))
    high, high_open = min(((n.high, not n.high_open) for n in (a, b) if n.high is not None), default=(None, True))
    multiple = a.multiple if b.multiple is None else b.multiple
    if a.multiple is not None and b.multiple is not None:
        scale = math.lcm(a.multiple.denominator, b.multiple.denominator)
        multiple = Fraction(math.lcm(int(a.multiple * scale), int(b.multiple * scale)), scale)
    return Num(a.is_integer or b.is_integer, low, high, low_open, not high_open, multiple)


def both_arrays(a: Array, b: Array) -> Array | None:
    """Arrays that are both; None when none is."""
    count = max(len(a.prefix), len(b.prefix))
    prefix = tuple(joined(item_schema(a, i), item_schema(b, i)) or () for i in range(count))
    lo, hi = max(a.lo, b.lo), lower(a.hi, b.hi)
    for one in (a, b):
        if one.closed:
            hi = lower(hi, len(one.prefix))
    if hi is not None and lo > hi:
        return None
    return Array(prefix, joined(a.items, b.items), a.closed or b.closed, lo, hi)


def both_objects(a: Object, b: Object) -> Object | None:
    """Objects that are both; None when none is."""
    ours, theirs = dict(a.properties), dict(b.properties)
    merged: dict[str, Conj] = {}
    for name in (*ours, *(name for name in theirs if name not in ours)):
        if (name not in ours and a.closed) or (name not in theirs and b.closed):
            continue
        conj = joined(ours.get(name, a.extra), theirs.get(name, b.extra))
        merged[name] = conj or ()
    required = tuple(dict.fromkeys(a.required + b.required))
    if any(name not in merged and (a.closed or b.closed) for name in required):
        return None
    return Object(tuple(merged.items()), required, joined(a.extra, b.extra), a.closed or b.closed)
