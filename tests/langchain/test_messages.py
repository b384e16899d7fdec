"""LangChain's messages to ours and events to chunks: what is understood, and what is refused by name and number."""

import pytest
from langchain_core.messages import AIMessage, ChatMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from ds4_core import InvalidRequestError, UnsupportedError
from ds4_core.chat import ChatResult, Finish, Message, ReasoningDelta, TextDelta, Timings, Usage
from langchain_ds4._messages import chunk_from_event, from_result, to_core

FINISH = Finish("length", Usage(5, 2, 4, 3), Timings(0.5, 1.5, 3), stop=None, seed=9)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HumanMessage("hi", name="Ann"), Message("user", "hi")),
        (SystemMessage("be kind"), Message("system", "be kind")),
        (SystemMessage("x", additional_kwargs={"__openai_role__": "developer"}), Message("developer", "x")),
        (AIMessage("yes"), Message("assistant", "yes")),
        (ChatMessage(role="developer", content="x"), Message("developer", "x")),
        (ChatMessage(role="human", content="x"), Message("user", "x")),
        (HumanMessage(["a", {"type": "text", "text": "b"}]), Message("user", "ab")),
        (
            AIMessage("yes", additional_kwargs={"reasoning_content": "because"}),
            Message("assistant", "yes", reasoning="because"),
        ),
        (
            AIMessage([{"type": "reasoning", "reasoning": "because"}, {"type": "text", "text": "yes"}]),
            Message("assistant", "yes", reasoning="because"),
        ),
        (
            AIMessage([{"type": "thinking", "thinking": "because", "signature": "s"}, {"type": "text", "text": "yes"}]),
            Message("assistant", "yes", reasoning="because"),
        ),
    ],
)
def test_message_is_understood(message, expected):
    assert to_core([message]) == (expected,)


@pytest.mark.parametrize(
    "message",
    [
        ToolMessage("3", tool_call_id="k"),
        FunctionMessage("3", name="add"),
        AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "k"}]),
        AIMessage([{"type": "tool_use", "id": "k", "name": "add", "input": {}}]),
    ],
)
def test_tool_message_is_refused_with_its_number(message):
    with pytest.raises(UnsupportedError, match=r"messages\[1\]"):
        to_core([HumanMessage("x"), message])


@pytest.mark.parametrize("kind", ["image", "image_url", "input_image", "audio", "input_audio", "video", "file"])
def test_content_that_is_no_text_is_refused_by_type_and_number(kind):
    with pytest.raises(InvalidRequestError, match=rf"messages\[1\].*'{kind}'"):
        to_core([HumanMessage("x"), HumanMessage([{"type": "text", "text": "see"}, {"type": kind, "data": "AAAA"}])])


def test_unknown_role_is_refused():
    with pytest.raises(InvalidRequestError, match="wizard"):
        to_core([ChatMessage(role="wizard", content="x")])


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([{"type": "reasoning", "reasoning": 5}]),
        AIMessage([{"type": "thinking", "thinking": ["x"]}]),
        AIMessage("x", additional_kwargs={"reasoning_content": 5}),
    ],
)
def test_thinking_that_is_no_text_is_refused(message):
    with pytest.raises(InvalidRequestError, match=r"messages\[0\].*str"):
        to_core([message])


def test_messages_are_left_as_they_were():
    message = AIMessage([{"type": "text", "text": "a"}], additional_kwargs={"reasoning_content": "r"})
    before = message.model_copy(deep=True)
    to_core([message])
    assert message == before


def test_thinking_never_enters_the_content():
    message = from_result(ChatResult("yes", "because", FINISH), "m")
    assert message.content == "yes"
    assert message.additional_kwargs == {"reasoning_content": "because"}
    assert message.usage_metadata["output_token_details"] == {"reasoning": 3}
    assert message.usage_metadata["input_token_details"] == {"cache_read": 2}


def test_chunks_add_up_to_the_whole_message():
    events = [ReasoningDelta("be"), ReasoningDelta("cause"), TextDelta("y"), TextDelta("es"), FINISH]
    chunks = [chunk_from_event(event, "m").message for event in events]
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    whole = from_result(ChatResult("yes", "because", FINISH), "m")
    assert total.content == whole.content
    assert total.additional_kwargs == whole.additional_kwargs
    assert total.response_metadata == whole.response_metadata
    assert total.usage_metadata == whole.usage_metadata
    assert [block["type"] for block in total.content_blocks] == ["reasoning", "text"]
