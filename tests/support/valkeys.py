"""Valkey servers of tests, beside those of the stack."""

import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis

from devstack.layout import HOST
from devstack.services import valkey_server
from tests.support.client import wait_until

# Of all these servers. A URL has it encoded.
PASSWORD = "p@ss+w/rd"


def client(port: int, **options: Any) -> redis.Redis:
    """A client of a server, or of a Sentinel."""
    return redis.Redis(port=port, password=PASSWORD, **options)


@contextmanager
def running(
    folder: Path,
    port: int,
    options: Mapping[str, str],
    *,
    lines: Iterable[str] = (),
    arguments: Sequence[str] = (),
) -> Iterator[psutil.Popen]:
    """Run a server with these options, and lines in its file, in a new folder of `folder`."""
    own = folder / str(port)
    own.mkdir(parents=True)
    # A Sentinel, and a server that is promoted, write into their file.
    config = own / "valkey.conf"
    common = [f"port {port}", f"bind {HOST}", f'dir "{own}"', f'requirepass "{PASSWORD}"']
    given = [f"{key} {value or chr(34) * 2}" for key, value in options.items()]
    config.write_text("\n".join([*common, *given, *lines]) + "\n")
    with (own / "log").open("wb") as log:
        process = psutil.Popen(
            [valkey_server(), str(config), *arguments], stdout=log, stderr=subprocess.STDOUT
        )
    try:
        with client(port) as server:
            wait_until(lambda: _answers(server), 10)
        yield process
    finally:
        process.kill()  # also when it is frozen
        process.wait()


def _answers(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except redis.ConnectionError:
        return False
