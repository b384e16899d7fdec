"""What the decoder's events are put together from: neighbours joined, and every token with the event that shows it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ds4_core.chat.events import (
    Alternative,
    Delta,
    ReasoningDelta,
    Section,
    TextDelta,
    TokenLogprob,
    ToolCallArgumentsDelta,
    ToolCallEnd,
    ToolCallStart,
)
from ds4_core.types import TokenScore


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A generated token with its log-probability.

    Attributes:
        token: The id.
        logprob: Natural log of its probability at temperature 1, before masks and filters.
        top: The most likely tokens at its position, likeliest first.
        forced: Whether it was appended without being drawn.
    """

    token: int
    logprob: float
    top: tuple[TokenScore, ...] = ()
    forced: bool = False


#: A token whose place is not settled yet: what was fed, its bytes, the likeliest tokens with theirs.
Entry = tuple[ScoredToken, bytes, tuple[Alternative, ...]]


class Ledger:
    """Which characters came from which token, for those that are not decided yet.

    A token is settled once the place of its first character is; one without characters, with the character before it.
    """

    def __init__(self) -> None:
        self.ready: list[TokenLogprob] = []  # settled, and not in an event yet
        self._open: deque[tuple[int, int, Entry | None, Section | None]] = deque()
        self._n_settled = 0
        self._end = 0  # of the token settled last

    def add(self, start: int, width: int, entry: Entry | None, section: Section | None = None) -> None:
        """A token of `width` characters from `start` on; without a section it gets that of its first character."""
        self._open.append((start if width else start - 1, start + width, entry, section))

    def settle(self, end: int, section: Section) -> None:
        """All characters before `end` that were not settled yet belong to `section`."""
        while self._open and self._open[0][0] < end:
            _, self._end, entry, own = self._open.popleft()
            self._n_settled += 1
            if entry is not None:
                item, data, top = entry
                its = "forced" if item.forced else own or section
                self.ready.append(TokenLogprob(item.token, data, item.logprob, top, its))

    def stop_at(self, end: int) -> int:
        """The text ends here: forgets later tokens, and returns how many lie wholly before."""
        self._open.clear()
        return self._n_settled - (self._end > end)


class Joiner:
    """Collects events, joining neighbouring deltas of one kind."""

    def __init__(self) -> None:
        self._events: list[Delta] = []
        self._kind: type[ReasoningDelta] | type[TextDelta] | int = TextDelta  # a number: arguments of that call
        self._parts: list[str] = []
        self._tokens: list[TokenLogprob] = []

    def text(self, kind: type[ReasoningDelta] | type[TextDelta], text: str, tokens: list[TokenLogprob]) -> None:
        """A piece of thinking or of the answer."""
        self._add(kind, text, tokens)

    def fragment(self, index: int, fragment: str, tokens: list[TokenLogprob]) -> None:
        """A piece of the arguments of call `index`."""
        self._add(index, fragment, tokens)

    def event(self, event: ToolCallStart | ToolCallEnd) -> None:
        """An event that is not joined."""
        self._flush()
        self._events.append(event)

    def take(self) -> list[Delta]:
        """The events so far; begins anew."""
        self._flush()
        events, self._events = self._events, []
        return events

    def _add(self, kind: type[ReasoningDelta] | type[TextDelta] | int, text: str, tokens: list[TokenLogprob]) -> None:
        if kind != self._kind:
            self._flush()
            self._kind = kind
        self._parts.append(text)
        if tokens:
            self._tokens += tokens

    def _flush(self) -> None:
        if not self._parts:
            return
        text, tokens = "".join(self._parts), tuple(self._tokens)
        self._parts, self._tokens = [], []
        if isinstance(self._kind, int):
            self._events.append(ToolCallArgumentsDelta(self._kind, text, tokens))
        else:
            self._events.append(self._kind(text, tokens))
