"""The chat layer: messages to tokens, tokens to events, once for every adapter."""

from ds4_core.chat.answer import AsyncChatStream, ChatStream, agenerate, asamples, generate, prompt_tokens, samples
from ds4_core.chat.encoding import (
    Special,
    check_effort,
    count_tokens,
    encode_messages,
    encode_raw,
    encode_request,
    release_of,
    render_text,
)
from ds4_core.chat.events import (
    Accumulator,
    ChatResult,
    Event,
    Finish,
    FinishReason,
    GeneratedToolCall,
    ReasoningDelta,
    TextDelta,
    TokenLogprob,
    ToolCallArgumentsDelta,
    ToolCallEnd,
    ToolCallStart,
    collect,
)
from ds4_core.chat.messages import Message, Role, ToolCall, as_message, as_messages, as_tool_call
from ds4_core.chat.ranking import arank, rank
from ds4_core.chat.request import ChatRequest, Sampling
from ds4_core.chat.response_format import ResponseFormat, as_response_format
from ds4_core.chat.roundtrip import ParseTurn, agrees
from ds4_core.chat.scoring import ScoredText, ascore, score
from ds4_core.chat.stream import StopMatcher, StreamDecoder, parse_turn
from ds4_core.chat.tools import Tool, as_tool, as_tools
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
    "GeneratedToolCall",
    "Message",
    "ParseTurn",
    "ReasoningDelta",
    "ResponseFormat",
    "Role",
    "Sampling",
    "ScoredText",
    "Special",
    "StopMatcher",
    "StreamDecoder",
    "TextDelta",
    "Timings",
    "TokenLogprob",
    "Tool",
    "ToolCall",
    "ToolCallArgumentsDelta",
    "ToolCallEnd",
    "ToolCallStart",
    "Usage",
    "agenerate",
    "agrees",
    "arank",
    "as_message",
    "as_messages",
    "as_response_format",
    "as_tool",
    "as_tool_call",
    "as_tools",
    "asamples",
    "ascore",
    "check_effort",
    "collect",
    "count_tokens",
    "encode_messages",
    "encode_raw",
    "encode_request",
    "generate",
    "parse_turn",
    "prompt_tokens",
    "rank",
    "release_of",
    "render_text",
    "samples",
    "score",
]
