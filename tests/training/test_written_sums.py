"""Little problems: numbers drawn for an expression give its value, and the steps of the thought lead there."""

from __future__ import annotations

import random
import re

import pytest

from training.data.skills.written_sums import _draw, problem
from training.data.words import Words
from training.data.written import lines, slots_of

LINES = [line for line in lines("arithmetic") if line.get("problem")]
EXPRESSIONS = sorted({line["expression"] for line in LINES})


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_numbers_of_an_expression_give_its_value(expression: str) -> None:
    two_steps = len(expression.split()) > 3
    for seed in range(300):
        numbers, steps, value = _draw(Words(random.Random(seed), "train"), expression)
        assert set(numbers) == set(re.findall("[abc]", expression))
        exact = eval(expression, {"__builtins__": {}}, dict(numbers))
        assert exact == value, (expression, numbers)
        assert value >= 0
        worked = re.findall(r"(\d+) ([-+*/]) (\d+) = (?:\d+ \+ \d+ = )?(\d+)", steps)
        assert len(worked) == 1 + two_steps, steps
        for a, sign, b, result in worked:
            assert eval(f"{a} {sign} {b}", {"__builtins__": {}}) == int(result), steps
        assert worked[-1][-1] == str(value)
        if two_steps:
            assert worked[0][-1] in (worked[1][0], worked[1][2])


def test_a_problem_names_just_the_numbers_of_its_expression() -> None:
    for line in LINES:
        assert {name for name in slots_of(line["problem"]) if name in "abc"} == set(
            re.findall("[abc]", line["expression"])
        )


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_problem_of_two_steps_stays_small(split: str) -> None:
    for seed in range(300):
        text, answer, steps, _ = problem(Words(random.Random(seed), split), two_steps=True)
        assert 0 <= int(answer) <= 400
        assert steps.startswith("First ")
        assert "{" not in text
