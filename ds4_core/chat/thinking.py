"""A limit on thinking: after so many tokens `</think>` follows, whatever the model would rather do."""

from __future__ import annotations

from collections.abc import Sequence

from ds4_core.guide import Guide, Mask


class ThinkingBudget:
    """A guide that forces the end of thinking, around one that guides the answer or alone."""

    def __init__(self, inner: Guide | None, *, think_close: int, budget: int) -> None:
        """Begins inside an open block of thinking.

        Args:
            inner: What guides the rest; None leaves it free.
            think_close: The token that ends thinking.
            budget: Most tokens before it.
        """
        self._inner = inner
        self._think_close = think_close
        self._left = budget
        self._thinking = True

    def mask(self) -> Mask | None:
        """That of the inner guide: a budget alone forbids nothing."""
        return None if self._inner is None else self._inner.mask()

    def accept(self, token: int) -> None:
        """Counts thinking."""
        if token == self._think_close:
            self._thinking = False
        self._left -= self._thinking
        if self._inner is not None:
            self._inner.accept(token)

    def forced(self) -> Sequence[int]:
        """The end of thinking when the budget is used up, else what the inner guide forces."""
        if self._thinking and self._left <= 0:
            return [self._think_close]
        return () if self._inner is None else self._inner.forced()

    @property
    def finished(self) -> bool:
        """As the inner guide."""
        return self._inner is not None and self._inner.finished
