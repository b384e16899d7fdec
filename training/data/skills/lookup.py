"""Looking things up in a list: the value of a key, the key of a value, which line is meant, what comes next, whether it is there.

What answers from a context, tools and results have in common, in its shortest form: two places with the same words have
to be found in each other, and something beside one of them is the answer. There are many answers to a conversation and
few tokens to an answer, so that this is learned early, and what needs it can build on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.data.example import Chat, Example
from training.data.words import Phrases, Words

_PLAIN = 0.7  # of the questions are asked without anything around them
_LONG = 0.04  # of the lists fill a good part of the context
_INTROS = Phrases(
    "Here is a list:",
    "List:",
    "Keep this list in mind.",
    "These are the entries:",
    "I'll ask you about this list.",
    "Data:",
    "Look things up here:",
    "This is what we have:",
    "The register:",
    "Answer from this table.",
    "Notes:",
    "Use these entries:",
    "",
)
_KEY = Phrases(
    "{k}",
    "{k}?",
    "{k}",
    "What is {k}?",
    "What belongs to {k}?",
    "And {k}?",
    "{k}, please",
    "Look up {k}.",
    "What stands beside {k}?",
    "Give me {k}.",
    "Value of {k}?",
    "Now {k}",
    "What does it say for {k}?",
    "I need the entry of {k}.",
)
_VALUE = Phrases(
    "Which has {v}?",
    "What has the value {v}?",
    "Where does it say {v}?",
    "{v} belongs to what?",
    "Who or what has {v}?",
    "Beside what does {v} stand?",
    "Which entry is {v}?",
    "Whose is {v}?",
)
_NEXT = Phrases(
    "What comes after {k}?",
    "Which is next after {k}?",
    "What follows {k}?",
    "The one below {k}?",
    "Which entry stands under {k}?",
    "After {k} comes what?",
)
_THERE = Phrases(
    "Is {k} in the list?",
    "Does {k} occur?",
    "Is there {k}?",
    "Do we have {k}?",
    "Is {k} one of them?",
    "{k}: is it there?",
    "Can you find {k} there?",
    "Does the list hold {k}?",
)
_LINE = Phrases(
    "{q}",
    "{q}?",
    "Which one is about {q}?",
    "Which line says something of {q}?",
    "Which is for {q}?",
    "Find the one with {q}.",
    "Where is {q}?",
    "What deals with {q}?",
    "Which fits: {q}",
    "I need {q}.",
)
_DEEDS = ("{v} the {a} {n}", "{v} {n}s for the {m}", "to {v} a {n}", "{a} {n}s and {m}s", "the {n} of the {m}", "{v} every {a} {n} near the {m}")  # fmt: skip


@dataclass(frozen=True)
class _Entry:
    """A line of the list: its key, what stands beside it, and the words that only this line has."""

    key: str
    value: str
    words: tuple[str, ...] = ()


_LAYOUTS: tuple[tuple[str, str], ...] = (
    ("{k}: {v}", "\n"),
    ("{k}: {v}", "\n"),
    ("{k} = {v}", "\n"),
    ("- {k}: {v}", "\n"),
    ("* {k} - {v}", "\n"),
    ("{k} -> {v}", "\n"),
    ("| {k} | {v} |", "\n"),
    ("{k} ({v})", ", "),
    ("{k}, {v}", "; "),
    ("{k}\t{v}", "\n"),
    ('"{k}": "{v}"', ",\n"),
    ('{{"name": "{k}", "description": "{v}"}}', "\n"),
    ("{k} has {v}.", " "),
    ("{k}\n{v}", "\n\n"),
)


def _kinds(w: Words) -> tuple[Callable[[], str], Callable[[], str]]:
    """What draws keys, and what draws values."""

    def number() -> str:
        return str(w.integer())

    texts = (w.noun, w.noun, w.full_name, w.first_name, w.city, w.code, w.syllables, w.title, w.country, w.foreign)
    return w.pick(texts), w.pick((*texts, number, number, w.date, w.time, w.adjective, w.email, w.company))


def _pairs(w: Words, n: int) -> list[_Entry]:
    """Entries of different keys and values."""
    key, value = _kinds(w)
    out: dict[str, str] = {}
    for _ in range(20 * n):
        if len(out) == n:
            break
        k, v = key(), value()
        if k not in out and v not in out.values() and k != v:
            out[k] = v
    return [_Entry(k, v) for k, v in out.items()]


def _lines(w: Words, n: int) -> list[_Entry]:
    """Entries whose values are phrases, each with words of its own."""
    key = w.pick((w.syllables, w.code, w.noun, w.first_name, lambda: f"{w.verb()}_{w.noun()}"))
    used: set[str] = set()
    out: dict[str, _Entry] = {}
    for _ in range(20 * n):
        if len(out) == n:
            break
        parts = {"v": w.verb(), "a": w.adjective(), "n": w.noun(), "m": w.noun()}
        name, template = key(), w.pick(_DEEDS)
        own = tuple(parts[slot] for slot in parts if f"{{{slot}}}" in template)
        if used.isdisjoint(own) and len(set(own)) == len(own) and name not in out:
            used.update(own)
            out[name] = _Entry(name, template.format(**parts), own)
    return list(out.values())


def _asked_line(w: Words, entry: _Entry) -> str:
    """Words of one line, as somebody asks for it."""
    x = w.rng.random()
    if x < 0.25:
        return entry.value
    some = w.sample(entry.words, min(len(entry.words), w.pick((1, 1, 2))))
    return w.pick((" and ", " ", ", ")).join(word + "s" if w.chance(0.15) else word for word in some)


def _ask(w: Words, phrases: Phrases, **slots: str) -> str:
    return w.say(phrases, **slots) if w.chance(_PLAIN) else w.ask(phrases, **slots)


def _turn(w: Words, entries: Sequence[_Entry], *, phrases: bool) -> tuple[str, str]:
    """A question and its answer."""
    at = w.between(0, len(entries) - 1)
    entry = entries[at]
    x = w.rng.random()
    if phrases:
        if x < 0.8:
            return _ask(w, _LINE, q=_asked_line(w, entry)), entry.key
        absent = w.noun()
        there = w.chance(0.5)
        if there or all(absent not in other.words for other in entries):
            return _ask(w, _THERE, k=w.pick(entry.words) if there else absent), "yes" if there else "no"
        return _ask(w, _LINE, q=entry.value), entry.key
    if x < 0.55:
        return _ask(w, _KEY, k=entry.key), entry.value
    if x < 0.7:
        return _ask(w, _VALUE, v=entry.value), entry.key
    if x < 0.8 and at + 1 < len(entries):
        return _ask(w, _NEXT, k=entry.key), entries[at + 1].key
    strange = next((e.key for e in _pairs(w, 1) if all(e.key not in (o.key, o.value) for o in entries)), None)
    if strange is None or w.chance(0.5):
        return _ask(w, _THERE, k=entry.key), "yes"
    return _ask(w, _THERE, k=strange), "no"


def lookup(w: Words) -> Example:
    """Questions on one list, mostly short ones."""
    phrases = w.chance(0.45)
    n = w.between(60, 130) if w.chance(_LONG) else w.pick((2, 3, 4, 5, 6, 8, 10, 14, 20, 30))
    entries = (_lines if phrases else _pairs)(w, min(n, 40) if phrases else n)
    layout, between = w.pick(_LAYOUTS)
    text = between.join(layout.format(k=entry.key, v=entry.value) for entry in entries)
    intro = w.ask(_INTROS)
    context = f"{intro}\n\n{text}" if intro and w.chance(0.5) else f"{intro}\n{text}".strip()
    chat = Chat()
    as_system = w.chance(0.4)
    if as_system:
        chat.system(context)
    for turn in range(1 if w.heldout else min(w.between(10, 24), 2 * n + 2)):
        question, answer = _turn(w, entries, phrases=phrases)
        chat.user(f"{context}\n\n{question}" if turn == 0 and not as_system else question)
        chat.answer(answer)
    return chat.example("lookup", heldout=w.heldout)
