"""Parameters of made-up tools: name, schema, a value, and how a user says that value."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training.data.phrasing import said_parameter
from training.data.words import COLORS, Phrases, Words


@dataclass
class Parameter:
    """A parameter with the value the user asks for.

    Attributes:
        name: As in the schema.
        schema: Its JSON schema.
        value: The value to pass.
        said: How the request says it, for example "with limit 5".
        required: Whether the schema requires it.
    """

    name: str
    schema: dict[str, Any]
    value: Any
    said: str
    required: bool = True


@dataclass(frozen=True)
class Family:
    """Parameters of one meaning: their names, a value, and phrases only they have."""

    names: tuple[str, ...]
    kind: str
    value: Callable[[Words], Any]
    phrases: Phrases


def _room(w: Words) -> str:
    rooms = ("kitchen", "bedroom", "office", "garage", "hall", "bathroom", "living room", "cellar", "attic", "garden")
    return w.pick(rooms) if w.chance(0.6) else w.noun()


def _proper(w: Words) -> str:
    return w.pick((lambda: w.syllables().capitalize(), w.last_name, w.title, lambda: w.salad().capitalize()))()


FAMILIES = (
    Family(
        (
            "name",
            "title",
            "label",
            "full_name",
            "user_name",
            "customer",
            "client",
            "person",
            "contact",
            "owner",
            "author",
            "employee",
        ),
        "string",
        Words.person,
        Phrases(
            "named {v}",
            "for {v}",
            "named '{v}'",
            "called {v}",
            'with the name "{v}"',
            "for {p} {v}",
            "under the name {v}",
            "belonging to {v}",
        ),
    ),
    Family(
        ("city", "location", "place", "destination", "town", "region", "origin", "venue"),
        "string",
        Words.place,
        Phrases(
            "in {v}",
            "for {v}",
            "for the {p} {v}",
            "in the {p} of {v}",
            "near {v}",
            "around {v}",
            "at {v}",
            "with {p} {v}",
        ),
    ),
    Family(
        ("date", "day", "start_date", "due_date", "deadline", "when", "end_date", "birthday"),
        "string",
        Words.date,
        Phrases("on {v}", "for {v}", "with {p} {v}", "by {v}", "until {v}", "with the {p} {v}"),
    ),
    Family(
        ("time", "start_time", "hour", "at", "departure", "arrival_time"),
        "string",
        Words.time,
        Phrases("at {v}", "with {p} {v}", "for {v}", "around {v}", "starting at {v}"),
    ),
    Family(
        ("email", "recipient", "to", "address", "email_address", "mail"),
        "string",
        Words.email,
        Phrases("to {v}", "with email {v}", "for {v}", "using the {p} {v}", "addressed to {v}", "with {p} {v}"),
    ),
    Family(
        (
            "limit",
            "count",
            "max_results",
            "quantity",
            "n",
            "amount",
            "size",
            "number",
            "top_k",
            "pages",
            "max_items",
            "page",
        ),
        "integer",
        lambda w: w.between(1, 500),
        Phrases(
            "with a {p} of {v}", "with {p} {v}", "{p}={v}", "with {v} as {p}", "where the {p} is {v}", "and {p} {v}"
        ),
    ),
    Family(
        ("id", "order_id", "user_id", "ticket_id", "ref", "code", "item_id", "account", "sku", "reference", "serial"),
        "string",
        Words.code,
        Phrases(
            "with {p} {v}", "with id {v}", "number {v}", "{v}", "for {p} {v}", "with the code {v}", "identified by {v}"
        ),
    ),
    Family(
        ("id", "order_id", "user_id", "ticket_id", "record_id", "customer_id", "invoice_number"),
        "integer",
        lambda w: w.between(1, 99999),
        Phrases("with {p} {v}", "with id {v}", "number {v}", "{v}", "no. {v}", "#{v}"),
    ),
    Family(
        (
            "message",
            "text",
            "body",
            "content",
            "note",
            "comment",
            "description",
            "query",
            "prompt",
            "reason",
            "summary",
        ),
        "string",
        lambda w: w.sentence() if w.chance(0.7) else w.phrase(),
        Phrases(
            "with the text '{v}'",
            'saying "{v}"',
            "with {p} '{v}'",
            'with {p} "{v}"',
            'with the {p} "{v}"',
            "that says '{v}'",
            'and the {p} "{v}"',
        ),
    ),
    Family(
        ("price", "amount", "budget", "cost", "total", "rate", "weight", "length", "score", "latitude", "distance"),
        "number",
        Words.number,
        Phrases("with {p} {v}", "with a {p} of {v}", "{p} = {v}", "at a {p} of {v}", "whose {p} is {v}"),
    ),
    Family(
        ("company", "organization", "supplier", "vendor", "employer"),
        "string",
        Words.company,
        Phrases("from {v}", "for {v}", "at {v}", "with {p} {v}", "by {v}", "on behalf of {v}"),
    ),
    Family(
        ("product", "item", "article", "thing", "subject", "topic"),
        "string",
        Words.product,
        Phrases("for {v}", "about {v}", "with {p} {v}", "for '{v}'", "regarding {v}", "concerning {v}"),
    ),
    Family(
        ("file", "path", "filename", "file_path", "document", "source"),
        "string",
        Words.file,
        Phrases("from {v}", "in {v}", "with {p} {v}", "using {v}", "out of {v}", "stored in {v}"),
    ),
    Family(
        (
            "nights",
            "guests",
            "people",
            "copies",
            "days",
            "seats",
            "tickets",
            "rooms",
            "hours",
            "minutes",
            "weeks",
            "boxes",
        ),
        "integer",
        lambda w: w.between(1, 60),
        Phrases("for {v} {p}", "{v} {p}", "with {v} {p}", "and {v} {p}", "over {v} {p}"),
    ),
    Family(
        ("temperature", "celsius", "degrees", "percent", "volume", "speed", "brightness", "height", "value", "target"),
        "number",
        lambda w: w.between(0, 100) if w.chance(0.6) else w.between(0, 60) + 0.5,
        Phrases(
            "to {v} degrees", "to {v}", "at {v} percent", "at {v}", "to {p} {v}", "with {p} {v}", "to a {p} of {v}"
        ),
    ),
    Family(
        ("room", "area", "zone", "building", "department", "station", "section"),
        "string",
        _room,
        Phrases("in the {v}", "for the {v}", "in {p} {v}", "of the {v}", "located in the {v}", "inside the {v}"),
    ),
    Family(
        ("hotel", "restaurant", "shop", "project", "team", "event", "album", "game", "brand", "school", "channel"),
        "string",
        _proper,
        Phrases(
            "with {p} {v}",
            "for the {p} {v}",
            "at the {p} {v}",
            "for {p} {v}",
            "of the {p} {v}",
            "in the {p} called {v}",
        ),
    ),
    Family(
        ("url", "link", "website", "endpoint", "uri"),
        "string",
        Words.url,
        Phrases("from {v}", "at {v}", "with {p} {v}", "on {v}", "pointing to {v}"),
    ),
    Family(
        ("name", "title", "label", "local_name", "native_name", "nickname", "word", "tag", "city", "author"),
        "string",
        Words.foreign,
        Phrases("named {v}", "named '{v}'", 'called "{v}"', "with {p} {v}", "with the {p} '{v}'", "labelled {v}"),
    ),
)

#: Ways to say any parameter.
GENERIC = Phrases(
    *("with {p} {v}", "{p}={v}", "where {p} is {v}", "set {p} to {v}", "using {v} as the {p}", "with {p} set to {v}"),
    *("with {p} = {v}", "with {p} '{v}'", "with the {p} {v}", "and make the {p} {v}", "({p}: {v})", "the {p} is {v}"),
    *("the {p} should be {v}", "the {p} being {v}", "use {v} for {p}", "having {p} {v}", "{p} {v}", "whose {p} is {v}"),
)
ENUM_NAMES = (
    "color",
    "status",
    "priority",
    "unit",
    "mode",
    "level",
    "category",
    "kind",
    "format",
    "language",
    "type",
    "state",
    "style",
    "theme",
    "severity",
    "role",
)
ENUM_SETS = (
    ("low", "medium", "high"), ("low", "medium", "high", "urgent"), ("open", "closed"), ("open", "in_progress", "done"),
    ("celsius", "fahrenheit"), ("metric", "imperial"), ("json", "csv", "xml"), ("fast", "slow"), ("small", "medium", "large"),
    ("English", "French", "German", "Spanish"), ("asc", "desc"), ("admin", "user", "guest"), ("draft", "published"),
    ("daily", "weekly", "monthly"), ("pdf", "docx", "html"), COLORS[:4], COLORS[4:9], ("economy", "business", "first"),
    ("car", "train", "bike", "plane"), ("active", "paused", "archived"), ("info", "warning", "error"), ("A", "B", "C", "D"),
)  # fmt: skip
FLAG_NAMES = (
    "urgent",
    "verbose",
    "dry_run",
    "recursive",
    "notify",
    "public",
    "active",
    "force",
    "enabled",
    "include_details",
    "overwrite",
    "gift_wrap",
    "express",
)
ENUM_SAID = Phrases(
    "with {v} {p}",
    "in {v} {p}",
    "with {p} {v}",
    "{p} {v}",
    "with the {p} set to {v}",
    "as {p} {v}",
    "using {p} {v}",
    "with {p} = {v}",
)
FLAG_ON = Phrases(
    "with {p} enabled",
    "with {p} turned on",
    "with {p} set to true",
    "{p}=true",
    "with {p} true",
    "with {p} on",
    "and enable {p}",
    "and switch {p} on",
)
FLAG_OFF = Phrases(
    "with {p} disabled",
    "with {p} turned off",
    "with {p} set to false",
    "{p}=false",
    "with {p} false",
    "with {p} off",
    "and disable {p}",
    "and switch {p} off",
)
LIST_NAMES = (
    "tags",
    "items",
    "names",
    "ids",
    "keywords",
    "numbers",
    "values",
    "recipients",
    "cities",
    "labels",
    "fields",
    "scores",
)
LIST_SAID = Phrases(
    "with {p} {v}",
    "with the {p} {v}",
    "{p}: {v}",
    "for the {p} {v}",
    "and the {p} {v}",
    "using the {p} {v}",
    "whose {p} are {v}",
)
_OBJECT_NAMES = (
    "options",
    "address",
    "filter",
    "settings",
    "config",
    "metadata",
    "details",
    "customer",
    "shipping",
    "profile",
    "position",
)
_OBJECT_SAID = Phrases(
    "with {p} {v}", "with the {p} {v}", "with {p} where {v}", "using {p} with {v}", "where the {p} has {v}"
)
_SAID_DESCRIPTIONS = Phrases(
    "",
    "",
    "",
    "The {p}",
    "The {p}.",
    "{P}",
    "{P} to use",
    "{P} of the {n}",
    "The {p} of the {n}.",
    "A {p} for the {n}",
    "Which {p}",
    "{P} (required)",
)


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
    return w.say(_SAID_DESCRIPTIONS, p=p, P=p[:1].upper() + p[1:], n=noun)


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
    name = w.pick(_OBJECT_NAMES) if w.chance(0.6) else identifier(w)
    value = _leaves(w, 1, 3)
    return _finished(w, name, object_schema(value), value, _OBJECT_SAID, "")


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
