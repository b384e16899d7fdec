"""Answers about results are judged by what they say, not by how."""

from __future__ import annotations

import pytest

from training.data.evaluation.reports import reports, values


@pytest.mark.parametrize(
    ("result", "expected", "answer", "right"),
    [
        ('{"total": 68.5, "n": 3}', "You spent 68.5 in 3 payments.", "3 payments, 68.5 in all", True),
        ('{"total": 68.5, "n": 3}', "You spent 68.5 in 3 payments.", "You spent 68.5.", False),
        ('{"total": 68.5, "n": 3}', "You spent 68.5.", "It is 68.5.", True),
        ('{"total": 68.5, "n": 3}', "You spent 68.5.", "It is 168.5.", False),
        ("{'name': 'Anna Berg', 'ok': True}", "Her name is Anna Berg.", "Anna Berg", True),
        ("{'name': 'Anna Berg', 'ok': True}", "Her name is Anna Berg.", "Berg", False),
        ('["tea", "milk"]', "There are tea and milk.", "milk and tea", True),
        ("It is sunny in Rome.", "It is sunny in Rome.", "The weather in Rome is sunny.", True),
        ("It is sunny in Rome.", "It is sunny.", "It is raining.", False),
        ("Error: no disk", "The tool failed: no disk.", "That failed, there is no disk.", True),
        ("Error: no disk", "The tool failed: no disk.", "The disk is ready.", False),
        ('{"status": "ok"}', "Done.", "Done!", True),
        ('{"status": "ok"}', "Done.", "It failed.", False),
        ("[]", "There is no result.", "Nothing was found.", True),
        ("[]", "There is no result.", "There is one.", False),
    ],
)
def test_an_answer_says_what_the_expected_one_says_of_the_result(result, expected, answer, right):
    assert reports(answer, expected, [result]) is right
    assert reports(expected, expected, [result])


def test_values_of_several_results_are_all_wanted():
    assert values(['{"a": 1}', "two trees"], "1 and two trees") == ["1", "two", "trees"]
    assert not reports("1", "1 and two trees", ['{"a": 1}', "two trees"])


@pytest.mark.parametrize("text", ["{", "[1, 2", "{'a': }", "", "\x00", "{" * 50])
def test_results_that_are_no_values_are_texts(text):
    assert values([text], "nothing of it") == []
