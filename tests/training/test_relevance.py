"""Judgements of relevance are balanced, and in easy ones the words that query and passage share decide."""

from __future__ import annotations

import itertools
import random

import pytest

from ds4_core.chat.relevance import RELEVANCE_PROMPT
from training.data import Example
from training.data.skills.composed_reading import composed_relevance
from training.data.skills.judging import relevance
from training.data.skills.matching import EASY, HARD, MIDDLE, level_of
from training.data.skills.queries import stems
from training.data.skills.reading import read_relevance
from training.data.skills.written_refine import refine_relevance
from training.data.words import Words

SKILLS = (relevance, read_relevance, composed_relevance)
HEAD, MIDST = RELEVANCE_PROMPT.partition("{query}")[0], "\n\nPassage: "


def judged(made: Example) -> list[tuple[str, str, bool]]:
    """The queries, passages and answers of a conversation."""
    turns = [message["content"] for message in made.messages if message["role"] != "system"]
    out = []
    for request, answer in zip(turns[::2], turns[1::2], strict=True):
        assert request.startswith(HEAD)
        query, passage = request.removeprefix(HEAD).split(MIDST, 1)
        out.append((query, passage, answer == "yes"))
    return out


def area(cases: list[tuple[str, str, bool]]) -> float:
    """How often more words are shared where the answer is yes than where it is no."""
    shared = {label: [len(stems(q) & stems(p)) for q, p, helps in cases if helps is label] for label in (True, False)}
    wins = sum((yes > no) + (yes == no) / 2 for yes in shared[True] for no in shared[False])
    return wins / (len(shared[True]) * len(shared[False]))


def drawn(skill, level: str, n: int, split: str = "train") -> list[Example]:
    w = Words(random.Random(level), split)
    return [skill(w, level) for _ in range(n)]


@pytest.mark.parametrize("skill", SKILLS)
def test_shared_words_decide_easy_judgements(skill):
    documents = [judged(made) for made in drawn(skill, EASY, 200)]
    assert area([case for document in documents for case in document[:4]]) > 0.95
    for document in documents:
        for query, passage, helps in document:
            shared = len(stems(query) & stems(passage))
            assert shared >= 2 if helps else not shared
            assert len(passage) < 100


@pytest.mark.parametrize("skill", SKILLS)
def test_shared_words_mostly_decide_judgements_of_middle_difficulty(skill):
    assert area([case for made in drawn(skill, MIDDLE, 60) for case in judged(made)]) > 0.85


@pytest.mark.parametrize("level", [EASY, MIDDLE])
@pytest.mark.parametrize("skill", SKILLS)
def test_half_of_the_judgements_are_yes_wherever_they_stand(skill, level):
    documents = [judged(made) for made in drawn(skill, level, 300)]
    cases = [case for document in documents for case in document]
    assert 0.46 < sum(helps for _, _, helps in cases) / len(cases) < 0.54
    for at in range(6):
        assert 0.35 < sum(document[at][2] for document in documents) / len(documents) < 0.65
    for document in documents:
        assert len({case[:2] for case in document}) == len(document), "no case twice"
    again = [(a, b) for document in documents for a, b in itertools.pairwise(document)]
    for side in (0, 1):
        following = [b[2] for a, b in again if a[side] == b[side]]
        assert len(following) > 50
        assert 0.35 < sum(following) / len(following) < 0.65


@pytest.mark.parametrize("skill", SKILLS)
def test_long_passages_are_not_the_ones_that_help(skill):
    cases = [case for made in drawn(skill, EASY, 150) for case in judged(made)]
    means = [sum(long) / len(long) for label in (True, False) if (long := [len(p) for _, p, h in cases if h is label])]
    assert 0.9 < means[0] / means[1] < 1.1


@pytest.mark.parametrize("skill", SKILLS)
def test_a_held_out_judgement_stands_alone(skill):
    for level in (EASY, HARD):
        assert all(len(judged(made)) == 1 for made in drawn(skill, level, 30, "heldout"))


def test_most_of_training_is_easy_and_half_of_the_held_out_cases():
    for split, shares in (("train", {EASY: 0.6, MIDDLE: 0.25, HARD: 0.15}), ("heldout", {EASY: 0.5, HARD: 0.5})):
        w = Words(random.Random(1), split)
        levels = [level_of(w) for _ in range(4000)]
        assert set(levels) == set(shares)
        for level, share in shares.items():
            assert abs(levels.count(level) / len(levels) - share) < 0.04


def test_a_context_that_names_the_same_things_does_not_help_by_that_alone():
    w = Words(random.Random(2), "train")
    cases = [case for _ in range(400) for case in judged(refine_relevance(w))]
    assert 0.4 < sum(helps for _, _, helps in cases) / len(cases) < 0.6
    near = [case for case in cases if not case[2] and len(stems(case[0]) & stems(case[1])) >= 1]
    assert len(near) > 0.4 * sum(not helps for _, _, helps in cases)
    assert area(cases) < 0.9  # words that both share do not decide these
