"""Tools of LlamaIndex: how they are prepared, forced, carried out and refused; real calls on ds4-tiny."""

from typing import Annotated

import pytest
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel

from ds4_core import InvalidRequestError
from ds4_core.chat import ToolCall
from ds4_core.testing import Scripted, ScriptedEngine
from llama_index_ds4 import DS4LLM

CUT = '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Par'


def get_weather(city: Annotated[str, "The name of the city, such as London"]) -> str:
    """Get the current weather for a given city."""
    return f"It is sunny in {city}."


def add(a: Annotated[int, "The first number"], b: Annotated[int, "The second number"]) -> int:
    """Add two numbers."""
    return a + b


TOOLS = [FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(add)]


@pytest.fixture(scope="module")
def llm():
    return DS4LLM(temperature=0, max_tokens=120)


def names(llm, response):
    return [(call.tool_name, call.tool_kwargs) for call in llm.get_tool_calls_from_response(response, False)]


async def test_model_calls_the_tool_it_needs_whichever_way_it_is_asked(llm):
    asked = {"tools": TOOLS, "user_msg": "Add 12 and 30."}
    got = [llm.chat_with_tools(**asked), list(llm.stream_chat_with_tools(**asked))[-1]]
    got.append(await llm.achat_with_tools(**asked))
    got.append([response async for response in await llm.astream_chat_with_tools(**asked)][-1])
    assert [names(llm, response) for response in got] == [[("add", {"a": 12, "b": 30})]] * 4


def test_model_answers_without_a_tool_when_it_needs_none(llm):
    response = llm.chat_with_tools(TOOLS, user_msg="Hello!")
    assert response.message.content
    with pytest.raises(ValueError, match="finish_reason='stop'"):
        llm.get_tool_calls_from_response(response)


def test_call_is_forced_where_it_is_required(llm):
    assert len(names(llm, llm.chat_with_tools(TOOLS, user_msg="Hello!", tool_required=True))) == 1
    for choice in ("add", {"type": "function", "function": {"name": "add"}}):
        response = llm.chat_with_tools(TOOLS, user_msg="What is the weather in Paris?", tool_choice=choice)
        assert [name for name, _ in names(llm, response)] == ["add"]


def test_choice_of_the_caller_wins_over_required(llm):
    response = llm.chat_with_tools(TOOLS, user_msg="What is 3 + 4?", tool_required=True, tool_choice="none")
    assert names(llm, response) == []
    with pytest.raises(InvalidRequestError, match="get_weather, add"):
        llm.chat_with_tools(TOOLS, user_msg="Hello!", tool_choice="subtract")
    with pytest.raises(InvalidRequestError, match="no tools"):
        llm.chat_with_tools([], user_msg="Hello!", tool_required=True)


def test_what_is_prepared_is_what_chat_takes_and_leaves_the_history_alone(llm):
    history = [ChatMessage(content="Hi!"), ChatMessage(role=MessageRole.ASSISTANT, content="Hello!")]
    before = list(history)
    prepared = llm._prepare_chat_with_tools(
        TOOLS, user_msg="What is 3 + 4?", chat_history=history, allow_parallel_tool_calls=True, temperature=0
    )
    assert [message.content for message in prepared["messages"]] == ["Hi!", "Hello!", "What is 3 + 4?"]
    assert [tool["function"]["name"] for tool in prepared["tools"]] == ["get_weather", "add"]
    assert (prepared["tool_choice"], prepared["parallel_tool_calls"], prepared["temperature"]) == (None, True, 0)
    assert history == before
    as_message = ChatMessage(content="What is 3 + 4?")
    assert llm._prepare_chat_with_tools(TOOLS, user_msg=as_message)["messages"] == [as_message]
    with pytest.raises(TypeError, match="unknown option 'temprature'"):
        llm.chat_with_tools(TOOLS, user_msg="Hi!", temprature=0)


def test_core_finds_that_calls_can_be_required():
    assert issubclass(DS4LLM, FunctionCallingLLM)
    prepared = DS4LLM()._prepare_chat_with_tools_compat(TOOLS, user_msg="Hi!", tool_required=True)
    assert prepared["tool_choice"] == "required"


def test_long_descriptions_are_shown_in_full(llm):
    tool = FunctionTool.from_defaults(get_weather, description="It is long. " * 200)
    (spec,) = llm._prepare_chat_with_tools([tool], user_msg="Hi!")["tools"]
    assert spec["function"]["description"].count("It is long.") == 200


