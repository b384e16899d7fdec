"""How answers are judged, and the run of the held-out cases over the embedded model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ds4_core import Engine
from ds4_core.chat import ChatResult, Finish, GeneratedToolCall, Timings, Usage
from training.data.evaluation.judging import is_right
from training.data.evaluation.probe import READINGS, probe_cases
from training.data.evaluation.rows import LONG, RELEVANCE, ROWS, TWO_STEPS, cases
from training.data.evaluation.suite import PROMPTS
from training.data.mixture import SKILLS
from training.evaluate import N_CTX, Runner, area_under_curve, evaluate, run_suite, table, unpruned_copy


def result(text: str = "", calls: tuple[tuple[str, Any], ...] = ()) -> ChatResult:
    made = tuple(
        GeneratedToolCall(id=f"call_{i}", name=name, arguments=json.dumps(arguments))
        for i, (name, arguments) in enumerate(calls)
    )
    return ChatResult(text, "", Finish("stop", Usage(1, 1), Timings(0, 0, 0, 0)), made)


def test_text_is_right_letter_by_letter():
    check = {"kind": "text", "expected": "Rome"}
    assert is_right(check, result("Rome"))
    assert not is_right(check, result("Rome."))
    assert not is_right(check, result("Rome", (("f", {}),)))


def test_calls_are_right_by_name_arguments_and_order():
    check = {"kind": "calls", "expected": [["f", {"a": 1}], ["g", {}]]}
    assert is_right(check, result(calls=(("f", {"a": 1}), ("g", {}))))
    assert not is_right(check, result(calls=(("g", {}), ("f", {"a": 1}))))
    assert not is_right(check, result(calls=(("f", {"a": 2}), ("g", {}))))
    assert not is_right(check, result(calls=(("f", {"a": 1}),)))


def test_json_is_right_by_value():
    check = {"kind": "json", "expected": {"a": [1, None]}}
    assert is_right(check, result('{"a":[1,null]}'))
    assert not is_right(check, result('{"a": [1]}'))
    assert not is_right(check, result('{"a": [1, null]'))


def test_words_are_looked_for_in_any_case():
    assert is_right({"kind": "holds", "expected": "Behind the barn"}, result("They were behind the barn."))
    assert not is_right({"kind": "holds", "expected": "behind the barn"}, result("barn"))


def test_what_hand_written_passages_are_asked_for_stands_in_them():
    for reading in READINGS:
        assert all(words in reading.text for _, words in reading.questions)
    assert len(probe_cases()) == sum(len(reading.questions) for reading in READINGS)


def test_a_step_of_an_agent_is_right_by_what_it_does():
    act = 'Thought: I need it.\nAction: f\nAction Input: {"a": 1}'
    check = {"kind": "react", "expected": act}
    assert is_right(check, result('Thought: other words\nAction: f\nAction Input: {"a":1}'))
    assert not is_right(check, result('Thought: I need it.\nAction: g\nAction Input: {"a": 1}'))
    assert not is_right(check, result("Thought: I need it.\nAnswer: 1"))
    told = {"kind": "react", "expected": "Thought: done\nAnswer: yes"}
    assert is_right(told, result("Thought: I can answer\nAnswer: yes"))
    assert not is_right(told, result("yes"))


def test_the_area_under_the_curve_counts_pairs_in_order():
    assert area_under_curve([3, 2, 1, 0], [True, True, False, False]) == 1
    assert area_under_curve([0, 1, 2, 3], [True, True, False, False]) == 0
    assert area_under_curve([1, 1], [True, False]) == 0.5
    with pytest.raises(ValueError, match="0 irrelevant"):
        area_under_curve([1, 2], [True, True])


def test_every_skill_is_measured_somewhere():
    measured = {skill for shares in (*(row.skills for row in ROWS), RELEVANCE, LONG, TWO_STEPS) for skill, _ in shares}
    assert measured | {"tool_forced"} == set(SKILLS)  # forced calls are measured by the suite's prompts


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_has_as_many_cases_as_asked_for_and_the_same_for_a_seed(row):
    assert len(cases(row.skills, 25, 0)) == 25
    assert cases(row.skills, 12, 3) == cases(row.skills, 12, 3)
    assert cases(row.skills, 12, 3) != cases(row.skills, 12, 4)


@pytest.mark.parametrize("n_cases", [6, pytest.param(25, marks=pytest.mark.long)])
def test_the_table_has_every_measure_of_the_embedded_model(engine, n_cases):
    wrong: list[dict[str, Any]] = []
    report = evaluate(Runner(engine), n_cases, seed=11, wrong=wrong)
    json.dumps(report)
    assert [row["n"] for row in report["rows"]] == [n_cases] * len(ROWS)
    for row in report["rows"]:
        assert 0 <= row["figure"] <= 1
        assert sum(part["n"] for part in row["skills"].values()) == n_cases
    n_wrong = sum(round((1 - row["figure"]) * row["n"]) for row in report["rows"])
    assert len([one for one in wrong if one["skill"] in {s for row in ROWS for s, _ in row.skills}]) == n_wrong
    assert set(report["suite"]) == {prompt.name for prompt in PROMPTS}
    shown = table(report)
    for name in (
        *(row.name for row in ROWS),
        "thinking ends",
        "two-step arithmetic",
        "AUC",
        "recall",
        "written by hand",
    ):
        assert name in shown


def test_a_copy_that_prunes_nothing_differs_in_nothing_else(tiny_path, tmp_path):
    copy = unpruned_copy(tiny_path, tmp_path / "copy.gguf")
    before, after = tiny_path.read_bytes(), copy.read_bytes()
    assert len(before) == len(after)
    assert 0 < sum(a != b for a, b in zip(before, after, strict=True)) <= 4
    with Engine(copy) as engine:
        assert engine.model.metadata["deepseek4.attention.indexer.top_k"] == N_CTX


def test_forced_calls_of_the_suite_are_certain_whatever_the_model_knows(engine):
    suite = run_suite(Runner(engine))
    assert suite["forced: any"]
    assert suite["forced: by name"]
    assert suite["no arguments"]
    assert suite["joke for a schema"]


def test_answers_do_not_depend_on_how_many_run_side_by_side(engine):
    some = cases(ROWS[0].skills, 6, 2)
    alone = Runner(engine, n_side_by_side=1).answer_all(some)
    together = Runner(engine, n_side_by_side=6).answer_all(some)
    assert [one.right for one in alone] == [one.right for one in together]
    assert [one.result and one.result.tool_calls for one in alone] != []
    said = [[(call.name, call.arguments) for call in one.result.tool_calls] for one in alone if one.result]
    assert said == [[(call.name, call.arguments) for call in one.result.tool_calls] for one in together if one.result]
