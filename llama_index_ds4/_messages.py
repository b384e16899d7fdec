"""LlamaIndex messages in, chat and completion responses out: pure functions and the fold that streams share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    LogProb,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.llms.llm import ToolSelection

from ds4_core import chat
from ds4_core.chat import GeneratedToolCall, Message, Role, ToolCall
from ds4_core.chat.events import Turn
from ds4_core.chat.messages import convert_each
from ds4_core.chat.openai_compat import scored
from ds4_core.errors import InvalidRequestError

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

# Other roles have the same name.
_ROLES = {"developer": "system", "chatbot": "assistant", "model": "assistant", "function": "tool"}


class SampledMessage(ChatMessage):
    """An answer that remembers the tokens it was sampled as, so that a later prompt can begin with the very same ones.

    They are no part of what is compared, counted, printed or written as JSON; a message that was read back from there
    is encoded anew.
    """

    _tokens: tuple[int, ...] | None = PrivateAttr(default=None)

    def __eq__(self, other: object) -> bool:
        """As messages compare: by what they say."""
        if not isinstance(other, ChatMessage):
            return NotImplemented
        return (self.role, self.blocks, self.additional_kwargs) == (other.role, other.blocks, other.additional_kwargs)

    __hash__ = None  # type: ignore[assignment] # as messages


# ------------------------------------------------------------------------------------------------------- messages in


def to_core(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """LlamaIndex's messages as ds4_core's. The given ones are not touched.

    Raises:
        InvalidRequestError: A content block that is no text, or a call where there can be none; the message's number is
            named.
    """
    return tuple(convert_each("messages", messages, _message))


def _message(message: ChatMessage) -> Message:
    role = cast("Role", _ROLES.get(message.role.value, message.role.value))
    text: list[str] = []
    thinking: list[str] = []
    calls: list[ToolCall] = []
    for block in message.blocks:
        if isinstance(block, TextBlock):
            text.append(block.text)
        elif isinstance(block, ThinkingBlock) and role == "assistant":
            thinking.append(block.content or "")
        elif isinstance(block, ToolCallBlock) and role == "assistant":
            calls.append(_call(block.tool_call_id, block.tool_name, block.tool_kwargs))
        elif isinstance(block, ThinkingBlock | ToolCallBlock):
            raise InvalidRequestError(
                f"the role {role!r} has a block of type {block.block_type!r}, which only answers have"
            )
        elif not isinstance(block, CachePoint):
            raise InvalidRequestError(f"a block of type {block.block_type!r}: DeepSeek V4 reads text only")
    extra = message.additional_kwargs
    return Message(
        role,
        "\n".join(text),  # LlamaIndex shows several text blocks of a message as lines, so that is how they are read
        reasoning="".join(thinking),
        tool_calls=tuple(calls or (_legacy_call(call) for call in extra.get("tool_calls") or ())),
        tool_call_id=extra.get("tool_call_id") or "" if role == "tool" else "",
        raw=message._tokens if isinstance(message, SampledMessage) else None,
    )


def _call(call_id: Any, name: Any, arguments: Any) -> ToolCall:
    return chat.as_tool_call({"id": call_id, "function": {"name": name, "arguments": arguments}})


def _legacy_call(call: Any) -> ToolCall:
    """A call of the form that was used before there were blocks: OpenAI's dicts or objects, or a ToolSelection."""
    values = call.model_dump() if hasattr(call, "model_dump") else call
    if isinstance(values, Mapping) and "tool_name" in values:
        return _call(values.get("tool_id"), values["tool_name"], values.get("tool_kwargs"))
    function = values.get("function") if isinstance(values, Mapping) else None
    if not isinstance(function, Mapping):
        raise InvalidRequestError(f"the tool call {call!r:.80}: it must be a dict with id and function")
    return _call(values.get("id"), function.get("name"), function.get("arguments"))


# ------------------------------------------------------------------------------------------------------ responses out


