"""Arithmetic to 99 and the tables, and two steps of it that need thinking."""

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
).always("{a} + {b}")
_MINUS = Phrases(
    "{a} - {b}", "{a}-{b}", "{a} minus {b}", "the difference of {a} and {b}", "{a} less {b}", "{b} subtracted from {a}"
).always("{a} - {b}")
_TIMES = Phrases(
    "{a} * {b}", "{a} x {b}", "{a} times {b}", "the product of {a} and {b}", "{a} multiplied by {b}", "{a}*{b}"
).always("{a} * {b}")

_DIVIDED = Phrases(
    "{a} / {b}", "{a} divided by {b}", "{a} : {b}", "the quotient of {a} and {b}", "{a}/{b}", "{a} over {b}"
).always("{a} / {b}")


#: The operations, each as often as it is asked for.
OPERATIONS = "++++----***//"


def operands(w: Words, operation: str) -> tuple[int, int, int]:
    """Two numbers for one of + - * /, and the result.

    Sums and differences cover the pairs of 0 to 99 evenly, most sums those that stay below 100; products are those to
    20 times 20, the tables to 12 more often; divisions come out even.
    """
    if operation == "+":
        a, b = w.between(0, 99), w.between(0, 99)
        if a + b > 99 and w.chance(0.7):
            a, b = 99 - a, 99 - b
        return a, b, a + b
    if operation == "-":
        a, b = w.between(0, 99), w.between(0, 99)
        return max(a, b), min(a, b), abs(a - b)
    high = 12 if w.chance(0.65) else 20
    if operation == "/":
        b, value = w.between(1, high), w.between(0, high)
        return value * b, b, value
    a, b = w.between(0, high), w.between(0, high)
    return a, b, a * b


def product_steps(a: int, b: int) -> str:
    """A product with its result; one of a number with two digits in two parts, as "36 * 8 = 240 + 48 = 288"."""
    big, small = max(a, b), min(a, b)
    ones = big % 10
    if big < 11 or small < 2 or not ones:
        return f"{a} * {b} = {a * b}"
    return f"{a} * {b} = {(big - ones) * small} + {ones * small} = {a * b}"


def steps_of(a: int, operation: str, b: int) -> str:
    """One operation with its result, as a thought writes it."""
    if operation == "*":
        return product_steps(a, b)
    value = a + b if operation == "+" else a - b if operation == "-" else a // b
    return f"{a} {operation} {b} = {value}"


def _expression(w: Words) -> tuple[str, int, str]:
    operation = w.pick(OPERATIONS)
    a, b, value = operands(w, operation)
    phrases = {"+": _PLUS, "-": _MINUS, "*": _TIMES, "/": _DIVIDED}[operation]
    template = w.template(phrases)
    verbal = not any(sign in template for sign in "+-*/:") and max(a, b) < 100 and w.chance(0.1)
    shown = {"a": in_words(a), "b": in_words(b)} if verbal else {"a": str(a), "b": str(b)}
    return template.format_map(shown), value, steps_of(a, operation, b)


def plain_sum(w: Words) -> tuple[str, str, str, dict[str, Any]]:
    """A sum as it is written: "17 + 58"; now and then one with a negative result."""
    operation = w.pick(OPERATIONS)
    a, b, value = operands(w, operation)
    if operation == "-" and a != b and w.chance(0.06):
        a, b, value = b, a, -value
    text = w.pick(("{a} {o} {b}", "{a} {o} {b}", "{a}{o}{b}", "{a} {o} {b} =", "{a}{o}{b}=", "{a} {o} {b} = ?"))
    return text.format(a=a, b=b, o=operation), str(value), f"{steps_of(a, operation, b)}.", {}


def sum_exchange(w: Words) -> tuple[str, str, str, dict[str, Any]]:
    """A question for one operation, with an answer of the number alone."""
    if w.chance(0.4):
        return plain_sum(w)
    text, value, thought = _expression(w)
    return w.ask(_ASK, e=text), str(value), f"{thought}.", {}


def one_step(w: Words) -> Example:
    """One or more single operations, numbers up to 99."""
    chat = Chat(thinking=w.chance(0.1), effort=w.pick(("low", "high")))
    chat.system(system_text(w, 0.2))
    quick = not w.heldout and w.chance(0.45)  # the tables are learned from many short sums
    for _ in range(w.between(12, 24) if quick else w.pick((1, 4, 6, 8, 10, 12)) if not w.heldout else 1):
        user, answer, thought, check = plain_sum(w) if quick else sum_exchange(w)
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
        steps = steps_of(a, "*" if product else "+", b)
        return story, first - c, f"First {steps}. Then {first} - {c} = {first - c}."
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
            return text, value, f"First {steps_of(a, one, b)}. Then {steps_of(first, two, c)}."


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
