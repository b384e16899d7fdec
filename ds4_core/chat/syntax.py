"""The shortest way to an end from anywhere in a graph of nodes.

llguidance says which tokens may come next; it does not say how far the end is. `Syntax` follows the same graph beside
it and knows, after every token, the fewest tokens that complete the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ds4_core.chat.nodes import (
    ENDLESS,
    Alt,
    Control,
    Leaf,
    Lit,
    Node,
    Ref,
    Rep,
    Seq,
    all_nodes,
    nullable,
    rep_least,
    rep_worst,
)
from ds4_core.errors import UnsupportedError

#: Tokens by the text they spell, as few as possible.
Spell = Callable[[bytes], tuple[int, ...]]
#: How many those are from each byte of a text on.
Prices = Callable[[bytes], list[int]]


@dataclass(eq=False, slots=True)
class Cell:
    """What is to come after the part at hand: a node, and what comes after that."""

    node: Node
    next: Cell | None
    cost: int
    entries: tuple[Place, ...] | None = None
    tokens: tuple[int, ...] | None = None
    cells: dict[int, Cell] = field(default_factory=dict)  # by node: this cell is what follows


#: Where a text may be: a text, a leaf or a control token; its offset or state; and what comes after it.
Place = tuple[Node | None, Any, Cell | None]
END: Place = (None, 0, None)


class Syntax:
    """A graph with its prices. Shared by all generations that use it; it grows as they walk it.

    Attributes:
        growth: Most tokens by which one more character can move the end away.
    """

    def __init__(self, root: Node, spell: Spell, prices: Prices) -> None:
        """Weighs a graph.

        Args:
            root: The whole.
            spell: Tokens for text.
            prices: Their number.

        Raises:
            UnsupportedError: A part holds itself at its own beginning, or nothing finite fits.
        """
        self.root = root
        self._spell, self._prices = spell, prices
        self._texts: dict[str, tuple[int, ...]] = {}
        self._rests: dict[tuple[int, Any], tuple[int, ...]] = {}
        self._top: dict[int, Cell] = {}
        nodes = all_nodes(root)
        self._weigh(nodes)
        if root.least >= ENDLESS:
            raise UnsupportedError("nothing of finite length fits what is asked for")
        busy: set[int] = set()
        for node in nodes:
            self._worst(node, busy)
        self.growth = max(
            1, *(n.worst if isinstance(n, Lit | Leaf | Rep) else n.worst - n.least for n in nodes if n.least < ENDLESS)
        )
        self.start = self.enter(self._cell(root, None))

    # -- prices --------------------------------------------------------------------------------------------------------

    def tokens(self, text: str) -> tuple[int, ...]:
        """Tokens of a text."""
        found = self._texts.get(text)
        if found is None:
            found = self._texts[text] = self._spell(text.encode())
        return found

    def price(self, text: str) -> int:
        """How many."""
        return len(self.tokens(text))

    def _weigh(self, nodes: list[Node]) -> None:
        for node in nodes:
            if isinstance(node, Lit):
                node.least = self.price(node.text)
            elif isinstance(node, Leaf):
                node.least = self.price(node.machine.rest(node.machine.start))
            elif isinstance(node, Control):
                node.least = 1
        changed = True
        while changed:
            changed = False
            for node in reversed(nodes):
                least = node.least
                if isinstance(node, Seq):
                    least = sum(part.least for part in node.parts)
                elif isinstance(node, Alt):
                    least = min((option.least for option in node.options), default=ENDLESS)
                elif isinstance(node, Rep):
                    least = rep_least(node)
                elif isinstance(node, Ref):
                    least = node.target.least
                least = min(least, ENDLESS)
                if least < node.least:
                    node.least, changed = least, True

    def _worst(self, node: Node, busy: set[int]) -> int:
        if node.worst >= 0 or node.least >= ENDLESS:
            return max(0, node.worst)
        if id(node) in busy:
            raise UnsupportedError("a rule begins with itself: left recursion is not supported; write it the other way")
        busy.add(id(node))
        if isinstance(node, Lit):
            data = node.text.encode()
            prices = self._prices(data)
            # Where a character begins.
            node.worst = max(price for byte, price in zip(data, prices, strict=False) if byte & 0xC0 != 0x80)
        elif isinstance(node, Leaf):
            node.worst = max(node.machine.worst(self.price), node.least)
        elif isinstance(node, Control):
            node.worst = 1
        elif isinstance(node, Alt):
            node.worst = max(self._worst(option, busy) for option in node.options)
        elif isinstance(node, Ref):
            node.worst = self._worst(node.target, busy)
        elif isinstance(node, Rep):
            self._worst(node.item, busy)
            # What stands between does not begin it; its price is no matter of recursion.
            if node.between is not None and node.between.worst < 0:
                self._worst(node.between, set())
            node.worst = rep_worst(node)
        elif isinstance(node, Seq):
            worst = 0
            for index, part in enumerate(node.parts):
                after = sum(other.least for other in node.parts[index + 1 :])
                worst = max(worst, self._worst(part, busy) + after)
                if not nullable(part):
                    break
            node.worst = worst
        busy.discard(id(node))
        return node.worst

    # -- walking -------------------------------------------------------------------------------------------------------

    def _cell(self, node: Node, then: Cell | None) -> Cell:
        known = self._top if then is None else then.cells
        cell = known.get(id(node))
        if cell is None:
            cell = known[id(node)] = Cell(node, then, node.least + (0 if then is None else then.cost))
        return cell

    def enter(self, cell: Cell | None) -> tuple[Place, ...]:
        """Every place where the text may go on that has come to `cell`."""
        if cell is None:
            return (END,)
        if cell.entries is not None:
            return cell.entries
        out: dict[tuple[int, Any, int], Place] = {}
        todo: list[tuple[Node, Cell | None]] = [(cell.node, cell.next)]
        seen: set[tuple[int, int]] = set()
        while todo:
            node, then = todo.pop()
            if (id(node), id(then)) in seen or node.least >= ENDLESS:
                continue
            seen.add((id(node), id(then)))
            ends = False
            if isinstance(node, Lit | Control):
                out[id(node), 0, id(then)] = (node, 0, then)
            elif isinstance(node, Leaf):
                start = node.machine.start
                if node.machine.open(start):
                    out[id(node), start, id(then)] = (node, start, then)
                ends = node.machine.done(start)
            elif isinstance(node, Seq):
                for part in reversed(node.parts[1:]):
                    then = self._cell(part, then)
                if node.parts:
                    todo.append((node.parts[0], then))
                else:
                    ends = True
            elif isinstance(node, Alt):
                todo += [(option, then) for option in node.options]
            elif isinstance(node, Ref):
                todo.append((node.target, then))
            elif isinstance(node, Rep):
                ends = node.lo == 0
                if node.hi != 0:
                    after = self._cell(node.after_one(), then)
                    if node.first or node.between is None:
                        todo.append((node.item, after))
                    else:
                        todo.append((node.between, self._cell(node.item, after)))
            if ends:
                if then is None:
                    out[0, 0, 0] = END
                else:
                    todo.append((then.node, then.next))
        cell.entries = tuple(out.values())
        return cell.entries

    def step(self, places: Sequence[Place], char: str) -> tuple[Place, ...]:
        """Where the text may be after one more character; empty when it fits nowhere."""
        if len(places) == 1:
            node, at, then = places[0]
            if isinstance(node, Lit):
                if node.text[at] != char:
                    return ()
                return self.enter(then) if at + 1 == len(node.text) else ((node, at + 1, then),)
        out: dict[tuple[int, Any, int], Place] = {}
        for node, at, then in places:
            if isinstance(node, Lit):
                if node.text[at] == char:
                    if at + 1 == len(node.text):
                        self._add(out, self.enter(then))
                    else:
                        out[id(node), at + 1, id(then)] = (node, at + 1, then)
            elif isinstance(node, Leaf):
                state = node.machine.step(at, char)
                if state is not None:
                    if node.machine.open(state):
                        out[id(node), state, id(then)] = (node, state, then)
                    if node.machine.done(state):
                        self._add(out, self.enter(then))
        return tuple(out.values())

    @staticmethod
    def _add(out: dict[tuple[int, Any, int], Place], places: Iterable[Place]) -> None:
        for node, at, then in places:
            out[id(node) if node is not None else 0, at, id(then) if node is not None else 0] = (node, at, then)

    def control(self, places: Sequence[Place], token: int) -> tuple[Place, ...]:
        """Where it may be after a control token."""
        out: dict[tuple[int, Any, int], Place] = {}
        for node, _, then in places:
            if isinstance(node, Control) and node.token == token:
                self._add(out, self.enter(then))
        return tuple(out.values())

    # -- the way to the end --------------------------------------------------------------------------------------------

    def cost(self, place: Place) -> int:
        """Fewest tokens from a place to the end, the end-of-turn token not counted."""
        node, _, then = place
        if node is None:
            return 0
        return len(self._tail(place)) + (0 if then is None else then.cost)

    def _tail(self, place: Place) -> tuple[int, ...]:
        node, at, _ = place
        if isinstance(node, Control):
            return (node.token,)
        if isinstance(node, Lit):
            return self.tokens(node.text[at:])
        key = (id(node), at)
        tail = self._rests.get(key)
        if tail is None:
            text = node.machine.rest(at) if isinstance(node, Leaf) else ""
            tail = self._rests[key] = self.tokens(text)
        return tail

    def way(self, place: Place) -> tuple[int, ...]:
        """The tokens themselves."""
        if place[0] is None:
            return ()
        return self._tail(place) + self._tokens_of(place[2])

    def _tokens_of(self, cell: Cell | None) -> tuple[int, ...]:
        chain = []
        while cell is not None and cell.tokens is None:
            chain.append(cell)
            cell = cell.next
        tokens = () if cell is None else cell.tokens or ()
        for one in reversed(chain):
            tokens = one.tokens = self.least_tokens(one.node) + tokens
        return tokens

    def least_tokens(self, node: Node) -> tuple[int, ...]:
        """The shortest spelling of a node."""
        out: list[int] = []
        todo = [node]
        while todo:
            node = todo.pop()
            if isinstance(node, Seq):
                todo += reversed(node.parts)
            elif isinstance(node, Alt):
                todo.append(min(node.options, key=lambda option: option.least))
            elif isinstance(node, Ref):
                todo.append(node.target)
            elif isinstance(node, Rep):
                if node.lo:
                    todo.append(node.after_one())
                    todo.append(node.item)
                    if not node.first and node.between is not None:
                        todo.append(node.between)
            else:
                out += self._tail((node, node.machine.start if isinstance(node, Leaf) else 0, None))
        return tuple(out)
