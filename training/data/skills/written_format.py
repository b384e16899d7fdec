"""Format instructions and rules for answers, written by hand: the answers are templates, or computed by a function.

A line of `written/format` has requests and an answer: a template, or `[function, argument ...]` of `text_functions`.
"lists" says how many values a slot holds, "let" computes slots from others. A line of `written/instructed` has system
messages and either turns, each with the ways to say it and the answer, or "apply", what becomes of any answer `{A}`;
`written/asks` has ways to say things that several lines answer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from training.data.example import Chat, Example
from training.data.skills.openings import chat_for, system_text
from training.data.skills.talk import exchange
from training.data.skills.text_tasks import any_text
from training.data.text_functions import FUNCTIONS
from training.data.words import Words
from training.data.written import Line, Slots, line_of, lines, maker, said, values

_NATURAL = ("message", "task", "note", "dish", "event", "headline", "book", "song", "query", "place_name", "topic")

#: What lists of nouns may hold too.
_LISTED = (
    "city",
    "first",
    "color",
    "@animal",
    "@ingredient",
    "@hobby",
    "@sport",
    "job",
    "@subject",
    "@tool",
    "foreign",
)
_SEPARATORS = (",", " and ", " or ", "-", "/", "&", ";", "|")


def _text(w: Words) -> str:
    """A text to be worked on: natural as often as not."""
    return w.pick(values(w.pick(_NATURAL), w.split)) if w.chance(0.55) else any_text(w)


def _items(w: Words, kind: str, n: int) -> list[Any]:
    """Different things to list, none with a sign in it that separates things; nouns are often something else."""
    if kind == "noun" and w.chance(0.45):
        kind = w.pick(_LISTED)
    make = maker(kind)
    items: dict[Any, None] = {}
    for _ in range(20 * n):
        item = make(w)
        if not any(sign in str(item) for sign in _SEPARATORS):
            items[item] = None
        if len(items) == n:
            break
    return list(items)


class _Filler:
    """The slots of a line, with lists and computed ones."""

    def __init__(self, w: Words, line: Line) -> None:
        self.slots = Slots(w, line.get("slots"))
        self.lists: dict[str, list[Any]] = {}
        for slot, kind in self.slots.kinds.items():
            if kind == "sentence":
                self.slots.values[slot] = _text(w)
        for slot, count in line.get("lists", {}).items():
            low, _, high = count.partition("-")
            n = w.between(int(low), int(high or low))
            self.lists[slot] = _items(w, self.slots.kinds[slot], n)
            self.slots.values[slot] = _shown(w, self.lists[slot])
        for slot, made in line.get("let", {}).items():
            value = self.value(made)
            if isinstance(value, list):
                self.lists[slot] = value
                value = _shown(w, value)
            self.slots.values[slot] = value

    def value(self, made: Any) -> Any:
        """What an answer says: a template's text or a function's value."""
        if isinstance(made, list):
            return FUNCTIONS[made[0]](*[self.value(item) for item in made[1:]])
        if isinstance(made, str):
            inner = made[1:-1]
            return self.lists[inner] if made == f"{{{inner}}}" and inner in self.lists else self.slots.value(made)
        return made


def _shown(w: Words, items: list[Any]) -> str:
    texts = [str(item) for item in items]
    if len(texts) == 1:
        return texts[0]
    style = w.between(0, 5)
    if style <= 2:
        return f"{', '.join(texts[:-1])} and {texts[-1]}"
    return ", ".join(texts) if style <= 4 else " and ".join(texts) if len(texts) == 2 else ", ".join(texts)


def exchange_of(w: Words, line: Line | None = None) -> tuple[str, str]:
    """A request of any line, and the answer."""
    line = line or line_of(w, "format")
    filler = _Filler(w, line)
    wording = line.one(w, line["requests"])
    template, answer = (wording, line["answer"]) if isinstance(wording, str) else wording
    if "first" not in template and w.chance(0.6):  # which would become "initially"
        template = said(w, template)
    asked = filler.slots.fill(template)
    return asked, str(filler.value(answer))


def written_format(w: Words) -> Example:
    """Follow a format instruction."""
    chat = chat_for(w, share=0.08)
    chat.system(system_text(w, 0.25))
    same = line_of(w, "format") if w.chance(0.25) else None
    for _ in range(w.pick((1, 2, 3, 5)) if not w.heldout else 1):
        asked, answer = exchange_of(w, same)
        chat.user(asked)
        chat.answer(answer, "I do what is asked.")
    return chat.example("written_format", heldout=w.heldout)


def written_instructed(w: Words) -> Example:
    """The system message says how to answer."""
    chat = chat_for(w, share=0.06)
    line = line_of(w, "instructed")
    filler = _Filler(w, line)
    wording = line.one(w, line["systems"])
    rule = filler.slots.fill(wording if "first" in wording else said(w, wording, rough=False))
    x = w.rng.random()
    chat.system(rule if x < 0.7 else f"{system_text(w, 1)} {rule}" if x < 0.88 else f"{rule} {system_text(w, 1)}")
    turns = line.get("turns")
    chosen = w.sample(turns, w.between(1, 4) if not w.heldout else 1) if turns else []
    if "apply" not in line.data:
        for asks, answer in chosen:
            _turn(w, chat, filler, line, asks, answer)
    else:
        for at in range(w.between(1, 4) if not w.heldout else 1):
            if at < len(chosen) and w.chance(0.5):
                asks, answer = chosen[at]
                _turn(w, chat, filler, line, asks, answer)
                continue
            user, answer, thought, _ = exchange(w)
            while "\n" in answer or len(answer) > 160:
                user, answer, thought, _ = exchange(w)
            filler.slots.values["A"] = answer
            chat.user(user)
            chat.answer(str(filler.value(line["apply"])), thought)
    return chat.example("written_instructed", heldout=w.heldout)


@lru_cache(maxsize=1)
def _asks() -> dict[str, Line]:
    return {line["name"]: line for line in lines("asks")}


def _turn(w: Words, chat: Chat, filler: _Filler, line: Line, asks: Any, answer: Any) -> None:
    """One turn: `asks` is a text, ways to say it, or "@" and the name of a line of `written/asks`."""
    if isinstance(asks, str) and not asks.startswith("@"):
        chat.user(filler.slots.fill(asks))
    else:
        group = _asks()[asks[1:]] if isinstance(asks, str) else line
        template = group.one(w, group["asks"] if isinstance(asks, str) else asks)
        chat.user(filler.slots.fill(said(w, template)))
    chat.answer(str(filler.value(answer)), "I keep to the rule.")


__all__ = ["exchange_of", "written_format", "written_instructed"]