class Fold:
    """Turns the events of one generation into responses, each holding everything so far and the newest piece.

    One step function serves the synchronous and the asynchronous streams, of chats and of completions.
    """

    def __init__(self, model_name: str, *, logprobs: bool = False) -> None:
        """Begins empty; responses carry log-probabilities when asked to."""
        self._model_name = model_name
        self._logprobs = logprobs
        self._total = chat.Accumulator()

    def step(self, event: chat.Event) -> ChatResponse:
        """The response of a stream for one event: fresh blocks, everything so far, and what is new."""
        self._total.add(event)
        response = self._response(self._total.turn(), event.tokens, event if isinstance(event, chat.Finish) else None)
        response.delta = event.text if isinstance(event, chat.TextDelta) else ""
        if isinstance(event, chat.ReasoningDelta):
            response.additional_kwargs["thinking_delta"] = event.text
        return response

    def whole(self, result: chat.ChatResult) -> ChatResponse:
        """The response of a whole generation."""
        return self._response(result, result.tokens, result.finish)

    def _response(
        self, turn: Turn | chat.ChatResult, tokens: Sequence[chat.TokenLogprob], finish: chat.Finish | None
    ) -> ChatResponse:
        blocks: list[ContentBlock] = [TextBlock(text=turn.text), *map(_call_block, turn.tool_calls)]
        if turn.reasoning:
            n_tokens = finish.usage.reasoning_tokens if finish else None
            blocks.insert(0, ThinkingBlock(content=turn.reasoning, num_tokens=n_tokens))
        message = SampledMessage(role=MessageRole.ASSISTANT, blocks=blocks)
        logprobs = [_logprobs(token) for token in tokens] if self._logprobs else None
        response = ChatResponse(message=message, logprobs=logprobs)
        if finish is not None:
            message._tokens = finish.raw
            response.raw = self._raw(finish)
            response.additional_kwargs.update(finish.usage.counts)
            if invalid := [asdict(call) for call in turn.tool_calls if not call.complete]:
                response.additional_kwargs["invalid_tool_calls"] = invalid
        return response

    def _raw(self, finish: chat.Finish) -> dict[str, Any]:
        usage = finish.usage
        return {
            "model": self._model_name,
            "finish_reason": finish.reason,
            "stop_sequence": finish.stop,
            "seed": finish.seed,
            "usage": {**usage.counts, "cache_read": usage.cached_tokens, "reasoning_tokens": usage.reasoning_tokens},
            "timings": finish.timings.figures,
        }


def _call_block(call: GeneratedToolCall) -> ToolCallBlock:
    """A fresh block of a call, whose arguments are text as long as it is not complete."""
    arguments = json.loads(call.arguments) if call.complete else call.arguments
    return ToolCallBlock(tool_call_id=call.id, tool_name=call.name, tool_kwargs=arguments)


def _logprobs(token: chat.TokenLogprob) -> list[LogProb]:
    """The token that was drawn, then the others that were likely."""
    others = [scored(one) for one in token.top if one.token != token.token]
    return [LogProb(**one) for one in (scored(token), *others)]


def as_chat(response: ChatResponse) -> ChatResponse:
    """The response as it is: what a stream of chat responses is made of."""
    return response


def as_completion(response: ChatResponse) -> CompletionResponse:
    """A chat response as a completion: the text, with thinking and calls beside it."""
    extra = dict(response.additional_kwargs)
    for block in response.message.blocks:
        if isinstance(block, ThinkingBlock):
            extra["thinking"] = block.content
        elif isinstance(block, ToolCallBlock):
            extra.setdefault("tool_calls", []).append(block.model_dump(exclude={"block_type"}))
    return CompletionResponse(
        text=response.message.content or "",
        additional_kwargs=extra,
        raw=response.raw,
        logprobs=response.logprobs,
        delta=response.delta,
    )


# -------------------------------------------------------------------------------------------------------------- calls


def tool_selections(response: ChatResponse) -> list[ToolSelection]:
    """The complete calls of a response, of its newest form or the older one; a call that is not complete is none."""
    invalid = {call["id"] for call in response.additional_kwargs.get("invalid_tool_calls", ())}
    message = response.message
    calls: list[tuple[Any, str, Any]] = [
        (block.tool_call_id, block.tool_name, block.tool_kwargs)
        for block in message.blocks
        if isinstance(block, ToolCallBlock)
    ]
    if not calls:
        legacy = map(_legacy_call, message.additional_kwargs.get("tool_calls") or ())
        calls = [(call.id, call.name, call.arguments) for call in legacy]
    selections: list[ToolSelection] = []
    for call_id, name, given in calls:
        arguments = _json_object(given)
        if name and arguments is not None and call_id not in invalid:
            selections.append(ToolSelection(tool_id=call_id or "", tool_name=name, tool_kwargs=arguments))
    return selections


def _json_object(given: Any) -> dict[str, Any] | None:
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.endswith("}") else None
        except ValueError:
            return None
    return given if isinstance(given, dict) else None


def without_further_calls(response: ChatResponse) -> ChatResponse:
    """The response with its first tool call alone."""
    message = response.message
    calls = [block for block in message.blocks if isinstance(block, ToolCallBlock)]
    if len(calls) < 2:
        return response
    kept = [block for block in message.blocks if not isinstance(block, ToolCallBlock) or block is calls[0]]
    return response.model_copy(update={"message": message.model_copy(update={"blocks": kept})})


def no_call_reason(response: ChatResponse) -> str:
    """Why a response has no complete tool call."""
    raw = response.raw if isinstance(response.raw, dict) else {}
    invalid = [
        f"; the call of {call['name']!r} is invalid ({call['error']}): {call['raw']!r:.200}"
        for call in response.additional_kwargs.get("invalid_tool_calls", ())
    ]
    return f"it ended with finish_reason={raw.get('finish_reason')!r}{''.join(invalid)}"


def tool_spec(tool: BaseTool) -> dict[str, Any]:
    """A tool as a request takes it, by its own name, so that whoever carries out the call finds it."""
    function = tool.metadata.to_openai_tool(skip_length_check=True)["function"]
    return {"type": "function", "function": {**function, "name": tool.metadata.get_name()}}
