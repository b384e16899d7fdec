"""Texts that fit a pattern and have a certain length, as one `syntax.Machine`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ds4_core.chat.patterns import FAR, Pattern, first_of
from ds4_core.errors import InvalidRequestError, UnsupportedError


class Bounded:
    """The texts of a pattern that have `lo` to `hi` characters (None: any number).

    A state is that of the pattern and how many characters there are, counted up to where it no longer matters.
    """

    crossing: re.Pattern[bytes] | None = None
    _MAX_TABLE = 2_000_000

    def __init__(self, pattern: Pattern, lo: int, hi: int | None, where: str) -> None:
        self._pattern, self._lo, self._hi = pattern, lo, hi
        self._top = lo if hi is None else hi
        if (lo + 1) * len(pattern.distance) > self._MAX_TABLE:
            raise UnsupportedError(f"{where} has a 'pattern' with a 'minLength' of {lo}, which is too long for it")
        # Fewest characters to the end when at least so many are wanted, and the way there: by count, by state.
        self._far = [pattern.distance]
        self._how: list[list[tuple[int, int]]] = []
        for _ in range(lo):
            self._layer()
        self.start = (pattern.start, 0)
        if not pattern.start or self._least(self.start) > (FAR - 1 if hi is None else hi):
            raise InvalidRequestError(f"{where}: no text fits both the pattern and the lengths")

    def _layer(self) -> None:
        pattern, below = self._pattern, self._far[-1]
        far, how = [FAR] * len(below), [(-1, -1)] * len(below)
        for state, moves in enumerate(pattern.moves):
            for ranges, target in moves:
                if ranges:
                    for after in pattern.closure({target}):
                        if below[after] + 1 < far[state]:
                            far[state], how[state] = below[after] + 1, (ord(first_of(ranges)), after)
        self._far.append(far)
        self._how.append(how)

    def _least(self, state: Any) -> int:
        states, count = state
        return min((self._far[max(0, self._lo - count)][s] for s in states), default=FAR)

    def step(self, state: Any, char: str) -> Any:
        """As `syntax.Machine`, like everything here."""
        states, count = state
        after = self._pattern.step(states, char)
        if after is None or (self._hi is not None and count >= self._hi):
            return None
        moved = (after, min(count + 1, self._top))
        if self._least(moved) > (FAR - 1 if self._hi is None else self._hi - count - 1):
            return None
        return moved

    def done(self, state: Any) -> bool:  # noqa: D102
        return state[1] >= self._lo and self._pattern.done(state[0])

    def open(self, state: Any) -> bool:  # noqa: D102
        return (self._hi is None or state[1] < self._hi) and self._pattern.open(state[0])

    def rest(self, state: Any) -> str:  # noqa: D102
        states, count = state
        need = max(0, self._lo - count)
        at = min(states, key=self._far[need].__getitem__)
        out: list[str] = []
        while need:
            code, at = self._how[need - 1][at]
            out.append(chr(code))
            need -= 1
        return "".join(out) + self._pattern.rest(frozenset({at}))

    def worst(self, price: Callable[[str], int], state: Any = None) -> int:  # noqa: D102
        if state is not None and state[1] >= self._lo:
            return self._pattern.worst(price, state[0])
        return self._pattern.dearest * max((far for layer in self._far for far in layer if far < FAR), default=0)

    def inert(self, state: Any) -> str | None:  # noqa: D102
        return self._pattern.inert(state[0]) if state[1] >= self._lo else None

    def skip(self, state: Any, count: int) -> None:  # noqa: D102
        return None

    def mark(self, state: Any) -> Any:  # noqa: D102
        return state

    def pick(self, state: Any, low: int, high: int) -> str | None:  # noqa: D102
        char = self._pattern.pick(state[0], low, high)
        return char if char is not None and self.step(state, char) is not None else None
