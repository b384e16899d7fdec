r"""Regular expressions: read as Python reads them, written for llguidance, and walked with the distance to their end.

Dialects differ in what `\d`, `\w`, `\s` and `.` are. A class is here what all of them agree on.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from ds4_core.errors import InvalidRequestError, UnsupportedError

# Python's own reader, under a private name: what else says exactly how Python reads a pattern?

_MAX = 0x10FFFF
Ranges = tuple[tuple[int, int], ...]
#: ("set", ranges) | ("cat", parts) | ("alt", parts) | ("rep", part, lo, hi or None)
Tree = tuple[Any, ...]
_MAX_STATES = 20_000
_MAX_KEPT = 2_000
FAR = 1 << 30
_DEAD: frozenset[int] = frozenset((-1,))  # stands for a step that was not made yet

_ALL: Ranges = ((0, 0xD7FF), (0xE000, _MAX))
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_LINE_ENDS: Ranges = ((10, 10), (13, 13), (0x2028, 0x2029))  # of any dialect
ANY: Tree = ("rep", ("set", _ALL), 0, None)


def minus(ranges: Ranges) -> Ranges:
    """Every character that is not in them."""
    out: list[tuple[int, int]] = []
    for low, high in _ALL:
        at = low
        for a, b in sorted(ranges):
            if b < at or a > high:
                continue
            if a > at:
                out.append((at, a - 1))
            at = max(at, b + 1)
        if at <= high:
            out.append((at, high))
    return tuple(out)


# In ECMAScript, which JSON schemas are written for: properties of characters, other escapes, names of groups.
_FOREIGN = re.compile(r"\\[pP]\{[^}]*\}?|\\u\{|\\c[A-Za-z]|\\k<|\(\?<[A-Za-z_]|\[\^?\]")


@lru_cache(maxsize=512)
def read(pattern: str, *, search: bool) -> Tree:
    """The tree of a regular expression.

    Args:
        pattern: In Python's syntax, which the common parts of other dialects share.
        search: True: it may match anywhere in the text unless anchored; False: it is the whole text.

    Raises:
        InvalidRequestError: It is no regular expression.
        UnsupportedError: It has lookaround, backreferences, flags, anchors in the middle, or what other dialects alone
            have.
    """
    try:
        parsed = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        if foreign := _FOREIGN.search(pattern):
            raise UnsupportedError(
                f"the pattern {pattern!r:.200} has {foreign.group()!r}, which Python's dialect does not have"
            ) from error
        raise InvalidRequestError(f"the pattern {pattern!r:.200} is no regular expression: {error}") from error
    if parsed.state.flags & ~int(re.UNICODE):
        raise UnsupportedError(f"the pattern {pattern!r:.200} has flags, which are not supported")
    return _anchored(list(parsed), pattern, search)


def _anchored(items: list[Any], pattern: str, search: bool) -> Tree:
    while len(items) == 1 and items[0][0] is codes.SUBPATTERN and not items[0][1][1] and not items[0][1][2]:
        items = list(items[0][1][3])
    if len(items) == 1 and items[0][0] is codes.BRANCH:
        return ("alt", tuple(_anchored(list(branch), pattern, search) for branch in items[0][1][1]))
    begins = ends = not search
    while items and items[0][0] is codes.AT and items[0][1] in (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING):
        items, begins = items[1:], True
    while items and items[-1][0] is codes.AT and items[-1][1] in (codes.AT_END, codes.AT_END_STRING):
        items, ends = items[:-1], True
    tree = _tree(items, pattern)
    return ("cat", (*(() if begins else (ANY,)), tree, *(() if ends else (ANY,))))


def _tree(items: Any, pattern: str) -> Tree:
    return ("cat", tuple(_one(op, value, pattern) for op, value in items))


def _one(op: Any, value: Any, pattern: str) -> Tree:
    if op is codes.LITERAL:
        return ("set", ((value, value),))
    if op is codes.NOT_LITERAL:
        return ("set", minus(((value, value),)))
    if op is codes.ANY:
        return ("set", minus(_LINE_ENDS))
    if op is codes.IN:
        return ("set", _set(value, pattern))
    if op is codes.BRANCH:
        return ("alt", tuple(_tree(branch, pattern) for branch in value[1]))
    if op is codes.SUBPATTERN:
        if value[1] or value[2]:
            raise UnsupportedError(f"the pattern {pattern!r:.200} has flags, which are not supported")
        return _tree(value[3], pattern)
    if op in (codes.MAX_REPEAT, codes.MIN_REPEAT):
        lo, hi, body = value
        return ("rep", _tree(body, pattern), int(lo), None if hi is codes.MAXREPEAT else int(hi))
    raise UnsupportedError(
        f"the pattern {pattern!r:.200} has {str(op).lower()}, which is not supported: no lookaround, backreferences, "
        "word borders, or anchors in the middle"
    )


_KINDS = {
    codes.CATEGORY_DIGIT: ("digit", True),
    codes.CATEGORY_NOT_DIGIT: ("digit", False),
    codes.CATEGORY_WORD: ("word", True),
    codes.CATEGORY_NOT_WORD: ("word", False),
    codes.CATEGORY_SPACE: ("space", True),
    codes.CATEGORY_NOT_SPACE: ("space", False),
}
_NARROW: dict[str, Ranges] = {"digit": ((48, 57),), "word": _WORD, "space": ((9, 13), (32, 32))}


@lru_cache(maxsize=3)
def _wide(kind: str) -> Ranges:
    """Every character that some dialect takes for a digit, a letter of a word, a blank."""
    tests: dict[str, Callable[[str], bool]] = {
        "digit": str.isdecimal,
        "word": lambda char: char.isalnum() or char == "_" or unicodedata.category(char) in ("Mn", "Mc", "Me", "Pc"),
        "space": lambda char: char.isspace() or char == "\ufeff",
    }
    test = tests[kind]
    out: list[tuple[int, int]] = []
    for low, high in _ALL:
        for code in range(low, high + 1):
            if test(chr(code)):
                if out and out[-1][1] == code - 1:
                    out[-1] = (out[-1][0], code)
                else:
                    out.append((code, code))
    return tuple(out)


def _set(items: Any, pattern: str) -> Ranges:
    ranges: list[tuple[int, int]] = []
    negated = any(op is codes.NEGATE for op, _ in items)
    for op, value in items:
        if op is codes.NEGATE:
            continue
        if op is codes.LITERAL:
            ranges.append((value, value))
        elif op is codes.RANGE:
            ranges.append((value[0], value[1]))
        elif op is codes.CATEGORY and value in _KINDS:
            kind, is_in = _KINDS[value]
            # What comes out of the class in the end has to be in it in every dialect.
            known = _NARROW[kind] if is_in != negated else _wide(kind)
            ranges += known if is_in else minus(known)
        else:
            raise UnsupportedError(f"the pattern {pattern!r:.200} has a class that is not supported: {op}")
    return minus(tuple(ranges)) if negated else tuple(sorted(ranges))


def write(tree: Tree) -> str:
    """The tree as llguidance's regular expressions, without the slashes around them."""
    kind = tree[0]
    if kind == "set":
        if tree[1] == _ALL:
            return "(?s:.)"
        if not tree[1]:
            return "[^\\x{0}-\\x{10FFFF}]"
        return "[" + "".join(_range(a, b) for a, b in tree[1]) + "]"
    if kind == "cat":
        return "".join(map(write, tree[1]))
    if kind == "alt":
        return "(" + "|".join(map(write, tree[1])) + ")"
    _, body, lo, hi = tree
    count = "*" if (lo, hi) == (0, None) else f"{{{lo},{'' if hi is None else hi}}}"
    return f"({write(body)}){count}"


