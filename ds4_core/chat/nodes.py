"""What may be written, as a graph: texts, regular languages and control tokens, in sequence, choice, repetition."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Protocol

#: More tokens than anything finite takes.
ENDLESS = 1 << 40


class Machine(Protocol):
    """A regular language, walked one character at a time. States are hashable; the start is `start`."""

    start: Any
    #: What any text has in it that leaves this language for what follows; None: it may be anything.
    crossing: re.Pattern[bytes] | None

    def step(self, state: Any, char: str) -> Any:
        """The next state; None when the text can not go on like this."""
        ...

    def done(self, state: Any) -> bool:
        """Whether the text may end here."""
        ...

    def open(self, state: Any) -> bool:
        """Whether it may go on."""
        ...

    def rest(self, state: Any) -> str:
        """The shortest text that completes it."""
        ...

    def worst(self, price: Callable[[str], int], state: Any = None) -> int:
        """Most tokens of `rest` in any state; when one is given, in that one and those that may come after it."""
        ...

    def inert(self, state: Any) -> str | None:
        """The characters without which any text leaves `rest` as it is, all of them ASCII; None when there is no such.

        Letters, digits and blanks are never among them.
        """
        ...

    def skip(self, state: Any, count: int) -> Any:
        """The state after `count` letters, digits or blanks; None when that needs a look at them."""
        ...

    def mark(self, state: Any) -> Any:
        """What decides how texts that fit change `rest`: the state, or less."""
        ...

    def pick(self, state: Any, low: int, high: int) -> str | None:
        """A character from this range of code points that may come next."""
        ...


class Node:
    """A part of the graph.

    Attributes:
        least: Fewest tokens that spell it.
        worst: Most tokens that may be needed for it once its first character is chosen badly.
    """

    __slots__ = ("least", "worst")

    def __init__(self) -> None:
        self.least = ENDLESS
        self.worst = -1


class Lit(Node):
    """A fixed text, not empty.

    Attributes:
        is_json: llguidance takes it apart into the words of JSON. It reads the longest word it can, so that texts that
            begin alike have to consist of the same ones.
    """

    __slots__ = ("is_json", "text")

    def __init__(self, text: str, *, is_json: bool = True) -> None:
        super().__init__()
        self.text, self.is_json = text, is_json


class Leaf(Node):
    """Text of a regular language.

    Attributes:
        machine: How it is walked.
        lark: The same for llguidance: the right side of a terminal or of a rule.
        is_rule: It has to be the body of a rule.
    """

    __slots__ = ("is_rule", "lark", "machine")

    def __init__(self, machine: Machine, lark: str, *, is_rule: bool = False) -> None:
        super().__init__()
        self.machine, self.lark, self.is_rule = machine, lark, is_rule


class Control(Node):
    """One token, by its id."""

    __slots__ = ("token",)

    def __init__(self, token: int) -> None:
        super().__init__()
        self.token = token


class Seq(Node):
    """One after the other."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Node]) -> None:
        super().__init__()
        self.parts = _joined(parts)


class Alt(Node):
    """One of several."""

    __slots__ = ("options",)

    def __init__(self, options: Iterable[Node]) -> None:
        super().__init__()
        self.options = tuple(options)


class Rep(Node):
    """Repetitions with something between them, `lo` to `hi` (None: any number) of them.

    Attributes:
        first: False when `between` stands before the first one too.
    """

    __slots__ = ("_next", "between", "first", "hi", "item", "lo")

    def __init__(self, item: Node, between: Node | None, lo: int, hi: int | None, *, first: bool = True) -> None:
        super().__init__()
        self.item, self.between, self.lo, self.hi, self.first = item, between, lo, hi, first
        self._next: Rep | None = None

    def after_one(self) -> Rep:
        """What is left after one of them."""
        lo, hi = max(0, self.lo - 1), None if self.hi is None else self.hi - 1
        if (lo, hi, False) == (self.lo, self.hi, self.first):
            return self
        if self._next is None:
            self._next = rest = Rep(self.item, self.between, lo, hi, first=False)
            rest.least, rest.worst = rep_least(rest), rep_worst(rest)
        return self._next


class Ref(Node):
    """A part by its name, so that it may hold itself; `target` is set once that is built."""

    __slots__ = ("name", "target")

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.target: Node = self


def _joined(parts: Iterable[Node]) -> tuple[Node, ...]:
    """Without sequences in it, neighbouring texts as one."""
    out: list[Node] = []
    for part in parts:
        for one in part.parts if isinstance(part, Seq) else (part,):
            last = out[-1] if out else None
            if isinstance(one, Lit) and isinstance(last, Lit) and one.is_json == last.is_json:
                out[-1] = Lit(last.text + one.text, is_json=one.is_json)
            else:
                out.append(one)
    return tuple(out)


def rep_least(rep: Rep) -> int:
    """`least` of a repetition whose parts have theirs."""
    between = 0 if rep.between is None else rep.between.least
    return rep.lo * rep.item.least + (rep.lo - (1 if rep.first and rep.lo else 0)) * between


def rep_worst(rep: Rep) -> int:
    """`worst` of a repetition whose parts have theirs."""
    if rep.hi == 0:
        return 0
    alone = rep.first or rep.between is None
    begin = rep.item.worst if alone or rep.between is None else rep.between.worst + rep.item.least
    between = 0 if rep.between is None else rep.between.least
    return begin + max(0, rep.lo - 1) * (rep.item.least + between)


def parts_of(node: Node) -> tuple[Node, ...]:
    """The nodes directly below."""
    if isinstance(node, Seq):
        return node.parts
    if isinstance(node, Alt):
        return node.options
    if isinstance(node, Rep):
        return (node.item,) if node.between is None else (node.item, node.between)
    return (node.target,) if isinstance(node, Ref) else ()


def all_nodes(root: Node) -> list[Node]:
    """Every node that can be reached, each once."""
    seen: dict[int, Node] = {}
    todo = [root]
    while todo:
        node = todo.pop()
        if id(node) not in seen:
            seen[id(node)] = node
            todo += parts_of(node)
    return list(seen.values())


def nullable(node: Node) -> bool:
    """Whether a part may be empty."""
    return node.least == 0
