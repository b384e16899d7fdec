"""What is answered after a written result."""

from __future__ import annotations

import random

import pytest

from training.data.telling import says_all, told
from training.data.words import Words
from training.data.written import Slots


@pytest.mark.parametrize(
    ("result", "answer", "whole"),
    [
        ("{r:5-30} degrees, {s:sunny|cloudy}", "In {city} it is {s}, {r} degrees.", True),
        ("Take line {n:1-9}.", "Line {n} goes to {q}.", True),
        ("{n:1-9}", "It has {n} rooms.", False),  # a bare value says too little
        ("{p:full}, office {n:1-99}", "{p} is there.", False),  # one value was asked for
        ("Error: no room {n:1-9} today", "There is no room {n}.", False),
        ("done", "I sent it.", False),
        ({"room": "{n:1-9}"}, "Room {n}.", False),
        ("first {a:1-9}\nthen {b:1-9}", "{a} and {b}.", False),
    ],
)
def test_words_are_told_as_they_came_where_they_say_all_that_is_told(result: object, answer: str, whole: bool) -> None:
    assert says_all(result, answer) is whole


def test_a_result_that_is_alone_is_told_in_its_own_words_and_one_beside_others_names_its_subject() -> None:
    chosen = {"result": "{r:5-30} degrees and rain", "answer": "In {city} it is {r} degrees."}
    slots = Slots(Words(random.Random(1), "train"))
    slots.values = {"city": "Rome", "r": 12}
    assert told(slots, chosen) == "12 degrees and rain."
    assert told(slots, chosen, alone=False) == "In Rome it is 12 degrees."
