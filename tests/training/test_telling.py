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
        ("{a:1-9}, {b:1-9}", "{a} and {b}.", False),  # no words
        ("550 mailbox {m:user} not found", "There is no mailbox {m}.", False),
        ("<h1>{t:title}</h1> in a page", "The heading is {t}.", False),
        ("We meet on {d:weekday} instead.", "You meet on {d} instead.", False),  # somebody else speaks
        ("Open, {n:1-90} missing.", "No, {n} are still missing.", False),
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


def test_a_value_that_comes_first_keeps_its_letters_and_a_word_gets_a_capital() -> None:
    slots = Slots(Words(random.Random(1), "train"))
    slots.values = {"f": "yew.csv", "n": 3}
    assert (
        told(slots, {"result": "{f} has {n} lines", "answer": "There are {n} lines in {f}."}) == "yew.csv has 3 lines."
    )
    assert told(slots, {"result": "saved under {f} now", "answer": "It is {f}."}) == "Saved under yew.csv now."
