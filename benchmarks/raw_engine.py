"""libds4 called with as little Python as possible: structs made once, one C call per forward pass."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ds4_core import native
from ds4_core.types import FloatArray, OpTime

ISA_NAMES = {1: "portable", 2: "avx2", 3: "avx512", 4: "neon"}


class RawEngine:
    """One native engine and the prepared structs of a forward call and a greedy draw.

    The loops here call ds4x_forward and ds4x_sample through cffi and touch one pointer in between: about 2 µs per token
    are Python's.
    """

    def __init__(
        self,
        path: Path,
        *,
        backend: str = "cpu",
        n_threads: int = 0,
        n_batch: int = 0,
        exact: bool = False,
        vocab_only: bool = False,
    ):
        """Opens the file. Raises the exceptions of ds4_core.errors."""
        self.native = native.load()
        ffi, lib = self.native.ffi, self.native.lib
        self._err = self.native.new_error()
        self._path = ffi.new("char[]", str(path).encode())
        options = ffi.new("ds4x_options *")
        lib.ds4x_options_init(options, ffi.sizeof("ds4x_options"))
        options.model_path = self._path
        options.backend = getattr(lib, f"DS4X_BACKEND_{backend.upper()}")
        options.n_threads, options.n_batch = n_threads, n_batch
        options.exact, options.vocab_only = int(exact), int(vocab_only)
        out = ffi.new("ds4x_engine **")
        self.native.check(lib.ds4x_engine_open(options, out, self._err), self._err, path=str(path))
        self.ptr = out[0]
        self.info = ffi.new("ds4x_engine_info *")
        self.info.struct_size = ffi.sizeof("ds4x_engine_info")
        self.native.check(lib.ds4x_engine_get_info(self.ptr, self.info, self._err), self._err)
        self.spans = ffi.new("ds4x_span[1]")
        self._wanted = ffi.new("uint32_t[1]")
        self.draw = ffi.new("ds4x_sample_params *")
        lib.ds4x_sample_params_init(self.draw, ffi.sizeof("ds4x_sample_params"))
        self.draw.temperature = 0.0

    def close(self) -> None:
        """Frees the engine."""
        self.native.lib.ds4x_engine_close(self.ptr)

    # -- sessions ------------------------------------------------------------------------------------------------------

    def session(self, n_ctx: int) -> Any:
        """A new native session, made the one that the span is about."""
        out = self.native.ffi.new("ds4x_session **")
        self.native.check(self.native.lib.ds4x_session_create(self.ptr, n_ctx, out, self._err), self._err)
        self.spans[0].session = out[0]
        return out[0]

    def free(self, session: Any) -> None:
        """Frees a session."""
        self.native.lib.ds4x_session_free(session)

    def forward(self, tokens: Any, n_tokens: int) -> None:
        """One call of ds4x_forward on the current session, logits of the last token wanted."""
        span = self.spans[0]
        span.tokens, span.n_tokens = tokens, n_tokens
        self._wanted[0] = n_tokens - 1
        span.wanted, span.n_wanted = self._wanted, 1
        code = self.native.lib.ds4x_forward(self.ptr, self.spans, 1, self.native.ffi.NULL, self._err)
        self.native.check(code or span.status, self._err)

    def logits(self) -> FloatArray:
        """The row that the last forward left."""
        row = np.empty(self.info.n_vocab, dtype=np.float32)
        out = self.native.ffi.from_buffer("float[]", row)
        self.native.check(self.native.lib.ds4x_logits(self.ptr, 0, out, len(row), self._err), self._err)
        return row

    # -- measurements --------------------------------------------------------------------------------------------------

    def time_prefill(self, ids: Sequence[int], *, profiled: bool = False) -> float:
        """Seconds to append a whole prompt to an empty session, logits of its last token wanted.

        With `profiled`, `op_times()` tells afterwards where they went; the clocks cost a little themselves.
        """
        tokens = self.native.ffi.new("int32_t[]", list(ids))
        session = self.session(len(ids))
        self.profile(profiled)
        begin = time.perf_counter()
        self.forward(tokens, len(ids))
        seconds = time.perf_counter() - begin
        self.profile(False)
        self.free(session)
        return seconds

    def time_decode(self, prompt: Sequence[int], ids: Sequence[int], *, profiled: bool = False) -> float:
        """Seconds to append `ids` one at a time after `prompt`, with a greedy draw after each."""
        return sum(self.time_steps(prompt, ids, profiled=profiled))

    def time_steps(self, prompt: Sequence[int], ids: Sequence[int], *, profiled: bool = False) -> list[float]:
        """The same for each of `ids`.

        The drawn token is dropped and the next of `ids` is fed: random models repeat themselves, and one token for ever
        would keep its experts' weights in the cache. `profiled` as in `time_prefill`, without the prompt.
        """
        ffi, lib = self.native.ffi, self.native.lib
        tokens = ffi.new("int32_t[]", list(ids))
        session = self.session(len(prompt) + len(ids))
        self.forward(ffi.new("int32_t[]", list(prompt)), len(prompt))
        forward, sample, null = lib.ds4x_forward, lib.ds4x_sample, ffi.NULL
        engine, spans, span, draw, err = self.ptr, self.spans, self.spans[0], self.draw, self._err
        self._wanted[0] = 0
        span.n_tokens = 1
        steps = [tokens + i for i in range(len(ids))]
        failed = 0
        clock = time.perf_counter
        self.profile(profiled)
        times = [clock()]
        for step in steps:
            span.tokens = step
            failed |= forward(engine, spans, 1, null, err) | span.status | sample(engine, draw, 1, err)
            times.append(clock())
        self.profile(False)
        self.free(session)
        if failed:
            raise RuntimeError(f"decoding failed: {self.native.message(err)}")
        return [after - before for before, after in pairwise(times)]

    def profile(self, on: bool) -> None:
        """Starts (counters at zero) or stops timing every op."""
        self.native.check(self.native.lib.ds4x_profile(self.ptr, int(on), self._err), self._err)

    def op_times(self) -> list[OpTime]:
        """What was timed, longest first."""
        return self._times(self.native.lib.ds4x_profile_read)

    def kernel_times(self) -> list[OpTime]:
        """The same for a device's kernels, on its own clock."""
        return self._times(self.native.lib.ds4x_profile_kernels)

    def _times(self, read: Any) -> list[OpTime]:
        ffi = self.native.ffi
        entries = ffi.new("ds4x_op_time[]", read(self.ptr, ffi.NULL, 0))
        read(self.ptr, entries, len(entries))
        ops = [OpTime(ffi.string(e.name).decode(), e.calls, e.ns, e.bytes) for e in entries]
        return sorted((op for op in ops if op.calls), key=lambda op: -op.ns)
