"""LlamaIndex's messages to ours and events to responses: what is understood, and what is refused by name and number."""

import copy
import pickle
from dataclasses import replace

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    ChatResponse,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms.llm import ToolSelection
from pydantic import BaseModel

from ds4_core import InvalidRequestError
from ds4_core.chat import (
    Finish,
    Message,
    ReasoningDelta,
    TextDelta,
    Timings,
    ToolCall,
    ToolCallArgumentsDelta,
    ToolCallEnd,
    ToolCallStart,
    Usage,
)
from llama_index_ds4._messages import Fold, to_core, tool_selections

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


CALL = ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs={"a": 1})


FUNCTION = {"name": "add", "arguments": '{"a": 1}'}


class ClientCall(BaseModel):
    """A call as clients of services hold it."""

    id: str = "call_1"
    function: dict = FUNCTION
    type: str = "function"


@pytest.mark.parametrize(
    "calls",
    [
        [CALL],
        {"id": "call_1", "type": "function", "function": FUNCTION},
        {"id": "call_1", "function": {"name": "add", "arguments": {"a": 1}}},
        ClientCall(),
        ToolSelection(tool_id="call_1", tool_name="add", tool_kwargs={"a": 1}),
    ],
    ids=lambda calls: type(calls).__name__,
)
def test_calls_are_understood_in_every_form(calls):
    blocks = [TextBlock(text="I add."), *(calls if isinstance(calls, list) else [])]
    # Beside blocks the older form is not read.
    extra = {"tool_calls": [{"id": "other", "function": {"name": "x"}} if isinstance(calls, list) else calls]}
    message = ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks, additional_kwargs=extra)
    before = message.model_copy(deep=True)
    assert to_core([message]) == (Message("assistant", "I add.", tool_calls=(ToolCall("add", '{"a": 1}', "call_1"),)),)
    assert message == before


@pytest.mark.parametrize("role", [MessageRole.TOOL, MessageRole.FUNCTION])
def test_result_of_a_tool_answers_its_call(role):
    message = ChatMessage(role=role, content="3", additional_kwargs={"tool_call_id": "call_1"})
    assert to_core([message]) == (Message("tool", "3", tool_call_id="call_1"),)
    assert to_core([ChatMessage(role=role, content="3")]) == (Message("tool", "3"),)


def test_result_that_was_returned_directly_is_an_answer():
    message = ChatMessage(role=MessageRole.ASSISTANT, content="3", additional_kwargs={"tool_call_id": "call_1"})
    assert to_core([message]) == (Message("assistant", "3"),)


def test_call_that_was_cut_off_is_shown_as_it_is():
    block = ToolCallBlock(tool_call_id="call_1", tool_name="add", tool_kwargs='{"a": 1')
    (message,) = to_core([ChatMessage(role=MessageRole.ASSISTANT, blocks=[block])])
    assert message.tool_calls == (ToolCall("add", '{"a": 1', "call_1"),)


@pytest.mark.parametrize(
    "message",
    [
        ChatMessage(role=MessageRole.USER, blocks=[CALL]),
        ChatMessage(role=MessageRole.TOOL, blocks=[CALL]),
        ChatMessage(role=MessageRole.USER, blocks=[ThinkingBlock(content="x")]),
        ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={"tool_calls": ["add"]}),
        ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={"tool_calls": [{"name": "add"}]}),
        ChatMessage(role=MessageRole.ASSISTANT, additional_kwargs={"tool_calls": [{"function": {"name": 5}}]}),
        ChatMessage(role=MessageRole.TOOL, content="3", additional_kwargs={"tool_call_id": 5}),
    ],
)
def test_what_can_not_be_is_refused_with_its_number(message):
    with pytest.raises(InvalidRequestError, match=r"messages\[1\]"):
        to_core([ChatMessage(content="x"), message])


@pytest.mark.parametrize(
    "block",
    [
        ImageBlock(image=b"AA"),
        AudioBlock(audio=b"AA"),
        VideoBlock(video=b"AA"),
        DocumentBlock(data=b"AA"),
        CitationBlock(cited_content=TextBlock(text="x"), source="s", title="t", additional_location_info={}),
    ],
)
@pytest.mark.parametrize("role", [MessageRole.USER, MessageRole.ASSISTANT, MessageRole.TOOL])
def test_block_that_is_no_text_is_refused_by_type_and_number(block, role):
    with pytest.raises(InvalidRequestError, match=rf"messages\[0\].*'{block.block_type}'"):
        to_core([ChatMessage(role=role, blocks=[TextBlock(text="see"), block])])


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


def test_sampled_tokens_go_with_the_message_and_are_no_part_of_what_it_says():
    fold = Fold("m")
    fold.step(TextDelta("yes"))
    message = fold.step(replace(FINISH, raw=(5, 6))).message
    for copied in (message, copy.deepcopy(message), message.model_copy(), pickle.loads(pickle.dumps(message))):
        assert to_core([copied])[0].raw == (5, 6)
    plain = ChatMessage(role=MessageRole.ASSISTANT, content="yes")
    assert message == plain
    assert plain == message
    assert message != ChatMessage(role=MessageRole.ASSISTANT, content="no")
    assert message.additional_kwargs == {}
    assert message.model_dump() == plain.model_dump()
    assert to_core([ChatMessage.model_validate(message.model_dump())])[0].raw is None


def test_call_is_text_until_it_is_complete_and_a_dict_from_then_on():
    fold = Fold("m")
    events = [
        ToolCallStart(0, "call_1", "add"),
        ToolCallArgumentsDelta(0, '{"a": '),
        ToolCallArgumentsDelta(0, "1}"),
        ToolCallEnd(0, complete=True),
        ToolCallStart(1, "call_2", "add"),
        ToolCallArgumentsDelta(1, '{"a": 2}'),
        ToolCallEnd(1, complete=False, error="cut off", raw="<..."),
    ]
    steps = [fold.step(event) for event in events]
    kwargs = [[block.tool_kwargs for block in step.message.blocks[1:]] for step in steps]
    assert kwargs[:4] == [[""], ['{"a": '], ['{"a": 1}'], [{"a": 1}]]
    assert kwargs[-1] == [{"a": 1}, '{"a": 2}']
    last = fold.step(FINISH)
    assert [call.tool_id for call in tool_selections(last)] == ["call_1"]
    (invalid,) = last.additional_kwargs["invalid_tool_calls"]
    assert (invalid["id"], invalid["error"], invalid["raw"]) == ("call_2", "cut off", "<...")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"a": 1}, {"a": 1}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": {"b": 1}', None),
        ('{"a": "x', None),
        ("", None),
        ("[1]", None),
    ],
)
def test_only_whole_arguments_make_a_call(arguments, expected):
    for message in (
        ChatMessage(role="assistant", blocks=[ToolCallBlock(tool_call_id="1", tool_name="f", tool_kwargs=arguments)]),
        ChatMessage(
            role="assistant",
            additional_kwargs={"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]},
        ),
    ):
        selections = tool_selections(ChatResponse(message=message))
        assert [call.tool_kwargs for call in selections] == ([] if expected is None else [expected])
