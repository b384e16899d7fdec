"""Records written by hand: a text, a JSON schema for what it tells, and the value of that.

A line of `written/extraction` has the kind's titles, its fields and its texts. A field is one string, its parts between
" / ": type, other names (with commas), descriptions. A type is string, integer, number, boolean, enum(a,b), [TYPE] for
an array or {name:TYPE,...} for an object. What a text tells are its slots of a field's name, and the values beside it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from training.data.composed_records import ComposedLine, composed_line
from training.data.parameters import spoken
from training.data.swapping import swapped_record
from training.data.words import Phrases, Words, capitalized
from training.data.written import Line, Slots, line_of, said, slots_of

AREA = "extraction"
_COMPOSED = 0.28  # of the records in training
_SWAPPED = 0.2  # of the others
_INNER = re.compile(r"(\w+):(\[?\w+\]?(?:\([^)]*\))?)")
_NAMES = frozenset(("person", "first", "last", "full", "city", "company", "product", "user", "job", "noun", "title"))
#: What may stand instead of one of some choices: with a capital, and without.
_CAPITAL = ("title", "company", "city", "@place_name", "@book", "@song", "@film", "@shop", "@ship")
_SMALL = (
    "phrase",
    "noun",
    "product",
    "@clothing",
    "@topic",
    "@reason",
    "@hobby",
    "@furniture",
    "@animal",
    "@ingredient",
)
_ARTICLE = re.compile(r"\b([Aa]) \{(\w+(?:#\d)?)(?::([^{}]+))?\}")
_GENERIC = Phrases(
    "The {k}",
    "{K}",
    "The {k} of the {t}",
    "{K} of the {t}",
    "{K}, as the text has it",
    "{K}, if it is given",
    "Which {k} the text mentions",
    "The {t}'s {k}",
    "{K} mentioned in the text",
)


@dataclass(frozen=True)
class Spec:
    """What a line says about a field."""

    own: str
    schema: dict[str, Any]
    also: tuple[str, ...]
    says: tuple[str, ...]


@dataclass
class Told:
    """A field as one example has it.

    Attributes:
        own: Its name in the line.
        name: Its name in the example.
        schema: Without what makes it optional.
        description: Of the schema, or "".
        optional: Whether it may be null.
        value: As the text tells it, or None.
    """

    own: str
    name: str
    schema: dict[str, Any]
    description: str
    optional: bool
    value: Any


@dataclass
class Shape:
    """The fields that an example asks for, and how it writes their schema."""

    line: Line | ComposedLine
    title: str
    fields: list[Told] = field(default_factory=list)
    text: str = ""
    pydantic: bool = True
    nested: bool = False  # whether objects within stand under "$defs"

    @property
    def value(self) -> dict[str, Any]:
        """The object that the text tells."""
        return {f.name: f.value for f in self.fields}


@lru_cache(maxsize=4096)
def specs_of(texts: tuple[tuple[str, str], ...]) -> tuple[Spec, ...]:
    """The fields of a line."""
    return tuple(_spec(own, text) for own, text in texts)


def _spec(own: str, text: str) -> Spec:
    kind, *rest = text.split(" / ")
    also = tuple(name.strip() for name in rest[0].split(",")) if rest else ()
    return Spec(own, _schema(kind.strip()), also, tuple(rest[1:]))


def _schema(kind: str) -> dict[str, Any]:
    """The JSON schema of a type.

    Raises:
        ValueError: An unknown type.
    """
    if kind.startswith("["):
        return {"type": "array", "items": _schema(kind[1:-1])}
    if kind.startswith("{"):
        properties = {name: _schema(inner) for name, inner in _INNER.findall(kind[1:-1])}
        return {"type": "object", "properties": properties, "required": list(properties)}
    if kind.startswith("enum("):
        return {"type": "string", "enum": [choice.strip() for choice in kind[5:-1].split(",")]}
    if kind not in ("string", "integer", "number", "boolean"):
        raise ValueError(f"type {kind!r} of a field")
    return {"type": kind}


def _fits(schema: dict[str, Any], value: Any) -> Any:
    """A slot's value as the schema wants it."""
    if schema["type"] == "string" and value is not None and not isinstance(value, str):
        return str(value)
    if schema["type"] == "array" and value is not None:
        return [_fits(schema["items"], item) for item in value]
    if schema["type"] == "object" and value is not None:
        return {key: _fits(schema["properties"][key], item) for key, item in value.items()}
    return value


def _kind(w: Words, kind: str, *, free: bool) -> str:
    """A slot's kind; now and then a name or a phrase is one that nobody could guess.

    `free`: whether any string fits; of a few choices training would learn each by heart and copy none.
    """
    if (kind in _NAMES or kind.startswith("@")) and w.chance(0.1):
        return w.pick(("foreign", "foreign", "phrase", "title", "word", "code"))
    if free and not w.heldout and "|" in kind and w.chance(0.18):
        choices = kind.split("|")
        if all(any(sign.isdigit() for sign in choice) for choice in choices):
            return "code"
        return w.pick(_CAPITAL if all(choice[0].isupper() for choice in choices) else _SMALL)
    return kind


