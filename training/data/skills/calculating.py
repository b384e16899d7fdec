"""Sums by tools, the first that people try: several with numbers of their own, one after the other, on the last result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace

from training.data.example import Chat, Example
from training.data.parameter_kinds import Parameter
from training.data.parameters import Tool, cased, listed, schema_of
from training.data.result_fields import TAKEN
from training.data.skills.calling import call_turn
from training.data.skills.openings import chat_for, plain_turn, system_text
from training.data.skills.written_agents import distinct_names, offered
from training.data.toolmaking import Listing
from training.data.words import Phrases, Words, capitalized

_MOST_KNOWN = 99  # what is answered without a tool


@dataclass(frozen=True)
class _Operation:
    """What a tool does with two numbers, a and b.

    Attributes:
        noun: What comes out.
        asks, clauses, further: Questions; commands that follow others; what is done with the last result, with b alone.
    """

    noun: str
    names: tuple[str, ...]
    does: Phrases
    asks: Phrases
    clauses: Phrases
    further: Phrases
    compute: Callable[[int, int], int]


_ADD = _Operation(
    "sum",
    ("add", "add", "add", "add_numbers", "add_two_numbers", "addition", "plus", "adder", "sum_two", "get_sum", "calculate_sum", "sum_numbers", "math_add", "add_ints"),
    Phrases("Add two numbers.", "Adds two numbers.", "Add {a} and {b}.", "Adds {a} and {b}.", "Returns the sum of two numbers.", "The sum of {a} and {b}.", "Useful for adding numbers.", "Adds {b} to {a}.", "Addition of two integers.", "Add two integers.", "Computes {a} + {b}.", "Sums up two values."),
    Phrases("What is {a} + {b}?", "What is {a} plus {b}?", "What's {a} + {b}?", "What's {a} plus {b}?", "{a} + {b}", "{a} + {b}?", "How much is {a} + {b}?", "How much is {a} plus {b}?", "Calculate {a} + {b}.", "What do I get if I add {a} and {b}?", "What is the sum of {a} and {b}?", "Add {a} and {b}.", "Please add {a} to {b}.", "The sum of {a} and {b}, please.", "Compute {a} plus {b}.", "{a} and {b}: what do they make together?", "Can you add {a} and {b}?", "What's the total of {a} and {b}?", "I have {a} and get {b} more. How many are that?").always("What is {a} + {b}?", "What is {a} plus {b}?", "Add {a} and {b}."),
    Phrases("add {a} and {b}", "what is {a} + {b}", "{a} plus {b}", "the sum of {a} and {b}", "compute {a} + {b}", "what's {a} plus {b}"),
    Phrases("add {b} to it", "add {b} more", "add {b} to the result", "plus {b}", "add another {b}", "increase that by {b}"),
    lambda a, b: a + b,
)  # fmt: skip
_SUBTRACT = _Operation(
    "difference",
    ("subtract", "subtract", "subtract", "minus", "subtraction", "subtract_numbers", "difference", "get_difference", "math_subtract", "take_away"),
    Phrases("Subtract two numbers.", "Subtracts {b} from {a}.", "Returns the difference of two numbers.", "{a} minus {b}.", "Useful for subtracting numbers.", "Subtract {b} from {a}.", "Computes {a} - {b}.", "Takes {b} away from {a}.", "Subtraction of integers."),
    Phrases("What is {a} - {b}?", "What is {a} minus {b}?", "What's {a} - {b}?", "{a} - {b}", "{a} minus {b}?", "How much is {a} - {b}?", "Calculate {a} - {b}.", "Subtract {b} from {a}.", "Please take {b} away from {a}.", "What is the difference between {a} and {b}?", "Compute {a} minus {b}.", "I have {a} and give away {b}. How many are left?", "What's left of {a} without {b}?", "{a} less {b} is what?", "Can you subtract {b} from {a}?").always("What is {a} - {b}?", "What is {a} minus {b}?"),
    Phrases("subtract {b} from {a}", "what is {a} - {b}", "{a} minus {b}", "take {b} away from {a}", "compute {a} - {b}", "what's {a} minus {b}"),
    Phrases("subtract {b} from it", "take away {b}", "subtract {b} from the result", "minus {b}", "take {b} off that", "reduce that by {b}"),
    lambda a, b: a - b,
)  # fmt: skip
_MULTIPLY = _Operation(
    "product",
    ("multiply", "multiply", "multiply", "multiply", "multiplication", "times", "mul", "product", "get_product", "multiply_numbers", "math_multiply", "multiply_ints"),
    Phrases("Multiply two numbers.", "Multiplies two numbers.", "Multiply {a} and {b}.", "Multiplies {a} by {b}.", "Returns the product of two numbers.", "The product of {a} and {b}.", "Useful for multiplying numbers.", "Multiply two integers.", "Computes {a} * {b}.", "{a} times {b}.", "Multiplication of integers."),
    Phrases("What is {a} * {b}?", "What is {a} times {b}?", "What's {a} * {b}?", "What's {a} times {b}?", "{a} * {b}", "{a} x {b}", "How much is {a} times {b}?", "Calculate {a} * {b}.", "Multiply {a} by {b}.", "Multiply {a} and {b}.", "What is the product of {a} and {b}?", "What is {a} multiplied by {b}?", "Please multiply {a} with {b}.", "Compute {a} times {b}.", "{a} boxes with {b} pens each: how many pens?", "Can you multiply {a} by {b}?", "The product of {a} and {b}, please.").always("What is {a} * {b}?", "What is {a} times {b}?", "Multiply {a} by {b}."),
    Phrases("multiply {a} by {b}", "what is {a} * {b}", "{a} times {b}", "the product of {a} and {b}", "compute {a} * {b}", "what's {a} times {b}"),
    Phrases("multiply it by {b}", "multiply by {b}", "multiply the result by {b}", "times {b}", "take that times {b}", "multiply that with {b}"),
    lambda a, b: a * b,
)  # fmt: skip
_POWER = _Operation(
    "power",
    ("power", "power", "exponentiate", "pow", "raise_to_power", "exponent", "get_power", "math_power"),
    Phrases("Raise {a} to the power of {b}.", "{a} to the power of {b}.", "Exponentiation.", "Exponentiates {a} by {b}.", "Computes {a} ** {b}.", "Returns a power.", "Raises a number to a power."),
    Phrases("What is {a} to the power of {b}?", "What is {a}^{b}?", "{a} ** {b}", "Raise {a} to the power of {b}.", "Calculate {a}^{b}.", "How much is {a} to the {b}th?", "What's {a} to the power {b}?", "Compute {a} raised to {b}.", "{a} to the power of {b}, please."),
    Phrases("raise {a} to the power of {b}", "what is {a}^{b}", "{a} to the power of {b}", "compute {a} ** {b}", "what's {a} to the {b}th"),
    Phrases(),  # powers of results would be too large
    lambda a, b: a**b,
)  # fmt: skip
_OPERATIONS = (_ADD, _ADD, _SUBTRACT, _MULTIPLY, _MULTIPLY, _POWER)
_PAIRS = (("a", "b"), ("a", "b"), ("a", "b"), ("x", "y"), ("first", "second"), ("num1", "num2"), ("left", "right"), ("n", "m"), ("first_number", "second_number"), ("number_a", "number_b"), ("p", "q"), ("value1", "value2"), ("first_int", "second_int"))  # fmt: skip
_JOINTS = (" and ", ", and ", " and also ", ". And ", "? And ", "; ", ". Also, ", " plus, separately, ", " as well as ")
_THEN = (", then {}", " and {}", ". Then {}", ", and then {}", ", {}", ". After that, {}", " and afterwards {}")
_AGAIN = Phrases("And {c}?", "Now {c}.", "Next: {c}", "And now {c}?", "Then {c}, please.", "Another one: {c}", "Also {c}.", "OK, {c}?")  # fmt: skip


def _ordered(operation: _Operation, a: int, b: int) -> tuple[int, int]:
    """The numbers, the larger one first where the smaller one is taken away."""
    return (max(a, b), min(a, b)) if operation is _SUBTRACT else (a, b)


def _numbers(w: Words, operation: _Operation) -> tuple[int, int]:
    """Two numbers, small ones mostly; never twice the same, so that none may stand for the other."""
    if operation is _POWER:
        return w.between(2, 12), w.between(2, 5)
    high = w.pick((9, 9, 12, 20, 50, 99, 999, 20000))
    a, b = w.between(0, high), w.between(0, w.pick((high, 9, high)))
    a, b = _ordered(operation, a, b)
    return (a, b) if a != b else (a + 1, b)


def _tool(w: Words, operation: _Operation) -> Tool:
    pair = w.pick(_PAIRS)
    if operation is _POWER and w.chance(0.4):
        pair = ("base", "exponent")
    kind = w.pick(("integer", "integer", "number"))
    keys = [cased(w, key) for key in pair]
    does = w.say(operation.does, a=keys[0], b=keys[1])
    parameters = [Parameter(key, schema_of(w, key, kind, operation.noun), "", "") for key in keys]
    return Tool(cased(w, w.pick(operation.names)), does, parameters, {}, "", operation.noun)


def _arguments(tool: Tool, a: int, b: int) -> dict[str, int]:
    return dict(zip((one.name for one in tool.parameters), (a, b), strict=True))


def _returned(w: Words, value: int) -> str:
    form = w.pick(("{}", "{}", "{}", "json", "The result is {}.", "= {}"))
    key = w.pick(("result", "result", "value", "answer", "output"))
    return json.dumps({key: value}) if form == "json" else form.format(value)


def _report(w: Words, chat: Chat, values: list[int]) -> None:
    for at, value in enumerate(values):
        chat.result(_returned(w, value), at)
    chat.answer(f"The result is {values[0]}." if len(values) == 1 else f"The results are {listed(values)}.", TAKEN)


def _single(w: Words, chat: Chat, operation: _Operation, tool: Tool) -> list[int]:
    """One sum; after others it may be asked in short."""
    a, b = _numbers(w, operation)
    kept = (str(a), str(b))
    if chat.messages and w.chance(0.35):
        request = w.say(_AGAIN, c=w.say(operation.clauses, a=a, b=b))
    else:
        request = w.ask_keeping(kept, operation.asks, a=a, b=b)
    call_turn(w, chat, replace(tool, arguments=_arguments(tool, a, b)), request)
    return [operation.compute(a, b)]


def _both(w: Words, chat: Chat, tools: list[tuple[_Operation, Tool]]) -> list[int]:
    """Two sums in one request."""
    (first, one), (second, other) = w.pick(tools), w.pick(tools)
    a, b = _numbers(w, first)
    c, d = _numbers(w, second)
    while (first, a, b) == (second, c, d):
        c, d = _numbers(w, second)
    head = w.say(first.asks if w.chance(0.5) else first.clauses, a=a, b=b)
    tail = w.say(second.clauses, a=c, b=d)
    chat.user(capitalized(head).rstrip("?.") + w.pick(_JOINTS) + tail + w.pick((".", "?", "")))
    chat.calls([(one.name, _arguments(one, a, b)), (other.name, _arguments(other, c, d))])
    return [first.compute(a, b), second.compute(c, d)]


def _on_the_result(w: Words, chat: Chat, tools: list[tuple[_Operation, Tool]]) -> list[int]:
    """A sum, and another on its result, which only the second call knows."""
    (first, one), (second, other) = w.pick(tools), w.pick(tools)
    if second is _POWER or first is _POWER:
        return _both(w, chat, tools)
    a, b = _numbers(w, first)
    c = w.between(2, w.pick((9, 20, 99)))
    head = w.say(first.clauses, a=a, b=b)
    chat.user(capitalized(head) + w.pick(_THEN).format(w.say(second.further, b=c)) + w.pick((".", "", "?")))
    chat.calls([(one.name, _arguments(one, a, b))])
    between = first.compute(a, b)
    chat.result(_returned(w, between))
    chat.calls([(other.name, _arguments(other, between, c))])
    return [second.compute(between, c)]


def _in_the_head(w: Words, chat: Chat, there: list[_Operation]) -> bool:
    """A small sum for which no tool is there."""
    others = [operation for operation in (_ADD, _SUBTRACT) if operation not in there]
    if not others:
        return False
    operation = w.pick(others)
    a, b = _ordered(operation, w.between(1, 50), w.between(1, 49))
    if operation.compute(a, b) > _MOST_KNOWN:
        return False
    chat.user(w.ask_keeping((str(a), str(b)), operation.asks, a=a, b=b))
    chat.answer(str(operation.compute(a, b)), "No tool does this. I know it.")
    return True


def calculating(w: Words) -> Example:
    """Sums, each by a call of the tool that does it."""
    chat = chat_for(w, share=0.12)
    chat.system(system_text(w, 0.3))
    operations = list(dict.fromkeys(w.sample(_OPERATIONS, w.pick((1, 1, 2, 2, 3, 4)))))
    tools = [(operation, _tool(w, operation)) for operation in operations]
    distinct_names(w, [tool for _, tool in tools])
    n_other = w.pick((0, 0, 1, 2))
    chat.tools = Listing(w).specs(offered(w, [tool for _, tool in tools], n_other))
    for turn in range(w.pick((1, 1, 2, 3)) if w.heldout else w.between(3, 8)):
        x = w.rng.random()
        if x < 0.1 and not n_other and _in_the_head(w, chat, operations):
            continue
        if x < 0.6:
            values = _single(w, chat, *w.pick(tools))
        elif x < 0.8:
            values = _both(w, chat, tools)
        else:
            values = _on_the_result(w, chat, tools)
        if w.heldout and w.chance(0.6):
            return chat.example("calculating", heldout=True)
        _report(w, chat, values)
        if turn and not w.heldout and w.chance(0.06):
            plain_turn(w, chat)
    return chat.example("calculating", heldout=w.heldout)
