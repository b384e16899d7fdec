"""What the tests of training share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def interpreted() -> Callable[..., dict[str, float]]:
    """Runs a test file as a program whose kernels Triton interprets; returns the figures that it prints, by name."""

    def run(file: str, *arguments: object) -> dict[str, float]:
        done = subprocess.run(
            [sys.executable, file, *map(str, arguments)],
            env={**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
            check=True,
            capture_output=True,
            text=True,
        )
        return {name: float(x) for name, x in (line.split(": ") for line in done.stdout.splitlines())}

    return run
