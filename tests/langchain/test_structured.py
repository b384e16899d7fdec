"""Answers as objects: every method and form of schema, whole and as they stream, and answers that were cut off."""

import json
import pickle
from typing import Annotated, Literal, TypedDict

import pydantic.v1
import pytest
from langchain_core.exceptions import ModelInvalidRequestError, OutputParserException
from pydantic import BaseModel, Field, RootModel

from ds4_core.chat import ToolCall
from ds4_core.errors import UnsupportedError
from ds4_core.testing import Scripted, ScriptedEngine
from langchain_ds4 import ChatDS4
from langchain_ds4._structured import schema_as_tool
from tests.langchain.test_paths import listed

QUESTION = "Tell me a joke about cats."


class Joke(BaseModel):
    """A joke."""

    setup: str = Field(description="The question.")
    punchline: str = Field(description="The answer.")


class Joke1(pydantic.v1.BaseModel):
    """A joke."""

    setup: str
    punchline: str


class JokeDict(TypedDict):
    """A joke."""

    setup: Annotated[str, ..., "The question."]
    punchline: Annotated[str, ..., "The answer."]


class Tree(BaseModel):
    """A tree."""

    name: str
    kind: Literal["leaf", "node"]
    children: "list[Tree]" = Field(max_length=2)


SCHEMA = Joke.model_json_schema()
FORMS = {
    "pydantic 2": (Joke, Joke),
    "pydantic 1": (Joke1, Joke1),
    "TypedDict": (JokeDict, dict),
    "JSON schema": (SCHEMA, dict),
    "JSON schema without a title": ({key: value for key, value in SCHEMA.items() if key != "title"}, dict),
    "tool": ({"type": "function", "function": {"name": "joke", "parameters": SCHEMA}}, dict),
    "function": ({"name": "joke", "description": "A joke.", "parameters": SCHEMA}, dict),
    "named schema": ({"name": "joke", "schema": SCHEMA, "strict": True}, dict),
    "response format": ({"type": "json_schema", "json_schema": {"name": "joke", "schema": SCHEMA}}, dict),
}
METHODS = ("json_schema", "function_calling", "json_mode")


@pytest.fixture(scope="module")
def llm():
    return ChatDS4(model="ds4-tiny", temperature=0, max_tokens=150)


def fields(joke):
    return set(joke) if isinstance(joke, dict) else set(joke.dict() if isinstance(joke, Joke1) else joke.model_dump())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("form", FORMS)
def test_schema_of_every_form_gives_its_objects(llm, form, method):
    schema, kind = FORMS[form]
    structured = llm.with_structured_output(schema, method=method)
    joke = structured.invoke(QUESTION)
    assert isinstance(joke, kind)
    assert fields(joke) == {"setup", "punchline"}
    parts = list(structured.stream(QUESTION))
    assert parts[-1] == joke
    assert all(isinstance(part, kind) for part in parts)
    assert len(parts) > (3 if kind is dict else 0)


async def test_awaited_answers_are_the_same(llm):
    structured = llm.with_structured_output(Joke)
    joke = await structured.ainvoke(QUESTION)
    assert joke == structured.invoke(QUESTION)
    assert (await listed(structured.astream(QUESTION)))[-1] == joke


def test_dicts_grow_as_they_stream():
    llm = ChatDS4(engine=ScriptedEngine({"x": Scripted('{"setup": "Why?", "punchline": "So."}', chunking=4)}))
    parts = list(llm.with_structured_output(SCHEMA).stream("x"))
    assert parts[0] == {}
    assert {"setup": "Why?"} in parts
    assert parts[-1] == {"setup": "Why?", "punchline": "So."}
    assert [len(json.dumps(part)) for part in parts] == sorted(len(json.dumps(part)) for part in parts)


@pytest.mark.parametrize("strict", [None, True, False])
def test_answers_fit_whatever_the_temperature(llm, strict):
    for method in ("json_schema", "function_calling"):
        structured = llm.with_structured_output(Tree, method=method, strict=strict, include_raw=True)
        for seed in range(2):
            got = structured.invoke("Draw a tree.", temperature=2.0, seed=seed)
            assert strict is False or isinstance(got["parsed"], Tree), got


@pytest.mark.parametrize("method", METHODS)
def test_thinking_comes_before_the_object(llm, method):
    structured = llm.with_structured_output(
        Joke, method=method, include_raw=True, thinking=True, max_thinking_tokens=20
    )
    got = structured.invoke(QUESTION)
    assert isinstance(got["parsed"], Joke)
    assert got["raw"].usage_metadata["output_token_details"]["reasoning"] > 0
    assert got["parsing_error"] is None


