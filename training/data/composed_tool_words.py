"""What composed tools do, and to what: deeds with their synonyms, and nouns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from training.data import composed_words as composed
from training.data.composed_words import Noun, Verb
from training.data.words import Words, regular_plural

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
        "repair, restore, patch up, upgrade, adjust, configure, tune, replace", "listen to, play, watch, sing, perform",
        "hide, bury, lock up, store, cover, shelter, keep, archive, put away", "track, locate, follow, monitor", "find, search, locate", "get, look up, fetch, show, check, view, read, describe, watch, open",
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
        flags: "p" done to many, "c" it makes something, "k" programs do it everywhere.
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
    common = _common(w.split)
    if common and w.chance(0.25):
        return w.pick(common)
    return w.pick(_deeds(w.split)[0 if w.chance(0.55) else 1])


@lru_cache(maxsize=2)
def _common(split: str) -> tuple[Deed, ...]:
    return tuple(deed for deed in _deeds(split)[0] if "k" in deed.flags)


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
            Noun(one, many or regular_plural(one), kind, one in ("traffic", "air quality"), "tool")
        )
    return {kind: tuple(nouns) for kind, nouns in out.items()}


def some_noun(w: Words, kind: str) -> Noun:
    """A noun of a kind."""
    if kind == "any":
        if w.chance(0.35):
            kind = w.pick(KINDS[:-1])
        else:
            one = w.real_noun()
            return Noun(one, regular_plural(one), kind, False, "tool")
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


def named_noun(w: Words, kinds: tuple[str, ...]) -> tuple[Noun, str]:
    """A noun of one of some kinds that a tool can be named after, and how it stands in the name."""
    while True:
        noun = some_noun(w, w.pick(kinds))
        plain = noun.one.replace("'", "").replace("-", " ")
        if plain.isascii():
            return noun, plain.replace(" ", "_")


def with_facet(w: Words, noun: Noun) -> Noun:
    """One side of a noun: the "order status" of "order"."""
    facet = w.pick(FACETS)
    if facet in noun.one.split():
        return with_facet(w, noun)
    return Noun(f"{noun.one} {facet}", f"{noun.one} {regular_plural(facet)}", noun.kind, False, "tool")
