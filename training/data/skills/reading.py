"""Reading ordinary prose, written by hand: questions on one passage, on several, on long texts, and on what a tool found."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, partial

from training.data.example import Chat, Example
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool
from training.data.passages import (
    Reading,
    chunks,
    headed,
    laid_out,
    path_of,
    points_back,
    read,
    several,
    source_of,
    split,
)
from training.data.prompts import qa_messages
from training.data.prose_parts import Question
from training.data.skills.context import SILENT, UNKNOWN, ask_to_refine, found_thought
from training.data.skills.judging import judgements
from training.data.skills.matching import HARD, level_of, matched
from training.data.skills.openings import chat_for, system_text
from training.data.skills.queries import Fact, Told, stems
from training.data.swap import Swap
from training.data.toolmaking import Listing
from training.data.words import Phrases, Words
from training.data.written import Line, Slots, line_of, lines, said

REFUSALS = 0.22  # of the questions

FURTHER = Phrases(
    *("{q}", "{q}", "{q}", "{q}", "{q}", "{q}", "And: {q}", "Next question. {q}", "Now this: {q}", "One more: {q}"),
    *("I also want to know: {q}", "Thanks. {q}", "Good. {q}", "OK, and this? {q}", "Fine. Then tell me: {q}"),
    *("Another question: {q}", "I see. {q}", "{q} (same text)", "Got it. {q}", "Thank you! {q}", "Last one: {q}"),
)


# -- turns -------------------------------------------------------------------------------------------------------------


def answered(w: Words, chat: Chat, one: Reading, question: Question) -> None:
    """An answer, and how it is judged: by the words that are enough."""
    short = one.short[question.answer].strip(".,\"'")
    if len(short) > 3:
        chat.answer(question.answer, found_thought(w, question), kind="holds", expected=short)
    else:  # a short number may stand in any wrong answer too
        chat.answer(question.answer, found_thought(w, question))


def refused(w: Words, chat: Chat) -> None:
    """The answer to a question that the context does not answer."""
    chat.answer(UNKNOWN, w.say(SILENT))


def _unanswerable(w: Words, ones: Sequence[Reading]) -> str:
    """A question that passages do not answer: one that looks as if they did, or one about another text."""
    untold = [text for one in ones for text in one.untold]
    if untold and w.chance(0.75) and (len(ones) == 1 or w.chance(0.5)):
        plain = [text for text in untold if len(ones) == 1 or not points_back(text)]
        if plain:
            return w.pick(plain)
    topics = {one.topic for one in ones}
    while True:
        other = read(w)
        if other.topic not in topics and (questions := [q for q in other.alone() if _names(q.text)]):
            return w.pick(questions).text


_NAME = re.compile(r"\b[A-Z][a-z]+")


def _names(text: str) -> bool:
    """Whether a question names somebody or something, so that only its own text answers it."""
    return bool(_NAME.search(text, 1))


_WORD = re.compile(r"\w{3,}")


def _pointed(ones: Sequence[Reading]) -> list[tuple[Reading, Question]]:
    """The questions on several passages that say, by a word that only one has, which of them they mean."""
    words = [set(_WORD.findall(one.text.lower())) for one in ones]
    counts = Counter(word for some in words for word in some)
    return [
        (one, question)
        for one, some in zip(ones, words, strict=True)
        for question in one.alone()
        if any(word in some and counts[word] == 1 for word in _WORD.findall(question.text.lower()))
    ]


def _conversation(w: Words, chat: Chat, ones: Sequence[Reading], context: str, n: int) -> None:
    """Up to `n` questions on a context, every turn a target."""
    pool = _pointed(ones) if len(ones) > 1 else []
    pool = pool or [(one, question) for one in ones for question in one.questions]
    said_before: set[str] = set()
    first = True
    for source, question in w.shuffled(pool)[:n]:
        refuse = w.chance(REFUSALS)
        text = _unanswerable(w, ones) if refuse else question.text
        if question.answer in said_before and not refuse:
            continue  # what was said before would only be said again
        if first:
            system, user = qa_messages(w, context, text)
            chat.system(system or system_text(w, 0.12))
            chat.user(user)
        else:
            chat.user(w.ask(FURTHER, q=text))
        first = False
        if refuse:
            refused(w, chat)
        else:
            said_before.add(question.answer)
            answered(w, chat, source, question)


def read_prose(w: Words) -> Example:
    """Questions on one passage."""
    chat = chat_for(w, share=0.16)
    one = read(w)
    _conversation(w, chat, [one], laid_out(w, one), 1 if w.heldout else w.between(3, 9))
    return chat.example("read_prose", heldout=w.heldout)


def read_several(w: Words) -> Example:
    """Questions on some passages after one another, whole or in chunks."""
    chat = chat_for(w, share=0.12)
    ones = several(w, w.pick((2, 2, 3, 4)))
    parts = [(one.topic, one.text) for one in ones]
    if w.chance(0.4):
        parts = [(one.topic, text) for one in ones for text in chunks(w, one)]
        if w.chance(0.3):
            parts = w.shuffled(parts)
    _conversation(w, chat, ones, headed(w, parts), 1 if w.heldout else w.between(4, 10))
    return chat.example("read_several", heldout=w.heldout)


#: Letters of a long text: 1,500 to 3,900 tokens with the prompt and the questions.
_LONG = (3500, 9500)


def read_long(w: Words) -> Example:
    """Questions on different parts of a text of many passages."""
    chat = chat_for(w, share=0.06)
    wanted = w.between(_LONG[0], _LONG[1] - 900)
    ones: list[Reading] = []
    size = 0
    while size < wanted:
        one = read(w)
        if one.topic not in {other.topic for other in ones} and size + len(one.text) < _LONG[1]:
            ones.append(one)
            size += len(one.text) + 20
    context = headed(w, [(one.topic, one.text) for one in ones])
    _conversation(w, chat, ones, context, 1 if w.heldout else w.between(6, 14))
    return chat.example("read_long", heldout=w.heldout)


# -- tools -------------------------------------------------------------------------------------------------------------

_TOOL_NAMES = (
    *(
        "search_{x}",
        "retrieve_context",
        "retriever",
        "query_engine_tool",
        "knowledge_base",
        "{x}_search",
        "search_docs",
    ),
    *("lookup_{x}", "ask_{x}", "{x}_retriever", "docs_tool", "vector_query", "find_passages", "search_archive", "rag"),
    *("search_knowledge_base", "get_documents", "library_search", "search", "semantic_search", "read_notes", "fetch"),
)
_TOOL_DOES = Phrases(
    "Retrieve information to help answer a query.",
    "Search the documents.",
    "Useful for answering natural language questions about {x}.",
    "Searches the notes on {x}.",
    "Returns passages that fit the question.",
    "Finds text about {x}",
    "Searches the archive and returns the best matching pieces of text.",
    "Look up information in the knowledge base.",
    "Use this whenever a question is about {x}.",
    "Full text search over a collection of articles.",
    "Gives back excerpts that may hold the answer.",
    "Query the index with a question in plain words.",
)
_TOOL_SYSTEM = (
    "You have access to a tool that retrieves context. Use the tool to help answer user queries.",
    "Answer with the help of the search tool.",
    "Always search before you answer.",
    "Look things up in the documents before you reply, and keep the answer short.",
    "You answer questions about a collection of texts. Search it first.",
)


def _as_result(w: Words, parts: Sequence[tuple[str, str]]) -> str:
    """Pieces of text as a search tool gives them back."""
    x = w.rng.random()
    if x < 0.35:
        return headed(w, parts)
    if x < 0.55:
        return "\n\n".join(text for _, text in parts)
    if x < 0.75:
        return "\n\n".join(f"Source: {{'source': '{path_of(w, topic)}'}}\nContent: {text}" for topic, text in parts)
    key = w.pick(("content", "text", "page_content", "snippet"))
    rows = []
    for topic, text in parts:
        row: dict[str, object] = {key: text}
        if w.chance(0.4):
            row["score"] = round(w.rng.random(), 2)
        if w.chance(0.4):
            row[w.pick(("source", "title"))] = path_of(w, topic)
        rows.append(row)
    made: object = rows if w.chance(0.6) else {"results": rows}
    return json.dumps(made, ensure_ascii=False, indent=2 if w.chance(0.2) else None)


def read_result(w: Words) -> Example:
    """A question, a search for it, passages as the result, and the answer from them; often several times."""
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.3) if w.chance(0.6) else w.pick(_TOOL_SYSTEM))
    topic = w.noun()
    key = w.pick(("query", "input", "question", "q", "text"))
    name = w.pick(_TOOL_NAMES).format(x=topic)
    tool = Tool(name, w.say(_TOOL_DOES, x=topic), [Parameter(key, {"type": "string"}, "", "")], {}, "", topic)
    chat.tools = Listing(w).specs([tool])
    for _ in range(1 if w.heldout else w.pick((1, 2, 3, 3, 4))):
        one = read(w)
        question = w.pick(one.alone() or one.questions)
        refuse = w.chance(REFUSALS)
        text = _unanswerable(w, [one]) if refuse else question.text
        chat.user(text)
        chat.calls([(name, {key: text})], train=not w.heldout)
        pieces = chunks(w, one)
        if w.chance(0.4):
            pieces = [one.text]
        elif not refuse and w.chance(0.5):
            pieces = [piece for piece in pieces if question.evidence in piece] or pieces
        parts = [(one.topic, piece) for piece in pieces]
        if w.chance(0.5):
            for other in several(w, w.pick((1, 1, 2))):
                if other.topic != one.topic:
                    piece = (other.topic, w.pick(chunks(w, other)))
                    parts.insert(w.between(0, len(parts)), piece)
        chat.result(_as_result(w, parts))
        if refuse:
            refused(w, chat)
        else:
            answered(w, chat, one, question)
    return chat.example("read_result", heldout=w.heldout)


# -- refining and judging ----------------------------------------------------------------------------------------------

_NOT_YET = (
    *(UNKNOWN, UNKNOWN, UNKNOWN, "It is not mentioned.", "The context does not say.", "Empty Response"),
    *("The text does not tell.", "There is no information about that.", "Not stated in the context."),
)


def read_refine(w: Words) -> Example:
    """An answer is there and new context comes: the new answer where it holds one, else the old one again."""
    chat = chat_for(w, share=0.1)
    one, other = several(w, 2)
    question = w.pick(one.alone() or one.questions)
    useful = w.chance(0.5)
    if useful:
        pieces = chunks(w, one)
        context = one.text if w.chance(0.5) else next((p for p in pieces if question.evidence in p), one.text)
        wrong = w.pick(other.questions).answer
        old = w.pick((*_NOT_YET, wrong)) if w.chance(0.8) else w.pick((w.person, w.city, w.date))()
    else:
        context = other.text if w.chance(0.5) else w.pick(chunks(w, other))
        old = question.answer if w.chance(0.75) else w.pick(_NOT_YET)
    if w.chance(0.25):
        context = headed(w, [(one.topic if useful else other.topic, context)])
    ask_to_refine(w, chat, context, question.text, old)
    if useful:
        answered(w, chat, one, question)
    else:
        chat.answer(old, w.say(SILENT))
    return chat.example("read_refine", heldout=w.heldout)


# -- relevance ---------------------------------------------------------------------------------------------------------


def _asked(w: Words, slots: Slots, swap: Swap, wordings: Sequence[str]) -> str:
    """One of all wordings of a question that the split may use."""
    wording = w.pick(wordings)
    return swap(slots.fill(said(w, wording) if w.chance(0.6) else wording))


def _told(w: Words, line: Line) -> Told | None:
    """A text with every way to ask about it; none where no single sentence holds an answer."""
    source = source_of(line, w.heldout)
    slots = Slots(w)
    text = slots.fill(source.text)
    topic = set(_WORD.findall(source.topic.lower()))
    other = " ".join(word for word in _WORD.findall(text) if word.lower() not in topic)
    swap = Swap(w, other, 0.0 if w.heldout or w.chance(0.4) else w.pick((0.1, 0.25, 0.5)))
    sentences = split(swap(text))
    facts = []
    for one in source.asked:
        answer = swap(slots.fill(one.answer))
        at = next((i for i, (_, sentence) in enumerate(sentences) if answer in sentence), None)
        if at is not None:
            short = swap(slots.fill(one.short)).strip(".,")
            facts.append(Fact(partial(_asked, w, slots, swap, one.wordings), short, at))
    long_enough = sum(len(sentence.split()) for _, sentence in sentences) >= 20
    untold = [swap(slots.fill(text)) for text in source.untold]
    return Told(source.topic, sentences, facts, untold) if facts and long_enough else None


def _tell(w: Words) -> Told:
    while True:
        if told := _told(w, line_of(w, "prose")):
            return told


@lru_cache(maxsize=2)
def _by_stem(heldout: bool) -> dict[str, list[Line]]:
    """The texts by the words of their topics; for training only its own."""
    out: dict[str, list[Line]] = {}
    for line in lines("prose"):
        if heldout or not line.heldout:
            for stem in sorted(stems(line["topic"])):
                out.setdefault(stem, []).append(line)
    return out


def _near(w: Words, told: Told) -> Told | None:
    """Another text whose topic shares a word with that of one."""
    texts = _by_stem(w.heldout)
    found = [line for stem in sorted(stems(told.topic)) for line in texts.get(stem, ()) if line["topic"] != told.topic]
    return _told(w, w.pick(found)) if found else None


def read_relevance(w: Words, level: str = "") -> Example:
    """Whether a passage helps with a query."""
    level = level or level_of(w)
    if level != HARD:
        return matched(w, "read_relevance", level, _tell, _near)
    return judgements(w, "read_relevance", _tell, _near)