def test_any_object_without_a_schema(llm):
    assert isinstance(llm.with_structured_output(method="json_mode").invoke(QUESTION), dict)


def test_the_schema_is_shown_to_the_model():
    for method in METHODS:
        llm = ChatDS4(engine=ScriptedEngine(lambda record: '{"setup": "a", "punchline": "b"}'))
        llm.with_structured_output(Joke, method=method, include_raw=True).invoke(QUESTION)
        assert "The question." in llm.engine.requests[0].text


def test_messages_and_errors_come_with_the_object_when_asked(llm):
    got = llm.with_structured_output(Joke, include_raw=True).invoke(QUESTION)
    assert set(got) == {"raw", "parsed", "parsing_error"}
    assert got["raw"].response_metadata["finish_reason"] == "stop"
    broken = ChatDS4(engine=ScriptedEngine(lambda record: "no JSON")).with_structured_output(Joke, include_raw=True)
    got = broken.invoke(QUESTION)
    assert got["parsed"] is None
    assert isinstance(got["parsing_error"], OutputParserException)
    parts = list(broken.stream(QUESTION))
    assert isinstance(parts[-1]["parsing_error"], OutputParserException)


async def test_messages_and_objects_stream_together(llm):
    structured = llm.with_structured_output(SCHEMA, include_raw=True)
    parts = list(structured.stream(QUESTION))
    assert (
        parts[-1]["parsed"] == structured.invoke(QUESTION)["parsed"] == (await structured.ainvoke(QUESTION))["parsed"]
    )
    assert parts[-1]["parsing_error"] is None
    assert sum("parsed" in part for part in parts) > 3
    assert json.loads("".join(part["raw"].content for part in parts if "raw" in part)) == parts[-1]["parsed"]
    assert await listed(structured.astream(QUESTION))


@pytest.mark.parametrize("schema", [Joke, SCHEMA, {"type": "array", "items": {"type": "integer"}, "maxItems": 2}])
def test_parts_with_messages_add_up_to_what_invoke_gives(llm, schema):
    structured = llm.with_structured_output(schema, include_raw=True)
    total, *others = structured.stream(QUESTION)
    for part in others:
        total = total + part
    whole = structured.invoke(QUESTION)
    assert total["parsed"] == whole["parsed"]
    assert total["raw"].text == whole["raw"].text
    assert list((structured | sorted).stream(QUESTION)) == [["parsed", "parsing_error", "raw"]]


@pytest.mark.parametrize("include_raw", [False, True])
def test_model_of_objects_survives_pickling(llm, include_raw):
    structured = llm.with_structured_output(SCHEMA, include_raw=include_raw)
    copy = pickle.loads(pickle.dumps(structured))
    read = (lambda answer: answer["parsed"]) if include_raw else (lambda answer: answer)
    assert read(copy.invoke(QUESTION)) == read(structured.invoke(QUESTION))


def test_options_of_a_call_reach_the_model_through_every_chain(llm):
    for include_raw in (False, True):
        structured = llm.with_structured_output(Joke, include_raw=include_raw)
        with pytest.raises(ModelInvalidRequestError, match="max_tokens"):
            structured.invoke(QUESTION, max_tokens=0)


def test_response_format_of_a_call_is_taken_in_every_form(llm):
    for form in (Joke, Joke1, JokeDict, SCHEMA, FORMS["response format"][0]):
        answer = llm.invoke(QUESTION, response_format=form)
        assert set(json.loads(answer.content)) == {"setup", "punchline"}
        bound = llm.bind_tools([], response_format=form)
        assert bound.invoke(QUESTION).content == answer.content
        json.dumps(bound.kwargs)


def test_parts_that_hold_themselves_stay_in_the_schema(llm):
    (call,) = llm.bind_tools([Tree], tool_choice="any", parallel_tool_calls=False).invoke("Draw.").tool_calls
    Tree(**call["args"])
    bound = llm.bind_tools([Tree]).kwargs["tools"][0]["function"]
    assert bound["parameters"]["$defs"]["Tree"]["properties"]["children"]["items"] == {"$ref": "#/$defs/Tree"}


CUT = {
    "json_schema": Scripted('{"setup": "Why did', eos=False),
    "json_mode": Scripted('{"setup": "Why did", "punchline": "x"', eos=False),
    "function_calling": Scripted(
        '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="Joke">\n<｜DSML｜parameter name="setup" string="true">Why',
        eos=False,
    ),
}


