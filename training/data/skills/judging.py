"""Judging: whether a passage helps with a query, and which of several choices fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from training.data.example import Example
from training.data.passages import points_back
from training.data.prompts import default
from training.data.prose import about, passage
from training.data.prose_events import event
from training.data.prose_parts import Passage, Question
from training.data.prose_records import records
from training.data.skills.matching import EASY, HARD, Judged, conversation, level_of, matched
from training.data.skills.openings import chat_for, system_text
from training.data.skills.queries import WITH_TOPIC, Fact, Told, query_for, stems, text_of
from training.data.skills.written_talk import fact_turn
from training.data.words import Phrases, Words
from training.data.written_tools import written_tool

Near = Callable[[Words, "Told"], "Told | None"]
_HELPS = 0.54  # some are dropped, since they are there already

# -- relevance ---------------------------------------------------------------------------------------------------------


def _piece(w: Words, told: Told, start: int, allowed: Collection[int]) -> tuple[int, int]:
    """From which sentence to which (not with it) a piece around one goes, of sentences that it may hold."""
    low, high = (20, 120) if w.heldout else (12, 45)
    wanted = w.between(low, 90 if w.heldout else 32)
    if not w.heldout and w.chance(0.04):
        wanted, high = 150, 150
    begin, end = start, start + 1
    n = len(told.sentences[start][1].split())
    while n < wanted:
        sides = [at for at in (begin - 1, end) if at in allowed]
        sides = [at for at in sides if n < low or n + len(told.sentences[at][1].split()) <= high]
        if not sides:
            break
        at = w.pick(sides)
        n += len(told.sentences[at][1].split())
        begin, end = min(begin, at), max(end, at + 1)
    return begin, end


def _any_piece(w: Words, told: Told, start: int | None = None) -> str:
    start = w.between(0, len(told.sentences) - 1) if start is None else start
    return text_of(told, *_piece(w, told, start, range(len(told.sentences))))


def _holding(w: Words, told: Told, fact: Fact) -> str:
    """A piece that holds a fact, and the name that it is about."""
    begin, end = _piece(w, told, fact.at, range(len(told.sentences)))
    while begin and fact.about not in text_of(told, begin, end):
        begin -= 1
    return text_of(told, begin, end)


def _elsewhere(told: Told, fact: Fact) -> list[int]:
    """The sentences that do not say a fact's answer."""
    return [i for i, (_, sentence) in enumerate(told.sentences) if i != fact.at and fact.answer not in sentence]


def _alike(w: Words, query: str, others: Sequence[Told]) -> str:
    """A piece of other texts that shares as many words with a query as there are."""
    wanted = stems(query)
    scored = [
        (len(wanted & stems(sentence)), w.rng.random(), other, i)
        for other in others
        for i, (_, sentence) in enumerate(other.sentences)
    ]
    _, _, other, at = max(scored, key=lambda one: one[:2])
    return _any_piece(w, other, at)


def _not_holding(w: Words, told: Told, fact: Fact, query: str, others: Sequence[Told], near: Near | None) -> str:
    """A piece that does not help: mostly on another topic, else one that looks as if it helped."""
    x = w.rng.random()
    if x < 0.5:
        return _any_piece(w, w.pick(others))
    if x < 0.7 and (rest := _elsewhere(told, fact)):
        return text_of(told, *_piece(w, told, w.pick(rest), rest))
    if x < 0.8 and near and (other := near(w, told)):
        return _any_piece(w, other)
    return _alike(w, query, others)


def _one_query(w: Words, told: Told, others: Sequence[Told], near: Near | None, n: int) -> list[Judged]:
    """The same query for some passages."""
    fact = w.pick(told.facts)
    query = query_for(w, told, fact)
    if told.untold and w.chance(0.04):
        text = w.pick(told.untold)
        query = w.say(WITH_TOPIC, q=text, t=told.topic) if points_back(text) and told.topic else text
        return [(query, _any_piece(w, told), False)]
    out: list[Judged] = []
    for _ in range(n):
        helps = w.chance(0.5 if w.heldout else _HELPS)
        piece = _holding(w, told, fact) if helps else _not_holding(w, told, fact, query, others, near)
        out.append((query, piece, helps))
    return out


def _one_passage(w: Words, told: Told, others: Sequence[Told], n: int) -> list[Judged]:
    """Several queries for the same passage."""
    first = w.pick(told.facts)
    piece = _holding(w, told, first)
    there = [f for f in told.facts if told.sentences[f.at][1] in piece and f.about in piece] or [first]
    absent = [f for f in told.facts if told.sentences[f.at][1] not in piece and f.answer not in piece]
    words = stems(piece)
    out: list[Judged] = []
    for _ in range(n):
        if w.chance(_HELPS):
            out.append((query_for(w, told, w.pick(there)), piece, True))
        elif absent and w.chance(0.25):
            out.append((query_for(w, told, w.pick(absent)), piece, False))
        else:
            queries = [
                query_for(w, other, w.pick(other.facts)) for other in w.sample(others, 2 if w.chance(0.4) else 1)
            ]
            out.append((max(queries, key=lambda q: len(words & stems(q))), piece, False))
    return out


