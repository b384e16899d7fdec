"""Other words in a passage: the same everywhere, with the right article, and none in held-out passages."""

from __future__ import annotations

import random

import jsonschema
import pytest

from training.data.passages import read
from training.data.swap import Swap
from training.data.swapping import swapped_tool
from training.data.words import Words
from training.data.written import lines
from training.data.written_tools import written_tool


def words(seed: int, split: str = "train") -> Words:
    return Words(random.Random(seed), split)


@pytest.mark.parametrize("seed", range(20))
def test_a_word_has_the_same_other_word_wherever_it_stands(seed: int) -> None:
    swap = Swap(words(seed), "A lantern hung in the chapel. The lanterns of the chapel are old.", 1.0)
    text = swap("The lantern of the chapel")
    assert swap("the lantern of the chapel")[1:] == text[1:]
    assert "lantern" not in text
    assert "chapel" not in text
    assert swap("lanterns")[:3] != "lan"


@pytest.mark.parametrize("seed", range(20))
def test_articles_follow_the_word(seed: int) -> None:
    article, noun = Swap(words(seed), "an abacus", 1.0)("an abacus").split()
    assert article == ("an" if noun[0].lower() in "aeiou" else "a")


def test_nothing_changes_where_nothing_is_to_change() -> None:
    assert Swap(words(0), "A lantern hung in the chapel.", 0.0)("A lantern") == "A lantern"
    assert Swap(words(0), "It is.", 1.0)("It is.") == "It is."


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_answers_stand_in_the_passage(split: str) -> None:
    w = words(1, split)
    for _ in range(300):
        one = read(w)
        assert one.questions
        assert all(question.answer in one.text for question in one.questions)
        assert all(question.evidence in one.text for question in one.questions)


def test_a_tool_with_other_nouns_takes_the_arguments_of_its_schema() -> None:
    w = words(2)
    changed = 0
    for line in lines("tools"):
        other = swapped_tool(w, line)
        changed += other["name"] != line["name"]
        tool = written_tool(w, other)
        for parameter in tool.parameters:
            if parameter.name in tool.arguments:
                jsonschema.validate(tool.arguments[parameter.name], parameter.schema)
    assert changed > 300


def test_words_that_hold_a_sentence_together_stay() -> None:
    text = "Nobody will be inside tomorrow, and everyone can still ask for something today."
    assert Swap(words(3), text, 1.0)(text) == text
