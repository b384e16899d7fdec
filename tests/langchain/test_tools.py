"""Tools: every form they and their choice are given in, calls as they stream, calls that are none, and what follows."""

import json
from typing import TypedDict

import pydantic.v1
import pytest
from langchain_core.exceptions import ModelInvalidRequestError
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableBinding
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from ds4_core import Engine
from ds4_core.chat import ToolCall
from ds4_core.testing import Scripted, ScriptedEngine
from langchain_ds4 import ChatDS4
from langchain_ds4._messages import poison
from tests.langchain.test_paths import added_up, listed

QUESTION = "What is the weather in Paris?"


def get_weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: Its name.
    """
    return city


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Pydantic2(BaseModel):
    """A place."""

    place: str = Field(description="Its name.")


class Pydantic1(pydantic.v1.BaseModel):
    """A place."""

    place: str


class Typed(TypedDict):
    """A place."""

    place: str


PARAMETERS = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
FORMS = {
    "function": (get_weather, "get_weather"),
    "tool": (add, "add"),
    "pydantic 2": (Pydantic2, "Pydantic2"),
    "pydantic 1": (Pydantic1, "Pydantic1"),
    "TypedDict": (Typed, "Typed"),
    "JSON schema": ({"title": "place", "description": "A place.", **PARAMETERS}, "place"),
    "OpenAI": ({"type": "function", "function": {"name": "place", "parameters": PARAMETERS}}, "place"),
    "Anthropic": ({"name": "place", "input_schema": PARAMETERS, "cache_control": {"type": "ephemeral"}}, "place"),
    "Bedrock": ({"toolSpec": {"name": "place", "inputSchema": {"json": PARAMETERS}}}, "place"),
}


@pytest.fixture(scope="module")
def llm():
    return ChatDS4(model="ds4-tiny", temperature=0, max_tokens=120)


def scripted(*answers):
    return ChatDS4(engine=ScriptedEngine(list(answers)))


@pytest.mark.parametrize("form", FORMS)
def test_tool_of_every_form_is_called_as_its_schema_says(llm, form):
    given, name = FORMS[form]
    bound = llm.bind_tools([given, {"name": "other", "parameters": PARAMETERS}], tool_choice=name)
    assert isinstance(bound, RunnableBinding)
    (call,) = bound.invoke(QUESTION).tool_calls
    assert call["name"] == name
    kinds = {"add": {"a": int, "b": int}, "get_weather": {"city": str}}.get(name, {"place": str})
    assert {key: type(value) for key, value in call["args"].items()} == kinds


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("any", True),
        ("required", True),
        (True, True),
        ({"type": "any"}, True),
        ("none", False),
        ({"type": "none"}, False),
        ("add", "add"),
        ({"type": "function", "function": {"name": "add"}}, "add"),
        ({"type": "tool", "name": "add"}, "add"),
    ],
)
def test_choice_of_every_form_is_obeyed_whatever_the_model_would_do(llm, choice, called):
    message = llm.bind_tools([get_weather, add], tool_choice=choice).invoke(QUESTION)
    assert bool(message.tool_calls) == bool(called)
    if isinstance(called, str):
        assert {call["name"] for call in message.tool_calls} == {called}
    streamed = added_up(list(llm.bind_tools([get_weather, add], tool_choice=choice).stream(QUESTION)))
    assert [call["args"] for call in streamed.tool_calls] == [call["args"] for call in message.tool_calls]


@pytest.mark.parametrize("choice", [None, False, "", "auto", {"type": "auto"}])
def test_without_a_choice_the_model_decides(llm, choice):
    assert llm.bind_tools([get_weather], tool_choice=choice).invoke("Hello!").content


def test_choice_of_no_tool_is_refused_when_bound(llm):
    for choice in ("nosuch", {"type": "function", "function": {"name": "nosuch"}}, {"type": "tool", "name": "nosuch"}):
        with pytest.raises(ModelInvalidRequestError, match=r"nosuch.*get_weather"):
            llm.bind_tools([get_weather], tool_choice=choice)
    with pytest.raises(ValueError, match="no tools"):
        llm.bind_tools([], tool_choice="any")
    with pytest.raises(ValueError, match="tool_choice=5"):
        llm.bind_tools([get_weather], tool_choice=5)


def test_tools_that_a_service_runs_are_refused(llm):
    for hosted in ({"type": "web_search_preview"}, {"type": "code_interpreter", "container": {}}):
        with pytest.raises(ModelInvalidRequestError, match="service"):
            llm.bind_tools([hosted])


def test_tools_of_a_call_are_taken_in_every_form_too(llm):
    (call,) = llm.invoke(QUESTION, tools=[get_weather], tool_choice="any").tool_calls
    assert call["name"] == "get_weather"


@pytest.mark.parametrize(
    "options",
    [
        {"tool_choice": "any", "parallel_tool_calls": False},
        {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
    ],
)
def test_parallel_calls_can_be_ruled_out(llm, options):
    # A bias towards going on shows that the grammar forbids it.
    bound = llm.bind_tools([get_weather], **options)
    for seed in range(4):
        assert len(bound.invoke("Weather in Paris, Rome and Oslo?", temperature=2.0, seed=seed).tool_calls) == 1


def test_arguments_fit_their_schema_at_any_temperature(llm):
    class Order(BaseModel):
        count: int = Field(ge=1, le=9)
        size: str = Field(pattern="^(S|M|L)$")

    bound = llm.bind_tools([Order], tool_choice="any", strict=True, parallel_tool_calls=False)
    for seed in range(4):
        (call,) = bound.invoke("Order shirts.", temperature=3.0, seed=seed).tool_calls
        Order(**call["args"])


def test_no_tools_render_nothing(llm):
    assert (
        llm.bind_tools([]).invoke(QUESTION).usage_metadata["input_tokens"]
        == (llm.invoke(QUESTION).usage_metadata["input_tokens"])
    )


def test_arguments_stream_piece_by_piece():
    city = 'Sankt "Veit"\nan der Glan 🌞'
    answer = Scripted("", tool_calls=[ToolCall("get_weather", json.dumps({"city": city}))] * 2, chunking=2)
    chunks = [
        piece for chunk in scripted(answer).bind_tools([get_weather]).stream("x") for piece in chunk.tool_call_chunks
    ]
    firsts = [piece for piece in chunks if piece["name"]]
    assert [(piece["name"], piece["args"], piece["index"]) for piece in firsts] == [
        ("get_weather", "", 0),
        ("get_weather", "", 1),
    ]
    assert len({piece["id"] for piece in firsts}) == 2
    for index in (0, 1):
        fragments = [piece["args"] for piece in chunks if piece["index"] == index]
        assert len(fragments) > 8
        assert json.loads("".join(fragments)) == {"city": city}
        for fragment in fragments:
            fragment.encode()  # no half of a character
            assert not fragment.endswith("\\")  # nor of an escape


DEEP = {"path": '/home/us"er\\', "list": [1, [2, {"x": ["y", None]}], "z"], "deep": {"a": {"b": [True]}}, "n": -1.5}


def test_poison_leaves_no_beginning_of_arguments_to_be_completed():
    from langchain_core.messages import AIMessageChunk
    from langchain_core.messages.tool import tool_call_chunk

    text = json.dumps(DEEP)
    for end in range(len(text) + 1):
        cut = text[:end]
        if cut.endswith("\\") and not cut.endswith("\\\\"):
            continue  # never cut there, as the test before asserts
        chunk = AIMessageChunk(
            "", tool_call_chunks=[tool_call_chunk(name="rm", args=cut + poison(cut), id="k", index=0)]
        )
        assert not chunk.tool_calls, cut
        assert len(chunk.invalid_tool_calls) == 1


def test_a_call_cut_off_anywhere_is_never_carried_out():
    from langchain_core.utils.function_calling import convert_to_openai_tool

    tools = [convert_to_openai_tool(get_weather)]
    with Engine() as engine:
        whole = ScriptedEngine([Scripted("", tool_calls=[ToolCall("get_weather", '{"city": "Os\\"lo"}')])])
        message = ChatDS4(engine=whole).invoke("x", tools=tools)
        tokens = message.additional_kwargs["ds4"]["raw"]
        text = [engine.model.detokenize(tokens[: n + 1]).decode("utf-8", "replace") for n in range(len(tokens))]
    n_begun = 0
    for n in range(1, len(tokens) - 1):
        llm = ChatDS4(engine=ScriptedEngine(lambda record, n=n: Scripted(tokens=tokens[:n], eos=False)))
        for cut in (llm.invoke("x", tools=tools), added_up(list(llm.stream("x", tools=tools)))):
            closed = "</｜DSML｜invoke>" in text[n - 1]
            assert len(cut.tool_calls) == closed
            if not closed:
                assert cut.response_metadata["finish_reason"] == "length"
            n_begun += len(cut.invalid_tool_calls)
    assert n_begun > 10


def test_a_call_that_is_none_is_shown_to_the_model_and_answered():
    cut = '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Os'
    llm = scripted(Scripted("\n\n" + cut, eos=False), "I try again.")
    bound = llm.bind_tools([get_weather])
    message = added_up(list(bound.stream("x")))
    (bad,) = message.invalid_tool_calls
    result = ToolMessage("This call was not complete.", tool_call_id=bad["id"], status="error")
    assert bound.invoke([HumanMessage("x"), message, result]).content == "I try again."
    prompt = llm.engine.requests[-1].text
    assert '<｜DSML｜invoke name="get_weather">' in prompt
    assert '{"city": "Os' in prompt
    assert '{"city": "Os"]' not in prompt
    assert "<tool_result>Error: This call was not complete.</tool_result>" in prompt


def test_results_go_to_their_calls_in_any_order():
    calls = [{"name": "get_weather", "args": {"city": city}, "id": city} for city in ("Oslo", "Rome")]
    llm = scripted("Done.")
    history = [HumanMessage("x"), AIMessage("", tool_calls=calls)]
    llm.invoke([*history, ToolMessage("warm", tool_call_id="Rome"), ToolMessage("cold", tool_call_id="Oslo")])
    prompt = llm.engine.requests[-1].text
    assert prompt.index("<tool_result>cold") < prompt.index("<tool_result>warm")


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("options", [{}, {"thinking": True, "max_thinking_tokens": 20}], ids=["plain", "thinking"])
def test_the_next_turn_starts_from_the_tokens_that_were_sampled(version, options):
    with Engine() as engine:
        llm = ChatDS4(engine=engine, temperature=0, max_tokens=150, output_version=version)
        bound = llm.bind_tools([get_weather], tool_choice="any", **options)
        for ask in (bound.invoke, lambda history: added_up(list(bound.stream(history)))):
            engine.clear_prefix_cache()
            history = [HumanMessage(QUESTION)]
            message = ask(history)
            (call, *_) = message.tool_calls
            usage = message.usage_metadata
            history += [message, ToolMessage("sunny", tool_call_id=call["id"])]
            n_next = llm.get_num_tokens_from_messages(history, tools=[get_weather], **options)
            answer = ask(history)
            assert answer.usage_metadata["input_tokens"] == n_next
            # All but what the grammar forced at the end, which was told and not computed.
            assert answer.usage_metadata["input_token_details"]["cache_read"] >= usage["input_tokens"] + 5
            prompt = engine.model.detokenize(message.additional_kwargs["ds4"]["raw"]).decode()
            assert "get_weather" in prompt


def test_thinking_goes_back_in_both_forms():
    for version in ("v0", "v1"):
        llm = ChatDS4(
            engine=ScriptedEngine(
                [
                    Scripted("I should look.</think>", tool_calls=[ToolCall("get_weather", '{"city": "Oslo"}')]),
                    "Thanks.</think>Sunny.",
                ]
            ),
            output_version=version,
            thinking=True,
        )
        bound = llm.bind_tools([get_weather])
        message = bound.invoke("x")
        if version == "v1":
            assert [block["type"] for block in message.content] == ["reasoning", "tool_call"]
        # As it comes back from a store that knows nothing of ours.
        message = AIMessage(
            content=message.content,
            tool_calls=message.tool_calls,
            additional_kwargs={
                key: value for key, value in message.additional_kwargs.items() if key == "reasoning_content"
            },
        )
        bound.invoke([HumanMessage("x"), message, ToolMessage("sun", tool_call_id=message.tool_calls[0]["id"])])
        assert "<think>I should look.</think>" in llm.engine.requests[-1].text


async def test_what_is_given_is_left_as_it_was(llm):
    schema = json.loads(json.dumps({"title": "place", "description": "A place.", **PARAMETERS}))
    message = llm.bind_tools([get_weather], tool_choice="any").invoke(QUESTION)
    result = ToolMessage("sunny", tool_call_id=message.tool_calls[0]["id"])
    history = [HumanMessage([{"type": "text", "text": QUESTION}]), message, result]
    before = [message.model_copy(deep=True) for message in history]
    bound = llm.bind_tools([get_weather, schema])
    bound.invoke(history)
    list(bound.stream(history))
    await bound.ainvoke(history)
    llm.with_structured_output(schema, method="function_calling").invoke(QUESTION)
    assert history == before
    assert schema == {"title": "place", "description": "A place.", **PARAMETERS}


def test_stop_strings_hold_beside_tools():
    llm = scripted(*[Scripted("One two", tool_calls=[ToolCall("get_weather", '{"city": "two"}')])] * 2)
    bound = llm.bind_tools([get_weather])
    for message in (bound.invoke("x", stop=["two"]), added_up(list(bound.stream("x", stop=["two"])))):
        assert (message.content, message.tool_calls) == ("One ", [])
        assert message.response_metadata["stop_sequence"] == "two"


async def test_awaited_tool_calls_stream_too(llm):
    bound = llm.bind_tools([get_weather], tool_choice="any", parallel_tool_calls=False)
    message = added_up(await listed(bound.astream(QUESTION)))
    assert message.tool_calls[0]["args"] == (await bound.ainvoke(QUESTION)).tool_calls[0]["args"]
