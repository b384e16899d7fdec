"""Sums in words that were written by hand: one operation, little problems of one and of two steps."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from training.data.example import Chat, Example
from training.data.skills.arithmetic import operands, plain_sum, steps_of
from training.data.skills.openings import system_text
from training.data.slips import typed
from training.data.words import Words
from training.data.written import Line, Slots, lines

Exchange = tuple[str, str, str, dict[str, Any]]

_AREA = "arithmetic"
#: How often each kind of sum is asked for; the other kinds once.
_OFTEN = {"+": 10, "-": 10, "*": 7, "/": 6, "double": 2, "half": 2, "unit": 2}


@lru_cache(maxsize=1)
def _sums() -> dict[str, list[Line]]:
    by_kind: dict[str, list[Line]] = {}
    for line in lines(_AREA):
        if line.get("sum"):
            line.heldout = False  # every operation is known to both splits: only wordings are held out
            by_kind.setdefault(line["sum"], []).append(line)
    return by_kind


@lru_cache(maxsize=1)
def _kinds() -> tuple[str, ...]:
    return tuple(kind for kind in _sums() for _ in range(_OFTEN.get(kind, 1)))


@lru_cache(maxsize=4)
def _problems(two_steps: bool, heldout: bool) -> tuple[Line, ...]:
    found = [line for line in lines(_AREA) if line.get("problem")]
    of_size = [line for line in found if (len(line["expression"].split()) > 3) is two_steps]
    return tuple(line for line in of_size if line.heldout is heldout)


def _compared(w: Words, kind: str) -> tuple[int, int, str, str]:
    a, b = w.between(0, 99), w.between(0, 99)
    if a == b:
        b += 1
    return a, b, str(max(a, b) if kind == "max" else min(a, b)), f"{max(a, b)} is larger than {min(a, b)}."


def _single(w: Words, kind: str) -> tuple[int, int, str, str]:
    """The numbers of a kind of sum, its answer and the thought."""
    if kind in ("max", "min"):
        return _compared(w, kind)
    a = w.between(0, 99)
    if kind in ("digits", "last", "odd"):
        a = w.between(0, 9999) if w.chance(0.5) else a
        answer = {"digits": str(len(str(a))), "last": str(a)[-1], "odd": "odd" if a % 2 else "even"}[kind]
        return a, 0, answer, f"The last digit is {a % 10}." if kind != "digits" else f"I count the digits of {a}."
    if kind in ("double", "half", "triple", "square", "next", "prev"):
        if kind == "half":
            a *= 1 if a % 2 == 0 else 2
        if kind in ("square", "triple"):
            a = w.between(1, 20 if kind == "square" else 33)
        if kind == "prev":
            a += 1
        operation, b = {"double": ("*", 2), "half": ("/", 2), "triple": ("*", 3), "square": ("*", a), "next": ("+", 1), "prev": ("-", 1)}[kind]  # fmt: skip
        first, second = (b, a) if operation == "*" else (a, b)
        value = {"*": a * b, "/": a // b, "+": a + b, "-": a - b}[operation]
        return a, 0, str(value), f"{steps_of(first, operation, second)}."
    if kind == "change":
        b, a, value = operands(w, "-")
        return a, b, str(value), f"{steps_of(b, '-', a)}."
    operation = {"agep": "+", "agem": "-"}.get(kind, kind)
    a, b, value = operands(w, operation)
    return a, b, str(value), f"{steps_of(a, operation, b)}."


def asked_sum(w: Words) -> Exchange:
    """One operation asked for in words."""
    kind = w.pick(_kinds())
    line = w.pick(_sums()[kind])
    slots = Slots(w)
    if kind == "unit":
        large, small, factor = w.pick(line["units"])
        a = w.between(2, 12)
        answer, thought = str(a * factor), f"{steps_of(a, '*', factor)}."
        slots.values.update(a=a, f=large, t=small)
    else:
        a, b, answer, thought = _single(w, kind)
        slots.values.update(a=a, b=b)
    return slots.fill(typed(w, line.one(w, line["user"]))), answer, thought, {}


def _worked(x: int, sign: str, y: int) -> int | None:
    """The value of one operation; None where it is negative, too large or does not come out even."""
    if sign == "/":
        return x // y if x % y == 0 and 2 <= y <= x else None
    value = {"+": x + y, "-": x - y, "*": x * y}[sign]
    return value if 0 <= value <= 400 else None


def _draw_other(w: Words, expression: str) -> tuple[dict[str, int], str, int]:
    """What `_draw` gives, for shapes it has no ranges for: fixed numbers, letters twice, the second sign first."""
    x, sign, y, second_sign, z = expression.replace("(", "").replace(")", "").split()
    backwards = "(" not in expression and sign in "+-" and second_sign in "*/"  # as in a - b * c
    while True:
        numbers = {"a": w.between(2, 99), "b": w.between(2, 40), "c": w.between(2, 12)}
        if sign == "*" and y == "b":
            numbers.update(a=w.between(2, 12), b=w.between(2, 12))
        if sign == "/" and y == "b":
            numbers["b"] = w.between(2, 12)
            numbers["a"] = numbers["b"] * w.between(2, 12)
        a, b, c = (numbers[part] if part in numbers else int(part) for part in (x, y, z))
        first = _worked(b, second_sign, c) if backwards else _worked(a, sign, b)
        if first is None:
            continue
        value = _worked(a, sign, first) if backwards else _worked(first, second_sign, c)
        if value is None:
            continue
        one, two = (steps_of(b, second_sign, c), steps_of(a, sign, first)) if backwards else (steps_of(a, sign, b), steps_of(first, second_sign, c))  # fmt: skip
        return {name: numbers[name] for name in "abc" if name in expression}, f"First {one}. Then {two}.", value


#: The shapes that `_draw` has ranges for.
_RANGED = frozenset(
    {f"a {sign} b" for sign in "+-*/"}
    | {f"a {sign} b {then} c" for sign in "+-*/" for then in "+-"}
    | {"(a + b) * c", "(a - b) * c", "(a + b) / c"}
)


def _draw(w: Words, expression: str) -> tuple[dict[str, int], str, int]:
    """Numbers for an expression, its steps and its value; all between 0 and 400, divisions exact."""
    if expression not in _RANGED:
        return _draw_other(w, expression)
    parts = expression.replace("(", "").replace(")", "").split()
    first_sign, second_sign = parts[1], parts[3] if len(parts) > 3 else ""
    a, b, c = w.between(2, 90), w.between(2, 60), w.between(2, 9)
    if first_sign in "*/":
        a, b = w.between(2, 12), w.between(2, 12)
        a = a * b if first_sign == "/" else a
    elif second_sign == "*":
        a, b = w.between(2, 30), w.between(2, 20)
    if first_sign == "-":
        a, b = max(a, b) + w.between(1, 9), min(a, b)
    first = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[first_sign]
    if not second_sign:
        return {"a": a, "b": b}, f"{steps_of(a, first_sign, b)}.", first
    if second_sign == "/":
        first = c * w.between(2, 12)
        a = w.between(1, first - 1)
        b = first - a
    elif second_sign == "+":
        c = w.between(2, 60)
    elif second_sign == "-":
        c = w.between(1, first)
    value = {"+": first + c, "-": first - c, "*": first * c, "/": first // c}[second_sign]
    steps = f"First {steps_of(a, first_sign, b)}. Then {steps_of(first, second_sign, c)}."
    return {"a": a, "b": b, "c": c}, steps, value


def problem(w: Words, *, two_steps: bool = False) -> Exchange:
    """A little problem, told."""
    line = w.pick(_problems(two_steps, w.heldout))
    numbers, steps, value = _draw(w, line["expression"])
    while not 0 <= value <= 400:
        numbers, steps, value = _draw(w, line["expression"])
    slots = Slots(w)
    slots.values.update(numbers)
    return slots.fill(typed(w, line["problem"])), str(value), steps, {}


def sum_turn(w: Words) -> Exchange:
    """A sum of one step in any form."""
    make: Callable[[Words], Exchange] = w.weighted((0.35, plain_sum), (0.45, asked_sum), (0.2, problem))
    return make(w)


def written_sums(w: Words) -> Example:
    """Five to ten quick sums in a row, or one problem of two steps with thinking."""
    if w.chance(0.35):
        chat = Chat(thinking=w.heldout or w.chance(0.85), effort=w.pick((None, "low", "high", "high")))
        chat.system(system_text(w, 0.15))
        user, answer, thought, check = problem(w, two_steps=True)
        chat.user(user)
        chat.answer(answer, thought, **check)
        return chat.example("written_sums", heldout=w.heldout)
    chat = Chat(thinking=w.chance(0.1), effort=w.pick(("low", "high")))
    chat.system(system_text(w, 0.15))
    for _ in range(w.between(5, 10) if not w.heldout else 1):
        user, answer, thought, check = sum_turn(w) if not w.heldout else w.pick((asked_sum, problem))(w)
        chat.user(user)
        chat.answer(answer, thought, **check)
    return chat.example("written_sums", heldout=w.heldout)
