"""LangChain's messages to ours: what is understood, and what is refused by name and number."""

import json
import socket

import pytest
import pytest_socket
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, ChatMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.utils import message_chunk_to_message

from ds4_core import InvalidRequestError
from ds4_core.chat import (
    ChatResult,
    Finish,
    GeneratedToolCall,
    Message,
    ReasoningDelta,
    TextDelta,
    Timings,
    ToolCall,
    ToolCallArgumentsDelta,
    ToolCallEnd,
    ToolCallStart,
    Usage,
    agrees,
)
from langchain_ds4._messages import Chunks, from_result, to_core


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (HumanMessage("hi", name="Ann"), Message("user", "hi")),
        (SystemMessage("be kind"), Message("system", "be kind")),
        (SystemMessage("x", additional_kwargs={"__openai_role__": "developer"}), Message("developer", "x")),
        (AIMessage("yes"), Message("assistant", "yes")),
        (ChatMessage(role="developer", content="x"), Message("developer", "x")),
        (ChatMessage(role="human", content="x"), Message("user", "x")),
        (ChatMessage(role="latest_reminder", content="x"), Message("latest_reminder", "x")),
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
        (ToolMessage("3", tool_call_id="k"), Message("tool", "3", tool_call_id="k")),
        (ToolMessage([{"type": "text", "text": "3"}], tool_call_id="k"), Message("tool", "3", tool_call_id="k")),
        (ToolMessage("no", tool_call_id="k", status="error"), Message("tool", "Error: no", tool_call_id="k")),
        (ToolMessage("Error: no", tool_call_id="k", status="error"), Message("tool", "Error: no", tool_call_id="k")),
        (FunctionMessage("3", name="add"), Message("tool", "3")),
        (
            AIMessage("", tool_calls=[{"name": "add", "args": {"a": "ü"}, "id": "k"}]),
            Message("assistant", "", tool_calls=(ToolCall("add", '{"a": "ü"}', "k"),)),
        ),
        (
            AIMessage([{"type": "tool_use", "id": "k", "name": "add", "input": {"a": 1}}]),
            Message("assistant", "", tool_calls=(ToolCall("add", '{"a": 1}', "k"),)),
        ),
        (
            AIMessage(
                [{"type": "text", "text": "Hm."}, {"type": "tool_use", "id": "k", "name": "add", "input": {"a": 1}}],
                tool_calls=[{"name": "add", "args": {"a": 1}, "id": "k"}],
            ),
            Message("assistant", "Hm.", tool_calls=(ToolCall("add", '{"a": 1}', "k"),)),
        ),
        (
            AIMessage(content_blocks=[{"type": "tool_call", "id": "k", "name": "add", "args": {"a": 1}}]),
            Message("assistant", "", tool_calls=(ToolCall("add", '{"a": 1}', "k"),)),
        ),
        (
            AIMessage("", invalid_tool_calls=[{"name": None, "args": '{"a', "id": "k", "error": "cut"}]),
            Message("assistant", "", tool_calls=(ToolCall("", '{"a', "k"),)),
        ),
        (
            AIMessage(
                "",
                additional_kwargs={
                    "tool_calls": [
                        {"id": "k", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
                    ]
                },
            ),
            Message("assistant", "", tool_calls=(ToolCall("add", '{"a": 1}', "k"),)),
        ),
    ],
)
def test_message_is_understood(message, expected):
    assert to_core([message]) == (expected,)


def test_results_in_a_message_of_the_user_come_before_its_text():
    message = HumanMessage(
        [
            {"type": "tool_result", "tool_use_id": "k", "content": [{"type": "text", "text": "3"}], "is_error": False},
            {"type": "text", "text": "And now?"},
        ]
    )
    assert to_core([message]) == (Message("tool", "3", tool_call_id="k"), Message("user", "And now?"))
    assert to_core([HumanMessage(message.content[:1])]) == (Message("tool", "3", tool_call_id="k"),)
    failed = {"type": "tool_result", "tool_use_id": "k", "content": "no", "is_error": True}
    assert to_core([HumanMessage([failed])]) == (Message("tool", "Error: no", tool_call_id="k"),)
    for other in (AIMessage([failed]), SystemMessage([failed]), ToolMessage([failed], tool_call_id="k")):
        with pytest.raises(InvalidRequestError, match="only a HumanMessage"):
            to_core([other])


