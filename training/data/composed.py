"""Passages composed of events: sentences of many shapes about invented doings, and questions for each of their parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from training.data import composed_words as words
from training.data.composed_events import NEXT, PAST, USUAL, Event, Part
from training.data.composed_questions import Asker, missing, of_fact
from training.data.composed_sentences import Composer
from training.data.composed_things import Thing, somebody
from training.data.prose_parts import Passage, Question
from training.data.words import MONTHS, WEEKDAYS, Words


class Pairs(Composer):
    """Sentences that say two events."""

    def then(self) -> tuple[str, tuple[Event, ...]]:
        """One after the other, by the same people."""
        w = self.w
        one = self.event(most=1)
        first = self.active(one)
        other = self.event(one.subject, most=2)
        if other.subject is not one.subject:
            return first, (one,)
        other.said = f"{other.finite(other.verb, other.subject.plural)} {self.thing(other.object)}"
        if w.chance(0.2) and self.tense == PAST and first.endswith(f"{one.said}{one.tail(w)}"):
            first = first.replace(one.said, f"not only {one.said}", 1)
            return f"{first} but also {other.said}{other.tail(w)}", (one, other)
        link = w.pick((" and ", " and then ", ", and later ", " and afterwards ", ", then ", " and also "))
        return f"{first}{link}{other.said}{other.tail(w)}", (one, other)

    def both(self) -> tuple[str, tuple[Event, ...]]:
        """Two clauses side by side."""
        w = self.w
        one = self.event(most=2)
        first = self.active(one) if w.chance(0.7) else self.passive(one)
        other = self.event(most=2, but=one.subject)
        link = w.pick((", while ", ", whereas ", ", and ", ", but ", "; ", " - "))
        subject = self.mention(other.subject)
        other.said = f"{other.finite(other.verb, other.subject.plural)} {self.thing(other.object)}"
        return f"{first}{link}{subject} {other.said}{other.tail(w)}", (one, other)

    def gapped(self) -> tuple[str, tuple[Event, ...]]:
        """The same verb for two, said once."""
        w = self.w
        one = self.event(most=1)
        if one.frame.alone:
            return self.active(one), (one,)
        one.parts = [part for part in one.parts if part.role not in ("reason", "purpose", "time")]
        first = self.active(one) if w.chance(0.7) else ""
        obj = "" if first else self.thing(one.object)
        other = self.event(frame=one.frame, most=1, but=one.subject)
        other.verb = one.verb
        if first:
            return (
                f"{first}{w.pick((' and ', ' and ', ', '))}{self.mention(other.subject)} {self.thing(other.object)}{other.tail(w)}",
                (one, other),
            )
        be, done = one.passive(one.verb)
        one.parts, other.parts = [], other.parts
        text = f"{obj} {be} {done} by {self.mention(one.subject)} and {self.thing(other.object)} by {self.mention(other.subject)}"
        return f"{text}{other.tail(w)}", (one, other)

    def in_order(self) -> tuple[str, tuple[Event, ...]]:
        """One before or after the other."""
        w = self.w
        one = self.event(most=1)
        one.parts = [part for part in one.parts if part.role in ("phrase", "instrument")]
        subject = self.mention(one.subject)
        if w.chance(0.5):
            other = self.event(one.subject, most=1)
            if other.subject is not one.subject:
                return f"{subject} {one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}{one.tail(w)}", (
                    one,
                )
            link = f"{w.pick(('before', 'after', 'before', 'after', 'while'))} {one.verb.ing} {self.thing(one.object)}{one.tail(w)}"
            main = subject
        else:
            other = self.event(most=1, but=one.subject)
            one.said = f"{one.finite(one.verb, one.subject.plural)} {self.thing(one.object)}"
            link = f"{w.pick(('before', 'after', 'when', 'as soon as'))} {subject} {one.said}{one.tail(w)}"
            main = self.mention(other.subject)
        if self.tense == NEXT:
            now = f"{one.verb.base if one.subject.plural else one.verb.third}{one.said.removeprefix(f'will {one.verb.base}')}"
            link = link.replace(one.said, now, 1) if one.said else link
        other.parts = [part for part in other.parts if part.role not in ("time", "reason", "purpose")]
        other.said = f"{other.finite(other.verb, other.subject.plural)} {self.thing(other.object)}"
        when = Part("time", link, link)
        if w.chance(0.5):
            text = f"{link}, {main} {other.said}{other.tail(w)}"
        else:
            text = f"{main} {other.said}{other.tail(w)} {link}"
        other.parts = [*other.parts, when]
        return text, (one, other)

    def same_thing(self) -> tuple[str, tuple[Event, ...]]:
        """Two do different things to the same."""
        w = self.w
        one = self.event(most=2)
        first = self.active(one)
        if one.frame.alone:
            return first, (one,)
        frame = w.pick(words.frames_for(w.split, one.object.kind) or (one.frame,))
        if frame.bases & one.frame.bases or not self.fits(frame, one.object, None):
            return first, (one,)
        other = self.event(frame=frame, obj=one.object, most=1, but=one.subject)
        pronoun = one.object.objective
        link = w.pick((", but ", ", and ", "; later ", ", and afterwards "))
        if self.tense == USUAL and "later" in link:
            link = ", and "
        other.verb = other.frame.verbs[0]
        if w.chance(0.5):
            be, done = other.passive(other.verb)
            subject = "they" if one.object.plural else one.object.pronoun
            return f"{first}{link}{subject} {be} {done} by {self.mention(other.subject)}{other.tail(w)}", (one, other)
        verb = other.finite(other.verb, other.subject.plural)
        if " " in other.verb.base:  # "took it apart"
            return first, (one,)
        return f"{first}{link}{self.mention(other.subject)} {verb} {pronoun}{other.tail(w)}", (one, other)

    def having(self) -> tuple[str, tuple[Event, ...]]:
        """One is done already."""
        w = self.w
        if self.tense != PAST:
            return self.then()
        one = self.event(most=1)
        subject = self.mention(one.subject)
        obj = self.thing(one.object)
        other = self.event(one.subject, most=2)
        if other.subject is not one.subject:
            return f"{subject} {one.verb.past} {obj}{one.tail(w)}", (one,)
        other.said = f"{other.verb.past} {self.thing(other.object)}"
        main = f"{other.said}{other.tail(w)}"
        told = f"{one.verb.done} {obj}{one.tail(w)}"
        return w.pick(
            (
                f"having {told}, {subject} {main}",
                f"{subject}, {'who' if one.subject.acts and one.subject.kind != 'firm' else 'which'} had {told}, {main}",
                f"{subject}, having {told}, {main}",
                f"once {subject} had {told}, {_pronoun(one)} {main}",
            )
        ), (one, other)


def _pronoun(one: Event) -> str:
    return one.subject.pronoun


SINGLE = (
    *(
        (16, "active"),
        (9, "fronted"),
        (11, "passive"),
        (6, "cleft"),
        (4, "identified"),
        (5, "contrasted"),
        (4, "reported"),
    ),
    *((3, "quoted"), (6, "with_fact"), (4, "nominal"), (2, "logged"), (4, "so"), (4, "to_whom")),
)
_DOUBLE = ((5, "then"), (5, "both"), (4, "gapped"), (4, "in_order"), (4, "same_thing"), (3, "having"))


def _filler(c: Pairs) -> None:
    w = c.w
    text = w.pick(words.listed("filler", w.split)).format(
        k=w.between(2, 90),
        c=w.city(),
        w=w.pick(WEEKDAYS),
        m=w.pick(MONTHS),
        p=w.full_name(),
        r=w.full_name(),
        f=w.company(),
    )
    if text not in c.sentences:
        c.sentences.append(text)
        c.last = None


def _stated(c: Pairs) -> None:
    """A sentence about somebody of the passage."""
    known = [one for one in c.seen if c.can_state(one)]
    if known:
        one = c.w.pick(known)
        subject = c.mention(one, start=True) if one.acts else c.w.pick(one.again)
        c.tell(f"{subject} {c.fact(one)}", alone=one if one.acts else None)


def compose(w: Words, n_sentences: int, like: Pairs | None = None) -> Pairs:
    """A passage of so many sentences; one that is easily mistaken for another one, which it does not repeat."""
    tense = like.tense if like else w.weighted((8, PAST), (1, NEXT), (1, USUAL))
    c = Pairs(w, tense, list(like.events) if like else [])
    if like:
        c.taken |= like.taken
    if c.tense != USUAL and not like and w.chance(0.12):
        c.author = Thing(
            "I", ("the author", "the narrator", "the writer", "the author of the text"), "I", "name", pronoun="I"
        )
    while len(c.sentences) < n_sentences:
        x = w.rng.random()
        if c.events and x < 0.05:
            _filler(c)
        elif c.events and x < 0.13:
            _stated(c)
        elif x < 0.4:
            name = w.weighted(*_DOUBLE)
            text, told = getattr(c, name)()
            c.tell(text, *told, plain=name in ("then", "both"))
        else:
            again = c.last if c.last and w.chance(0.5) else None
            one = c.event(again)
            name = w.weighted(*SINGLE)
            if one.subject is c.author:
                name = w.pick(("active", "fronted", "cleft", "so", "logged", "passive"))
            text = getattr(c, name)(one)
            others = one.object.acts or any(part.role in ("companion", "beneficiary", "phrase") for part in one.parts)
            alone = one.named and one.subject.acts and not others and name not in ("reported", "contrasted")
            c.tell(text, one, alone=one.subject if alone else None, plain=name in ("active", "passive"))
    return c


def joined(parts: Sequence[Pairs]) -> Pairs:
    """Some passages as one, to be asked about together."""
    out = Pairs(parts[0].w, parts[0].tense)
    for part in parts:
        begin = len(out.sentences)
        out.sentences += part.sentences
        out.facts += [replace(fact, sentence=fact.sentence + begin) for fact in part.facts]
        out.events += [replace(one, sentence=one.sentence + begin) for one in part.events]
        out.decoys += part.decoys
        out.seen += part.seen
        out.taken |= part.taken
    return out


def questions(c: Pairs, plain: float = 0.3) -> list[list[Question]]:
    """The questions on a passage, by event, and those on what is said beside the events."""
    asker = Asker(c.w, c.sentences, c.events, plain)
    made = [asker.of(one) for one in c.events]
    spoken_of = [fact.subject.head for fact in c.facts if fact.subject]
    facts = [fact for fact in c.facts if fact.subject is None or spoken_of.count(fact.subject.head) == 1]
    beside = [of_fact(c.w, asker, fact) for fact in facts]
    return [*made, [question for question in beside if question]]


def as_passage(c: Pairs, plain: float = 0.3) -> Passage:
    """A composed passage with its questions, a share of them in plain words, and some that it does not answer."""
    out = Passage(c.sentences, names=[one.head for one in c.seen])
    out.questions = [question for some in questions(c, plain) for question in some]
    stranger = c.new(lambda: somebody(c.w, "name"))
    out.missing = missing(c.w, Asker(c.w, c.sentences, c.events), c.decoys, stranger)
    return out


def composed(w: Words, n_sentences: int) -> Passage:
    """A passage of so many sentences, with its questions and some that it does not answer."""
    out = as_passage(compose(w, n_sentences))
    return out if out.questions else composed(w, n_sentences)
