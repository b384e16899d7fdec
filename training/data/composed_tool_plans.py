"""One composed tool: what it does to what, its name, its description, and a request with fresh values."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training.data import composed_tool_phrases as said
from training.data.composed_things import article
from training.data.composed_tool_values import Given
from training.data.composed_tool_words import Deed
from training.data.composed_words import Noun, Verb
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, said_value, spoken
from training.data.words import Phrases, Words, capitalized, ended

Style = Callable[[list[str]], str]
DEED, THING, KEY = "deed", "thing", "key"


@dataclass
class Plan:
    """A tool before it has a name.

    Attributes:
        deed: What it does.
        noun: To what.
        quality: What stands before the noun, or "".
        key: By what the thing is found, or "".
        given: Its parameters.
        needs: What a request must say, so that it can mean none of the tools beside it.
        beside: A tool beside it that it might be taken for.
        others: Words of the tools beside it that a request must not say in passing.
        verb: The verb that names it.
        told: The verb that describes it.
        name: Its name.
        description: What it is for.
    """

    deed: Deed
    noun: Noun
    quality: str = ""
    key: str = ""
    given: list[Given] = field(default_factory=list)
    needs: frozenset[str] = frozenset((DEED, THING))
    beside: Plan | None = None
    others: frozenset[str] = frozenset()
    verb: Verb | None = None
    told: Verb | None = None
    name: str = ""
    description: str = ""

    @property
    def many(self) -> bool:
        """Whether it is about several things at once."""
        return "p" in self.deed.flags

    @property
    def makes(self) -> bool:
        """Whether the thing comes into being."""
        return "c" in self.deed.flags

    @property
    def informs(self) -> bool:
        """Whether it tells something that one asks for by "what is"."""
        return self.deed.question == "get" and self.noun.kind in ("info", "money", "health") and not self.many

    @property
    def own(self) -> Verb:
        """The verb that names it."""
        return self.verb or self.deed.verbs[0]


# -- words -------------------------------------------------------------------------------------------------------------


_WHO = frozenset(("people", "person", "being", "group"))


def _slots(w: Words, plan: Plan, verb: Verb, *, asked: bool) -> dict[str, str]:
    """What fills the phrasings; of a request if `asked`, else of a description."""
    noun, quality = plan.noun, f"{plan.quality} " if plan.quality else ""
    one, several = quality + noun.one, quality + (noun.one if noun.mass else noun.many)
    plural = plan.many and not noun.mass
    who = noun.kind in _WHO
    if noun.modifiers == "-" or (noun.mass and not plural):
        thing = w.pick((one, f"the {one}", f"the {one}"))
    elif plural:
        thing = w.pick((f"all {several}", f"the {several}", several, f"our {several}" if asked else several))
    elif plan.makes:
        thing = w.pick((article(one), f"a new {one}", article(one)))
    elif asked:
        thing = f"{w.pick(('the', 'the', 'the', 'this', 'my', 'our', 'that'))} {one}"
    else:
        thing = w.pick((article(one), f"the {one}", article(one), f"one {one}"))
    bare = several if plural else one
    slots = dict(v=verb.base, t=verb.third, i=verb.ing, d=verb.done, e=plan.deed.noun, o=thing, n=bare, m=several)
    slots |= {key.upper(): capitalized(value) for key, value in slots.items()}
    return slots | {
        "be": "are" if plural else "is",
        "has": "have" if plural else "has",
        "have": "have" if plural or who else "has",
        "needs": "need" if plural else "needs",
        "it": "them" if plural or who else "it",
        "they": "they" if plural or who else "it",
        "They": "They" if plural or who else "It",
    }


_PARTICLES = frozenset(
    ("on", "off", "up", "out", "down", "away", "back", "over", "apart", "together", "aside", "in", "aloud")
)
_WITH_OBJECT = re.compile(r"\{([vtidyVTID])\} (\{o\}|\{it\}|\{m\}|this one|that|this)(?![a-z])")


def _say(w: Words, template: str, slots: dict[str, str]) -> str:
    """The template filled; verbs of two words go around their object where they may or must."""

    def apart(found: re.Match[str]) -> str:
        form, thing = slots[found[1]], found[2]
        head, sign, tail = form.partition(" @ ")
        if not sign:
            head, _, tail = form.partition(" ")
            if tail not in _PARTICLES or (thing in ("{o}", "{m}") and w.chance(0.6)):
                return found[0]
        return f"{head} {thing} {tail}"

    filled = _WITH_OBJECT.sub(apart, template)
    return filled.format_map({key: text.replace(" @ ", " ") if key != "s" else text for key, text in slots.items()})


# -- names and descriptions --------------------------------------------------------------------------------------------

_SAFE = re.compile(r"[^a-z0-9]+")
_STYLES: tuple[Style, ...] = (
    "_".join,
    "_".join,
    "_".join,
    "_".join,
    lambda parts: parts[0] + "".join(part.capitalize() for part in parts[1:]),
    lambda parts: "".join(part.capitalize() for part in parts),
    "-".join,
    "".join,
)
_BEFORE_NAME = ("get", "do", "run", "handle", "api", "my", "tool", "action", "call", "perform", "use", "app", "fn")
_AFTER_NAME = (
    "tool",
    "v2",
    "api",
    "action",
    "service",
    "helper",
    "data",
    "info",
    "record",
    "now",
    "function",
    "v1",
    "task",
)


def some_style(w: Words) -> Style:
    """A way to write a name."""
    return w.pick(_STYLES[:-1]) if w.chance(0.96) else _STYLES[-1]


def pieces(text: str) -> list[str]:
    """The words of a text, in small letters."""
    return [piece for piece in _SAFE.split(text.lower().replace("'", "")) if piece]


def _named(w: Words, plan: Plan, style: Style) -> frozenset[str]:
    """Gives the plan a name; what the name says of deed and thing."""
    verb = pieces(plan.own.base)
    noun = plan.noun.many if plan.many and not plan.noun.mass and w.chance(0.75) else plan.noun.one
    thing = pieces(f"{plan.quality} {noun}")
    hidden = bool(plan.key) and w.chance(0.2)
    by = ["by", plan.key] if plan.key and not hidden else []
    x = w.rng.random()
    tells = frozenset((DEED, THING, KEY))
    if x < 0.64:
        parts = verb + thing + by
    elif x < 0.74:
        parts = thing + verb + by
    elif x < 0.8 and plan.deed.noun:
        parts = thing + pieces(plan.deed.noun) + by
    elif x < 0.87:
        parts, tells = thing + by, frozenset((THING, KEY))
    elif x < 0.94:
        parts, tells = verb + by, frozenset((DEED, KEY))
    elif x < 0.97:
        parts, tells = [w.pick((w.syllables, w.salad, w.noun))()], frozenset()
    else:
        parts = pieces(plan.own.ing) + thing + by
    y = w.rng.random()
    if y < 0.05:
        parts = [w.pick(_BEFORE_NAME), *parts]
    elif y < 0.13:
        parts = [*parts, w.pick(_AFTER_NAME)]
    elif y < 0.15:
        parts = [w.syllables(), *parts]
    plan.name = style(parts) or w.syllables()
    return tells - {KEY} if hidden else tells


def _description(w: Words, plan: Plan, tells: frozenset[str]) -> str:
    full = plan.needs <= tells
    if full and w.chance(0.1):
        return ""
    plan.told = verb = (
        plan.own if w.chance(0.55) else w.pick([one for one in plan.deed.verbs if not _long(one)] or [plan.own])
    )
    slots = _slots(w, plan, verb, asked=False)
    if full and w.chance(0.12):
        half = said.HALF_THING if DEED in tells and w.chance(0.5) else said.HALF_DEED
        return _say(w, w.template(half, rough=False), slots)
    form = said.DOES_DEED if plan.deed.noun and w.chance(0.2) else said.DOES
    form = said.DOES_INFO if plan.informs and w.chance(0.5) else form
    text = _say(w, w.template(form, rough=False), slots)
    if plan.key:
        text = f"{text.rstrip('.')} by {w.pick(('', 'its ', 'the ', 'their '))}{plan.key}{'.' if text.endswith('.') else ''}"
    if w.chance(0.22):
        text = f"{text.rstrip('.')}. {w.say(said.MORE)}"
    return text


# -- requests ----------------------------------------------------------------------------------------------------------


def _in_a_row(w: Words, parts: list[str]) -> str:
    out = ""
    for at, part in enumerate(parts):
        out += " " if at == 0 else w.pick((" and ", ", ", " ", ", and "))
        out += part.removeprefix("and ") if at == 0 or out.endswith("and ") else part
    return out


def _values(w: Words, plan: Plan, wanted: list[Parameter]) -> tuple[str, str]:
    """The values as they stand in the sentence and after it; one of the two is empty."""
    if not wanted:
        return "", ""
    first = [p for p in wanted if plan.given and p.name == plan.given[0].name]
    rest = w.shuffled(p for p in wanted if p not in first)
    ordered = first + rest if w.chance(0.8) else w.shuffled(wanted)
    x = w.rng.random()
    if x > 0.2:
        return _in_a_row(w, [p.said for p in ordered]), ""
    pair = w.template(said.PAIRS, rough=False)
    pairs = [pair.format(p=spoken(p.name) if w.chance(0.8) else p.name, v=said_value(p.value)) for p in ordered]
    row = w.pick((", ", ", ", "; ", " / ", "\n") if len(pairs) > 1 else (", ",)).join(pairs)
    if x > 0.11:
        return w.tell(said.LISTED, q=row), ""
    return "", w.tell(said.TAILS, q=row, Q=row if pair.startswith("{v}") else capitalized(row))


def _long(verb: Verb) -> bool:
    """Whether it has its own object: "keep an eye on"."""
    return len(verb.base.split()) > 2 and "@" not in verb.base


def _sentence(w: Words, plan: Plan, verb: Verb) -> Phrases:
    """A form for a request that says what it needs to."""
    if plan.needs == {THING} and w.chance(0.22):
        return said.THING
    if plan.needs == {DEED} and not _long(verb) and w.chance(0.22):
        return said.VERB
    if plan.informs and w.chance(0.6):
        return said.ASKED_INFO
    if plan.deed.question and w.chance(0.35):
        return said.QUESTIONS[plan.deed.question]
    if _long(verb):
        return said.GERUND if w.chance(0.2) else said.ACTIVE
    x = w.rng.random()
    if plan.deed.noun and x < 0.15:
        return said.DEED
    passive = plan.noun.kind not in _WHO or w.chance(0.5)
    if x < 0.36 and passive and not plan.makes:
        return said.PASSIVE
    return said.GERUND if x < 0.48 else said.FRAGMENT if x < 0.6 else said.ACTIVE


def _contrast(w: Words, plan: Plan, other: Plan, form: Phrases) -> tuple[Phrases, dict[str, str]]:
    """A form that says, too, what is not meant, and its slots; the form given where that could not be told."""
    if DEED in plan.needs and other.noun is plan.noun and other.quality == plan.quality:
        verb = w.pick(other.deed.verbs) if w.chance(0.3) else other.own
        return said.NOT_DEED, dict(y=verb.base, p=verb.past, z=verb.done, j=verb.ing)
    if THING in plan.needs and other.deed is plan.deed and DEED not in plan.needs:
        slots = _slots(w, other, plan.own, asked=True)
        return said.NOT_THING, dict(x=slots["o"], X=slots["O"], xbe=slots["be"])
    return form, {}


def _because(w: Words, plan: Plan, request: str) -> str:
    why = w.tell(said.REASONS, p=w.first_name(), c=w.city(), k=w.between(4, 19))
    if plan.others & set(pieces(why)):
        return request
    small = request[:1].lower() + request[1:] if request[1:2].islower() else request
    return w.tell(said.BEFORE, r=ended(request), l=small, b=why, B=capitalized(why))


def _request(w: Words, plan: Plan, wanted: list[Parameter]) -> tuple[str, str]:
    """What a user says, and the same as a clause."""
    verb = w.weighted((5, plan.own), (2, plan.told or plan.own), (3, w.pick(plan.deed.verbs)))
    inside, after = _values(w, plan, wanted)
    slots = _slots(w, plan, verb, asked=True)
    form = _sentence(w, plan, verb)
    if plan.beside and w.chance(0.09):
        form, more = _contrast(w, plan, plan.beside, form)
        slots |= more
    template = w.template(form, rough=w.chance(0.5))
    request = _say(w, template, {**slots, "s": inside}) + after
    if w.chance(0.14):
        request = _because(w, plan, request)
    row = _in_a_row(w, [p.said for p in wanted])
    return request, _say(w, "{v} {o}{s}", {**slots, "s": row})


# -- tools -------------------------------------------------------------------------------------------------------------


def tool_of(w: Words, plan: Plan) -> Tool:
    """The plan as a tool, with a new request."""
    made = [given.parameter(w) for given in plan.given]
    wanted = [p for p in made if p.required or w.chance(0.5)]
    if plan.key and made[0] not in wanted:
        wanted = [made[0], *wanted]
    request, short = _request(w, plan, wanted)
    arguments = {p.name: p.value for p in made if p in wanted}
    again: Callable[[Words], Tool] = lambda w: tool_of(w, plan)  # noqa: E731 # a name would say no more
    extra: dict[str, Any] = {"again": again, "plan": plan}
    return Tool(
        plan.name, plan.description, made, arguments, request, f"{plan.quality} {plan.noun.one}".strip(), short, extra
    )


def finish(w: Words, plan: Plan, style: Style) -> None:
    """Gives a plan its name and description."""
    plan.verb = plan.deed.verbs[0] if w.chance(0.7) else w.pick(plan.deed.verbs)
    plan.description = _description(w, plan, _named(w, plan, style))
