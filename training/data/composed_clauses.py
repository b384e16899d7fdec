"""What composed passages tell of: people and things, events with their circumstances, and the clauses that say them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.data import composed_words as words
from training.data.composed_words import Frame, Noun, Verb
from training.data.words import MONTHS, WEEKDAYS, Words

NUMBERS = "two three four five six seven eight nine ten eleven twelve".split()
_ORDINALS = (
    "1st",
    "2nd",
    "3rd",
    "4th",
    "5th",
    "9th",
    "10th",
    "12th",
    "14th",
    "15th",
    "18th",
    "20th",
    "21st",
    "25th",
    "28th",
)
_HOURS = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
PAST, NEXT, USUAL = "past", "next", "usual"


# -- things and people -------------------------------------------------------------------------------------------------


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


def thing(w: Words, kind: str) -> Thing:
    """A thing of a kind, with an article, a number or an owner."""
    if kind in ("person", "firm", "group") and w.chance(0.6):
        return somebody(w, {"person": "name", "firm": "firm", "group": "group"}[kind])
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
        role = w.pick(words.roles(w.split))
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


# -- circumstances -----------------------------------------------------------------------------------------------------


@dataclass
class Part:
    """A circumstance of an event: what it is, its words with their preposition, and without it."""

    role: str
    text: str
    bare: str
    preposition: str = ""
    kind: str = ""
    thing: Thing | None = None


#: The order of circumstances behind an object.
_ORDER = (
    "phrase",
    "instrument",
    "beneficiary",
    "companion",
    "price",
    "manner",
    "place",
    "time",
    "duration",
    "purpose",
    "reason",
)


def _slots(w: Words, text: str, names: Sequence[str]) -> str:
    return text.format(
        p=w.pick(names) if names and w.chance(0.2) else w.person(),
        c=w.city(),
        b=words.noun(w, "building").one,
        a=w.pick(words.modifiers("big", w.split)),
        y=w.between(1700, 2029),
        f=w.between(2031, 2060),
        m=w.pick(MONTHS),
        w=w.pick(WEEKDAYS),
        d=w.between(1, 28),
        o=w.pick(_ORDINALS),
        t=f"{w.between(1, 12)} {w.pick(('am', 'pm'))}"
        if w.chance(0.5)
        else f"{w.between(0, 23)}:{w.between(0, 59):02}",
        h=w.pick(_HOURS),
        k=w.between(15, 90),
    )


def _time(w: Words, tense: str) -> Part:
    name = {PAST: "time", NEXT: "time_next", USUAL: "time_usual"}[tense]
    kind, _, text = w.pick(words.listed(name, w.split)).partition(": ")
    text = _slots(w, text, ())
    bare = text
    if kind in ("year", "month", "day", "date", "clock"):
        for start in ("back in ", "in ", "on ", "at "):
            if text.startswith(start):
                bare = text.removeprefix(start)
                break
    return Part("time", text, bare, kind=kind)


def _phrase(w: Words, preposition: str, kind: str, taken: set[str]) -> Part:
    made: Thing | None = None
    if kind == "city":
        text = w.city()
    elif kind == "country":
        text = w.country()
    elif kind == "language":
        text = w.pick(words.listed("languages", w.split))
    else:
        for _ in range(40):
            made = somebody(w, w.pick(("name", "name", "role"))) if kind == "person" else thing(w, kind)
            if claimed(made, taken):
                break
        assert made is not None
        text = made.text
    return Part("phrase", f"{preposition} {text}", text, preposition, kind, made)


def _candidates(w: Words, frame: Frame, tense: str, taken: set[str], names: Sequence[str]) -> dict[str, Part]:
    """One circumstance of each sort that an event may have."""
    out = {"time": _time(w, tense)}
    willed = "x" not in frame.flags
    if frame.phrases:
        out["phrase"] = _phrase(w, *w.pick(frame.phrases), taken)
    where = out.get("phrase")
    if where is None or where.preposition not in (
        "in",
        "at",
        "behind",
        "under",
        "on",
        "into",
        "onto",
        "through",
        "out of",
    ):
        text = _slots(w, w.pick(words.listed("place", w.split)), names)
        bare = text[3:] if text.startswith("in ") and text[3].isupper() else text
        out["place"] = Part("place", text, bare)
    text = _slots(w, w.pick(words.listed("reason" if tense == PAST else "reason_now", w.split)), names)
    out["reason"] = Part("reason", f"because {text}", text, "because")
    if willed:
        text = _slots(w, w.pick(words.listed("purpose", w.split)), names)
        out["purpose"] = Part("purpose", text, text)
        text = w.pick(words.listed("manner", w.split))
        if tense == PAST:
            out["manner"] = Part("manner", text, text)
        friend = somebody(w, w.pick(("name", "name", "role")))
        if not any(p == "with" for p, _ in frame.phrases) and claimed(friend, taken):
            out["companion"] = Part(
                "companion", f"together with {friend.text}", friend.text, "together with", "person", friend
            )
    if "i" in frame.flags and (where is None or where.preposition != "with"):
        text = _slots(w, w.pick(words.listed("tool", w.split)), names)
        out["instrument"] = Part("instrument", f"with {text}", text, "with")
    if "b" in frame.flags and (where is None or where.preposition not in ("for", "to", "from")):
        friend = somebody(w, w.pick(("name", "role", "group")))
        if claimed(friend, taken):
            out["beneficiary"] = Part("beneficiary", f"for {friend.text}", friend.text, "for", "person", friend)
    if "$" in frame.flags:
        amount = f"{w.between(2, 990) * w.pick((1, 1, 10, 100)):,} {w.pick(('euros', 'dollars', 'pounds', 'francs', 'crowns'))}"
        out["price"] = Part("price", f"for {amount}", amount, "for")
    unit = w.pick(("minutes", "hours", "days", "weeks", "months", "years"))
    length = f"{w.pick(NUMBERS) if w.chance(0.6) else w.between(2, 50)} {unit}"
    if "d" in frame.flags and tense == PAST:
        out["duration"] = Part("duration", f"{w.pick(('in only', 'in', 'within'))} {length}", length, "in")
    elif "l" in frame.flags:
        out["duration"] = Part("duration", f"for {length}", length, "for")
    return out


_LIKELY = {
    "phrase": 4.0,
    "time": 3.0,
    "place": 2.5,
    "reason": 1.6,
    "purpose": 1.2,
    "instrument": 1.5,
    "price": 2.0,
    "duration": 1.2,
}


# -- events ------------------------------------------------------------------------------------------------------------


@dataclass
class Event:
    """Somebody does something, with what is said of it, and where.

    Attributes:
        verb: The verb that the passage uses.
        parts: Its circumstances.
        tense: `PAST`, `NEXT` or `USUAL`.
        named: Whether the passage says who did it.
        sentence: The place of the sentence that says it.
        said: The verb with its object as they stand there, or "".
    """

    frame: Frame
    verb: Verb
    subject: Thing
    object: Thing
    parts: list[Part]
    tense: str
    named: bool = True
    sentence: int = -1
    said: str = ""

    def part(self, role: str) -> Part | None:
        """The circumstance of a sort."""
        return next((part for part in self.parts if part.role == role), None)

    # -- its verb in sentences and questions --

    def finite(self, verb: Verb, plural: bool) -> str:
        """The verb with a subject."""
        if self.tense == PAST:
            return verb.past
        return f"will {verb.base}" if self.tense == NEXT else verb.base if plural else verb.third

    def passive(self, verb: Verb) -> tuple[str, str]:
        """The verb in the passive, in two pieces between which an object stands in questions."""
        if self.tense == NEXT:
            return "will", f"be {verb.done}"
        now = (
            ("are" if self.object.plural else "is")
            if self.tense == USUAL
            else ("were" if self.object.plural else "was")
        )
        return now, verb.done

    @property
    def does(self) -> str:
        """The word that makes a question about the subject."""
        return {PAST: "did", NEXT: "will"}.get(self.tense, "do" if self.subject.plural else "does")

    def tail(self, w: Words, without: str = "") -> str:
        """Its circumstances in their order, each with a blank before it."""
        parts = sorted((part for part in self.parts if part.role != without), key=lambda part: _ORDER.index(part.role))
        for at in range(len(parts) - 1):
            if {parts[at].role, parts[at + 1].role} == {"place", "time"} and w.chance(0.4):
                parts[at], parts[at + 1] = parts[at + 1], parts[at]
        return "".join(f" {part.text}" for part in parts)


def event(w: Words, frame: Frame, subject: Thing, obj: Thing, tense: str, taken: set[str], most: int = 3) -> Event:
    """An event with at most so many circumstances; `taken` are those who and what is spoken of already."""
    names = [name for name in taken if name[:1].isupper()]
    found = _candidates(w, frame, tense, taken, names)
    parts: list[Part] = []
    wanted = min(most, w.pick((0, 1, 1, 1, 2, 2, 2, 3)))
    while found and len(parts) < wanted:
        role = w.weighted(*((_LIKELY.get(name, 1.0), name) for name in found))
        parts.append(found.pop(role))
        for one, other in (
            ("reason", "purpose"),
            ("purpose", "reason"),
            ("companion", "beneficiary"),
            ("beneficiary", "companion"),
        ):
            if role == one:
                found.pop(other, None)
    return Event(frame, w.pick(frame.verbs) if w.chance(0.4) else frame.verbs[0], subject, obj, parts, tense)
