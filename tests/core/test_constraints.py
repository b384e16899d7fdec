"""Constraints: what they let through, what they refuse, when they begin, and that nothing is enforced by half."""

from __future__ import annotations

import json
import random
import re
from datetime import date, datetime, time, timedelta
from uuid import UUID

import jsonschema
import numpy as np
import pytest
from pydantic import UUID4, BaseModel, TypeAdapter

from ds4_core import Model
from ds4_core.chat import ChatRequest, Message, constraints
from ds4_core.chat.constraints import compile as compile_constraint
from ds4_core.chat.constraints import plan_of
from ds4_core.chat.numerals import integer_regex
from ds4_core.chat.request import as_response_format, as_tools
from ds4_core.chat.stream import parse_turn
from ds4_core.chat.tools import ToolCall, calls_block
from ds4_core.errors import InvalidRequestError, UnsupportedError
from tests.core.random_schemas import draw

_MESSAGES = (Message("user", "x"),)
PING = {"name": "ping", "parameters": {}}
WEATHER = {
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "unit": {"enum": ["c", "f", None]},
            "days": {"type": "integer", "minimum": 1, "maximum": 14},
            "options": {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}},
        },
        "required": ["city", "days"],
    },
}


@pytest.fixture(scope="module")
def tiny(tiny_path):
    with Model(tiny_path) as model:
        yield model


def guide_for(model, *, thinking=False, max_tokens=None, tools=(), response_format=None, **options):
    request = ChatRequest(messages=_MESSAGES, tools=tools, response_format=response_format, max_tokens=max_tokens)
    return compile_constraint(request, model, thinking=thinking, **options)


def allows(guide, token):
    mask = guide.mask()
    return mask is None or bool(mask[token >> 5] >> (token & 31) & 1)


def accept_all(guide, tokens):
    for token in tokens:
        guide.accept(token)


def follow(guide, tokens):
    """Appends tokens that all have to be allowed."""
    for token in tokens:
        forced = guide.forced()
        # Where a text is forced the mask may know one spelling of it only.
        assert forced or allows(guide, token), token
        guide.accept(token)


def ids(model, text):
    return model.tokenize(text, parse_special=True)


def accepts(model, text, **options):
    """Whether a whole answer, spelled in single characters, is one that the constraint allows."""
    guide = guide_for(model, **options)
    tokens = [t for char in text for t in model.tokenize(char)]
    try:
        for token in [*tokens, model.token_eos]:
            guide.accept(token)
    except InvalidRequestError:
        return False
    return guide.finished


# -- response formats --------------------------------------------------------------------------------------------------


def test_nothing_asked_is_no_guide(tiny):
    assert guide_for(tiny) is None
    assert guide_for(tiny, tool_choice="none") is None
    assert guide_for(tiny, response_format={"type": "text"}) is None


class Person(BaseModel):
    name: str
    age: int | None
    tags: list[str] = []


_AROUND = (
    ["0", "-1", "1" + "0" * 18, str(-(2**63)), str(2**63), str(2**64 - 1)],
    [str(-(2**63) - 1), str(2**64), "-0", "1.0", "1e3"],
)


