"""Reading passages that are composed anew each time: questions on one, and whether a short one helps with a query."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from training.data.composed import Pairs, as_passage, compose
from training.data.composed_events import Event
from training.data.composed_questions import Asked
from training.data.composed_wordings import OTHER, SHORT
from training.data.example import Chat, Example
from training.data.passages import Reading, laid_out, points_back
from training.data.prompts import qa_messages
from training.data.prose import Passage, Question, capitalized
from training.data.skills.judging import Fact, Told, judgements
from training.data.skills.openings import chat_for, system_text
from training.data.skills.reading import _FURTHER
from training.data.skills.reading import _answered as answered
from training.data.skills.reading import _refused as refused
from training.data.words import Words

_REFUSALS = 0.12  # of the questions
_FOLLOWED = 0.3  # of the questions
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


def _follow_up(w: Words, before: Asked, questions: list[Asked], said: set[str]) -> tuple[str, Asked] | None:
    """A short question that is understood after another one, on the same event or on one with the same verb."""
    found: list[tuple[str, Asked]] = []
    for one in questions:
        if one.answer in said or not one.short:
            continue
        if one.event == before.event and one.short != before.short and before.short:
            asks = "by whom" if one.short == "who" else one.short
            found.append((SHORT.ask(w, w=asks, W=capitalized(asks)), one))
    return w.pick(found) if found else None


def _same_asked(
    w: Words, made: Pairs, before: Asked, questions: list[Asked], said: set[str]
) -> tuple[str, Asked] | None:
    """The same question about another event with the same verb."""
    verbs = made.events[before.event].frame.bases
    found = [
        one
        for one in questions
        if one.key and before.key and one.short == before.short and one.event != before.event and one.answer not in said
        if made.events[one.event].frame.bases & verbs
    ]
    if not found:
        return None
    one = w.pick(found)
    return OTHER.ask(w, x=one.key), one


def _conversation(w: Words, chat: Chat, made: Pairs, one: Reading, context: str, n: int) -> None:
    """Up to `n` questions on a passage, some of which are understood only after the one before."""
    asked = [question for question in one.questions if isinstance(question, Asked)]
    pool = w.shuffled(one.questions)
    said: set[str] = set()
    before: Question | None = None
    question: Question
    for at in range(n):
        refuse = bool(one.untold) and w.chance(_REFUSALS)
        follow = None
        if isinstance(before, Asked) and w.chance(_FOLLOWED):
            follow = _same_asked(w, made, before, asked, said) or _follow_up(w, before, asked, said)
        if follow:
            text, question = follow
        elif refuse:
            text = w.pick(one.untold)
        else:
            while pool and pool[-1].answer in said:
                pool.pop()
            if not pool:
                break
            question = pool.pop()
            text = question.text
        if at == 0:
            system, user = qa_messages(w, context, text)
            chat.system(system or system_text(w, 0.12))
            chat.user(user)
        else:
            chat.user(text if follow else w.ask(_FURTHER, q=text))
        if refuse and not follow:
            refused(w, chat)
            before = None
        else:
            said.add(question.answer)
            answered(w, chat, one, question)
            before = question


def composed_prose(w: Words) -> Example:
    """Questions on one passage, one after the other."""
    chat = chat_for(w, share=0.14)
    made = compose(w, w.between(3, 12))
    one = as_reading(as_passage(made), _topic(w, made))
    if not one.questions:
        return composed_prose(w)
    _conversation(w, chat, made, one, laid_out(w, one), 1 if w.heldout else w.between(4, 10))
    return chat.example("composed_prose", heldout=w.heldout)


@dataclass
class _Composed(Told):
    """A composed text that knows its events."""

    events: list[Event] = field(default_factory=list)


def _told(w: Words, like: list[Event] | None = None) -> _Composed:
    while True:
        made = compose(w, w.pick((2, 3, 3, 4)) if w.heldout else w.pick((1, 1, 2, 2, 3)), like)
        passage = as_passage(made, 0.75)
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
