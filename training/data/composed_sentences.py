"""The sentences of composed passages: one event in one of many shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from training.data import composed_words as words
from training.data.composed_clauses import (
    NEXT,
    NUMBERS,
    PAST,
    USUAL,
    Event,
    Part,
    Thing,
    claimed,
    event,
    somebody,
    thing,
)
from training.data.composed_questions import Fact
from training.data.composed_words import Frame
from training.data.prose import capitalized
from training.data.words import COLORS, Words

_MOVED = frozenset(
    "tool furniture vessel device clothes jewel picture instrument cloth toy vehicle boat goods text".split()
)


@dataclass
class Composer:
    """A passage in the making."""

    w: Words
    tense: str
    like: list[Event] = field(default_factory=list)  # events of another passage, to be mistaken for those of this one
    sentences: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    decoys: list[tuple[Event, Thing]] = field(default_factory=list)  # what is said not to have been done
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
        known = [one for one in self.seen if one.acts and (firm or one.kind != "firm")]
        if known and w.chance(0.3):
            return w.pick(known)
        kind = w.weighted((10, "name"), (5, "role"), (1.5, "group"), (1.2, "pair"), (3 if firm else 0, "firm"))
        return self.new(lambda: somebody(w, kind))

    def mention(self, one: Thing, *, start: bool = False) -> str:
        """A subject as it is called at this place; where it comes in, now and then with what it is."""
        w = self.w
        if one in self.seen:
            if start and one is self.last and one.pronoun != "it" and w.chance(0.6):
                return one.pronoun
            return w.pick(one.again)
        self.seen.append(one)
        if start and one.kind in ("name", "role") and w.chance(0.22):
            if one.kind == "name" and w.chance(0.6):
                job = self.new(lambda: somebody(w, "role"))
                text = job.again[0].removeprefix("the ")
                self.facts.append(Fact(one, ("What is {S} by profession?", "What is the job of {S}?", "What does {S} do for a living?", "What sort of work does {S} do?"), text, len(self.sentences)))  # fmt: skip
                article = "an" if text[0] in "aeio" else "a"
                return w.pick(
                    (
                        f"{one.text}, {article} {text},",
                        f"{one.text}, {article} {text} by trade,",
                        f"{one.text} ({article} {text})",
                    )
                )
            return f"{one.text}, who {self.fact(one, 'person_fact')},"
        return one.text

    def thing(self, one: Thing) -> str:
        """An object as it is called at this place."""
        if one in self.seen:
            return self.w.pick(one.again)
        self.seen.append(one)
        return one.text

    def fact(self, one: Thing, name: str) -> str:
        """Something that is said of somebody or something beside the events, which can be asked for."""
        w = self.w
        for _ in range(40):
            told, questions, answer = w.pick(words.listed(name, w.split)).split(" | ")
            if all(told != fact.source or one is not fact.about for fact in self.facts):
                break
        slots = {
            "c": w.city(),
            "y": w.between(1930, 2005),
            "k": w.between(18, 96),
            "g": w.pick(NUMBERS),
            "f": w.company(),
            "j": w.pick(words.roles(w.split)),
            "p": w.full_name(),
            "l": w.pick(words.listed("languages", w.split)),
            "i": words.noun(w, "instrument").one,
            "z": w.pick(words.listed("liked", w.split)),
            "n": w.first_name(),
            "q": w.pick(COLORS),
            "S": "{S}",
            "O": "{O}",
        }
        asks = tuple(text.format_map(slots) for text in questions.split(" / "))
        text = told.format_map(slots)
        text = (
            text.replace("works as a a", "works as an a").replace(" as a e", " as an e").replace(" as a o", " as an o")
        )
        text = text.replace(" as a i", " as an i").replace(" as a a", " as an a")
        self.facts.append(Fact(one, asks, answer.format_map(slots), len(self.sentences), told))
        return text

    # -- events ----------------------------------------------------------------------------------------------------

    def fits(self, frame: Frame, obj: Thing | None, subject: Thing | None) -> bool:
        """Whether a frame can be used: with a thing to which nobody has done the same yet."""
        if (self.tense != PAST and "x" in frame.flags) or (
            subject and subject.kind == "firm" and "F" not in frame.flags
        ):
            return False
        if obj is None:
            return True
        known = [*self.events, *self.like]
        again = any(one.object.head == obj.head and one.frame.bases & frame.bases for one in known)
        return obj is not subject and obj.kind in frame.objects and not again

    def _doing(self, subject: Thing | None) -> tuple[Frame, Thing | None]:
        """A frame, often that of an event before it; or one that does something else to its object."""
        w = self.w
        models = [*self.events, *self.like]
        while True:
            x, obj = w.rng.random(), None
            frame = w.pick(words.frames(w.split))
            if models and x < 0.3:
                frame = w.pick(models).frame
            elif models and x < 0.55:
                obj = w.pick(models).object
                frame = w.pick(words.frames_for(w.split, obj.kind) or (frame,))
            if self.fits(frame, obj, subject):
                return frame, obj

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
        if obj is None:
            kinds = frame.objects
            obj = self.new(lambda: thing(w, w.pick(kinds)))
        while subject is None or subject is obj or subject is but:
            subject = self.subject("F" in frame.flags)
        return event(w, frame, subject, obj, self.tense, self.taken, most)

    def tell(self, text: str, *events: Event, alone: Thing | None = None) -> None:
        """A sentence that says events."""
        w = self.w
        if w.chance(0.07) and not text.startswith('"'):
            opening = w.pick(words.listed("openings", w.split))
            if self.tense == PAST or not opening.startswith(("Then", "Later", "In the end", "Finally", "Meanwhile")):
                text = f"{opening} {text}"
        for one in events:
            one.sentence = len(self.sentences)
            self.events.append(one)
        self.sentences.append(capitalized(text) + ("" if text.endswith(('."', ".")) else "."))
        self.last = alone

    # -- sentences with one event ----------------------------------------------------------------------------------

    def active(self, one: Event) -> str:
        """Subject, verb, object, circumstances."""
        subject = self.mention(one.subject, start=True)
        one.said = f"{one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}"
        return f"{subject} {one.said}{one.tail(self.w)}"

    def fronted(self, one: Event) -> str:
        """A circumstance first."""
        w = self.w
        first = [part for part in one.parts if part.role in ("time", "place", "reason", "purpose", "manner")]
        if not first:
            return self.active(one)
        part = w.pick(first)
        subject = self.mention(one.subject)
        obj = self.thing(one.object)
        comma = "" if part.role in ("time", "place") and len(part.text) < 16 and w.chance(0.4) else ","
        if w.chance(0.3):
            be, done = one.passive(one.verb)
            return f"{part.text}{comma} {obj} {be} {done} by {subject}{one.tail(w, part.role)}"
        one.said = f"{one.finite(one.verb, one.subject.plural)} {obj}"
        return f"{part.text}{comma} {subject} {one.said}{one.tail(w, part.role)}"

    def passive(self, one: Event) -> str:
        """The object first; now and then nobody is named."""
        w = self.w
        obj = self.thing(one.object)
        be, done = one.passive(one.verb)
        if one.parts and one.subject not in self.seen and w.chance(0.15):
            one.named = False
            return f"{obj} {be} {done}{one.tail(w)}"
        subject = self.mention(one.subject)
        phrase = one.part("phrase")
        if phrase and w.chance(0.5):
            return f"{obj} {be} {done} {phrase.text} by {subject}{one.tail(w, 'phrase')}"
        return f"{obj} {be} {done} by {subject}{one.tail(w)}"

    def cleft(self, one: Event) -> str:
        """ "It was X who ...", "It was on Monday that ..."."""
        w = self.w
        be = "was" if one.tense == PAST else "is"
        subject = self.mention(one.subject)
        obj = self.thing(one.object)
        x = w.rng.random()
        if x < 0.45:
            one.said = f"{one.finite(one.verb, one.subject.plural)} {obj}"
            return f"it {be} {subject} {'that' if one.subject.kind == 'firm' else 'who'} {one.said}{one.tail(w)}"
        verb = one.finite(one.verb, one.subject.plural)
        if x < 0.7 or not one.parts:
            return f"it {be} {obj} that {subject} {verb}{one.tail(w)}"
        part = w.pick(one.parts)
        if part.role == "duration":
            return f"{subject} {verb} {obj}{one.tail(w)}"
        one.said = f"{verb} {obj}"
        return f"it {be} {part.text} that {subject} {one.said}{one.tail(w, part.role)}"

    def identified(self, one: Event) -> str:
        """ "The one who ... was X", "What X did ... was Y"."""
        w = self.w
        be = {PAST: "was", NEXT: "will be", USUAL: "is"}[one.tense]
        obj = self.thing(one.object)
        if one.subject.kind in ("name", "role") and w.chance(0.6):
            one.said = f"{one.finite(one.verb, False)} {obj}"
            subject = self.mention(one.subject)
            return f"the {w.pick(('one', 'person', 'one', 'man' if one.subject.pronoun == 'he' else 'woman'))} who {one.said}{one.tail(w)} {be} {subject}"
        who = "the one whom" if one.object.acts and not one.object.plural else "what"
        if who == "what" and one.object.acts:
            return self.active(one)
        subject = self.mention(one.subject)
        return f"{who} {subject} {one.finite(one.verb, one.subject.plural)}{one.tail(w)} {be} {obj}"

    def contrasted(self, one: Event) -> str:
        """Somebody or something else is ruled out."""
        w = self.w
        x = w.rng.random()
        if x < 0.4:
            other = self.new(lambda: somebody(w, w.pick(("name", "role")))).text
            subject = self.mention(one.subject)
            obj = self.thing(one.object)
            one.said = f"{one.finite(one.verb, one.subject.plural)} {obj}"
            be, done = one.passive(one.verb)
            return w.pick(
                (
                    f"not {other} but {subject} {one.said}{one.tail(w)}",
                    f"{subject}, not {other}, {one.said}{one.tail(w)}",
                    f"{obj} {be} {done} not by {other} but by {subject}{one.tail(w)}",
                    f"{obj} {be} {done} by {subject} and not by {other}{one.tail(w)}",
                )
            )
        rival = self.new(lambda: thing(w, one.object.kind if one.object.kind not in ("name",) else "person"))
        self.decoys.append((one, rival))
        subject = self.mention(one.subject, start=True)
        verb = one.finite(one.verb, one.subject.plural)
        obj = self.thing(one.object)
        return w.pick(
            (
                f"{subject} {verb} not {rival.text} but {obj}{one.tail(w)}",
                f"{subject} {verb} {obj}, not {rival.text}{',' if one.parts else ''}{one.tail(w)}",
                f"instead of {rival.text}, {subject} {verb} {obj}{one.tail(w)}",
            )
        )

    def reported(self, one: Event) -> str:
        """Somebody says it."""
        w = self.w
        voice = self.new(lambda: somebody(w, w.pick(("name", "name", "role", "firm"))))
        self.seen.append(voice)
        told = self.active(one) if w.chance(0.6) else self.passive(one)
        if told.split()[0] in ("he", "she", "they"):
            told = told.replace(told.split()[0], w.pick(one.subject.again), 1)
        self.facts.append(Fact(voice, ("Who tells about {X}?", "Who is the source of what is said about {X}?", "From whom do we know about {X}?", "Who speaks of {X}?"), voice.text, len(self.sentences), subject=one.object))  # fmt: skip
        if w.chance(0.3):
            return f"according to {voice.text}, {told}"
        return f"{voice.text} {w.pick(words.listed('says', w.split))} {told}"

    def quoted(self, one: Event) -> str:
        """The one who did it says so."""
        if one.subject.kind not in ("name", "role") or one.subject.head in one.object.text:
            return self.active(one)
        obj = self.thing(one.object)
        verb = one.finite(one.verb, True)
        one.said = f"{verb} {obj}"
        text = f'"I {one.said}{one.tail(self.w)},"'
        subject = self.mention(one.subject)
        return f"{text} {self.w.pick(('said', 'wrote', 'explained', 'admitted', 'told the others'))} {subject}".replace(
            f"told the others {subject}", f"{subject} told the others"
        )

    def with_fact(self, one: Event) -> str:
        """A relative clause says it; the main clause says something else."""
        w = self.w
        if one.subject.kind in ("name", "role") and (
            one.object.kind not in _MOVED or one.object.plural or w.chance(0.5)
        ):
            subject = self.mention(one.subject)
            one.said = f"{one.finite(one.verb, False)} {self.thing(one.object)}"
            return f"{subject}, who {one.said}{one.tail(w)}, {self.fact(one.subject, 'person_fact')}"
        if one.object.kind not in _MOVED or one.object.plural:
            return self.passive(one)
        obj = self.thing(one.object)
        subject = self.mention(one.subject)
        if w.chance(0.5):
            told = f"which {subject} {one.finite(one.verb, one.subject.plural)}{one.tail(w)}"
        else:
            be, done = one.passive(one.verb)
            told = f"which {be} {done} by {subject}{one.tail(w)}"
        return f"{obj}, {told}, {self.fact(one.object, 'thing_fact')}"

    def nominal(self, one: Event) -> str:
        """The deed as a noun."""
        w = self.w
        kept = [part for part in one.parts if part.role in ("time", "place", "price")]
        if not one.frame.noun or one.tense == USUAL:
            return self.passive(one)
        part = w.pick(kept) if kept else None
        if part is None:
            part = Part("duration", "", f"{w.pick(NUMBERS)} {w.pick(('hours', 'days', 'weeks', 'months'))}", "in")
            if "d" not in one.frame.flags:
                return self.passive(one)
        one.parts = [part]
        obj = self.thing(one.object)
        subject = self.mention(one.subject)
        deed = f"the {one.frame.noun} of {obj} by {subject}"
        will = "will " if one.tense == NEXT else ""
        if part.role == "duration":
            return f"{deed} {will + 'take' if will else 'took'} {part.bare}"
        if part.role == "price":
            return f"{deed} {will + 'cost' if will else 'cost'} {part.bare}"
        return f"{deed} {will + 'take place' if will else 'took place'} {part.text}"
