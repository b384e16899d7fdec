"""LlamaIndex messages in, chat and completion responses out: pure functions and the fold that streams share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    CachePoint,
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    ContentBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from ds4_core.chat import Event, Finish, Message, ReasoningDelta, Role, TextDelta
from ds4_core.errors import InternalError, InvalidRequestError, UnsupportedError

_ROLES: dict[MessageRole, Role] = {
    MessageRole.SYSTEM: "system",
    MessageRole.DEVELOPER: "system",
    MessageRole.USER: "user",
    MessageRole.ASSISTANT: "assistant",
    MessageRole.CHATBOT: "assistant",
    MessageRole.MODEL: "assistant",
}


def to_core(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """LlamaIndex's messages as ds4_core's. The given ones are not touched.

    Raises:
        UnsupportedError: Tool calls or tool results.
        InvalidRequestError: A content block that is no text; the message's number is named.
    """
    return tuple(_message(message, index) for index, message in enumerate(messages))


def _message(message: ChatMessage, index: int) -> Message:
    role = _ROLES.get(message.role)
    if role is None:
        raise UnsupportedError(f"messages[{index}] has the role {message.role.value!r}: tools are not supported yet")
    if message.additional_kwargs.get("tool_calls"):
        raise UnsupportedError(f"messages[{index}] holds tool calls, which are not supported yet")
    text: list[str] = []
    thinking: list[str] = []
    for block in message.blocks:
        if isinstance(block, TextBlock):
            text.append(block.text)
        elif isinstance(block, ThinkingBlock):
            thinking.append(block.content or "")
        elif isinstance(block, ToolCallBlock):
            raise UnsupportedError(f"messages[{index}] holds a tool call, which is not supported yet")
        elif not isinstance(block, CachePoint):
            raise InvalidRequestError(
                f"messages[{index}] holds a block of type {block.block_type!r}; DeepSeek V4 reads text only"
            )
    # LlamaIndex shows several text blocks of a message as lines, so that is how they are read.
    return Message(role, "\n".join(text), reasoning="".join(thinking))


class Fold:
    """Turns the events of one generation into responses, each holding everything so far and the newest piece.

    One step function serves the synchronous and the asynchronous streams, of chats and of completions.
    """

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._text = ""
        self._thinking = ""
        self._finish: Finish | None = None
        self._delta = ""
        self._thinking_delta = ""

    def add(self, event: Event) -> None:
        """Takes the next event."""
        self._delta = self._thinking_delta = ""
        if isinstance(event, Finish):
            self._finish = event
        elif isinstance(event, ReasoningDelta):
            self._thinking_delta = event.text
            self._thinking += event.text
        elif isinstance(event, TextDelta):
            self._delta = event.text
            self._text += event.text
        else:
            raise InternalError(f"{type(event).__name__} came for a request without tools")

    def step(self, event: Event) -> ChatResponse:
        """The response of a chat stream for one event: fresh blocks, cumulative text."""
        self.add(event)
        response = self.chat_response()
        response.delta = self._delta
        if self._thinking_delta:
            response.additional_kwargs["thinking_delta"] = self._thinking_delta
        return response

    def completion_step(self, event: Event) -> CompletionResponse:
        """The response of a completion stream for one event."""
        self.add(event)
        response = self.completion_response()
        response.delta = self._delta
        return response

    def chat_response(self) -> ChatResponse:
        """Everything so far as a chat response."""
        blocks: list[ContentBlock] = []
        if self._thinking:
            n_tokens = self._finish.usage.reasoning_tokens if self._finish else None
            blocks.append(ThinkingBlock(content=self._thinking, num_tokens=n_tokens))
        blocks.append(TextBlock(text=self._text))
        return ChatResponse(
            message=ChatMessage(role=MessageRole.ASSISTANT, blocks=blocks),
            raw=self._raw(),
            additional_kwargs=self._counts(),
        )

    def completion_response(self) -> CompletionResponse:
        """Everything so far as a completion response; thinking is kept apart from the text."""
        extra: dict[str, Any] = self._counts()
        if self._thinking:
            extra["thinking"] = self._thinking
        return CompletionResponse(text=self._text, raw=self._raw(), additional_kwargs=extra)

    def _counts(self) -> dict[str, Any]:
        if self._finish is None:
            return {}
        usage = self._finish.usage
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
        }

    def _raw(self) -> dict[str, Any] | None:
        if self._finish is None:
            return None
        usage, timings = self._finish.usage, self._finish.timings
        return {
            "model": self._model_name,
            "finish_reason": self._finish.reason,
            "stop_sequence": self._finish.stop,
            "seed": self._finish.seed,
            "usage": {
                **self._counts(),
                "cache_read": usage.cached_tokens,
                "reasoning_tokens": usage.reasoning_tokens,
            },
            "timings": {
                "prefill_s": timings.prefill_s,
                "decode_s": timings.decode_s,
                "decode_tokens_per_s": timings.decode_tokens_per_s,
            },
        }
