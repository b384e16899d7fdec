"""The shortest valid answer: it is valid, nothing is shorter, a lower limit is refused with the number."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from ds4_core import Model
from ds4_core.chat import ChatRequest, Message
from ds4_core.chat.constraints import compile as compile_constraint
from ds4_core.chat.constraints import plan_of
from ds4_core.chat.machines import Length
from ds4_core.chat.request import as_response_format
from ds4_core.chat.vocabulary import vocabulary_of
from ds4_core.errors import InvalidRequestError
from tests.core.random_schemas import draw
from tests.core.reference_tokenizers import v4_tokenizer_json
from tests.core.vocab_gguf import write_vocab_gguf

_MESSAGES = (Message("user", "x"),)


@pytest.fixture(scope="module")
def tiny(tiny_path):
    with Model(tiny_path) as model:
        yield model


def guide_for(model, response_format, max_tokens=None, **options):
    request = ChatRequest(messages=_MESSAGES, response_format=response_format, max_tokens=max_tokens)
    return compile_constraint(request, model, thinking=False, **options)


CASES = [
    ({"type": "integer"}, 2),
    ({"type": "null"}, None),
    ({"enum": ["a long text that takes many tokens", 7, [1, 2, 3]]}, 2),
    ({"type": "array", "items": {"type": "boolean"}}, None),
    ({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}, None),
    ({"type": "object"}, None),
    (
        {"anyOf": [{"type": "object", "required": ["a", "b"]}, {"type": "integer", "minimum": 1000, "multipleOf": 7}]},
        None,
    ),
    ({"type": "regex", "regex": "(abc){2,}|x?yz"}, None),
    ({"type": "choice", "choice": ["certainly not", "no"]}, None),
    ({"type": "lark", "lark": 'start: a | "(" start ")"\na: "xx" "yy" | "z"~3'}, None),
    ({"type": "string", "pattern": "^(ab|c)+d$"}, None),
    ({"type": "integer", "exclusiveMinimum": 0, "multipleOf": 30}, None),
]


def shorter_exists(grammar, length):
    """Whether any answer has fewer than `length` tokens, by trying all of them."""
    matcher = grammar.matcher.deep_copy()
    eos = grammar.vocabulary.eos

    def search(left):
        mask = np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8)
        allowed = np.flatnonzero(np.unpackbits(mask, bitorder="little"))
        if eos in allowed:
            return left >= 1
        if left <= 1:
            return False
        for token in allowed.tolist():
            if not matcher.try_consume_tokens([token]):
                continue
            found = search(left - 1)
            matcher.rollback(1)
            if found:
                return True
        return False

    return search(length - 1)


@pytest.mark.parametrize(("response_format", "expected"), CASES)
def test_nothing_is_shorter(tiny, response_format, expected):
    plan = plan_of(tiny, (), as_response_format(response_format), "auto")
    assert expected is None or plan.shortest == expected
    matcher = plan.whole.matcher.deep_copy()
    assert matcher.validate_tokens(list(plan.whole.shortest)) == plan.shortest
    assert not shorter_exists(plan.whole, min(plan.shortest, 4))


@pytest.mark.parametrize(("response_format", "expected"), CASES)
def test_a_limit_below_it_is_refused_with_the_number(tiny, response_format, expected):
    least = guide_for(tiny, response_format).min_tokens_left()
    with pytest.raises(InvalidRequestError, match=rf"max_tokens={least - 1} .* {least} tokens"):
        guide_for(tiny, response_format, max_tokens=least - 1)


@pytest.mark.parametrize(("response_format", "expected"), CASES)
def test_at_the_limit_every_draw_ends_in_time(tiny, response_format, expected):
    least = guide_for(tiny, response_format).min_tokens_left()
    for more in range(12):
        guide = guide_for(tiny, response_format, max_tokens=least + more)
        assert len(draw(guide, random.Random(more), tiny.token_eos, tiny.n_vocab)) + 1 <= least + more


@pytest.mark.parametrize("more", range(0, 60, 3))
def test_alternatives_that_run_out_do_not_count(tiny, more):
    short, long = {"type": "string", "maxLength": 3}, {"type": "string", "minLength": 40, "pattern": "^[a-z]*$"}
    response_format = {"anyOf": [short, long]}
    least = guide_for(tiny, response_format).min_tokens_left()
    for seed in range(10):
        guide = guide_for(tiny, response_format, max_tokens=least + more)
        tokens = draw(guide, random.Random(seed), tiny.token_eos, tiny.n_vocab)
        assert len(tokens) + 1 <= least + more
        length = len(json.loads(tiny.detokenize(tokens)))
        assert length <= 3 or length >= 40


def test_min_tokens_left_is_kept_up_with(tiny):
    guide = guide_for(tiny, {"type": "array", "items": {"type": "integer"}})
    for text, least in (("[", 2), ("1", 2), (", ", 3), ("2", 2), ("]", 1)):
        for token in tiny.tokenize(text):
            guide.accept(token)
        assert guide.min_tokens_left() == least, text


@pytest.mark.parametrize(
    "begun", ['{"a": "\xe4', '{"a": "\\', '{"a": "\\u0', '{"a": "\\u001', '{"a": "x\\n', '{"a": "\xe5\x90']
)
def test_an_end_is_found_from_inside_escapes_and_characters(tiny, begun):
    guide = guide_for(tiny, {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    for token in (t for byte in begun.encode("latin-1") for t in tiny.tokenize(bytes([byte]))):
        guide.accept(token)
    guide.limit(guide.min_tokens_left())
    rest = draw(guide, random.Random(1), tiny.token_eos, tiny.n_vocab)
    (begun.encode("latin-1") + tiny.detokenize(rest)).decode()


@pytest.mark.parametrize("real", [False, True], ids=["tiny", "V4"])
def test_texts_of_a_least_length_are_weighed_by_what_they_cost(tiny, tmp_path, real):
    path = tmp_path / "v4.gguf"
    if real:
        write_vocab_gguf(path, v4_tokenizer_json())
    with Model(path if real else tiny.path) as model:
        vocabulary = vocabulary_of(model)

        def price(text):
            return len(vocabulary.spell(text.encode()))

        for least in (0, 1, 31, 32, 33, 100, 400):
            worst = Length(least).worst(price)
            assert max(price(" " * count) for count in range(least + 1)) <= worst <= max(least, 1)
        text = "a text that is longer than what is spelled anew every time, é日 " * 8
        whole = vocabulary.prices(text.encode())
        for begin in (0, 1, 40, 200, len(text) - 3):
            rest = text[begin:].encode()
            assert vocabulary.prices(rest) == whole[len(whole) - 1 - len(rest) :]
            assert len(vocabulary.spell(rest)) == vocabulary.prices(rest)[0]
            assert b"".join(vocabulary.texts[token] for token in vocabulary.spell(rest)) == rest
            vocabulary.spell(b"another long text" * 30)
            assert vocabulary.prices(rest) == whole[len(whole) - 1 - len(rest) :]
