"""JSON schemas: what is supported, and what a schema comes down to once references and combinations are worked out.

A schema becomes a list of shapes, one per kind of value it allows. Every keyword is either enforced, or known to say
nothing about validity, or an error that names it and its place.
"""

from __future__ import annotations

import json
import math
import numbers
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from ds4_core.chat import patterns
from ds4_core.chat.formats import DESCRIBING_FORMATS, FORMATS
from ds4_core.chat.shapes import (
    Array,
    Conj,
    Fixed,
    Num,
    Object,
    Part,
    Shape,
    Text,
    anything,
    both_arrays,
    both_numbers,
    both_objects,
    dumps,
    item_schema,
    lower,
)
from ds4_core.errors import InvalidRequestError, UnsupportedError

#: Keywords that are enforced.
ENFORCED = frozenset(
    "type enum const anyOf oneOf allOf $ref properties required additionalProperties items prefixItems minItems "
    "maxItems minLength maxLength pattern format minimum maximum exclusiveMinimum exclusiveMaximum multipleOf".split()
)
#: Keywords that describe and do not restrict.
DESCRIBING = frozenset(
    "title description default example examples $schema $id $comment $defs definitions deprecated readOnly writeOnly "
    "discriminator contentMediaType contentEncoding contentSchema".split()
)
TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_MAX_SHAPES = 256  # fixed values not counted
_MAX_PAIRS = 200_000
_MAX_COUNT = 100_000


