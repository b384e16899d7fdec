"""Lines written by hand: all can be filled, nothing held out is trained on, requests give their arguments."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from training.data import by_skill
from training.data.check_written import problems
from training.data.example import Example
from training.data.rendering import ANOTHER, DECISIVE, SPOKEN, TARGET, pieces
from training.data.words import Words
from training.data.written import HERE, Slots, line_of, lines, parsed, values
from training.data.written_tools import asked_again, calls_of_one, follow_up, tool_result, written_tool

AREAS = sorted(path.name for path in HERE.iterdir() if path.is_dir() and path.name != "values")


@pytest.mark.parametrize("area", AREAS)
def test_every_line_of_an_area_can_be_used(area: str) -> None:
    assert problems(area) == []


def test_a_slot_has_one_value_and_the_type_of_its_kind() -> None:
    slots = Slots(Words(random.Random(1), "train"), {"n": "1-9", "who": "person"})
    text = slots.fill("{who} has {n} of {n}, {{sic}} {x:0.5-0.9}")
    assert text == f"{slots.get('who')} has {slots.get('n')} of {slots.get('n')}, {{sic}} {slots.get('x')}"
    made = slots.value({"n": "{n}", "text": "{n} {who}", "list": ["{x}", True, None]})
    assert made == {
        "n": slots.get("n"),
        "text": f"{slots.get('n')} {slots.get('who')}",
        "list": [slots.get("x"), True, None],
    }
    assert isinstance(made["n"], int)
    assert 0.5 <= made["list"][0] <= 0.9


def test_slots_of_one_kind_differ() -> None:
    for seed in range(50):
        slots = Slots(Words(random.Random(seed), "train"), {"day": "weekday"})
        assert slots.get("day") != slots.get("day#2")


@pytest.mark.parametrize("text", ["{n:1-", "n}", "{a:}", "{ a}"])
def test_a_brace_that_belongs_to_no_slot_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="belongs to no slot"):
        parsed(text)


def test_an_unknown_kind_names_what_there_is() -> None:
    slots = Slots(Words(random.Random(1), "train"))
    with pytest.raises(ValueError, match="kind 'colour': it must be one of"):
        slots.fill("{x:colour}")


def test_training_never_sees_a_held_out_line_wording_or_value() -> None:
    train, held = Words(random.Random(2), "train"), Words(random.Random(2), "heldout")
    assert not any(line_of(train, "tools").heldout for _ in range(2000))
    seen = {id(line) for line in (line_of(held, "tools") for _ in range(2000)) if line.heldout}
    assert seen
    for line in lines("tools")[:200]:
        if not line.heldout and len(line["requests"]) >= 8:
            wordings = [json.dumps(x) for x in line["requests"]]
            used = {json.dumps(line.one(train, line["requests"])) for _ in range(100)}
            kept = {json.dumps(line.one(held, line["requests"])) for _ in range(100)}
            assert kept
            assert not used & kept
            assert used | kept <= set(wordings)
    assert not set(values("task", "train")) & set(values("task", "heldout"))


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_what_a_tool_is_asked_for_gives_every_argument_it_requires(split: str) -> None:
    w = Words(random.Random(3), split)
    for _ in range(1500):
        tool = written_tool(w)
        for one in (tool, asked_again(w, tool), follow_up(w, tool)):
            if one is None:
                continue
            known = {p.name: p for p in one.parameters}
            assert set(one.arguments) <= set(known)
            assert {p.name for p in one.parameters if p.required} <= set(one.arguments)
            assert one.request
        assert tool_result(w, tool).answer


def test_several_calls_of_one_tool_are_calls_of_that_tool() -> None:
    w = Words(random.Random(4), "train")
    for _ in range(300):
        calls, request = calls_of_one(w)
        assert request
        assert len(calls) > 1
        assert len({call.name for call in calls}) == 1
        assert len({json.dumps(call.arguments, sort_keys=True) for call in calls}) > 1


def test_no_conversation_offers_two_tools_of_one_name() -> None:
    rng = random.Random(5)
    for skill in ("written_handoff", "tool_parallel", "which_tool", "agent_handoff"):
        for _ in range(200):
            names = [tool["function"]["name"] for tool in by_skill(skill, rng, "train").tools or ()]
            assert len(names) == len(set(names))


def test_the_encoder_marks_where_a_target_decides(tmp_path: Path) -> None:
    from training import tokenizer

    made = [by_skill("tool_one", random.Random(seed), "heldout") for seed in range(40)]
    texts = [piece.text for one in made for piece in pieces(one) if not piece.special]
    tokenizer.train(texts, 600, 20).save(str(tmp_path / "tokenizer.json"))
    encoder = tokenizer.load(tmp_path / "tokenizer.json")
    for one in made:
        ids, trained = encoder(pieces(one))
        assert len(ids) == len(trained)
        name = one.check["expected"][0][0] if one.check else ""
        tokens = [encoder.tokenizer.decode([i], skip_special_tokens=False) for i in ids]
        assert name in "".join(token for token, mark in zip(tokens, trained, strict=True) if mark == DECISIVE)


def test_the_first_token_of_a_target_says_whether_it_speaks_although_it_could_call(tmp_path: Path) -> None:
    from training import tokenizer

    request = {"role": "user", "content": "ring the bell"}
    call = {"id": "1", "type": "function", "function": {"name": "ring", "arguments": "{}"}}
    called = {"role": "assistant", "content": "", "tool_calls": [call], "train": True}
    result = {"role": "tool", "content": "rung", "tool_call_id": "1"}
    said = {"role": "assistant", "content": "It was rung.", "train": True}
    ring = {"type": "function", "function": {"name": "ring", "parameters": {"type": "object", "properties": {}}}}
    with_tools = Example("tool_one", [request, called, result, said], tools=[ring])
    without = Example("small_talk", [request, said])
    tokenizer.train([p.text for one in (with_tools, without) for p in pieces(one) if not p.special], 500, 5).save(
        str(tmp_path / "tokenizer.json")
    )
    encoder = tokenizer.load(tmp_path / "tokenizer.json")

    def openings(one: Example) -> list[int]:
        _, trained = encoder(pieces(one))
        return [mark for before, mark in zip([0, *trained], trained, strict=False) if mark and not before]

    assert openings(with_tools) == [TARGET, SPOKEN]
    assert openings(without) == [DECISIVE]
    # A thought begins alike before both, and what follows a schema always with a brace.
    called["reasoning"], said["reasoning"] = "I call ring().", "The result above says it."
    assert openings(replace(with_tools, thinking=True, effort="low")) == [DECISIVE, DECISIVE]
    assert openings(replace(with_tools, response_format={"type": "object"}))[-1] == DECISIVE


@pytest.mark.parametrize("kind", ["1-3000", "0-9999", "3100-900000", "-5-40000", "1900-2025"])
def test_a_whole_number_stays_one_and_in_its_range(kind: str) -> None:
    from training.data.written import maker

    w, low, high = Words(random.Random(2), "train"), *map(int, re.fullmatch(r"(-?\d+)-(\d+)", kind).groups())  # type: ignore[union-attr]
    drawn = [maker(kind)(w) for _ in range(3000)]
    assert all(type(number) is int and low <= number <= high for number in drawn)
    if high > 100_000:
        assert 0.1 < sum(number % 1000 == 0 for number in drawn) / len(drawn) < 0.4


def test_another_call_in_a_turn_is_marked_once_for_each_after_the_first() -> None:
    from training import tokenizer

    made = by_skill("tool_parallel", random.Random(4), "train")
    turns = [message["tool_calls"] for message in made.messages if message.get("tool_calls")]
    texts = [piece.text for piece in pieces(made) if piece.trained and not piece.special]
    marks = [tokenizer._decisive(text, [(i, i + 1) for i in range(len(text))]) for text in texts]
    another = [text for text, roles in zip(texts, marks, strict=True) if ANOTHER in roles]
    assert another == ["invoke>\n<"] * sum(len(calls) - 1 for calls in turns)
    assert all(roles.count(ANOTHER) <= 1 and ANOTHER not in roles[:-1] for roles in marks)


def test_a_value_decides_where_it_ends_and_where_it_could_have_ended() -> None:
    from training import tokenizer

    text = '\nparameter name="room" string="true">hall by the door, left</'
    words = [found.span() for found in re.finditer(r" ?[A-Za-z]+|</|[^A-Za-z]", text)]
    marks = tokenizer._decisive(text, words)
    marked = [text[begin:end] for (begin, end), mark in zip(words, marks, strict=True) if mark == DECISIVE]
    assert marked == ["room", "hall", " by", ",", "</"]  # which, how it begins, where it could end, where it ends
    thought = 'I call sit(room="hall by the door").'
    assert tokenizer._decisive(thought, [(0, 21), (21, 24), (24, len(thought))]) == [TARGET, DECISIVE, TARGET]
    said = "I sat in the hall, by the door."
    assert tokenizer._decisive(said, [(0, len(said))]) == [TARGET]  # words, and no value
