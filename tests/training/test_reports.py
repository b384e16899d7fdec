"""Answers about results are judged by what they say, not by how."""

from __future__ import annotations

import pytest

from training.data.evaluation.reports import reports


@pytest.mark.parametrize(
    ("result", "expected", "answer", "right"),
    [
        ('{"total": 68.5, "n": 3}', "You spent 68.5 in 3 payments.", "It is 68.5 in 3 payments", True),
        ('{"total": 68.5, "n": 3}', "You spent 68.5 in 3 payments.", "You spent 68.5.", False),
        ('{"total": 68.5, "n": 3}', "You spent 68.5.", "It is 68.5.", True),
        ('{"total": 68.5, "n": 3}', "You spent 68.5.", "It is 168.5.", False),
        ('{"total": 68.5, "n": 3}', "You spent 68.5.", "It is 68.5 and 3.", False),
        ('{"total": 1000, "part": 68.0}', "It is 1000, 68 of it here.", "It is 1,000, of which 68.0.", True),
        ('{"temp": -5}', "It is -5 degrees.", "It is 5 degrees.", False),
        ('{"temp": -5}', "It is -5 degrees.", "It is -5.", True),
        ('{"from": "Rome", "to": "Paris"}', "From Rome to Paris.", "From Paris to Rome.", False),
        ("{'name': 'Anna Berg', 'ok': True}", "Her name is Anna Berg.", "Anna Berg", True),
        ("{'name': 'Anna Berg', 'ok': True}", "Her name is Anna Berg.", "Berg", False),
        ('["tea", "milk"]', "There are tea and milk.", "You have tea and milk", True),
        ('["tea", "milk"]', "There are tea and milk.", "You have tea", False),
        ("It is sunny in Rome.", "It is sunny in Rome.", "Rome's sky is sunny.", True),
        ("It is sunny in Rome.", "It is sunny in Rome.", "Sunny, in Rome", True),
        ("It is sunny in Rome.", "It is sunny.", "The weather there is sunny.", True),
        ("It is sunny in Rome.", "It is sunny.", "It is raining.", False),
        ("Anna Berg beat Tom Lee.", "Anna Berg won.", "Tom Lee won against Anna Berg.", False),
        ("The result is 42.", "It is 42.", "It is 42 or 43.", True),
        ("Error: no disk", "The tool failed: no disk.", "That failed, there is no disk.", True),
        (
            "Failed: the disk is full",
            "The tool failed: the disk is full.",
            "There was an error: the disk is full.",
            True,
        ),
        ("Error: no disk", "The tool failed: no disk.", "The disk is ready.", False),
        ('{"status": "ok"}', "Done.", "Done!", True),
        ('{"status": "ok"}', "Done.", "It failed.", False),
        ('{"urgent": false}', "No.", "no", True),
        ('{"urgent": false}', "No.", "I do not know.", False),
        ("[]", "There is no result.", "Nothing was found.", True),
        ("[]", "There is no result.", "There is one.", False),
    ],
)
def test_an_answer_says_what_the_expected_one_says_of_the_result(result, expected, answer, right):
    assert reports(answer, expected, [result]) is right
    assert reports(expected, expected, [result])


def test_values_of_several_results_are_all_wanted():
    assert reports("1, two trees", "1 and two trees", ['{"a": 1}', "two trees"])
    assert not reports("1", "1 and two trees", ['{"a": 1}', "two trees"])


def test_what_the_request_named_may_be_said_again():
    result = ['{"name": "Anna", "phone": 555}']
    assert not reports("Anna has 555.", "The phone is 555.", result)
    assert reports("Anna has 555.", "The phone is 555.", result, "Which number has Anna?")


def test_an_answer_from_a_passage_is_its_very_words():
    passage = [
        "The line was built by students. They cleared the tracks with shovels, and it still runs each Sunday in May."
    ]
    assert reports("students", "students", passage)
    assert not reports(passage[0], "students", passage)


@pytest.mark.parametrize("text", ["{", "[1, 2", "{'a': }", "", chr(0), "[" * 5000])
def test_results_that_are_no_values_are_texts(text):
    assert reports("All is well.", "All is well.", [text])
    assert not reports("All is bad.", "All is well.", [text])
