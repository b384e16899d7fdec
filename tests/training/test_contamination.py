"""The generator says nothing of LangChain's standard suite, which the model is measured on."""

from __future__ import annotations

import random

import pytest

from training.data import SKILLS, by_skill, example
from training.data.contamination import (
    LENGTH,
    NAMES,
    example_is_contaminated,
    is_contaminated,
    masked_words,
    refused_sequences,
    sequences,
)
from training.data.make_suite_sequences import suite_texts
from training.data.rendering import text_of


def spelled(text: str) -> set[str]:
    """The six-word sequences of a text themselves: two of a million have one checksum by chance."""
    words = masked_words(text)
    return {" ".join(words[at : at + LENGTH]) for at in range(len(words) - LENGTH + 1)}


def suite_sentences() -> list[str]:
    return [text for text in suite_texts() if len(masked_words(text)) >= 6]


def test_every_sentence_of_the_suite_is_refused():
    sentences = suite_sentences()
    assert len(sentences) > 30
    assert not [sentence for sentence in sentences if not is_contaminated([sentence])]


def test_the_checksums_are_those_of_the_installed_suite():
    assert refused_sequences() == {checksum for text in suite_sentences() for checksum in sequences(text)}


def test_numbers_and_case_do_not_hide_a_sequence():
    sentence = max(suite_sentences(), key=lambda text: sum(char.isdigit() for char in text))
    masked = "".join("7" if char.isdigit() else char.upper() for char in sentence)
    assert masked != sentence
    assert is_contaminated([f"well, {masked} and so on"])


@pytest.mark.parametrize("name", NAMES)
def test_names_are_refused_wherever_they_stand(name):
    tools = [{"type": "function", "function": {"name": f"{name}_2", "parameters": {}}}]
    assert example_is_contaminated([], tools)
    call = {"id": "1", "type": "function", "function": {"name": name.upper(), "arguments": "{}"}}
    assert example_is_contaminated([{"role": "assistant", "content": "", "tool_calls": [call]}])
    assert example_is_contaminated([{"role": "user", "content": f"call {name}(3)"}])
    assert not example_is_contaminated([{"role": "user", "content": "call another_function(3)"}])


def test_five_words_in_common_are_not_refused():
    words = masked_words("Tell me a joke about cats.")[:5]
    assert not is_contaminated([" ".join(words) + " elephants"])


@pytest.mark.parametrize("n_documents", [1500, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("split", ["train", "heldout"])
def test_no_document_shares_a_sequence_or_a_name_with_the_suite(n_documents, split):
    refused = set().union(*map(spelled, suite_sentences()))
    rng = random.Random(f"contamination {split}")
    for _ in range(n_documents):
        text = text_of(example(rng, split))
        assert refused.isdisjoint(spelled(text)), text
        lowered = text.lower()
        assert not any(name in lowered for name in NAMES), text


@pytest.mark.parametrize("skill", SKILLS)
def test_no_skill_says_a_name_of_the_suite(skill):
    rng = random.Random(skill)
    texts = [text_of(by_skill(skill, rng, "train")) for _ in range(20)]
    assert not is_contaminated(texts)
