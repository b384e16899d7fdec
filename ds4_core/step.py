"""One step of a scheduler: who moves by how many tokens, and the forward that moves them all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from ds4_core.errors import DS4Error, InternalError
from ds4_core.generation import Generation, Score
from ds4_core.guide import MaskThread
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.sampling import RowScorer
from ds4_core.types import CancelFlag, FloatArray
from ds4_core.work import SessionWork

Lane = Generation | SessionWork[Any]

#: Where a forward with guided draws takes longer on average, masks are computed beside it, else before it: handing
#: them over to another thread costs about a tenth of this.
_LONG_FORWARD_S = 1e-3

#: Most bytes of the rows that one step keeps to score forced tokens with.
_SCORED_ROWS_BYTES = 2**25


class Step:
    """The spans of one forward. A batch that only decodes goes into the next step as it is, without being told again.

    Attributes:
        lanes: Who is in it and by how many tokens he moves, after `prepare`.
    """

    def __init__(self, shared: SharedEngine, stopping: CancelFlag) -> None:
        """`stopping` cancels whatever is computed."""
        self._native = shared.native
        self._n_vocab = shared.n_vocab
        self._stopping = stopping
        self._capacity = 0
        self._decoding: list[Generation] = []  # what the spans hold when they hold nothing else
        self.lanes: list[tuple[Lane, int]] = []
        self._keep: list[Any] = []
        self._guided: list[tuple[int, Generation]] = []  # those that draw with a mask
        self._forward_s = 0.0  # mean of the forwards with guided draws
        self._masks: MaskThread | None = None
        self._turn: tuple[CData, int] = (shared.native.ffi.NULL, 0)
        self._scorer = RowScorer(shared.native, shared.n_vocab)
        self._failure: tuple[int, str] | None = None  # of the whole call
        self._first = self._native.ffi.new("uint32_t[1]", [0])
        self._err = self._native.new_error()
        self._reserve(8)

    def _reserve(self, n: int) -> None:
        if n > self._capacity:
            self._capacity = max(n, 2 * self._capacity)
            self._spans = self._native.ffi.new("ds4x_span[]", self._capacity)
            self._errors = self._native.ffi.new("ds4x_error[]", self._capacity)
            self._decoding = []

    def prepare(self, running: Sequence[Generation], feeding: Sequence[SessionWork[Any]], budget: int) -> bool:
        """Fills the spans; False when nobody has anything to compute.

        Everybody who needs one token gets it. What is left of the budget is shared evenly among the prompts, so that a
        short one does not wait for a long one; each gets at least one token.
        """
        if not feeding and running == self._decoding and running and all(g.single for g in running):
            return True
        wants: list[tuple[Lane, int]] = []
        whole: list[tuple[Lane, int]] = []
        rows_max = self._rows_max(running)
        for generation in running:
            n = generation.n_ahead
            wants.append((generation, n if generation.prefilling else min(n, max(generation.pending, rows_max))))
        for work in feeding:
            assert work.feed is not None  # noqa: S101
            (whole if work.feed.whole else wants).append((work, len(work.feed.ids) - work.feed.at))
        if not wants and not whole:
            return False
        self._reserve(len(wants) + len(whole))
        self._keep = []
        self._guided = []
        lanes = whole + _shares(wants, budget - sum(n for _, n in whole))
        for index, (lane, n) in enumerate(lanes):
            self._fill(index, lane, n)
        self.lanes = lanes
        only_decoding = not feeding and all(generation.single for generation in running)
        self._decoding = list(running) if only_decoding else []
        return True

    def _fill(self, index: int, lane: Lane, n: int) -> None:
        ffi = self._native.ffi
        span = self._spans[index]
        span.cancel = CancelFlag.pointer_of(lane.cancel)
        span.abandon = lane.abandon.pointer
        span.error = self._errors + index
        span.sample = ffi.NULL
        span.n_tokens = n
        span.n_wanted = 0
        if isinstance(lane, Generation):
            assert lane.session is not None  # noqa: S101
            span.session = lane.session.ptr
            n_rows = lane.n_rows(n)
            if lane.single:
                # The token goes from the place where it was drawn.
                span.tokens = ffi.addressof(lane.c_sample, "token")
                ids, at = None, 0
            else:
                ids, at = lane.span(n), 0
            if lane.draws(n):
                span.sample = lane.c_sample
                if lane.lead is not None:
                    self._guided.append((index, lane))
        else:
            feed = lane.feed
            assert feed is not None  # noqa: S101
            span.session = feed.ptr
            ids, at, n_rows = feed.ids, feed.at, int(feed.wants_logits and feed.at + n == len(feed.ids))
        if ids is not None:
            tokens = ffi.from_buffer("int32_t[]", ids[at : at + n])
            self._keep.append(tokens)
            span.tokens = tokens
        if n_rows:
            span.n_wanted = n_rows
            span.wanted = self._first
            if n > 1:
                wanted = ffi.new("uint32_t[]", list(range(n - n_rows, n)))
                self._keep.append(wanted)
                span.wanted = wanted

    def _rows_max(self, running: Sequence[Generation]) -> int:
        # How many forced tokens each of those who have some may take at once.
        n = sum(bool(generation.queue) for generation in running)
        return max(1, _SCORED_ROWS_BYTES // (4 * self._n_vocab * max(1, n)))

    def forward(self, ptr: CData) -> None:
        """Computes it."""
        native, err = self._native, self._err
        beside = self._begin_masks() if self._guided else None
        began = time.perf_counter()
        code = native.lib.ds4x_forward(ptr, self._spans, len(self.lanes), self._stopping.pointer, err)
        if self._guided:
            took = min(time.perf_counter() - began, 4 * _LONG_FORWARD_S)  # a long one is soon forgotten
            self._forward_s += 0.1 * (took - self._forward_s)
            if beside is not None:
                beside.wait()
        self._failure = None if code == 0 else (code, native.message(err))
        if self._failure is not None:
            self._decoding = []

    def _begin_masks(self) -> MaskThread | None:
        # Either all of them now, or another thread begins with them, and what is drawn is drawn after the forward.
        beside = self._forward_s > _LONG_FORWARD_S
        for index, generation in self._guided:
            if not beside and generation.lead is not None:
                generation.lead.look()
            in_span = not beside and generation.set_mask()
            self._spans[index].sample = generation.c_sample if in_span else self._native.ffi.NULL
        if not beside:
            return None
        self._masks = self._masks or MaskThread()
        self._masks.begin([generation.lead for _, generation in self._guided if generation.lead is not None])
        return self._masks

    def turn_to(self, ptr: CData, index: int) -> None:
        """What is drawn and scored from now on is about the generation in this lane, which has moved."""
        self._turn = (ptr, index)

    def draw(self) -> None:
        """Makes sure that the token is drawn.

        Raises:
            DS4Error: There was none to draw.
            BaseException: What its guide raised.
        """
        ptr, index = self._turn
        generation, span = self.lanes[index][0], self._spans[index]
        assert isinstance(generation, Generation)  # noqa: S101
        c_sample, message, code = generation.c_sample, span.error, 0
        if not span.sample:
            if not generation.set_mask():
                error = None if generation.lead is None else generation.lead.error
                raise InternalError("a guide gave no mask") if error is None else error
            c_sample.row = span.first_row + span.n_wanted - 1
            message = self._err
            code = self._native.lib.ds4x_sample(ptr, c_sample, 1, message)
        code = code or c_sample.status
        if code:
            raise self._native.exception(code, self._native.message(message))

    def score(self, row: int, token: int) -> Score:
        """The score of a token in row number `row` of the lane."""
        ptr, index = self._turn
        generation = self.lanes[index][0]
        assert isinstance(generation, Generation)  # noqa: S101
        return self._scorer.score(ptr, self._spans[index].first_row + row, token, generation.request.n_top)

    def error(self, index: int) -> DS4Error | None:
        """Why this lane failed; None when it moved."""
        if self._failure is not None:
            code, message = self._failure
            return self._native.exception(code, message)
        status = self._spans[index].status
        if status == 0:
            return None
        self._decoding = []
        return self._native.exception(status, self._native.message(self._errors[index]))

    def close(self) -> None:
        """Ends its second thread, if there is one."""
        masks, self._masks = self._masks, None
        if masks is not None:
            masks.close()

    def clear(self) -> None:
        """Forgets who was in it."""
        self.lanes = []
        self._decoding = []
        self._keep = []
        self._guided = []

    def logits(self, ptr: CData, index: int) -> FloatArray:
        """The wanted row of this lane, float32 `[n_vocab]`."""
        native = self._native
        row = np.empty(self._n_vocab, dtype=np.float32)
        out, first = native.ffi.from_buffer("float[]", row), self._spans[index].first_row
        native.check(native.lib.ds4x_logits(ptr, first, out, self._n_vocab, self._err), self._err)
        return row


def _shares(wants: list[tuple[Lane, int]], budget: int) -> list[tuple[Lane, int]]:
    """Divides the budget: single tokens first, the rest evenly; what a short prompt leaves goes to the others."""
    if len(wants) == 1:
        lane, n = wants[0]
        return [(lane, min(n, max(1, budget)))]
    given = [1 if n == 1 else 0 for _, n in wants]
    left = budget - sum(given)
    long = sorted((i for i, (_, n) in enumerate(wants) if n > 1), key=lambda i: wants[i][1])
    for done, i in enumerate(long):
        given[i] = max(1, min(wants[i][1], left // (len(long) - done)))
        left -= given[i]
    return [(lane, n) for (lane, _), n in zip(wants, given, strict=True)]
