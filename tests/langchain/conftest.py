"""Notes how the tests ended, for those that count; no test here may use the network."""

import pytest
import pytest_socket

from tests.langchain.standard import OUTCOMES


def pytest_configure(config):
    config.stash[OUTCOMES] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    outcomes = item.config.stash[OUTCOMES]
    if report.when == "call" or report.outcome != "passed":
        outcomes[report.nodeid] = report.outcome
    return report


@pytest.fixture(autouse=True)
def no_network():
    """Event loops may talk to themselves, nobody to anybody else."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
