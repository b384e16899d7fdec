"""Agents and graphs on a ChatDS4: several steps, parallel calls, errors, objects, long histories, streams.

What an agent does with a model is scripted, so that every step is known; where ds4-tiny can do it, it does it itself.
"""

import json

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ClearToolUsesEdit,
    ContextEditingMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
    ToolRetryMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain.chat_models import init_chat_model
from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from ds4_core.chat import ToolCall
from ds4_core.testing import Scripted, ScriptedEngine
from langchain_ds4 import ChatDS4, register

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")

QUESTION = "What is the weather in Paris?"


class Report(BaseModel):
    """A weather report."""

    city: str
    sky: str


def get_weather(city: str) -> str:
    """Weather of a city."""
    if city == "Atlantis":
        raise ValueError("no such city")
    return f"sunny in {city}"


def calls(*cities, thoughts=""):
    arguments = [json.dumps({"city": city}) for city in cities]
    return Scripted(thoughts, tool_calls=[ToolCall("get_weather", one) for one in arguments])


def scripted(*answers, **options):
    return ChatDS4(engine=ScriptedEngine(list(answers)), **options)


def ask(text=QUESTION):
    return {"messages": [HumanMessage(text)]}


def kinds(state):
    return [message.type for message in state["messages"]]


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_agent_calls_looks_and_answers_in_several_steps(version):
    llm = scripted(
        calls("Oslo", "Rome", thoughts="Two of them.</think>"),
        calls("Bergen", thoughts="One more.</think>"),
        "That is all.</think>It is sunny.",
        thinking=True,
        output_version=version,
    )
    state = create_agent(llm, [get_weather], system_prompt="Be brief.").invoke(ask())
    assert kinds(state) == ["human", "ai", "tool", "tool", "ai", "tool", "ai"]
    assert [m.content for m in state["messages"] if m.type == "tool"] == [
        f"sunny in {city}" for city in ("Oslo", "Rome", "Bergen")
    ]
    assert state["messages"][-1].text == "It is sunny."
    last = llm.engine.requests[-1].text
    # With tools the thinking of the turn under way stays in the prompt.
    assert "Two of them." in last
    assert "One more." in last
    assert last.count("<｜DSML｜invoke") - last.count('<｜DSML｜invoke name="$') == 3


async def test_agent_works_awaited():
    llm = scripted(calls("Oslo", "Rome"), "Sunny.")
    state = await create_agent(llm, [get_weather]).ainvoke(ask())
    assert kinds(state) == ["human", "ai", "tool", "tool", "ai"]


def test_agent_goes_on_after_a_tool_failed():
    llm = scripted(calls("Atlantis"), "There is no such city.")
    middleware = [ToolRetryMiddleware(max_retries=0, on_failure="continue")]
    state = create_agent(llm, [get_weather], middleware=middleware).invoke(ask())
    assert kinds(state) == ["human", "ai", "tool", "ai"]
    assert state["messages"][2].status == "error"
    assert "<tool_result>Error" in llm.engine.requests[-1].text


def test_call_that_was_cut_off_is_not_carried_out():
    cut = (
        '\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get_weather">\n<｜DSML｜parameter name="city" string="true">Os'
    )
    carried_out = []

    def get_weather(city: str) -> str:
        """Weather of a city."""
        carried_out.append(city)
        return city

    for streaming in (False, True):
        llm = scripted(Scripted(cut, eos=False), "I was cut off.", "x", "x", streaming=streaming)
        create_agent(llm, [get_weather]).invoke(ask(), {"recursion_limit": 6})
        assert not carried_out


def test_objects_by_a_tool():
    answer = Scripted("", tool_calls=[ToolCall("Report", '{"city": "Oslo", "sky": "blue"}')])
    llm = scripted(calls("Oslo"), answer)
    state = create_agent(llm, [get_weather], response_format=ToolStrategy(Report)).invoke(ask())
    assert state["structured_response"] == Report(city="Oslo", sky="blue")


@pytest.mark.parametrize("tools", [[], [get_weather]], ids=["without tools", "with tools"])
@pytest.mark.parametrize("chosen", [ProviderStrategy(Report), Report], ids=["asked for", "by the profile"])
def test_objects_by_the_model_itself(tools, chosen):
    answers = [*([calls("Oslo")] if tools else []), '{"city": "Oslo", "sky": "blue"}']
    llm = scripted(*answers)
    state = create_agent(llm, tools, response_format=chosen).invoke(ask())
    assert state["structured_response"] == Report(city="Oslo", sky="blue")
    assert "## Response Format" in llm.engine.requests[-1].text
    assert ("## Tools" in llm.engine.requests[-1].text) == bool(tools)


@pytest.mark.parametrize("tools", [[], [get_weather]], ids=["without tools", "with tools"])
@pytest.mark.parametrize("strategy", [ToolStrategy, ProviderStrategy])
def test_ds4_tiny_gives_objects_to_an_agent(strategy, tools):
    llm = ChatDS4(temperature=0, max_tokens=120)
    agent = create_agent(llm, tools, response_format=strategy(Report))
    state = agent.invoke(ask("The sky over Oslo is blue."), {"recursion_limit": 12})
    assert isinstance(state["structured_response"], Report)


def test_ds4_tiny_calls_a_tool_and_reads_its_result():
    state = create_agent(ChatDS4(temperature=0, max_tokens=120), [get_weather]).invoke(ask(), {"recursion_limit": 12})
    assert kinds(state)[:4] == ["human", "ai", "tool", "ai"]
    assert state["messages"][1].tool_calls[0]["args"] == {"city": "Paris"}
    assert state["messages"][-1].text


