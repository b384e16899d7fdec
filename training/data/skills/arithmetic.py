"""Arithmetic to 99, and two steps of it that need thinking."""

from __future__ import annotations

from typing import Any

from training.data.example import Chat, Example
from training.data.skills.openings import system_text
from training.data.skills.text_tasks import in_words
from training.data.words import Phrases, Words

_ASK = Phrases(
    "What is {e}?",
    "What is {e}",
    "{e} = ?",
    "{e}",
    "Compute {e}.",
    "How much is {e}?",
    "Calculate {e}",
    "{e}?",
    "Tell me {e}",
    "Work out {e}.",
    "What does {e} give?",
    "I need the result of {e}",
    "Can you compute {e}?",
    "Solve {e}",
    "What's {e}?",
    "Please calculate {e}.",
)
_PLUS = Phrases(
    "{a} + {b}", "{a}+{b}", "{a} plus {b}", "the sum of {a} and {b}", "{a} and {b} added together", "{b} added to {a}"
)
_MINUS = Phrases(
    "{a} - {b}", "{a}-{b}", "{a} minus {b}", "the difference of {a} and {b}", "{a} less {b}", "{b} subtracted from {a}"
)
_TIMES = Phrases(
    "{a} * {b}", "{a} x {b}", "{a} times {b}", "the product of {a} and {b}", "{a} multiplied by {b}", "{a}*{b}"
)

_DIVIDED = Phrases(
    "{a} / {b}", "{a} divided by {b}", "{a} : {b}", "the quotient of {a} and {b}", "{a}/{b}", "{a} over {b}"
)


def _operands(w: Words, operation: str) -> tuple[int, int, int]:
    if operation == "+":
        a = w.between(0, 99)
        b = w.between(0, 99 - a)
        return a, b, a + b
    if operation == "-":
        a = w.between(0, 99)
        b = w.between(0, a)
        return a, b, a - b
    if operation == "/":
        b = w.between(1, 12)
        value = w.between(0, min(12, 99 // b))
        return value * b, b, value
    a = w.between(0, 12)
    b = w.between(0, min(12, 99 // a if a else 12))
    return a, b, a * b


def _expression(w: Words) -> tuple[str, int, str]:
    operation = w.pick("++++----**/")
    a, b, value = _operands(w, operation)
    phrases = {"+": _PLUS, "-": _MINUS, "*": _TIMES, "/": _DIVIDED}[operation]
    shown: tuple[object, object] = (in_words(a), in_words(b)) if w.chance(0.06) else (a, b)
    return w.ask(phrases, a=shown[0], b=shown[1]), value, f"{a} {operation} {b} = {value}"


def sum_exchange(w: Words) -> tuple[str, str, str, dict[str, Any]]:
    """A question for one operation, with an answer of the number alone."""
    text, value, thought = _expression(w)
    return w.ask(_ASK, e=text), str(value), f"{thought}.", {}


def one_step(w: Words) -> Example:
    """One or more single operations, numbers up to 99."""
    chat = Chat(thinking=w.chance(0.1), effort=w.pick(("low", "high")))
    chat.system(system_text(w, 0.2))
    for _ in range(w.pick((1, 2, 4, 6, 8, 10)) if not w.heldout else 1):
        user, answer, thought, check = sum_exchange(w)
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example("arithmetic", heldout=w.heldout)


_STORY_PLUS = Phrases(
    "{p} has {a} {n}s and gets {b} more",
    "There are {a} {n}s in a box, and {p} adds {b}",
    "{p} buys {a} {n}s and then {b} more",
    "{p} finds {a} {n}s on one day and {b} on the next",
)
_STORY_MINUS = Phrases("gives {c} away", "loses {c} of them", "sells {c}", "takes {c} out", "throws {c} away")
_STORY_TIMES = Phrases(
    "{p} has {a} boxes with {b} {n}s each", "{p} buys {a} packs of {b} {n}s", "In each of {a} rooms {p} sees {b} {n}s"
)
_STORY_ASK = Phrases(
    "How many {n}s are left?", "How many {n}s remain?", "How many {n}s are there now?", "What number of {n}s is left?"
)


def _chain(w: Words) -> tuple[str, int, str]:
    """Two operations, written with signs or told as a story; and the steps."""
    if w.chance(0.3):
        product = w.chance(0.5)
        if product:
            a, b = w.between(2, 9), w.between(2, 9)
            first = a * b
        else:
            a, b = w.between(10, 60), w.between(10, 39)
            first = a + b
        c = w.between(1, first - 1)
        slots = {"p": w.first_name(), "n": w.real_noun(), "a": a, "b": b, "c": c}
        story = f"{w.say(_STORY_TIMES if product else _STORY_PLUS, **slots)}, then {w.say(_STORY_MINUS, **slots)}. {w.say(_STORY_ASK, **slots)}"
        sign = "*" if product else "+"
        return story, first - c, f"First {a} {sign} {b} = {first}. Then {first} - {c} = {first - c}."
    while True:
        x = w.rng.random()
        if x < 0.35:
            a, b, c = w.between(10, 99), w.between(10, 99), w.between(10, 99)
            one, two = w.pick("+-"), w.pick("+-")
            first = a + b if one == "+" else a - b
            value = first + c if two == "+" else first - c
            text = f"{a} {one} {b} {two} {c}"
        elif x < 0.75:
            a, b, c = w.between(3, 12), w.between(3, 12), w.between(10, 99)
            two = w.pick("+-")
            first = a * b
            value = first + c if two == "+" else first - c
            one, text = "*", f"{a} * {b} {two} {c}"
        else:
            a, b, c = w.between(2, 30), w.between(2, 30), w.between(2, 9)
            first = a + b
            value, one, two, text = first * c, "+", "*", f"({a} + {b}) * {c}"
        if 0 <= value <= 400 and first >= 0:
            return text, value, f"First {a} {one} {b} = {first}. Then {first} {two} {c} = {value}."


_TWO_STEP_ASK = Phrases(
    "What is {e}?",
    "Compute {e}.",
    "How much is {e}?",
    "Calculate {e}",
    "{e} = ?",
    "Work out {e}.",
    "Tell me the result of {e}",
    "{e}",
    "Solve {e}.",
    "What does {e} make?",
)


def two_steps(w: Words) -> Example:
    """Two operations in a row, nearly always with thinking: without steps it is hard."""
    thinking = w.chance(0.85) if not w.heldout else True
    chat = Chat(thinking=thinking, effort=w.pick((None, "low", "high", "high")))
    chat.system(system_text(w, 0.15))
    text, value, steps = _chain(w)
    chat.user(text if text.endswith("?") else w.ask(_TWO_STEP_ASK, e=text))
    chat.answer(str(value), steps)
    return chat.example("two_step_arithmetic", heldout=w.heldout)
