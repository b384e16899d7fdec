"""What composed tools do, to what, with which parameters: deeds with their synonyms, nouns, and values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from training.data import composed_words as composed
from training.data.composed_words import Noun, Verb
from training.data.parameters import (
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
    cased,
    described,
    phrase_of,
)
from training.data.words import Phrases, Words

#: Deeds of daily life that nobody offers as a tool.
_NO_TOOLS = frozenset(
    (
        *("steal", "smuggle", "forge", "bribe", "burgle", "break into", "vandalise", "spy on", "bequeath", "kiss", "marry"),
        *("divorce", "insult", "frighten", "annoy", "curse", "boo", "swallow", "lick", "scold", "tear up", "pawn", "forgive"),
        *("oppose", "laugh at", "vote against", "wrongly park", "secretly swap", "secretly mend", "jump over", "inherit"),
        *("kidnap", "blackmail", "betray", "deceive", "outwit", "imprison", "banish", "gamble away", "hypnotise", "sting", "leak"),
        *("wink at", "sit on", "bump into", "slip on", "misread", "misspell", "skate across", "tickle", "fell", "poach", "bite"),
    )
)  # fmt: skip
#: Kinds of nouns that programs work on; "any" is every noun.
KINDS = (
    *("record", "people", "file", "message", "schedule", "home", "info", "system", "media", "shop", "trip", "money"),
    *("health", "any"),
)
_QUALITIES = (
    *("new", "old", "open", "pending", "recent", "archived", "shared", "private", "public", "monthly", "weekly", "daily"),
    *("urgent", "missing", "late", "unpaid", "overdue", "internal", "external", "active", "inactive", "national", "second"),
    *("annual", "local", "temporary", "digital", "duplicate", "cheap", "main", "broken", "empty", "international", "hidden"),
    *("popular", "regular", "early", "foreign", "signed", "blank", "failed", "manual", "upcoming", "previous", "personal"),
)  # fmt: skip
FACETS = (
    *("status", "history", "summary", "label", "category", "address", "type", "price", "group", "owner", "list"),
    *("template", "size", "colour", "comment", "deadline", "archive", "permission", "rating", "schedule", "version", "name"),
    *("description", "warning", "password", "limit", "log", "image", "location", "report", "number", "title", "language"),
    *("priority", "backup", "position", "link", "draft", "value", "cost", "weight", "setting", "policy", "code", "folder"),
)  # fmt: skip


#: Deeds whose synonyms might be taken for each other's; two of them never stand side by side for one thing.
_ALIKE = tuple(
    frozenset(group.split(", "))
    for group in (
        "create, generate, draft, build, design, produce, found, invent, compose, write, sketch",
        "send, ship, deliver, transport, transfer, forward, hand over, return, import, export",
        "analyze, review, inspect, validate, examine, study, diagnose, investigate, monitor, watch, observe, test, survey",
        "estimate, predict, foresee, guess, calculate", "lock, close, block, lock up, bar, close off, close down",
        "switch on, activate, start, launch", "switch off, deactivate, stop, pause, end, abandon, cancel, disband",
        "repair, restore, patch up, upgrade, adjust, configure, tune, replace", "look up, get, read",
        "hide, bury, lock up, store, cover, shelter, keep, archive, put away", "track, locate, follow, search, monitor",
        "demolish, destroy, break, dismantle, damage, remove, take down, delete, uninstall, saw up",
        "give, donate, present, offer, award, lend, hand over, share, deliver, bring, pay, tip",
        "carry, transport, push, pull, lift, drop, roll, throw, move, load, haul, kick",
        "teach, train, help, instruct, rehearse, learn", "praise, applaud, admire, support, recommend, thank, defend",
        "criticise, blame, scold, accuse, punish, sack, sue", "discuss, argue about, complain about, mention, explain",
        "clean, tidy, sweep, mop, wash, dust, polish, scrub", "announce, publish, reveal, present, advertise, unveil, report",
        "buy, order, rent, hire, book, lease", "sell, rent out, auction, lease", "collect, receive, pick, catch, steal",
        "enter, visit, tour, explore, climb, cross, evacuate, leave, occupy", "guard, protect, look after, nurse, mind, watch",
        "plan, schedule, organise, host, book, propose, arrange", "hang, nail, screw, glue, fasten, tie, tie up, install",
        "cook, bake, fry, heat up, mix, brew, heat, prepare", "plant, grow, sow, dig, plough, water, irrigate, weed",
        "count, number, measure, weigh", "notify, warn, message, call, inform", "rename, name, label, tag",
        "update, convert, modify, edit, rename, adjust, split, reset", "enlarge, lengthen, shorten, frame",
        "copy, scan, digitise, photograph, film, record, print", "follow, chase, accompany, escort",
        "describe, portray, illustrate, explain, review, summarize, quote", "refuse, cancel, reject, decline, oppose, end",
        "comfort, surprise, amuse, greet, thank, help", "hire, promote, appoint, elect, invite, register, nominate",
        "fund, sponsor, support, pay", "play, perform, sing, conduct, whistle, rehearse, dance, start, resume",
        "free, rescue, cure, help", "paint, decorate, dye, paint over, whitewash, restore", "read, recite, read aloud, memorise",
    )
)  # fmt: skip


@dataclass(frozen=True)
class Deed:
    """What a tool does.

    Attributes:
        verbs: The verb and those that mean the same.
        kinds: Kinds of nouns it is done to.
        phrases: Prepositions with the kind of what follows.
        flags: "p" done to many, "c" it makes something.
        question: "list", "count", "get", "check", "where" if it is asked for by a question of that kind.
        noun: The name of the deed, or "".
    """

    verbs: tuple[Verb, ...]
    kinds: tuple[str, ...]
    phrases: tuple[tuple[str, str], ...]
    flags: frozenset[str]
    question: str
    noun: str

    @property
    def words(self) -> frozenset[str]:
        """What tells it from others."""
        return frozenset(one.base for one in self.verbs) | ({self.noun} - {""})

    def resembles(self, other: Deed) -> bool:
        """Whether a request for one might mean the other."""
        mine, others = self.verbs[0].base, other.verbs[0].base
        return bool(self.words & other.words) or any(mine in group and others in group for group in _ALIKE)


def _verb(text: str) -> Verb:
    forms = text.split("/")
    made = composed.verb(forms[0])
    return replace(made, past=forms[1], done=forms[1], ing=forms[2]) if len(forms) == 3 else made


def _deed(line: str) -> Deed:
    verbs, kinds, flags = (part.split() for part in line.split("|"))
    named = dict(flag.split(":") for flag in flags if ":" in flag)
    made = tuple(_verb(text.lstrip("~")) for text in verbs)
    bare = frozenset(flag for flag in flags if len(flag) == 1)
    return Deed(made, tuple(kinds), (), bare, named.get("q", ""), named.get("n", ""))


_MAKING = frozenset(("build", "knit", "sew", "bake", "cook", "write", "draft", "design", "brew", "compose", "carve"))


@lru_cache(maxsize=4)
def _deeds(split: str) -> tuple[tuple[Deed, ...], tuple[Deed, ...]]:
    """Those of programs, and those of daily life."""
    daily = []
    for frame in composed.frames(split):
        base = frame.verbs[0].base
        if "x" not in frame.flags and base not in _NO_TOOLS and len(base) > 2:
            flags = frozenset("c" if base in _MAKING else "")
            daily.append(Deed(frame.verbs, frame.objects, frame.phrases, flags, "", frame.noun))
    return tuple(_deed(line) for line in composed.listed("tool_frames", split)), tuple(daily)


@lru_cache(maxsize=256)
def deeds_for(split: str, kind: str) -> tuple[Deed, ...]:
    """What can be done to a kind of noun."""
    return tuple(deed for deeds in _deeds(split) for deed in deeds if kind in deed.kinds)


def some_deed(w: Words) -> Deed:
    """Something that is done, mostly by programs."""
    return w.pick(_deeds(w.split)[0 if w.chance(0.62) else 1])


def some_kind(w: Words, at_least: int) -> str:
    """A kind of noun to which so many things can be done."""
    while True:
        kind = w.pick(KINDS) if w.chance(0.62) else w.pick(w.pick(_deeds(w.split)[1]).kinds)
        if len(deeds_for(w.split, kind)) >= at_least:
            return kind


@lru_cache(maxsize=2)
def _tool_nouns(split: str) -> dict[str, tuple[Noun, ...]]:
    out: dict[str, list[Noun]] = {}
    for line in composed.listed("tool_nouns", split):
        kind, _, text = line.partition(": ")
        one, _, many = text.partition("/")
        out.setdefault(kind, []).append(
            Noun(one, many or _plural(one), kind, one in ("traffic", "air quality"), "tool")
        )
    return {kind: tuple(nouns) for kind, nouns in out.items()}


def _plural(one: str) -> str:
    if one.endswith(("s", "x", "z", "ch", "sh")):
        return f"{one}es"
    return f"{one[:-1]}ies" if one.endswith("y") and one[-2] not in "aeiou" else f"{one}s"


def some_noun(w: Words, kind: str) -> Noun:
    """A noun of a kind."""
    if kind == "any":
        if w.chance(0.35):
            kind = w.pick(KINDS[:-1])
        else:
            one = w.real_noun()
            return Noun(one, _plural(one), kind, False, "tool")
    own = _tool_nouns(w.split).get(kind)
    if own is None and kind in KINDS:
        return some_noun(w, "any")
    return w.pick(own) if own else composed.noun(w, kind)


def some_quality(w: Words, noun: Noun) -> str:
    """What can stand before a noun, or "" where nothing can."""
    if noun.modifiers == "tool":
        return w.adjective() if w.chance(0.2) else w.pick(_QUALITIES)
    choices = composed.modifiers(noun.modifiers, w.split)
    return w.pick(choices) if choices else ""


def with_facet(w: Words, noun: Noun) -> Noun:
    """One side of a noun: the "order status" of "order"."""
    facet = w.pick(FACETS)
    if facet in noun.one.split():
        return with_facet(w, noun)
    return Noun(f"{noun.one} {facet}", f"{noun.one} {_plural(facet)}", noun.kind, False, "tool")


# -- parameters --------------------------------------------------------------------------------------------------------


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
    Words.title,
    Words.title,
    Words.phrase,
    Words.product,
    Words.company,
    Words.foreign,
)
_PEOPLE = frozenset(("people", "person", "being"))


def identified(w: Words, noun: Noun, *, makes: bool) -> Given:
    """What tells one thing of a kind from another: its number or its name."""
    key = noun.one.replace(" ", "_").replace("'", "").replace("-", "_")
    key = key if key.isascii() else "item"
    if makes or w.chance(0.4):
        person = noun.kind in _PEOPLE
        make = Words.person if person else w.pick(_TITLES)
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
        return _given(w, w.pick(family.names), {"type": family.kind}, family.value, phrases, of), f" {family.names[0]}"
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
