"""The texts that strings are written as: raw, in quotes, as names of properties. Each a `syntax.Machine`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

from ds4_core.chat.nodes import Machine

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HEX = frozenset("0123456789abcdefABCDEF")
_FILLER = " "
_BLOCK = 32
# What is not in a JSON string as it is.
_SPECIAL = '"\\' + "".join(map(chr, range(0x20)))


class Length:
    """Any text of `lo` to `hi` characters (None: any number). A state is how many there are."""

    start = 0
    crossing: re.Pattern[bytes] | None = None

    def __init__(self, lo: int = 0, hi: int | None = None) -> None:
        self.lo, self.hi = lo, hi

    def step(self, state: int, char: str) -> int | None:
        """As `syntax.Machine`, like everything here."""
        return self.skip(state, 1) if state >= self.lo else state + 1

    def done(self, state: int) -> bool:  # noqa: D102
        return state >= self.lo

    def open(self, state: int) -> bool:  # noqa: D102
        return self.hi is None or state < self.hi

    def rest(self, state: int) -> str:  # noqa: D102
        return _FILLER * (self.lo - state)

    def worst(self, price: Callable[[str], int], state: int | None = None) -> int:  # noqa: D102
        lo = max(0, self.lo - (state or 0))
        # No text costs more than its parts.
        blocks, least = divmod(lo, _BLOCK)
        shorter = max((price(_FILLER * count) for count in range(_BLOCK if blocks else least + 1)), default=0)
        return min(lo, blocks * price(_FILLER * _BLOCK) + shorter)

    def inert(self, state: int) -> str | None:  # noqa: D102
        return "" if state >= self.lo else None

    def skip(self, state: int, count: int) -> int | None:  # noqa: D102
        if state < self.lo:
            return None
        if self.hi is None:
            return state
        return state + count if state + count <= self.hi else None

    def mark(self, state: int) -> Any:  # noqa: D102
        return min(state, self.lo)

    def pick(self, state: int, low: int, high: int) -> str | None:  # noqa: D102
        return chr(low) if self.open(state) else None


class Quoted:
    """A JSON string around the text of another machine. A state is that one's and what is written of an escape."""

    start = "begin"
    crossing: re.Pattern[bytes] | None = re.compile(b'"')

    def __init__(self, inner: Machine) -> None:
        self._inner = inner

    def step(self, state: Any, char: str) -> Any:  # noqa: D102
        if state == "begin":
            return (self._inner.start, "") if char == '"' else None
        if state == "end":
            return None
        inner, escape = state
        if not escape:
            if char == '"':
                return "end" if self._inner.done(inner) else None
            if char == "\\":
                return (inner, "\\") if self._finish((inner, "\\")) is not None else None
            if char < " ":
                return None
            after = self._inner.step(inner, char)
            return None if after is None else (after, "")
        if escape == "\\":
            if char in _ESCAPES:
                after = self._inner.step(inner, _ESCAPES[char])
                return None if after is None else (after, "")
            if char != "u":
                return None
        elif char not in _HEX:
            return None
        escape += char
        if len(escape) == 6:
            code = int(escape[2:], 16)
            after = None if 0xD800 <= code <= 0xDFFF else self._inner.step(inner, chr(code))
            return None if after is None else (after, "")
        return (inner, escape) if self._finish((inner, escape)) is not None else None

    def done(self, state: Any) -> bool:  # noqa: D102
        return bool(state == "end")

    def open(self, state: Any) -> bool:  # noqa: D102
        return bool(state != "end")

    def rest(self, state: Any) -> str:  # noqa: D102
        if state == "begin":
            return '"' + self._body(self._inner.start)
        if state == "end":
            return ""
        inner, escape = state
        if not escape:
            return self._body(inner)
        return self._finish(state) or ""

    def _body(self, inner: Any) -> str:
        return json.dumps(self._inner.rest(inner), ensure_ascii=False)[1:]

    def _finish(self, state: tuple[Any, str]) -> str | None:
        """The rest behind an escape that is begun."""
        inner, escape = state
        best: str | None = None
        if escape == "\\":
            for char, meaning in _ESCAPES.items():
                after = None if char == "/" else self._inner.step(inner, meaning)
                if after is not None:
                    rest = char + self._body(after)
                    best = rest if best is None or len(rest) < len(best) else best
            if best is not None:
                return best
            escape, prefix = "\\u", "u"
        else:
            prefix = ""
        missing = 6 - len(escape)
        low = int(escape[2:] + "0" * missing, 16)
        # Control characters have to be escaped, others need not: only those are sure to be allowed as one.
        picked = self._inner.pick(inner, low, min(low + 16**missing - 1, 0x1F)) if low <= 0x1F else None
        if picked is None:
            return None
        return prefix + f"{ord(picked):04x}"[4 - missing :] + self._body(self._inner.step(inner, picked))

    def worst(self, price: Callable[[str], int], state: Any = None) -> int:  # noqa: D102
        # A character is at most six bytes in JSON; an escape that is begun costs less than one more.
        return 2 * self._inner.worst(price, state[0] if isinstance(state, tuple) else None) + 8

    def inert(self, state: Any) -> str | None:  # noqa: D102
        inner = self._inner.inert(state[0]) if isinstance(state, tuple) and not state[1] else None
        return None if inner is None else inner + _SPECIAL

    def skip(self, state: Any, count: int) -> Any:  # noqa: D102
        if not isinstance(state, tuple) or state[1]:
            return None
        after = self._inner.skip(state[0], count)
        return None if after is None else (after, "")

    def mark(self, state: Any) -> Any:  # noqa: D102
        return (self._inner.mark(state[0]), state[1]) if isinstance(state, tuple) else state

    def pick(self, state: Any, low: int, high: int) -> str | None:  # noqa: D102
        if not isinstance(state, tuple) or state[1]:
            return None
        return self._inner.pick(state[0], max(low, 0x20), high)