def _range(low: int, high: int) -> str:
    return _char(low) if low == high else f"{_char(low)}-{_char(high)}"


def _char(code: int) -> str:
    char = chr(code)
    return char if char.isascii() and char.isalnum() else f"\\x{{{code:X}}}"


def literal(text: str) -> Tree:
    """A text as a tree."""
    return ("cat", tuple(("set", ((ord(char), ord(char)),)) for char in text))


class Pattern:
    """A machine for a tree: sets of states of an automaton, each with its distance to the end.

    A text is as short as it has characters; among those, spelled with the first characters of the classes.
    """

    crossing: re.Pattern[bytes] | None = None

    def __init__(self, tree: Tree) -> None:
        self.moves: list[list[tuple[Ranges, int]]] = []
        self._empty: list[list[int]] = []
        begin, end = self._state(), self._state()
        self._build(tree, begin, end)
        self._end = end
        self._distance()
        self.start: frozenset[int] = self.closure({begin})
        self._rests: dict[frozenset[int], str] = {}
        self._steps: dict[tuple[frozenset[int], str], frozenset[int] | None] = {}
        self._plain: dict[frozenset[int], bool] = {}
        self._worst: dict[frozenset[int], int] = {}
        # Most tokens of a character of the shortest text: one per byte, and what has no short escape in JSON takes six.
        used = {first_of(ranges) for moves in self.moves for ranges, _ in moves if ranges}
        self.dearest = max((4 if char < " " else len(char.encode()) for char in used), default=1)

    def _state(self) -> int:
        if len(self.moves) > _MAX_STATES:
            raise UnsupportedError(f"a pattern needs more than {_MAX_STATES} states; make its repetitions shorter")
        self.moves.append([])
        self._empty.append([])
        return len(self.moves) - 1

    def _build(self, tree: Tree, begin: int, end: int) -> None:
        kind = tree[0]
        if kind == "set":
            self.moves[begin].append((tree[1], end))
        elif kind == "alt":
            for part in tree[1]:
                self._build(part, begin, end)
        elif kind == "cat":
            at = begin
            for part in tree[1]:
                after = self._state()
                self._build(part, at, after)
                at = after
            self._empty[at].append(end)
        else:
            _, body, lo, hi = tree
            at = begin
            for _ in range(lo):
                after = self._state()
                self._build(body, at, after)
                at = after
            if hi is None:
                loop, back = self._state(), self._state()
                self._empty[at].append(loop)
                self._build(body, loop, back)
                self._empty[back].append(loop)
                self._empty[loop].append(end)
                return
            for _ in range(hi - lo):
                self._empty[at].append(end)
                # A state of its own, so that what leaves it does not come back through a loop that ends in it.
                after = self._state()
                self._build(body, at, after)
                at = after
            self._empty[at].append(end)

    def _distance(self) -> None:
        back: list[list[tuple[int, int, Ranges | None]]] = [[] for _ in self.moves]
        for state, moves in enumerate(self.moves):
            for ranges, target in moves:
                if ranges:
                    back[target].append((state, 1, ranges))
            for target in self._empty[state]:
                back[target].append((state, 0, None))
        self.distance = [FAR] * len(self.moves)
        self._way: list[tuple[Ranges | None, int]] = [(None, -1)] * len(self.moves)
        self.distance[self._end] = 0
        heap = [(0, self._end)]
        while heap:
            far, state = heapq.heappop(heap)
            if far > self.distance[state]:
                continue
            for other, step, over in back[state]:
                if far + step < self.distance[other]:
                    self.distance[other], self._way[other] = far + step, (over, state)
                    heapq.heappush(heap, (far + step, other))

    def closure(self, states: set[int]) -> frozenset[int]:
        """The states that some states come to without a character, as far as they lead to an end."""
        todo, seen = list(states), set(states)
        while todo:
            for target in self._empty[todo.pop()]:
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return frozenset(s for s in seen if (self.moves[s] or s == self._end) and self.distance[s] < FAR)

    def step(self, state: frozenset[int], char: str) -> frozenset[int] | None:
        """As `syntax.Machine`, like everything here."""
        key = (state, char)
        after = self._steps.get(key, _DEAD)
        if after is _DEAD:
            if len(self._steps) > 20_000:
                self._steps.clear()
            code = ord(char)
            found = {t for s in state for ranges, t in self.moves[s] if any(a <= code <= b for a, b in ranges)}
            after = self._steps[key] = (self.closure(found) or None) if found else None
        return after

    def done(self, state: frozenset[int]) -> bool:  # noqa: D102
        return self._end in state

    def open(self, state: frozenset[int]) -> bool:  # noqa: D102
        return any(self.moves[s] for s in state)

    def rest(self, state: frozenset[int]) -> str:  # noqa: D102
        found = self._rests.get(state)
        if found is None:
            at = min(state, key=self.distance.__getitem__)
            out: list[str] = []
            while at != self._end:
                ranges, at = self._way[at]
                if ranges is not None:
                    out.append(first_of(ranges))
            found = self._rests[state] = "".join(out)
        return found

    def worst(self, price: Callable[[str], int], state: frozenset[int] | None = None) -> int:  # noqa: D102
        if state is None:
            return self.dearest * max((d for d in self.distance if d < FAR), default=0)
        found = self._worst.get(state)
        if found is None:
            todo, seen = list(state), set(state)
            while todo:
                at = todo.pop()
                for target in (*self._empty[at], *(target for ranges, target in self.moves[at] if ranges)):
                    if target not in seen:
                        seen.add(target)
                        todo.append(target)
            if len(self._worst) > _MAX_KEPT:
                self._worst.clear()
            furthest = max(d for d in map(self.distance.__getitem__, seen) if d < FAR)
            found = self._worst[state] = self.dearest * furthest
        return found

    def inert(self, state: frozenset[int]) -> str | None:  # noqa: D102
        found = self._plain.get(state)
        if found is None:
            # A loop over every character from which it may end at once.
            loops = ((s, self.closure({t})) for s in state for ranges, t in self.moves[s] if ranges == _ALL)
            found = self._plain[state] = self.done(state) and any(s in to and self._end in to for s, to in loops)
        return "" if found else None

    def skip(self, state: frozenset[int], count: int) -> None:  # noqa: D102
        return None

    def mark(self, state: frozenset[int]) -> Any:  # noqa: D102
        return state

    def pick(self, state: frozenset[int], low: int, high: int) -> str | None:  # noqa: D102
        best: tuple[int, int] | None = None
        for s in state:
            for ranges, target in self.moves[s]:
                for a, b in ranges:
                    if a <= high and b >= low:
                        best = min(best or (1 << 31, 0), (self.distance[target], max(a, low)))
        return chr(best[1]) if best else None


def first_of(ranges: Ranges) -> str:
    """A character to fill with: a common one if there is one."""
    for code in (48, 97, 65, 32):
        if any(a <= code <= b for a, b in ranges):
            return chr(code)
    for a, b in ranges:
        if b >= 33:
            return chr(max(a, 33))
    return chr(ranges[0][0])


def both(left: Ranges, right: Ranges) -> Ranges:
    """Characters that are in both."""
    return tuple((max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d))