@pytest.mark.parametrize("method", METHODS)
async def test_answer_that_was_cut_off_is_an_error_that_says_so(method):
    llm = ChatDS4(engine=ScriptedEngine(lambda record: CUT[method]))
    for schema in (Joke, SCHEMA):
        structured = llm.with_structured_output(schema, method=method)
        for attempt in (structured.invoke, lambda text, chain=structured: list(chain.stream(text))):
            with pytest.raises(OutputParserException, match=r"finish_reason='length'.*max_tokens") as caught:
                attempt(QUESTION)
            assert "Why" in caught.value.llm_output
        with pytest.raises(OutputParserException, match="length"):
            await structured.ainvoke(QUESTION)


def test_answer_closes_before_its_limit(llm):
    structured = llm.with_structured_output(Joke, max_tokens=40)
    assert isinstance(structured.invoke(QUESTION, temperature=2.0, seed=3), Joke)


def test_answer_without_a_call_is_an_error():
    llm = ChatDS4(engine=ScriptedEngine(lambda record: "I would rather not."))
    with pytest.raises(OutputParserException, match="no call"):
        llm.with_structured_output(Joke, method="function_calling").invoke(QUESTION)


def test_object_that_does_not_fit_is_an_error():
    wrong = Scripted("", tool_calls=[ToolCall("Joke", '{"setup": "a"}')])
    llm = ChatDS4(engine=ScriptedEngine(lambda record: wrong))
    with pytest.raises(OutputParserException, match=r"(?s)no Joke.*punchline"):
        llm.with_structured_output(Joke, method="function_calling").invoke(QUESTION)


def test_what_makes_no_sense_is_refused(llm):
    for values, named in (
        ({"schema": Joke, "method": "telepathy"}, "telepathy"),
        ({"schema": None}, "schema"),
        ({"schema": None, "method": "function_calling"}, "schema"),
        ({"schema": Joke, "method": "json_mode", "strict": True}, "strict"),
        *(
            ({"schema": schema, "method": "function_calling"}, "always an object")
            for schema in (
                {"title": "L", "type": "array"},
                {"title": "L", "type": ["string", "null"]},
                {"title": "L", "$ref": "#/$defs/L", "$defs": {"L": {"type": "array"}}},
                {"title": "L", "anyOf": [{"type": "integer"}, {"type": "string"}]},
                {"title": "L", "enum": [1, "a"]},
                {"$ref": "#/$defs/L", "$defs": {"L": {"anyOf": [{"$ref": "#/$defs/L"}, {"type": "integer"}]}}},
                {"type": "function", "function": {"name": "f", "parameters": {"type": "array"}}},
                RootModel[int],
                RootModel[int | None],
            )
        ),
    ):
        with pytest.raises(ModelInvalidRequestError, match=named):
            llm.with_structured_output(**values)
    with pytest.raises(TypeError, match="did you mean 'temperature'"):
        llm.with_structured_output(Joke, temprature=1)


@pytest.mark.parametrize(
    "schema",
    [
        {"title": "x", "properties": {"a": {"type": "integer"}}},
        {
            "title": "x",
            "$ref": "#/$defs/X",
            "$defs": {"X": {"type": "object", "properties": {"a": {"type": "integer"}}}},
        },
        {
            "name": "x",
            "description": "y",
            "parameters": {"type": ["object", "null"], "properties": {"a": {"type": "integer"}}},
        },
        RootModel[dict[str, int]],
        RootModel[Joke | None],
    ],
)
def test_whatever_may_be_an_object_can_be_the_arguments_of_a_call(schema):
    tool = schema_as_tool(schema)
    assert tool["type"] == "function"
    assert tool["function"]["parameters"]


def test_what_can_not_be_enforced_is_named(llm):
    schema = {"title": "x", "type": "object", "properties": {"a": {"not": {"type": "null"}}}}
    with pytest.raises(UnsupportedError, match="not"):
        llm.with_structured_output(schema).invoke(QUESTION)


def test_tools_and_a_response_format_together_give_calls_or_the_object(llm):
    def get_weather(city: str) -> str:
        """Weather of a city."""
        return city

    bound = llm.bind_tools([get_weather], response_format=Joke)
    for seed in range(6):
        message = bound.invoke(QUESTION, temperature=1.5, seed=seed)
        if message.tool_calls:
            assert {call["name"] for call in message.tool_calls} == {"get_weather"}
        else:
            Joke.model_validate_json(message.content)