@pytest.mark.parametrize("n_ctx", [3000, 1900], ids=["summary fits", "summary overflows first"])
def test_long_history_is_summarised_when_it_does_not_fit(n_ctx):
    seen = []

    def script(record):
        seen.append(record.text)
        return "Yes." if record.text.endswith("Say yes.<｜Assistant｜></think>") else "A summary."

    llm = ChatDS4(engine=ScriptedEngine(script), n_ctx=n_ctx)
    with pytest.raises(ContextOverflowError):
        llm.invoke([HumanMessage("word " * n_ctx)])
    count = llm.get_num_tokens_from_messages
    middleware = SummarizationMiddleware(llm, trigger=("fraction", 0.3), keep=("messages", 1), token_counter=count)
    history = [message for n in range(12) for message in (HumanMessage(f"word{n} " * 43), AIMessage("Yes."))]
    state = create_agent(llm, [], middleware=[middleware]).invoke({"messages": [*history, HumanMessage("Say yes.")]})
    assert state["messages"][-1].text == "Yes."
    assert len(state["messages"]) < 6
    assert "A summary." in seen[-1]
    assert ("word6" in seen[0]) == (n_ctx == 3000)


def test_old_results_are_cleared_by_the_models_own_count():
    counted = []
    llm = scripted(calls("Oslo"), calls("Rome"), "Sunny.")
    count = llm.get_num_tokens_from_messages

    def counting(*args, **kwargs):
        counted.append(count(*args, **kwargs))
        return counted[-1]

    object.__setattr__(llm, "get_num_tokens_from_messages", counting)
    edit = ClearToolUsesEdit(trigger=10, keep=1, placeholder="[gone]")
    middleware = ContextEditingMiddleware(edits=[edit], token_count_method="model")
    create_agent(llm, [get_weather], middleware=[middleware]).invoke(ask())
    assert counted
    assert "[gone]" in llm.engine.requests[-1].text
    assert "sunny in Rome" in llm.engine.requests[-1].text


def test_what_is_not_worth_a_retry_is_not_tried_again():
    tries = []

    def script(record):
        tries.append(1)
        return Scripted("x", fault=MemoryError("no room"))

    middleware = ModelRetryMiddleware(max_retries=3, retry_on=lambda error: getattr(error, "is_retryable", False))
    with pytest.raises(MemoryError):
        create_agent(ChatDS4(engine=ScriptedEngine(script)), [], middleware=[middleware]).invoke(ask())
    assert len(tries) == 1


def test_graph_streams_tokens_and_results():
    llm = scripted(calls("Oslo"), "It is sunny in Oslo today.")
    pieces = list(create_agent(llm, [get_weather]).stream(ask(), stream_mode="messages"))
    chunks = [message for message, _ in pieces if isinstance(message, AIMessageChunk)]
    assert "".join(chunk.text for chunk in chunks) == "It is sunny in Oslo today."
    assert sum(bool(chunk.text) for chunk in chunks) > 3
    assert sum(bool(chunk.tool_call_chunks) for chunk in chunks) >= 3
    assert any(isinstance(message, ToolMessage) for message, _ in pieces)


@pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
def test_graph_streams_the_protocol():
    llm = scripted(calls("Oslo", thoughts="Hm.</think>"), "So.</think>It is sunny.", thinking=True)
    run = create_agent(llm, [get_weather]).stream_events(ask(), version="v3")
    outputs = [message.output for message in run.messages]
    assert [[block["type"] for block in output.content] for output in outputs] == [
        ["reasoning", "tool_call"],
        ["reasoning", "text"],
    ]
    assert [output.usage_metadata["output_tokens"] > 5 for output in outputs] == [True, True]
    assert kinds(run.output) == ["human", "ai", "tool", "ai"]


async def test_graph_streams_awaited_with_real_inference():
    agent = create_agent(ChatDS4(temperature=0, max_tokens=60), [])
    chunks = [m async for m, _ in agent.astream(ask("What is the capital of France?"), stream_mode="messages")]
    assert "Paris" in "".join(chunk.text for chunk in chunks)
    assert len(chunks) > 3


async def test_events_of_an_agent_hold_the_models_pieces():
    llm = scripted(calls("Oslo"), "It is sunny.")
    events = [event async for event in create_agent(llm, [get_weather]).astream_events(ask(), version="v2")]
    pieces = [event["data"]["chunk"].text for event in events if event["event"] == "on_chat_model_stream"]
    assert "".join(pieces) == "It is sunny."


def test_conversation_goes_on_from_a_checkpoint_and_from_what_was_computed():
    llm = ChatDS4(temperature=0, max_tokens=40)
    agent = create_agent(llm, [], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    agent.invoke(ask("My name is Bartholomew."), config)
    state = agent.invoke(ask("What is my name?"), config)
    assert "Bartholomew" in state["messages"][-1].text
    assert state["messages"][-1].usage_metadata["input_token_details"]["cache_read"] > 10


def test_registered_name_gives_the_model():
    from langchain.chat_models import base

    known = dict(base._BUILTIN_PROVIDERS)
    try:
        register()
        register()
        llm = init_chat_model("ds4:ds4-tiny", temperature=0, max_tokens=30)
        assert isinstance(llm, ChatDS4)
        assert llm.invoke("What is the capital of France?").text == "The capital of France is Paris."
        configurable = init_chat_model(configurable_fields=("model",), model_provider="ds4", max_tokens=5)
        assert (
            configurable.invoke("Hi", {"configurable": {"model": "ds4-tiny"}}).response_metadata["model_name"]
            == "ds4-tiny"
        )
    finally:
        base._BUILTIN_PROVIDERS.clear()
        base._BUILTIN_PROVIDERS.update(known)
        base._get_chat_model_creator.cache_clear()