class Suffixed:
    """Text of another machine, ended by a fixed text that it may hold as well."""

    def __init__(self, inner: Machine, suffix: str) -> None:
        self._inner, self._suffix = inner, suffix
        self.crossing: re.Pattern[bytes] | None = re.compile(re.escape(suffix[-1].encode()))
        self.start = self._state(inner.start, frozenset())

    def _state(self, inner: Any, at: frozenset[int]) -> Any:
        return (inner, at | {0} if inner is not None and self._inner.done(inner) else at)

    def step(self, state: Any, char: str) -> Any:  # noqa: D102
        inner, at = state
        moved = frozenset(k + 1 for k in at if k < len(self._suffix) and self._suffix[k] == char)
        after = None if inner is None or not self._inner.open(inner) else self._inner.step(inner, char)
        return self._state(after, moved) if after is not None or moved else None

    def done(self, state: Any) -> bool:  # noqa: D102
        return len(self._suffix) in state[1]

    def open(self, state: Any) -> bool:  # noqa: D102
        inner, at = state
        return any(k < len(self._suffix) for k in at) or (inner is not None and self._inner.open(inner))

    def rest(self, state: Any) -> str:  # noqa: D102
        inner, at = state
        if at:
            return self._suffix[max(at) :]
        return self._inner.rest(inner) + self._suffix

    def worst(self, price: Callable[[str], int], state: Any = None) -> int:  # noqa: D102
        return self._inner.worst(price, None if state is None else state[0]) + len(self._suffix.encode())

    def inert(self, state: Any) -> str | None:  # noqa: D102
        inner = self._inner.inert(state[0]) if state[0] is not None and state[1] == {0} else None
        return None if inner is None else inner + self._suffix[0]

    def skip(self, state: Any, count: int) -> Any:  # noqa: D102
        if state[0] is None or state[1] != {0}:
            return None
        after = self._inner.skip(state[0], count)
        return None if after is None else self._state(after, frozenset())

    def mark(self, state: Any) -> Any:  # noqa: D102
        return (None if state[0] is None else self._inner.mark(state[0]), state[1])

    def pick(self, state: Any, low: int, high: int) -> str | None:  # noqa: D102
        return None if state[0] is None else self._inner.pick(state[0], low, high)


class Except:
    """A JSON string that is none of some others. A state keeps the text as long as it may become one of them."""

    def __init__(self, inner: Machine, texts: Iterable[str]) -> None:
        self._inner = inner
        self.crossing = inner.crossing
        self._texts = frozenset(texts)
        self._prefixes = frozenset(text[:n] for text in self._texts for n in range(len(text) + 1))
        self.start = (inner.start, "")

    def step(self, state: Any, char: str) -> Any:  # noqa: D102
        inner, text = state
        after = self._inner.step(inner, char)
        if after is None:
            return None
        if text is not None:
            text = text + char if text + char in self._prefixes else None
        return None if text in self._texts else (after, text)

    def done(self, state: Any) -> bool:  # noqa: D102
        return self._inner.done(state[0])

    def open(self, state: Any) -> bool:  # noqa: D102
        return self._inner.open(state[0])

    def rest(self, state: Any) -> str:  # noqa: D102
        inner, text = state
        rest = self._inner.rest(inner)
        if text is None or text + rest not in self._texts:
            return rest
        # One more character that leads away from all of them, or a few.
        todo = [(state, "")]
        for at, done in todo:
            for char in "0123456789abcdefghijklmnopqrstuvwxyz" if at[1] != "" else '"':
                after = self.step(at, char)
                if after is None:
                    continue
                rest = self._inner.rest(after[0])
                if after[1] is None or after[1] + rest not in self._texts:
                    return done + char + rest
                todo.append((after, done + char))
        return rest

    def worst(self, price: Callable[[str], int], state: Any = None) -> int:  # noqa: D102
        return self._inner.worst(price, None if state is None else state[0]) + max(map(len, self._texts), default=0) + 1

    def inert(self, state: Any) -> str | None:  # noqa: D102
        return self._inner.inert(state[0]) if state[1] is None else None

    def skip(self, state: Any, count: int) -> Any:  # noqa: D102
        if state[1] is not None:
            return None
        after = self._inner.skip(state[0], count)
        return None if after is None else (after, None)

    def mark(self, state: Any) -> Any:  # noqa: D102
        return (self._inner.mark(state[0]), state[1])

    def pick(self, state: Any, low: int, high: int) -> str | None:  # noqa: D102
        return self._inner.pick(state[0], low, high)