def _pairs(w: Words) -> list[tuple[str, str]]:
    """Requests with descriptions of the tools they need, or questions on the world with sentences that answer them."""
    out: list[tuple[str, str]] = []
    of_tools, known = w.chance(0.5), set[str]()
    while len(out) < 5:
        if of_tools:
            tool = written_tool(w)
            query, text, words = tool.request, tool.description, stems(tool.topic.replace("_", " "))
        else:
            query, text, *_ = fact_turn(w)
            words = {text}
        if len(text.split()) > 3 and not words & known:
            known |= words
            out.append((query, f"{tool.name}: {text}" if of_tools and w.chance(0.4) else text))
    return out


def _crossed(w: Words, n: int) -> list[Judged]:
    """Pairs, and such with the text of another one."""
    pairs = _pairs(w)
    out: list[Judged] = []
    for _ in range(n):
        (query, text), (_, other) = w.sample(pairs, 2)
        helps = w.chance(_HELPS)
        out.append((query, text if helps else other, helps))
    return out


def judgements(w: Words, name: str, tell: Callable[[Words], Told], near: Near | None = None) -> Example:
    """Yes or no as the first and only word; in training many, often on one query or on one passage.

    Args:
        name: The skill.
        tell: Makes a text.
        near: Another text on the topic of one, if there is any.
    """
    pool = [tell(w) for _ in range(3 if w.heldout else 5)]
    wanted = 1 if w.heldout else w.between(10, 17)
    out: dict[tuple[str, str], bool] = {}  # none twice: the second answer could be copied
    while len(out) < wanted:
        told = w.pick(pool)
        topic = stems(told.topic)
        others = [one for one in pool if one is not told and not topic & stems(one.topic)]
        if not others:
            pool.append(tell(w))
            continue
        x = w.rng.random()
        if w.heldout or x > 0.86:
            more = _one_query(w, told, others, near, 1)
        elif x < 0.36:
            more = _one_query(w, told, others, near, w.between(3, 6))
        elif x < 0.6:
            more = _one_passage(w, told, others, w.between(2, 5))
        else:
            more = _crossed(w, w.between(2, 5))
        out |= {(query, piece): helps for query, piece, helps in more if not w.heldout or len(piece.split()) >= 20}
    return conversation(w, name, [(*pair, helps) for pair, helps in list(out.items())[:wanted]])


def _generated(w: Words) -> Told:
    """A generated passage that is not too short."""
    while True:
        made = _told(passage(w, w.pick((2, 3, 4) if w.heldout else (1, 2, 2, 3))))
        if made.facts and sum(len(s.split()) for _, s in made.sentences) >= (20 if w.heldout else 12):
            return made


def _told(made: Passage) -> Told:
    places = {sentence: i for i, sentence in enumerate(made.sentences)}
    facts = [
        Fact(partial(str, q.text), q.answer, places[q.evidence], q.about)
        for q in made.questions
        if q.evidence in places and q.about and q.about in " ".join(made.sentences[: places[q.evidence] + 1])
    ]
    return Told("", [(" ", sentence) for sentence in made.sentences], facts)


def _sentence(w: Words) -> Told:
    """A short text: something about somebody, a fact of the world, or what a tool does."""
    x = w.rng.random()
    if x < 0.6:
        return _told(passage(w, w.pick((1, 1, 2))))
    if x < 0.85:
        query, text, *_ = fact_turn(w)
        text = text.removeprefix("Yes. ").removeprefix("No. ")
    else:
        tool = written_tool(w)
        query, text = tool.request, tool.description
    return Told("", [("", text)], [Fact(partial(str, query), "", 0)], brief=True)


def _like(w: Words, told: Told) -> Told:
    """Some sentences about somebody of whom a text tells something else."""
    name = next((fact.about for fact in told.facts if fact.about), "")
    return _told(about(w, n=w.between(2, 4), name=name or None))


def relevance(w: Words, level: str = "") -> Example:
    """Whether a generated passage helps with a query."""
    level = level or level_of(w)
    if level == HARD:
        return judgements(w, "relevance", _generated)
    return matched(w, "relevance", level, _sentence if level == EASY else _generated, _like)


# -- choices -----------------------------------------------------------------------------------------------------------


def _document(w: Words) -> Passage:
    x = w.between(0, 2)
    return about(w, n=w.between(1, 3)) if x == 0 else event(w) if x == 1 else records(w, 1)


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
