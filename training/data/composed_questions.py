"""Questions on composed passages: each asks for one part of one event, and names parts that no other event has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from training.data import composed_words as words
from training.data.composed_events import PAST, USUAL, Event, Part
from training.data.composed_things import Thing
from training.data.composed_wordings import (
    ACTIVE,
    ASKED_BY,
    DEED,
    HOW_MANY,
    KIND_NOUNS,
    NOMINAL,
    OBJECT,
    PASSIVE,
    PASSIVE_BY,
    PLACES,
    STATIC,
    SUBJECT,
    TOOK,
    WHAT_ALONE,
    WHICH,
    WHO_ALONE,
    WHO_NOMINAL,
    WHOM,
    WHOSE,
    Wordings,
)
from training.data.prose_parts import Question
from training.data.words import Words, capitalized

# -- facts beside the events -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fact:
    """What is said of somebody beside the events."""

    about: Thing
    asks: tuple[str, ...]
    answer: str
    sentence: int
    source: str = ""
    subject: Thing | None = None  # of what the one speaks


@dataclass(frozen=True)
class Asked(Question):
    """A question for a part of an event, which may be asked in short after another one.

    Attributes:
        short: The words that ask, "when".
        event: The place of the event among those of the passage.
        key: How its subject or object may be called, where it is asked about the other one.
    """

    short: str = ""  # "do" where the whole deed is asked for
    event: int = -1
    key: str = ""


# -- the one event that is meant ---------------------------------------------------------------------------------------


def _same(one: Event, other: Event, role: str, value: str) -> bool:
    """Whether another event has what a question names."""
    if role == "verb":
        return one.frame.near(other.frame)
    if role == "subject":
        return one.subject.head == other.subject.head
    if role == "object":
        return one.object.head == other.object.head
    part = other.part(role)
    return part is not None and part.bare == value


def only(events: Sequence[Event], one: Event, given: dict[str, str]) -> bool:
    """Whether no other event has all that a question names."""
    return not any(
        other is not one and all(_same(one, other, role, value) for role, value in given.items()) for other in events
    )


def found(text: str, forms: Sequence[str]) -> str:
    """The longest of some forms as it stands in a text, or ""."""
    for form in sorted(forms, key=len, reverse=True):
        if match := re.search(rf"(?<!\w){re.escape(form)}(?!\w)", text, re.IGNORECASE):
            return match[0]
    return ""


def tidy(text: str) -> str:
    """Without the blanks around an object that is not there."""
    return re.sub(r" +(?=[ .,;?!])|^ +| +$", "", text)


class Asker:
    """Questions on the events of one passage."""

    def __init__(self, w: Words, sentences: Sequence[str], events: Sequence[Event], plain: float = 0.3) -> None:
        self.w = w
        self.plain = plain
        self.sentences = sentences
        self.events = events
        self.text = " ".join(sentences)

    def _rest(self, one: Event, asked: str) -> tuple[str, dict[str, str]]:
        """Some other circumstances, to be named in the question, and which."""
        w = self.w
        given: dict[str, str] = {}
        text = ""
        for part in one.parts:
            if part.role in (asked, "reason", "purpose") or not part.text:
                continue
            if {part.role, asked} in ({"phrase", "place"},) or len(part.text.split()) > 5:
                continue
            if w.chance(0.4 if part.role == "phrase" else 0.16) and len(given) < 2:
                given[part.role] = part.bare
                text += f" {part.text}"
        return text, given

    def slots(self, one: Event, rest: str) -> dict[str, str]:
        """The words for the slots of wordings about an event."""
        w = self.w
        verb = w.pick(one.frame.verbs) if w.chance(0.3) else one.verb
        subject = w.pick(one.subject.again) if one.named else ""
        obj = w.pick(one.object.again)
        was, done = one.passive(verb)
        be = {PAST: "was", USUAL: "is"}.get(one.tense, "will")
        return {
            "S": subject,
            "Sc": capitalized(subject),
            "O": obj,
            "Oc": capitalized(obj),
            "R": rest,
            "b": verb.base,
            "v": one.finite(verb, False),
            "vs": one.finite(verb, one.subject.plural),
            "was": was,
            "one_was": be,
            "done": done,
            "did": one.does,
            "did_do": {"did": "did", "will": "will do"}.get(one.does, one.does),
            "N": one.frame.noun,
            "n": one.object.noun,
            "u": one.object.unit,
        }

    def _made(
        self, one: Event, phrases: Wordings, answer: str, rest: str, short: str = "", key: str = "", **more: str
    ) -> Question | None:
        if not answer:
            return None
        text = phrases.ask(self.w, self.plain, **(self.slots(one, rest) | more))
        text = tidy(text) if one.frame.alone else text
        evidence = self.sentences[one.sentence]
        about = ""
        if not found(evidence, one.subject.again) and one.named:
            about = found(self.text, (one.subject.text,))
        at = next(at for at, other in enumerate(self.events) if other is one)
        return Asked(text, answer, evidence, about, short, at, key)

    def _where_it_stands(self, one: Event, forms: Sequence[str], first: str) -> str:
        return found(self.sentences[one.sentence], forms) or found(self.text, (first,))

    # -- questions for one part --

    def subject(self, one: Event) -> Question | None:
        """Who did it."""
        rest, given = self._rest(one, "subject")
        if not one.named or one.subject.text == "I" or not only(self.events, one, {"verb": "", "object": ""} | given):
            return None
        phrases = SUBJECT
        if one.frame.alone:
            phrases = WHO_ALONE if one.subject.acts else WHAT_ALONE
        elif one.frame.noun and one.tense == PAST and self.w.chance(0.25):
            phrases = WHO_NOMINAL
        answer = self._where_it_stands(one, (one.subject.text, *one.subject.again), one.subject.text)
        short = "who" if one.subject.acts else "what"
        return self._made(one, phrases, answer, rest, short, "" if rest else self.w.pick(one.object.again))

    def object(self, one: Event) -> Question | None:
        """What or whom it was done to, which one, whose, and how many."""
        w = self.w
        rest, given = self._rest(one, "object")
        if one.frame.alone or not one.named or not only(self.events, one, {"verb": "", "subject": ""} | given):
            return None
        answer = self._where_it_stands(one, (one.object.text, *one.object.again), one.object.text)
        thing_, key = one.object, "" if rest else w.pick(one.subject.again)
        here = found(self.sentences[one.sentence], (thing_.text,))
        if thing_.count and here and w.chance(0.6):
            return self._made(one, HOW_MANY, here[: len(thing_.count)], rest)
        if thing_.owner and here and w.chance(0.6):
            return self._made(one, WHOSE, here[: len(thing_.owner)], rest)
        if thing_.acts and not (thing_.kind in ("firm", "group") and w.chance(0.5)):
            return self._made(one, WHOM, answer, rest, "whom", key)
        if not thing_.plural and thing_.noun and w.chance(0.25):
            if thing_.kind in KIND_NOUNS and w.chance(0.6):
                return self._made(one, WHICH, answer, rest, n=KIND_NOUNS[thing_.kind])
            if thing_.noun != answer.removeprefix("the ").removeprefix("a "):
                return self._made(one, WHICH, answer, rest)
        return self._made(one, OBJECT, answer, rest, "what", key)

    def deed(self, one: Event) -> Question | None:
        """What somebody did."""
        rest, given = self._rest(one, "verb")
        if (
            not one.named
            or not one.said
            or one.frame.alone
            or not one.subject.acts
            or not only(self.events, one, {"subject": ""} | given)
        ):
            return None
        return self._made(one, DEED, found(self.sentences[one.sentence], (one.said,)), rest, "do")

    def asking(self, one: Event, part: Part) -> tuple[str, bool]:
        """The words that ask for a circumstance, and whether the answer leaves its preposition out."""
        w = self.w
        if part.role == "phrase":
            who = part.thing is not None and part.thing.acts
            if who:
                return f"{part.preposition} whom", True
            if part.kind in ("city", "country", "language"):
                return f"{part.preposition} which {part.kind}", True
            if part.kind in PLACES and part.preposition in STATIC and w.chance(0.7):
                return "where", False
            return f"{part.preposition} what", True
        if part.role == "time":
            choices = ASKED_BY.get(part.kind, ASKED_BY["time"])
        elif part.role == "place" and part.text.startswith("in ") and part.text[3].isupper():
            choices = ASKED_BY["city"]
        else:
            choices = ASKED_BY[part.role]
        text = w.pick(choices)
        return text.removeprefix("+"), text.startswith("+")

    def circumstance(self, one: Event, part: Part) -> Question | None:
        """When, where, why, how, with what, for whom it was done."""
        w = self.w
        rest, given = self._rest(one, part.role)
        asks, bare = self.asking(one, part)
        answer = found(self.sentences[one.sentence], (part.bare if bare else part.shown or part.text,))
        known = {"verb": "", "object": ""}
        if part.role == "duration" and part.preposition == "in":
            known |= {"subject": ""} if one.named else {}
            phrases = TOOK if one.tense == PAST and one.named else None
            return self._made(one, phrases, answer, rest) if phrases and only(self.events, one, known | given) else None
        phrases = w.weighted((6, ACTIVE), (2, PASSIVE_BY), (2, PASSIVE)) if one.named else PASSIVE
        if one.frame.alone:
            phrases = ACTIVE
        elif one.frame.noun and one.tense == PAST and part.role in ("time", "place") and w.chance(0.2):
            phrases = NOMINAL
        if phrases not in (PASSIVE, NOMINAL):
            known["subject"] = ""
        if not only(self.events, one, known | given):
            return None
        asks = asks[:1].lower() + asks[1:]
        return self._made(one, phrases, answer, rest, asks, W=capitalized(asks), wl=asks)

    def of(self, one: Event) -> list[Question]:
        """A question for every part."""
        made = [self.subject(one), self.object(one), *(self.circumstance(one, part) for part in one.parts if part.text)]
        if self.w.chance(0.5):
            made.append(self.deed(one))
        return [question for question in made if question is not None]


def _by_deed(w: Words, asker: Asker, fact: Fact) -> str:
    """Whom or what a fact is about, called by what was done; "" where there is no such deed."""
    for one in w.shuffled(asker.events):
        slots = asker.slots(one, "")
        if one.subject is fact.about and one.named and only(asker.events, one, {"verb": "", "object": ""}):
            who = w.pick(("the person who", "the one who")) if fact.about.kind in ("name", "role") else ""
            return tidy(f"{who} {slots['v']} {slots['O']}") if who else ""
        if one.object is fact.about and one.named and only(asker.events, one, {"verb": "", "subject": ""}):
            kind = KIND_NOUNS.get(one.object.kind, "thing")
            return f"the {kind} that {slots['S']} {slots['vs']}" if not one.object.acts else ""
    return ""


def of_fact(w: Words, asker: Asker, fact: Fact) -> Question | None:
    """A question for what is said beside the events."""
    sentences = asker.sentences
    evidence = sentences[fact.sentence]
    answer = found(evidence, (fact.answer,))
    if not answer:
        return None
    ask = w.pick(fact.asks)
    name = (_by_deed(w, asker, fact) if w.chance(0.3) and "'s" not in ask else "") or w.pick(fact.about.again)
    other = w.pick(fact.subject.again) if fact.subject else ""
    text = capitalized(ask.format(S=name, O=name, X=other))
    about = "" if found(evidence, fact.about.again) else found(" ".join(sentences), (fact.about.text,))
    return Question(text, answer, evidence, about)


# -- what the passage does not tell ------------------------------------------------------------------------------------


_UNTOLD = ("time", "place", "reason", "instrument", "companion", "beneficiary", "price", "duration", "manner")


def _untold(w: Words, asker: Asker, one: Event) -> str:
    """A question for a circumstance that is not told of an event."""
    told = {part.role for part in one.parts}
    if one.part("purpose"):
        told.add("reason")
    if one.part("phrase"):
        told |= {"place", "companion", "beneficiary", "instrument"}
    open_roles = [role for role in _UNTOLD if role not in told]
    if sum(other.sentence == one.sentence for other in asker.events) > 1:
        open_roles = [role for role in open_roles if role not in ("time", "place", "reason", "companion")]
    if "i" not in one.frame.flags:
        open_roles = [role for role in open_roles if role != "instrument"]
    if "$" not in one.frame.flags:
        open_roles = [role for role in open_roles if role != "price"]
    if not {"d", "l"} & one.frame.flags:
        open_roles = [role for role in open_roles if role != "duration"]
    asks = w.pick(ASKED_BY[w.pick(open_roles or ["manner"])]).lstrip("+")
    phrases = w.pick((ACTIVE, PASSIVE)) if one.named else PASSIVE
    if one.frame.alone:
        phrases = ACTIVE
    return tidy(phrases.ask(w, **asker.slots(one, ""), W=asks, wl=asks[:1].lower() + asks[1:]))


def _who(w: Words, asker: Asker, one: Event) -> str:
    """A question about an event that the passage does not tell: who did it, or when, where or why."""
    if w.chance(0.6):
        return SUBJECT.ask(w, **asker.slots(one, ""))
    asks = w.pick(ASKED_BY[w.pick(("time", "place", "reason"))])
    return PASSIVE.ask(w, **asker.slots(one, ""), W=asks, wl=asks[:1].lower() + asks[1:])


def missing(w: Words, asker: Asker, decoys: Sequence[tuple[Event, Thing]], stranger: Thing) -> list[str]:
    """Questions that look as if the passage answered them.

    Args:
        w: Words of a split.
        asker: Asks about the passage.
        decoys: Events with an object to which they were not done.
        stranger: Somebody who is not in the passage.
    """
    events, out = asker.events, []
    whole = {"verb": "", "object": ""}
    for one, rival in decoys:
        fake = replace(one, object=rival, parts=[])
        if only(events, fake, whole):
            out.append(_who(w, asker, fake))
    for one in w.sample(events, 6):
        x = w.rng.random()
        if not one.named:
            if only(events, one, whole):
                out.append(SUBJECT.ask(w, **asker.slots(one, "")))
        elif x < 0.35:
            if only(events, one, whole):
                out.append(_untold(w, asker, one))
        elif one.frame.alone:
            continue
        elif x < 0.6:
            other = w.pick(words.frames_for(w.split, one.object.kind) or (one.frame,))
            fake = replace(one, frame=other, verb=other.verbs[0], parts=[])
            if not other.near(one.frame) and only(events, fake, whole):
                out.append(_who(w, asker, fake))
        elif x < 0.75:
            fake = replace(one, subject=stranger, parts=[], named=True)
            out.append((WHOM if one.object.acts else OBJECT).ask(w, **asker.slots(fake, "")))
        else:
            other_one = w.pick(events)
            fake = replace(one, subject=other_one.subject, parts=[], named=True)
            if (
                one.subject is not other_one.subject
                and fake.subject is not fake.object
                and fake.subject.acts
                and only(events, fake, whole | {"subject": ""})
            ):
                asks = w.pick(ASKED_BY[w.pick(("time", "place", "reason"))])
                out.append(ACTIVE.ask(w, **asker.slots(fake, ""), W=asks, wl=asks[:1].lower() + asks[1:]))
    return out
