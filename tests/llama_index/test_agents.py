"""Agents of LlamaIndex over DS4LLM: tools in several steps and side by side, errors, hand-off, objects, thinking."""

import asyncio
from typing import Annotated

import pytest
from llama_index.core.agent.workflow import (
    AgentStream,
    AgentWorkflow,
    FunctionAgent,
    ReActAgent,
    ToolCallResult,
)
from llama_index.core.base.llms.types import MessageRole, ThinkingBlock, ToolCallBlock
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import JsonPickleSerializer, JsonSerializer
from pydantic import BaseModel

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


def get_population(city: str) -> int:
    """Tells how many people live in a city."""
    raise LookupError(f"nobody has counted {city}")


def get_time(city: Annotated[str, "The name of the city, such as London"]) -> str:
    """Get the current time in a given city."""
    return f"It is 14:30 in {city}."


def send_email(
    recipient: Annotated[str, "The email address of the recipient"],
    subject: Annotated[str, "The subject of the email"],
    body: Annotated[str, "The text of the email"],
) -> str:
    """Send an email to someone."""
    return f"It was sent to {recipient}."


TOOLS = [get_weather, add, get_population]
# Tools that ds4-tiny keeps apart: it answers from their results, where among others it may call one more.
CHORES = [get_weather, add, send_email]
CITY = [get_weather, get_time]


def call(name, arguments):
    return Scripted(tool_calls=[ToolCall(name, arguments)])


def weather_of(*cities):
    return Scripted(tool_calls=[ToolCall("get_weather", f'{{"city": "{city}"}}') for city in cities])


async def run(agent, question, **kwargs):
    """The final output, the results of tools, and the pieces that were streamed."""
    handler = agent.run(question, **kwargs)
    events = [event async for event in handler.stream_events()]
    results = [event for event in events if isinstance(event, ToolCallResult)]
    return await handler, results, [event for event in events if type(event) is AgentStream]


# ------------------------------------------------------------------------------------------------- with ds4-tiny


@pytest.fixture(scope="module")
def llm():
    with DS4LLM(temperature=0, max_tokens=200) as llm:
        yield llm


@pytest.mark.parametrize("streaming", [True, False])
async def test_model_calls_a_tool_and_answers_from_its_result(llm, streaming):
    agent = FunctionAgent(tools=CHORES, llm=llm, streaming=streaming)
    output, results, pieces = await run(agent, "What is the weather in Paris?")
    assert [(result.tool_name, result.tool_kwargs) for result in results] == [("get_weather", {"city": "Paris"})]
    assert "sunny" in output.response.content
    assert bool(pieces) == streaming
    if streaming:
        assert "".join(piece.delta for piece in pieces) == output.response.content
    output, results, _ = await run(agent, "Add 12 and 30.")
    assert [result.tool_output.content for result in results] == ["42"]
    assert "42" in output.response.content


async def test_model_calls_one_tool_for_two_cities_side_by_side(llm):
    agent = FunctionAgent(tools=CHORES, llm=llm)
    _, results, _ = await run(agent, "What is the weather in Paris and in Rome?")
    assert [result.tool_kwargs["city"] for result in results] == ["Paris", "Rome"]
    assert len({result.tool_id for result in results}) == 2


@pytest.mark.parametrize("streaming", [True, False])
async def test_model_thinks_acts_and_answers_in_words(llm, streaming):
    agent = ReActAgent(tools=CITY, llm=llm, streaming=streaming)
    output, results, _ = await run(agent, "What time is it in Tokyo?")
    assert [(result.tool_name, result.tool_kwargs) for result in results] == [("get_time", {"city": "Tokyo"})]
    assert "14:30" in output.response.content
    output, results, _ = await run(agent, "What is the weather in Paris?")
    assert [(result.tool_name, result.tool_kwargs) for result in results] == [("get_weather", {"city": "Paris"})]
    assert "sunny" in output.response.content


async def test_agents_work_beside_each_other(llm):
    cities = ["Paris", "Rome", "Berlin", "Oslo", "Madrid", "Vienna"]
    agents = [FunctionAgent(tools=CHORES, llm=llm) for _ in cities]
    runs = [run(agent, f"What is the weather in {city}?") for agent, city in zip(agents, cities, strict=True)]
    done = await asyncio.gather(*runs)
    assert [[result.tool_kwargs["city"] for result in results] for _, results, _ in done] == [[city] for city in cities]
    assert all(city in output.response.content for city, (output, _, _) in zip(cities, done, strict=True))


async def test_model_hands_a_question_over_to_the_agent_that_knows(llm):
    prompt = "You take calls. Hand questions about the weather to the weather agent."
    desk = FunctionAgent(
        name="desk", description="Takes calls.", tools=[add], llm=llm, can_handoff_to=["weather"], system_prompt=prompt
    )
    weather = FunctionAgent(name="weather", description="Knows the weather of cities.", tools=[get_weather], llm=llm)
    workflow = AgentWorkflow([desk, weather], root_agent="desk")
    output, results, _ = await run(workflow, "What is the weather in Oslo?")
    assert (results[0].tool_name, results[0].tool_kwargs["to_agent"]) == ("handoff", "weather")
    assert output.current_agent_name == "weather"