def _free(schema: dict[str, Any], value: Any) -> list[str]:
    """The slots of a value that any string may fill."""
    if isinstance(value, list):
        return [slot for item in value for slot in _free(schema["items"], item)]
    if isinstance(value, dict):
        return [slot for key, item in value.items() for slot in _free(schema["properties"][key], item)]
    return slots_of(value) if isinstance(value, str) and schema == {"type": "string"} else []


def _article(slots: Slots, found: re.Match[str]) -> str:
    """ "a" or "an", as the value of the slot behind it wants."""
    value = str(slots.get(found[2], found[3] or ""))
    return f"{found[1]}n{found[0][1:]}" if value[:1].lower() in tuple("aeio") else found[0]


def told(w: Words, line: Line | ComposedLine) -> tuple[str, dict[str, Any]]:
    """One of a line's texts, and what it tells by the line's own names."""
    if isinstance(line, ComposedLine):
        return line.told(w)
    wording = line.one(w, line["texts"])
    template, fixed = (wording, {}) if isinstance(wording, str) else wording
    specs = specs_of(tuple(line["fields"].items()))
    free = {slot for spec in specs for slot in _free(spec.schema, fixed.get(spec.own, f"{{{spec.own}}}"))}
    slots = Slots(w, {name: _kind(w, kind, free=name in free) for name, kind in line.get("slots", {}).items()})
    there = set(slots_of(template))
    shown = template if "first" in template else said(w, template, rough=False)  # which would become "initially"
    text = slots.fill(_ARTICLE.sub(lambda found: _article(slots, found), shown))
    values = {}
    for spec in specs:
        if spec.own in fixed:
            values[spec.own] = _fits(spec.schema, slots.value(fixed[spec.own]))
        elif spec.own in there:
            values[spec.own] = _fits(spec.schema, slots.get(spec.own))
    return text, values


def _styled(style: str, name: str) -> str:
    words = name.split("_")
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if style == "pascal":
        return "".join(word.capitalize() for word in words)
    if style == "kebab":
        return "-".join(words)
    return " ".join(words).capitalize() if style == "words" else name


def _description(w: Words, spec: Spec, name: str, title: str) -> str:
    if spec.says and w.chance(0.72):
        return w.pick(spec.says)
    k = spoken(name)
    return w.say(_GENERIC, k=k, K=capitalized(k), t=title.lower())


def shape(w: Words, *, plain: bool = False) -> Shape:
    """A text with some of the fields that its line has; now and then one that it does not tell.

    Args:
        plain: Whether the types must be plain without a schema: no objects, no choices, no lists of one.
    """
    while True:
        made = _shape(w, plain)
        if made.fields:
            return made


def _line(w: Words) -> Line | ComposedLine:
    """A kind of record; in training often composed anew, or with other nouns."""
    if w.heldout:
        return line_of(w, AREA)
    if w.chance(_COMPOSED):
        return composed_line(w)
    line = line_of(w, AREA)
    return swapped_record(w, line) if w.chance(_SWAPPED) else line


def _shape(w: Words, plain: bool) -> Shape:
    line = _line(w)
    text, values = told(w, line)
    all_specs = specs_of(tuple(line["fields"].items()))
    usable = [spec for spec in all_specs if not plain or _is_plain(spec.schema, values.get(spec.own, ""))]
    known = [spec for spec in usable if spec.own in values]
    if not known:
        return Shape(line, "")
    n = len(known) if w.chance(0.5) else w.between(1, len(known))
    chosen = w.sample(known, n)
    for spec in usable:
        # What a composed text does not tell by one name it may tell by another: "when" beside "year".
        if spec.own not in values and not isinstance(line, ComposedLine) and w.chance(0.09):
            chosen.append(spec)
    order = {spec.own: at for at, spec in enumerate(all_specs)}
    chosen = w.shuffled(chosen) if w.chance(0.35) else sorted(chosen, key=lambda spec: order[spec.own])
    title = line.one(w, line["title"])
    style = w.weighted((0.8, "snake"), (0.13, "camel"), (0.03, "pascal"), (0.02, "kebab"), (0.02, "words"))
    described = w.pick((0.0, 0.0, 0.3, 0.7, 1.0, 1.0))
    # That a field may be null must not give away that it is: often those that the text tells may be, too.
    untold = any(spec.own not in values for spec in chosen)
    optional = w.pick((0.0, 0.3, 0.6, 0.9, 1.0) if untold else (0.0, 0.0, 0.0, 0.3, 1.0))
    made = Shape(line, title, text=text, pydantic=w.chance(0.55), nested=w.chance(0.6))
    used: set[str] = set()
    for spec in chosen:
        name = spec.own if w.chance(0.5) or not spec.also else w.pick(spec.also)
        name = _styled(style, name)
        if name in used:
            name = _styled(style, spec.own)
        if name in used:
            continue
        used.add(name)
        schema = _renamed(w, spec.schema, values.get(spec.own))
        made.fields.append(
            Told(
                spec.own,
                name,
                schema[0],
                _description(w, spec, name, title) if w.chance(described) else "",
                spec.own not in values or w.chance(optional),
                schema[1],
            )
        )
    return made


