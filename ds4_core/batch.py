"""One batch through libds4: spans of tokens in, logits, drawn tokens and per-span errors out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ds4_core.errors import DS4Error, EngineClosedError, InvalidRequestError, OutOfMemoryError
from ds4_core.model import token_array
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.sampling import NativeParams
from ds4_core.session import Session
from ds4_core.types import CancelFlag, FloatArray, SampleParams, SampleResult, Span, SpanResult


class _Lane:
    """A span that can be served, with everything it needs: once the engine computes, nothing is left that can fail."""

    def __init__(self, shared: SharedEngine, span: Span) -> None:
        self.session = span.session
        # Computed later: the caller's own arrays may have changed by then.
        self.ids = token_array(span.tokens).copy()
        if not len(self.ids):
            raise InvalidRequestError("a span needs at least one token")
        self.wanted = _wanted_array(span.wanted, len(self.ids))
        self.cancel = span.cancel
        CancelFlag.pointer_of(span.cancel)
        self.params: NativeParams | None = None
        if span.sample is not None:
            if not isinstance(span.sample, SampleParams):
                raise InvalidRequestError(f"sample is {type(span.sample).__name__}: it must be SampleParams")
            if not self.wanted.size:
                raise InvalidRequestError("sampling needs a wanted position")
            self.params = NativeParams(shared.native, shared.n_vocab, [span.sample])
        n_rows = len(self.wanted) if span.copy_logits else 0
        self.rows: FloatArray = np.empty((n_rows, shared.n_vocab), dtype=np.float32)
        wants_last = bool(n_rows) and int(self.wanted[-1]) == len(self.ids) - 1
        self.last: FloatArray | None = np.empty(shared.n_vocab, dtype=np.float32) if wants_last else None


class Batch:
    """One call of ds4x_forward. Made by the caller, run on the scheduler's thread.

    Attributes:
        sessions: Those of its spans.
    """

    def __init__(self, shared: SharedEngine, spans: Sequence[Span], cancel: CancelFlag | None) -> None:
        """Checks every span.

        Raises:
            InvalidRequestError: `cancel` is no flag. What is wrong with a span is its own error.
        """
        self._shared = shared
        self._native = shared.native
        self._cancel = CancelFlag.pointer_of(cancel)
        self._lanes: list[_Lane | DS4Error] = []
        seen: set[int] = set()
        for span in spans:
            try:
                self._lanes.append(self._lane(span, seen))
            except DS4Error as error:
                self._lanes.append(error.with_traceback(None))
        self.sessions = tuple(lane.session for lane in self._lanes if isinstance(lane, _Lane))

    def _lane(self, span: Span, seen: set[int]) -> _Lane:
        if not isinstance(span, Span):
            raise InvalidRequestError(f"a span is {type(span).__name__}: it must be a Span")
        if not isinstance(span.session, Session):
            raise InvalidRequestError(f"the session of a span is {type(span.session).__name__}: it must be a Session")
        if span.session.closed:
            raise EngineClosedError("the session was closed")
        if span.session._shared is not self._shared:
            raise InvalidRequestError("the session belongs to another engine")
        if id(span.session) in seen:
            raise InvalidRequestError("a session can be in a batch only once")
        lane = _Lane(self._shared, span)
        seen.add(id(span.session))
        return lane

    def run(self, ptr: CData, abandon: CancelFlag, make_room: Callable[[], bool]) -> list[SpanResult]:
        """Computes it; see `Engine.forward`.

        Args:
            ptr: The native engine.
            abandon: Stops all of it.
            make_room: Frees some memory; False when there is none to free.
        """
        empty = np.empty((0, self._shared.n_vocab), dtype=np.float32)
        results = [SpanResult(lane if isinstance(lane, DS4Error) else None, empty) for lane in self._lanes]
        served: list[tuple[int, _Lane]] = []
        for index, lane in enumerate(self._lanes):
            if isinstance(lane, _Lane) and lane.session.closed:  # meanwhile
                results[index] = SpanResult(EngineClosedError("the session was closed"), empty)
            elif isinstance(lane, _Lane):
                served.append((index, lane))
        while served:
            served = self._forward(ptr, served, abandon, results, empty)
            if not (served and make_room()):
                break
        return results

    def _forward(
        self,
        ptr: CData,
        served: list[tuple[int, _Lane]],
        abandon: CancelFlag,
        results: list[SpanResult],
        empty: FloatArray,
    ) -> list[tuple[int, _Lane]]:
        # Enters the results; returns those for whom there was no memory.
        native, err = self._native, self._native.new_error()
        c_spans = self._native_spans([lane for _, lane in served], abandon)
        native.check(native.lib.ds4x_forward(ptr, c_spans, len(served), self._cancel, err), err)
        for (_, lane), c_span in zip(served, c_spans, strict=True):
            if c_span.status == 0:
                lane.session._took(lane.ids)
        short = []
        for (index, lane), c_span in zip(served, c_spans, strict=True):
            if c_span.status == 0:
                results[index] = self._result(ptr, lane, int(c_span.first_row), empty)
            else:
                error = native.exception(c_span.status, native.message(c_span.error))
                results[index] = SpanResult(error, empty)
                if isinstance(error, OutOfMemoryError):
                    short.append((index, lane))
        return short

    def _result(self, ptr: CData, lane: _Lane, first_row: int, empty: FloatArray) -> SpanResult:
        self._read_logits(ptr, lane, first_row)
        error, sample = self._sample(ptr, lane, first_row)
        return SpanResult(error, lane.rows if error is None else empty, sample)

    def _native_spans(self, lanes: list[_Lane], abandon: CancelFlag) -> CData:
        ffi = self._native.ffi
        c_spans = ffi.new("ds4x_span[]", len(lanes))
        self._messages = ffi.new("ds4x_error[]", len(lanes))
        for position, (c_span, lane) in enumerate(zip(c_spans, lanes, strict=True)):
            c_span.session = lane.session._ptr
            c_span.tokens, c_span.n_tokens = ffi.from_buffer("int32_t[]", lane.ids), len(lane.ids)
            c_span.wanted, c_span.n_wanted = ffi.from_buffer("uint32_t[]", lane.wanted), len(lane.wanted)
            c_span.cancel = CancelFlag.pointer_of(lane.cancel)
            c_span.abandon = abandon.pointer
            c_span.error = self._messages + position
        return c_spans

    def _read_logits(self, ptr: CData, lane: _Lane, first_row: int) -> None:
        native, err = self._native, self._native.new_error()
        for i, row in enumerate(lane.rows):
            out = native.ffi.from_buffer("float[]", row)
            native.check(native.lib.ds4x_logits(ptr, first_row + i, out, self._shared.n_vocab, err), err)
        if lane.last is not None:
            lane.last[:] = lane.rows[-1]
            lane.session._last = (lane.session.pos, lane.last)

    def _sample(self, ptr: CData, lane: _Lane, first_row: int) -> tuple[DS4Error | None, SampleResult | None]:
        params, native, err = lane.params, self._native, self._native.new_error()
        if params is None:
            return None, None
        params.array[0].row = first_row + len(lane.wanted) - 1
        code = native.lib.ds4x_sample(ptr, params.array, 1, err) or params.array[0].status
        return (None, params.result(0)) if code == 0 else (native.exception(code, native.message(err)), None)


def _wanted_array(wanted: Any, n_tokens: int) -> Any:
    # Checked offsets as uint32 [n_wanted].
    try:
        array = np.asarray([n_tokens - 1] if wanted is None else wanted)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidRequestError(f"wanted positions must be a flat sequence of integers: {error}") from error
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise InvalidRequestError(f"wanted positions must be a flat sequence of integers from 0 to {n_tokens - 1}")
    if array.size and (array.min() < 0 or array.max() >= n_tokens):
        raise InvalidRequestError(f"wanted positions must be 0 .. {n_tokens - 1}, offsets into the span's tokens")
    if (array[1:] <= array[:-1]).any():
        raise InvalidRequestError("wanted positions must be strictly ascending")
    return array.astype(np.uint32)
