"""Counts the heap calls of each decoded token, in a process of its own whose malloc counts.

python -m benchmarks.heap_calls FILE        starts that process; normally used by benchmarks.memory
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import c_helper
from benchmarks.raw_engine import RawEngine
from ds4_core import native

N_PROMPT = 64


def count(path: Path, n_tokens: int, n_threads: int) -> list[int]:
    """Heap calls (malloc, calloc, realloc, free and the aligned ones, of all threads) of each of `n_tokens` tokens.

    Raises:
        HelperError: The counting malloc could not be built or used here: glibc only.
    """
    header = native.find_header(native.find_library())
    if not sys.platform.startswith("linux"):
        raise c_helper.HelperError("counting needs LD_PRELOAD and glibc")
    shim = c_helper.build("count_heap_calls.c", shared=True, flags=[f"-I{header.parent}"])
    command = [sys.executable, "-m", "benchmarks.heap_calls", str(path), str(n_tokens), str(n_threads), str(shim)]
    environment = {**os.environ, "LD_PRELOAD": str(shim)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise c_helper.HelperError(done.stderr.strip()[-400:])
    return [int(n) for n in json.loads(done.stdout)]


def _count_here(path: Path, n_tokens: int, n_threads: int, shim: str) -> list[int]:
    raw = RawEngine(path, n_threads=n_threads)
    ffi, lib = raw.native.ffi, raw.native.lib
    ids = [(7 * i) % raw.info.n_vocab for i in range(N_PROMPT + n_tokens)]
    tokens = ffi.new("int32_t[]", ids)
    session = raw.session(len(ids))
    raw.forward(tokens, N_PROMPT)
    raw.forward(tokens + N_PROMPT, 1)  # leaves the span as the loop needs it: one token, its logits wanted
    counts = (ctypes.c_uint64 * (n_tokens - 1))()

    def address(pointer: object) -> ctypes.c_void_p:
        return ctypes.c_void_p(int(ffi.cast("uintptr_t", pointer)))

    code = ctypes.CDLL(shim).ds4_count_decode(
        address(ffi.addressof(lib, "ds4x_forward")),
        address(ffi.addressof(lib, "ds4x_sample")),
        address(raw.ptr),
        address(raw.spans),
        address(raw.draw),
        address(raw.native.new_error()),
        address(tokens + N_PROMPT + 1),
        ctypes.c_uint32(n_tokens - 1),
        counts,
    )
    raw.free(session)
    raw.close()
    if code:
        raise SystemExit(f"decoding failed: {raw.native.status_name(code)}")
    return list(counts)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(count(Path(sys.argv[1]), 300, 1))
    else:
        print(json.dumps(_count_here(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])))
