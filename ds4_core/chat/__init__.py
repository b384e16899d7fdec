"""The chat layer: messages to tokens, tokens to events, once for every adapter."""

from ds4_core.chat.answer import AsyncChatStream, ChatStream, agenerate, generate
from ds4_core.chat.encoding import Special, count_tokens, encode_messages, encode_raw, render_text
from ds4_core.chat.events import (
    Accumulator,
    ChatResult,
    Event,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    collect,
)
from ds4_core.chat.request import ChatRequest, Message, Role, Sampling, as_message
from ds4_core.chat.stream import StopMatcher, StreamDecoder
from ds4_core.types import Timings, Usage

__all__ = [
    "Accumulator",
    "AsyncChatStream",
    "ChatRequest",
    "ChatResult",
    "ChatStream",
    "Event",
    "Finish",
    "FinishReason",
    "Message",
    "ReasoningDelta",
    "Role",
    "Sampling",
    "Special",
    "StopMatcher",
    "StreamDecoder",
    "TextDelta",
    "Timings",
    "Usage",
    "agenerate",
    "as_message",
    "collect",
    "count_tokens",
    "encode_messages",
    "encode_raw",
    "generate",
    "render_text",
]
