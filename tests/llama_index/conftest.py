"""No test of the LlamaIndex adapter may use the network."""

import pytest
import pytest_socket


@pytest.fixture(autouse=True)
def no_network():
    """Event loops may talk to themselves, nobody to anybody else."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()
