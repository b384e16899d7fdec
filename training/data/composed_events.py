"""Events of composed passages: their circumstances, and their verbs in sentences and questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.data import composed_words as words
from training.data.composed_things import NUMBERS, Thing, article, claimed, somebody, thing
from training.data.composed_words import Frame, Verb
from training.data.words import MONTHS, WEEKDAYS, Words

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


# -- circumstances -----------------------------------------------------------------------------------------------------


@dataclass
class Part:
    """A circumstance of an event.

    Attributes:
        role: What it is: time, place, reason.
        text: Its words with their preposition.
        bare: Without it.
        preposition: The preposition.
        kind: What kind of time, or of noun.
        thing: Who or what is named.
        shown: How it stands in the passage, where that is not `text`.
    """

    role: str
    text: str
    bare: str
    preposition: str = ""
    kind: str = ""
    thing: Thing | None = None
    shown: str = ""


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


#: Where one is on, not in.
_SURFACES = frozenset("island beach hill moor lawn heath balcony veranda avenue path cycle footpath".split()) | {
    *("playground", "campsite", "golf course", "cricket ground", "running track", "tennis court", "football pitch"),
    *(
        "cliff path",
        "cycle path",
        "bridge path",
        "building site",
        "racecourse",
        "driveway",
        "village green",
        "allotment",
    ),
}


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


def _built(w: Words, name: str, taken: set[str]) -> str:
    """A circumstance that is itself a little event, or the neighbourhood of something."""

    def new(kind: str) -> str:
        for _ in range(40):
            made = somebody(w, kind) if kind in ("name", "role") else thing(w, kind)
            if not made.plural and claimed(made, taken):
                break
        return made.text

    frame = w.pick(words.frames(w.split))
    while "x" in frame.flags:
        frame = w.pick(words.frames(w.split))
    verb = w.pick(frame.verbs)
    text = w.pick(words.listed(name, w.split))
    kinds = {
        "S": w.pick(("name", "role")),
        "O": w.pick(frame.objects),
        "E": "event",
        "B": "building",
        "C": "building",
        "L": "land",
        "R": "room",
    }
    slots: dict[str, object] = {key: new(kind) if f"{{{key}}}" in text else "" for key, kind in kinds.items()}
    slots |= {"c": w.city(), "n": w.pick(NUMBERS), "u": w.pick(("hours", "days", "weeks", "months"))}
    return text.format_map(slots | {"base": verb.base, "past": verb.past, "done": verb.done, "ing": verb.ing})


def _circumstance(w: Words, name: str, built: str, share: float, taken: set[str], names: Sequence[str]) -> str:
    """A line of a list, or one that is built anew."""
    if w.chance(share):
        return _built(w, built, taken)
    return _slots(w, w.pick(words.listed(name, w.split)), names)


def _time(w: Words, tense: str, taken: set[str]) -> Part:
    if tense == PAST and w.chance(0.3):
        text = _built(w, "time_made", taken)
        return Part("time", text, text, kind="phase")
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
        if made.noun in _SURFACES and preposition in ("in", "into"):
            preposition = preposition.replace("in", "on")
    return Part("phrase", f"{preposition} {text}", text, preposition, kind, made)


def _candidates(w: Words, frame: Frame, tense: str, taken: set[str], names: Sequence[str]) -> dict[str, Part]:
    """One circumstance of each sort that an event may have."""
    out = {"time": _time(w, tense, taken)}
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
        text = _circumstance(w, "place", "place_made", 0.4, taken, names)
        bare = text[3:] if text.startswith("in ") and text[3].isupper() else text
        out["place"] = Part("place", text, bare)
    name = "reason" if tense == PAST else "reason_now"
    text = _circumstance(w, name, name.replace("reason", "reason_made"), 0.55, taken, names)
    link = w.weighted((6, "because"), (2, "since"), (2, "as"))
    out["reason"] = Part("reason", f"{link} {text}", text, link)
    if willed:
        text = _circumstance(w, "purpose", "purpose_made", 0.6, taken, names)
        text = w.weighted((7, ""), (2, "in order "), (1, "so as ")) + text
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
        text = w.pick(words.listed("tool", w.split))
        if w.chance(0.45):
            text = article(f"{w.pick(words.modifiers('phys', w.split))} {words.noun(w, 'tool').one}")
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
            short = parts[at + 1].role == "time" and len(parts[at + 1].text.split()) <= 4
            if parts[at].role == "place" and short and w.chance(0.4):
                parts[at], parts[at + 1] = parts[at + 1], parts[at]
        return "".join(f" {part.text}" for part in parts)


def event(w: Words, frame: Frame, subject: Thing, obj: Thing, tense: str, taken: set[str], most: int = 3) -> Event:
    """An event with at most so many circumstances; `taken` are those who and what is spoken of already."""
    names = [name for name in sorted(taken) if " " in name and all(part[0].isupper() for part in name.split())]
    found = _candidates(w, frame, tense, taken, names)
    parts: list[Part] = [found.pop("phrase")] if "p" in frame.flags and "phrase" in found else []
    wanted = min(most, w.pick((0, 1, 1, 1, 2, 2, 2, 3)))
    while found and len(parts) < wanted:
        role = w.weighted(*((_LIKELY.get(name, 1.0), name) for name in found))
        part = found.pop(role)
        parts.append(part)
        if part.kind == "phase" and part.text.startswith(
            ("as soon", "when", "while", "once", "the moment", "after", "just before", "the day")
        ):
            found.pop("purpose", None)
            found.pop("reason", None)
        for one, other in (
            ("reason", "purpose"),
            ("purpose", "reason"),
            ("companion", "beneficiary"),
            ("beneficiary", "companion"),
        ):
            if role == one:
                found.pop(other, None)
    return Event(frame, w.pick(frame.verbs) if w.chance(0.4) else frame.verbs[0], subject, obj, parts, tense)