@pytest.mark.parametrize(
    ("response_format", "good", "bad"),
    [
        ({"type": "json_object"}, ["{}", '{"a": [1, 2.5e-3, {"b": null}]}'], ["[]", "1", "{} "]),
        (
            Person,
            ['{"name": "x", "age": 3}', '{"name": "", "age": null, "tags": ["a"]}'],
            ['{"name": "x"}', '{"age": 3}'],
        ),
        ({"type": "regex", "regex": r"(yes|no)\d{2}"}, ["yes12", "no00"], ["yes1", "yes123", "maybe11"]),
        ({"type": "choice", "choice": ["red", "redder", "a\nb"]}, ["red", "redder", "a\nb"], ["", "redd", "blue"]),
        ({"type": "lark", "lark": 'start: N ("+" N)*\nN: /[0-9]+/'}, ["1", "12+3+45"], ["+", "1+", "1-2"]),
        ({"type": "lark", "lark": 'start: "v=" %json {"type": "integer"} ";"?'}, ["v=12", "v=-1;"], ["v=", "v=1.5"]),
        (
            {"type": "array", "prefixItems": [{"type": "null"}], "items": False},
            ["[]", "[null]"],
            ["[null, null]", "[1]"],
        ),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3},
            ["[1, 2]", "[1, 2, 3]"],
            ["[1]", "[1, 2, 3, 4]"],
        ),
        ({"type": "string", "maxLength": 3, "minLength": 2}, ['"ab"', '"äöü"', r'"\n\""'], ['"a"', '"abcd"']),
        (
            {"type": "string", "pattern": "^a+$", "minLength": 2, "maxLength": 3},
            ['"aa"', '"aaa"'],
            ['"a"', '"aaaa"', '"ab"'],
        ),
        ({"type": "string", "format": "date"}, ['"2024-02-29"', '"2023-12-31"'], ['"2023-02-29"', '"2023-13-01"']),
        ({"type": "integer", "minimum": -3, "exclusiveMaximum": 4}, ["-3", "0", "3"], ["-4", "4", "1.5", "01"]),
        ({"type": "number", "multipleOf": 0.25, "maximum": 2}, ["0.25", "2", "-7.75"], ["0.3", "2.25"]),
        (
            {"enum": ["a", 1, None, [1, 2], {"b": True}]},
            ['"a"', "1", "null", "[1, 2]", '{"b": true}'],
            ["2", '"b"', "[1,2]"],
        ),
        (
            {"anyOf": [{"const": {"k": "x"}}, {"type": "object", "properties": {"k": {"type": "string"}}}]},
            ['{"k": "x"}', '{"k": "y"}', "{}"],
            ['{"k": 1}'],
        ),
        (
            {
                "oneOf": [
                    {"properties": {"t": {"const": t}, t: {"type": "integer"}}, "required": ["t", t], "type": "object"}
                    for t in ("a", "b")
                ]
            },
            ['{"t": "a", "a": 1}', '{"t": "b", "b": 1}'],
            ['{"t": "a", "b": 1}'],
        ),
        ({"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]}, ["3", "5"], ["2", "6"]),
        (
            {"type": "object", "additionalProperties": {"type": "integer"}, "properties": {"a": {"type": "null"}}},
            ['{"a": null, "b": 1}', '{"z": 2}'],
            ['{"a": 1}', '{"b": null}'],
        ),
        (
            {"$defs": {"t": {"type": "array", "items": {"$ref": "#/$defs/t"}}}, "$ref": "#/$defs/t"},
            ["[]", "[[], [[]]]"],
            ["[1]"],
        ),
        ({"type": "object", "properties": {"a": {"type": "integer"}}}, ["{}", '{"a": 1}'], ['{"b": 1}']),
        ({"type": "string", "format": "password", "maxLength": 3}, ['"é"', '""'], ['"abcd"']),
        ({"type": "choice", "choice": ["a\x7f", "b"]}, ["a\x7f", "b"], ["a"]),
        ({"const": {"\x7f": "\u2028"}}, ['{"\x7f": "\u2028"}'], ["{}"]),
        ({"type": "integer", "minimum": 7}, ["7", "10", "9" * 31], ["6", "07", "9" * 32]),
        # Ends of ranges that no double holds.
        ({"type": "integer", "exclusiveMinimum": 2**53}, [str(2**53 + 1), "9" * 20], [str(2**53), "7", "-1"]),
        ({"type": "integer", "minimum": -(2**63), "maximum": 2**64 - 1}, _AROUND[0], _AROUND[1]),
        ({"type": "integer", "minimum": 10**30, "maximum": 10**30 + 5}, [str(10**30 + 5)], [str(10**30 - 1), "0"]),
        ({"type": "number", "minimum": -1e30, "maximum": 1e30}, ["0.5", "-12.25"], ["1" + "0" * 30 + ".5"]),
        ({"type": "number", "minimum": 1e30}, ["1" + "0" * 30], ["9" * 30, "0.5"]),
    ],
)
def test_answers_that_fit_pass_and_others_do_not(tiny, response_format, good, bad):
    for text in good:
        assert accepts(tiny, text, response_format=response_format), text
    for text in bad:
        assert not accepts(tiny, text, response_format=response_format), text


