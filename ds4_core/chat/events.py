"""What a generation says while it runs: typed events, and the fold that turns them into one result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from ds4_core.types import Timings, Usage

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's thinking, whole characters only. Never part of the visible text."""

    text: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the visible answer, whole characters only."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event of every generation that was not cancelled.

    Attributes:
        reason: "stop" when the model ended its turn or a stop string appeared, "length" when `max_tokens` or the
            context ended it.
        usage: Token counts.
        timings: Wall-clock times.
        stop: The stop string that fired, None when none did.
        seed: The seed the tokens were drawn with, also when the request gave none.
    """

    reason: FinishReason
    usage: Usage
    timings: Timings
    stop: str | None = None
    seed: int = 0


Event = ReasoningDelta | TextDelta | Finish


@dataclass(frozen=True, slots=True)
class ChatResult:
    """A whole generation: what its events add up to."""

    text: str
    reasoning: str
    finish: Finish


class Accumulator:
    """Adds events up; `result()` once the Finish event has been added."""

    def __init__(self) -> None:
        """Begins empty."""
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Takes the next event of one generation."""
        if isinstance(event, TextDelta):
            self._text.append(event.text)
        elif isinstance(event, ReasoningDelta):
            self._reasoning.append(event.text)
        else:
            self._finish = event

    def result(self) -> ChatResult:
        """The sum.

        Raises:
            ValueError: No Finish event has been added.
        """
        if self._finish is None:
            raise ValueError("the event stream ended without a Finish event, so there is no result")
        return ChatResult("".join(self._text), "".join(self._reasoning), self._finish)


def collect(events: Iterable[Event]) -> ChatResult:
    """Consumes a whole event stream and returns what it adds up to."""
    total = Accumulator()
    for event in events:
        total.add(event)
    return total.result()
