"""What may come next in one generation: masks for the sampler, forced tokens, and when a grammar holds."""

from __future__ import annotations

from dataclasses import dataclass

from ds4_core.chat.course import Course, Grammar
from ds4_core.chat.vocabulary import Vocabulary
from ds4_core.errors import InternalError, InvalidRequestError
from ds4_core.guide import Mask


@dataclass(frozen=True, eq=False)
class Plan:
    """What a request asks of its answer.

    Attributes:
        vocabulary: Whose tokens it is about.
        whole: The grammar of the answer; None is free text.
        block: The grammar of what follows the marker of tool calls in free text; None forbids the marker there.
    """

    vocabulary: Vocabulary
    whole: Grammar | None
    block: Grammar | None

    @property
    def shortest(self) -> int:
        """Tokens of the shortest answer, the end-of-turn token included."""
        return 1 if self.whole is None else len(self.whole.shortest)


class PlanGuide:
    """The guide of a plan: thinking, then free text or a grammar, and a grammar again in a block of tool calls."""

    def __init__(self, plan: Plan, *, thinking: bool) -> None:
        """Begins.

        Args:
            plan: What is asked for.
            thinking: The prompt ends in an open block of reasoning.
        """
        self._plan, self._vocabulary = plan, plan.vocabulary
        self._thinking = thinking
        self._course: Course | None = None
        self._left: int | None = None
        self._last = b""
        self._ended = False
        if not thinking:
            self._begin()

    def _begin(self) -> None:
        self._thinking, self._last = False, b""
        if self._plan.whole is not None:
            self._course = Course(self._plan.whole)
            self._course.left = self._left

    def limit(self, max_tokens: int) -> None:
        """So many more tokens may come.

        Raises:
            InvalidRequestError: That is below the shortest valid answer.
        """
        least = self.min_tokens_left()
        if max_tokens < least:
            thinking = " and </think>" if self._thinking else ""
            raise InvalidRequestError(
                f"max_tokens={max_tokens} is too low: the shortest answer that fits what is asked for has {least} "
                f"tokens, its end-of-turn token{thinking} included"
            )
        self._left = max_tokens
        if self._course is not None:
            self._course.left = max_tokens

    def min_tokens_left(self) -> int:
        """As `Guide`, like everything here."""
        if self._course is not None:
            return self._course.min_left()
        if self._ended:
            return 0
        return self._plan.shortest + (1 if self._thinking and self._plan.whole is not None else 0)

    @property
    def finished(self) -> bool:  # noqa: D102
        return self._ended or (self._course is not None and self._course.finished)

    def forced(self) -> list[int]:  # noqa: D102
        if self._course is not None:
            return self._course.forced()
        if self._thinking and self._must_stop_thinking():
            return [self._close]
        return []

    @property
    def _close(self) -> int:
        close = self._vocabulary.think_close
        if close is None:
            raise InternalError("a guide that waits for the end of thinking, and no token for it")
        return close

    def _must_stop_thinking(self) -> bool:
        return self._plan.whole is not None and self._left is not None and self._left <= self._plan.shortest + 1

    def mask(self) -> Mask | None:  # noqa: D102
        vocabulary = self._vocabulary
        if self._course is not None:
            return self._course.mask()
        if self._thinking:
            if self._plan.whole is None:
                return None
            return vocabulary.only(self._close) if self._must_stop_thinking() else vocabulary.no_end
        block = self._plan.block
        if block is None or not self._last.endswith(b"<"):
            return vocabulary.no_marker
        fits = self._left is None or self._left - 1 >= len(block.shortest)
        return None if fits else vocabulary.no_marker

    def accept(self, token: int) -> None:  # noqa: D102
        if self._left is not None:
            self._left -= 1
        if self._course is not None:
            self._course.accept(token)
            self._ended = self._course.ended
            return
        if token == self._vocabulary.eos:
            self._ended = True
        elif self._thinking:
            if token == self._vocabulary.think_close:
                self._begin()
        elif token == self._vocabulary.think_open:  # once more, in free text
            self._thinking = True
        elif token == self._vocabulary.dsml and self._plan.block is not None:
            self._course = Course(self._plan.block)
            self._course.left = self._left
        else:
            self._last = (self._last + self._vocabulary.texts[token])[-2:]
