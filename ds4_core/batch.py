"""One batch through libds4: spans of tokens in, logits, drawn tokens and per-span errors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ds4_core.errors import DS4Error, InvalidRequestError, InvalidTokenError
from ds4_core.model import token_array
from ds4_core.native import CData
from ds4_core.registry import SharedEngine
from ds4_core.sampling import NativeParams
from ds4_core.session import Session
from ds4_core.types import CancelFlag, SampleParams, SampleResult, Span, SpanResult


class Batch:
    """One call of ds4x_forward: spans in, results out. Lives inside the compute lock."""

    def __init__(self, shared: SharedEngine, ptr: CData, spans: Sequence[Span]) -> None:
        """Prepares nothing yet. `ptr` comes from `shared.pinned()`."""
        self._shared = shared
        self._native = shared.native
        self._ptr = ptr
        self._spans = spans
        self._n_vocab = shared.n_vocab
        self._errors: list[DS4Error | None] = [None] * len(spans)
        self._ids: list[Any] = [None] * len(spans)
        self._wanted: list[Any] = [None] * len(spans)
        self._params: list[NativeParams | None] = [None] * len(spans)
        self._served: list[int] = []  # index into spans of each native span

    def run(self, cancel: CancelFlag | None) -> list[SpanResult]:
        """Computes the batch; see `Engine.forward`."""
        native = self._native
        flag = CancelFlag.pointer_of(cancel)
        for index, span in enumerate(self._spans):
            try:
                self._prepare(index, span)
                self._served.append(index)
            except DS4Error as error:
                self._errors[index] = error
        empty = np.empty((0, self._n_vocab), dtype=np.float32)
        logits = [empty] * len(self._spans)
        samples: list[SampleResult | None] = [None] * len(self._spans)
        if self._served:
            c_spans = self._native_spans()
            err = native.new_error()
            native.check(native.lib.ds4x_forward(self._ptr, c_spans, len(self._served), flag, err), err)
            self._read_status(c_spans, native.message(err))
            rows = {
                index: int(c_span.first_row)
                for index, c_span in zip(self._served, c_spans, strict=True)
                if self._errors[index] is None
            }
            for index, first_row in rows.items():
                logits[index] = self._read_logits(index, first_row, empty)
            self._sample(rows, samples)
        return [SpanResult(*result) for result in zip(self._errors, logits, samples, strict=True)]

    def _prepare(self, index: int, span: Span) -> None:
        if not isinstance(span.session, Session):
            raise InvalidRequestError(f"the session of a span is {type(span.session).__name__}: it must be a Session")
        span.session._check_usable(self._shared)
        if any(self._spans[other].session is span.session for other in self._served):
            raise InvalidRequestError("a session can be in a batch only once")
        ids = token_array(span.tokens)
        if not len(ids):
            raise InvalidRequestError("a span needs at least one token")
        wanted = _wanted_array(span.wanted, len(ids))
        CancelFlag.pointer_of(span.cancel)
        if span.sample is not None:
            if not isinstance(span.sample, SampleParams):
                raise InvalidRequestError(f"sample is {type(span.sample).__name__}: it must be SampleParams")
            if not wanted.size:
                raise InvalidRequestError("sampling needs a wanted position")
            self._params[index] = NativeParams(self._native, self._n_vocab, [span.sample])
        self._ids[index], self._wanted[index] = ids, wanted

    def _native_spans(self) -> CData:
        ffi = self._native.ffi
        c_spans = ffi.new("ds4x_span[]", len(self._served))
        for c_span, index in zip(c_spans, self._served, strict=True):
            span, ids, wanted = self._spans[index], self._ids[index], self._wanted[index]
            c_span.session = span.session._ptr
            c_span.tokens, c_span.n_tokens = ffi.from_buffer("int32_t[]", ids), len(ids)
            c_span.wanted, c_span.n_wanted = ffi.from_buffer("uint32_t[]", wanted), len(wanted)
            c_span.cancel = CancelFlag.pointer_of(span.cancel)
        return c_spans

    def _read_status(self, c_spans: CData, first_message: str) -> None:
        for c_span, index in zip(c_spans, self._served, strict=True):
            if c_span.status != 0:
                # libds4 describes the first failed span; the others' codes say the same in fewer words.
                message, first_message = first_message, ""
                if not message and c_span.status == InvalidTokenError.code:
                    message = f"a token is outside the vocabulary: ids are 0 .. {self._n_vocab - 1}"
                elif not message:
                    message = f"{self._native.status_name(c_span.status)} for span {index} of the batch"
                self._errors[index] = self._native.exception(c_span.status, message)

    def _read_logits(self, index: int, first_row: int, empty: Any) -> Any:
        native, span, wanted = self._native, self._spans[index], self._wanted[index]
        if not span.copy_logits:
            span.session._advance(self._ids[index], None)
            return empty
        rows = np.empty((len(wanted), self._n_vocab), dtype=np.float32)
        err = native.new_error()
        for i in range(len(wanted)):
            out = native.ffi.from_buffer("float[]", rows[i])
            native.check(native.lib.ds4x_logits(self._ptr, first_row + i, out, self._n_vocab, err), err)
        has_last = len(wanted) > 0 and int(wanted[-1]) == len(self._ids[index]) - 1
        span.session._advance(self._ids[index], rows[-1].copy() if has_last else None)
        return rows

    def _sample(self, rows: dict[int, int], samples: list[SampleResult | None]) -> None:
        native = self._native
        for index, first_row in rows.items():
            params = self._params[index]
            if params is None:
                continue
            params.array[0].row = first_row + len(self._wanted[index]) - 1
            err = native.new_error()
            code = native.lib.ds4x_sample(self._ptr, params.array, 1, err) or params.array[0].status
            if code == 0:
                samples[index] = params.result(0)
            else:
                self._errors[index] = native.exception(code, native.message(err))


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
