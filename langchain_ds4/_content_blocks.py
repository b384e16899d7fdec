"""Our messages as LangChain's standard content blocks, and our events as those of its streaming protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator

from ds4_core import chat
from ds4_core.chat import Event
from langchain_ds4._messages import PROVIDER, additional_kwargs, invalid_call, metadata_of, usage_metadata, valid_call

if TYPE_CHECKING:
    from langchain_core.messages.content import ContentBlock

Block = dict[str, Any]


def _of_message(message: AIMessage) -> list[ContentBlock]:
    """The blocks of a whole message: thinking, text, calls, invalid calls.

    Raises:
        NotImplementedError: The content is a list, which the framework reads by itself.
    """
    blocks = _spoken(message)
    blocks += [{**call, "type": "tool_call"} for call in message.tool_calls]
    blocks += [{**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls]
    return cast("list[ContentBlock]", blocks)


def _of_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    """The blocks of a chunk, or of several added up.

    The framework numbers thinking and text 0, 1, ... by itself and would merge a call of the same number into them, so
    that calls have names for numbers.
    """
    if chunk.chunk_position == "last":
        return _of_message(chunk)
    blocks = _spoken(chunk)
    for piece in chunk.tool_call_chunks:
        block: Block = {"type": "tool_call_chunk", "id": piece["id"], "name": piece["name"], "args": piece["args"]}
        if piece["index"] is not None:
            block["index"] = f"lc_tc_{piece['index']}"
        blocks.append(block)
    return cast("list[ContentBlock]", blocks)


def _spoken(message: AIMessage) -> list[Block]:
    if not isinstance(message.content, str):
        raise NotImplementedError("a content of blocks needs no translation")
    thought = message.additional_kwargs.get("reasoning_content")
    blocks: list[Block] = [{"type": "reasoning", "reasoning": thought}] if thought else []
    return [*blocks, {"type": "text", "text": message.content}] if message.content else blocks


register_translator(PROVIDER, _of_message, _of_chunk)


class ProtocolEvents:
    """Makes the protocol's events of one generation: blocks that begin, grow and end, and the message's end."""

    def __init__(self, model_name: str, message_id: str) -> None:
        """Begins a generation."""
        self._model_name, self._message_id = model_name, message_id
        self._total = chat.Accumulator()
        self._started = False
        self._index = -1
        self._open: str | None = None  # the kind of block that grows: text or reasoning
        self._parts: list[str] = []

    def take(self, event: Event) -> Iterator[Any]:
        """What an event is in the protocol: its MessagesData."""
        self._total.add(event)
        if not self._started:
            self._started = True
            about = {"provider": PROVIDER, "model": self._model_name}
            yield {"event": "message-start", "role": "ai", "id": self._message_id, "metadata": about}
        if isinstance(event, chat.TextDelta):
            yield from self._grow("text", event.text)
        elif isinstance(event, chat.ReasoningDelta):
            yield from self._grow("reasoning", event.text)
        elif isinstance(event, chat.ToolCallStart):
            yield from self._close()
            yield self._begin({"type": "tool_call_chunk", "id": event.id, "name": event.name, "args": ""})
        elif isinstance(event, chat.ToolCallArgumentsDelta):
            yield self._block("delta", delta={"type": "tool-call-delta", "args": event.fragment})
        elif isinstance(event, chat.ToolCallEnd):
            call = self._total.turn().tool_calls[event.index]
            yield self._block("finish", content=valid_call(call) if call.complete else invalid_call(call))
        else:
            yield from self._close()
            yield self._finish()

    def _grow(self, kind: str, text: str) -> Iterator[Block]:
        if self._open != kind:
            yield from self._close()
            self._open, self._parts = kind, []
            yield self._begin({"type": kind, kind: ""})
        self._parts.append(text)
        yield self._block("delta", delta={"type": f"{kind}-delta", kind: text})

    def _close(self) -> Iterator[Block]:
        if self._open is not None:
            kind, self._open = self._open, None
            yield self._block("finish", content={"type": kind, kind: "".join(self._parts)})

    def _begin(self, content: Block) -> Block:
        self._index += 1
        return self._block("start", content=content)

    def _block(self, what: str, **value: Any) -> Block:
        return {"event": f"content-block-{what}", "index": self._index, **value}

    def _finish(self) -> Block:
        result = self._total.result()
        return {
            "event": "message-finish",
            "usage": usage_metadata(result.finish.usage),
            "metadata": metadata_of(result.tokens, result.finish, self._model_name),
            "additional_kwargs": additional_kwargs(result),
        }
