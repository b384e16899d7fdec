"""A limit on thinking: after so many tokens `</think>` follows, whatever the model would rather do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ds4_core.guide import Guide, Mask


class ThinkingBudget:
    """A guide that forces the end of thinking, around one that guides the answer or alone.

    Thinking that is begun again in the answer counts as well, its tags included. `<think>` is forbidden once there is
    no room for both of them.
    """

    def __init__(
        self,
        inner: Guide | None,
        *,
        n_vocab: int,
        think_open: int | None,
        think_close: int,
        budget: int,
        thinking: bool = True,
    ) -> None:
        """Begins where the prompt ends.

        Args:
            inner: What guides the rest; None leaves it free.
            n_vocab: Number of token ids.
            think_open: The token that begins thinking; None when there is none.
            think_close: The token that ends it.
            budget: Most tokens before the latter.
            thinking: Whether the prompt ends inside an open block of thinking.
        """
        self._inner = inner
        self._think_open, self._think_close = think_open, think_close
        self._left = budget
        self._thinking = thinking
        self._everything: Mask = np.full((n_vocab + 31) // 32, 0xFFFFFFFF, dtype=np.uint32)

    def mask(self) -> Mask | None:
        """That of the inner guide, without `<think>` where no thinking fits any more."""
        mask = None if self._inner is None else self._inner.mask()
        if self._thinking or self._left >= 2 or self._think_open is None:
            return mask
        word, bit = divmod(self._think_open, 32)
        mask = self._everything if mask is None else mask
        if mask[word] >> np.uint32(bit) & np.uint32(1):
            mask = mask.copy()
            mask[word] &= np.uint32(0xFFFFFFFF ^ (1 << bit))
        return mask

    def accept(self, token: int) -> None:
        """Counts thinking."""
        if token == self._think_close:
            self._thinking = False
        elif self._thinking:
            self._left -= 1
        elif token == self._think_open:
            self._thinking = True
            self._left -= 2  # and the tag that ends it
        if self._inner is not None:
            self._inner.accept(token)

    def forced(self) -> Sequence[int]:
        """The end of thinking when the budget is used up, else what the inner guide forces."""
        if self._thinking and self._left <= 0:
            return [self._think_close]
        return () if self._inner is None else self._inner.forced()

    @property
    def outlasts_turns(self) -> bool:
        """The limit is one of the whole generation, whatever it guides beside."""
        return self._inner is None

    @property
    def finished(self) -> bool:
        """As the inner guide."""
        return self._inner is not None and self._inner.finished