def _renamed(w: Words, schema: dict[str, Any], value: Any) -> tuple[dict[str, Any], Any]:
    """Schema and value; the choices of an enum now and then in another order."""
    if "enum" in schema and w.chance(0.5):
        return {**schema, "enum": w.shuffled(schema["enum"])}, value
    return schema, value


def _is_plain(schema: dict[str, Any], value: Any) -> bool:
    if schema["type"] == "object" or "enum" in schema:
        return False
    if schema["type"] == "array":
        return schema["items"]["type"] == "string" and isinstance(value, list) and len(value) > 1
    return schema["type"] != "string" or not re.fullmatch(r"[-+\d.,]+", value or "")


def another(w: Words, made: Shape) -> Shape | None:
    """Another text for the same schema, if one can be had: every field that is not optional is told."""
    for _ in range(4):
        text, values = told(w, made.line)
        if text == made.text or any(not f.optional and f.own not in values for f in made.fields):
            continue
        if all(f.own not in values for f in made.fields):
            continue
        fields = [Told(f.own, f.name, f.schema, f.description, f.optional, values.get(f.own)) for f in made.fields]
        return Shape(made.line, made.title, fields, text, made.pydantic, made.nested)
    return None


# -- schemas -----------------------------------------------------------------------------------------------------------


def _titled(name: str) -> str:
    return spoken(name).title()


def _inner(schema: dict[str, Any], name: str, defs: dict[str, Any] | None) -> dict[str, Any]:
    """The schema of a field; in Pydantic's style objects stand under "$defs", where `defs` is given."""
    if schema["type"] == "array":
        return {"type": "array", "items": _inner(schema["items"], name.removesuffix("s"), defs)}
    if schema["type"] != "object":
        return dict(schema)
    if defs is None:
        return {**schema, "properties": {key: dict(inner) for key, inner in schema["properties"].items()}}
    title = "".join(word.capitalize() for word in spoken(name).split())
    properties = {key: {"title": _titled(key), **inner} for key, inner in schema["properties"].items()}
    defs[title] = {"properties": properties, "required": list(properties), "title": title, "type": "object"}
    return {"$ref": f"#/$defs/{title}"}


def schema_of(w: Words, made: Shape) -> dict[str, Any]:
    """The JSON schema, as Pydantic writes it or as people do."""
    return _pydantic(w, made) if made.pydantic else _by_hand(w, made)


def _pydantic(w: Words, made: Shape) -> dict[str, Any]:
    defs: dict[str, Any] | None = {} if made.nested else None
    properties: dict[str, Any] = {}
    for f in made.fields:
        body = _inner(f.schema, f.name, defs)
        if f.optional:
            body = {"anyOf": [body, {"type": "null"}], "default": None}
        reference = "$ref" in body
        if f.description:
            body = {**body, "description": f.description} if reference else {"description": f.description, **body}
        if not reference:
            body = dict(sorted({**body, "title": _titled(f.name)}.items(), key=lambda item: _ORDER.get(item[0], 3)))
        properties[f.name] = body
    schema: dict[str, Any] = {"$defs": defs} if defs else {}
    if w.chance(0.45):
        schema["description"] = made.line.one(w, made.line["does"])
    schema["properties"] = properties
    if required := [f.name for f in made.fields if not f.optional]:
        schema["required"] = required
    schema |= {"title": made.title, "type": "object"}
    return schema


_ORDER = {"anyOf": 0, "default": 1, "description": 2, "title": 8, "type": 9}


def _by_hand(w: Words, made: Shape) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    unions = w.chance(0.6)
    for f in made.fields:
        body = _inner(f.schema, f.name, None)
        if f.optional and unions and "enum" not in body:
            body["type"] = [body["type"], "null"]
        elif f.optional:
            body = {"anyOf": [body, {"type": "null"}]}
        properties[f.name] = {**body, "description": f.description} if f.description else body
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if w.chance(0.9):
        schema["required"] = [f.name for f in made.fields if not f.optional or w.chance(0.3)]
        if not schema["required"]:
            del schema["required"]
    if w.chance(0.3):
        schema["additionalProperties"] = False
    if w.chance(0.35):
        schema = {"title": made.title, **schema}
    if w.chance(0.2):
        schema = {"description": made.line.one(w, made.line["does"]), **schema}
    return schema