async def test_model_talks_without_a_tool(llm):
    output, results, _ = await run(FunctionAgent(tools=CHORES, llm=llm), "Hello!")
    assert output.response.content
    assert not results


async def test_tool_is_forced_on_the_first_turn_alone(llm):
    agent = FunctionAgent(tools=CHORES, llm=llm, initial_tool_choice="add")
    _, results, _ = await run(agent, "What is 3 + 4?")
    assert results[0].tool_name == "add"


# ------------------------------------------------------------------------------------------------- scripted


async def test_agent_takes_several_steps_and_sees_all_results():
    with ScriptedEngine([weather_of("Paris", "Rome"), call("add", '{"a": 3, "b": 4}'), "Sunny, and 7."]) as engine:
        output, results, _ = await run(FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine)), "Go.")
        last = engine.requests[-1].text
    assert output.response.content == "Sunny, and 7."
    assert [result.tool_output.content for result in results] == ["It is sunny in Paris.", "It is sunny in Rome.", "7"]
    assert last.index("It is sunny in Paris.") < last.index("It is sunny in Rome.") < last.index("<tool_result>7")


async def test_results_that_come_in_another_order_go_to_their_calls():
    with ScriptedEngine([weather_of("Paris", "Rome"), "Done."]) as engine:
        llm = DS4LLM(engine=engine)
        agent = FunctionAgent(tools=TOOLS, llm=llm)
        memory = ChatMemoryBuffer.from_defaults()
        await run(agent, "Go.", memory=memory)
        history = await memory.aget()
        question, calls, first, second, _ = history
        ids = [block.tool_call_id for block in calls.blocks if isinstance(block, ToolCallBlock)]
        assert [first.additional_kwargs["tool_call_id"], second.additional_kwargs["tool_call_id"]] == ids
    with ScriptedEngine(["Yes."]) as engine:
        DS4LLM(engine=engine).chat([question, calls, second, first])
        text = engine.requests[0].text
    assert text.index("It is sunny in Paris.") < text.index("It is sunny in Rome.")


async def test_error_of_a_tool_is_told_to_the_model():
    with ScriptedEngine([call("get_population", '{"city": "Oslo"}'), "Nobody knows."]) as engine:
        output, results, _ = await run(FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine)), "Go.")
        assert "nobody has counted Oslo" in engine.requests[-1].text
    assert results[0].tool_output.is_error
    assert output.response.content == "Nobody knows."


async def test_call_of_a_tool_that_is_not_there_is_told_to_the_model():
    with ScriptedEngine([call("get_wether", '{"city": "Oslo"}'), "Sorry."]) as engine:
        output, _, _ = await run(FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine)), "Go.")
        assert "get_wether" in engine.requests[-1].text.partition("<tool_result>")[2]
    assert output.response.content == "Sorry."


async def test_result_that_is_returned_directly_ends_the_run():
    tool = FunctionTool.from_defaults(get_weather, return_direct=True)
    with ScriptedEngine([weather_of("Oslo")]) as engine:
        output, _, _ = await run(FunctionAgent(tools=[tool], llm=DS4LLM(engine=engine)), "Go.")
    assert output.response.content == "It is sunny in Oslo."


@pytest.mark.parametrize("streaming", [True, False])
async def test_call_that_was_cut_off_is_not_carried_out(streaming):
    with ScriptedEngine([Scripted(CUT, eos=False)]) as engine:
        agent = FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine), streaming=streaming)
        output, results, pieces = await run(agent, "Go.")
    assert not results
    assert not output.tool_calls
    assert output.raw["finish_reason"] == "length"
    assert not any(piece.tool_calls for piece in pieces)


async def test_thoughts_are_streamed_and_kept_over_the_steps_of_a_run():
    thinks = Scripted("Which city?</think>", tool_calls=[ToolCall("get_weather", '{"city": "Oslo"}')])
    with ScriptedEngine([thinks, "It is easy.</think>Sunny."]) as engine:
        agent = FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine, thinking=True))
        output, _, pieces = await run(agent, "Go.")
        assert "Which city?" in engine.requests[-1].text
    assert "".join(piece.thinking_delta or "" for piece in pieces) == "Which city?It is easy."
    assert [block.content for block in output.response.blocks if isinstance(block, ThinkingBlock)] == ["It is easy."]


async def test_next_step_begins_with_the_very_tokens_of_the_last_one():
    look = Scripted("I look.", tool_calls=[ToolCall("get_weather", '{"city": "Oslo"}')], chunking=1)
    with ScriptedEngine([look, "Sunny."]) as engine:
        await run(FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine)), "Go.")
        first, second = (entry.request.prompt.tolist() for entry in engine.requests)
        sampled = [token for char in "I look." for token in engine.model.tokenize(char)]
    assert second[: len(first) + len(sampled)] == [*first, *sampled]


