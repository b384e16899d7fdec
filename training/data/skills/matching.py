"""Matching: judgements of relevance that words decide, since a model must match words before it can weigh meanings."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ds4_core.chat.relevance import RELEVANCE_ANSWERS, RELEVANCE_PROMPT
from training.data.example import Chat, Example
from training.data.passages import points_back
from training.data.prose_parts import decorated
from training.data.skills.openings import system_text
from training.data.skills.queries import Fact, Told, is_content, keywords, stems, text_of
from training.data.words import Phrases, Words

YES, NO = RELEVANCE_ANSWERS
Judged = tuple[str, str, bool]
Teller = Callable[[Words], Told]

EASY: Final = "easy"  # one sentence; all that does not help is about something else
MIDDLE: Final = "middle"  # some sentences; some that does not help shares a word with the query
HARD: Final = "hard"  # as it comes
_LEVELS: Final = ((0.6, EASY), (0.25, MIDDLE), (0.15, HARD))
_LEVELS_HELD_OUT: Final = ((0.5, EASY), (0.5, HARD))


def level_of(w: Words) -> str:
    """How hard an example is to be."""
    level: str = w.weighted(*(_LEVELS_HELD_OUT if w.heldout else _LEVELS))
    return level


def conversation(w: Words, name: str, judged: Iterable[Judged]) -> Example:
    """Judgements one after the other, with yes or no as the first and only word."""
    chat = Chat()
    if w.chance(0.06):
        chat.system(system_text(w, 1))
    for query, passage, helps in judged:
        chat.user(RELEVANCE_PROMPT.format(query=query, passage=passage))
        chat.answer(YES if helps else NO, kind="text")
    return chat.example(name, heldout=w.heldout)


# -- queries and pieces ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Query:
    """A query, the text that it is for, and the sentence of it that answers."""

    text: str
    source: int
    evidence: str
    answer: str
    about: str
    words: frozenset[str]


@dataclass(frozen=True)
class _Piece:
    """A part of a text that is judged."""

    text: str
    source: int
    words: frozenset[str]


Pair = tuple[_Query, _Piece]

_SEARCHES = Phrases(
    *("{k}", "{k}", "{k}", "{k}", "{k}", "{k}", "{k}?", "about {k}", "What is said about {k}?", "tell me about {k}"),
    *("info on {k}", "information about {k}", "What do we know about {k}?", "search: {k}", "Anything on {k}?"),
    *("Where is {k} mentioned?", "I need something on {k}", "who knows about {k}", "find {k}", "what about {k}"),
    *("everything about {k}", "more on {k}", "Is there anything about {k}?", "look up {k}", "details on {k}"),
    *("Which text is about {k}?", "passages on {k}", "query: {k}", "What does it say about {k}?", "any {k}?"),
)
SENTENCE: Final = 66  # letters of one that is judged, at most
_SENTENCES: Final = 240  # letters of some together, at most
_ADDRESS = re.compile(r"[@/_]")
_TOKEN = re.compile(r"[^\W_][\w'’-]*")


def _picked(w: Words, sentence: str) -> str:
    """Two to four words of a sentence that mean something, mostly as they follow one another."""
    words = [word for word in _TOKEN.findall(sentence) if is_content(word)]
    n = w.pick((2, 2, 3, 3, 4))
    if w.chance(0.6) and len(words) > n:
        begin = w.between(0, len(words) - n)
        some = words[begin : begin + n]
    else:
        some = w.sample(words, n)
        if w.chance(0.5):
            some.sort(key=words.index)
    text = " ".join(word.removesuffix("'s").removesuffix("’s") for word in some)
    return w.say(_SEARCHES, k=text.lower() if w.chance(0.5) else text)


def _asked(w: Words, fact: Fact, longest: int) -> str:
    """A question, or its words; "" where it is long or needs a text before it."""
    text = fact.ask()
    if points_back(text):
        return ""
    if w.chance(0.35):
        text = keywords(text)
        text = text.lower() if w.chance(0.4) else text
    return text if len(text.split()) <= longest else ""


def _usable(sentence: str, low: int, longest: int) -> bool:
    """Whether a sentence is a whole one, of at least some words and of at most some letters."""
    whole = sentence.endswith((".", "!")) and sentence[:1].isupper()
    return whole and not _ADDRESS.search(sentence) and len(sentence) <= longest and len(sentence.split()) >= low


def _easy_parts(w: Words, told: Told, source: int) -> tuple[list[_Query], list[_Piece]]:
    """Some short queries for one short sentence of a text, and that sentence, at times with another one."""
    low = 5 if told.brief else 8
    usable = [at for at, (_, sentence) in enumerate(told.sentences) if _usable(sentence, low, SENTENCE)]
    if not usable:
        return [], []
    at, texts = w.pick(usable), []
    for fact in w.shuffled(told.facts):
        words = stems(told.sentences[fact.at][1])
        if fact.at in usable and fact.about in told.sentences[fact.at][1]:
            asked = dict.fromkeys(_asked(w, fact, 8) for _ in range(4))
            if found := [text for text in asked if len(text) < 36 and len(stems(text) & words) >= 2]:
                at, texts = fact.at, found[:3]
                break
    if not texts and w.chance(0.5):
        return [], []
    sentence = told.sentences[at][1]
    texts += [_picked(w, sentence) for _ in range(4 - len(texts))]
    texts = [text for text in dict.fromkeys(texts) if len(stems(text) & stems(sentence)) >= 2]
    queries = [_Query(text, source, sentence, "", "", frozenset(stems(text))) for text in texts]
    said = [sentence]
    others = [one for i, (_, one) in enumerate(told.sentences) if i != at and _usable(one, 2, 30)]
    if others and w.chance(0.4):
        said.append(w.pick((f"{sentence} {(other := w.pick(others))}", f"{other} {sentence}")))
    elif w.chance(0.4):
        said.append(decorated(w, sentence))
    return queries, [
        _Piece(text, source, frozenset(stems(text))) for text in dict.fromkeys(said) if len(text) <= SENTENCE + 20
    ]


def _middle_parts(w: Words, told: Told, source: int) -> tuple[list[_Query], list[_Piece]]:
    """Queries for some facts of a text, and pieces of two or three sentences."""
    queries: dict[str, _Query] = {}
    pieces: dict[str, None] = {}
    for fact in w.sample(told.facts, 3):
        sentence = told.sentences[fact.at][1]
        n = min(w.pick((2, 2, 3)), len(told.sentences))
        begin = max(0, min(fact.at - w.between(0, n - 1), len(told.sentences) - n))
        text = text_of(told, begin, begin + n)
        if len(text.split()) >= 10 and len(text) <= _SENTENCES and "\n" not in text:
            pieces[text] = None
        for _ in range(2):
            text = _asked(w, fact, 12)
            if text and stems(text) & told.stems:
                queries[text] = _Query(text, source, sentence, fact.answer, fact.about, frozenset(stems(text)))
    return list(queries.values()), [_Piece(text, source, frozenset(stems(text))) for text in pieces]


def _helps(query: _Query, piece: _Piece, level: str) -> bool | None:
    """Whether a piece helps with a query; None where words do not decide it."""
    holds = query.evidence in piece.text and query.about in piece.text
    if query.source == piece.source and holds:
        return True if len(query.words & piece.words) >= (2 if level == EASY else 1) else None
    shared = len(query.words & piece.words)
    if level == EASY:
        return False if query.source != piece.source and not shared else None
    told = query.evidence in piece.text or query.answer.lower() in piece.text.lower()
    return False if shared <= 1 and not told else None


# -- a conversation ----------------------------------------------------------------------------------------------------

_TOKENS: Final = {EASY: 680, MIDDLE: 880}  # of a conversation, about
_FEWEST: Final = {EASY: 11, MIDDLE: 8}
_MOST: Final = {EASY: 24, MIDDLE: 16}
_PROMPT: Final = 27  # tokens that a judgement needs beside its query and its passage
_LETTERS: Final = 2.6  # of a token


def _next(w: Words, left: dict[bool, list[Pair]], before: Pair | None, label: bool) -> Pair:
    """A pair, mostly with the query or the passage of the one before, of which another label would be possible too."""
    live = {pair[0] for pair in left[True]} & {pair[0] for pair in left[False]}
    x = w.rng.random()
    if before and x < 0.7:
        side = 0 if x < 0.4 else 1
        near = {k: [p for p in some if p[side] == before[side] and p[0] in live] for k, some in left.items()}
        if near[True] and near[False]:
            return w.pick(near[label])
    free = [p for p in left[label] if p[0] in live and not (before and (p[0] == before[0] or p[1] == before[1]))]
    return w.pick(free or left[label])


def _arranged(w: Words, pairs: dict[bool, list[Pair]], n: int) -> list[Judged]:
    """So many pairs in random order, half of which help."""
    n_help = (n + w.between(-1, 2)) // 2
    left = {label: list(some) for label, some in pairs.items()}
    out: list[Judged] = []
    before: Pair | None = None
    for label in w.shuffled([True] * n_help + [False] * (n - n_help)):
        before = _next(w, left, before, label)
        left[label].remove(before)
        out.append((before[0].text, before[1].text, label))
    return out


def _pairs(queries: Sequence[_Query], pieces: Sequence[_Piece], level: str, w: Words) -> dict[bool, list[Pair]]:
    """All pairs that words decide; in those of middle difficulty many that do not help share a word."""
    out: dict[bool, list[Pair]] = {True: [], False: []}
    for query in queries:
        for piece in pieces:
            helps = _helps(query, piece, level)
            if helps is None or (helps and len(query.words & piece.words) < 2 and w.chance(0.5)):
                continue
            if not helps and level == MIDDLE and not query.words & piece.words and w.chance(0.8):
                continue
            out[helps].append((query, piece))
    return out


def matched(w: Words, name: str, level: str, tell: Teller, near: Callable[[Words, Told], Told | None]) -> Example:
    """Judgements that words decide.

    Args:
        name: The skill.
        level: `EASY` or `MIDDLE`.
        tell: Makes a text.
        near: Another text that is like one, if there is any.
    """
    parts: list[tuple[list[_Query], list[_Piece]]] = []
    wanted = 2 if w.heldout else w.between(4, 6) if level == EASY else 4
    source = 0
    while True:
        while len(parts) < wanted:
            texts = [tell(w)]
            if level == MIDDLE and w.chance(0.6) and (other := near(w, texts[0])):
                texts.append(other)
            for text in texts:
                asked, said = (_easy_parts if level == EASY else _middle_parts)(w, text, source)
                if asked and said:
                    parts.append((asked, said))
                    source += 1
        queries = list({query.text: query for asked, _ in parts for query in asked}.values())
        pieces = list({piece.text: piece for _, said in parts for piece in said}.values())
        pairs = _pairs(queries, pieces, level, w)
        n = _how_many(queries, pieces, pairs, level)
        if w.heldout and all(pairs.values()):
            return conversation(w, name, _arranged(w, pairs, 1))
        if not w.heldout and n >= _FEWEST[level]:
            return conversation(w, name, _arranged(w, pairs, n))
        parts.remove(max(parts, key=lambda part: max(len(piece.text) for piece in part[1])))


def _how_many(queries: Sequence[_Query], pieces: Sequence[_Piece], pairs: dict[bool, list[Pair]], level: str) -> int:
    """How many judgements a conversation can hold."""
    letters = sum(len(one.text) for one in queries) / len(queries) + sum(len(one.text) for one in pieces) / len(pieces)
    return min(
        _MOST[level],
        int(_TOKENS[level] / (_PROMPT + letters / _LETTERS)),
        2 * min(len(some) for some in pairs.values()) - 2,
    )
