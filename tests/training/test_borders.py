"""Where a value ends and how many calls a request is: values with "and" in them, lists, and clauses that point back."""

from __future__ import annotations

import json
import random
import re

import pytest

from training.data.example import Example
from training.data.parameters import listed
from training.data.skills.calculating import calculating
from training.data.skills.parallel import composed_parallel, parallel, several_results
from training.data.skills.written_clauses import asked_calls, catalogue, written_clauses
from training.data.skills.written_results import rows
from training.data.words import Words
from training.data.written import HERE, Line, lines, maker, parsed, strings_of, values
from training.data.written_tools import calls_of_one, without_end, written_tool


def _turns(example: Example) -> list[tuple[str, list[tuple[str, dict[str, object]]]]]:
    """The requests of a conversation that are answered with calls, and these calls."""
    out = []
    for said, answer in zip(example.messages, example.messages[1:], strict=False):
        if said["role"] == "user" and answer.get("tool_calls"):
            functions = [call["function"] for call in answer["tool_calls"]]
            out.append((said["content"], [(f["name"], json.loads(f["arguments"])) for f in functions]))
    return out


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_clauses_call_what_is_offered_with_words_of_the_request(split: str) -> None:
    w, fixed = Words(random.Random(1), split), [True, False]  # and what a request says in other words
    fixed += [v for line in lines("clauses") for _, args in line["calls"] for v in strings_of(args) if "{" not in v]
    fixed += [v for line in lines("clauses") for _, args in line["calls"] for v in args.values() if isinstance(v, int)]
    for _ in range(400):
        made = written_clauses(w)
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in made.tools or ()}
        for request, calls in _turns(made):
            assert all(call not in calls[:at] for at, call in enumerate(calls))
            for name, arguments in calls:
                assert set(arguments) <= set(offered[name]["properties"])
                assert set(offered[name].get("required", ())) <= set(arguments)
                passed = [v for value in arguments.values() for v in (value if isinstance(value, list) else [value])]
                assert all(str(value) in request for value in passed if value not in fixed)


def test_a_line_of_clauses_names_all_its_slots_and_no_others() -> None:
    for line in lines("clauses"):
        declared = {slot for _, args in line["calls"] for v in strings_of(args) for _, slot, _ in parsed(v) if slot}
        assert {key for key, _ in line["calls"]} <= set(catalogue())
        for wording in line["requests"]:
            template, order = (wording, range(len(line["calls"]))) if isinstance(wording, str) else wording
            assert {slot for _, slot, _ in parsed(template) if slot} == declared
            assert sorted(order) == list(range(len(line["calls"])))
        for key, args in line["calls"]:
            params = catalogue()[key]["params"]
            assert set(args) <= set(params)
            assert {own for own, spec in params.items() if not spec.get("optional")} <= set(args)


def test_calls_come_in_the_order_of_the_request() -> None:
    w = Words(random.Random(2), "train")
    line = next(x for x in lines("clauses") if [key for key, _ in x["calls"]] == ["rent", "order"])
    for _ in range(60):
        made = asked_calls(w, line)
        assert made
        request, calls = made
        places = [request.index(str(next(iter(args.values())))) for _, args in calls]
        assert places == sorted(places)


def test_one_value_with_a_comma_and_a_list_both_occur_often() -> None:
    w = Words(random.Random(3), "train")
    turns = [turn for _ in range(300) for turn in _turns(written_clauses(w))]
    joined = [calls for _, calls in turns if any(re.search(r",| and |&", str(v)) for _, a in calls for v in a.values())]
    assert sum(len(calls) == 1 for _, calls in turns) > len(turns) / 4
    assert sum(len(calls) > 1 for _, calls in turns) > len(turns) / 4
    assert sum(len(calls) == 1 for calls in joined) > len(turns) / 12


def test_a_city_comes_whole_with_its_state_or_country_now_and_then() -> None:
    w = Words(random.Random(4), "train")
    cities: list[str] = []
    while len(cities) < 600:
        tool = written_tool(w)
        kinds = tool.extra["line"].get("slots", {})
        cities += [str(v) for own, v in tool.extra["own"].items() if kinds.get(own) == "city"]
    assert 0.05 < sum("," in city for city in cities) / len(cities) < 0.2


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_a_value_with_and_in_it_is_the_only_one_of_its_kind(split: str) -> None:
    w = Words(random.Random(5), split)
    joined = {v for path in (HERE / "values").glob("*_joined.txt") for v in values(path.stem, split)}
    written = "".join(path.read_text("utf-8") for path in (HERE / "tools").glob("*.jsonl"))
    joined = {v for v in joined if v not in written}  # a line may say such a value itself
    for _ in range(400):
        calls, _ = calls_of_one(w)
        assert not any(str(v) in joined for call in calls for v in call.extra["own"].values())
    found = 0
    for _ in range(2500):
        tool = written_tool(w)
        for value in tool.extra["own"].values():
            if str(value) in joined:
                found += 1
                assert str(value) in tool.request
    assert found


def test_nothing_is_asked_for_twice_in_one_turn() -> None:
    w = Words(random.Random(6), "train")
    for make in (parallel, composed_parallel, several_results, calculating):
        for _ in range(250):
            for _, calls in _turns(make(w)):
                assert all(call not in calls[:at] for at, call in enumerate(calls))


def test_items_with_commas_are_told_apart() -> None:
    assert listed(["Rome", "Oslo", "Lima"]) == "Rome, Oslo and Lima"
    assert listed(["Leeds, UK", "Austin, TX", "Lima"]) == "Leeds, UK; Austin, TX and Lima"
    assert listed(["Leeds, UK", "Austin, TX"]) == "Leeds, UK and Austin, TX"


def test_the_end_of_a_value_stays() -> None:
    assert without_end("play Who Owns the Rain?", {"title": "Who Owns the Rain?"}) == "play Who Owns the Rain?"
    assert without_end("play Kites?", {"title": "Kites"}) == "play Kites"


def test_values_of_lists_get_other_words_and_ends_in_training_alone() -> None:
    for name, most_new in (("film", 0.8), ("room", 0.6)):
        for split, least, most in (("train", 0.15, most_new), ("heldout", 0.0, 0.0)):
            w, listed = Words(random.Random(3), split), set(values(name, split))
            share = sum(maker(f"@{name}")(w) not in listed for _ in range(400)) / 400
            assert least <= share <= most


def test_another_end_is_the_end_of_another_value() -> None:
    w, listed = Words(random.Random(5), "train"), values("room", "train")
    for _ in range(200):
        made = maker("@room")(w)
        assert made in listed or any(
            made.startswith(f"{words}") and any(other.endswith(made[len(words) :]) for other in listed)
            for words in (" ".join(made.split()[:n]) for n in range(1, 5))
            if any(other == words or other.startswith(f"{words} ") for other in listed)
        )


def test_two_sentences_in_one_value_are_both_whole() -> None:
    w, listed = Words(random.Random(4), "heldout"), values("message", "heldout")
    whole = {text if text.endswith((".", "?", "!", "…")) else f"{text}." for text in listed}
    for _ in range(100):
        made = maker("@message+")(w)
        assert any(made.startswith(f"{text} ") and made[len(text) + 1 :] in whole for text in whole)


def test_a_list_of_results_ends_where_a_column_has_too_few_values() -> None:
    line = next(line for line in lines("results") if "row" in line.data)
    few = Line({**line.data, "n": [6, 6], "row": line["row"] | {next(iter(line["row"])): "1-2"}}, "")
    for seed in range(20):
        assert rows(Words(random.Random(seed), "train"), few).tool
