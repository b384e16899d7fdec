"""Random schemas: whatever is drawn under the guide finishes, parses and validates, however few tokens there are."""

from __future__ import annotations

import json
import random
import re
from collections import Counter

import jsonschema
import pytest

from ds4_core import Model
from ds4_core.chat import ChatRequest, Message
from ds4_core.chat.constraints import compile as compile_constraint
from ds4_core.chat.schema import ENFORCED
from ds4_core.chat.stream import parse_turn
from tests.core.random_schemas import Schemas, depth_of, draw, keywords, validate
from tests.core.reference_tokenizers import v4_tokenizer_json
from tests.core.vocab_gguf import write_vocab_gguf

_FORMATS = jsonschema.Draft202012Validator.FORMAT_CHECKER
_MESSAGES = (Message("user", "x"),)


@pytest.fixture(scope="module")
def tiny(tiny_path):
    with Model(tiny_path) as model:
        yield model


def check(model, schema, rng, max_tokens):
    request = ChatRequest(messages=_MESSAGES, response_format=schema, max_tokens=max_tokens)
    guide = compile_constraint(request, model, thinking=False)
    tokens = draw(guide, rng, model.token_eos, model.n_vocab)
    assert len(tokens) + 1 <= max_tokens
    return validate(model.detokenize(tokens).decode(), schema, _FORMATS)


@pytest.mark.parametrize(
    "count", [pytest.param(300, id="300"), pytest.param(10_000, id="10000", marks=pytest.mark.long)]
)
def test_every_random_schema_ends_valid_under_any_limit(tiny, count):
    used, depths = Counter(), Counter()
    for seed in range(count):
        rng = random.Random(seed)
        schema = Schemas(rng).document(3 + (seed & 1))
        schema = json.loads(json.dumps(schema))
        found = set()
        keywords(schema, found)
        used.update(found)
        request = ChatRequest(
            messages=_MESSAGES, response_format={"type": "json_schema", "json_schema": {"schema": schema}}
        )
        least = compile_constraint(request, tiny, thinking=False).min_tokens_left()
        limits = (0, 1, rng.randint(2, 30), 400)
        for more in limits if count > 300 else rng.sample(limits, 2):
            try:
                value = check(tiny, schema, rng, least + more)
            except Exception as error:
                raise AssertionError(f"seed {seed}, {more} tokens more than the shortest: {error!r:.1500}") from error
            depths[depth_of(value)] += 1
    rare = {name for name in ENFORCED if used[name] < 0.05 * count}
    assert not rare, f"keywords in fewer than 5 % of the schemas: {rare}"
    assert sum(n for depth, n in depths.items() if depth >= 3) > 0.05 * count


def test_the_real_vocabulary_as_well(tmp_path):
    path = tmp_path / "v4.gguf"
    write_vocab_gguf(path, v4_tokenizer_json())
    with Model(path) as model:
        for seed in range(20):
            rng = random.Random(seed)
            schema = json.loads(json.dumps(Schemas(rng).document(3)))
            asked = {"type": "json_schema", "json_schema": {"schema": schema}}
            request = ChatRequest(messages=_MESSAGES, response_format=asked)
            least = compile_constraint(request, model, thinking=False).min_tokens_left()
            for more in (0, 1, 25):
                check(model, schema, rng, least + more)


def random_regex(rng, depth=3):
    if depth == 0:
        return rng.choice(("a", "b", "[a-c]", "[^a]", r"\d", r"\w", r"\s", ".", "é", r"\.", "日", r"[^\W\d]", "xyz"))
    kind = rng.randrange(4)
    if kind == 0:
        return f"({random_regex(rng, depth - 1)}|{random_regex(rng, depth - 1)})"
    if kind == 1:
        return f"({random_regex(rng, depth - 1)}){rng.choice(('?', '*', '+', '{2}', '{1,3}', '{2,}'))}"
    return "".join(random_regex(rng, depth - 1) for _ in range(rng.randint(1, 3)))


@pytest.mark.parametrize("count", [pytest.param(100, id="100"), pytest.param(3000, id="3000", marks=pytest.mark.long)])
def test_every_random_regular_expression_is_fulfilled(tiny, count):
    for seed in range(count):
        rng = random.Random(seed)
        regex = random_regex(rng)
        request = ChatRequest(messages=_MESSAGES, response_format={"type": "regex", "regex": regex})
        least = compile_constraint(request, tiny, thinking=False).min_tokens_left()
        for more in (0, 1, 7, 60):
            guide = compile_constraint(request, tiny, thinking=False)
            guide.limit(least + more)
            tokens = draw(guide, rng, tiny.token_eos, tiny.n_vocab)
            assert len(tokens) < least + more
            text = tiny.detokenize(tokens).decode()
            assert re.fullmatch(regex, text), f"seed {seed}: {text!r} is no {regex!r}"


def tool_schema(rng):
    """Arguments that a tag can hold the names of."""
    schemas = Schemas(rng)
    schema = schemas.object(2)
    schema.pop("additionalProperties", None)
    schema["properties"] = {name: one for name, one in schema.get("properties", {}).items() if '"' not in name}
    schema["required"] = [name for name in schema.get("required", ()) if '"' not in name]
    if schemas.defs:
        schema["$defs"] = schemas.defs
    return json.loads(json.dumps(schema))


@pytest.mark.parametrize("count", [pytest.param(100, id="100"), pytest.param(1000, id="1000", marks=pytest.mark.long)])
def test_every_forced_call_parses_and_fits_its_schema(tiny, count):
    for seed in range(count):
        rng = random.Random(seed)
        parameters = {f"tool_{i}": tool_schema(rng) for i in range(rng.randint(1, 3))}
        tools = tuple({"name": name, "parameters": schema} for name, schema in parameters.items())
        choice = rng.choice(("required", "any", "tool_0"))
        request = ChatRequest(messages=_MESSAGES, tools=tools)
        guide = compile_constraint(
            request, tiny, thinking=False, tool_choice=choice, strict=True, parallel_tool_calls=rng.random() < 0.5
        )
        guide.limit(guide.min_tokens_left() + rng.choice((0, 1, 20, 300)))
        tokens = draw(guide, rng, tiny.token_eos, tiny.n_vocab)
        turn = parse_turn(tiny, tokens, tools=True)
        assert turn.text == ""
        assert turn.tool_calls
        for call in turn.tool_calls:
            assert call.complete, f"seed {seed}: {call}"
            assert choice in ("required", "any", call.name)
            validate(call.arguments, parameters[call.name], _FORMATS)
