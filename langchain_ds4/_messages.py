"""LangChain messages in, chat results and events out: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.outputs import ChatGenerationChunk

from ds4_core.chat import ChatResult, Event, Finish, Message, ReasoningDelta, Role, TextDelta, Usage
from ds4_core.errors import InternalError, InvalidRequestError, UnsupportedError

PROVIDER = "ds4"

_CHAT_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "developer",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "ai": "assistant",
}


def to_core(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """LangChain's messages as ds4_core's.

    Raises:
        UnsupportedError: Tool calls or tool results.
        InvalidRequestError: A role or a content block that has no counterpart; the message's number is named.
    """
    return tuple(_message(message, index) for index, message in enumerate(messages))


def _message(message: BaseMessage, index: int) -> Message:
    text, reasoning = _content(message.content, index)
    role = _role(message, index)
    if role != "assistant":
        return Message(role, text)
    given = message.additional_kwargs.get("reasoning_content")
    if given is not None and not isinstance(given, str):
        raise InvalidRequestError(f"messages[{index}] has the reasoning_content {given!r:.80}: it must be a str")
    return Message(role, text, reasoning=reasoning if given is None else given)


def _role(message: BaseMessage, index: int) -> Role:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, SystemMessage):
        return "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
    if isinstance(message, AIMessage):
        if message.tool_calls or message.invalid_tool_calls or message.additional_kwargs.get("tool_calls"):
            raise UnsupportedError(f"messages[{index}] holds tool calls, which are not supported yet")
        return "assistant"
    if isinstance(message, ToolMessage | FunctionMessage):
        raise UnsupportedError(f"messages[{index}] is a tool result, which is not supported yet")
    if isinstance(message, ChatMessage) and message.role in _CHAT_ROLES:
        return _CHAT_ROLES[message.role]
    described = f"role {message.role!r}" if isinstance(message, ChatMessage) else f"type {message.type!r}"
    raise InvalidRequestError(f"messages[{index}] has the {described}, which the model's encoding does not know")


def _content(content: str | list[Any], index: int) -> tuple[str, str]:
    """(text, thinking) of a message's content. Text blocks are joined without anything between them."""
    if isinstance(content, str):
        return content, ""
    text: list[str] = []
    reasoning: list[str] = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if isinstance(block, str):
            text.append(block)
        elif kind in ("text", "text-plain") and isinstance(block.get("text"), str):
            text.append(block["text"])
        elif kind in ("reasoning", "thinking"):
            thought = block.get(kind)
            if thought is not None and not isinstance(thought, str):
                raise InvalidRequestError(f"messages[{index}] has a {kind!r} block with {thought!r:.80}, not a str")
            reasoning.append(thought or "")
        elif kind in ("tool_call", "tool_use", "invalid_tool_call", "tool_call_chunk"):
            raise UnsupportedError(f"messages[{index}] holds a {kind!r} block: tool calls are not supported yet")
        else:
            what = (
                f"content block of type {kind!r}" if isinstance(block, dict) else f"{type(block).__name__} as content"
            )
            raise InvalidRequestError(f"messages[{index}] holds a {what}; DeepSeek V4 reads text only")
    return "".join(text), "".join(reasoning)


def from_result(result: ChatResult, model_name: str) -> AIMessage:
    """A whole generation as one message."""
    return AIMessage(
        content=result.text,
        additional_kwargs={"reasoning_content": result.reasoning} if result.reasoning else {},
        response_metadata={"model_provider": PROVIDER, **_finish_metadata(result.finish, model_name)},
        usage_metadata=usage_metadata(result.finish.usage),
    )


def chunk_from_event(event: Event, model_name: str) -> ChatGenerationChunk:
    """One event as one chunk.

    Chunks are added up by LangChain: strings concatenate, numbers add, floats raise. So everything but the provider,
    which is exempt, is on the last chunk only.
    """
    if isinstance(event, Finish):
        message = AIMessageChunk(
            content="",
            response_metadata={"model_provider": PROVIDER, **_finish_metadata(event, model_name)},
            usage_metadata=usage_metadata(event.usage),
            chunk_position="last",
        )
        return ChatGenerationChunk(message=message)
    if isinstance(event, ReasoningDelta):
        thought = {"reasoning_content": event.text}
        message = AIMessageChunk(content="", additional_kwargs=thought, response_metadata={"model_provider": PROVIDER})
        return ChatGenerationChunk(message=message)
    if not isinstance(event, TextDelta):
        raise InternalError(f"{type(event).__name__} came for a request without tools")
    message = AIMessageChunk(content=event.text, response_metadata={"model_provider": PROVIDER})
    return ChatGenerationChunk(message=message)


def _finish_metadata(finish: Finish, model_name: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "model_name": model_name,
        "finish_reason": finish.reason,
        "token_usage": token_usage(finish.usage),
        "seed": finish.seed,
        "timings": {
            "prefill_s": finish.timings.prefill_s,
            "decode_s": finish.timings.decode_s,
            "decode_tokens_per_s": finish.timings.decode_tokens_per_s,
        },
    }
    if finish.stop is not None:
        metadata["stop_sequence"] = finish.stop
    return metadata


def token_usage(usage: Usage) -> dict[str, int]:
    """Token counts in the form of LangChain's `llm_output`, which `invoke` copies into the message's metadata."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def usage_metadata(usage: Usage) -> UsageMetadata:
    """Token counts in LangChain's form."""
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=InputTokenDetails(cache_read=usage.cached_tokens),
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
    )
