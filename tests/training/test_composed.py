"""Composed passages hold the answers to their questions, and training sees no frame that is held out."""

from __future__ import annotations

import random

import pytest

from training.data import composed_words as words
from training.data.composed import composed
from training.data.skills.composed_reading import composed_prose, composed_relevance
from training.data.words import Words

SPLITS = ("train", "heldout")


@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_stands_in_its_passage_and_every_question_has_its_sentence(split):
    w = Words(random.Random(1), split)
    for n in range(300):
        passage = composed(w, 1 + n % 12)
        assert len(passage.sentences) >= 1 + n % 12
        assert passage.questions
        text = " ".join(passage.sentences)
        for question in passage.questions:
            assert question.answer
            assert question.answer in text
            assert question.evidence in passage.sentences
            assert question.about in text
            assert question.answer in question.evidence or question.about or question.text
        for said in (*passage.sentences, *(q.text for q in passage.questions), *passage.missing):
            assert not set("{}_|") & set(said)
            assert said.strip() == said
        for sentence in passage.sentences:
            assert "  " not in sentence
            assert sentence[0] == '"' or not sentence[0].islower()
            assert sentence.endswith((".", '."'))
            assert " ." not in sentence
            assert " ," not in sentence


@pytest.mark.parametrize("split", SPLITS)
def test_a_question_has_one_answer(split):
    w = Words(random.Random(2), split)
    for _ in range(200):
        answers: dict[str, set[str]] = {}
        for question in composed(w, 8).questions:
            answers.setdefault(question.text, set()).add(question.answer.lower())
        assert all(len(some) == 1 for some in answers.values())


def test_the_splits_share_no_frame():
    train, heldout = ({frame.verbs[0].base for frame in words.frames(split)} for split in SPLITS)
    assert len(train) > 300
    assert len(heldout) > 30
    assert not train & heldout


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        ("repair", ("repair", "repaired", "repaired", "repairing", "repairs")),
        ("take_off", ("take off", "took off", "taken off", "taking off", "takes off")),
        (
            "secretly_swap",
            ("secretly swap", "secretly swapped", "secretly swapped", "secretly swapping", "secretly swaps"),
        ),
        ("bury", ("bury", "buried", "buried", "burying", "buries")),
        ("dye", ("dye", "dyed", "dyed", "dyeing", "dyes")),
        ("cut", ("cut", "cut", "cut", "cutting", "cuts")),
        ("tie", ("tie", "tied", "tied", "tying", "ties")),
    ],
)
def test_verbs_are_inflected(text, forms):
    verb = words.verb(text)
    assert (verb.base, verb.past, verb.done, verb.ing, verb.third) == forms


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("skill", [composed_prose, composed_relevance])
def test_the_skills_make_whole_conversations(skill, split):
    w = Words(random.Random(3), split)
    for _ in range(25):
        made = skill(w)
        assert made.messages[-1]["role"] == "assistant"
        assert made.messages[-1]["train"]
        assert (made.check is not None) == (split == "heldout")
