"""The parameters of composed tools: names, schemas, and a new value for each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.data import composed_words as composed
from training.data.composed_words import Noun
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
    Parameter,
)
from training.data.parameters import cased, described, phrase_of
from training.data.words import Phrases, Words
from training.data.written import maker


@dataclass(frozen=True)
class Given:
    """A parameter that gets another value with each request.

    Attributes:
        name: As in the schema.
        schema: Its JSON schema.
        make: A value.
        phrases: How a request says it, by its value.
        required: Whether the schema requires it.
    """

    name: str
    schema: dict[str, Any]
    make: Callable[[Words], Any]
    phrases: Callable[[Any], Phrases]
    required: bool = True

    def parameter(self, w: Words) -> Parameter:
        """With a new value."""
        value = self.make(w)
        said = phrase_of(w, self.name, value, self.phrases(value), rough=w.chance(0.1))
        return Parameter(self.name, self.schema, value, said, self.required)


def _flag_phrases(value: Any) -> Phrases:
    return FLAG_ON if value else FLAG_OFF


def _always(phrases: Phrases) -> Callable[[Any], Phrases]:
    return lambda _: phrases


def _given(
    w: Words, name: str, schema: dict[str, Any], make: Callable[[Words], Any], phrases: Phrases, of: str
) -> Given:
    name = cased(w, name)
    if text := described(w, name, of):
        schema = {**schema, "description": text}
    return Given(name, schema, make, _flag_phrases if schema["type"] == "boolean" else _always(phrases))


_NUMBERED = Phrases(
    *("{v}", "{v}", "number {v}", "no. {v}", "with id {v}", "with the id {v}", "with {p} {v}", "#{v}", "with the {p} {v}"),
    *("({p} {v})", "whose {p} is {v}", "{p} {v}", "that has the {p} {v}", "having {p} {v}", "identified by {v}"),
)  # fmt: skip
_NAMED = Phrases(
    *("named {v}", "called {v}", 'called "{v}"', "with the name {v}", '"{v}"', "'{v}'", "named '{v}'", "({v})"),
    *("that goes by the name of {v}", "with {p} {v}", "known as {v}", "whose name is {v}", "by the name of {v}"),
    *('with the {p} "{v}"', "which is called {v}", "under the name {v}"),
)
_TITLES: tuple[Callable[[Words], str], ...] = (
    maker("@topic"),
    maker("@event"),
    maker("@task"),
    Words.title,
    Words.phrase,
    Words.product,
    Words.company,
    Words.foreign,
)
#: Lists that name things of a noun as people would.
_OWN_NAMES = {
    **dict(song="song", album="song", playlist="song", tango="song", movie="film", film="film", video="film", trailer="film"),
    **dict(book="book", novel="book", audiobook="book", notebook="book", event="event", party="event", concert="event"),
    **dict(project="project", boat="ship", ferry="ship", yacht="ship", team="team", school="school", band="band", game="game"),
    **dict(task="task", milestone="goal", reminder="task", deadline="task", message="message", email="message", memo="note"),
    **dict(comment="opinion", review="review", complaint="complaint", incident="problem", report="topic", article="headline"),
    **dict(post="headline", newsletter="headline", restaurant="shop", hotel="place_name", museum="place_name", shop="shop"),
    **dict(theatre="place_name", castle="place_name", device="device", app="app", query="query", search="query", ticket="problem"),
    **dict(toy="toy", dish="dish", cake="dish", recipe="dish", plant="plant", lesson="subject", course="subject", exam="subject"),
    **dict(lecture="topic", presentation="topic", workshop="topic", podcast="topic", meeting="event", appointment="event"),
    **dict(question="query", survey="topic", alarm="task", timer="task", gift="gift", product="gift", note="note", essay="topic"),
}  # fmt: skip
_OWN_TEXTS = {
    **dict(message="message", text="message", body="message", content="note", note="note", comment="opinion", query="query"),
    **dict(description="problem", prompt="wish", reason="reason", summary="headline", subject="topic", topic="topic"),
}  # fmt: skip
_PEOPLE = frozenset(("people", "person", "being"))


def identified(w: Words, noun: Noun, *, makes: bool) -> Given:
    """What tells one thing of a kind from another: its number or its name."""
    key = noun.one.replace(" ", "_").replace("'", "").replace("-", "_")
    key = key if key.isascii() else "item"
    if makes or w.chance(0.4):
        person = noun.kind in _PEOPLE
        own = _OWN_NAMES.get(noun.one.split()[-1])
        make = Words.person if person else maker(f"@{own}") if own and w.chance(0.75) else w.pick(_TITLES)
        name = w.pick((f"{key}_name", "name", "name" if person else "title", key, f"{key}_label", "label"))
        return _given(w, name, {"type": "string"}, make, _NAMED, noun.one)
    number = w.chance(0.4)
    name = w.pick((f"{key}_id", f"{key}_id", "id", key, f"{key}_number", "number", f"{key}_code", "reference", "key"))
    make_id: Callable[[Words], Any] = (lambda w: w.between(1, 99999)) if number else Words.code
    return _given(w, name, {"type": "integer" if number else "string"}, make_id, _NUMBERED, noun.one)


#: What follows a preposition: names of its parameter, and a value.
_PLACES = frozenset(("city", "country", "language", "building", "room", "land", "part"))
_FOLLOWING: dict[str, tuple[tuple[str, ...], Callable[[Words], Any]]] = {
    "person": (("person", "recipient", "contact", "name", "partner", "who"), Words.person),
    "firm": (("company", "firm", "vendor", "organization", "business"), Words.company),
    "city": (("city", "town", "place", "location", "destination"), Words.city),
    "country": (("country", "nation", "target_country"), Words.country),
    "building": (("building", "place", "site", "location"), lambda w: f"the {composed.noun(w, 'building').one}"),
    "room": (("room", "place", "where"), lambda w: f"the {composed.noun(w, 'room').one}"),
    "land": (("area", "place", "spot"), lambda w: f"the {composed.noun(w, 'land').one}"),
    "group": (("group", "team", "audience"), lambda w: f"the {composed.noun(w, 'group').one}"),
    "vessel": (("container", "vessel", "target"), lambda w: f"the {composed.noun(w, 'vessel').one}"),
}


def added(w: Words, preposition: str, kind: str, of: str) -> Given | None:
    """The parameter for a part of a frame, "to:person"; None where it has no values."""
    if kind not in _FOLLOWING:
        return None
    names, make = _FOLLOWING[kind]
    name = w.pick(names)
    after = preposition.replace(" ", "_")
    name = f"{after}_{name}" if w.chance(0.15) else name
    ways = Phrases(f"{preposition} {{v}}", f"{preposition} {{v}}", "with {p} {v}", "({p}: {v})")
    return _given(w, name, {"type": "string"}, make, ways, of)


def circumstance(w: Words, used: set[str], of: str) -> Given:
    """A further parameter: a family of `FAMILIES`, a choice, a switch or a list. `used` takes its name and its sort."""
    while True:
        made, sort = _circumstance(w, of)
        if made.name not in used and sort not in used:
            used |= {made.name, sort}
            return made


def _circumstance(w: Words, of: str) -> tuple[Given, str]:
    x = w.rng.random()
    if x < 0.66:
        family = w.pick(FAMILIES)
        phrases = family.phrases if w.chance(0.8) else GENERIC
        name = w.pick(family.names)
        make = maker(f"@{_OWN_TEXTS[name]}") if name in _OWN_TEXTS and w.chance(0.7) else family.value
        return _given(w, name, {"type": family.kind}, make, phrases, of), f" {family.names[0]}"
    if x < 0.8:
        choices = list(w.pick(ENUM_SETS))
        if w.chance(0.25):
            choices = list(dict.fromkeys(w.noun() for _ in range(w.between(2, 5))))
        choice = {"type": "string", "enum": choices}
        return _given(w, w.pick(ENUM_NAMES), choice, lambda w: w.pick(choices), ENUM_SAID, of), " choice"
    if x < 0.91:
        return _given(w, w.pick(FLAG_NAMES), {"type": "boolean"}, lambda w: w.chance(0.5), GENERIC, of), " flag"
    one = w.pick((Words.noun, Words.first_name, Words.city, Words.code, Words.integer))
    items = {"type": "integer" if one is Words.integer else "string"}
    name = w.pick(LIST_NAMES)
    schema: dict[str, Any] = {"type": "array", "items": items}
    return _given(w, name, schema, lambda w: [one(w) for _ in range(w.between(1, 3))], LIST_SAID, of), " list"


#: Keys that one thing can be found by; a request for it says the key's name, or a value that nothing else has.
_KEYS: tuple[tuple[str, Callable[[Words], Any], Phrases], ...] = (
    ("id", lambda w: f"{w.between(100, 99999)}", Phrases("with id {v}", "with the id {v}", "that has id {v}", "id {v}", "whose id is {v}", "under the id {v}")),
    ("name", Words.person, Phrases("with the name {v}", "whose name is {v}", "by the name of {v}", "named {v}", "called {v}", "with name {v}")),
    ("email", Words.email, Phrases("with email {v}", "that belongs to {v}", "by the email {v}", "for {v}", "with the email address {v}", "whose email is {v}")),
    ("city", Words.city, Phrases("from the city of {v}", "by the city {v}", "in the city {v}", "with city {v}", "whose city is {v}", "with {v} as its city")),
    ("date", Words.date, Phrases("with the date {v}", "by the date {v}", "whose date is {v}", "that has the date {v}", "with date {v}", "dated {v}")),
    ("phone", lambda w: f"+{w.between(1, 99)} {w.between(100, 999)} {w.between(10000, 9999999)}", Phrases("with the phone number {v}", "whose phone is {v}", "by phone {v}", "that can be reached at {v}", "by its phone number {v}", "with phone {v}")),
    ("color", lambda w: w.pick(("red", "blue", "green", "black", "white", "yellow")), Phrases("with the color {v}", "whose color is {v}", "by the color {v}", "in the color {v}", "that has the color {v}", "of the color {v}")),
    ("price", lambda w: w.between(2, 900), Phrases("with a price of {v}", "at the price {v}", "that costs {v}", "by the price of {v}", "whose price is {v}", "priced at {v}")),
    ("tag", Words.noun, Phrases("with the tag {v}", "tagged {v}", "by the tag {v}", "that has the tag {v}", "whose tag is {v}", "under the tag '{v}'")),
    ("author", Words.full_name, Phrases("by the author {v}", "with {v} as its author", "whose author is {v}", "that has the author {v}", "with the author {v}", "by author {v}")),
    ("url", Words.url, Phrases("at {v}", "with the url {v}", "by the url {v}", "whose url is {v}", "under {v}", "behind {v}")),
    ("barcode", lambda w: f"{w.between(10**9, 10**12)}", Phrases("with the barcode {v}", "by barcode {v}", "whose barcode is {v}", "barcode {v}", "that has the barcode {v}", "carrying the barcode {v}")),
)  # fmt: skip


def keys(w: Words, n: int, of: str) -> list[tuple[str, Given]]:
    """So many different keys by which a thing can be found."""
    out = []
    for name, make, phrases in w.sample(_KEYS, n):
        kind = "integer" if name == "price" else "string"
        shown = w.pick((name, name, f"{of.split()[-1]}_{name}"))
        out.append((name, _given(w, shown, {"type": kind}, make, phrases, of)))
    return out
