"""LangChain's messages to ours: what is understood, and what is refused by name and number."""

import pytest
from langchain_core.messages import AIMessage, ChatMessage, FunctionMessage, HumanMessage, SystemMessage, ToolMessage

from ds4_core import InvalidRequestError
from ds4_core.chat import Message, ToolCall
from langchain_ds4._messages import to_core


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
