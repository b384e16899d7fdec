"""The cases that a stranger would write: they fill, they are judged as meant, and they are not the suite's."""

from __future__ import annotations

import pytest

from ds4_core.chat import ChatResult, Finish, Timings, Usage
from training.data.contamination import example_is_contaminated
from training.data.evaluation import outside
from training.data.evaluation.judging import is_right

LINES = 700  # more than any row has


def result(text: str) -> ChatResult:
    return ChatResult(text, "", Finish("stop", Usage(1, 1), Timings(0, 0, 0, 0)), ())


@pytest.mark.parametrize("row", outside.rows(), ids=lambda row: row.name)
def test_every_line_fills_and_none_is_the_suites(row):
    examples = outside.drawn(row, LINES, 0)
    assert len(examples) == LINES
    assert all(example.check for example in examples)
    assert not any(example_is_contaminated(example.messages, example.tools) for example in examples)


def test_the_same_seed_gives_the_same_cases():
    row = outside.rows()[0]
    assert outside.drawn(row, 40, 3) == outside.drawn(row, 40, 3) != outside.drawn(row, 40, 4)


def test_what_passages_are_asked_for_stands_in_them():
    for row in outside.rows():
        for example in outside.drawn(row, LINES, 1):
            if example.skill == "outside_context":
                text = " ".join(message["content"] for message in example.messages).lower()
                assert any(words.lower() in text for words in example.check["expected"][0])


def test_sums_and_relevance():
    assert all(example.thinking for example in outside.two_steps(60, 0))
    expected = [example.check["expected"] for example in outside.passages(100, 0)]
    assert expected.count("yes") == expected.count("no") == 50


def test_words_are_found_in_any_case_and_numbers_as_numbers():
    check = {"kind": "words", "expected": [["seven", "7"], ["rome"]]}
    assert is_right(check, result("Rome has 7 hills."))
    assert not is_right(check, result("Rome has 17 hills."))
    assert not is_right(check, result("It has seven hills."))
    assert not is_right({"kind": "words", "expected": [["no"]]}, result("I don't know."))
    assert is_right({"kind": "words", "expected": [["1200"]]}, result("It costs 1,200 euros."))
    assert not is_right({"kind": "words", "expected": [["12"]]}, result("12.5"))
    assert is_right({"kind": "words", "expected": [["12"]]}, result("It is 12."))
    assert not is_right({"kind": "words_exact", "expected": [["HOUSE"]]}, result("house"))


def test_an_agents_answer_holds_words():
    check = {"kind": "react_words", "expected": [["rome"]]}
    assert is_right(check, result("Thought: I know.\nAnswer: Rome"))
    assert not is_right(check, result("Rome"))
    assert not is_right(check, result('Thought: Rome\nAction: search\nAction Input: {"q": "Rome"}'))


def test_a_bare_text_is_compared_without_quotes_and_end():
    assert is_right({"kind": "is", "expected": [["yes"]]}, result('"Yes."'))
    assert not is_right({"kind": "is", "expected": [["yes"]]}, result("Yes, it is"))
    assert is_right({"kind": "speaks", "expected": ""}, result("hm"))
    assert not is_right({"kind": "speaks", "expected": ""}, result(" "))
