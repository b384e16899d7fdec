"""Reading passages that are composed anew each time: questions on one, and whether a short one helps with a query."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from training.data.composed import Pairs, as_passage, compose, joined
from training.data.composed_questions import Asked
from training.data.composed_wordings import OTHER, SHORT
from training.data.example import Chat, Example
from training.data.passages import Reading, headed, laid_out, points_back
from training.data.prompts import qa_messages
from training.data.prose_parts import Passage, Question
from training.data.skills.matching import EASY, HARD, SENTENCE, conversation, level_of, matched
from training.data.skills.openings import chat_for, system_text
from training.data.skills.queries import Fact, Told, query_for
from training.data.skills.reading import FURTHER, REFUSALS, answered, refused
from training.data.words import Words, capitalized

_FOLLOWED = 0.3  # of the questions
_SEVERAL = 0.25  # of the contexts are several passages that are alike
_FEWEST_WORDS = 22  # of a passage that is judged


def _short(answer: str) -> str:
    """The words of an answer that are enough."""
    for start in ("in order ", "so as "):
        answer = answer.removeprefix(start).removeprefix(capitalized(start))
    first, _, rest = answer.partition(" ")
    if first.lower() in ("the", "a", "an", "in", "on", "at", "because", "since", "as", "to", "some") and len(rest) > 3:
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
        if one.answer in said or not one.short or not before.short:
            continue
        if one.event == before.event and one.short != before.short and "do" not in (one.short, before.short):
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
        refuse = bool(one.untold) and w.chance(REFUSALS)
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
            chat.user(text if follow else w.ask(FURTHER, q=text))
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
    parts = [compose(w, w.between(3, 12))]
    if w.chance(_SEVERAL):
        parts = [compose(w, w.between(2, 6))]
        parts += [compose(w, w.between(2, 5), parts[0]) for _ in range(w.pick((1, 1, 2)))]
    made = joined(w.shuffled(parts))
    one = as_reading(as_passage(made), _topic(w, parts[0]))
    if not one.questions:
        return composed_prose(w)
    context = laid_out(w, one)
    if len(parts) > 1:
        context = headed(w, [(_topic(w, part), " ".join(part.sentences)) for part in w.shuffled(parts)])
    _conversation(w, chat, made, one, context, 1 if w.heldout else w.between(4, 10))
    return chat.example("composed_prose", heldout=w.heldout)


@dataclass
class _Composed(Told):
    """A composed text that knows its events."""

    made: Pairs | None = None

    @property
    def text(self) -> str:
        """The whole of it."""
        return " ".join(sentence for _, sentence in self.sentences)


def _alone(question: Question) -> bool:
    """Whether a question means one event only, wherever it is asked."""
    return not points_back(question.text) and not (isinstance(question, Asked) and question.short == "do")


def _told(w: Words, like: Pairs | None = None, n: int = 0, longest: int = 0) -> _Composed:
    """A text, of `n` sentences of at most `longest` letters if it is said; one that is easily mistaken for another one with its events."""
    while True:
        made = compose(w, n or w.pick((2, 3, 3, 4) if w.heldout else (1, 1, 2, 2, 3)), like)
        if longest and any(len(sentence) > longest for sentence in made.sentences):
            continue
        passage = as_passage(made, 0.75)
        places = {sentence: at for at, sentence in enumerate(passage.sentences)}
        facts = [
            Fact(partial(str, question.text), question.answer, places[question.evidence], question.about)
            for question in passage.questions
            if _alone(question) and not (isinstance(question, Asked) and made.events[question.event].frame.alone)
        ]
        fewest = _FEWEST_WORDS if w.heldout and not n else 10 if not n else 8
        if facts and made.events and sum(len(sentence.split()) for sentence in passage.sentences) >= fewest:
            sentences = [(" ", sentence) for sentence in passage.sentences]
            return _Composed("", sentences, facts, passage.missing, made=made)


def _without(told: _Composed, fact: Fact) -> str:
    """A text less the sentence that tells a fact; "" where that one tells it still or says little."""
    rest = [sentence for at, (_, sentence) in enumerate(told.sentences) if at != fact.at]
    text = " ".join(rest)
    return text if fact.answer not in text and len(text.split()) >= _FEWEST_WORDS else ""


def _judged(w: Words, told: _Composed, rivals: list[_Composed], stranger: _Composed) -> tuple[str, str, bool]:
    """A query, a text, and whether it helps; mostly the wrong ones share many words with the query."""
    fact = w.pick(told.facts)
    query = query_for(w, told, fact)
    x = w.rng.random()
    if x < 0.5:
        return query, told.text, True
    if x < 0.7:
        return query, w.pick(rivals).text, False
    if x < 0.8 and told.untold:
        return w.pick(told.untold), told.text, False
    if x < 0.9:
        return query_for(w, rival := w.pick(rivals), w.pick(rival.facts)), told.text, False
    return query, _without(told, fact) or stranger.text, False


def _near(w: Words, told: Told) -> _Composed:
    """A text that is like one."""
    return _told(w, told.made if isinstance(told, _Composed) else None, w.between(2, 3))


def composed_relevance(w: Words, level: str = "") -> Example:
    """Whether a composed passage helps with a query."""
    level = level or level_of(w)
    if level != HARD:
        n, longest = ((1, 1, 1, 2), SENTENCE) if level == EASY else ((2, 3, 3), 120)
        return matched(w, "composed_relevance", level, lambda w: _told(w, None, w.pick(n), longest), _near)
    wanted = 1 if w.heldout else w.between(10, 17)
    out: dict[tuple[str, str], bool] = {}  # none twice: the second answer could be copied
    while len(out) < wanted:
        told, stranger = _told(w), _told(w)
        rivals = [_told(w, told.made) for _ in range(1 if w.heldout else 2)]
        for _ in range(1 if w.heldout else w.between(2, 6)):
            query, text, helps = _judged(w, told, rivals, stranger)
            out.setdefault((query, text), helps)
    judged = [(*pair, out[pair]) for pair in w.shuffled(list(out)[:wanted])]
    return conversation(w, "composed_relevance", judged)