def test_ranges_of_integers_are_exact():
    rng = random.Random(1)
    for _ in range(60):
        low, high = sorted(rng.choice((rng.randint(-9, 9), rng.randint(-1200, 1200))) for _ in range(2))
        for ends in ((low, high), (low, None), (None, high)):
            pattern = re.compile(integer_regex(*ends))
            least, most = ends[0] if ends[0] is not None else -1300, ends[1] if ends[1] is not None else 1300
            assert [n for n in range(-1300, 1301) if pattern.fullmatch(str(n))] == list(range(least, most + 1)), ends


@pytest.mark.parametrize("name", ["duration", "date-time", "time", "date", "uuid", "uuid4", "email"])
def test_texts_of_a_format_are_what_python_takes_for_it(tiny, name):
    kinds = {"duration": timedelta, "date-time": datetime, "time": time, "date": date, "uuid": UUID, "uuid4": UUID4}
    reader = TypeAdapter(kinds.get(name, str))
    rng = random.Random(2)
    for _ in range(12):
        guide = guide_for(tiny, response_format={"type": "string", "format": name}, max_tokens=rng.randint(60, 200))
        text = tiny.detokenize(draw(guide, rng, tiny.token_eos, tiny.n_vocab)).decode()
        reader.validate_python(json.loads(text))


def test_classes_are_what_all_dialects_agree_on(tiny):
    for regex, good, bad in (
        (r"\S", "x", "\x1c"),
        (r"\s", " ", "\xa0"),
        (r"\d", "7", "٣"),
        (r"\D", "x", "٣"),
        (r"\w", "x", "é"),
        (r"\W", "-", "é"),
        (r"[^\d]", "x", "٣"),
        (r"[^\W]", "x", "é"),
        (".", "x", "\u2028"),
    ):
        asked = {"type": "regex", "regex": regex}
        assert accepts(tiny, good, response_format=asked), regex
        assert not accepts(tiny, bad, response_format=asked), regex


def test_forced_text_is_appended_without_a_choice(tiny):
    guide = guide_for(tiny, response_format=Person)
    begin = guide.forced()
    assert tiny.detokenize(begin).decode().startswith('{"name"')
    for token in begin:
        guide.accept(token)
    assert guide.forced() == []


def test_control_tokens_never_match_text(tiny):
    guide = guide_for(tiny, response_format={"type": "regex", "regex": "[^z]{40}"})
    for token in range(tiny.n_vocab):
        if tiny.token_kind(token) != "normal":
            assert not allows(guide, token)


# -- what can not be enforced ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"type": "object", "properties": {"a": {"not": {"type": "null"}}}}, ("'not'", "#/properties/a")),
        ({"type": "array", "items": {"type": "array", "uniqueItems": True}}, ("'uniqueItems'", "#/items")),
        ({"type": "object", "patternProperties": {"a": {}}}, ("'patternProperties'", "#")),
        ({"type": "object", "minProperties": 2}, ("'minProperties'",)),
        ({"anyOf": [{"type": "string", "format": "color"}]}, ("'format'", "'color'", "#/anyOf/0")),
        ({"type": "string", "pattern": "(?=a)b"}, ("'pattern'", "assert")),
        ({"type": "string", "pattern": r"(a)\1"}, ("'pattern'", "groupref")),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, ("'oneOf'", "#/oneOf")),
        ({"$ref": "https://example.org/schema"}, ("example.org",)),
        ({"type": "array", "items": [{"type": "null"}]}, ("'items' as a list",)),
        ({"if": {"type": "null"}, "then": {}}, ("'if'",)),
        ({"type": "integer", "multipleOf": 10**20}, ("'multipleOf'",)),
        ({"type": "integer", "minimum": 2**60, "multipleOf": 7}, ("'multipleOf'",)),
        ({"type": "integer", "multipleOf": 12345678901}, ("'multipleOf'",)),
        ({"type": "string", "pattern": r"^\p{L}+$"}, ("'pattern'", "{L}")),
        ({"type": "string", "pattern": r"(?<year>[0-9]{4})"}, ("'pattern'", "(?<y")),
    ],
)
def test_what_can_not_be_enforced_is_named(tiny, schema, named):
    asked = {"type": "json_schema", "json_schema": {"schema": schema}}
    with pytest.raises(UnsupportedError) as error:
        guide_for(tiny, response_format=asked)
    assert all(name in str(error.value) for name in named), str(error.value)
    tool = {
        "name": "t",
        "parameters": {"type": "object", "properties": {"p": schema}, "$defs": schema.get("$defs", {})},
    }
    with pytest.raises(UnsupportedError, match="tool 't'"):
        guide_for(tiny, tools=(tool,), tool_choice="required", strict=True)


