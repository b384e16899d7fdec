"""Queries: what a text tells, and how somebody searches for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from training.data.passages import points_back
from training.data.words import Phrases, Words


@dataclass(frozen=True)
class Fact:
    """What one sentence of a text tells, and how to ask for it."""

    ask: Callable[[], str]  # a question for it, often another one each time
    answer: str
    at: int  # the sentence that tells it
    about: str = ""  # a name without which a piece of the text does not tell it


@dataclass
class Told:
    """A text in sentences, each with what stands before it, and what can be asked about it."""

    topic: str
    sentences: list[tuple[str, str]]
    facts: list[Fact]
    untold: list[str] = field(default_factory=list)
    brief: bool = False  # it is one sentence, which may be very short

    def __post_init__(self) -> None:
        self.stems = stems(" ".join(sentence for _, sentence in self.sentences))


_GRAMMAR = frozenset(
    "what who whom whose with when where why how which is are was were do does did had has have can could may must should "
    "the a an of in on at to for by from about that it its he she they his her their there this and or be been as tell "
    "me give you i we name please know like would many much say said does anyone any not does one".split()
)
#: Further words that do not tell what a text is about.
_FILLING = _GRAMMAR | frozenset(
    "into out up off over after before while because so if then than them him us our my mine me more most some any all "
    "each every no only just also very too here these those such own same other another both between through during "
    "without within under against until since ever never always often again now still even well but nor yet will shall "
    "get got make made let go went come came take put way thing things something anything someone somebody anyone anybody "
    "nobody everybody whether either rather quite re ve ll don didn doesn isn aren wasn weren won couldn wouldn hers "
    "its itself himself herself themselves yours ours theirs being having doing upon onto per as info find search look "
    "query mentioned details text passages everything".split()
)
_WORD = re.compile(r"[^\W_]+")


def is_content(word: str) -> bool:
    """Whether a word tells what a text is about."""
    return bool(stems(word))


def _stem(word: str) -> str:
    """The beginning of a word that its forms share, mostly."""
    for end in ("ing", "ed", "es", "s"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            word = word.removesuffix(end)
            break
    if len(word) > 3:
        word = word.removesuffix("e")
        word = word[:-1] + "i" if word[-1] == "y" else word[:-1] if word[-1] == word[-2] else word
    return word[:5]


def stems(text: str) -> set[str]:
    """The stems of a text's words, less those that fill."""
    return {_stem(word) for word in _WORD.findall(text.lower()) if word not in _FILLING and len(word) > 1}


def text_of(told: Told, begin: int, end: int) -> str:
    """Some sentences of a text."""
    (_, first), *rest = told.sentences[begin:end]
    return first + "".join(before + sentence for before, sentence in rest)


_WRAPPED = Phrases(
    *("search: {q}", "find: {q}", "query: {q}", "Search for: {q}", "look up {q}", "{q} ?", "Find out: {q}", "Q: {q}"),
    *(
        "search query: {q}",
        "Question: {q}",
        "I search for: {q}",
        "find passages: {q}",
        "looking for {q}",
        "wanted: {q}",
    ),
)
WITH_TOPIC = Phrases(
    *("{q} ({t})", "{t}: {q}", "About the {t}: {q}", "{q} [{t}]", "{q} I mean the {t}.", "{t} - {q}", "{t}, {q}"),
    *("In the {t}: {q}", "{q} It is about the {t}.", "Regarding the {t}: {q}", "{t} | {q}", "{q} (in the {t})"),
)
_TOPIC_WORDS = Phrases(
    "{t} {q}", "{q} {t}", "{t}: {q}", "{t}, {q}", "{q}, {t}", "{q} of {t}", "{t} - {q}", "{q} in {t}"
)


def keywords(text: str) -> str:
    """A question's words without the grammar of a question; the question where hardly one is left."""
    kept = [word for raw in text.split() if (word := raw.strip("?.,!'\"")) and word.lower() not in _GRAMMAR]
    return " ".join(kept) if len(kept) >= 2 else text


def query_for(w: Words, told: Told, fact: Fact) -> str:
    """A query for a fact: a question, keywords or a search phrase; with the topic where it says too little alone."""
    text = fact.ask()
    vague = points_back(text) or len(text.split()) < 4 or not stems(text) & told.stems
    as_keywords = w.chance(0.4)
    if as_keywords:
        text = keywords(text)
    if told.topic and (vague or w.chance(0.15)):
        text = w.say(_TOPIC_WORDS if as_keywords else WITH_TOPIC, q=text, t=told.topic)
    if as_keywords and w.chance(0.3):
        text = text.lower()
    return w.say(_WRAPPED, q=text) if w.chance(0.2) else text
