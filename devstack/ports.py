"""Finds free TCP ports of the loopback interface."""

from __future__ import annotations

import random
import socket

from devstack.errors import StackError
from devstack.layout import HOST, PORT_OFFSETS, PORT_SPAN

# SeaweedFS serves gRPC at each of its ports plus this.
GRPC_OFFSET = 10_000
# Bases end below their gRPC ports, and those below the ephemeral ports (32768 on Linux).
FIRST_BASE, END_OF_BASES = 12_000, 22_000


def is_free(port: int) -> bool:
    """Whether a server could listen on a port now."""
    with socket.socket() as probe:
        # Servers set this too: an old connection in TIME_WAIT does not stop them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port_base() -> int:
    """A random STACK_PORT_BASE whose ports are all free. Raises StackError if there is none."""
    s3 = [offset + GRPC_OFFSET for name, offset in PORT_OFFSETS.items() if name.startswith("s3")]
    offsets = [*range(PORT_SPAN), *s3]
    bases = list(range(FIRST_BASE, END_OF_BASES - PORT_SPAN, PORT_SPAN))
    random.shuffle(bases)
    for base in bases:
        if all(is_free(base + offset) for offset in offsets):
            return base
    raise StackError(f"No {PORT_SPAN} ports in a row are free from {FIRST_BASE} on.")
