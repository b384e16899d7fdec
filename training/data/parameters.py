"""Parameters of made-up tools: name, schema, a value, and how a user says that value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training.data.parameter_kinds import (
    ENUM_NAMES,
    ENUM_SAID,
    ENUM_SETS,
    FAMILIES,
    FLAG_NAMES,
    FLAG_OFF,
    FLAG_ON,
    GENERIC,
    LIST_NAMES,
    LIST_SAID,
    OBJECT_NAMES,
    OBJECT_SAID,
    SAID_DESCRIPTIONS,
    Parameter,
)
from training.data.phrasing import said_parameter
from training.data.words import Phrases, Words, capitalized


def identifier(w: Words) -> str:
    """The name of a parameter or key that says nothing about its value."""
    x = w.rng.random()
    if x < 0.3:
        return w.noun()
    if x < 0.45:
        return w.syllables()
    if x < 0.6:
        return w.salad()
    if x < 0.8:
        return f"{w.adjective()}_{w.noun()}"
    return (
        f"{w.noun()}_{w.pick(('id', 'name', 'type', 'code', 'level', 'mode', 'size', 'count', 'key', 'path', 'date'))}"
    )


def cased(w: Words, name: str) -> str:
    """A name in one of the usual styles: mostly snake case, then camel, kebab, Pascal and capitals."""
    if "_" not in name:
        return name
    x = w.rng.random()
    words = name.split("_")
    if x < 0.72:
        return name
    if x < 0.9:
        return words[0] + "".join(word.capitalize() for word in words[1:])
    if x < 0.95:
        return "-".join(words)
    return "".join(word.capitalize() for word in words)


def spoken(name: str) -> str:
    """A name as words: "order_id" and "orderId" are "order id"."""
    out: list[str] = []
    for char in name.replace("_", " ").replace("-", " "):
        if char.isupper() and out and out[-1] not in " " and not out[-1].isupper():
            out.append(" ")
        out.append(char)
    text = "".join(out)
    return text if text.isupper() else text.lower()


def listed(items: list[Any], last: str = "and") -> str:
    """Items in a row, as people say them; apart by semicolons where an item itself has a comma."""
    texts = [said_value(item) for item in items]
    if len(texts) == 1:
        return texts[0]
    comma = "; " if any("," in text for text in texts) else ", "
    return f"{comma.join(texts[:-1])} {last} {texts[-1]}"


def said_value(value: Any) -> str:
    """A value as a user writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            return "; ".join(said_value(item) for item in value)
        return listed(value) if value else "none"
    if isinstance(value, dict):
        return ", ".join(f"{spoken(key)} {said_value(item)}" for key, item in value.items())
    return str(value)


def described(w: Words, name: str, noun: str) -> str:
    """A description of a parameter, often none."""
    p = spoken(name)
    return w.say(SAID_DESCRIPTIONS, p=p, P=capitalized(p), n=noun)


def schema_of(w: Words, name: str, kind: str, noun: str) -> dict[str, Any]:
    """The schema of a plain parameter of a tool for a noun, three times in ten with a description."""
    about = described(w, name, noun) if w.chance(0.3) else ""
    return {"type": kind, "description": about} if about else {"type": kind}


_KIND_OF = {bool: "boolean", int: "integer", float: "number", str: "string"}


def kind_of(value: Any) -> str:
    """The JSON type of a plain value."""
    return _KIND_OF[type(value)]


def parameter(w: Words, used: set[str], noun: str = "item", *, complex_share: float = 0.1) -> Parameter:
    """A random parameter whose name is not in `used`, which takes it."""
    while True:
        made = _parameter(w, noun, complex_share, used)
        if made.name not in used:
            used.add(made.name)
            return made


#: Families whose values can be told apart only by what the request calls them: one of each sort goes unnamed.
_SORTS = {
    "name": "entity",
    "city": "entity",
    "company": "entity",
    "product": "entity",
    "room": "entity",
    "hotel": "entity",
    "id": "code",
    "file": "code",
    "limit": "number",
    "price": "number",
    "temperature": "number",
}