@pytest.mark.parametrize(
    "asked",
    [
        {"type": "choice", "choice": [f"option {i}" for i in range(2500)]},
        {"enum": [f"zone {i}" for i in range(1000)]},
        {"type": "array", "items": {"enum": [*range(-5, 600), "x", None, {"a": 1}]}, "minItems": 2},
        {"anyOf": [{"enum": [{"a": i} for i in range(300)]}, {"properties": {"a": {"type": "string"}}}]},
    ],
    ids=["choice", "texts", "numbers", "objects"],
)
def test_many_values_to_choose_from(tiny, asked):
    least = guide_for(tiny, response_format=asked).min_tokens_left()
    for seed, more in enumerate((0, 1, 3, 60, 60)):
        guide = guide_for(tiny, response_format=asked, max_tokens=least + more)
        text = tiny.detokenize(draw(guide, random.Random(seed), tiny.token_eos, tiny.n_vocab)).decode()
        if asked.get("type") == "choice":
            assert text in asked["choice"]
        else:
            jsonschema.validate(json.loads(text), asked)


def test_what_is_too_large_is_refused_before_anything_is_generated(tiny, monkeypatch):
    deep = {"type": "null"}
    for _ in range(400):
        deep = {"type": "object", "properties": {"x": deep}, "required": ["x"]}
    for schema in (deep, {"type": "object", "properties": {f"p{i}": {} for i in range(3000)}}):
        with pytest.raises(UnsupportedError, match="nested"):
            guide_for(tiny, response_format=schema)
    rows = " | ".join(f'"{i}" /[a-z]/' for i in range(300))
    monkeypatch.setattr(constraints, "_MAX_ROW", 200)
    with pytest.raises(UnsupportedError, match="too large"):
        guide_for(tiny, response_format={"type": "lark", "lark": f"start: {rows}"})
    values = [{"enum": list(range(start, start + 600))} for start in (0, 300)]
    with pytest.raises(UnsupportedError, match="#"):
        guide_for(tiny, response_format={"allOf": values})


def test_what_never_ends_is_refused_or_left_out(tiny):
    endless = {"type": "object", "properties": {"a": {"$ref": "#/$defs/e"}}, "required": ["a"]}
    with pytest.raises(UnsupportedError, match="finite"):
        guide_for(tiny, response_format={"$defs": {"e": endless}, "$ref": "#/$defs/e"})
    optional = {
        "$defs": {"e": endless},
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/e"}, "y": {"type": "null"}},
    }
    assert accepts(tiny, '{"y": null}', response_format=optional)
    assert not accepts(tiny, '{"x', response_format=optional)
    for seed in range(5):
        draw(
            guide_for(tiny, response_format=optional, max_tokens=30), random.Random(seed), tiny.token_eos, tiny.n_vocab
        )


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "strin"},
        {"type": "integer", "minimum": 3, "maximum": 2},
        {"$ref": "#/$defs/missing"},
        {"type": "string", "pattern": "("},
        {"type": "string", "minLength": -1},
        {"anyOf": []},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"allOf": [{"type": "string"}, {"type": "integer"}]},
        {"type": "string", "pattern": "^a$", "minLength": 2},
    ],
)
def test_what_is_no_schema_or_fits_nothing_is_refused(tiny, schema):
    with pytest.raises(InvalidRequestError):
        guide_for(tiny, response_format={"type": "json_schema", "json_schema": {"schema": schema}})


