"""Records composed anew each time: sentences about invented doings, and a schema for who did what, to what, where, when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from training.data import composed_words as words
from training.data.composed import SINGLE, Pairs
from training.data.composed_events import PAST, USUAL, Event, Part
from training.data.composed_things import somebody, thing
from training.data.composed_words import Frame, Verb
from training.data.words import Words, capitalized

_OR = frozenset("inspect direct edit collect visit translate donate invent conduct illustrate decorate operate".split())
_DETERMINER = re.compile(r"^(?:the|an?(?! few )|some) ")
_AIM = re.compile(r"^(?:in order|so as) (?=to )")
_PLACE = re.compile(r"^(?:in|at|on) (?!front |between )(?:the |an? )?")
#: Kinds of nouns that people call so; anything else is a thing.
_CALLED = frozenset(
    "device vehicle boat furniture animal plant food fruit building room picture book toy tool event song letter".split()
) | {"firm", "group"}
#: What is told as it stands; of anything else the article is left out.
_WHOLE = frozenset(("reason", "purpose", "when", "manner", "duration", "price"))
#: Places whose preposition tells something: in the shadow of the tower, on the way from Rome to Oslo.
_RELATED = re.compile(r" (?:of|from|to|between) ")
_KINDS_OF_TIME = {"year": "year", "month": "month", "day": "day", "date": "date", "clock": "time"}
_TO = {
    "to": ("to", "recipient", "receiver", "to_whom"),
    "from": ("from", "source", "from_whom", "origin"),
    "for": ("for", "for_whom", "beneficiary"),
    "with": ("with", "together_with", "along_with"),
    "about": ("about", "subject", "topic"),
}
#: The circumstances of an event: other names for the key, and what it means.
_ROLES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "place": (("location", "where", "site", "scene"), ("Where it was", "The place", "Where it happened")),
    "reason": (("cause", "why", "because_of"), ("Why it was done", "The reason", "What made them do it")),
    "purpose": (("aim", "what_for", "intention"), ("What it was for", "The aim", "To what end")),
    "instrument": (("tool", "with_what", "by_means_of"), ("With what it was done", "The tool used")),
    "companion": (("helper", "together_with", "accompanied_by"), ("Who else took part", "With whom")),
    "beneficiary": (("for_whom", "on_behalf_of", "client"), ("For whom it was done", "Who gets it")),
    "price": (("cost", "amount", "paid"), ("How much it cost", "The price with its currency")),
    "manner": (("how", "way"), ("In which way", "How it was done")),
    "duration": (("how_long", "length_of_time", "time_needed"), ("How long it took", "For how long")),
    "year": (("in_year", "year_of_event"), ("In which year", "The year")),
    "month": (("which_month", "calendar_month"), ("In which month", "The month")),
    "day": (("weekday", "on_day", "which_day"), ("On which day", "The day")),
    "date": (("on_date", "happened_on", "day"), ("On which date", "The date")),
    "time": (("at", "hour", "clock_time"), ("At what time", "The hour")),
    "when": (("at_what_time", "moment", "period"), ("When it happened", "When that was")),
}
_FIELDS_OF_PEOPLE = ("person", "name", "who", "actor", "responsible", "agent", "by")
_FIELDS_OF_FIRMS = ("company", "firm", "organization", "who", "by", "business")
_FIELDS_OF_THINGS = ("item", "object", "what", "thing", "target")


def _agent(verb: Verb) -> str:
    """What somebody is called who does it: "repair" gives "repairer"."""
    stem = verb.ing.removesuffix("ing")
    if verb.base in _OR:
        return f"{stem}or"
    return f"{stem[:-1]}ier" if stem.endswith("y") and stem[-2] not in "aeiou" else f"{stem}er"


def _snake(text: str) -> str:
    return "_".join(re.findall(r"[a-z]+", text.lower()))


@dataclass
class _Deed:
    """Something that a record tells: a frame, whether a firm does it, and how its keys are told from another deed's."""

    frame: Frame
    kind: str  # of what it is done to
    actor: str
    own: bool  # whether every key must name the deed

    @property
    def done(self) -> str:
        return _snake(self.frame.verbs[0].done)

    def key(self, role: str) -> str:
        """The line's name of a field."""
        return f"{self.done}_{role}" if self.own else role

    def fields(self) -> dict[str, str]:
        """The fields that its texts may tell, as `records` reads them."""
        verb, done = self.frame.verbs[0], self.done
        thing = {"firm": "company", "group": "team"}.get(self.kind, self.kind) if self.kind in _CALLED else "thing"
        it = f"the {thing}"
        people = _FIELDS_OF_FIRMS if self.actor == "firm" else _FIELDS_OF_PEOPLE
        doer = [f"{done}_by", f"who_{_snake(verb.past)}"]
        if " " not in verb.base:
            doer += [_agent(verb), _agent(verb)]
        subject = (*doer, *(() if self.own else people))
        what = [f"{done}_{_snake(thing)}", f"what_was_{done}", f"{_snake(thing)}_{done}", f"{done}_item"]
        objects = (*what, *(() if self.own else (*_FIELDS_OF_THINGS, _snake(thing), _snake(thing))))
        out = {
            self.key(
                "who"
            ): f"string / {', '.join(subject)} / Who {verb.past} {it} / {capitalized(self.actor)} who {verb.past} {it} / By whom {it} was {verb.done}",
            self.key(
                "what"
            ): f"string / {', '.join(objects)} / What was {verb.done} / The {thing} that was {verb.done} / What they {verb.past}",
        }
        for role, (also, says) in _ROLES.items():
            names = tuple(f"{done}_{name}" for name in (role, *also)) if self.own else (role, *also)
            told = tuple(f"{text} ({verb.done})" for text in says) if self.own else says
            kind = "integer" if role == "year" else "string"
            out[self.key(role)] = f"{kind} / {', '.join(names)} / {' / '.join(told)}"
        for preposition, kind in self.frame.phrases:
            if preposition in _TO and kind == "person":
                names = _TO[preposition]
            else:
                names = (
                    _snake(kind),
                    f"{preposition.replace(' ', '_')}_{_snake(kind)}",
                    f"{preposition.replace(' ', '_')}_what",
                )
            if self.own:
                names = tuple(f"{done}_{name}" for name in names)
            says = (f"{capitalized(preposition)} {'whom' if kind == 'person' else 'what'} {it} was {verb.done}",)
            out[self.key(_phrase_role(preposition, kind))] = f"string / {', '.join(names)} / {' / '.join(says)}"
        return out


