"""Records to be read from text: a schema, its values, and prose that tells them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from training.data.field_kinds import KINDS, FieldKind
from training.data.parameters import identifier, listed, said_value, spoken
from training.data.phrasing import said_fact
from training.data.words import Phrases, Words, capitalized


@dataclass
class Field:
    """A field of a record; `value` is None where the text does not tell an optional one."""

    name: str
    schema: dict[str, Any]
    value: Any
    sentence: str
    required: bool = True


@dataclass
class Record:
    """A record with the text that tells it."""

    title: str
    fields: list[Field] = field(default_factory=list)
    text: str = ""

    @property
    def value(self) -> dict[str, Any]:
        """The object to be written, in the order of the schema."""
        return {f.name: f.value for f in self.fields}


_GENERIC = Phrases(
    "The {k} is {v}.",
    "Its {k} is {v}.",
    "{K}: {v}",
    "As {k}, {v} is given.",
    "It has the {k} {v}.",
    "{v} is its {k}.",
    "For {k} we have {v}.",
    "The {k} was set to {v}.",
)

_GENERIC_MANY = Phrases(
    "The {k} are {v}.", "{K}: {v}", "Its {k} are {v}.", "It has the {k} {v}.", "Among the {k} are {v}."
)

_IS_ABOUT = Phrases(
    "This is about {N}.",
    "Here are details on {N}.",
    "{N} is described here.",
    "We talk about {N}.",
    "A note on {N}.",
    "Entry: {N}.",
    "New entry for {N}.",
)

_PROBLEM = Phrases("Problem: {N}.", 'A customer writes: "{N}".', "{N}.", 'We got this message: "{N}".', "Ticket: {N}.")

_DESCRIPTIONS = Phrases(
    "The {k}",
    "The {k} of the {t}",
    "{K} of the {t}",
    "{K}",
    "The {t}'s {k}",
    "Which {k} the {t} has",
    "{K}, as given in the text",
    "{K}, if known",
)


def _described(w: Words, schema: dict[str, Any], name: str, title: str, share: float) -> dict[str, Any]:
    if not w.chance(share):
        return schema
    k = spoken(name)
    text = w.say(_DESCRIPTIONS, k=k, K=capitalized(k), t=title.lower())
    return {"description": text, **schema} if w.chance(0.5) else {**schema, "description": text}


def _field(w: Words, kind: FieldKind, name: str, title: str, described: float, used: set[str]) -> Field:
    key = w.pick(kind.names)
    while key in used:
        key = f"{key}_{w.noun()}"
    used.add(key)
    value = kind.value(w)
    schema: dict[str, Any] = {"type": kind.kind}
    if kind.choices and w.chance(0.6):
        schema["enum"] = list(kind.choices)
    if kind.kind == "array":
        schema["items"] = {"type": "string"}
    said = "" if isinstance(value, bool) else said_value(value)
    k = spoken(key)
    sentence = w.tell(kind.says, N=name, v=said, k=k, K=capitalized(k), **{"not": "" if value else "not "})
    return Field(key, _described(w, schema, key, title, described), value, sentence)


def in_prose(w: Words, title: str, name: str) -> str:
    """A name as sentences have it: events with an article, books often in quotes."""
    if title == "Event":
        return f"the {name}"
    return f'"{name}"' if title == "Book" and w.chance(0.6) else name


def known_record(w: Words, n: int | None = None, *, described: float = 0.3) -> Record:
    """A record of an everyday kind."""
    title = w.pick(tuple(KINDS))
    naming, names, kinds = KINDS[title]
    name = naming(w)
    shown = in_prose(w, title, name)
    used: set[str] = set()
    record = Record(title)
    chosen = w.sample(kinds, n or w.between(1, 4))
    key = w.pick(names)
    used.add(key)
    fields = [_field(w, kind, shown, title, described, used) for kind in chosen]
    introduction = w.tell(_PROBLEM, N=name) if title == "Ticket" else ""
    if title in ("Person", "Company") and w.chance(0.18):
        nested = nested_field(w, shown, title)
        if nested.name not in used:
            fields.append(nested)
    record.fields = [Field(key, _described(w, {"type": "string"}, key, title, described), name, introduction), *fields]
    if w.chance(0.25) and title != "Ticket":
        pronouns = {"Person": w.pick(("He", "She")), "Event": "It", "Company": "It"}
        pronoun = pronouns.get(title)
        if pronoun:
            for later in fields[1:]:
                if later.sentence.startswith(shown):
                    later.sentence = pronoun + later.sentence[len(shown) :]
    return record


def generic_record(w: Words, n: int | None = None, *, described: float = 0.2) -> Record:
    """A record of random keys."""
    title = w.noun().capitalize()
    record = Record(title)
    used: set[str] = set()
    for _ in range(n or w.between(1, 5)):
        key = identifier(w)
        if key in used:
            continue
        used.add(key)
        x = w.rng.random()
        k = spoken(key)
        value: Any
        if x < 0.55:
            kind, value = "string", w.text()
        elif x < 0.72:
            kind, value = "integer", w.integer()
        elif x < 0.82:
            kind, value = "number", w.decimal()
        elif x < 0.9:
            kind, value = "boolean", w.chance(0.5)
        else:
            kind, value = "array", [w.word() for _ in range(w.between(1, 4))]
        schema: dict[str, Any] = {"type": kind}
        if kind == "array":
            schema["items"] = {"type": "string"}
        if kind == "string" and w.chance(0.15):
            schema["enum"] = w.shuffled([value, *(w.word() for _ in range(w.between(1, 3)))])
        phrases = _GENERIC_MANY if kind == "array" else _GENERIC
        sentence = w.tell(phrases, k=k, K=capitalized(k), v=listed(value) if kind == "array" else said_value(value))
        if not w.heldout and kind != "array" and w.chance(0.5):
            sentence = said_fact(w.rng).format(k=k, K=capitalized(k), v=said_value(value))
        record.fields.append(Field(key, _described(w, schema, key, title, described), value, sentence))
    return record


def any_record(w: Words, n: int | None = None, *, described: float = 0.3) -> Record:
    """A record of either sort, its text written."""
    if n is None and w.chance(0.12):
        return compact_record(w)
    record = known_record(w, n, described=described) if w.chance(0.65) else generic_record(w, n, described=described)
    sentences = [f.sentence for f in record.fields if f.sentence]
    head = record.fields[0]
    if (not head.sentence and not any(str(head.value) in s for s in sentences)) or (
        not head.sentence and str(head.value) not in sentences[0]
    ):
        sentences.insert(0, w.tell(_IS_ABOUT, N=head.value))
    elif len(sentences) > 1 and head.sentence == "" and w.chance(0.3):
        rest = sentences[1:]
        if not any(s.startswith(("He ", "She ", "It ")) for s in rest):
            sentences = w.shuffled(sentences)
    sentences = _merged(w, sentences, str(head.value))
    record.text = w.pick((" ", " ", " ", "\n")).join(
        capitalized(s) if not str(head.value).startswith(s[:3]) else s for s in sentences
    )
    return record


def _merged(w: Words, sentences: list[str], name: str) -> list[str]:
    """Some neighbours on one subject in one sentence: "Ada is 34 years old and lives in Rome."""
    out: list[str] = []
    for sentence in sentences:
        subject = next((s for s in (name, f"The {name}", "He", "She", "It") if sentence.startswith(s + " ")), None)
        if (
            out
            and subject
            and out[-1].endswith(".")
            and w.chance(0.35)
            and any(out[-1].startswith(s + " ") for s in (name, f"The {name}", "He", "She", "It"))
        ):
            joint = w.pick((" and ", " and ", ", and ", ", "))
            out[-1] = out[-1][:-1] + joint + sentence[len(subject) + 1 :]
        else:
            out.append(sentence)
    return out


