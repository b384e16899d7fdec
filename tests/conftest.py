"""Fixtures that all Python tests share: the embedded model and an engine on it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ds4_core import Engine
from ds4_core.models import catalogue

# How long an example takes says nothing on a machine that does other things as well.
settings.register_profile("untimed", parent=settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_not_ignored() -> None:
    """Ctrl-C raises KeyboardInterrupt as in a terminal: what shells start in the background ignores it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def tiny_path() -> Path:
    """The file of the embedded model."""
    return Path(catalogue.resolve("ds4-tiny"))


@pytest.fixture(scope="session")
def shared_tiny() -> Iterator[Engine]:
    """Keeps the native engine of the embedded model open between tests, so that each need not open it again."""
    with Engine().open() as engine:
        yield engine


@pytest.fixture
def engine(shared_tiny: Engine) -> Iterator[Engine]:
    """A handle of its own on the embedded model with default options."""
    with Engine() as engine:
        yield engine
