"""Addresses and folders of the bundled servers, and free ports for them.

`socialfeed.settings` takes its local defaults from here, and the stack starts the servers at the
same addresses. A stack's folder remembers its ports, so that no command reaches the stack of
another checkout. Imports the standard library only.
"""

import errno
import random
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

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
        """Read STACK_VAR_DIR, below the project's folder, and STACK_PORT_BASE.

        The default of the latter are the ports that the folder remembers. Raises StackError if the
        base is not valid, or not the remembered one.
        """
        var_dir = (PROJECT_DIR / (environ.get("STACK_VAR_DIR") or "var")).resolve()
        remembered = _remembered_base(var_dir)
        text = environ.get("STACK_PORT_BASE") or str(remembered or DEFAULT_PORT_BASE)
        base = _port_base(text)
        if base is None:
            raise StackError(f"STACK_PORT_BASE must be a number from 1024 to 50000, not {text!r}.")
        if remembered not in {None, base}:
            raise StackError(
                f"The stack in {var_dir} has the ports from {remembered} on, but "
                f"STACK_PORT_BASE is {base}, where the stack of another checkout may be. Unset "
                f"STACK_PORT_BASE: the stack remembers its ports. {_how_to_move(base)}"
            )
        return cls(base, var_dir)

    def remember_ports(self) -> None:
        """Note the port base in the stack's folder, which must exist."""
        _memory(self.var_dir).write_text(f"{self.port_base}\n")

    def forget_ports(self) -> None:
        """Let the next `stack up` choose any ports. The stack must be down."""
        _memory(self.var_dir).unlink(missing_ok=True)

    def advice_to_move(self) -> str:
        """How to move the stack to ports that are free now."""
        free = free_port_base()
        if _remembered_base(self.var_dir) is not None:
            return _how_to_move(free)
        return (
            f"Move the stack with STACK_PORT_BASE (now {self.port_base}), for example "
            f"STACK_PORT_BASE={free}."
        )

    def refuse_strangers(self, environ: Mapping[str, str]) -> None:
        """Raise StackError if this stack is down, and something else listens at its ports.

        Who connects then reaches the stack of another checkout. Servers that `*_URL` in `environ`
        replace do not count.
        """
        if self._may_run():
            return
        for name, url in self.urls().items():
            port = urlsplit(url).port
            # If only the primary is set, it is its replica too.
            bundled = "REPLICA" not in name and (environ.get(name) or url) == url
            if bundled and port is not None and not is_free(port):
                raise StackError(
                    f"The stack in {self.var_dir} is down, but something listens at its port "
                    f"{port} ({name}): perhaps the stack of another checkout, whose data this "
                    f"would reach. {self.advice_to_move()}"
                )

    def _may_run(self) -> bool:
        """False if this stack's supervisord surely does not run."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(control_socket(self.var_dir)))
            except OSError as error:
                # Others: it belongs to another account, or is busy.
                return error.errno not in {errno.ENOENT, errno.ECONNREFUSED}
        return True

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


def control_socket(var_dir: Path) -> Path:
    """The socket of a stack's supervisord. `run/control` is a link to its folder."""
    return (var_dir / "run" / "control").resolve() / "supervisor.sock"


def _memory(var_dir: Path) -> Path:
    """The file with the port base of the stack in a folder."""
    return var_dir / "port-base"


def _remembered_base(var_dir: Path) -> int | None:
    file = _memory(var_dir)
    try:
        base = _port_base(file.read_text().strip())
    except FileNotFoundError:
        return None
    if base is None:
        raise StackError(f"{file} has no port base: write the one of this stack, or remove it.")
    return base


def _port_base(text: str) -> int | None:
    """The port base that a text names; None if it names none."""
    return int(text) if text.isdecimal() and 1024 <= int(text) <= 50_000 else None


def _how_to_move(base: int) -> str:
    # Empty, it also wins over a line in .env.
    return (
        f"To move it to {base} instead, run `STACK_PORT_BASE= manage.py stack down --forget-ports` "
        f"and then `STACK_PORT_BASE={base} manage.py stack up`."
    )


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
