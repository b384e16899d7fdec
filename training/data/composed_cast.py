"""A composed passage in the making: who and what is in it, what is said of them, and which events it tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from training.data import composed_words as words
from training.data.composed_events import PAST, Event, event
from training.data.composed_questions import Fact, tidy
from training.data.composed_things import NOTHING, NUMBERS, Thing, claimed, somebody, thing
from training.data.composed_words import Frame
from training.data.words import COLORS, WEEKDAYS, Words, capitalized

_MOVED = frozenset("tool furniture vessel device clothes jewel picture instrument cloth toy vehicle boat goods".split())
_FACTS = {
    **dict.fromkeys(_MOVED, "thing_fact"),
    **dict.fromkeys(("name", "role", "person"), "person_fact"),
    **dict.fromkeys(("text", "book"), "text_fact"),
    **{kind: f"{kind}_fact" for kind in ("firm", "building", "event", "animal", "plan")},
}
_ACT = ("name", "role", "group", "pair", "firm")
_COMPASS = ("north", "south", "east", "west", "north-east", "south-west")
_MATERIALS = ("copper", "oak", "pine", "brass", "glass", "paper", "leather", "bamboo", "steel", "clay", "marble", "plastic", "wax", "straw")  # fmt: skip


def _with_an(text: str) -> str:
    return re.sub(r"\ba (?=[aeioAEIO])(?!one\b|eu)", "an ", text)


@dataclass
class Cast:
    """A passage in the making."""

    w: Words
    tense: str
    like: list[Event] = field(default_factory=list)  # events of another passage, to be mistaken for those of this one
    sentences: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    made: list[Event] = field(default_factory=list)  # those, and the ones of the sentence in the making
    facts: list[Fact] = field(default_factory=list)
    decoys: list[tuple[Event, Thing]] = field(default_factory=list)  # what is said not to have been done
    author: Thing | None = None  # who says "I"
    taken: set[str] = field(default_factory=set)
    seen: list[Thing] = field(default_factory=list)
    last: Thing | None = None  # the subject of the last sentence, where nobody else was in it

    # -- who and what ----------------------------------------------------------------------------------------------

    def new(self, make: Callable[[], Thing]) -> Thing:
        """Somebody or something that is not in the passage yet; where nothing is left, a name."""
        for _ in range(40):
            made = make()
            if claimed(made, self.taken):
                return made
        return self.new(lambda: somebody(self.w, "name"))

    def subject(self, firm: bool) -> Thing:
        """Somebody to act: from the passage or new."""
        w = self.w
        if self.author and w.chance(0.45):
            return self.author
        known = [one for one in self.seen if one.acts and (firm or one.kind != "firm")]
        if known and w.chance(0.3):
            return w.pick(known)
        kind = w.weighted((10, "name"), (5, "role"), (1.5, "group"), (1.2, "pair"), (3 if firm else 0, "firm"))
        return self.new(lambda: somebody(w, kind))

    def mention(self, one: Thing, *, start: bool = False) -> str:
        """A subject as it is called at this place; where it comes in, now and then with what it is."""
        w = self.w
        if one is self.author:
            return one.text
        if one in self.seen:
            if start and one is self.last and one.pronoun != "it" and w.chance(0.6):
                return one.pronoun
            return w.pick(one.again)
        self.seen.append(one)
        if start and one.kind in ("name", "role") and w.chance(0.22):
            if one.kind == "name" and w.chance(0.6):
                job = self.new(lambda: somebody(w, "role"))
                text = job.noun
                self.facts.append(Fact(one, ("What is {S} by profession?", "What is the job of {S}?", "What does {S} do for a living?", "What sort of work does {S} do?"), text, len(self.sentences)))  # fmt: skip
                one.again = (*one.again, f"the {text}")
                article = "an" if text[0] in "aeio" else "a"
                return w.pick(
                    (
                        f"{one.text}, {article} {text},",
                        f"{one.text}, {article} {text} by trade,",
                        f"{one.text} ({article} {text})",
                    )
                )
            return f"{one.text}, who {self.fact(one)},"
        return one.text

    def thing(self, one: Thing) -> str:
        """An object as it is called at this place."""
        if one in self.seen:
            return self.w.pick(one.again)
        self.seen.append(one)
        return one.text

    def _called(self, pronoun: str) -> str:
        """A first name for him or for her."""
        while True:
            name = self.w.first_name()
            if words.pronoun_of(self.w, name) == pronoun:
                return name

    def can_state(self, one: Thing) -> bool:
        """Whether there is something to say of it beside the events."""
        name = _FACTS.get(one.kind, "")
        if any(one is other.subject or one is other.object for other in self.like):
            return False
        if not name or one.plural or one.text == one.noun or (name == "firm_fact" and one.noun):
            return False
        return self.tense == PAST or name not in ("event_fact", "plan_fact")

    def fact(self, one: Thing) -> str:
        """Something that is said of somebody or something beside the events, which can be asked for."""
        w, name = self.w, _FACTS[one.kind]
        for _ in range(40):
            told, questions, answer = w.pick(words.listed(name, w.split)).split(" | ")
            if all(told != fact.source or one is not fact.about for fact in self.facts):
                break
        named = {
            "x": "goods_named",
            "o": "foods_named",
            "s": "sports_named",
            "b": "means_named",
            "l": "languages",
            "z": "liked",
        }
        slots: dict[str, object] = {key: w.pick(words.listed(name, w.split)) for key, name in named.items()}
        slots |= {key: words.noun(w, kind).one for key, kind in (("i", "instrument"), ("u", "building"), ("w", "tool"))}
        slots |= {
            "c": w.city(),
            "f": w.company(),
            "p": w.full_name(),
            "t": w.country(),
            "n": w.first_name(),
            "r": w.first_name(),
        }
        for word, pronoun in (("brother", "he"), ("sister", "she")):
            if word in told:
                slots |= {key: self._called(pronoun) for key in ("n", "r")}
        slots |= {"y": w.between(1830, 2005), "v": w.between(2031, 2060), "k": w.between(18, 96), "g": w.pick(NUMBERS)}
        slots |= {"q": w.pick(COLORS), "d": w.pick(WEEKDAYS), "h": w.pick(NUMBERS[:9]), "e": w.pick(_COMPASS)}
        slots |= {"j": w.pick(words.roles(w.split)), "m": w.pick(_MATERIALS), "S": "{S}", "O": "{O}"}
        asks = tuple(_with_an(text.format_map(slots)) for text in questions.split(" / "))
        self.facts.append(Fact(one, asks, _with_an(answer.format_map(slots)), len(self.sentences), told))
        return _with_an(told.format_map(slots))

    # -- events ----------------------------------------------------------------------------------------------------

    def fits(self, frame: Frame, obj: Thing | None, subject: Thing | None) -> bool:
        """Whether a frame can be used: with a thing to which nobody has done the same yet."""
        if self.tense != PAST and "x" in frame.flags:
            return False
        known = [one for one in (*self.made, *self.like) if one.frame.near(frame)]
        if frame.alone:
            again = any(one in self.like or (subject and one.subject.head == subject.head) for one in known)
            return obj is None and not again and (subject is None or subject.kind in frame.objects)
        if subject and (not subject.acts or (subject.kind == "firm" and (subject.noun or "F" not in frame.flags))):
            return False
        if obj is None:
            return True
        return obj is not subject and obj.kind in frame.objects and all(one.object.head != obj.head for one in known)

    def _doing(self, subject: Thing | None) -> tuple[Frame, Thing | None]:
        """A frame, often that of an event before it; or one that does something else to its object."""
        w = self.w
        models = self.like or self.events
        for _ in range(200):
            x, obj = w.rng.random() * (0.65 if self.like else 1), None
            frame = w.pick(words.frames(w.split, w.chance(0.22)))
            if models and x < 0.3:
                frame = w.pick(models).frame
            elif models and x < 0.55 and (model := w.pick(models)).object is not NOTHING:
                obj = model.object
                frame = w.pick(words.frames_for(w.split, obj.kind) or (frame,))
            if self.fits(frame, obj, subject):
                return frame, obj
        return self._doing(None)

    def _kind_of(self, kind: str) -> Thing:
        """Somebody or something new of a kind."""
        return self.new(lambda: somebody(self.w, kind) if kind in _ACT else thing(self.w, kind))

    def _taken_for(self, frame: Frame) -> Thing | None:
        """Somebody of the passage that this one is to be mistaken for, who did something else there."""
        w, like = self.w, self.like
        found = [
            one.subject
            for one in like
            if one.subject.kind in ("name", "role", "pair")
            and not any(other.subject is one.subject and other.frame.near(frame) for other in like)
        ]
        return w.pick(found) if found else None

    def event(
        self,
        subject: Thing | None = None,
        *,
        frame: Frame | None = None,
        obj: Thing | None = None,
        most: int = 3,
        but: Thing | None = None,
    ) -> Event:
        """A new event; what is not given is drawn, often so that it is easily taken for another one.

        Args:
            subject: Who acts.
            frame: What is done.
            obj: To what, with a frame.
            most: The number of circumstances at most.
            but: Who does not act.
        """
        w = self.w
        if frame is None:
            frame, obj = self._doing(subject)
        if frame.alone:
            obj = NOTHING
            while subject is None or subject is but or subject.kind not in frame.objects:
                subject = self._kind_of(w.pick(frame.objects))
        if obj is None:
            kinds = frame.objects
            obj = self.new(lambda: thing(w, w.pick(kinds)))
        if subject is None and self.like and w.chance(0.5):
            subject = self._taken_for(frame)
        while subject is None or subject is obj or subject is but or not (subject.acts or frame.alone):
            subject = self.subject("F" in frame.flags)
        self.made.append(event(w, frame, subject, obj, self.tense, self.taken, most))
        return self.made[-1]

    def tell(self, text: str, *events: Event, alone: Thing | None = None, plain: bool = False) -> None:
        """A sentence that says events."""
        w = self.w
        if plain and w.chance(0.12):
            opening = w.pick(words.listed("openings", w.split))
            if self.tense == PAST or not opening.startswith(("Then", "Later", "In the end", "Finally", "Meanwhile")):
                text = f"{opening} {text}"
        for one in events:
            one.said = tidy(one.said)
            one.sentence = len(self.sentences)
            self.events.append(one)
        self.sentences.append(
            capitalized(tidy(re.sub(r"\b(by|than|with) I\b", r"\1 me", text)))
            + ("" if text.endswith(('."', ".")) else ".")
        )
        self.last = alone