def _phrase_role(preposition: str, kind: str) -> str:
    return _snake(f"{preposition} {kind}")


def _time_role(part: Part) -> str:
    return _KINDS_OF_TIME.get(part.kind, "when") if part.bare != part.text else "when"


def _values(deed: _Deed, one: Event, text: str) -> dict[str, Any]:
    """What the text tells of an event, by the line's names; only what stands in it as it is."""
    found: list[tuple[str, str]] = []
    if one.named:
        found.append(("who", one.subject.text))
    found.append(("what", one.object.text))
    for part in one.parts:
        bare = part.bare
        role = part.role
        if role == "time":
            role = _time_role(part)
        elif role == "phrase":
            role = _phrase_role(part.preposition, part.kind)
        elif role == "place" and not _RELATED.search(bare):
            bare = _PLACE.sub("", bare)
        found.append((role, bare))
    out: dict[str, Any] = {}
    for role, shown in found:
        value = _AIM.sub("", shown) if role in _WHOLE else _DETERMINER.sub("", shown)
        several = role == "what" and " and " in value
        if value in text and not several and (role != "year" or value.isdigit()):
            out[deed.key(role)] = int(value) if role == "year" else value
    return out


@dataclass
class ComposedLine:
    """A kind of record, as `records` uses those that were written by hand, whose texts are made when they are told.

    Attributes:
        deeds: One deed, or two that a text tells.
        data: Titles, what it is, and its fields.
    """

    deeds: list[_Deed]
    tense: str
    data: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def one(self, w: Words, wordings: list[Any]) -> Any:
        """Any of these wordings."""
        return w.pick(wordings)

    def told(self, w: Words) -> tuple[str, dict[str, Any]]:
        """A text, and what it tells by the names of `data`."""
        c = Pairs(w, self.tense)
        events = []
        for deed in w.shuffled(self.deeds):
            actor = c.new(lambda deed=deed: somebody(w, deed.actor if deed.actor == "firm" else _actor(w)))  # type: ignore[misc]
            obj = c.new(lambda deed=deed: thing(w, deed.kind))  # type: ignore[misc]
            one = c.event(actor, frame=deed.frame, obj=obj, most=3 if len(self.deeds) == 1 else 2)
            one.verb = deed.frame.verbs[0] if w.chance(0.7) else one.verb
            text = getattr(c, w.weighted(*_SHAPES))(one)
            c.tell(text, one, plain=True)
            events.append((deed, one))
        if len(self.deeds) == 1 and self.deeds[0].own and w.chance(0.6):
            other = c.event()
            while any(other.frame.near(deed.frame) for deed in self.deeds):
                other = c.event()
            c.tell(c.active(other), other)
            if w.chance(0.5):
                c.sentences.reverse()
        text = " ".join(c.sentences)
        values: dict[str, Any] = {}
        for deed, one in events:
            values |= _values(deed, one, text)
        return text, {own: value for own, value in values.items() if own in self.data["fields"]}


#: Sentences in which somebody is named once and everything stands in one sentence.
_SHAPES = tuple((share, name) for share, name in SINGLE if name not in ("contrasted", "with_fact", "to_whom"))


def _actor(w: Words) -> str:
    return w.weighted((10, "name"), (3, "role"))


def _usable(frame: Frame) -> bool:
    return not frame.alone and "person" not in frame.objects


def _frame(w: Words) -> Frame:
    while not _usable(frame := w.pick(words.frames(w.split))):
        pass
    return frame


def composed_line(w: Words) -> ComposedLine:
    """A new kind of record: what somebody does, or what two people do."""
    frames = [_frame(w)]
    if w.chance(0.35):
        other = _frame(w)
        if not other.near(frames[0]):
            frames.append(other)
    own = len(frames) > 1 or w.chance(0.4)
    deeds = [
        _Deed(frame, w.pick(frame.objects), "firm" if "F" in frame.flags and w.chance(0.25) else "person", own)
        for frame in frames
    ]
    first = frames[0].verbs[0]
    fields: dict[str, str] = {}
    for deed in deeds:
        fields |= deed.fields()
    name = "".join(capitalized(part) for part in (frames[0].noun or first.base).split())
    titles = [name, f"{name}Record", f"{name}Info", f"{name}Data", f"{name}Event", "Event", "Record", "Report", "Entry"]
    does = [
        f"Who {first.past} what.",
        f"What was {first.done}.",
        "What happened.",
        "A report in short.",
        "What the text tells.",
    ]
    return ComposedLine(deeds, USUAL if w.chance(0.1) else PAST, {"title": titles, "does": does, "fields": fields})


__all__ = ["ComposedLine", "composed_line"]
