"""Sums by tools: every call has the numbers that were asked for, a further one the last result, answers the newest."""

from __future__ import annotations

import json
import random
import re

import pytest

from training.data.skills.calculating import calculating
from training.data.words import Words


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_calls_have_the_numbers_of_the_request_or_the_result_before(split: str) -> None:
    w, n_on_a_result = Words(random.Random(4), split), 0
    for _ in range(200):
        made = calculating(w)
        known: set[int] = set()
        for message in made.messages:
            if message["role"] == "user":
                known = {int(number) for number in re.findall(r"\d+", message["content"])}
                asked = set(known)
            if message["role"] == "tool":
                known |= {int(number) for number in re.findall(r"-?\d+", message["content"])}
            for call in message.get("tool_calls", ()):
                values = list(json.loads(call["function"]["arguments"]).values())
                assert len(values) == 2
                assert set(values) <= known
                n_on_a_result += not set(values) <= asked
    assert n_on_a_result > 10


def test_answers_say_what_came_back_or_a_sum_that_no_tool_does() -> None:
    w, n_alone = Words(random.Random(5), "train"), 0
    for _ in range(200):
        made = calculating(w)
        for before, message in zip(made.messages, made.messages[1:], strict=False):
            if message["role"] != "assistant" or message.get("tool_calls"):
                continue
            if before["role"] == "tool":
                assert re.findall(r"-?\d+", before["content"])[-1] in message["content"]
            elif message["content"].isdigit() and len(numbers := re.findall(r"\d+", before["content"])) == 2:
                a, b = map(int, numbers)
                assert int(message["content"]) in (a + b, abs(a - b))
                n_alone += 1
    assert n_alone > 5
