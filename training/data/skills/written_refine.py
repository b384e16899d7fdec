"""Contexts that change an answer, add to it or do not help: it is refined, or judged whether they help; by hand."""

from __future__ import annotations

from training.data.example import Chat, Example
from training.data.prompts import qa_messages
from training.data.skills.context import SILENT, UNKNOWN, ask_to_refine
from training.data.skills.matching import Judged, conversation
from training.data.skills.openings import chat_for, system_text
from training.data.swap import Swap
from training.data.words import Phrases, Words
from training.data.written import Line, Slots, line_of, said

_AREA = "refine"
_CHANGED = Phrases("The new context says otherwise.", "The answer is another one now.", "The context corrects it.")
_ADDED = Phrases("The context adds something.", "There is one more.", "Both belong to the answer.")
_READ = Phrases("The context says it.", "I read it in the context.", "It stands in the text.")
_KEPT = Phrases("The new context does not help.", "Nothing new about it.", "The old answer stays.")


def _question(w: Words, line: Line, slots: Slots) -> str:
    """One of the ways to ask."""
    return slots.fill(said(w, line.one(w, line["asks"])))


def _told(w: Words, line: Line, slots: Slots, helps: bool) -> str:
    """A context that answers, or one that only names the same things."""
    return slots.fill(line.one(w, line["changed" if helps else "irrelevant"]))


def _around(w: Words, line: Line, slots: Slots, told: str) -> str:
    """A context in which something is told, now and then with what does not matter around it."""
    beside = w.sample(line.among(w, line["irrelevant"]), w.pick((0, 0, 1, 1, 2)))
    parts = [text for text in (slots.fill(text) for text in beside) if text != told]
    parts.insert(w.between(0, len(parts)), told)
    return w.pick((" ", " ", "\n")).join(parts)


def _refined(w: Words, chat: Chat, line: Line) -> None:
    slots = Slots(w, line.get("slots", {}))
    at = w.between(0, len(line["old"]) - 1)
    old, new = (line["old"][at].replace("{old}", f"{{{name}}}") for name in ("old", "new"))
    before = slots.fill(old)
    question = _question(w, line, slots)
    x = w.rng.random()
    if x < 0.42:
        context = _around(w, line, slots, _told(w, line, slots, True))
        answer, thought = slots.fill(new), w.say(_CHANGED)
        if w.chance(0.3):
            unknown = [UNKNOWN, *line.get("unknown", ())]
            before, answer = slots.fill(w.pick(unknown)), str(slots.get("new"))
    elif x < 0.62 and line.get("added"):
        context = _around(w, line, slots, slots.fill(line.one(w, line["added"])))
        answer, thought = slots.fill(line["merged"][at]), w.say(_ADDED)
    else:
        context = _around(w, line, slots, _told(w, line, slots, False))
        answer, thought = before, w.say(_KEPT)
    other = Swap(w, "" if w.heldout else context, 0.0 if w.chance(0.5) else 0.3)
    question, context, before, answer = (other(text) for text in (question, context, before, answer))
    ask_to_refine(w, chat, context, question, before)
    chat.answer(answer, thought)


def _asked(w: Words, chat: Chat, line: Line) -> None:
    """A plain question on a context that names another value, too, or none."""
    slots = Slots(w, line.get("slots", {}))
    known = w.chance(0.75)
    context = _around(w, line, slots, _told(w, line, slots, known))
    question = _question(w, line, slots)
    system, user = qa_messages(w, context, question)
    if not chat.messages:
        chat.system(system or system_text(w, 0.1))
    elif system:
        user = f"{system}\n\n{user}"
    chat.user(user)
    chat.answer(str(slots.get("new")) if known else UNKNOWN, w.say(_READ if known else SILENT))


def written_refine(w: Words) -> Example:
    """Answers to be refined, each with a context of its own; now and then a plain question on such a context."""
    chat = chat_for(w, share=0.1)
    for _ in range(1 if w.heldout else w.pick((1, 2, 3))):
        line = line_of(w, _AREA)
        if w.chance(0.2):
            _asked(w, chat, line)
        else:
            _refined(w, chat, line)
    return chat.example("written_refine", heldout=w.heldout)


def _judged(w: Words) -> Judged:
    """A question and a context that answers it, or one that names the same things and does not, or another question's."""
    line = line_of(w, _AREA)
    slots = Slots(w, line.get("slots", {}))
    question = _question(w, line, slots)
    helps = w.chance(0.5)
    if helps or w.chance(0.7):
        told = _told(w, line, slots, helps)
        context = _around(w, line, slots, told) if w.chance(0.3) else told
    else:
        other = line_of(w, _AREA)
        while other is line:
            other = line_of(w, _AREA)
        context = _told(w, other, Slots(w, other.get("slots", {})), True)
    swap = Swap(w, "" if w.heldout else f"{question} {context}", 0.0 if w.chance(0.5) else 0.3)
    return swap(question), swap(context), helps


def refine_relevance(w: Words) -> Example:
    """Whether a context helps with a question: it answers, or it only speaks of the same things."""
    return conversation(w, "refine_relevance", [_judged(w) for _ in range(1 if w.heldout else w.pick((1, 2, 3)))])
