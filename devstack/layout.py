"""Addresses and folders of the bundled servers.

`socialfeed.settings` takes its local defaults from here, and the stack starts the servers at the
same addresses. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
PROJECT_DIR = Path(__file__).resolve().parents[1]
DEFAULT_PORT_BASE = 8800

# The offset of each port from STACK_PORT_BASE. SeaweedFS also uses each of its HTTP ports + 10,000
# for gRPC. The Read and Write API have ten ports each, one an instance.
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
}
PORT_SPAN = 30

# Credentials of the bundled servers, which listen on loopback only. Production sets its own by URL.
POSTGRES_USER = POSTGRES_PASSWORD = "socialfeed"  # noqa: S105 (see above)
S3_ACCESS_KEY = "socialfeed"
S3_SECRET_KEY = "socialfeed-local-secret"  # noqa: S105 (see above)
S3_BUCKET = "socialfeed"

DATABASES = ("users", "posts", "comments")


@dataclass(frozen=True)
class Layout:
    """The addresses and the folder of one stack."""

    port_base: int
    var_dir: Path

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Layout:
        """Read STACK_PORT_BASE and STACK_VAR_DIR. Raises ValueError if the base is not valid."""
        text = environ.get("STACK_PORT_BASE") or str(DEFAULT_PORT_BASE)
        if not text.isdecimal() or not 1024 <= int(text) <= 50_000:
            raise ValueError(f"STACK_PORT_BASE must be a number from 1024 to 50000, not {text!r}.")
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
