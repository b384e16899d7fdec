"""The machine's read bandwidth, measured by a C loop of plain vector loads: the roof for decoding."""

from __future__ import annotations

import subprocess

from benchmarks import c_helper

#: Larger than any processor's last cache, so that what is measured is memory.
MEMORY_BYTES = 1 << 30
#: A round reads at least this much, so that starting it does not show.
_ROUND_BYTES = 1 << 29
ROUNDS = 3

HOW = (
    f"a compiled loop (benchmarks/read_bandwidth.c) in turn with the decoding above, best of {ROUNDS} rounds each time "
    "and of all times: every thread sums its own part of a buffer with full vector loads; the better of 4 KiB and 2 "
    "MiB pages"
)


def seconds(n_threads: int, n_bytes: int) -> float:
    """Seconds in which `n_threads` threads read a buffer of `n_bytes` once.

    Raises:
        HelperError: The loop could not be compiled or run.
    """
    program = c_helper.build("read_bandwidth.c")
    passes = max(1, _ROUND_BYTES // n_bytes)
    best = 0.0
    for huge_pages in (0, 1):
        arguments = [str(n) for n in (n_threads, n_bytes, ROUNDS, passes, huge_pages)]
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise c_helper.HelperError(done.stderr.strip() or f"{program} ended with {done.returncode}")
        best = max(best, *map(float, done.stdout.split()))
    return n_bytes / best
