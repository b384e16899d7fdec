"""One step of a scheduler: who moves by how many tokens, and the forward that moves them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ds4_core.errors import DS4Error
from ds4_core.generation import Generation
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.types import CancelFlag, FloatArray
from ds4_core.work import SessionWork

Lane = Generation | SessionWork[Any]


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
        if not feeding and running == self._decoding and running and not any(g.prefilling for g in running):
            return True
        wants: list[tuple[Lane, int]] = []
        whole: list[tuple[Lane, int]] = []
        for generation in running:
            at, left = generation.at, len(generation.ids) - generation.at
            if left and generation.cuts:
                left = min(left, generation.cuts[-1] - at)
            wants.append((generation, max(1, left)))
        for work in feeding:
            assert work.feed is not None  # noqa: S101
            (whole if work.feed.whole else wants).append((work, len(work.feed.ids) - work.feed.at))
        if not wants and not whole:
            return False
        self._reserve(len(wants) + len(whole))
        self._keep = []
        lanes = whole + _shares(wants, budget - sum(n for _, n in whole))
        for index, (lane, n) in enumerate(lanes):
            self._fill(index, lane, n)
        self.lanes = lanes
        only_decoding = not feeding and not any(generation.prefilling for generation in running)
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
            if not lane.prefilling:
                # The token goes from the place where it was drawn.
                span.tokens = ffi.addressof(lane.c_sample, "token")
                ids, at, last = None, 0, True
            else:
                ids, at, last = lane.ids, lane.at, lane.at + n == len(lane.ids)
            if last:
                span.sample = lane.c_sample
        else:
            feed = lane.feed
            assert feed is not None  # noqa: S101
            span.session = feed.ptr
            ids, at, last = feed.ids, feed.at, feed.wants_logits and feed.at + n == len(feed.ids)
        if ids is not None:
            tokens = ffi.from_buffer("int32_t[]", ids[at : at + n])
            self._keep.append(tokens)
            span.tokens = tokens
        if last:
            span.n_wanted = 1
            span.wanted = self._first
            if n > 1:
                wanted = ffi.new("uint32_t[1]", [n - 1])
                self._keep.append(wanted)
                span.wanted = wanted

    def forward(self, ptr: CData) -> None:
        """Computes it."""
        native, err = self._native, self._err
        code = native.lib.ds4x_forward(ptr, self._spans, len(self.lanes), self._stopping.pointer, err)
        self._failure = None if code == 0 else (code, native.message(err))
        if self._failure is not None:
            self._decoding = []

    def error(self, index: int) -> DS4Error | None:
        """Why this lane failed, or could draw no token after it moved; None when all went well."""
        if self._failure is not None:
            code, message = self._failure
            return self._native.exception(code, message)
        lane = self.lanes[index][0]
        status = self._spans[index].status or (lane.c_sample.status if isinstance(lane, Generation) else 0)
        if status == 0:
            return None
        self._decoding = []
        return self._native.exception(status, self._native.message(self._errors[index]))

    def clear(self) -> None:
        """Forgets who was in it."""
        self.lanes = []
        self._decoding = []
        self._keep = []

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
