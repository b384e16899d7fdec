"""Tools composed anew each time, whose requests tell them apart by what they do, to what, and by which parameter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.data.composed_tool_plans import DEED, KEY, THING, Plan, finish, pieces, some_style, tool_of
from training.data.composed_tool_values import Given, added, circumstance, identified, keys
from training.data.composed_tool_words import Deed, deeds_for, some_deed, some_kind, some_noun, some_quality, with_facet
from training.data.composed_words import Noun
from training.data.parameters import Tool
from training.data.words import Words


def _parameters(w: Words, plan: Plan) -> list[Given]:
    """Parameters that suit the plan: what identifies its thing, its frame's, and further ones."""
    out: list[Given] = []
    n = w.pick((0, 0, 0, 1, 1, 2) if plan.many else (0, 0, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4))
    used = set()
    if n and not plan.many and plan.noun.modifiers != "-" and w.chance(0.2 if plan.noun.kind == "info" else 0.75):
        out.append(identified(w, plan.noun, makes=plan.makes))
        used = {out[0].name, " id", " name"}
    for preposition, kind in w.shuffled(plan.deed.phrases):
        more = added(w, preposition, kind, plan.noun.one) if len(out) < n and w.chance(0.7) else None
        if more and more.name not in used:
            out.append(more)
            used |= {more.name, " city"}
    while len(out) < n:
        out.append(circumstance(w, used, plan.noun.one))
    return _some_optional(w, out)


def _some_optional(w: Words, given: list[Given]) -> list[Given]:
    kept = given[:1]
    for one in given[1:]:
        kept.append(one if w.chance(0.78) else Given(one.name, one.schema, one.make, one.phrases, required=False))
    return kept


def composed_tool(w: Words) -> Tool:
    """A tool of any deed and thing."""
    deed = some_deed(w)
    noun = some_noun(w, w.pick(deed.kinds))
    plan = Plan(deed, noun, some_quality(w, noun) if w.chance(0.2) else "")
    plan.given = _parameters(w, plan)
    finish(w, plan, some_style(w))
    return tool_of(w, plan)


# -- tools that resemble each other ------------------------------------------------------------------------------------


def _clear(one: Noun, others: list[Noun]) -> bool:
    """Whether a noun shares no word with others."""
    words = set(pieces(f"{one.one} {one.many}"))
    return not any(words & set(pieces(f"{other.one} {other.many}")) for other in others)


def _nouns(w: Words, kinds: tuple[str, ...], n: int) -> list[Noun]:
    out: list[Noun] = []
    for _ in range(60):
        one = some_noun(w, w.pick(kinds))
        if len(out) < n and _clear(one, out):
            out.append(one)
    return out


def _deeds(w: Words, kind: str, n: int) -> list[Deed]:
    out: list[Deed] = []
    shuffled = w.shuffled(deeds_for(w.split, kind))
    if w.chance(0.4):
        shuffled.sort(key=lambda deed: "k" not in deed.flags)
    for one in shuffled:
        if len(out) < n and not any(one.resembles(other) for other in out):
            out.append(one)
    return out


def _same_deed(w: Words, n: int) -> list[Plan]:
    deed = some_deed(w)
    return [Plan(deed, noun, needs=frozenset((THING,))) for noun in _nouns(w, deed.kinds, n)]


def _same_thing(w: Words, n: int) -> list[Plan]:
    kind = some_kind(w, n)
    noun = some_noun(w, kind)
    quality = some_quality(w, noun) if w.chance(0.15) else ""
    return [Plan(deed, noun, quality, needs=frozenset((DEED,))) for deed in _deeds(w, kind, n)]


def _grid(w: Words, n: int) -> list[Plan]:
    kind = some_kind(w, 2)
    deeds, nouns = _deeds(w, kind, 2 if n < 5 else 3), _nouns(w, (kind,), 2)
    return w.sample([Plan(deed, noun) for deed in deeds for noun in nouns], n)


def _qualities(w: Words, n: int) -> list[Plan]:
    deed = some_deed(w)
    noun = some_noun(w, w.pick(deed.kinds))
    found = dict.fromkeys(some_quality(w, noun) for _ in range(3 * n))
    return [Plan(deed, noun, quality, needs=frozenset((THING,))) for quality in list(found)[:n] if quality]