_ADDRESS = Phrases(
    "{N} lives at {s} in {c}.",
    "The address of {N} is {s}, {c}.",
    "You find {N} at {s} in {c}.",
    "{N} can be visited at {s}, {c}.",
    "Letters to {N} go to {s} in {c}.",
    "{N} moved to {s}, {c}.",
)

_BASKET = Phrases(
    "{N} orders {v}.",
    "{N} bought {v}.",
    "{N} wants {v}.",
    "The order of {N}: {v}.",
    "{N} takes {v}.",
    "Please send {v} to {N}.",
)

_STREETS = ("Street", "Road", "Avenue", "Lane", "Square", "Way")


def nested_field(w: Words, name: str, title: str) -> Field:
    """A field that is an object, or a list of objects."""
    if title in ("Person", "Company") and w.chance(0.5):
        street = (
            f"{w.between(1, 300)} {w.last_name()} {w.pick(_STREETS)}"
            if w.chance(0.6)
            else f"{w.last_name()} {w.pick(_STREETS)} {w.between(1, 200)}"
        )
        inner = {"street": street, "city": w.city()}
        shape = {"type": "object", "properties": {k: {"type": "string"} for k in inner}, "required": list(inner)}
        said = w.tell(_ADDRESS, N=name, s=street, c=inner["city"])
        return Field(w.pick(("address", "home_address", "location", "contact_address")), shape, inner, said)
    thing, count = w.pick(("name", "product", "item", "article")), w.pick(("quantity", "count", "amount"))
    items = [
        {thing: f"{w.noun()}s" if w.chance(0.7) else w.product(), count: w.between(1, 40)}
        for _ in range(w.between(1, 3))
    ]
    properties = {thing: {"type": "string"}, count: {"type": "integer"}}
    schema = {"type": "array", "items": {"type": "object", "properties": properties, "required": [thing, count]}}
    listing = listed([f"{item[count]} {item[thing]}" for item in items])
    return Field(
        w.pick(("items", "order", "basket", "articles", "lines")), schema, items, w.tell(_BASKET, N=name, v=listing)
    )


