"""How far the end is behind every token that may come at one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ds4_core.chat.vocabulary import IntArray

_MAX_MASKS = 2


class Costs:
    """For tokens at one place, the fewest tokens to the end behind them, or a bound of that.

    Tokens come singly, each with its own cost, or as masks of many that have one bound in common.

    Attributes:
        known: Mask of the tokens that have been weighed; uint32 like all masks.
        most: No token that has been weighed leaves more than this.
        rough: Mask of the tokens that have a bound alone.
        bound: That.
    """

    __slots__ = ("_costs", "_groups", "_masks", "_tokens", "bound", "known", "most", "rough")

    #: Masks that one of these may hold.
    SIZE = 2 + _MAX_MASKS

    def __init__(self, n_words: int) -> None:
        """Knows nothing, of a vocabulary whose masks have `n_words`."""
        self.known: IntArray = np.zeros(n_words, dtype=np.uint32)
        self.rough: IntArray = np.zeros(n_words, dtype=np.uint32)
        self.bound = self.most = 0
        self._tokens: IntArray = np.zeros(0, dtype=np.int32)  # ascending by cost
        self._costs: IntArray = np.zeros(0, dtype=np.int64)
        self._groups: list[tuple[int, IntArray]] = []
        self._masks: dict[tuple[int, int, bool], IntArray] = {}

    def add_group(self, cost: int, mask: IntArray) -> None:
        """All tokens of a mask, which is kept, cost at most this."""
        self._groups.append((cost, mask))
        self._groups.sort(key=lambda group: group[0])
        self.known |= mask
        self.most = max(self.most, cost)

    def add_rough(self, bound: int, mask: IntArray) -> None:
        """Tokens of which only a bound is known for now, the same for all of them at this place."""
        self.rough |= mask
        self.known |= mask
        self.bound = bound
        self.most = max(self.most, bound)
        self._masks.clear()

    def add(self, tokens: Sequence[int], costs: Sequence[int], mask: IntArray) -> None:
        """Tokens and what each of them costs; `mask` holds the same tokens."""
        self.rough &= ~mask
        self.known |= mask
        all_tokens = np.concatenate((self._tokens, np.array(tokens, dtype=np.int32)))
        all_costs = np.concatenate((self._costs, np.array(costs, dtype=np.int64)))
        ranked = np.argsort(all_costs, kind="stable")
        self._tokens, self._costs = all_tokens[ranked], all_costs[ranked]
        self.most = max(self.most, *costs, 0)
        self._masks.clear()

    def unknown(self, mask: IntArray) -> IntArray | None:
        """Those tokens of a mask that have not been weighed; None when there are none."""
        new = mask & ~self.known
        return new if new.any() else None

    def within(self, left: int) -> IntArray:
        """The tokens behind which an end of `left` tokens is known to fit."""
        n_listed = int(np.searchsorted(self._costs, left, side="right"))
        n_groups = sum(cost <= left for cost, _ in self._groups)
        key = (n_listed, n_groups, self.bound <= left)
        mask = self._masks.get(key)
        if mask is None:
            mask = self.rough.copy() if self.bound <= left else np.zeros_like(self.rough)
            for _, group in self._groups[:n_groups]:
                mask |= group
            listed = self._tokens[:n_listed]
            np.bitwise_or.at(mask, listed >> 5, np.uint32(1) << (listed & 31).astype(np.uint32))
            if len(self._masks) >= _MAX_MASKS:
                self._masks.clear()
            self._masks[key] = mask
        return mask
