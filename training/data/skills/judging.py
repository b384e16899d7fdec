"""Judging: whether a passage helps with a query, and which of several choices fits."""

from __future__ import annotations

from ds4_core.chat.relevance import RELEVANCE_ANSWERS, RELEVANCE_PROMPT
from training.data.example import Chat, Example
from training.data.prompts import default
from training.data.prose import Passage, Question, about, event, filler, passage, records, unanswerable
from training.data.skills.openings import chat_for, system_text
from training.data.skills.talk import exchange
from training.data.words import Phrases, Words

YES, NO = RELEVANCE_ANSWERS
_QUERIES = Phrases("{q}", "{q}", "{q}", "{q}", "{q}", "search: {q}")


def _query(w: Words, question: Question) -> str:
    """A query for a question: itself, or its words without the grammar of a question."""
    if w.chance(0.75) or not question.about:
        return question.text
    words = [word.strip("?.,!'\"").removesuffix("'s") for word in question.text.split()]
    kept = [word for word in words if word.lower() not in _STOP]
    return " ".join(kept) if kept else question.text


_STOP = frozenset(
    "what who where when why how which is are was were does do did the a an of in on at to for with by tell me give it that this there can i you have has many much name whom be be".split()
)


def _judged(w: Words) -> tuple[Passage, str, bool]:
    """A passage with a query, and whether it helps: easy ones most of the time."""
    read = passage(w, 1) if w.chance(0.5) else passage(w, w.pick((1, 2, 3, 4)))
    x = w.rng.random()
    if x < 0.5:
        return read, _query(w, w.pick(read.questions)), True
    if x < 0.57:
        return read, unanswerable(w, read), False
    text = " ".join(read.sentences)
    while True:
        question = w.pick(passage(w, 1).questions)
        if question.about and question.about not in text:
            return read, _query(w, question), False


def relevance(w: Words) -> Example:
    """Yes or no as the first and only word; in training for many passages in a row, often of one query."""
    chat = Chat()
    if w.chance(0.06):
        chat.system(system_text(w, 1))
    pool = [_judged(w) for _ in range(1 if w.heldout else w.between(4, 10))]
    for at, (read, query, helps) in enumerate(pool):
        asked, answer = query, helps
        if at and w.chance(0.3):
            # The query of another passage of the pool: the two may even be about the same.
            other, asked, answer = w.pick(pool)
            if other is not read:
                text = " ".join(read.sentences)
                if any(q.about and q.about in asked and q.about in text for q in other.questions):
                    continue
                answer = False
        chat.user(RELEVANCE_PROMPT.format(query=asked, passage=" ".join(read.sentences)))
        chat.answer(YES if answer else NO, kind="text")
    return chat.example("relevance", heldout=w.heldout)


def _document(w: Words) -> Passage:
    return w.pick((lambda: about(w, n=w.between(1, 3)), lambda: event(w), lambda: records(w, 1)))()


def choice_select(w: Words) -> Example:
    """LlamaIndex's prompt for choosing documents: the one that answers the question."""
    chat = chat_for(w, share=0.0)
    documents = [_document(w) for _ in range(w.between(2, 4))]
    wanted = w.between(0, len(documents) - 1)
    question = w.pick(documents[wanted].questions)
    text = "\n\n".join(f"Document {i}:\n{' '.join(d.sentences)}" for i, d in enumerate(documents, 1))
    chat.user(default("choice_select").format(context_str=text, query_str=question.text))
    chat.answer(f"Doc: {wanted + 1}, Relevance: 10")
    return chat.example("choice_select", heldout=w.heldout)