async def test_agent_remembers_over_runs():
    with ScriptedEngine([weather_of("Oslo"), "Sunny.", "Oslo, you asked."]) as engine:
        agent = FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine))
        memory = ChatMemoryBuffer.from_defaults()
        await run(agent, "How is Oslo?", memory=memory)
        await run(agent, "What did I ask?", memory=memory)
        assert "How is Oslo?" in engine.requests[-1].text
        assert "It is sunny in Oslo." in engine.requests[-1].text


@pytest.mark.parametrize("serializer", [JsonSerializer(), JsonPickleSerializer()], ids=lambda one: type(one).__name__)
async def test_answers_survive_being_written_down_with_a_context(serializer):
    with ScriptedEngine([weather_of("Oslo"), "Sunny.", "Oslo."]) as engine:
        llm = DS4LLM(engine=engine)
        memory = ChatMemoryBuffer.from_defaults()
        await run(FunctionAgent(tools=TOOLS, llm=llm), "How is Oslo?", memory=memory)
        messages = [serializer.deserialize(serializer.serialize(message)) for message in await memory.aget()]
        llm.chat(messages)
        assert "It is sunny in Oslo." in engine.requests[-1].text
        assert "get_weather" in engine.requests[-1].text


class Weather(BaseModel):
    """How the weather is."""

    city: str
    sunny: bool


async def test_agent_ends_with_an_object_when_asked_for_one():
    script = [weather_of("Oslo"), "Sunny in Oslo.", '{"city": "Oslo", "sunny": true}']
    with ScriptedEngine(script) as engine:
        agent = FunctionAgent(tools=TOOLS, llm=DS4LLM(engine=engine), output_cls=Weather)
        output, _, _ = await run(agent, "How is Oslo?")
        assert engine.requests[-1].request.guide is not None
    assert output.get_pydantic_model(Weather) == Weather(city="Oslo", sunny=True)


async def test_work_is_handed_from_one_agent_to_another():
    handoff = call("handoff", '{"to_agent": "weather", "reason": "It is about weather."}')
    with ScriptedEngine([handoff, weather_of("Oslo"), "Sunny."]) as engine:
        llm = DS4LLM(engine=engine)
        desk = FunctionAgent(
            name="desk", description="Takes questions.", tools=[add], llm=llm, can_handoff_to=["weather"],
            system_prompt="You are the desk.",
        )  # fmt: skip
        weather = FunctionAgent(
            name="weather", description="Knows the weather.", tools=[get_weather], llm=llm,
            system_prompt="You know the weather.",
        )  # fmt: skip
        output, results, _ = await run(AgentWorkflow([desk, weather], root_agent="desk"), "How is Oslo?")
        texts = [request.text for request in engine.requests]
    assert [result.tool_name for result in results] == ["handoff", "get_weather"]
    assert (output.current_agent_name, output.response.content) == ("weather", "Sunny.")
    assert "You are the desk." in texts[0]
    assert "You know the weather." in texts[1]


async def test_workflow_of_functions_takes_the_function_agent():
    with ScriptedEngine([weather_of("Oslo"), "Sunny."]) as engine:
        workflow = AgentWorkflow.from_tools_or_functions([get_weather], llm=DS4LLM(engine=engine))
        assert [type(agent) for agent in workflow.agents.values()] == [FunctionAgent]
        output, _, _ = await run(workflow, "How is Oslo?")
    assert output.response.content == "Sunny."


REACT = [
    'Thought: I need a tool.\nAction: get_weather\nAction Input: {"city": "Oslo"}',
    "Thought: I can answer without using any more tools.\nAnswer: It is sunny.",
]


@pytest.mark.parametrize("streaming", [True, False])
async def test_react_agent_acts_and_answers(streaming):
    with ScriptedEngine(REACT) as engine:
        agent = ReActAgent(tools=TOOLS, llm=DS4LLM(engine=engine), streaming=streaming)
        output, results, _ = await run(agent, "How is Oslo?")
        assert "Observation: It is sunny in Oslo." in engine.requests[-1].text
        assert all(entry.request.guide is None for entry in engine.requests)
    assert [result.tool_kwargs for result in results] == [{"city": "Oslo"}]
    assert output.response.content == "It is sunny."


async def test_react_agent_asks_again_after_an_empty_answer():
    with ScriptedEngine(["", *REACT]) as engine:
        output, _, _ = await run(ReActAgent(tools=TOOLS, llm=DS4LLM(engine=engine)), "How is Oslo?")
        assert "Your previous response was empty" in engine.requests[1].text
    assert output.response.content == "It is sunny."


async def test_react_agent_leaves_thoughts_of_the_model_out_of_its_format():
    with ScriptedEngine([f"Hm.</think>{text}" for text in REACT]) as engine:
        agent = ReActAgent(tools=TOOLS, llm=DS4LLM(engine=engine, thinking=True))
        output, _, pieces = await run(agent, "How is Oslo?")
    assert output.response.content == "It is sunny."
    assert "".join(piece.thinking_delta or "" for piece in pieces) == "Hm.Hm."
    assert output.response.role == MessageRole.ASSISTANT