@pytest.mark.parametrize(
    ("grammar", "error", "named"),
    [
        ('start: "a', UnsupportedError, '"'),
        ("start: a", InvalidRequestError, "'a'"),
        ('x: "a"', InvalidRequestError, "start"),
        ('start: start "x" | "y"', UnsupportedError, "left recursion"),
        ('%ignore " "\nstart: "x"', UnsupportedError, "%ignore"),
        ('start: "a"i', UnsupportedError, '"a"i'),
        ("start: <[3]>", UnsupportedError, "<"),
        ("start: A\nA: /a/ A", InvalidRequestError, "'A'"),
        ('start: W " " W\nW: /[a-z ]+/', InvalidRequestError, "longest"),
    ],
)
def test_what_a_lark_grammar_may_not_have_is_named(tiny, grammar, error, named):
    with pytest.raises(error) as raised:
        guide_for(tiny, response_format={"type": "lark", "lark": grammar})
    assert named in str(raised.value)


# -- tools -------------------------------------------------------------------------------------------------------------


def calls(*pairs):
    made = [ToolCall(name, json.dumps(arguments, ensure_ascii=False)) for name, arguments in pairs]
    return "".join(part if isinstance(part, str) else part.value for part in calls_block(made))


TWO = calls(("get_weather", {"city": "Aix </x> <b", "days": 3, "options": {"tags": ["a"]}}), ("ping", {}))
TOOLS = {"tools": (WEATHER, PING), "strict": True}


def test_calls_as_the_encoding_writes_them_are_followed(tiny):
    guide = guide_for(tiny, tool_choice="required", **TOOLS)
    follow(guide, ids(tiny, TWO))
    assert guide.finished
    assert guide.forced() == [tiny.token_eos]
    guide.accept(tiny.token_eos)
    assert guide.finished
    assert guide.min_tokens_left() == 0


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (calls(("unknown", {})), {}),
        (calls(("ping", {})), {"tool_choice": "get_weather"}),
        (calls(("get_weather", {"city": "x"})), {}),
        (calls(("get_weather", {"city": "x", "days": 15})), {}),
        (calls(("get_weather", {"city": "x", "days": 1, "other": 1})), {}),
        (calls(("get_weather", {"city": 1, "days": 1})), {}),
        (TWO, {"parallel_tool_calls": False}),
        ("text", {}),
    ],
)
def test_other_calls_are_not_possible(tiny, text, options):
    guide = guide_for(tiny, **{"tool_choice": "required", **TOOLS, **options})
    with pytest.raises(InvalidRequestError):
        accept_all(guide, [*ids(tiny, text), tiny.token_eos])


def test_loose_calls_have_known_tools_and_names_and_any_values_of_the_kind(tiny):
    loose = {"tools": (WEATHER, PING), "tool_choice": "required", "strict": False}
    guide = guide_for(tiny, **loose)
    for token in ids(tiny, calls(("get_weather", {"city": "x", "days": 99}))):
        guide.accept(token)
    assert guide.finished
    for arguments in ({"city": "x", "days": "99"}, {"city": 1, "days": 2}, {"town": "x", "days": 2}, {"days": 2}):
        guide = guide_for(tiny, **loose)
        with pytest.raises(InvalidRequestError):
            accept_all(guide, ids(tiny, calls(("get_weather", arguments))))


def test_loose_calls_of_a_schema_that_lists_its_names_elsewhere_have_any(tiny):
    schema = {"$defs": {"a": {"type": "object", "properties": {"x": {"type": "integer"}}}}, "$ref": "#/$defs/a"}
    tools = ({"name": "t", "parameters": schema},)
    for arguments in ({}, {"x": 1}, {"other": "text", "more": [None]}):
        guide = guide_for(tiny, tools=tools, tool_choice="required", strict=False)
        accept_all(guide, [*ids(tiny, calls(("t", arguments))), tiny.token_eos])
    guide = guide_for(tiny, tools=tools, tool_choice="required", strict=True)
    with pytest.raises(InvalidRequestError):
        accept_all(guide, ids(tiny, calls(("t", {"other": 1}))))