_LABELS = (
    ("positive", "negative"),
    ("positive", "negative", "neutral"),
    ("spam", "not spam"),
    ("question", "statement"),
    ("person", "city"),
)
_GOOD = Phrases(
    "I love this {n}!",
    "The {n} is wonderful.",
    "What a great {n}.",
    "Best {n} ever",
    "I am very happy with the {n}.",
    "The {n} works perfectly.",
    "Excellent {n}, thank you!",
    "This {n} made my day.",
    "Really nice {n}.",
    "A fantastic {n}!",
)
_BAD = Phrases(
    "I hate this {n}!",
    "The {n} is terrible.",
    "What an awful {n}.",
    "Worst {n} ever",
    "I am very unhappy with the {n}.",
    "The {n} broke at once.",
    "Horrible {n}, never again!",
    "This {n} ruined my day.",
    "Really bad {n}.",
    "A dreadful {n}!",
)
_FLAT = Phrases(
    "The {n} is in the {m}.",
    "This is a {n}.",
    "The {n} has a {m}.",
    "I bought a {n} on Monday.",
    "There is a {n} next to the {m}.",
    "The {n} arrived at {t}.",
)
_SENTIMENT = Phrases(
    "Is this positive or negative? {t}",
    "Classify the sentiment as {c}: {t}",
    "Sentiment of '{t}' ({c})?",
    "{t}\n\nWhich of {c} fits?",
    "Label this text with one of {c}.\nText: {t}",
    "Choose from {c}: {t}",
    "What is the sentiment of this text? Answer {c}.\n{t}",
    'Text: "{t}"\nSentiment ({c}):',
)
_PICK = Phrases(
    "Which of these is about {x}? {c}",
    "Choose the one that mentions {x}: {c}",
    "Pick from {c} the one with {x} in it.",
    "Options: {c}. Which one contains {x}?",
    "Select the option that has {x}: {c}",
)


def classify(w: Words) -> Example:
    """One of some labels or options, said as it is written."""
    chat = chat_for(w, share=0.05)
    chat.system(system_text(w, 0.15))
    x = w.rng.random()
    if x < 0.55:
        three = w.chance(0.4)
        label = w.pick(("positive", "negative", "neutral") if three else ("positive", "negative"))
        phrases = {"positive": _GOOD, "negative": _BAD, "neutral": _FLAT}[label]
        text = w.ask(phrases, n=w.noun(), m=w.noun(), t=w.time())
        names = ["positive", "negative", *(["neutral"] if three else [])]
        asked = w.pick(_SENTIMENT.of(w.split)[1 if three else 0 :] or _SENTIMENT.train[1:])
        if w.chance(0.3):
            names = w.shuffled(names)
        chat.user(asked.format(t=text, c=w.pick((", ", " or ", "/")).join(names)))
        chat.answer(label, f"The tone is {label}.", choices=names)
    elif x < 0.8:
        options = list(dict.fromkeys(w.phrase(1, 3) for _ in range(w.between(2, 4))))
        wanted = w.pick(options)
        chat.user(w.ask(_PICK, x=w.pick(wanted.split()), c=", ".join(options)))
        chat.answer(wanted, "I choose the one that fits.", choices=options)
    else:
        topics = [_document(w) for _ in range(w.between(2, 3))]
        wanted_index = w.between(0, len(topics) - 1)
        question = w.pick(topics[wanted_index].questions)
        lines = "\n\n".join(f"({i}) {d.sentences[0]}" for i, d in enumerate(topics, 1))
        chat.user(
            default("single_select").format(num_choices=len(topics), context_list=lines, query_str=question.text)
            if question.evidence == topics[wanted_index].sentences[0]
            else f"Say the number of the text that answers the question.\n{lines}\n\nQuestion: {_first(w, topics[wanted_index]).text}"
        )
        chat.answer(str(wanted_index + 1), "I choose the one that answers it.")
    return chat.example("classify", heldout=w.heldout)


def _first(w: Words, read: Passage) -> Question:
    return w.pick([q for q in read.questions if q.evidence == read.sentences[0]] or read.questions[:1])


__all__ = ["choice_select", "classify", "exchange", "filler", "relevance"]
