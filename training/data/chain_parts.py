"""Pairs of tools of which one finds what the other takes: a number and a call, an order and its cancellation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from training.data.composed_tool_words import Deed, deeds_for, named_noun
from training.data.composed_words import Noun
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, kind_of, schema_of, spoken
from training.data.words import Phrases, Words
from training.data.written import HERE, held, maker

_HELD_OUT = 10  # one source in so many is held out, and one use
#: What a found value is called after it has been spoken of, and before itself.
_PRONOUNS: dict[str, tuple[str, ...]] = {
    "phone": ("it", "them", "that number", "the number"),
    "email": ("it", "them", "that address", "the address"),
    "address": ("it", "that address", "there"),
    "city": ("it", "that city", "that place"),
    "person": ("them", "that person", "this person"),
    "user": ("them", "that user", "the user"),
    "date": ("it", "that day", "that date"),
    "amount": ("it", "that amount", "that"),
}
_NOUNS = {
    **dict(order="order", product="product", user="user", room="room", flight="flight", song="song", recipe="recipe"),
    **dict(table="restaurant", hotel="hotel", ticket="ticket", parcel="parcel", url="page", file="file"),
}
_KINDS_OF_NOUNS = ("record", "people", "file", "message", "schedule", "media", "shop", "trip", "money", "system", "any")


@dataclass(frozen=True)
class Source:
    """A tool that finds a value: the sort and the value's kind, its field's names, and how people ask for it."""

    sort: str
    make: Callable[[Words], Any]
    keys: tuple[str, ...]
    tools: tuple[str, ...]
    does: Phrases
    parameters: tuple[str, ...]
    subject: Callable[[Words], Any]
    what: Phrases
    noun: str = ""


@dataclass(frozen=True)
class Use:
    """A tool that takes a value of a sort, maybe with a second argument, how people ask for it, and what it returns."""

    sort: str
    tools: tuple[str, ...]
    does: Phrases
    parameters: tuple[str, ...]
    more: tuple[str, ...]
    make: Callable[[Words], Any] | None
    clauses: Phrases
    field: str = ""  # of its result
    returns: Callable[[Words], Any] | None = None


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(" ; ")]


def _phrases(text: str) -> Phrases:
    return Phrases(*_split(text))


def _source(line: str) -> Source:
    sort, kind, keys, tools, does, parameters, subject, what = (part.strip() for part in line.split(" | "))
    return Source(
        sort, maker(kind), tuple(keys.split()), tuple(tools.split()), _phrases(does), tuple(parameters.split()), maker(subject), _phrases(what)
    )  # fmt: skip


def _use(line: str) -> Use:
    sort, tools, does, parameters, more, clauses, *result = (part.strip() for part in line.split(" | "))
    names, _, kind = more.partition(" : ")
    made = None if more == "-" else maker(kind.strip())
    field, _, returned = (result or [""])[0].partition(" : ")
    return Use(
        sort,
        tuple(tools.split()),
        _phrases(does),
        tuple(parameters.split()),
        tuple(names.split()) if made else (),
        made,
        _phrases(clauses),
        field,
        maker(returned) if field else None,
    )


def _lines(name: str, split: str) -> list[str]:
    lines = (HERE / "composed" / f"{name}.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line[:1] not in ("", "#") and held(line, _HELD_OUT) == (split == "heldout")]


@lru_cache(maxsize=2)
def sources(split: str) -> tuple[Source, ...]:
    """What finds a value, of one split."""
    return tuple(_source(line) for line in _lines("chain_sources", split))


@lru_cache(maxsize=2)
def uses(split: str) -> tuple[Use, ...]:
    """What takes a value, of one split."""
    return tuple(_use(line) for line in _lines("chain_uses", split))


@dataclass
class Pair:
    """A tool that finds something, and tools that take it.

    Attributes:
        source: What finds.
        finder: Its tool; the request's value is not set.
        key: The field that it finds.
        uses: What takes the value, with its tool and the names of its parameters.
    """

    source: Source
    finder: Tool
    subject_key: str
    key: str
    uses: list[tuple[Use, Tool, tuple[str, ...]]]


def _does(w: Words, does: Phrases) -> str:
    return "" if w.chance(0.05) else w.say(does)


def pair_of(w: Words, source: Source, taking: list[Use]) -> Pair:
    """The tools of a source and of what takes its value."""
    subject_key = cased(w, w.pick(source.parameters))
    sample = source.make(w)
    kind = "number" if source.sort == "amount" else kind_of(sample)
    subject = schema_of(w, subject_key, "string", spoken(source.tools[0]))
    name = cased(w, w.pick(source.tools))
    finder = Tool(name, _does(w, source.does), [Parameter(subject_key, subject, "", "")], {}, "", name)
    key = w.pick(source.keys)
    out = []
    for use in taking:
        own = key if key in use.parameters and w.chance(0.6) else w.pick(use.parameters)
        keys = [cased(w, own)]
        parameters = [Parameter(keys[0], schema_of(w, keys[0], kind, spoken(use.tools[0])), "", "")]
        if use.make is not None:
            more = cased(w, w.pick([name for name in use.more if name != own] or [f"{own}_more"]))
            kind_of_more = kind_of(use.make(w))
            keys.append(more)
            parameters.append(Parameter(more, schema_of(w, more, kind_of_more, spoken(use.tools[0])), "", ""))
            if w.chance(0.15):
                parameters.reverse()
        called = cased(w, w.pick(use.tools))
        out.append((use, Tool(called, _does(w, use.does), parameters, {}, "", called), tuple(keys)))
    return Pair(source, finder, subject_key, key, out)


def _any_sort(w: Words) -> tuple[list[Source], list[Use]]:
    """Sources and uses of one sort; in the held-out split one of the two at least is held out."""
    if not w.heldout:
        found = [w.pick(sources("train"))]
        taking = [use for use in uses("train") if use.sort == found[0].sort]
        return (found, taking) if taking else _any_sort(w)
    if w.chance(0.5):
        use = w.pick(uses("heldout"))
        return [one for one in (*sources("train"), *sources("heldout")) if one.sort == use.sort], [use]
    source = w.pick(sources("heldout"))
    return [source], [use for use in (*uses("train"), *uses("heldout")) if use.sort == source.sort]


def written_pair(w: Words, n: int) -> Pair:
    """A pair of the lists, with up to so many uses."""
    found, taking = _any_sort(w)
    if not found or not taking:
        return written_pair(w, n)
    return pair_of(w, w.pick(found), w.sample(taking, n))


# -- pairs of any noun -------------------------------------------------------------------------------------------------

_FINDING = ("find", "search", "look_up", "get", "fetch", "locate")
_BY: tuple[tuple[tuple[str, ...], Callable[[Words], Any], Phrases], ...] = (
    (("customer", "client", "company"), Words.company, Phrases("the {t} of {{n}}", "{{n}}'s {t}", "the {t} for {{n}}", "the {t} of the customer {{n}}", "the {t} that belongs to {{n}}")),
    (("name", "owner", "person"), Words.full_name, Phrases("the {t} of {{n}}", "{{n}}'s {t}", "the {t} for {{n}}", "the {t} under the name {{n}}", "the {t} that belongs to {{n}}")),
    (("title", "query", "name"), Words.title, Phrases('the {t} "{{n}}"', "the {t} called {{n}}", "the {t} named {{n}}", "the {t} titled '{{n}}'", "the {t} with the title {{n}}")),
    (("email", "mail", "address"), Words.email, Phrases("the {t} for {{n}}", "the {t} with the email {{n}}", "the {t} of {{n}}", "the {t} registered for {{n}}", "the {t} that belongs to {{n}}")),
    (("city", "place", "town"), Words.city, Phrases("the {t} from {{n}}", "the {t} in {{n}}", "our {t} in {{n}}", "the {t} of the city of {{n}}", "the {t} for {{n}}")),
    (("date", "day", "on"), maker("isodate"), Phrases("the {t} of {{n}}", "the {t} dated {{n}}", "the {t} from {{n}}", "the {t} with the date {{n}}", "the {t} for {{n}}")),
)  # fmt: skip


def _usable(deed: Deed) -> bool:
    return not deed.flags & {"p", "c"} and not deed.question and len(deed.verbs[0].base.split()) < 4


def composed_pair(w: Words, n: int) -> Pair:
    """A pair of any noun: it is found by something, and then something is done to it by its number."""
    noun, snake = named_noun(w, _KINDS_OF_NOUNS)
    parameters, subject, what = w.pick(_BY)
    keys = (f"{snake}_id", f"{snake}_id", "id", f"{snake}_number", "number", "reference", f"{snake}_code")
    make: Callable[[Words], Any] = Words.code if w.chance(0.5) else lambda w: w.between(10, 99999)
    said = Phrases(w.pick(what.of(w.split)).format(t=noun.one))
    does = Phrases(*(text.format(t=noun.one, m=noun.many) for text in ("Finds {m}.", "Looks up the {t}.", "Searches {m} and gives their numbers.", "Returns the {t} that fits.")))  # fmt: skip
    source = Source("noun", make, keys, tuple(f"{verb}_{snake}" for verb in _FINDING), does, parameters, subject, said, noun.one)  # fmt: skip
    deeds: list[Deed] = []
    for deed in w.shuffled(d for d in deeds_for(w.split, noun.kind) if _usable(d)):
        if len(deeds) < n and not any(deed.resembles(other) for other in deeds):
            deeds.append(deed)
    taking = [_use_of(deed, noun, snake, keys) for deed in deeds]
    return pair_of(w, source, taking) if taking else composed_pair(w, n)


def _use_of(deed: Deed, noun: Noun, snake: str, keys: tuple[str, ...]) -> Use:
    clauses = []
    for verb in deed.verbs:
        head, sign, tail = verb.base.partition(" @ ")
        clauses.append(f"{head} {{o}} {tail}" if sign else f"{verb.base} {{o}}")
    tools = tuple(f"{verb.base.replace(' @', '').replace(' ', '_')}_{snake}" for verb in deed.verbs)
    does = Phrases(*(f"{verb.third.replace(' @', '')} {noun.many}.".capitalize() for verb in deed.verbs[:2]))
    return Use("noun", tools[:1] * 2 + tools, does, keys, (), None, Phrases(*clauses))


def pronoun(w: Words, source: Source) -> str:
    """How what was found is spoken of afterwards."""
    own = source.noun or _NOUNS.get(source.sort, "")
    return w.pick(_PRONOUNS.get(source.sort) or (("it", "it", f"that {own}", f"the {own}") if own else ("it",)))


def by_value(w: Words, source: Source, value: Any) -> str:
    """How a request says the value itself."""
    own = source.noun or _NOUNS.get(source.sort, "")
    if source.sort == "text":
        return w.pick((f"'{value}'", f'"{value}"', f"the text '{value}'"))
    if source.sort in ("url", "file") or not own:
        return str(value)
    return w.pick((f"{own} {value}", f"the {own} {value}", f"{own} {value}", f"{own} number {value}"))
