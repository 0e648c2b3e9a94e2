"""Addresses and folders of the bundled servers, and free ports for them.

`socialfeed.settings` takes its local defaults from here, and the stack starts the servers at the
same addresses. Imports the standard library only.
"""

import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
PROJECT_DIR = Path(__file__).resolve().parents[1]
DEFAULT_PORT_BASE = 8800

# The offset of each port from STACK_PORT_BASE. The Read and Write API have ten ports each, one an
# instance.
PORT_OFFSETS = {
    "caddy": 0,
    "postgres-primary": 1,
    "postgres-replica": 2,
    "valkey-cache": 3,
    "valkey-state": 4,
    "s3": 5,
    "s3-master": 6,
    "s3-volume": 7,
    "s3-filer": 8,
    "s3-admin": 9,
    "read-api": 10,
    "write-api": 20,
    # The web server's site for media, so that they have an origin of their own.
    "media": 30,
}
PORT_SPAN = 31
# SeaweedFS serves gRPC at each of its ports plus this.
GRPC_OFFSET = 10_000
# Bases end below their gRPC ports, and those below the ephemeral ports (32768 on Linux).
FIRST_BASE, END_OF_BASES = 12_000, 22_000

# Credentials of the bundled servers, which listen on loopback only. Production sets its own by URL.
POSTGRES_USER = POSTGRES_PASSWORD = "socialfeed"  # noqa: S105 (see above)
S3_ACCESS_KEY = "socialfeed"
S3_SECRET_KEY = "socialfeed-local-secret"  # noqa: S105 (see above)
S3_BUCKET = "socialfeed"

DATABASES = ("users", "posts", "comments")


class StackError(Exception):
    """The stack cannot do what was asked. The message, for the user, says why and what to do."""


@dataclass(frozen=True)
class Layout:
    """The addresses and the folder of one stack."""

    port_base: int
    var_dir: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Layout":
        """Read STACK_PORT_BASE and STACK_VAR_DIR. Raises StackError if the base is not valid."""
        text = environ.get("STACK_PORT_BASE") or str(DEFAULT_PORT_BASE)
        if not text.isdecimal() or not 1024 <= int(text) <= 50_000:
            raise StackError(f"STACK_PORT_BASE must be a number from 1024 to 50000, not {text!r}.")
        return cls(int(text), Path(environ.get("STACK_VAR_DIR") or PROJECT_DIR / "var").resolve())

    def port(self, service: str) -> int:
        """The port of a service in PORT_OFFSETS."""
        return self.port_base + PORT_OFFSETS[service]

    def urls(self) -> dict[str, str]:
        """The address of each bundled server, by the environment variable that overrides it."""
        login = f"{POSTGRES_USER}:{POSTGRES_PASSWORD}@{HOST}"
        urls = {
            "CACHE_URL": f"redis://{HOST}:{self.port('valkey-cache')}/0",
            "STATE_URL": f"redis://{HOST}:{self.port('valkey-state')}/0",
            "S3_ENDPOINT_URL": f"http://{HOST}:{self.port('s3')}",
        }
        for name in DATABASES:
            for suffix, server in (("DATABASE", "primary"), ("REPLICA", "replica")):
                port = self.port(f"postgres-{server}")
                urls[f"{name.upper()}_{suffix}_URL"] = (
                    f"postgres://{login}:{port}/socialfeed_{name}"
                )
        return urls

    @property
    def public_origin(self) -> str:
        """The origin of the stack in a browser."""
        return f"http://{HOST}:{self.port('caddy')}"

    @property
    def media_origin(self) -> str:
        """The origin of the pictures in a browser."""
        return f"http://{HOST}:{self.port('media')}"


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
    offsets = [*range(PORT_SPAN), *range(GRPC_OFFSET, GRPC_OFFSET + PORT_SPAN)]
    bases = list(range(FIRST_BASE, END_OF_BASES - PORT_SPAN, PORT_SPAN))
    random.shuffle(bases)
    for base in bases:
        if all(is_free(base + offset) for offset in offsets):
            return base
    raise StackError(f"No {PORT_SPAN} ports in a row are free from {FIRST_BASE} on.")