class Schemas:
    """Works out the schemas of one document."""

    def __init__(self, root: Any, where: str) -> None:
        """Takes a document.

        Args:
            root: The schema; references are looked up in it.
            where: What it is, for messages.
        """
        self.root, self.where = root, where
        self._shapes: dict[Conj, list[Shape]] = {}
        self._busy: set[int] = set()

    def shapes(self, conj: Conj) -> list[Shape]:
        """What values fit all of some schemas; none when the list is empty.

        Raises:
            UnsupportedError: A keyword, or a combination of them, that is not supported.
            InvalidRequestError: It is no JSON schema.
        """
        if conj not in self._shapes:
            found: list[Shape] = [*anything()]
            for schema, path in conj:
                found = self._both(found, self._one(schema, path), path)
            self._shapes[conj] = found
        return self._shapes[conj]

    def _error(self, path: str, what: str) -> InvalidRequestError:
        return InvalidRequestError(f"{self.where} is no JSON schema at {path}: {what}")

    def _unsupported(self, path: str, what: str, hint: str = "") -> UnsupportedError:
        return UnsupportedError(f"{self.where} has {what} at {path}, which can not be enforced{hint and '; '}{hint}")

    def _one(self, schema: Any, path: str) -> list[Shape]:
        if schema is True:
            return anything()
        if schema is False:
            return []
        if not isinstance(schema, dict):
            raise self._error(path, f"{schema!r:.80} is neither an object nor true or false")
        for key in schema:
            if key == "uniqueItems" and schema[key] is False:
                continue
            if key not in ENFORCED and key not in DESCRIBING:
                raise self._unsupported(path, f"the keyword {key!r}", "leave it out")
        if id(schema) in self._busy:
            raise self._unsupported(path, "a schema that is itself")
        self._busy.add(id(schema))
        try:
            return self._combined(schema, path)
        finally:
            self._busy.discard(id(schema))

    def _combined(self, schema: dict[str, Any], path: str) -> list[Shape]:
        found = self._plain(schema, path)
        for key in schema:
            at = f"{path}/{key}"
            if key == "$ref":
                target, target_path = self._resolve(schema[key], path)
                found = self._both(found, self._one(target, target_path), path)
            elif key == "allOf":
                for index, branch in enumerate(self._branches(schema, key, path)):
                    found = self._both(found, self._one(branch, f"{at}/{index}"), path)
            elif key in ("anyOf", "oneOf"):
                branches = [
                    self._one(branch, f"{at}/{index}") for index, branch in enumerate(self._branches(schema, key, path))
                ]
                if key == "oneOf":
                    self._check_disjoint(branches, at)
                union = list(dict.fromkeys(shape for branch in branches for shape in branch))
                found = self._both(found, union, path)
            elif key in ("enum", "const"):
                values = schema[key] if key == "enum" else [schema[key]]
                if not isinstance(values, list) or not values:
                    raise self._error(at, "it must be a list with at least one value")
                found = [Fixed(dumps(v)) for v in values if any(self.fits(v, shape) for shape in found)]
                found = list(dict.fromkeys(found))
        return found

    def _branches(self, schema: dict[str, Any], key: str, path: str) -> list[Any]:
        branches = schema[key]
        if not isinstance(branches, list) or not branches:
            raise self._error(f"{path}/{key}", "it must be a list of schemas, not empty")
        return branches

    def _resolve(self, ref: Any, path: str) -> tuple[Any, str]:
        if not isinstance(ref, str):
            raise self._error(path, "$ref must be a text")
        if ref != "#" and not ref.startswith("#/"):
            raise self._unsupported(
                path, f"a reference to {ref!r:.200}", "only those into the same schema can: '#/...'"
            )
        at = self.root
        steps = ref[2:].split("/") if ref != "#" else []
        for step in (step.replace("~1", "/").replace("~0", "~") for step in steps):
            if isinstance(at, list) and step.isdigit() and int(step) < len(at):
                at = at[int(step)]
            elif isinstance(at, dict) and step in at:
                at = at[step]
            else:
                raise self._error(path, f"it refers to {ref!r:.200}, which does not exist")
        return at, ref

    # -- one schema without its combinations ---------------------------------------------------------------------------

    def _plain(self, schema: dict[str, Any], path: str) -> list[Shape]:
        kinds = schema.get("type", TYPES)
        kinds = [kinds] if isinstance(kinds, str) else list(kinds) if isinstance(kinds, list | tuple) else []
        if not kinds or any(kind not in TYPES for kind in kinds):
            raise self._error(path, f"type is {schema['type']!r:.80}; known types: {', '.join(TYPES)}")
        out: list[Shape] = []
        for kind in kinds:
            if kind == "null":
                out.append(Fixed("null"))
            elif kind == "boolean":
                out += [Fixed("false"), Fixed("true")]
            elif kind == "string":
                out.append(self._text(schema, path))
            elif kind == "array":
                out.append(self._array(schema, path))
            elif kind == "object":
                out.append(self._object(schema, path))
            elif not (kind == "integer" and "number" in kinds):
                out.append(self._number(schema, path, is_integer=kind == "integer"))
        return [shape for shape in out if not isinstance(shape, Num) or shape.possible()]

    def _count(self, schema: dict[str, Any], key: str, path: str) -> int | None:
        value = schema.get(key)
        if value is None and key not in schema:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._error(path, f"{key} is {value!r:.80}; it must be an integer of 0 or more")
        if value > _MAX_COUNT:
            raise self._unsupported(path, f"{key!r} of {value}", f"the most is {_MAX_COUNT}")
        return value

    def _text(self, schema: dict[str, Any], path: str) -> Text:
        trees = []
        try:
            if "pattern" in schema:
                if not isinstance(schema["pattern"], str):
                    raise self._error(path, "pattern must be a text")
                trees.append(patterns.read(schema["pattern"], search=True))
        except UnsupportedError as error:
            raise self._unsupported(path, "the keyword 'pattern'", str(error)) from error
        if "format" in schema:
            name = schema["format"]
            if not isinstance(name, str) or name not in (*FORMATS, *DESCRIBING_FORMATS):
                raise self._unsupported(
                    path, f"the keyword 'format' with {name!r:.80}", f"known formats: {', '.join(FORMATS)}"
                )
            if name in FORMATS:
                trees.append(patterns.read(FORMATS[name], search=False))
        lo, hi = self._count(schema, "minLength", path) or 0, self._count(schema, "maxLength", path)
        return Text(lo, hi, tuple(trees), path)

    def _number(self, schema: dict[str, Any], path: str, *, is_integer: bool) -> Num:
        def value(key: str) -> Fraction | None:
            given = schema.get(key)
            if key not in schema:
                return None
            if isinstance(given, bool) or not isinstance(given, numbers.Real) or not math.isfinite(given):
                raise self._error(path, f"{key} is {given!r:.80}; it must be a number")
            return Fraction(Decimal(repr(given)))

        low, high, multiple = value("minimum"), value("maximum"), value("multipleOf")
        above, below = value("exclusiveMinimum"), value("exclusiveMaximum")
        if multiple is not None and multiple <= 0:
            raise self._error(path, "multipleOf must be above 0")
        num = Num(is_integer, low, high, multiple=multiple)
        return both_numbers(num, Num(is_integer, above, below, above is not None, below is not None))

    def _array(self, schema: dict[str, Any], path: str) -> Array:
        items, prefix = schema.get("items"), schema.get("prefixItems", [])
        if isinstance(items, list):
            raise self._unsupported(path, "'items' as a list", "use prefixItems")
        if not isinstance(prefix, list):
            raise self._error(path, "prefixItems must be a list")
        lo, hi = self._count(schema, "minItems", path) or 0, self._count(schema, "maxItems", path)
        parts = tuple((Part(one, f"{path}/prefixItems/{index}"),) for index, one in enumerate(prefix))
        rest = None if "items" not in schema else (Part(items, f"{path}/items"),)
        return Array(parts, rest, items is False, lo, hi)

    def _object(self, schema: dict[str, Any], path: str) -> Object:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(properties, dict):
            raise self._error(path, "properties must be an object")
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise self._error(path, "required must be a list of names")
        extra = schema.get("additionalProperties")
        parts = tuple((name, (Part(one, f"{path}/properties/{name}"),)) for name, one in properties.items())
        rest = (Part(extra, f"{path}/additionalProperties"),) if "additionalProperties" in schema else None
        return Object(parts, tuple(dict.fromkeys(required)), rest, extra is False)

    # -- combinations --------------------------------------------------------------------------------------------------

    def _both(self, left: list[Shape], right: list[Shape], path: str) -> list[Shape]:
        """What fits both lists."""
        if len(left) * len(right) > _MAX_PAIRS:
            raise self._unsupported(path, f"a combination of {len(left)} alternatives with {len(right)}")
        out: dict[Shape, None] = {}
        for a in left:
            for b in right:
                both = self._meet(a, b)
                if both is not None:
                    out[both] = None
        if sum(not isinstance(shape, Fixed) for shape in out) > _MAX_SHAPES:
            raise self._unsupported(path, f"a combination of more than {_MAX_SHAPES} alternatives")
        return list(out)

    def _meet(self, a: Shape, b: Shape) -> Shape | None:
        if isinstance(a, Fixed):
            return a if a == b or (not isinstance(b, Fixed) and self.fits(json.loads(a.text), b)) else None
        if isinstance(b, Fixed):
            return b if self.fits(json.loads(b.text), a) else None
        if isinstance(a, Text) and isinstance(b, Text):
            hi = lower(a.hi, b.hi)
            lo = max(a.lo, b.lo)
            trees = tuple(dict.fromkeys(a.trees + b.trees))
            return None if hi is not None and lo > hi else Text(lo, hi, trees, b.path)
        if isinstance(a, Num) and isinstance(b, Num):
            both = both_numbers(a, b)
            return both if both.possible() else None
        if isinstance(a, Array) and isinstance(b, Array):
            return both_arrays(a, b)
        if isinstance(a, Object) and isinstance(b, Object):
            return both_objects(a, b)
        return None

    def _check_disjoint(self, branches: list[list[Shape]], path: str) -> None:
        for index, left in enumerate(branches):
            for right in branches[index + 1 :]:
                if not all(self._disjoint(a, b) for a in left for b in right):
                    raise self._unsupported(
                        path,
                        "'oneOf' with alternatives that may both fit",
                        "use anyOf, or give each alternative a required property with a constant of its own",
                    )

    def _disjoint(self, a: Shape, b: Shape) -> bool:
        if not (isinstance(a, Object) and isinstance(b, Object)):
            return self._meet(a, b) is None
        right = dict(b.properties)
        for name, conj in a.properties:
            if name in right and name in a.required and name in b.required:
                ours, theirs = self.shapes(conj), self.shapes(right[name])
                if not any(isinstance(s, Object) for s in (*ours, *theirs)) and all(
                    self._meet(x, y) is None for x in ours for y in theirs
                ):
                    return True
        missing = [n for n in a.required if b.closed and n not in right]
        return bool(missing or [n for n in b.required if a.closed and n not in dict(a.properties)])

    def fits(self, value: Any, shape: Shape) -> bool:
        """Whether a value has a shape."""
        if isinstance(shape, Fixed):
            return dumps(value) == shape.text
        if isinstance(shape, Text):
            if not isinstance(value, str) or len(value) < shape.lo or (shape.hi is not None and len(value) > shape.hi):
                return False
            return all(_matches(tree, value) for tree in shape.trees)
        if isinstance(shape, Num):
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                return False
            number = Fraction(Decimal(repr(value)))
            if shape.is_integer and number.denominator != 1:
                return False
            exact = Num(False, number, number)
            return both_numbers(exact, replace(shape, is_integer=False)).possible()
        if isinstance(shape, Array):
            if not isinstance(value, list) or len(value) < shape.lo or (shape.hi is not None and len(value) > shape.hi):
                return False
            return all(self._fits_all(one, item_schema(shape, index)) for index, one in enumerate(value))
        if not isinstance(value, dict) or any(name not in value for name in shape.required):
            return False
        known = dict(shape.properties)
        return all(
            self._fits_all(one, known[name]) if name in known else not shape.closed and self._fits_all(one, shape.extra)
            for name, one in value.items()
        )

    def _fits_all(self, value: Any, conj: Conj | None) -> bool:
        return conj is None or any(self.fits(value, shape) for shape in self.shapes(conj))


def _matches(tree: patterns.Tree, text: str) -> bool:
    machine = patterns.Pattern(tree)
    state: Any = machine.start
    for char in text:
        state = machine.step(state, char)
        if state is None:
            return False
    return machine.done(state)
