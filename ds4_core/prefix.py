"""The prefix tree: which checkpoint a request starts from, and which are dropped when memory is short.

A radix tree over tokens. Edges hold tokens, nodes may hold a checkpoint. A node without one is there only where paths
part, so every leaf has one. The tree owns the checkpoints it was given.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

from ds4_core.errors import InvalidRequestError
from ds4_core.types import IntArray, checked_int

#: int32, [n_tokens], C-contiguous.
_MAX_TOKENS = 2**31 - 1
_MAX_BYTES = 2**63 - 1


class Checkpoint(Protocol):
    """What the tree keeps: a point to which timelines can return."""

    @property
    def pos(self) -> int:
        """Tokens it holds."""

    @property
    def n_bytes(self) -> int:
        """Bytes of its own copy of the state, pages apart."""

    def close(self) -> None:
        """Frees it."""


class Match(NamedTuple):
    """What the tree has of a request's tokens."""

    #: The deepest checkpoint on their path within the limit, owned by the tree and valid until the tree changes. None:
    #: start from zero.
    checkpoint: Checkpoint | None
    #: How many leading tokens lie on a path of the tree, at most the limit: where the request leaves what is known.
    known: int


class _Node:
    """The end of an edge."""

    __slots__ = ("checkpoint", "children", "edge", "end", "n_bytes", "parent", "queued", "used")

    def __init__(self, parent: _Node | None, edge: IntArray, end: int) -> None:
        self.parent = parent
        #: Tokens from the parent to here. An array of its own: a view would keep longer prompts alive.
        self.edge = edge
        #: Tokens from the root to here.
        self.end = end
        #: By the first token of their edge.
        self.children: dict[int, _Node] = {}
        self.checkpoint: Checkpoint | None = None
        #: Of the checkpoint's own state.
        self.n_bytes = 0
        #: When the checkpoint was last used, in uses of the whole tree.
        self.used = 0
        #: Whether the queue of leaves has an entry for it.
        self.queued = False


