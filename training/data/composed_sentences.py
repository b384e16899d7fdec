"""The sentences of composed passages: one event in one of many shapes."""

from __future__ import annotations

from training.data import composed_words as words
from training.data.composed_cast import Cast
from training.data.composed_events import NEXT, PAST, USUAL, Event, Part
from training.data.composed_questions import Fact
from training.data.composed_things import NUMBERS, somebody, thing


class Composer(Cast):
    """A passage in the making, with its sentences of one event."""

    # -- sentences with one event ----------------------------------------------------------------------------------

    def active(self, one: Event) -> str:
        """Subject, verb, object, circumstances."""
        subject = self.mention(one.subject, start=True)
        one.said = f"{one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}"
        adverb = f"{self.w.pick(words.listed('adverbs', self.w.split))} " if self.w.chance(0.06) else ""
        if one.tense == NEXT and adverb:
            return f"{subject} will {adverb}{one.said.removeprefix('will ')}{one.tail(self.w)}"
        return f"{subject} {adverb}{one.said}{one.tail(self.w)}"

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
        if w.chance(0.3) and not one.frame.alone:
            be, done = one.passive(one.verb)
            return f"{part.text}{comma} {obj} {be} {done} by {subject}{one.tail(w, part.role)}"
        one.said = f"{one.finite(one.verb, one.subject.plural)} {obj}"
        return f"{part.text}{comma} {subject} {one.said}{one.tail(w, part.role)}"

    def passive(self, one: Event) -> str:
        """The object first; now and then nobody is named."""
        w = self.w
        if one.frame.alone:
            return self.fronted(one)
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
        if x < 0.45 or (one.frame.alone and not one.parts):
            one.said = f"{one.finite(one.verb, one.subject.plural)} {obj}"
            return f"it {be} {subject} {'who' if one.subject.acts and one.subject.kind != 'firm' else 'that'} {one.said}{one.tail(w)}"
        verb = one.finite(one.verb, one.subject.plural)
        if (x < 0.7 or not one.parts) and not one.frame.alone:
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
        if one.frame.alone:
            return self.active(one)
        who = "the one whom" if one.object.acts and not one.object.plural else "what"
        if who == "what" and one.object.acts:
            return self.active(one)
        subject = self.mention(one.subject)
        return f"{who} {subject} {one.finite(one.verb, one.subject.plural)}{one.tail(w)} {be} {obj}"

    def contrasted(self, one: Event) -> str:
        """Somebody or something else is ruled out."""
        w = self.w
        if one.frame.alone:
            return self.fronted(one)
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
                    f"{obj} {be} {done} by {subject}{' and not' if not one.parts else ', not'} by {other}{',' if one.parts else ''}{one.tail(w)}",
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
        self.facts.append(Fact(voice, ("Who tells about {X}?", "Who is the source of what is said about {X}?", "From whom do we know about {X}?", "Who speaks of {X}?"), voice.text, len(self.sentences), subject=one.subject if one.frame.alone else one.object))  # fmt: skip
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
        if one.subject.kind in ("name", "role") and (not self.can_state(one.object) or w.chance(0.5)):
            subject = self.mention(one.subject)
            one.said = f"{one.finite(one.verb, False)} {self.thing(one.object)}"
            return f"{subject}, who {one.said}{one.tail(w)}, {self.fact(one.subject)}"
        if not self.can_state(one.object):
            return self.passive(one)
        obj = self.thing(one.object)
        subject = self.mention(one.subject)
        if w.chance(0.5):
            told = f"{'whom' if one.object.acts else 'which'} {subject} {one.finite(one.verb, one.subject.plural)}{one.tail(w)}"
        else:
            be, done = one.passive(one.verb)
            told = f"{'who' if one.object.acts else 'which'} {be} {done} by {subject}{one.tail(w)}"
        return f"{obj}, {told}, {self.fact(one.object)}"

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

    def logged(self, one: Event) -> str:
        """The time before a colon."""
        when = one.part("time")
        if when is None or when.kind not in ("year", "month", "day", "date", "clock") or when.bare == when.text:
            return self.fronted(one)
        when.shown = when.bare
        subject = self.mention(one.subject)
        one.said = f"{one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}"
        return f"{when.bare}: {subject} {one.said}{one.tail(self.w, 'time')}"

    def so(self, one: Event) -> str:
        """The reason as a clause of its own."""
        reason = one.part("reason")
        if reason is None:
            return self.active(one)
        reason.shown = reason.bare
        subject = self.mention(one.subject)
        one.said = f"{one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}"
        link = self.w.pick((", so ", ", and so ", ". That is why ", ", and therefore ", ". For this reason "))
        if link[0] == ".":
            link = f";{link[1:3].lower()}{link[3:]}"
        return f"{reason.bare}{link}{subject} {one.said}{one.tail(self.w, 'reason')}"

    def to_whom(self, one: Event) -> str:
        """Somebody who had to do with it, and something else about that one."""
        phrase = one.part("phrase") or one.part("companion") or one.part("beneficiary")
        if (
            phrase is None
            or phrase.thing is None
            or phrase.thing.kind not in ("name", "role")
            or not self.can_state(phrase.thing)
        ):
            return self.passive(one)
        self.seen.append(phrase.thing)
        subject = self.mention(one.subject)
        one.said = f"{one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}"
        phrase.shown = phrase.bare
        clause = f"{phrase.preposition} whom {subject} {one.said}{one.tail(self.w, phrase.role)}"
        return f"{phrase.bare}, {clause}, {self.fact(phrase.thing)}"
