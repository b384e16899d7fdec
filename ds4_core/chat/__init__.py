"""The chat layer: messages to tokens, tokens to events, once for every adapter."""

from ds4_core.chat.encoding import Special, count_tokens, encode_messages, encode_raw, render_text
from ds4_core.chat.events import (
    Accumulator,
    ChatResult,
    Event,
    Finish,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    Timings,
    Usage,
    collect,
)
from ds4_core.chat.request import ChatRequest, Message, Role, Sampling, as_message
from ds4_core.chat.stream import StopMatcher, StreamDecoder

__all__ = [
    "Accumulator",
    "ChatRequest",
    "ChatResult",
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
    "as_message",
    "collect",
    "count_tokens",
    "encode_messages",
    "encode_raw",
    "render_text",
]