class PrefixTree:
    """Checkpoints by the tokens they hold, within a budget of bytes. For one thread.

    A checkpoint costs its own state and the pages it does not share: those its tokens fill or begin, without the full
    pages of the nearest checkpoint above it. `n_bytes` is the sum of these costs at all times.
    """

    def __init__(self, bytes_max: int, *, page_tokens: int, page_bytes: int) -> None:
        """Makes an empty tree.

        Args:
            bytes_max: Most bytes the checkpoints may cost together; 0 keeps none.
            page_tokens: Tokens covered by one KV page.
            page_bytes: Of one KV page.

        Raises:
            InvalidRequestError: A number out of range.
        """
        self._bytes_max = checked_int("bytes_max", bytes_max, 0, _MAX_BYTES)
        self._page_tokens = checked_int("page_tokens", page_tokens, 1, _MAX_TOKENS)
        self._page_bytes = checked_int("page_bytes", page_bytes, 0, _MAX_BYTES)
        self._root = _Node(None, np.empty(0, np.int32), 0)
        self._n_bytes = 0
        self._n_checkpoints = 0
        self._n_tokens = 0
        self._uses = 0
        # A heap of (used, node), one entry for each leaf and some for nodes that were one. An entry may be older than
        # the node's last use, never newer: whoever takes one checks it and puts it back where it belongs.
        self._queue: list[tuple[int, _Node]] = []

    @property
    def n_bytes(self) -> int:
        """What all checkpoints cost now."""
        return self._n_bytes

    @property
    def n_checkpoints(self) -> int:
        """Checkpoints kept now."""
        return self._n_checkpoints

    @property
    def n_tokens(self) -> int:
        """Tokens on all edges: those of shared beginnings count once."""
        return self._n_tokens

    def __iter__(self) -> Iterator[tuple[IntArray, Checkpoint]]:
        """Every checkpoint with its tokens, a path's shorter ones before its longer ones."""
        empty: IntArray = np.empty(0, np.int32)
        pending = [(self._root, empty)]
        while pending:
            node, before = pending.pop()
            tokens = np.concatenate((before, node.edge))
            if node.checkpoint is not None:
                yield tokens, node.checkpoint
            pending += [(child, tokens) for child in node.children.values()]

    # -- finding -------------------------------------------------------------------------------------------------------

    def match(self, tokens: IntArray, limit: int) -> Match:
        """The longest known beginning of `tokens`. The checkpoint returned counts as just used.

        Args:
            tokens: int32, [n_tokens]: all tokens of the request.
            limit: Most of them that may be taken over, >= 0. More than there are means all.

        Raises:
            InvalidRequestError: `limit` out of range.
        """
        limit = checked_int("limit", limit, 0, _MAX_TOKENS)
        node, known = self._walk(tokens[:limit])
        found: _Node | None = node
        while found is not None and found.checkpoint is None:
            found = found.parent
        if found is None:
            return Match(None, known)
        self._touch(found)
        return Match(found.checkpoint, known)

    def _walk(self, tokens: IntArray) -> tuple[_Node, int]:
        """The deepest node that `tokens` reach, and how many of them lie on the way there and on the edge behind it."""
        node = self._root
        while node.end < len(tokens):
            child = node.children.get(int(tokens[node.end]))
            if child is None:
                break
            rest = tokens[node.end : child.end]
            differs = child.edge[: len(rest)] != rest
            first = int(differs.argmax())
            if differs[first]:
                return node, node.end + first
            if len(rest) < len(child.edge):
                return node, len(tokens)
            node = child
        return node, node.end

    def _touch(self, node: _Node) -> None:
        self._uses += 1
        node.used = self._uses

    # -- growing -------------------------------------------------------------------------------------------------------

    def insert(self, tokens: IntArray, checkpoint: Checkpoint) -> None:
        """Takes over a checkpoint and drops others until all fit into the budget again.

        It counts as just used. Where its tokens have a checkpoint already, that one is kept and used, and the new one
        is closed. One that costs more than the budget with nothing else in the tree is closed at once. Otherwise the
        least recently used leaves go first; once only the checkpoints above the new one are left, the least recently
        used of them go.

        Args:
            tokens: int32, [n_tokens]: what the checkpoint holds. The tree copies what it does not have.
            checkpoint: Closed by the tree, sooner or later.

        Raises:
            InvalidRequestError: `tokens` are not as many as the checkpoint holds, which stays the caller's.
        """
        if checkpoint.pos != len(tokens):
            raise InvalidRequestError(
                f"the checkpoint holds {checkpoint.pos} tokens, {len(tokens)} were given with it; give those it holds"
            )
        node, known = self._walk(tokens)
        if node.end == len(tokens) and node.checkpoint is not None:
            self._touch(node)
            checkpoint.close()
            return
        n_bytes = checkpoint.n_bytes
        if n_bytes + self._page_bytes * self._pages(len(tokens)) > self._bytes_max:
            checkpoint.close()
            return
        if known > node.end:
            node = self._split(node, node.children[int(tokens[node.end])], known)
        if known < len(tokens):
            node = self._append(node, tokens)
        node.checkpoint = checkpoint
        node.n_bytes = n_bytes
        self._n_bytes += self._share(node)
        self._n_checkpoints += 1
        self._touch(node)
        self._enqueue(node)
        self._shrink(node)

    def _split(self, parent: _Node, child: _Node, end: int) -> _Node:
        """A new node on the edge between two, `end` tokens from the root."""
        at = end - parent.end
        node = _Node(parent, child.edge[:at].copy(), end)
        child.edge = child.edge[at:].copy()
        child.parent = node
        node.children[int(child.edge[0])] = child
        parent.children[int(node.edge[0])] = node
        return node

    def _append(self, parent: _Node, tokens: IntArray) -> _Node:
        """A new leaf for the tokens behind `parent`."""
        node = _Node(parent, tokens[parent.end :].copy(), len(tokens))
        parent.children[int(node.edge[0])] = node
        self._n_tokens += len(node.edge)
        return node

    # -- shrinking -----------------------------------------------------------------------------------------------------

    def evict(self, n_bytes: int) -> int:
        """Drops least recently used leaves until they freed `n_bytes` or nothing is left.

        Returns:
            How much `n_bytes` of the tree went down. Pages that something else still uses stay in memory.
        """
        before = self._n_bytes
        while before - self._n_bytes < n_bytes and (leaf := self._pop_leaf()) is not None:
            self._drop(leaf)
        return before - self._n_bytes

    def clear(self) -> None:
        """Drops every checkpoint."""
        while (leaf := self._pop_leaf()) is not None:
            self._drop(leaf)

    def _shrink(self, newest: _Node) -> None:
        """Drops checkpoints other than `newest`, which fits alone, until the tree is within its budget."""
        while self._n_bytes > self._bytes_max:
            leaf = self._pop_leaf()
            if leaf is None or leaf is newest:
                self._enqueue(newest)
                break
            self._drop(leaf)
        if self._n_bytes <= self._bytes_max:
            return
        # `newest` is the only leaf. It is worth more than what lies above it, which it can replace.
        above = []
        node = newest.parent
        while node is not None:
            if node.checkpoint is not None:
                above.append(node)
            node = node.parent
        for node in sorted(above, key=lambda node: node.used):
            self._drop(node)
            if self._n_bytes <= self._bytes_max:
                return

    def _pop_leaf(self) -> _Node | None:
        """Takes the leaf whose checkpoint was not used for longest out of the queue."""
        queue = self._queue
        while queue:
            used, node = queue[0]
            if used != node.used:
                heapq.heapreplace(queue, (node.used, node))
                continue
            heapq.heappop(queue)
            node.queued = False
            if not node.children:
                return node
        return None

    def _enqueue(self, node: _Node) -> None:
        if not node.queued and not node.children:
            node.queued = True
            heapq.heappush(self._queue, (node.used, node))

    def _drop(self, node: _Node) -> None:
        """Takes a checkpoint out of the tree and closes it."""
        self._n_bytes -= self._share(node)
        self._n_checkpoints -= 1
        checkpoint, node.checkpoint = node.checkpoint, None
        try:
            self._tidy(node)
        finally:
            if checkpoint is not None:
                checkpoint.close()

    def _tidy(self, node: _Node) -> None:
        """Removes what a node that lost its checkpoint is no longer needed for."""
        parent = node.parent
        if parent is not None and not node.children:
            del parent.children[int(node.edge[0])]
            self._n_tokens -= len(node.edge)
            node.parent = None
            node, parent = parent, parent.parent
        if node.checkpoint is not None:
            self._enqueue(node)
        elif parent is not None and len(node.children) == 1:
            (child,) = node.children.values()
            child.edge = np.concatenate((node.edge, child.edge))
            child.parent = parent
            parent.children[int(child.edge[0])] = child
            node.parent = None
            node.children.clear()

    # -- costs ---------------------------------------------------------------------------------------------------------

    def _pages(self, pos: int) -> int:
        return -(-pos // self._page_tokens)

    def _share(self, node: _Node) -> int:
        """Bytes that the tree's checkpoints cost more because this one is among them."""
        above = node.parent
        while above is not None and above.checkpoint is None:
            above = above.parent
        shared = 0 if above is None else above.end // self._page_tokens
        pages = self._pages(node.end) - shared
        passed_on = node.end // self._page_tokens - shared
        if passed_on:
            pages -= passed_on * self._n_below(node)
        return node.n_bytes + self._page_bytes * pages

    def _n_below(self, node: _Node) -> int:
        """Checkpoints whose nearest one above is this node's."""
        count = 0
        pending = list(node.children.values())
        while pending:
            child = pending.pop()
            if child.checkpoint is not None:
                count += 1
            else:
                pending += child.children.values()
        return count