def _parameter(w: Words, noun: str, complex_share: float, used: set[str]) -> Parameter:
    x = w.rng.random()
    if x < complex_share:
        return _nested(w) if w.chance(0.55) else _object_list(w)
    x = w.rng.random()
    if x < 0.42:
        family = w.pick(FAMILIES)
        name = w.pick(family.names)
        if w.chance(0.12):
            name = f"{noun.replace(' ', '_')}_{name}"
        value = family.value(w)
        kind = "number" if family.kind == "integer" and w.chance(0.1) else family.kind
        sort = f" {_SORTS.get(family.names[0], family.names[0])}"  # no name of a parameter begins with a blank
        phrases = family.phrases if sort not in used and w.chance(0.72) else GENERIC
        used.add(sort)
        return _finished(w, name, {"type": kind}, value, phrases, noun)
    if x < 0.54:
        return _enumerated(w, noun)
    if x < 0.63:
        name = w.pick(FLAG_NAMES) if w.chance(0.5) else w.pick((w.adjective, lambda: identifier(w)))()
        value = w.chance(0.55)
        return _finished(w, name, {"type": "boolean"}, value, FLAG_ON if value else FLAG_OFF, noun)
    if x < 0.73:
        name = w.pick(LIST_NAMES) if w.chance(0.5) else w.noun() + "s"
        kind = w.pick(("integer", "string", "string", "string", "number"))
        makers: dict[str, Callable[[], Any]] = {
            "integer": w.integer,
            "number": w.decimal,
            "string": w.pick((w.word, w.word, w.first_name, w.foreign, w.city, w.code, w.compound)),
        }
        items = [makers[kind]() for _ in range(w.between(1, 4))]
        return _finished(w, name, {"type": "array", "items": {"type": kind}}, items, LIST_SAID, noun)
    name = identifier(w)
    kind = w.pick(("string", "string", "string", "integer", "number"))
    value = w.text() if kind == "string" else w.integer() if kind == "integer" else w.number()
    return _finished(w, name, {"type": kind}, value, GENERIC, noun)


def _enumerated(w: Words, noun: str) -> Parameter:
    choices = (
        list(w.pick(ENUM_SETS)) if w.chance(0.55) else list(dict.fromkeys(w.word() for _ in range(w.between(2, 5))))
    )
    name = w.pick(ENUM_NAMES) if w.chance(0.7) else identifier(w)
    return _finished(w, name, {"type": "string", "enum": choices}, w.pick(choices), ENUM_SAID, noun)


def _leaf(w: Words) -> tuple[str, Any]:
    if w.chance(0.5):
        family = w.pick(FAMILIES)
        return w.pick(family.names), family.value(w)
    return identifier(w), w.pick((w.text, w.integer, w.word, w.number, lambda: w.chance(0.5)))()


def _leaves(w: Words, low: int, high: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for _ in range(w.between(low, high)):
        name, value = _leaf(w)
        out.setdefault(name, value)
    return out


def object_schema(value: dict[str, Any]) -> dict[str, Any]:
    """The schema of an object of plain values, all of them required."""
    properties = {key: {"type": kind_of(item)} for key, item in value.items()}
    return {"type": "object", "properties": properties, "required": list(value)}


def _nested(w: Words) -> Parameter:
    name = w.pick(OBJECT_NAMES) if w.chance(0.6) else identifier(w)
    value = _leaves(w, 1, 3)
    return _finished(w, name, object_schema(value), value, OBJECT_SAID, "")


def _object_list(w: Words) -> Parameter:
    name = w.pick(("items", "entries", "people", "orders", "steps", "lines", "points", "products"))
    first = {
        w.pick(("name", "item", "title", "product", "key")): w.word(),
        w.pick(("quantity", "amount", "count", "price", "value")): w.between(1, 99),
    }
    a, b = first
    items = [first, *({a: w.word(), b: w.between(1, 99)} for _ in range(w.between(0, 2)))]
    made = _finished(w, name, {"type": "array", "items": object_schema(first)}, items, LIST_SAID, "")
    if w.chance(0.4):
        made.said = f"with {spoken(made.name)}: " + listed([f"{item[a]} ({b} {item[b]})" for item in items])
    return made


def _finished(w: Words, name: str, schema: dict[str, Any], value: Any, phrases: Phrases, noun: str) -> Parameter:
    name = cased(w, name)
    if noun and (text := described(w, name, noun)):
        schema = {"description": text, **schema} if w.chance(0.3) else {**schema, "description": text}
    return Parameter(name, schema, value, phrase_of(w, name, value, phrases))


def phrase_of(w: Words, name: str, value: Any, phrases: Phrases, *, rough: bool = True) -> str:
    """How a request says a parameter's value, in one of these ways or, if it may be rough, another that is made up."""
    said = said_value(value)
    if isinstance(value, dict | list) and w.chance(0.12):
        said = json.dumps(value, ensure_ascii=False)
    phrase = w.template(phrases, rough=rough)
    if (
        rough
        and not w.heldout
        and (phrases is GENERIC or w.chance(0.08))
        and w.chance(0.6)
        and not isinstance(value, bool)
    ):
        phrase = said_parameter(w.rng)
        if phrase in GENERIC.heldout:
            phrase = w.pick(GENERIC.train)
    if "'" in said and "'{v}'" in phrase:
        phrase = phrase.replace("'", '"')
    return phrase.format(p=spoken(name) if w.chance(0.65) else name, v=said)


@dataclass
class Tool:
    """A tool with a request that needs it.

    Attributes:
        name: Its name.
        description: What it is for.
        parameters: All it has, whether the request uses them or not.
        arguments: What the request wants passed, in the order of the schema.
        request: What the user says.
        topic: What its result is about, as a noun phrase.
    """

    name: str
    description: str
    parameters: list[Parameter]
    arguments: dict[str, Any]
    request: str
    topic: str = "result"
    short: str = ""  # the request without courtesies, for several in one sentence
    extra: dict[str, Any] = field(default_factory=dict)
