"""Who and what composed passages tell of: how they come in, and how they are called afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from training.data import composed_words as words
from training.data.composed_words import Noun
from training.data.words import Words

NUMBERS = "two three four five six seven eight nine ten eleven twelve".split()
_LISTS = 0.05  # of the things are several different ones
_NO_LISTS = frozenset("person firm group fault news plan event money crime disaster rank role body job skill".split())
_ANY_NOUN = 0.15  # of the things are called by any noun, or by an invented one


@dataclass
class Thing:
    """Somebody or something.

    Attributes:
        text: How it is called where it comes in.
        again: How it may be called afterwards, and in questions.
        head: What tells it from others.
        kind: The kind of noun; "name", "firm", "pair" or "group" for those who act.
        plural: Whether verbs with it are in the plural.
        pronoun: "he", "she", "it" or "they".
        count: How many there are, where it is said.
        unit: What is counted.
        owner: Whose it is, where it is said.
        noun: The bare noun.
    """

    text: str
    again: tuple[str, ...]
    head: str
    kind: str
    plural: bool = False
    pronoun: str = "it"
    count: str = ""
    unit: str = ""
    owner: str = ""
    noun: str = ""

    @property
    def acts(self) -> bool:
        """Whether it is asked for by "who"."""
        return self.kind in ("name", "firm", "pair", "group", "role", "person")

    @property
    def objective(self) -> str:
        """The pronoun as an object."""
        return {"he": "him", "she": "her", "they": "them"}.get(self.pronoun, self.pronoun)


#: The object of a verb that has none.
NOTHING = Thing("", ("",), "", "")


def heads(one: Thing) -> set[str]:
    """What tells somebody or something from others: whole names and their parts, nouns."""
    owner = one.owner.removeprefix("the ").removesuffix("'s")
    named = one.head.split() if one.kind == "name" else one.head.split(" and ")
    return {one.head, *named, *([owner] if owner else ())}


def claimed(one: Thing, taken: set[str]) -> bool:
    """Whether it was not spoken of yet; from now on it is."""
    if heads(one) & taken:
        return False
    taken |= heads(one)
    return True


def article(text: str) -> str:
    """A text with "a" or "an" before it."""
    first = text.lower()
    vowel = first[0] in "aeiou" and not first.startswith(("uni", "use", "one", "eu", "uk"))
    vowel = vowel or first.startswith(("honorary", "hour", "unin", "unim"))
    return f"{'an' if vowel else 'a'} {text}"


def _counted(w: Words, noun: Noun, modifier: str) -> Thing:
    number = w.pick(NUMBERS) if w.chance(0.7) else str(w.between(2, 95))
    unit = noun.many
    if noun.mass:
        unit = f"{w.pick(('sacks', 'bags', 'barrels', 'boxes', 'buckets', 'cartloads', 'kilos', 'tons'))} of {modifier}{noun.one}"
        again: tuple[str, ...] = (f"the {number} {unit}", f"the {unit}")
        return Thing(f"{number} {unit}", again, noun.one, noun.kind, True, "they", number, unit, noun=noun.one)
    again = (f"the {number} {modifier}{unit}", f"the {unit}", f"the {modifier}{unit}")
    return Thing(f"{number} {modifier}{unit}", again, noun.one, noun.kind, True, "they", number, unit, noun=noun.many)


def _several(w: Words, kind: str) -> Thing:
    """Two or three things named one after the other."""
    nouns = {one.one: one for one in (words.noun(w, kind) for _ in range(w.pick((2, 2, 3))))}
    if len(nouns) < 2 or any(one.mass or one.modifiers == "-" for one in nouns.values()):
        return thing(w, kind)
    first = next(iter(nouns.values()))
    texts = []
    for one in nouns.values():
        modifier = w.pick(words.modifiers(one.modifiers, w.split)) + " " if w.chance(0.3) else ""
        texts.append(article(modifier + one.one) if w.chance(0.75) else f"{w.pick(NUMBERS)} {one.many}")
    bare = [f"the {one.one if texts[at].startswith('a') else one.many}" for at, one in enumerate(nouns.values())]
    again = f"{', '.join(bare[:-1])} and {bare[-1]}"
    return Thing(f"{', '.join(texts[:-1])} and {texts[-1]}", (again,), " and ".join(nouns), first.kind, True, "they")


def thing(w: Words, kind: str) -> Thing:
    """A thing of a kind, with an article, a number or an owner."""
    if kind in ("person", "firm", "group") and w.chance(0.6):
        return somebody(w, {"person": "name", "firm": "firm", "group": "group"}[kind])
    if w.chance(_LISTS) and kind not in _NO_LISTS:
        return _several(w, kind)
    noun = words.noun(w, kind)
    choices = words.modifiers(noun.modifiers, w.split)
    modifier = w.pick(choices) + " " if choices and w.chance(0.6) else ""
    if modifier and modifier.strip() in noun.one.split():
        modifier = ""
    if noun.modifiers == "-":
        return Thing(noun.one, (noun.one,), noun.one, noun.kind, noun=noun.one)
    pronoun = "it"
    if noun.kind == "person":
        pronoun = w.pick(("he", "she"))
    one, x = noun.one, w.rng.random()
    if noun.modifiers == "phys" and w.chance(_ANY_NOUN):
        one = w.noun()
        name = f"the {modifier}{one}" if w.chance(0.8) else f"the {one} from {w.city()}"
        return Thing(name, (f"the {modifier}{one}", f"the {one}"), one, noun.kind, noun=one)
    full = modifier + one
    if noun.mass:
        if noun.modifiers == "stuff" and x < 0.3:
            return _counted(w, noun, modifier)
        if noun.modifiers != "stuff":
            return Thing(one, (one,), one, noun.kind, noun=one)
        text = full if x < 0.6 else f"the {full}" if x < 0.85 else f"some {full}"
        return Thing(text, (f"the {full}", f"the {one}"), one, noun.kind, noun=one)
    again = (f"the {full}", f"the {full}", f"the {one}")
    if x < 0.15 and noun.modifiers in ("phys", "food", "live", "text"):
        return _counted(w, noun, modifier)
    if x < 0.24 and noun.modifiers in ("phys", "food", "text", "big", "idea"):
        owner = w.first_name() if w.chance(0.7) else f"the {w.pick(words.roles(w.split))}"
        return Thing(
            f"{owner}'s {full}", (f"{owner}'s {full}", f"{owner}'s {one}"), one, noun.kind, owner=f"{owner}'s", noun=one
        )
    if x < 0.3 and noun.kind not in ("fault", "news", "event", "tool"):
        return Thing(f"the {full} from {w.city()}", again, one, noun.kind, pronoun=pronoun, noun=one)
    text = f"the {full}" if x < 0.6 or noun.kind == "news" else article(full)
    return Thing(text, again, one, noun.kind, pronoun=pronoun, noun=one)


def somebody(w: Words, kind: str = "") -> Thing:
    """Somebody who acts: a name, a role, a firm, a group or two people."""
    kind = kind or w.weighted((10, "name"), (5, "role"), (1.5, "group"), (1.2, "pair"), (2, "firm"))
    if kind == "firm":
        name = w.company()
        return Thing(name, (name,), name, kind)
    if kind == "group":
        noun = words.noun(w, "group")
        text = f"the {noun.one}" if w.chance(0.5) else f"the {noun.one} {w.pick(('of', 'from'))} {w.city()}"
        return Thing(text, (text, f"the {noun.one}"), noun.one, kind, noun=noun.one)
    if kind == "pair":
        one, other = w.first_name(), w.first_name()
        return Thing(f"{one} and {other}", (f"{one} and {other}",), f"{one} and {other}", kind, True, "they")
    if kind == "role":
        role = w.job() if w.chance(0.2) else w.pick(words.roles(w.split))
        modifiers = words.modifiers("who", w.split)
        full = f"{w.pick(modifiers)} {role}" if w.chance(0.4) else role
        if full.count("retired") > 1:
            full = role
        text = f"the {full}" if w.chance(0.75) else f"the {full} from {w.city()}"
        return Thing(text, (f"the {full}", f"the {role}"), role, kind, pronoun=words.pronoun_of(w, role), noun=role)
    first, last = w.first_name(), w.last_name()
    pronoun = words.pronoun_of(w, first)
    if w.chance(0.25):
        return Thing(first, (first,), first, kind, pronoun=pronoun)
    title = {"he": "Mr", "she": "Ms"}[pronoun]
    name = f"{first} {last}"
    return Thing(name, (name, name, first, f"{title} {last}"), name, kind, pronoun=pronoun)