@pytest.mark.parametrize("schema", [{"type": "strin"}, {"type": "string", "pattern": "("}, {"enum": []}])
def test_a_schema_of_a_tool_that_says_nothing_sensible_is_no_obstacle_unless_it_is_to_be_kept(tiny, schema):
    tools = (WEATHER, {"name": "other", "parameters": {"type": "object", "properties": {"x": schema}}})
    with pytest.raises(InvalidRequestError):
        guide_for(tiny, tools=tools, tool_choice="required", strict=True)
    accept_all(guide_for(tiny, tools=tools, tool_choice="required"), ids(tiny, calls(("other", {}))))


def test_tools_that_are_too_large_together_are_enforced_loosely_unless_told(tiny, monkeypatch):
    monkeypatch.setattr(constraints, "_MAX_ROW", 60)
    one_of = {"anyOf": [{"type": "object", "properties": {f"k{i}": {"type": "null"}}} for i in range(40)]}
    tools = tuple({"name": f"t{i}", "parameters": {"properties": {"x": one_of}, "required": ["x"]}} for i in range(3))
    with pytest.raises(UnsupportedError, match="too large"):
        guide_for(tiny, tools=tools, tool_choice="required", strict=True)
    accept_all(guide_for(tiny, tools=tools, tool_choice="required"), ids(tiny, calls(("t1", {"x": {"z": 1}}))))


def test_schemas_of_tools_are_enforced_where_they_can_be_unless_told(tiny):
    other = {"name": "other", "parameters": {"type": "object", "properties": {"x": {"not": {"type": "null"}}}}}
    tools = (WEATHER, other)
    with pytest.raises(UnsupportedError, match="not"):
        guide_for(tiny, tools=tools, tool_choice="required", strict=True)
    accept_all(guide_for(tiny, tools=tools, tool_choice="required"), ids(tiny, calls(("other", {"x": 1}))))
    misfit = ids(tiny, calls(("get_weather", {"city": "x", "days": 99})))
    guide = guide_for(tiny, tools=tools, tool_choice="required")
    with pytest.raises(InvalidRequestError):
        accept_all(guide, misfit)


def test_auto_is_free_text_until_the_marker_and_a_good_block_from_there(tiny):
    guide = guide_for(tiny, **TOOLS)
    assert not allows(guide, tiny.token_dsml)
    for token in ids(tiny, "Let me see.\n\n"):
        assert not allows(guide, tiny.token_dsml)
        assert allows(guide, token)
        assert allows(guide, tiny.token_eos)
        guide.accept(token)
    follow(guide, ids(tiny, TWO)[len(ids(tiny, "\n\n")) :])
    assert guide.finished
    guide = guide_for(tiny, **TOOLS)
    for token in ids(tiny, "\n\n<" + "｜DSML｜"):
        guide.accept(token)
    assert tiny.detokenize(guide.forced()).decode().startswith("tool_calls>\n<")
    with pytest.raises(InvalidRequestError):
        guide.accept(tiny.token_eos)


def test_auto_without_room_for_a_block_does_not_open_one(tiny):
    least = guide_for(tiny, tools=(PING,), tool_choice="required").min_tokens_left()
    guide = guide_for(tiny, tools=(PING,), max_tokens=least - 2)
    follow(guide, ids(tiny, "\n\n<"))
    assert not allows(guide, tiny.token_dsml)


def test_none_never_has_the_marker(tiny):
    guide = guide_for(tiny, tool_choice="none", **TOOLS)
    for token in ids(tiny, "text\n\n<"):
        assert allows(guide, token)
        assert not allows(guide, tiny.token_dsml)
        guide.accept(token)
    assert not allows(guide, tiny.token_dsml)


def test_calls_or_a_document(tiny):
    both = {**TOOLS, "response_format": Person}
    follow(guide_for(tiny, **both), ids(tiny, TWO))
    guide = guide_for(tiny, **both)
    for token in [*tiny.tokenize('{"name": "x", "age": null}'), tiny.token_eos]:
        guide.accept(token)
    assert guide.finished
    assert not allows(guide_for(tiny, **both), tiny.tokenize("Hello")[0])
    with pytest.raises(InvalidRequestError):
        accept_all(guide_for(tiny, tool_choice="none", **both), ids(tiny, TWO))


