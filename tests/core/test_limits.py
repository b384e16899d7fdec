"""Limits that are not reached change nothing: whatever the grammar allows may come, as long as an end still fits."""

from __future__ import annotations

import random

import numpy as np
import pytest

from ds4_core import Engine, Model
from ds4_core.chat import ChatRequest, Message, Sampling, collect, generate
from ds4_core.chat.constraints import compile as compile_constraint
from ds4_core.chat.vocabulary import vocabulary_of
from tests.core.reference_tokenizers import v4_tokenizer_json
from tests.core.vocab_gguf import write_vocab_gguf


def record(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


PERSON = record(name={"type": "string", "maxLength": 40}, age={"type": "integer", "minimum": 0, "maximum": 130})
PEOPLE = record(people={"type": "array", "items": record(name={"type": "string"}, age={"type": "integer"})})
NAMES = record(names={"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 9})
CHOICE = record(answer={"enum": ["yes", "no"]}, reason={"type": "string", "maxLength": 80})
BORN = record(
    name={"type": "string", "pattern": "^[A-Z][a-z]+ [A-Z][a-z]+$"},
    born={"type": "string", "format": "date"},
)
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "maxLength": 60},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
            "units": {"enum": ["metric", "imperial"]},
        },
        "required": ["city"],
    },
}
CALL = {"tools": (WEATHER,), "tool_choice": "required", "strict": True}

ASKED = [
    ("Maria Keller is 31 years old.", {"response_format": PERSON}),
    ("Tom is 7, Anna is 9.", {"response_format": PEOPLE}),
    ("Tom, Anna and Ben like apples, pears and plums.", {"response_format": NAMES}),
    ("Is the sky blue?", {"response_format": CHOICE}),
    ("Maria Keller was born on 1990-04-12.", {"response_format": BORN}),
    ("Give me any JSON about Paris.", {"response_format": {"type": "json_object"}}),
    ("The weather, please.", {"response_format": {"type": "regex", "regex": "[A-Z][a-z]+ is (wet|dry)[^\n]{0,40}"}}),
    ("What is the weather in Paris for 3 days?", CALL),
    ("What is the weather in New York?", CALL),
]


@pytest.fixture(scope="module")
def engine():
    with Engine("ds4-tiny", n_threads=1) as opened:
        yield opened


@pytest.mark.parametrize("asked", ASKED, ids=range(len(ASKED)))
def test_a_limit_with_room_does_not_change_the_answer(engine, asked):
    text, options = asked

    def answer(max_tokens):
        request = ChatRequest(
            messages=(Message("user", text),),
            max_tokens=max_tokens,
            sampling=Sampling(temperature=0),
            logprobs=True,
            **options,
        )
        result = collect(generate(engine, request))
        return (
            [token.bytes for token in result.tokens],
            result.text,
            [(call.name, call.arguments) for call in result.tool_calls],
        )

    free = answer(None)
    length = len(free[0])
    assert 1 < length < 200
    # The shortest end is spelled part by part; an answer may have tokens that span several.
    for more in (8, 20, 60):
        assert answer(length + more) == free, f"{more} tokens more than it takes"


def guide_at(model, options, begun, left=None):
    arguments = dict(options)
    choice = {key: arguments.pop(key) for key in ("tool_choice", "strict") if key in arguments}
    request = ChatRequest(messages=(Message("user", "x"),), **arguments)
    guide = compile_constraint(request, model, thinking=False, **choice)
    for token in begun:
        guide.accept(token)
    if left is not None:
        guide.limit(left)
    return guide


def ids(mask):
    return np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")).tolist()


TAG = "｜DSML｜"
BEGUN = [
    ({"response_format": PERSON}, '{"name": "Maria Ke'),
    ({"response_format": PERSON}, '{"name": "' + 36 * "x"),
    ({"response_format": PERSON}, '{"name": "x\\'),
    ({"response_format": PERSON}, '{"name": "x", "age": 1'),
    ({"response_format": PEOPLE}, '{"people": ['),
    ({"response_format": PEOPLE}, '{"people": [{"name": "a", "age": 1}'),
    ({"response_format": BORN}, '{"name": "Maria Ke'),
    ({"response_format": BORN}, '{"name": "Maria Keller", "born": "1990-0'),
    ({"response_format": {"type": "json_object"}}, '{"a": '),
    ({"response_format": {"type": "json_object"}}, '{"a": [[{"b": "c'),
    ({"response_format": {"anyOf": [{"type": "string", "maxLength": 6}, {"type": "string", "pattern": "^a"}]}}, '"ab'),
    ({"response_format": {"type": "regex", "regex": "[a-z]{3,9} (is|was) .*!"}}, "this is"),
    (
        CALL,
        f'\n\n<{TAG}tool_calls>\n<{TAG}invoke name="get_weather">\n<{TAG}parameter name="city" string="true">Pa',
    ),
]


@pytest.mark.parametrize("real", [False, True], ids=["tiny", "V4"])
def test_near_the_limit_exactly_the_tokens_come_behind_which_an_end_fits(tiny_path, tmp_path, real):
    path = tiny_path
    if real:
        path = tmp_path / "v4.gguf"
        write_vocab_gguf(path, v4_tokenizer_json())
    with Model(path) as model:
        rng = random.Random(1)
        # Few tokens lead out of a place; among some that were drawn from all there would be none of them.
        texts = [model.token_bytes(token) for token in range(model.n_vocab)]
        is_mark = np.array([not text.replace(b" ", b"a").isalnum() for text in texts])
        marks = np.packbits(is_mark, bitorder="little").view(np.uint32)
        n_masked = 0
        for options, text in BEGUN:
            begun = model.tokenize(text, parse_special=True)
            allowed = guide_at(model, options, begun).mask().copy()
            least = guide_at(model, options, begun).min_tokens_left()
            tried = ids(allowed & marks)
            tried = {*rng.sample(tried, min(len(tried), 60)), *rng.choices(ids(allowed), k=40)}
            behind = {}
            for token in tried:
                guide = guide_at(model, options, [*begun, token])
                behind[token] = guide.min_tokens_left()
            for left in (least, least + 1, least + 3, least + 6, least + 12, least + 40):
                guide = guide_at(model, options, begun, left)
                forced = list(guide.forced())
                came = vocabulary_of(model).only(forced[0]) if forced else guide.mask()
                for token, rest in behind.items():
                    comes = bool(came[token >> 5] >> (token & 31) & 1)
                    where = f"{text!r}, {left} left, {texts[token]!r} leaves {rest}"
                    assert not comes or rest < left, where
                    # A character that is begun counts as three tokens more, and so near to the end that many tokens
                    # would have to be weighed it is the short ones.
                    is_weighed = left > least + 12 or len(texts[token]) == 1
                    if rest + 3 < left and left > least and is_weighed and not forced:
                        assert comes, where
                    n_masked += not comes
        assert n_masked > 100


@pytest.mark.parametrize("max_tokens", [30, 60, 100])
def test_a_token_that_ends_a_string_and_goes_on_is_allowed(tiny_path, max_tokens):
    with Model(tiny_path) as model:
        begun = model.tokenize('{"name": "Maria Keller')
        guide = guide_at(model, {"response_format": PERSON}, begun, max_tokens - len(begun))
        assert model.find_token(b'",') in ids(guide.mask())
        free = guide_at(model, {"response_format": PERSON}, begun)
        assert ids(guide.mask()) == ids(free.mask())
