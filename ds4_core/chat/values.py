"""JSON values as syntax: the shapes of a schema become nodes, in the one form that the encoding writes JSON in."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

from ds4_core.chat import patterns
from ds4_core.chat.bounded import Bounded
from ds4_core.chat.machines import Except, Length, Quoted, Suffixed
from ds4_core.chat.nodes import Alt, Leaf, Lit, Machine, Node, Ref, Rep, Seq
from ds4_core.chat.numerals import EXACT, Checked, Free, integer_regex
from ds4_core.chat.patterns import Tree
from ds4_core.chat.schema import Schemas
from ds4_core.chat.shapes import Array, Conj, Fixed, Num, Object, Part, Shape, Text, item_schema
from ds4_core.errors import InvalidRequestError, UnsupportedError

_ESCAPED = {'"': r'\\"', "\\": r"\\\\", "\b": r"\\b", "\f": r"\\f", "\n": r"\\n", "\r": r"\\r", "\t": r"\\t"}
# A character of a JSON string. Those that have a short escape have no other.
_CHAR = r'([^"\\\x00-\x1f]|\\["\\bfnrt]|\\u00(0[0-7bBeEfF]|1[0-9a-fA-F]))'
_STRING = rf'/"{_CHAR}*"/'


class Values:
    """Nodes for the values of one document's schemas."""

    def __init__(self, schemas: Schemas) -> None:
        """Takes a document."""
        self.schemas = schemas
        self._refs: dict[Conj, Ref] = {}

    def value(self, conj: Conj | None) -> Node:
        """Any value that fits all of some schemas."""
        conj = conj or (Part(True, "#"),)
        ref = self._refs.get(conj)
        if ref is None:
            ref = self._refs[conj] = Ref(f"v{len(self._refs)}")
            ref.target = self.union(self.schemas.shapes(conj), conj[-1][1])
        return ref

    def union(self, shapes: list[Shape], path: str) -> Node:
        """Any value of some shapes.

        Raises:
            InvalidRequestError: There is none.
        """
        if not shapes:
            raise InvalidRequestError(f"{self.schemas.where}: no value fits the schema at {path}")
        fixed = [shape.text for shape in shapes if isinstance(shape, Fixed)]
        nodes: list[Node] = [] if not fixed else [Lit(fixed[0])] if len(fixed) == 1 else [one_of(fixed)]
        nodes += [self.shape(shape) for shape in shapes if not isinstance(shape, Fixed)]
        return nodes[0] if len(nodes) == 1 else Alt(nodes)

    def shape(self, shape: Shape) -> Node:
        """Any value of one shape."""
        if isinstance(shape, Fixed):
            return Lit(shape.text)
        if isinstance(shape, Text):
            return Leaf(Quoted(text_machine(shape, self.schemas.where)), _quoted_lark(shape))
        if isinstance(shape, Num):
            return _number(shape, self.schemas.where)
        return self._array(shape) if isinstance(shape, Array) else self._object(shape)

    def _array(self, shape: Array) -> Node:
        hi = shape.hi
        if shape.closed:
            hi = len(shape.prefix) if hi is None else min(hi, len(shape.prefix))
        prefix = shape.prefix[:hi]
        more = None if hi is None else hi - len(prefix)
        tail: Node = Seq(())
        if more != 0:
            item = self.value(shape.items)
            tail = Rep(item, Lit(", "), max(0, shape.lo - len(prefix)), more, first=not prefix)
        for index in reversed(range(len(prefix))):
            item = self.value(item_schema(shape, index))
            one = Seq((*((Lit(", "),) if index else ()), item, tail))
            tail = one if index < shape.lo else Alt((one, Seq(())))
        return Seq((Lit("["), tail, Lit("]")))

    def _object(self, shape: Object) -> Node:
        known = dict(shape.properties)
        names = [*known, *(name for name in shape.required if name not in known)]
        # What a schema says of its properties is all that is written, unless it asks for others.
        is_open = not shape.closed and (shape.extra is not None or not shape.properties)
        extra: Node = Seq(())
        memo: dict[tuple[int, bool], Node] = {}

        def rest(index: int, first: bool) -> Node:
            if (index, first) not in memo:
                memo[index, first] = made(index, first)
            return memo[index, first]

        def made(index: int, first: bool) -> Node:
            if index == len(names):
                if not is_open:
                    return extra
                return Rep(Seq((key(names), Lit(": "), self.value(shape.extra))), Lit(", "), 0, None, first=first)
            name = names[index]
            head = Lit(("" if first else ", ") + json.dumps(name, ensure_ascii=False) + ": ")
            conj = known.get(name, shape.extra)
            if name in shape.required:
                return Seq((head, self.value(conj), rest(index + 1, False)))
            if conj is not None and not self.schemas.shapes(conj):
                return rest(index + 1, first)  # it may be left out, and no value fits
            if first:
                return Alt((Seq((head, self.value(conj), rest(index + 1, False))), rest(index + 1, True)))
            return Seq((Alt((Seq((head, self.value(conj))), Seq(()))), rest(index + 1, False)))

        return Seq((Lit("{"), rest(0, True), Lit("}")))


