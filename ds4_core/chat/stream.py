"""Tokens to events: UTF-8 across tokens, thinking split from text, stop strings with the shortest hold-back."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Sequence
from typing import Protocol

from ds4_core.chat.encoding import Special
from ds4_core.chat.events import ReasoningDelta, TextDelta
from ds4_core.errors import InvalidRequestError

# Control tokens that stand for no text. The DSML marker is missing on purpose: it is only markup inside a tool block.
_SILENT = (Special.BOS, Special.EOS, Special.USER, Special.ASSISTANT, Special.LATEST_REMINDER)


class TokenTable(Protocol):
    """What the decoder asks of a vocabulary."""

    def token_bytes(self, token: int, /) -> bytes:
        """The bytes one token stands for."""
        ...

    def find_token(self, text: str, /) -> int | None:
        """The id of the token whose text is exactly this, None when there is none."""
        ...


class StopMatcher:
    """Finds the first of several stop strings in a growing text.

    One Knuth-Morris-Pratt automaton per stop string, so the work per character does not depend on the text before it,
    and the longest partial match is exactly what has to be held back. Where two stop strings end at the same
    character, the longer one counts.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        """Prepares the automata.

        Raises:
            InvalidRequestError: One of the strings is empty.
        """
        self.stops = tuple(dict.fromkeys(stops))
        if "" in self.stops:
            raise InvalidRequestError("a stop string is empty; it would match everywhere")
        self._fail = [_failure(stop) for stop in self.stops]
        self._matched = [0] * len(self.stops)
        self._held = ""
        self.fired: str | None = None

    def feed(self, text: str) -> str:
        """Takes more text and returns what can be shown now: never a part of a stop string that may still complete.

        After a stop string has fired (`fired`) everything else is swallowed.
        """
        if self.fired is not None:
            return ""
        if not self.stops:
            return text
        text, start = self._held + text, len(self._held)
        for i in range(start, len(text)):
            char = text[i]
            for k, stop in enumerate(self.stops):
                fail, n = self._fail[k], self._matched[k]
                while n and stop[n] != char:
                    n = fail[n - 1]
                if stop[n] == char:
                    n += 1
                self._matched[k] = n
                if n == len(stop):
                    if self.fired is None or len(stop) > len(self.fired):
                        self.fired = stop
                    self._matched[k] = fail[n - 1]  # only so that n stays inside the string; nothing follows
            if self.fired is not None:
                self._held = ""
                return text[: i + 1 - len(self.fired)]
        keep = len(text) - max(self._matched)
        self._held = text[keep:]
        return text[:keep]

    def flush(self) -> str:
        """Returns what was held back, at a point where no stop string can complete any more."""
        held, self._held = self._held, ""
        self._matched = [0] * len(self.stops)
        return "" if self.fired is not None else held


def _failure(pattern: str) -> list[int]:
    """For each prefix of the pattern, the length of its longest proper border."""
    fail = [0] * len(pattern)
    n = 0
    for i in range(1, len(pattern)):
        while n and pattern[i] != pattern[n]:
            n = fail[n - 1]
        if pattern[i] == pattern[n]:
            n += 1
        fail[i] = n
    return fail


class StreamDecoder:
    """Turns sampled token ids into text events, in any chunking.

    Thinking begins and ends at the real `<think>` and `</think>` ids, never at text that looks like them. Stop strings
    are looked for in the visible answer only. A byte sequence that is cut off at the end of a section, or is no UTF-8,
    becomes U+FFFD, as in `bytes.decode(errors="replace")`.
    """

    def __init__(self, table: TokenTable, *, stop: Sequence[str] = (), reasoning: bool = False) -> None:
        """Begins a stream.

        Args:
            table: The vocabulary.
            stop: Stop strings; none of them empty.
            reasoning: Whether the prompt left the model inside a thinking block.

        Raises:
            InvalidRequestError: A stop string is empty.
        """
        self._table = table
        self._matcher = StopMatcher(stop)
        self._reasoning = reasoning
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._think_open = table.find_token(Special.THINK_OPEN.value)
        self._think_close = table.find_token(Special.THINK_CLOSE.value)
        self._silent = {table.find_token(special.value) for special in _SILENT} - {None}
        self.n_reasoning = 0

    @property
    def stopped(self) -> str | None:
        """The stop string that fired, None while none did. Tokens fed later are ignored."""
        return self._matcher.fired

    def feed(self, tokens: Iterable[int]) -> list[ReasoningDelta | TextDelta]:
        """Takes the next tokens and returns the events that are certain now, neighbours of one kind joined."""
        out = _Joiner()
        for token in tokens:
            if self.stopped is not None:
                break
            if token == self._think_open or token == self._think_close:
                self._close_section(out)
                self.n_reasoning += 1
                self._reasoning = token == self._think_open
            elif token in self._silent:
                self._close_section(out, flush_stop=False)
            else:
                self.n_reasoning += self._reasoning
                self._show(self._utf8.decode(self._table.token_bytes(token)), out)
        return out.events

    def finish(self) -> list[ReasoningDelta | TextDelta]:
        """Ends the stream and returns what was still held back."""
        out = _Joiner()
        self._close_section(out)
        return out.events

    def _show(self, text: str, out: _Joiner) -> None:
        if self._reasoning:
            out.add(ReasoningDelta, text)
        else:
            out.add(TextDelta, self._matcher.feed(text))

    def _close_section(self, out: _Joiner, *, flush_stop: bool = True) -> None:
        """Ends the characters, and with flush_stop the partial stop strings, that reach up to here."""
        self._show(self._utf8.decode(b"", final=True), out)
        self._utf8.reset()
        if flush_stop and not self._reasoning:
            out.add(TextDelta, self._matcher.flush())


class _Joiner:
    """Collects deltas, joining neighbours of one kind."""

    def __init__(self) -> None:
        self._kind: type[ReasoningDelta] | type[TextDelta] = TextDelta
        self._parts: list[str] = []
        self._events: list[ReasoningDelta | TextDelta] = []

    def add(self, kind: type[ReasoningDelta] | type[TextDelta], text: str) -> None:
        if not text:
            return
        if kind is not self._kind:
            self._flush()
            self._kind = kind
        self._parts.append(text)

    def _flush(self) -> None:
        if self._parts:
            self._events.append(self._kind("".join(self._parts)))
            self._parts = []

    @property
    def events(self) -> list[ReasoningDelta | TextDelta]:
        self._flush()
        return self._events
