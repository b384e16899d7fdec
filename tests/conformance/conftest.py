"""Model files made once per test run, and the conformance table at its end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conformance.harness import ModelFile
from tests.conformance.models import write_gguf

TABLES = pytest.StashKey[dict[str, list[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TABLES] = {}


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    """`model_file(name, seed, quant=None, dequantize=False)`: a tiny random model, written at the first call."""
    folder = tmp_path_factory.mktemp("models")

    def make(name: str, seed: int = 0, quant: str | None = None, dequantize: bool = False) -> Path:
        path = folder / f"{name}{seed}-{quant or 'f32'}{'-values' if dequantize else ''}.gguf"
        return path if path.exists() else write_gguf(name, seed, path, quant=quant, dequantize=dequantize)

    return make


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """`table(title, line)` adds a line to a table that is printed after the tests."""
    tables = request.config.stash[TABLES]

    def add(title: str, line: str) -> None:
        tables.setdefault(title, []).append(line)

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for title, lines in config.stash.get(TABLES, {}).items():
        terminalreporter.write_sep("-", title)
        for line in lines:
            terminalreporter.write_line(line)
