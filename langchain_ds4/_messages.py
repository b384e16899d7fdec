"""LangChain messages in, chat results and events out: pure functions, and the fold that makes chunks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, cast

from langchain_core import messages as lc
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call, tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from ds4_core import chat
from ds4_core.chat import Finish, GeneratedToolCall, Message, Role, ToolCall
from ds4_core.chat.messages import ROLES, convert_each, to_json
from ds4_core.chat.openai_compat import logprobs
from ds4_core.errors import InvalidRequestError

PROVIDER = "ds4"
#: Where a message keeps what LangChain has no place for: the sampled tokens, and what is wrong with invalid calls.
SIDE_DATA = "ds4"

_CHAT_ROLES = {**{role: role for role in ROLES if role != "tool"}, "human": "user", "ai": "assistant"}
_CALL_BLOCKS = ("tool_call", "tool_use", "invalid_tool_call", "tool_call_chunk")


# -- in ----------------------------------------------------------------------------------------------------------------


def to_core(messages: Sequence[BaseMessage]) -> tuple[Message, ...]:
    """LangChain's messages as ds4_core's.

    Raises:
        InvalidRequestError: A role or a content block that has no counterpart; the message's number is named.
    """
    return tuple(chain.from_iterable(convert_each("messages", messages, _messages)))


def _messages(message: BaseMessage) -> list[Message]:
    role = _role(message)
    if role == "assistant":
        return [_assistant(message)]
    text, reasoning, calls, results = _content(message.content)
    if reasoning or calls:
        raise InvalidRequestError(
            f"a message of type {message.type!r} has thinking or calls: only an AIMessage has them"
        )
    if results and role != "user":
        raise InvalidRequestError(f"a message of type {message.type!r} has results: only a HumanMessage has them")
    if role == "tool":
        failed = isinstance(message, ToolMessage) and message.status == "error"
        return [_result(text, getattr(message, "tool_call_id", None), failed=failed)]
    # Results inside a message of the user, as Anthropic has them, come before its text.
    return [*results, Message(role, text)] if text or not results else results


def _result(text: str, call_id: Any, *, failed: bool) -> Message:
    if failed and not text.lower().startswith("error"):
        text = f"Error: {text}"  # the encoding has no other place for it
    return Message("tool", text, tool_call_id=str(call_id or ""))


def _role(message: BaseMessage) -> Role:
    if isinstance(message, lc.HumanMessage):
        return "user"
    if isinstance(message, lc.SystemMessage):
        return "developer" if message.additional_kwargs.get("__openai_role__") == "developer" else "system"
    if isinstance(message, AIMessage):
        return "assistant"
    if isinstance(message, ToolMessage | lc.FunctionMessage):
        return "tool"
    if isinstance(message, lc.ChatMessage) and message.role in _CHAT_ROLES:
        return cast("Role", _CHAT_ROLES[message.role])
    described = f"role {message.role!r}" if isinstance(message, lc.ChatMessage) else f"type {message.type!r}"
    raise InvalidRequestError(f"its {described} is not known to the model's encoding")


def _assistant(message: BaseMessage) -> Message:
    text, reasoning, calls, results = _content(message.content)
    if results:
        raise InvalidRequestError("an AIMessage has results of calls: only a HumanMessage or a ToolMessage has them")
    given = message.additional_kwargs.get("reasoning_content")
    if given is not None and not isinstance(given, str):
        raise InvalidRequestError(f"its reasoning_content is {given!r:.80}: it must be a str")
    side = message.additional_kwargs.get(SIDE_DATA)
    side = side if isinstance(side, Mapping) else {}
    if isinstance(message, AIMessage):
        original = {call["id"]: call["args"] for call in side.get("invalid_tool_calls", ())}
        own = [_call(call["name"], to_json(call["args"], "its call"), call["id"]) for call in message.tool_calls]
        bad = message.invalid_tool_calls
        own += [_call(call["name"], original.get(call["id"], call["args"]), call["id"]) for call in bad]
        # Blocks of the content repeat the calls, except in messages made by hand.
        known = {call.id for call in own}
        calls = [*own, *(call for call in calls if call.id not in known)]
    raw = side.get("raw")
    return Message(
        "assistant",
        text,
        reasoning=reasoning if given is None else given,
        tool_calls=tuple(calls),
        raw=None if raw is None else tuple(raw),
    )


def _content(content: str | list[Any]) -> tuple[str, str, list[ToolCall], list[Message]]:
    """(text, thinking, calls, results of calls) of a content. Texts are joined without anything between them."""
    if isinstance(content, str):
        return content, "", [], []
    text: list[str] = []
    reasoning: list[str] = []
    calls: list[ToolCall] = []
    results: list[Message] = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        if isinstance(block, str):
            text.append(block)
        elif kind in ("text", "text-plain") and isinstance(block.get("text"), str):
            text.append(block["text"])
        elif kind in ("reasoning", "thinking"):
            thought = block.get(kind)
            if thought is not None and not isinstance(thought, str):
                raise InvalidRequestError(f"a {kind!r} block has {thought!r:.80}, which must be a str")
            reasoning.append(thought or "")
        elif kind in _CALL_BLOCKS:
            calls.append(_call_of_block(block))
        elif kind == "tool_result":
            said = _content(block.get("content") or "")[0]
            results.append(_result(said, block.get("tool_use_id"), failed=bool(block.get("is_error"))))
        else:
            what = f"a block of type {kind!r}" if isinstance(block, dict) else f"{type(block).__name__} as content"
            raise InvalidRequestError(f"it has {what}; DeepSeek V4 reads text only")
    return "".join(text), "".join(reasoning), calls, results


def _call_of_block(block: Mapping[str, Any]) -> ToolCall:
    arguments = block.get("input" if block["type"] == "tool_use" else "args")
    if not isinstance(arguments, str):
        arguments = to_json(arguments or {}, "a call in its content")
    return _call(block.get("name"), arguments, block.get("id"))


def _call(name: Any, arguments: Any, call_id: Any) -> ToolCall:
    return ToolCall(name or "", arguments or "", call_id or "")


# -- out ---------------------------------------------------------------------------------------------------------------


def from_result(result: chat.ChatResult, model_name: str) -> AIMessage:
    """A whole generation as one message."""
    calls = result.tool_calls
    return AIMessage(
        content=result.text,
        additional_kwargs=additional_kwargs(result),
        tool_calls=[valid_call(call) for call in calls if call.complete],
        invalid_tool_calls=[invalid_call(call) for call in calls if not call.complete],
        response_metadata={"model_provider": PROVIDER, **metadata_of(result.tokens, result.finish, model_name)},
        usage_metadata=usage_metadata(result.finish.usage),
    )


def valid_call(call: GeneratedToolCall) -> lc.ToolCall:
    """A complete call, its arguments parsed."""
    return tool_call(name=call.name, args=json.loads(call.arguments), id=call.id)


def invalid_call(call: GeneratedToolCall) -> lc.InvalidToolCall:
    """A call that is not complete."""
    return invalid_tool_call(name=call.name, args=call.arguments, id=call.id, error=call.error)


def additional_kwargs(result: chat.ChatResult) -> dict[str, Any]:
    """What the message of a result keeps beside its content: the thinking, and what later requests need of it."""
    thinking = {"reasoning_content": result.reasoning} if result.reasoning else {}
    return {**thinking, SIDE_DATA: side_data(result)}


def side_data(result: chat.ChatResult) -> dict[str, Any]:
    """The sampled tokens, from which the next turn goes on, and the calls that are none."""
    data: dict[str, Any] = {"raw": list(result.finish.raw)}
    bad = [
        {"id": call.id, "args": call.arguments, "error": call.error, "raw": call.raw}
        for call in result.tool_calls
        if not call.complete
    ]
    return {**data, "invalid_tool_calls": bad} if bad else data


class Chunks:
    """Makes the chunks of one generation.

    Chunks are added up by LangChain: strings and lists concatenate, numbers add, floats raise. So everything but the
    provider, which is exempt, is on the last chunk only, and the log-probabilities are where their tokens are. A chunk
    has text, thinking or a piece of a call, never two of them.
    """

    def __init__(self, model_name: str) -> None:
        """Begins a generation."""
        self._model_name = model_name
        self._total = chat.Accumulator()

    def take(self, event: chat.Event) -> Iterator[ChatGenerationChunk]:
        """The chunk of an event; none when it changes nothing."""
        self._total.add(event)
        fields = self._fields(event)
        if fields or event.tokens:
            finish = event if isinstance(event, Finish) else None
            metadata = {"model_provider": PROVIDER, **metadata_of(event.tokens, finish, self._model_name)}
            yield ChatGenerationChunk(
                message=AIMessageChunk(**{"content": "", **fields, "response_metadata": metadata})
            )

    def _fields(self, event: chat.Event) -> dict[str, Any]:
        """What the message of a chunk says."""
        if isinstance(event, chat.TextDelta):
            return {"content": event.text}
        if isinstance(event, chat.ReasoningDelta):
            return {"additional_kwargs": {"reasoning_content": event.text}}
        if isinstance(event, chat.ToolCallStart):
            return {"tool_call_chunks": [tool_call_chunk(name=event.name, args="", id=event.id, index=event.index)]}
        if isinstance(event, chat.ToolCallArgumentsDelta):
            return {"tool_call_chunks": [tool_call_chunk(args=event.fragment, index=event.index)]}
        if isinstance(event, Finish):
            return {
                "additional_kwargs": {SIDE_DATA: side_data(self._total.result())},
                "usage_metadata": usage_metadata(event.usage),
                "chunk_position": "last",
            }
        if event.complete:
            return {}
        begun = self._total.turn().tool_calls[event.index].arguments
        return {"tool_call_chunks": [tool_call_chunk(args=poison(begun), index=event.index)]}


def poison(arguments: str) -> str:
    """What makes the beginning of a JSON object unusable.

    LangChain completes the arguments of an unfinished call as if nothing were missing, and would have it carried out.
    No completion exists behind these characters, so that the call becomes an invalid one.
    """
    in_string = escaped = False
    n_open = 0
    for char in arguments:
        if in_string:
            in_string = char != '"' or escaped
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        else:
            n_open += (char == "[") - (char == "]")
    return ('"' if in_string else "") + "]" * (max(n_open, 0) + 1)


def metadata_of(tokens: Sequence[chat.TokenLogprob], finish: Finish | None, model_name: str) -> dict[str, Any]:
    """How likely tokens were, and at the end how a generation ended and what it took."""
    metadata: dict[str, Any] = {"logprobs": logprobs(tokens)} if tokens else {}
    if finish is None:
        return metadata
    stopped = {} if finish.stop is None else {"stop_sequence": finish.stop}
    return {
        **metadata,
        "model_name": model_name,
        "finish_reason": finish.reason,
        "token_usage": finish.usage.counts,
        "seed": finish.seed,
        "timings": {**asdict(finish.timings), "decode_tokens_per_s": finish.timings.decode_tokens_per_s},
        **stopped,
    }


def usage_metadata(usage: chat.Usage) -> UsageMetadata:
    """Token counts in LangChain's form."""
    return UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        input_token_details=InputTokenDetails(cache_read=usage.cached_tokens),
        output_token_details=OutputTokenDetails(reasoning=usage.reasoning_tokens),
    )