@pytest.mark.parametrize("kind", ["image", "image_url", "input_image", "audio", "input_audio", "video", "file"])
def test_content_that_is_no_text_is_refused_by_type_and_number(kind):
    with pytest.raises(InvalidRequestError, match=rf"messages\[1\].*'{kind}'"):
        to_core([HumanMessage("x"), HumanMessage([{"type": "text", "text": "see"}, {"type": kind, "data": "AAAA"}])])
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\].*'{kind}'"):
        to_core([ToolMessage([{"type": kind, "data": "AAAA"}], tool_call_id="k")])


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


@pytest.mark.parametrize("message", [HumanMessage, SystemMessage])
def test_only_the_models_own_messages_have_thinking_and_calls(message):
    for block in ({"type": "thinking", "thinking": "x"}, {"type": "tool_call", "name": "x", "args": {}, "id": "k"}):
        with pytest.raises(InvalidRequestError, match=r"messages\[0\].*AIMessage"):
            to_core([message([block])])


def test_sampled_tokens_go_with_the_message():
    (message,) = to_core([AIMessage("x", additional_kwargs={"ds4": {"raw": [1, 2]}})])
    assert message.raw == (1, 2)
    with pytest.raises(InvalidRequestError, match=r"messages\[0\].*raw"):
        to_core([AIMessage("x", additional_kwargs={"ds4": {"raw": ["1"]}})])


TEXTS = st.text(max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
CALLS = st.builds(
    GeneratedToolCall,
    id=st.uuids().map(str),
    name=st.text("abc_", min_size=1, max_size=8),
    arguments=st.dictionaries(TEXTS, VALUES, max_size=3).map(lambda value: json.dumps(value, ensure_ascii=False)),
)
RESULTS = st.builds(
    ChatResult,
    text=TEXTS,
    reasoning=TEXTS,
    finish=st.just(Finish("stop", Usage(5, 2, 4, 3), Timings(0.5, 1.5, 3), seed=9, raw=(4, 5, 6))),
    tool_calls=st.lists(CALLS, max_size=3).map(tuple),
)


def events_of(result):
    """A stream that adds up to a result, a few characters at a time."""
    for kind, text in ((ReasoningDelta, result.reasoning), (TextDelta, result.text)):
        yield from (kind(text[at : at + 3]) for at in range(0, len(text), 3))
    for index, call in enumerate(result.tool_calls):
        yield ToolCallStart(index, call.id, call.name)
        yield from (
            ToolCallArgumentsDelta(index, call.arguments[at : at + 5]) for at in range(0, len(call.arguments), 5)
        )
        yield ToolCallEnd(index, complete=True)
    yield result.finish


@settings(max_examples=60, deadline=None)
@given(RESULTS)
def test_what_the_model_said_comes_back_as_it_was_said(result):
    chunks = Chunks("m")
    made = [chunk.message for event in events_of(result) for chunk in chunks.take(event)]
    total = made[0]
    for chunk in made[1:]:
        total = total + chunk
    said = Message(
        "assistant",
        result.text,
        result.reasoning,
        tuple(ToolCall(call.name, call.arguments, call.id) for call in result.tool_calls),
    )
    whole = from_result(result, "m")
    blocks = AIMessage(content=whole.content_blocks, tool_calls=whole.tool_calls)
    for message in (whole, message_chunk_to_message(total), AIMessage(**json.loads(whole.model_dump_json())), blocks):
        (back,) = to_core([message])
        assert agrees(back, said)
        assert [call.id for call in back.tool_calls] == [call.id for call in said.tool_calls]
        assert back.raw == (None if message is blocks else (4, 5, 6))


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_network_is_closed_to_these_tests():
    with pytest.raises(pytest_socket.SocketBlockedError):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)