@pytest.mark.parametrize("choice", ["missing", 3, {"type": "function"}, ["auto"]])
def test_unknown_choices_are_refused(tiny, choice):
    with pytest.raises(InvalidRequestError, match="tool_choice"):
        guide_for(tiny, tool_choice=choice, **TOOLS)


def test_choice_as_an_object(tiny):
    guide = guide_for(tiny, tool_choice={"type": "function", "function": {"name": "ping"}}, **TOOLS)
    tokens = draw(guide, random.Random(1), tiny.token_eos, tiny.n_vocab)
    assert {call.name for call in parse_turn(tiny, tokens, tools=True).tool_calls} == {"ping"}


def test_names_that_a_tag_can_not_hold_are_refused(tiny):
    tool = {"name": "t", "parameters": {"type": "object", "properties": {'a"b': {}}}}
    with pytest.raises(UnsupportedError, match='a"b'):
        guide_for(tiny, tools=(tool,), tool_choice="required")


# -- thinking ----------------------------------------------------------------------------------------------------------


def test_the_constraint_begins_after_thinking(tiny):
    guide = guide_for(tiny, thinking=True, response_format=Person)
    for token in ids(tiny, "Hmm, { } anything"):
        assert guide.forced() == []
        assert allows(guide, token)
        guide.accept(token)
    assert not allows(guide, tiny.token_eos)
    assert allows(guide, tiny.token_think_close)
    guide.accept(tiny.token_think_close)
    assert tiny.detokenize(guide.forced()).decode().startswith('{"name"')


@pytest.mark.parametrize("more", [0, 1, 5, 40])
def test_thinking_leaves_room_for_the_answer(tiny, more):
    least = guide_for(tiny, thinking=True, response_format=Person).min_tokens_left()
    guide = guide_for(tiny, thinking=True, response_format=Person, max_tokens=least + more)
    rng = random.Random(more)
    out = []
    while not guide.finished:
        forced = guide.forced()
        mask = guide.mask()
        everything = range(tiny.n_vocab)
        allowed = everything if mask is None else np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
        token = forced[0] if forced else int(rng.choice(allowed))
        if token == tiny.token_think_close and tiny.token_think_close in out:
            continue
        guide.accept(token)
        out.append(token)
    assert len(out) <= least + more
    answer = out[out.index(tiny.token_think_close) + 1 :]
    Person.model_validate_json(tiny.detokenize([t for t in answer if t != tiny.token_eos]))


# -- how it is kept ----------------------------------------------------------------------------------------------------


def test_the_same_request_is_compiled_once(tiny, tiny_path):
    tools, response_format = as_tools([WEATHER]), as_response_format(Person)
    plan = plan_of(tiny, tools, response_format, "auto")
    assert plan_of(tiny, as_tools([WEATHER]), as_response_format(Person), "auto") is plan
    assert plan_of(tiny, tools, response_format, "none") is not plan
    with Model(tiny_path) as other:
        assert plan_of(other, tools, response_format, "auto") is plan


def test_generations_do_not_disturb_each_other(tiny):
    one, two = (guide_for(tiny, response_format={"enum": ["ab", "cd"]}) for _ in range(2))
    follow(one, tiny.tokenize('"a'))
    assert not two.finished
    follow(two, tiny.tokenize('"cd"'))
    follow(one, tiny.tokenize('b"'))
    assert one.finished
    assert two.finished


@pytest.mark.parametrize("name", ["auto", "none", "any", "required"])
def test_a_tool_named_like_a_choice_is_chosen_in_the_dict_form(tiny, name):
    tools = ({"type": "function", "function": {"name": name}}, PING)
    guide = guide_for(tiny, tools=tools, tool_choice={"type": "function", "function": {"name": name}})
    assert guide.min_tokens_left() == guide_for(tiny, tools=tools[:1], tool_choice="required").min_tokens_left()
    with pytest.raises(InvalidRequestError, match="no tool of the request"):
        guide_for(tiny, tools=(PING,), tool_choice={"type": "function", "function": {"name": name}})
