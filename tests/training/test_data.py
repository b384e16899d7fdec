"""Examples of every skill are conversations the engine can have, and held-out ones are really new."""

from __future__ import annotations

import itertools
import json
import random
import subprocess
import sys
from collections import Counter

import jsonschema
import pytest

from ds4_core.chat import render_text
from training.data import SKILLS, Example, by_skill, example, pieces
from training.data.mixture import LATE
from training.data.mixture import drawn as drawn_skill
from training.data.rendering import text_of, without_instructions
from training.data.words import Phrases, Words, _words

EOS, THINK_CLOSE = "<｜end▁of▁sentence｜>", "</think>"


def drawn(skill: str, split: str, n: int = 25) -> list[Example]:
    rng = random.Random(f"{skill} {split}")
    return [by_skill(skill, rng, split) for _ in range(n)]


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("skill", SKILLS)
def test_calls_and_json_fit_the_schemas_that_the_prompt_shows(skill, split):
    for made in drawn(skill, split):
        schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in made.tools or ()}
        for message in made.messages:
            for call in message.get("tool_calls", ()):
                schema = schemas[call["function"]["name"]]
                arguments = json.loads(call["function"]["arguments"])
                jsonschema.validate(arguments, schema)
                known = schema.get("properties", {})
                assert list(arguments) == [key for key in known if key in arguments]
        if made.response_format and not made.messages[-1].get("tool_calls"):
            value = json.loads(made.messages[-1]["content"])
            jsonschema.validate(value, made.response_format)


@pytest.mark.parametrize("skill", SKILLS)
def test_a_held_out_example_has_one_target_and_says_how_it_is_judged(skill):
    for made in drawn(skill, "heldout"):
        assert [bool(message.get("train")) for message in made.messages].count(True) == 1
        assert made.messages[-1]["train"]
        assert made.check is not None
        assert made.check["kind"] in ("text", "calls", "json", "react", "holds", "holds_all")
        if made.check["kind"] in ("text", "react"):
            assert made.check["expected"] == made.messages[-1]["content"]


@pytest.mark.parametrize("skill", SKILLS)
def test_a_training_example_has_targets_and_no_check(skill):
    for made in drawn(skill, "train"):
        assert any(message.get("train") for message in made.messages)
        assert made.check is None


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("skill", SKILLS)
def test_pieces_are_the_rendered_conversation(skill, split):
    for made in drawn(skill, split, 8):
        messages = [{k: v for k, v in message.items() if k != "train"} for message in made.messages]
        text = render_text(
            messages,
            tools=made.tools,
            response_format=made.response_format,
            thinking=made.thinking,
            effort=made.effort,
        )
        assert text_of(made) == text


@pytest.mark.parametrize("skill", SKILLS)
def test_targets_are_whole_turns_from_after_their_opening_to_the_end_of_the_turn(skill):
    for made in drawn(skill, "train", 8):
        parts = pieces(made)
        assert all(a.special or b.special for a, b in itertools.pairwise(parts))
        turns, turn = [], ""
        for part in parts:
            if part.trained:
                turn += part.text
                if part.text == EOS and part.special:
                    turns.append(turn.removesuffix(EOS))
                    turn = ""
            else:
                assert not turn, "a target ends with its turn"
        wanted = [message for message in made.messages if message.get("train")]
        assert len(turns) == len(wanted)
        for said, message in zip(turns, wanted, strict=True):
            thought, _, rest = said.rpartition(THINK_CLOSE)
            assert rest.startswith(message["content"])
            assert thought in ("", message.get("reasoning", ""))
            for call in message.get("tool_calls", ()):
                assert f'invoke name="{call["function"]["name"]}"' in rest


def test_thinking_examples_think_at_every_effort():
    rng = random.Random(5)
    efforts = set()
    for _ in range(600):
        made = example(rng, "train")
        if made.thinking:
            assert any(message.get("reasoning") for message in made.messages)
            efforts.add(made.effort)
        else:
            assert not any(message.get("reasoning") for message in made.messages)
    assert efforts == {None, "low", "high"}


def test_the_splits_share_no_word_and_no_phrase():
    train, heldout = _words("train"), _words("heldout")
    for kind, words in train.items():
        assert words
        assert not {str(word) for word in words} & {str(word) for word in heldout[kind]}
    phrases = Phrases(*(f"way {i} of saying {{x}}" for i in range(40)))
    assert phrases.train
    assert phrases.heldout
    assert not set(phrases.train) & set(phrases.heldout)


def test_held_out_requests_are_said_in_ways_that_training_does_not_know():
    from training.data.prompts import QA_PROMPTS
    from training.data.skills.talk import SMALL_TALK

    rng = random.Random(3)
    for phrases in (QA_PROMPTS, *(phrases for phrases, _ in SMALL_TALK)):
        said = {Words(rng, "heldout").pick(phrases.of("heldout")) for _ in range(20)}
        known = {Words(rng, "train").pick(phrases.of("train")) for _ in range(200)}
        assert not said & known or len(phrases.train) < 5


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_the_same_seed_gives_the_same_examples_in_every_process(split):
    program = (
        "import hashlib, random; from training.data import example; rng = random.Random(7); "
        f"print(hashlib.sha256(repr([example(rng, {split!r}) for _ in range(150)]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("0", "1")
    }
    assert len(digests) == 1


def test_an_unknown_skill_or_split_is_named():
    with pytest.raises(ValueError, match="skill='juggling'"):
        by_skill("juggling", random.Random(0), "train")
    with pytest.raises(ValueError, match="split='test'"):
        example(random.Random(0), "test")


@pytest.mark.parametrize("skill", ["tool_several", "tool_parallel", "written_result", "small_talk"])
def test_a_prompt_without_instructions_still_lists_its_tools_and_keeps_its_targets(skill):
    rng = random.Random(skill)
    for _ in range(20):
        made = by_skill(skill, rng, "train")
        whole, short = pieces(made), without_instructions(pieces(made))
        text = "".join(piece.text for piece in short)
        assert [p for p in whole if p.trained] == [p for p in short if p.trained]
        assert all(f'"name": "{tool["function"]["name"]}"' in text for tool in made.tools or ())
        assert len(short) == len(whole) if not made.tools else len(text) < len(text_of(made))


def test_late_in_the_schedule_looking_up_comes_less_often_and_everything_still_comes():
    assert set(LATE) <= set(SKILLS)
    rng = random.Random("late")
    early, late = (Counter(drawn_skill(rng, late=late) for _ in range(40_000)) for late in (False, True))
    assert set(late) == set(early) == set(SKILLS)
    assert late["lookup"] < 0.5 * early["lookup"]
    assert late["composed_prose"] > 0.7 * early["composed_prose"]
    assert late["written_json"] > 1.3 * early["written_json"]
