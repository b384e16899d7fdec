"""Composed tools: every argument is said, a request says what tells its tool from others, splits share no deed."""

from __future__ import annotations

import random

import jsonschema
import pytest

from training.data.composed_tool_plans import DEED, THING
from training.data.composed_tool_words import KINDS, deeds_for
from training.data.composed_tools import composed_tool, composed_tools
from training.data.parameters import spoken
from training.data.words import Words

SPLITS = ("train", "heldout")


def said(value, request):
    if isinstance(value, list):
        return all(str(item) in request for item in value)
    return str(value) in request


def drawn(split, n=150):
    w = Words(random.Random(f"tools {split}"), split)
    return [composed_tools(w, w.pick((2, 3, 4, 5, 6))) for _ in range(n)] + [[composed_tool(w)] for _ in range(n)]


@pytest.mark.parametrize("split", SPLITS)
def test_every_argument_is_in_the_request_and_fits_its_schema(split):
    for tools in drawn(split):
        for tool in (*tools, *(tool.extra["again"](Words(random.Random(1), split)) for tool in tools)):
            assert {p.name for p in tool.parameters if p.required} <= set(tool.arguments)
            assert list(tool.arguments) == [p.name for p in tool.parameters if p.name in tool.arguments]
            for p in tool.parameters:
                if p.name not in tool.arguments:
                    continue
                value = tool.arguments[p.name]
                jsonschema.validate(value, p.schema)
                named = spoken(p.name).lower() in tool.request.lower() or p.name.lower() in tool.request.lower()
                assert named if isinstance(value, bool) else said(value, tool.request), (p.name, value, tool.request)
                assert isinstance(value, bool) or said(value, tool.short), (p.name, value, tool.short)


@pytest.mark.parametrize("split", SPLITS)
def test_a_request_says_what_tells_its_tool_from_the_others(split):
    for tools in drawn(split):
        assert len({tool.name for tool in tools}) == len(tools)
        for tool in tools:
            plan, request = tool.extra["plan"], tool.request.lower()
            if THING in plan.needs:
                forms = {f"{plan.quality} {noun}".strip().lower() for noun in (plan.noun.one, plan.noun.many)}
                assert any(form in request for form in forms), (forms, request)
            if DEED in plan.needs and not plan.deed.question:
                forms = [form for v in plan.deed.verbs for form in (v.base, v.ing, v.done, v.third)]
                found = [all(word in request for word in form.split() if word != "@") for form in forms]
                assert any(found) or (plan.deed.noun and plan.deed.noun in request), (forms, request)


@pytest.mark.parametrize("split", SPLITS)
def test_tools_are_named_as_programs_name_them(split):
    for tools in drawn(split):
        for tool in tools:
            assert tool.name.replace("_", "").replace("-", "").isalnum()
            assert tool.name.isascii()
            assert len(tool.name) < 60


def test_no_deed_is_in_both_splits():
    train, heldout = ({deed.verbs for kind in KINDS for deed in deeds_for(split, kind)} for split in SPLITS)
    assert train
    assert heldout
    assert not train & heldout
