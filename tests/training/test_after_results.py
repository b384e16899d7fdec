"""What follows a result: answers stand in it, second calls take its value, and the splits share no wording."""

from __future__ import annotations

import json
import random
import re
from itertools import pairwise

import pytest

from training.data import by_skill
from training.data.chain_parts import sources, uses
from training.data.parameters import said_value, spoken
from training.data.result_fields import fields, report
from training.data.skills.composed_chains import composed_chain
from training.data.skills.composed_lookups import composed_lookup
from training.data.skills.composed_results import composed_result
from training.data.skills.queries import stems
from training.data.skills.written_agents import ANYWHERE, made_tool, neighbours
from training.data.words import Words
from training.data.written import lines

SPLITS = ("train", "heldout")


def calls_of(message):
    return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in message.get("tool_calls", ())]


def bare(text):
    return text.replace("\\", "").replace('"', "").replace("'", "")


def drawn(make, split, n=250):
    w = Words(random.Random(f"{make.__name__} {split}"), split)
    return [make(w) for _ in range(n)]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("make", [composed_result, composed_chain, composed_lookup])
def test_calls_name_tools_that_are_offered_and_messages_have_no_slots_left(make, split):
    for made in drawn(make, split):
        names = [tool["function"]["name"] for tool in made.tools or ()]
        assert len(set(names)) == len(names)
        for message in made.messages:
            for name, arguments in calls_of(message):
                assert name in names
                schema = next(t for t in made.tools if t["function"]["name"] == name)["function"]["parameters"]
                assert set(arguments) <= set(schema.get("properties", ()))
            if message["role"] == "user" or (message["role"] == "assistant" and message["content"]):
                assert not any(slot in message["content"] for slot in ("{n}", "{o}", "{x}", "{v}", "{k}", "{w}", "{t}"))


@pytest.mark.parametrize("split", SPLITS)
def test_every_field_is_reported_with_its_value_and_labels_do_not_clash(split):
    w = Words(random.Random(3), split)
    for _ in range(400):
        given = fields(w, w.pick("tp"), w.between(2, 7))
        text = report(given)
        for one in given:
            assert one.quality or said_value(one.value) in one.answer
            assert one.clause[1:] in text
            assert one.quality or said_value(one.value) in one.sentence
            assert not any(set(one.label.split()) <= set(other.label.split()) for other in given if other is not one)


@pytest.mark.parametrize("split", SPLITS)
def test_a_second_call_passes_what_the_first_returned(split):
    seen = 0
    for made in drawn(composed_chain, split):
        for result, after in pairwise(made.messages):
            if result["role"] != "tool" or not calls_of(after):
                continue
            seen += 1
            ((_, arguments),) = calls_of(after)
            assert any(bare(said_value(value)) in bare(result["content"]) for value in arguments.values())
    assert seen > 30


@pytest.mark.parametrize("split", SPLITS)
def test_questions_on_a_result_are_answered_without_a_call(split):
    n_answered = 0
    for made in drawn(composed_result, split):
        results = ""
        for question, answer in pairwise(made.messages):
            results += question["content"] if question["role"] == "tool" else ""
            if question["role"] == "user" and answer["role"] == "assistant" and not calls_of(answer):
                n_answered += bool(results)
    assert n_answered > 80


def letters(text):
    """A text without what names are joined with."""
    return re.sub(r"[\W_]", "", text).lower()


@pytest.mark.parametrize("split", SPLITS)
def test_a_lookup_calls_for_what_the_request_names_and_answers_from_results(split):
    n_calls = n_answers = n_talk = 0
    for made in drawn(composed_lookup, split):
        results = ""
        for before, message in pairwise(made.messages):
            if before["role"] == "tool":
                results += before["content"] + "\n"
            for _, arguments in calls_of(message):
                n_calls += 1
                assert all(value in before["content"] for value in arguments.values())
            answer = message["content"]
            if before["role"] == "user" and answer.startswith("The "):
                label, _, _ = answer.removeprefix("The ").partition(" is ")
                if letters(label) in letters(results):
                    n_answers += 1
                    assert answer.rpartition(" is ")[2].rstrip(".") in results.replace("\\", "")
                else:
                    n_talk += 1
    assert n_calls > 200
    assert n_answers > 100
    assert n_talk < n_answers / 20  # a few turns of small talk, whose answers speak of nothing in the results


def test_training_has_enough_turns_to_learn_from():
    for make in (composed_result, composed_chain, composed_lookup):
        targets = [sum(bool(m.get("train")) for m in made.messages) for made in drawn(make, "train")]
        assert sum(targets) / len(targets) > 6


def test_the_splits_share_no_source_and_no_use():
    for parts in (sources, uses):
        train, heldout = ({part.tools for part in parts(split)} for split in SPLITS)
        assert train
        assert heldout
        assert not train & heldout


def test_where_tools_only_look_things_up_an_answer_follows_every_result():
    from training.data.skills.composed_chains import lookups

    for made in drawn(lookups, "train"):
        roles = [message["role"] for message in made.messages if message["role"] != "system"]
        assert "".join(role[0] for role in roles) == "uata" * (len(roles) // 4)
        for _, call, result, answer in zip(*[iter(m for m in made.messages if m["role"] != "system")] * 4, strict=True):
            assert len(call["tool_calls"]) == 1
            assert said_in(answer["content"], result["content"])


def said_in(answer, result):
    """Whether the last words of an answer stand in the result."""
    return bare(answer).rstrip(".").split(" is ")[-1] in bare(result)


@pytest.mark.parametrize("skill", ["tool_one", "tool_parallel", "composed_chain", "written_chain", "written_clauses"])
def test_the_same_words_are_thought_before_every_call(skill):
    rng = random.Random(skill)
    thought = 0
    for _ in range(300):
        for message in by_skill(skill, rng, "train").messages:
            if message.get("tool_calls") and "reasoning" in message:
                thought += 1
                assert message["reasoning"].startswith(f"I call {message['tool_calls'][0]['function']['name']}(")
    assert thought > 10


def test_tools_beside_that_of_a_chain_take_the_same_thing_and_are_about_others() -> None:
    w, n = Words(random.Random(8), "train"), 0
    lines_of_one = [line for line in lines("chains") if len(line["tools"][0]["params"]) == 1 and not line.heldout]
    for line in w.sample(lines_of_one, 150):
        tool = made_tool(w, line["tools"][0], {})
        beside = neighbours(w, [tool])
        n += len(beside)
        assert len({one.topic for one in [tool, *beside]}) == 1 + len(beside)
        for one in beside:
            assert list(one.extra["names"]) == list(tool.extra["names"])
            shared = stems(spoken(one.topic)) & stems(spoken(tool.topic))
            assert shared <= ANYWHERE | stems(" ".join(tool.extra["names"]))
    assert n > 100