def one_of(texts: list[str]) -> Node:
    """One of some fixed texts."""
    return Alt(map(Lit, dict.fromkeys(texts)))


def key(names: list[str]) -> Node:
    """A property name in quotes that is none of some others."""
    quoted = [json.dumps(name, ensure_ascii=False) for name in names]
    machine: Machine = Quoted(Length())
    if not quoted:
        return Leaf(machine, _STRING)
    others = "|".join(patterns.write(patterns.literal(text)) for text in quoted)
    return Leaf(Except(machine, quoted), f"{_STRING} & ~/({others})/")


def text_machine(shape: Text, where: str) -> Machine:
    """A machine for the text of a string.

    Raises:
        UnsupportedError: It has to fit several patterns, or a pattern and a length.
    """
    if not shape.trees:
        return Length(shape.lo, shape.hi)
    if len(shape.trees) > 1:
        raise UnsupportedError(f"{where} has several of 'pattern' and 'format' for one string at {shape.path}")
    if shape.lo or shape.hi is not None:
        return Bounded(patterns.Pattern(shape.trees[0]), shape.lo, shape.hi, f"{where} at {shape.path}")
    machine = patterns.Pattern(shape.trees[0])
    if not machine.start:
        raise InvalidRequestError(f"{where}: no text fits the pattern at {shape.path}")
    return machine


def raw_text(shape: Text, end: str, where: str) -> Leaf:
    """A string as it is, and the text that ends it."""
    parts = [f"/{patterns.write(tree)}/" for tree in shape.trees]
    if shape.lo or shape.hi is not None or not parts:
        parts.append(f"/{_dots(shape)}/")
    lark = " & ".join(parts)
    terminal = f"({lark}) {json.dumps(end)}" if len(parts) > 1 else f"{lark} {json.dumps(end)}"
    return Leaf(Suffixed(text_machine(shape, where), end), terminal)


def _dots(shape: Text) -> str:
    if not shape.lo and shape.hi is None:
        return r"(?s:.*)"
    return f"(?s:.{{{shape.lo},{'' if shape.hi is None else shape.hi}}})"


def _quoted_lark(shape: Text) -> str:
    parts = [f'/"{_json_regex(tree)}"/' for tree in shape.trees]
    if shape.lo or shape.hi is not None:
        parts.append(f'/"{_CHAR}{{{shape.lo},{"" if shape.hi is None else shape.hi}}}"/')
    return " & ".join(parts) or _STRING


