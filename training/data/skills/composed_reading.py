"""Reading passages that are composed anew each time: questions on one, and whether a short one helps with a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from training.data.composed import Pairs, as_passage, compose
from training.data.composed_events import Event
from training.data.example import Example
from training.data.passages import Reading, laid_out, points_back
from training.data.prose import Passage
from training.data.skills.judging import Fact, Told, judgements
from training.data.skills.openings import chat_for
from training.data.skills.reading import _conversation as conversation
from training.data.words import Words

_FEWEST_WORDS = 22  # of a passage that is judged


def _short(answer: str) -> str:
    """The words of an answer that are enough."""
    first, _, rest = answer.partition(" ")
    if first.lower() in ("the", "a", "an", "in", "on", "at", "because", "to", "some") and len(rest) > 3:
        return _short(rest)
    return answer


def as_reading(passage: Passage, topic: str) -> Reading:
    """A composed passage as those that were written by hand are used."""
    sentences = [(" " if at else "", sentence) for at, sentence in enumerate(passage.sentences)]
    short = {question.answer: _short(question.answer) for question in passage.questions}
    return Reading(topic, " ".join(passage.sentences), sentences, passage.questions, short, passage.missing)


def _topic(w: Words, made: Pairs) -> str:
    nouns = [one.noun for one in made.seen if one.noun and not one.acts]
    return w.pick(nouns) if nouns else w.noun()


def composed_prose(w: Words) -> Example:
    """Questions on one passage, one after the other."""
    chat = chat_for(w, share=0.14)
    made = compose(w, w.between(3, 12))
    one = as_reading(as_passage(made), _topic(w, made))
    if not one.questions:
        return composed_prose(w)
    conversation(w, chat, [one], laid_out(w, one), 1 if w.heldout else w.between(4, 10))
    return chat.example("composed_prose", heldout=w.heldout)


@dataclass
class _Composed(Told):
    """A composed text that knows its events."""

    events: list[Event] = field(default_factory=list)


def _told(w: Words, like: list[Event] | None = None) -> _Composed:
    while True:
        made = compose(w, w.pick((2, 3, 3, 4)) if w.heldout else w.pick((1, 1, 2, 2, 3)), like)
        passage = as_passage(made)
        places = {sentence: at for at, sentence in enumerate(passage.sentences)}
        facts = [
            Fact(partial(str, question.text), question.answer, places[question.evidence], question.about)
            for question in passage.questions
            if not points_back(question.text)
        ]
        long_enough = sum(len(sentence.split()) for sentence in passage.sentences) >= (
            _FEWEST_WORDS if w.heldout else 10
        )
        if facts and long_enough:
            return _Composed(
                "", [(" ", sentence) for sentence in passage.sentences], facts, passage.missing, made.events
            )


def _near(w: Words, told: Told) -> Told | None:
    """Another text with the same verbs, or with the same things."""
    assert isinstance(told, _Composed)
    return _told(w, told.events)


def composed_relevance(w: Words) -> Example:
    """Whether a composed passage helps with a query."""
    return judgements(w, "composed_relevance", _told, _near)