class Odd(BaseModel):
    """A name that OpenAI would refuse."""

    x: int


def test_tool_is_called_by_its_own_name(llm):
    tool = FunctionTool.from_defaults(lambda x: x + 1, name="Odd[int] é", description="Adds one.", fn_schema=Odd)
    response = llm.predict_and_call([tool], user_msg="Add one to 4.", tool_required=True)
    assert [source.tool_name for source in response.sources] == ["Odd[int] é"]
    assert not response.sources[0].is_error


async def test_predicted_calls_are_carried_out(llm):
    question = "What is the weather in Paris?"
    assert llm.predict_and_call(TOOLS, user_msg=question).response == "It is sunny in Paris."
    assert (await llm.apredict_and_call(TOOLS, user_msg=question)).response == "It is sunny in Paris."


CALLS = [ToolCall("get_weather", '{"city": "Paris"}'), ToolCall("get_weather", '{"city": "Rome"}')]


async def test_parallel_calls_of_one_tool_have_ids_of_their_own():
    with ScriptedEngine([Scripted(tool_calls=CALLS)] * 2) as engine:
        llm = DS4LLM(engine=engine)
        for response in (
            llm.chat_with_tools(TOOLS, user_msg="Go.", allow_parallel_tool_calls=True),
            await llm.achat_with_tools(TOOLS, user_msg="Go.", allow_parallel_tool_calls=True),
        ):
            first, second = llm.get_tool_calls_from_response(response)
            assert first.tool_id != second.tool_id
            assert (first.tool_kwargs, second.tool_kwargs) == ({"city": "Paris"}, {"city": "Rome"})


def test_one_call_is_kept_where_parallel_ones_are_not_allowed():
    with ScriptedEngine([Scripted("I look.", tool_calls=CALLS)]) as engine:
        llm = DS4LLM(engine=engine)
        response = llm.chat_with_tools(TOOLS, user_msg="Go.")
        assert names(llm, response) == [("get_weather", {"city": "Paris"})]
        assert response.message.content == "I look."


def test_several_calls_are_not_possible_for_the_model_where_one_is_allowed(llm):
    question = "What is the weather in Paris and in Rome?"
    response = llm.chat(
        **llm._prepare_chat_with_tools(TOOLS, user_msg=question, tool_required=True), min_tokens=40, max_tokens=60
    )
    assert sum(isinstance(block, ToolCallBlock) for block in response.message.blocks) == 1


def test_call_that_was_cut_off_is_never_carried_out():
    with ScriptedEngine([Scripted(CUT, eos=False)] * 2) as engine:
        llm = DS4LLM(engine=engine)
        response = llm.chat_with_tools(TOOLS, user_msg="Go.")
        assert llm.get_tool_calls_from_response(response, error_on_no_tool_call=False) == []
        with pytest.raises(ValueError, match=r"finish_reason='length'.*'get_weather' is invalid"):
            llm.predict_and_call(TOOLS, user_msg="Go.")


def test_result_goes_back_to_its_call(llm):
    history = [ChatMessage(content="What is the weather in Paris?")]
    response = llm.chat_with_tools(TOOLS, chat_history=history)
    (call,) = llm.get_tool_calls_from_response(response)
    result = ChatMessage(
        role=MessageRole.TOOL, content="It is sunny in Paris.", additional_kwargs={"tool_call_id": call.tool_id}
    )
    answer = llm.chat_with_tools(TOOLS, chat_history=[*history, response.message, result])
    assert "sunny" in answer.message.content
    assert "Paris" in answer.message.content


def test_step_after_a_tool_goes_on_from_what_was_computed(llm):
    history = [ChatMessage(content="What is the weather in Oslo?")]
    response = llm.chat_with_tools(TOOLS, chat_history=history)
    (call,) = llm.get_tool_calls_from_response(response)
    result = ChatMessage(role=MessageRole.TOOL, content="Rain.", additional_kwargs={"tool_call_id": call.tool_id})
    usage = llm.chat_with_tools(TOOLS, chat_history=[*history, response.message, result]).raw["usage"]
    # All but the tags at the end of the call, which were written without having to be computed.
    assert usage["cache_read"] > response.raw["usage"]["prompt_tokens"] + 20
    assert usage["prompt_tokens"] - usage["cache_read"] < 40
