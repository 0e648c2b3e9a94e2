"""Ports for servers of tests."""

import socket

from devstack.layout import HOST


def free_port() -> int:
    """A port that nobody listens at, of those that the system gives away."""
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
