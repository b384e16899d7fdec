"""Stop strings: the first of several in a growing text, with the shortest hold-back."""

from __future__ import annotations

from collections.abc import Sequence

from ds4_core.errors import InvalidRequestError


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

    @property
    def n_held(self) -> int:
        """Characters that are held back."""
        return len(self._held)

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
