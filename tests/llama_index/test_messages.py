"""LlamaIndex's messages to ours and events to responses: what is understood, and what is refused by name and number."""

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from ds4_core import InvalidRequestError, UnsupportedError
from ds4_core.chat import Finish, Message, ReasoningDelta, TextDelta, Timings, Usage
from llama_index_ds4._messages import Fold, to_core

FINISH = Finish("length", Usage(5, 2, 4, 3), Timings(0.5, 1.5, 3), stop=None, seed=9)


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (MessageRole.SYSTEM, "system"),
        (MessageRole.DEVELOPER, "system"),
        (MessageRole.USER, "user"),
        (MessageRole.ASSISTANT, "assistant"),
        (MessageRole.CHATBOT, "assistant"),
        (MessageRole.MODEL, "assistant"),
    ],
)
def test_role_is_understood(role, expected):
    assert to_core([ChatMessage(role=role, content="x")]) == (Message(expected, "x"),)


def test_thinking_and_text_blocks_are_kept_apart():
    blocks = [ThinkingBlock(content="because"), TextBlock(text="a"), TextBlock(text="b")]
    message = ChatMessage(
        role=MessageRole.ASSISTANT, blocks=[*blocks, CachePoint(cache_control=CacheControl(type="x"))]
    )
    before = message.model_copy(deep=True)
    assert to_core([message]) == (Message("assistant", message.content, reasoning="because"),)
    assert message == before


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role=MessageRole.TOOL, content="3"),
        ChatMessage(role=MessageRole.FUNCTION, content="3"),
        ChatMessage(role=MessageRole.ASSISTANT, blocks=[ToolCallBlock(tool_name="add", tool_kwargs={})]),
        ChatMessage(role=MessageRole.ASSISTANT, content="", additional_kwargs={"tool_calls": [{}]}),
    ],
)
def test_tool_message_is_refused_with_its_number(message):
    with pytest.raises(UnsupportedError, match=r"messages\[1\]"):
        to_core([ChatMessage(content="x"), message])


@pytest.mark.parametrize("block", [ImageBlock(image=b"AA"), AudioBlock(audio=b"AA"), DocumentBlock(data=b"AA")])
def test_block_that_is_no_text_is_refused_by_type_and_number(block):
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\].*'{block.block_type}'"):
        to_core([ChatMessage(role=MessageRole.USER, blocks=[TextBlock(text="see"), block])])


def test_thinking_comes_as_its_own_block_and_delta():
    fold = Fold("m")
    responses = [
        fold.step(event) for event in (ReasoningDelta("be"), ReasoningDelta("cause"), TextDelta("yes"), FINISH)
    ]
    assert [response.delta for response in responses] == ["", "", "yes", ""]
    assert [response.additional_kwargs.get("thinking_delta") for response in responses] == ["be", "cause", None, None]
    last = responses[-1].message
    assert [type(block) for block in last.blocks] == [ThinkingBlock, TextBlock]
    assert (last.blocks[0].content, last.blocks[0].num_tokens, last.content) == ("because", 3, "yes")
    assert responses[0].message.blocks[0].content == "be"


def test_last_response_carries_the_figures():
    fold = Fold("m")
    raw = fold.step(FINISH).raw
    assert raw["usage"] == {
        "prompt_tokens": 5,
        "completion_tokens": 4,
        "total_tokens": 9,
        "cache_read": 2,
        "reasoning_tokens": 3,
    }
    assert (raw["model"], raw["finish_reason"], raw["seed"]) == ("m", "length", 9)
