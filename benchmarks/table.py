"""Repeated measurements in turn, and how they are printed."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: Between two runs: longer than any thread pool spins before it sleeps, so that no engine disturbs the next one's run.
PAUSE_S = 0.03


@dataclass
class Timing:
    """Seconds of every repeat of one measurement that does `n_units` units of work: tokens, or bytes read."""

    n_units: int
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        """Units per second of the fastest repeat."""
        return self.n_units / min(self.seconds)

    @property
    def worst(self) -> float:
        """Units per second of the slowest repeat."""
        return self.n_units / max(self.seconds)

    @property
    def spread(self) -> float:
        """How far the slowest repeat is below the fastest, 0 .. 1."""
        return 1 - self.worst / self.best


def alternate(runs: Sequence[tuple[Timing, Callable[[], float]]], repeats: int) -> None:
    """Runs each measurement once to warm up, then all of them in turn, `repeats` times.

    Args:
        runs: What to fill, and the function that does it once and returns its seconds.
        repeats: Rounds that count.
    """
    for round_index in range(repeats + 1):
        for timing, run in runs:
            time.sleep(PAUSE_S)
            seconds = run()
            if round_index:
                timing.seconds.append(seconds)


def show(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table: the first column to the left, the others to the right."""
    print(f"\n{title}")
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [cell.rjust(width) for cell, width in zip(line, widths, strict=True)]
        cells[0] = line[0].ljust(widths[0])
        print("  " + "  ".join(cells).rstrip())


def machine() -> str:
    """One line about the processor and how busy it is."""
    name = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as facts:
            name = next((line.split(":", 1)[1].strip() for line in facts if line.startswith("model name")), name)
    except OSError:
        pass
    load = f", load average {os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else ""
    return f"{name}, {os.cpu_count()} processors, {platform.system()}{load}"
