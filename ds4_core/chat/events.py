"""What a generation says while it runs: typed events, and the fold that turns them into one result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ds4_core.types import Timings, Usage

FinishReason = Literal["stop", "length", "tool_calls"]

#: What a generated token belongs to. "eos" ends the turn; "forced" was put there, not drawn, wherever it stands.
Section = Literal["reasoning", "text", "tool", "eos", "forced"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A token that could have been drawn, the bytes it stands for, its log-probability (natural log)."""

    token: int
    bytes: bytes
    logprob: float


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """One generated token and how likely it was.

    Every generated token has one, in order, over all events of a generation: markers, forced tokens and the end of the
    turn included. Only tokens whose text a stop string cut off have none. A token travels with the event that shows
    its first character, one without visible text with the event that follows it, the last of them with `Finish`.

    Attributes:
        token: The id.
        bytes: What it stands for; part of a character at times.
        logprob: Natural log of its probability at temperature 1, before masks and filters.
        top: The most likely tokens at this position, likeliest first; empty when none were asked for.
        section: What it belongs to.
    """

    token: int
    bytes: bytes
    logprob: float
    top: tuple[Alternative, ...]
    section: Section


Tokens = tuple[TokenLogprob, ...]


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's thinking, whole characters only. Never part of the visible text."""

    text: str
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the visible answer, whole characters only."""

    text: str
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """A tool call begins. Its `ToolCallEnd` always follows, before the next call starts.

    Attributes:
        index: 0 for the first call of the turn, then 1, 2, ...
        id: Unique among all calls.
        name: The tool; empty when the model did not give a readable one, which makes the call invalid.
        tokens: Log-probabilities, when asked for.
    """

    index: int
    id: str
    name: str
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class ToolCallArgumentsDelta:
    """A piece of a call's arguments as JSON text, never cut inside a character or an escape.

    The fragments of a complete call add up to one JSON object.
    """

    index: int
    fragment: str
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class ToolCallEnd:
    """A tool call is over.

    Attributes:
        index: The call, as in its `ToolCallStart`.
        complete: Whether the call was closed and is well formed. Nothing else may be carried out.
        error: What is wrong with a call that is not complete.
        raw: What the model wrote for a call that is not complete, markup included.
        tokens: Log-probabilities, when asked for.
    """

    index: int
    complete: bool
    error: str | None = None
    raw: str | None = None
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of every generation that was not cancelled.

    Attributes:
        reason: "stop" when the model ended its turn or a stop string appeared, "tool_calls" when it ended its turn with
            complete tool calls, "length" when `max_tokens` or the context ended it.
        usage: Token counts.
        timings: Wall-clock times.
        stop: The stop string that fired, None when none did.
        seed: The seed the tokens were drawn with, also when the request gave none.
        tokens: Log-probabilities of the tokens after the last event that shows something, when asked for.
        raw: The tokens of the turn as they were drawn, without those of a stop string: `Message.raw` of its message.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings
    stop: str | None = None
    seed: int = 0
    tokens: Tokens = ()
    raw: tuple[int, ...] = ()


Delta = ReasoningDelta | TextDelta | ToolCallStart | ToolCallArgumentsDelta | ToolCallEnd
Event = Delta | Finish


@dataclass(frozen=True, slots=True)
class GeneratedToolCall:
    """A tool call as its events add up.

    Attributes:
        id: Unique among all calls.
        name: The tool; empty when no name could be read.
        arguments: JSON text: an object when the call is complete, what there was of it otherwise.
        complete: Whether the call was closed and is well formed. Nothing else may be carried out.
        error: What is wrong with a call that is not complete.
        raw: What the model wrote for a call that is not complete.
    """

    id: str
    name: str
    arguments: str
    complete: bool = True
    error: str | None = None
    raw: str | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """What the model said in one turn: the events without the circumstances."""

    text: str
    reasoning: str
    tool_calls: tuple[GeneratedToolCall, ...] = ()
    tokens: Tokens = ()


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A whole generation: what its events add up to. Notebooks show it as HTML."""

    text: str
    reasoning: str
    finish: Finish
    tool_calls: tuple[GeneratedToolCall, ...] = ()
    tokens: Tokens = ()

    def _repr_html_(self) -> str:
        from ds4_core.chat.display import result_html

        return result_html(self)


class Accumulator:
    """Adds events up; `result()` once the Finish event has been added, `turn()` at any time."""

    def __init__(self) -> None:
        """Begins empty."""
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._starts: list[ToolCallStart] = []
        self._arguments: list[list[str]] = []
        self._ends: dict[int, ToolCallEnd] = {}
        self._tokens: list[TokenLogprob] = []
        self._finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Takes the next event of one generation."""
        self._tokens += event.tokens
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
        elif isinstance(event, ToolCallStart):
            self._starts.append(event)
            self._arguments.append([])
        elif isinstance(event, ToolCallArgumentsDelta):
            self._arguments[event.index].append(event.fragment)
        elif isinstance(event, ToolCallEnd):
            self._ends[event.index] = event
        else:
            self._finish = event

    def turn(self) -> Turn:
        """What was said so far. A call whose end has not been added is not complete."""
        return Turn(_joined(self._text), _joined(self._reasoning), self._calls(), tuple(self._tokens))

    def result(self) -> ChatResult:
        """The sum.

        Raises:
            ValueError: No Finish event has been added.
        """
        if self._finish is None:
            raise ValueError("the event stream ended without a Finish event, so there is no result")
        turn = self.turn()
        return ChatResult(turn.text, turn.reasoning, self._finish, turn.tool_calls, turn.tokens)

    def _calls(self) -> tuple[GeneratedToolCall, ...]:
        calls = []
        for start, fragments in zip(self._starts, self._arguments, strict=True):
            end = self._ends.get(start.index) or ToolCallEnd(
                start.index, complete=False, error="the call has not ended"
            )
            calls.append(
                GeneratedToolCall(start.id, start.name, _joined(fragments), end.complete, end.error, end.raw),
            )
        return tuple(calls)


def _joined(pieces: list[str]) -> str:
    """The text of pieces, which are one from then on: asking after every event must not join all of them again."""
    if len(pieces) > 1:
        pieces[:] = ["".join(pieces)]
    return pieces[0] if pieces else ""


def collect(events: Iterable[Event]) -> ChatResult:
    """Consumes a whole event stream and returns what it adds up to."""
    total = Accumulator()
    for event in events:
        total.add(event)
    return total.result()