def _json_regex(tree: Tree) -> str:
    """The text of a tree as it stands in a JSON string."""
    kind = tree[0]
    if kind == "cat":
        return "".join(map(_json_regex, tree[1]))
    if kind == "alt":
        return "(" + "|".join(map(_json_regex, tree[1])) + ")"
    if kind == "rep":
        _, body, lo, hi = tree
        count = "*" if (lo, hi) == (0, None) else f"{{{lo},{'' if hi is None else hi}}}"
        return f"({_json_regex(body)}){count}"
    ranges: patterns.Ranges = tree[1]
    plain = patterns.both(ranges, _UNESCAPED)
    options = [patterns.write(("set", plain))] if plain else []
    for code in (*range(0x20), 0x22, 0x5C):
        if any(a <= code <= b for a, b in ranges):
            escape = _ESCAPED.get(chr(code))
            options.append(escape if escape else rf"\\u00{code >> 4:x}" + _any_case(f"{code & 15:x}"))
    return "(" + "|".join(options) + ")" if options else "[^\\x{0}-\\x{10FFFF}]"


_UNESCAPED = patterns.minus(((0, 0x1F), (0x22, 0x22), (0x5C, 0x5C)))


def _any_case(digit: str) -> str:
    return f"[{digit}{digit.upper()}]" if digit.isalpha() else digit


def _number(shape: Num, where: str) -> Leaf:
    """A number in a range; some of it where llguidance would not keep to all of it.

    Raises:
        UnsupportedError: It has to be a multiple of something that llguidance does not take, or is too large for it.
    """
    if (shape.low, shape.high, shape.multiple) == (None, None, None):
        free = Free(is_integer=shape.is_integer)
        return Leaf(free, f"/{free.regex}/")
    within = _within(shape)
    is_endless = shape.is_integer and (shape.low is None or shape.high is None)
    if shape.multiple is None and (is_endless or (within != shape and (within is None or shape.is_integer))):
        # Integers beyond it, and no others where all numbers that fit are; and no end of digits.
        shape = replace(shape, is_integer=True)
        low = None if shape.low is None else math.floor(shape.low) + 1 if shape.low_open else math.ceil(shape.low)
        high = None if shape.high is None else math.ceil(shape.high) - 1 if shape.high_open else math.floor(shape.high)
        lark, is_rule = f"/{integer_regex(low, high)}/", False
    elif within is None or (shape.multiple is not None and shape.multiple.numerator > EXACT):
        raise UnsupportedError(f"{where} has the keyword 'multipleOf' for numbers beyond {EXACT}; leave it out there")
    else:
        shape, lark, is_rule = within, f"%json {json.dumps(_bounds(within))}", True
    try:
        return Leaf(Checked(f"start: value\nvalue: {lark}", **shape.bounds()), lark, is_rule=is_rule)
    except UnsupportedError as error:
        keys = ", ".join(repr(key) for key in _bounds(shape) if key not in ("type", "x-guidance"))
        raise UnsupportedError(
            f"{where} has numbers with the keywords {keys} that can not be enforced: {error}"
        ) from error


def _within(shape: Num) -> Num | None:
    """What there is of it where llguidance keeps to its ends; None when that is nothing."""
    if shape.low is not None and shape.low < -EXACT:
        shape = replace(shape, low=Fraction(-EXACT), low_open=False)
    if shape.high is not None and shape.high > EXACT:
        shape = replace(shape, high=Fraction(EXACT), high_open=False)
    out_of_reach = (shape.low is not None and shape.low > EXACT) or (shape.high is not None and shape.high < -EXACT)
    return None if out_of_reach or not shape.possible() else shape


def _bounds(shape: Num) -> dict[str, Any]:
    # By default it would let blanks in between some of these.
    bounds: dict[str, Any] = {"type": "integer" if shape.is_integer else "number"}
    bounds["x-guidance"] = {"whitespace_flexible": False}
    if shape.low is not None:
        bounds["exclusiveMinimum" if shape.low_open else "minimum"] = _plain(shape.low)
    if shape.high is not None:
        bounds["exclusiveMaximum" if shape.high_open else "maximum"] = _plain(shape.high)
    if shape.multiple is not None:
        bounds["multipleOf"] = _plain(shape.multiple)
    return bounds


def _plain(value: Fraction) -> int | float:
    return int(value) if value.denominator == 1 else float(value)