def _facets(w: Words, n: int) -> list[Plan]:
    deed = w.pick(deeds_for(w.split, "record"))
    noun = some_noun(w, w.pick(("record", "people", "file", "system", "shop", "any")))
    sides = {side.one: side for side in (with_facet(w, noun) for _ in range(3 * n))}
    nouns = [*list(sides.values())[:n]]
    return [Plan(deed, side, needs=frozenset((THING,))) for side in nouns]


def _compounds(w: Words, n: int) -> list[Plan]:
    """Nouns that stand alone and in front of each other: the invoice, the template, the invoice template."""
    deed = some_deed(w)
    nouns = _nouns(w, deed.kinds, 2 + (n > 3))
    pairs = [(a, b) for a in nouns for b in nouns if a is not b and not a.mass]
    made = [Noun(f"{a.one} {b.one}", f"{a.one} {b.many}", b.kind, b.mass, b.modifiers) for a, b in w.shuffled(pairs)]
    chosen = w.shuffled([*nouns, *made[: max(1, n - 2)]])[:n]
    return [Plan(deed, noun, needs=frozenset((THING,))) for noun in chosen]


def _by_keys(w: Words, n: int) -> list[Plan]:
    kind = w.pick(("record", "people", "file", "shop", "any"))
    finding = [deed for deed in deeds_for(w.split, kind) if deed.question in ("get", "where") or "search" in deed.words]
    deed = w.pick(finding or deeds_for(w.split, kind))
    noun = some_noun(w, kind)
    found = keys(w, n, noun.one)
    return [Plan(deed, noun, "", key, [given], frozenset((KEY,))) for key, given in found]


def _strangers(w: Words, n: int) -> list[Plan]:
    out: list[Plan] = []
    while len(out) < n:
        deed = some_deed(w)
        noun = some_noun(w, w.pick(deed.kinds))
        others = [plan.noun for plan in out]
        if _clear(noun, others) and not any(deed.resembles(plan.deed) for plan in out):
            out.append(
                Plan(
                    deed, noun, needs=frozenset((w.pick((DEED, THING)),)) if w.chance(0.5) else frozenset((DEED, THING))
                )
            )
    return out


_SETS: tuple[tuple[float, Callable[[Words, int], list[Plan]]], ...] = (
    *((26, _same_deed), (28, _same_thing), (14, _grid), (8, _qualities), (6, _facets), (5, _compounds), (7, _by_keys)),
    (12, _strangers),
)


def _told(plan: Plan) -> set[str]:
    """The words that name a plan's deed and thing."""
    return set(
        pieces(" ".join([f"{plan.quality} {plan.noun.one} {plan.noun.many}", *(v.base for v in plan.deed.verbs)]))
    )


def _like(w: Words, plan: Plan, first: Plan, common: list[Given]) -> list[Given]:
    """The parameters of the first tool, for a plan beside it: what identifies its thing has another name."""
    rest = [_about(given, first.noun.one, plan.noun.one) for given in common[1:]]
    if plan.many or plan.noun.modifiers == "-" or not common:
        return rest
    own = identified(w, plan.noun, makes=plan.makes)
    return [own, *(given for given in rest if given.name != own.name)]


def _about(given: Given, was: str, noun: str) -> Given:
    """A parameter whose description speaks of another noun."""
    text = given.schema.get("description", "")
    if was not in text:
        return given
    return replace(given, schema={**given.schema, "description": text.replace(was, noun)})


def composed_tools(w: Words, n: int) -> list[Tool]:
    """So many tools of different names that resemble each other, each with a request that only it can answer."""
    while True:
        plans = w.weighted(*_SETS)(w, n)
        if len(plans) == n and len({(p.deed, p.noun.one, p.quality, p.key) for p in plans}) == n:
            break
    style, shared = some_style(w), w.chance(0.5)
    common = _parameters(w, plans[0])
    for plan in plans:
        plan.others = frozenset(set().union(*(_told(other) for other in plans if other is not plan)) - _told(plan))
        plan.beside = w.pick([other for other in plans if other is not plan] or [None])
        if not plan.given:
            plan.given = _like(w, plan, plans[0], common) if shared else _parameters(w, plan)
        for _ in range(20):
            finish(w, plan, style if w.chance(0.9) else some_style(w))
            if sum(other.name == plan.name for other in plans) == 1:
                break
    if len({plan.name for plan in plans}) < n:
        return composed_tools(w, n)
    return [tool_of(w, plan) for plan in plans]