_COMPACT = Phrases(
    "{n}, {a}, is a {j} from {c}.", "{n} ({a}) lives in {c} and works as a {j}.", "At {a}, {n} from {c} is already a {j}.", "The {a}-year-old {j} {n} lives in {c}.", "{n} is a {a} year old {j} living in {c}.",
    "Meet {n}: {a} years old, {j}, from {c}.", "Name: {n}\nAge: {a}\nJob: {j}\nCity: {c}", "{n}, a {a}-year-old {j}, moved to {c}.", "I am {n}, {a}, and I work as a {j} in {c}.", "Hi, my name is {n}. I'm {a} years old, a {j}, and I live in {c}.",
    "{n} / {a} / {j} / {c}", "A {j} named {n}, aged {a}, has opened a shop in {c}.",
)  # fmt: skip


def compact_record(w: Words) -> Record:
    """A person in one dense sentence; some of what it tells may not be asked for."""
    name, age, job, city = w.full_name(), w.between(18, 99), w.job(), w.city()
    person = KINDS["Person"]
    keys = {kind.names[0]: kind.names for kind in person[2]}
    everything = [
        Field(w.pick(person[1]), {"type": "string"}, name, ""),
        Field(w.pick(keys["age"]), {"type": "integer"}, age, ""),
        Field(w.pick(keys["job"]), {"type": "string"}, job, ""),
        Field(w.pick(keys["city"]), {"type": "string"}, city, ""),
    ]
    head, *rest = everything
    return Record("Person", [head, *w.sample(rest, w.between(1, 3))], w.tell(_COMPACT, n=name, a=age, j=job, c=city))


def optional_fields(w: Words, record: Record) -> None:
    """Makes some fields optional; about half of those are not told, and null."""
    title = record.title
    del title
    for f in record.fields[1:]:
        if not w.chance(0.35):
            continue
        f.required = False
        inner = {k: v for k, v in f.schema.items() if k != "description"}
        outer = {k: v for k, v in f.schema.items() if k == "description"}
        f.schema = {"anyOf": [inner, {"type": "null"}], "default": None, **outer}
        if w.chance(0.5) and f.sentence and f.sentence in record.text and record.text != f.sentence:
            rest = record.text.replace(f.sentence, "", 1).replace("  ", " ").strip()
            if str(record.fields[0].value) in rest:
                record.text = rest
                f.value = None


def schema_of(w: Words, record: Record, *, titled: bool | None = None) -> dict[str, Any]:
    """The JSON schema of a record's object, in one of the usual styles."""
    titled = w.chance(0.5) if titled is None else titled
    properties: dict[str, Any] = {}
    for f in record.fields:
        properties[f.name] = (
            {"title": spoken(f.name).title(), **f.schema} if titled and w.chance(0.95) else dict(f.schema)
        )
    required = [f.name for f in record.fields if f.required]
    if titled:
        schema: dict[str, Any] = {"properties": properties}
        if required:
            schema["required"] = required
        schema |= {"title": record.title, "type": "object"}
        if w.chance(0.3):
            schema = {"description": f"{record.title} read from a text.", **schema}
        return schema
    schema = {"type": "object", "properties": properties}
    if required and w.chance(0.9):
        schema["required"] = required
    if w.chance(0.25):
        schema["additionalProperties"] = False
    if w.chance(0.2):
        schema = {"title": record.title, **schema}
    return schema
