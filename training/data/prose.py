"""Passages of ordinary prose about invented people, firms, places, things and events, with questions about them."""

from __future__ import annotations

import re

from training.data.entities import ENTITIES, EntityKind, Relation
from training.data.prose_events import event, events
from training.data.prose_parts import Passage, Question, decorated, filler, merged, possessed
from training.data.prose_records import records
from training.data.stories import tell
from training.data.words import Words, capitalized


def about(w: Words, kind: EntityKind | None = None, n: int | None = None, name: str | None = None) -> Passage:
    """Some sentences about one entity: its name first, then often a pronoun; every sentence tells another fact."""
    kind = kind or w.pick(ENTITIES)
    name = name or kind.name(w)
    pronoun, possessive = w.pick(kind.pronouns)
    other = kind.noun
    relations = w.sample(range(len(kind.relations)), n or w.between(1, 6))
    out = Passage(names=[name], nouns={name: kind.noun})
    for place, number in enumerate(relations):
        relation = kind.relations[number]
        value = relation.value(w)
        if place == 0 or w.chance(0.35):
            mention, owner = name, possessed(name)
        elif w.chance(0.7):
            mention, owner = pronoun, possessive
        else:
            mention, owner = f"The {other}", f"The {other}'s"
        sentence = _statement(w, relation, mention, owner, value)
        if mention is not name and not (
            mention in sentence or owner in sentence or mention.lower() in sentence or owner.lower() in sentence
        ):
            sentence = _statement(w, relation, name, possessed(name), value)
        out.sentences.append(sentence)
        question = w.ask(relation.questions, N=name, Ns=possessed(name))
        out.questions.append(Question(question, value, sentence, name))
        if w.chance(0.12):
            out.sentences.append(filler(w, name, pronoun))
    renamed = merged(w, out.sentences, (capitalized(name), pronoun, f"The {other}"))
    if w.chance(0.3):
        for old, new in list(renamed.items()):
            if old == new and w.chance(0.3):
                renamed[old] = decorated(w, new, name)
    out.sentences = list(dict.fromkeys(renamed[sentence] for sentence in out.sentences))
    out.questions = [Question(q.text, q.answer, renamed[q.evidence], q.about) for q in out.questions]
    untold = [number for number in range(len(kind.relations)) if number not in relations]
    if untold:
        out.missing.append(w.ask(kind.relations[w.pick(untold)].questions, N=name, Ns=possessed(name)))
    return out


def _statement(w: Words, relation: Relation, mention: str, owner: str, value: str) -> str:
    text = w.tell(
        relation.statements,
        S=mention,
        Ss=owner,
        v=value,
        y=w.between(1800, 2024),
        n=w.real_noun(),
        a=w.adjective(),
        k=w.between(2, 40),
    )
    # A pronoun inside the sentence is small.
    for word in (mention, owner):
        if word in ("He", "She", "It", "They", "His", "Her", "Its", "Their") or word.startswith("The "):
            at = text.find(word, 1)
            if at > 0 and text[at - 1] == " ":
                text = text[:at] + word[0].lower() + text[at + 1 :]
    return capitalized(_AS_OBJECT.sub(lambda found: found[1] + _OBJECTS[found[2]], text))


_OBJECTS = {"he": "him", "she": "her", "they": "them"}

_AS_OBJECT = re.compile(r"\b((?:to|for|of|find|by|than|from|at|reach|contact|with|on|visit) )(he|she|they)\b")


def unanswerable(w: Words, passage: Passage) -> str:
    """A question that the passage does not answer: about a stranger, or about what is not told of somebody in it."""
    if passage.missing and w.chance(0.12):
        return w.pick(passage.missing)
    text = " ".join(passage.sentences)
    while True:
        x = w.rng.random()
        if x < 0.35:
            question = w.pick(event(w).questions)
        elif x < 0.5:
            question = w.pick(records(w, 1).questions)
        else:
            question = w.pick(about(w, n=1).questions)
        if question.about and question.about not in text:
            return question.text


def story(w: Words) -> Passage:
    """A paragraph of ordinary prose."""
    sentences, questions, untold = tell(w)
    return Passage(sentences, [Question(*one) for one in questions], missing=untold)


def passage(w: Words, n: int) -> Passage:
    """About `n` sentences of one manner or another."""
    x = w.rng.random()
    out = Passage()
    if n >= 3 and x < 0.42:
        out = story(w)
        if n >= 8:
            for more in (
                w.pick((story, lambda some: about(some, n=3), lambda some: events(some, 2)))(w) for _ in range(n // 5)
            ):
                if not {q.text for q in more.questions} & {q.text for q in out.questions}:
                    out.add(more)
        return out
    x = w.rng.random()
    if x < 0.4:
        while len(out.sentences) < n:
            fresh = about(w, n=min(w.between(1, 6), max(1, n - len(out.sentences))))
            if not set(fresh.names) & set(out.names):
                out.add(fresh)
    elif x < 0.65:
        out = events(w, n)
    elif x < 0.78:
        out = records(w, n)
    else:
        while len(out.sentences) < n:
            fresh = w.pick(
                (lambda: about(w, n=w.between(1, 4)), lambda: events(w, w.between(1, 2)), lambda: records(w, 1))
            )()
            if not set(fresh.names) & set(out.names):
                out.add(fresh)
            if w.chance(0.25):
                out.sentences.append(filler(w))
    return out if out.questions else passage(w, n)
