"""The eight ways to ask DS4LLM, as one: what each says, in the same words."""

import asyncio
from dataclasses import dataclass

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

STREAMS = ("stream_chat", "astream_chat", "stream_complete", "astream_complete")
ANSWERS = ("chat", "achat", "complete", "acomplete")
PATHS = (*ANSWERS, *STREAMS)


@dataclass
class Said:
    """What an answer says, whichever way it came."""

    text: str
    thinking: str
    calls: list
    invalid: list
    reason: str
    counts: dict
    logprobs: list | None


def start(llm, path, question, **kwargs):
    """Calls the method of this name with a question."""
    return getattr(llm, path)(question if "complete" in path else [ChatMessage(content=question)], **kwargs)


async def responses(llm, path, question, **kwargs):
    """All responses of a way to ask; one where it does not stream."""
    answer = start(llm, path, question, **kwargs)
    if path.startswith("a"):
        answer = await answer
    if path not in STREAMS:
        return [answer]
    if path.startswith("a"):
        return [response async for response in answer]
    return await asyncio.to_thread(list, answer)


def said(got):
    """What the responses of one answer say; those of a stream are held to what streams promise."""
    last = got[-1]
    if len(got) > 1:
        check_stream(got)
    logprobs = None if last.logprobs is None else [entry for response in got for entry in response.logprobs]
    raw, extra = last.raw, last.additional_kwargs
    if isinstance(last, ChatResponse):
        assert last.message.role == MessageRole.ASSISTANT
        blocks = last.message.blocks
        assert [type(block) for block in blocks] == sorted(
            (type(block) for block in blocks), key=[ThinkingBlock, TextBlock, ToolCallBlock].index
        )
        thoughts = [block for block in blocks if isinstance(block, ThinkingBlock)]
        if thoughts:
            assert thoughts[0].num_tokens == raw["usage"]["reasoning_tokens"] > 0
        thinking = "".join(block.content for block in thoughts)
        (text,) = [block.text for block in blocks if isinstance(block, TextBlock)]
        calls = [block for block in blocks if isinstance(block, ToolCallBlock)]
        calls = [(block.tool_call_id, block.tool_name, block.tool_kwargs) for block in calls]
    else:
        text, thinking = last.text, extra.get("thinking", "")
        calls = [(call["tool_call_id"], call["tool_name"], call["tool_kwargs"]) for call in extra.get("tool_calls", [])]
    assert all(call_id.startswith("call_") for call_id, _, _ in calls)
    assert len({call_id for call_id, _, _ in calls}) == len(calls)
    counts = {name: extra[name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")}
    assert counts == {name: raw["usage"][name] for name in counts}
    return Said(
        text,
        thinking,
        [(name, arguments) for _, name, arguments in calls if isinstance(arguments, dict)],
        [call["error"] for call in extra.get("invalid_tool_calls", [])],
        raw["finish_reason"],
        {**counts, "reasoning_tokens": raw["usage"]["reasoning_tokens"]},
        logprobs and [[(one.token, one.logprob, bytes(one.bytes)) for one in entry] for entry in logprobs],
    )


def check_stream(got):
    """Everything so far in every response, fresh blocks, and what is new in its delta."""
    text = thinking = ""
    seen = set()
    for response in got:
        assert response.delta is not None
        text += response.delta
        thinking += response.additional_kwargs.get("thinking_delta", "")
        if not isinstance(response, ChatResponse):
            assert response.text == text
            continue
        blocks = response.message.blocks
        assert response.message.content == text
        assert [block.text for block in blocks if isinstance(block, TextBlock)] == [text]
        assert "".join(block.content for block in blocks if isinstance(block, ThinkingBlock)) == thinking
        assert seen.isdisjoint(map(id, blocks))
        seen.update(map(id, blocks))
    assert [response.raw is None for response in got] == [True] * (len(got) - 1) + [False]
