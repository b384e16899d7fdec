"""One generation's way through one grammar: what may come next, and an end that always fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ds4_core.chat.costs import Costs
from ds4_core.chat.nodes import Leaf, Lit, Machine
from ds4_core.chat.numerals import Number
from ds4_core.chat.syntax import Cell, Place, Syntax
from ds4_core.chat.vocabulary import IntArray, Vocabulary
from ds4_core.errors import InternalError, InvalidRequestError

_MAX_SINGLE = 512  # tokens that are weighed one by one where they lead out of a place
_MAX_CLOSE = 512  # and of those that stay there, once the end is near
_BEGUN = 3  # tokens that complete a character, at most
_MAX_TABLES = 2048
_TABLE_BYTES = 24 << 20  # their masks in one grammar take no more


@dataclass(eq=False)
class Grammar:
    """One grammar, compiled. Shared by generations.

    Attributes:
        vocabulary: Whose tokens it is made of.
        matcher: llguidance's, at its beginning; copied for every generation.
        syntax: The same for the way to the end.
        shortest: Tokens of the shortest text, the end-of-turn token included.
        tables: What tokens cost in places where it was asked.
        ways: The shortest ways to the end from there, the end-of-turn token included.
    """

    vocabulary: Vocabulary
    matcher: Any
    syntax: Syntax
    shortest: tuple[int, ...]
    tables: dict[Any, Costs] = field(default_factory=dict)
    ways: dict[Any, tuple[int, ...]] = field(default_factory=dict)


_NONE = 1 << 40


class Course:
    """A generation's way through one grammar."""

    def __init__(self, grammar: Grammar) -> None:
        """Begins at its beginning."""
        self._grammar, self._vocabulary, self._syntax = grammar, grammar.vocabulary, grammar.syntax
        self._matcher = grammar.matcher.deep_copy()
        self._mask: IntArray = np.zeros(self._vocabulary.n_words, dtype=np.uint32)
        self._at = self._mask.ctypes.data
        self._size = self._mask.nbytes
        self._places: tuple[Place, ...] = self._syntax.start
        self._partial = b""
        self._behind: list[int] = []  # accepted, and not followed by `_places` yet
        self._way: tuple[int, ...] | None = grammar.shortest
        self._way_at = 0
        # No way to the end is longer than this, whatever the last tokens were.
        self._bound = max(len(grammar.shortest), self._cost_bound())
        # Nor is it by more than this after one more token; it may end inside a character.
        self._reach = self._syntax.growth * self._vocabulary.longest + _BEGUN
        self.left: int | None = None
        self.ended = False

    # -- what the guide asks -------------------------------------------------------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether the text is complete and can not go on."""
        return self.ended or bool(self._matcher.is_stopped())

    def accept(self, token: int) -> None:
        """Follows a token."""
        if self.left is not None:
            self.left -= 1
        if token == self._vocabulary.eos:
            if not self._matcher.is_accepting():
                raise InvalidRequestError("the end-of-turn token came before the text was complete")
            self.ended = True
            return
        if not self._matcher.consume_token(token):
            error = self._matcher.get_error() or "it is not allowed here"
            raise InvalidRequestError(f"token {token} does not follow the grammar: {error:.500}")
        self._behind.append(token)
        self._bound += self._syntax.growth * max(1, len(self._vocabulary.texts[token]))
        if self._way is not None:
            if self._way[self._way_at] == token:
                self._way_at += 1
            else:
                self._way = None

    def forced(self) -> list[int]:
        """Tokens that have to come."""
        if self.ended:
            return []
        if self.finished:
            return [self._vocabulary.eos]
        if self._is_tight():
            way, at = self._known_way()
            if self.left is not None and self.left <= len(way) - at:
                return list(way[at:])
        tokens: list[int] = self._matcher.compute_ff_tokens()
        if tokens and self.left is not None and self.left - len(tokens) <= self._bound + self._reach:
            self._follow()
            places, partial = self._walk(self._places, self._partial, tokens)
            if self._least(places, partial) > self.left - len(tokens):
                return []
        return tokens

    def mask(self) -> IntArray:
        """Tokens that may come."""
        if self.finished:
            self._mask[:] = 0
            self._allow(self._vocabulary.eos)
            return self._mask
        self._matcher.unsafe_compute_mask_ptr(self._at, self._size)
        left = self.left
        if left is None or left - 1 > self._bound + self._reach:
            return self._mask
        self._follow()
        if left - 1 <= self._bound + self._reach:
            costs = self._costs()
            if left - 1 < costs.most:
                self._narrow(costs, left)
        return self._mask

    def min_left(self) -> int:
        """Length of the shortest way that is known to the end."""
        if self.finished:
            return 0 if self.ended else 1
        way, at = self._known_way()
        return len(way) - at

    # -- near the end --------------------------------------------------------------------------------------------------

    def _is_tight(self) -> bool:
        return self.left is not None and self.left <= self._bound + 1

    def _allow(self, token: int) -> None:
        self._mask[token >> 5] |= np.uint32(1 << (token & 31))

    def _narrow(self, costs: Costs, left: int) -> None:
        """Leaves in the mask what is known to leave a way to the end that fits."""
        way, at = self._known_way()
        following = way[at]
        if left <= len(way) - at:
            self._mask[:] = 0
        else:
            if left - 1 < costs.bound:
                self._weigh_single(costs, self._mask & costs.rough, _MAX_CLOSE)
            self._mask &= costs.within(left - 1)
        # Where text is forced llguidance's mask has its own spelling of it alone; this one was validated as well.
        self._allow(following)

    def _key(self) -> Any:
        # In one place alone llguidance's mask says whether it takes a token; among several it may be another that does.
        if len(self._places) == 1:
            node, at, then = self._places[0]
            return (id(node), node.machine.mark(at) if isinstance(node, Leaf) else at, id(then), self._partial)
        return (frozenset((id(node), at, id(then)) for node, at, then in self._places), self._partial)

    def _costs(self) -> Costs:
        """Of the tokens that may come, and of others that may come at places like this."""
        key = self._key()
        tables = self._grammar.tables
        costs = tables.get(key)
        if costs is None:
            if len(tables) >= min(_MAX_TABLES, _TABLE_BYTES // (Costs.SIZE * self._size) + 1):
                tables.clear()
            costs = tables[key] = Costs(self._vocabulary.n_words)
            self._weigh_inert(costs)
        new = costs.unknown(self._mask)
        if new is not None:
            self._weigh(costs, new)
        return costs

    def _weigh_inert(self, costs: Costs) -> None:
        """Texts that leave the end where it is."""
        if self._partial:
            return
        far = self._vocabulary.longest
        found = []
        for place in self._places:
            node, at, _ = place
            if isinstance(node, Leaf) and (len(self._places) == 1 or node.machine.skip(at, far) is not None):
                chars = node.machine.inert(at)
                if chars is not None:
                    found.append((self._syntax.cost(place) + 1, chars))
        if found:
            cost, chars = min(found)
            whole, begun = self._vocabulary.without(chars)
            costs.add_group(cost, whole)
            costs.add_group(cost + _BEGUN, begun)

    def _weigh(self, costs: Costs, new: IntArray) -> None:
        """Tokens of the mask, one by one those that lead out of the place at hand."""
        across = self._across()
        staying = new & ~across
        if staying.any():
            price = self._syntax.price
            ends = (
                node.machine.worst(price, at) + (0 if then is None else then.cost)
                for node, at, then in self._places
                if isinstance(node, Leaf)
            )
            costs.add_rough(max(ends, default=0) + 1 + _BEGUN, staying)
        leaving = new & across
        self._weigh_single(costs, leaving, _MAX_SINGLE)
        rest = costs.unknown(leaving)
        if rest is not None:
            tokens = self._shortest_first(rest)
            bounds = (
                self._cost_bound() + _BEGUN + self._syntax.growth * self._vocabulary.lengths[tokens].astype(np.int64)
            )
            costs.add(tokens.tolist(), bounds.tolist(), rest)

    def _across(self) -> IntArray:
        """Tokens that may lead out of the place at hand; no other does."""
        vocabulary = self._vocabulary
        mask = vocabulary.controls_only
        for node, at, then in self._places:
            if isinstance(node, Leaf):
                if then is None:  # nothing follows
                    continue
                crossing = node.machine.crossing
                if crossing is None or not self._is_told_apart(node.machine, then):
                    return vocabulary.everything
                mask = mask | vocabulary.holding(crossing)
            elif isinstance(node, Lit):
                if self._partial:
                    return vocabulary.everything
                mask = mask | vocabulary.beginning(node.text[at].encode()[0])
        return mask

    def _is_told_apart(self, machine: Machine, then: Cell) -> bool:
        """Whether a text that goes on behind the machine's has what the machine says it has."""
        crossing = machine.crossing
        if not isinstance(machine, Number) or crossing is None:
            return True
        # Numbers are ended by what follows; in a grammar of one's own that may be a digit.
        return all(
            node is None or (isinstance(node, Lit) and crossing.match(node.text[at].encode()))
            for node, at, _ in self._syntax.enter(then)
        )

    def _shortest_first(self, mask: IntArray) -> IntArray:
        tokens = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
        return tokens[np.argsort(self._vocabulary.lengths[tokens], kind="stable")]

    def _weigh_single(self, costs: Costs, mask: IntArray, most: int) -> None:
        """The first tokens of a mask, the short ones and those that stand for no text before others."""
        vocabulary = self._vocabulary
        tokens = self._shortest_first(mask)[:most]
        if not len(tokens):
            return
        found = []
        for token in tokens.tolist():
            places, partial = self._walk(self._places, self._partial, (token,))
            found.append(0 if token == vocabulary.eos else self._least(places, partial))
        costs.add(tokens.tolist(), found, vocabulary.mask(tokens))

    # -- following -----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        if not self._behind:
            return
        places, partial = self._walk(self._places, self._partial, self._behind)
        if not places:
            raise InternalError(
                f"the grammar's own syntax does not follow tokens {self._behind} that llguidance accepted"
            )
        self._places, self._partial = places, partial
        self._behind.clear()
        self._bound = self._cost_bound()
        if self._way is not None:
            self._bound = max(self._bound, len(self._way) - self._way_at)

    def _cost_bound(self) -> int:
        syntax = self._syntax
        # A character that is begun takes three tokens more at most.
        return max(syntax.cost(place) for place in self._places) + 1 + (3 + syntax.growth if self._partial else 0)

    def _walk(
        self, places: tuple[Place, ...], partial: bytes, tokens: Sequence[int]
    ) -> tuple[tuple[Place, ...], bytes]:
        syntax, texts, is_plain = self._syntax, self._vocabulary.texts, self._vocabulary.is_plain
        for token in tokens:
            if is_plain[token] and len(places) == 1 and not partial:
                node, at, then = places[0]
                after = node.machine.skip(at, is_plain[token]) if isinstance(node, Leaf) else None
                if after is not None:
                    places = ((node, after, then),)
                    continue
            data = texts[token]
            if not data:
                places = () if partial else syntax.control(places, token)
                continue
            data = partial + data
            partial = b""
            try:
                text = data.decode()
            except UnicodeDecodeError as error:
                if error.reason != "unexpected end of data":
                    return (), b""
                text, partial = data[: error.start].decode(), data[error.start :]
            for char in text:
                places = syntax.step(places, char)
                if not places:
                    return (), b""
        return places, partial

    def _least(self, places: tuple[Place, ...], partial: bytes) -> int:
        """Fewest tokens to the end, the end-of-turn token included."""
        if partial:
            found = self._complete(places, partial)
            return _NONE if found is None else found[0]
        syntax = self._syntax
        return min((syntax.cost(place) for place in places), default=_NONE) + 1

    def _complete(self, places: tuple[Place, ...], partial: bytes) -> tuple[int, tuple[int, ...], str] | None:
        """The cheapest character that begins with these bytes: the cost from here, the tokens of its rest, itself."""
        low, high = _code_range(partial)
        best: tuple[int, tuple[int, ...], str] | None = None
        for node, at, _ in places:
            char = None
            if isinstance(node, Lit):
                char = node.text[at] if node.text[at].encode().startswith(partial) else None
            elif isinstance(node, Leaf):
                char = node.machine.pick(at, low, high)
            if char is None:
                continue
            tokens = self._vocabulary.spell(char.encode()[len(partial) :])
            cost = len(tokens) + self._least(self._syntax.step(places, char), b"")
            if best is None or cost < best[0]:
                best = (cost, tokens, char)
        return best

    def _known_way(self) -> tuple[tuple[int, ...], int]:
        """The shortest way to the end that is known, as tokens and where in them it begins."""
        if self._way is None or self._way_at >= len(self._way):
            self._follow()
            ways = self._grammar.ways
            key = self._key()
            way = ways.get(key)
            if way is None:
                if len(ways) >= _MAX_TABLES:
                    ways.clear()
                way = ways[key] = self._new_way()
            self._way, self._way_at = way, 0
        return self._way or (), self._way_at

    def _new_way(self) -> tuple[int, ...]:
        head: tuple[int, ...] = ()
        places = self._places
        if self._partial:
            found = self._complete(places, self._partial)
            if found is None:
                raise InternalError(f"no character completes the bytes {self._partial!r}")
            head, places = found[1], self._syntax.step(places, found[2])
        end = (self._vocabulary.eos,)
        ways = [head + self._syntax.way(place) + end for place in sorted(places, key=self._syntax.cost)]
        for way in ways:
            if self._matcher.validate_tokens(list(way)) == len(way):
                return way
        shown = [self._vocabulary.show(way) for way in ways]
        raise InternalError(f"llguidance accepts none of the ways to the end: {shown!r:.1000}")


def _code_range(partial: bytes) -> tuple[int, int]:
    """The code points whose UTF-8 begins with these bytes."""
    lead = partial[0]
    size = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    low = lead & (0xFF >> (size + 1))
    for byte in partial[1:]:
        low = low << 6 | byte & 0x3F
    missing = size - len(partial)
    low, high = low << 6 * missing, ((low + 1) << 6 * missing) - 1
    low, high = max(low, (0x80, 0x800, 0x10000)[size - 2]), min(high, 0x10FFFF)
    if low <= 0xDFFF and high >= 0xD800:
        low, high = (low, 0xD7FF) if low < 0xD800 else (0xE000, high)
    return low, high
