"""A primary, two replicas and three Sentinels, as operations.md has them for STATE."""

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import quote

import psutil
import redis

from devstack.layout import HOST, free_port_base
from devstack.services import STATE_OPTIONS, valkey_server
from tests.support.client import wait_until

NAME = "State"
# Of the servers and of the Sentinels. A URL has it encoded.
PASSWORD = "p@ss+w/rd"
# A primary that does not answer for so long is replaced.
DOWN_AFTER_MS = 1000


def client(port: int) -> redis.Redis:
    """A client of a server, or of a Sentinel."""
    return redis.Redis(port=port, password=PASSWORD)


class Group:
    """The servers and Sentinels that run, by port."""

    def __init__(self, folder: Path) -> None:
        base = free_port_base()
        self.folder = folder
        self.servers = (base, base + 1, base + 2)
        self.sentinels = (base + 3, base + 4, base + 5)
        self.processes: dict[int, psutil.Process] = {}

    @property
    def url(self) -> str:
        """What STATE_URL would be."""
        hosts = ",".join(f"{HOST}:{port}" for port in self.sentinels)
        password = quote(PASSWORD, safe="")
        return f"sentinel://:{password}@{hosts}/{NAME}?sentinel_password={password}"

    def primary(self) -> int:
        """The port of the primary, by the first Sentinel."""
        with client(self.sentinels[0]) as sentinel:
            return int(sentinel.sentinel_get_master_addr_by_name(NAME)[1])

    def wait_for_another(self, former: int) -> float:
        """Wait until all Sentinels name another primary; returns the seconds."""
        began = time.monotonic()
        for port in self.sentinels:
            with client(port) as sentinel:
                wait_until(
                    lambda: int(sentinel.sentinel_get_master_addr_by_name(NAME)[1]) != former, 30
                )
        return time.monotonic() - began


@contextmanager
def group(folder: Path) -> Iterator[Group]:
    """Start a group, whose replicas stream and whose Sentinels know each other."""
    made = Group(folder)
    first, *replicas = made.servers
    with ExitStack() as running:
        for port in made.servers:
            options = {
                **STATE_OPTIONS,
                "repl-diskless-sync-delay": "0",
                "min-replicas-to-write": "1",
                "primaryauth": f'"{PASSWORD}"',
            }
            if port in replicas:
                options["replicaof"] = f"{HOST} {first}"
            running.enter_context(_running(made, port, options))
        for port in replicas:
            with client(port) as replica:
                wait_until(lambda: replica.info("replication")["master_link_status"] == "up")
        for port in made.sentinels:
            running.enter_context(_running(made, port, {}, is_sentinel=True))
        for port in made.sentinels:
            with client(port) as sentinel:
                wait_until(lambda: _is_ready(sentinel))
        yield made


def _is_ready(sentinel: redis.Redis) -> bool:
    watched = cast("dict[str, int]", sentinel.sentinel_master(NAME))
    return watched["num-other-sentinels"] == 2 and watched["num-slaves"] == 2


@contextmanager
def _running(
    made: Group, port: int, options: Mapping[str, str], *, is_sentinel: bool = False
) -> Iterator[None]:
    folder = made.folder / str(port)
    folder.mkdir()
    # A Sentinel, and a server that is promoted, write into their file.
    config = folder / "valkey.conf"
    lines = [f"port {port}", f"bind {HOST}", f'dir "{folder}"', f'requirepass "{PASSWORD}"']
    lines += [f"{key} {value or chr(34) * 2}" for key, value in options.items()]
    if is_sentinel:
        lines += [
            f"sentinel monitor {NAME} {HOST} {made.servers[0]} 2",
            f'sentinel auth-pass {NAME} "{PASSWORD}"',
            f'sentinel sentinel-pass "{PASSWORD}"',
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 5000",
        ]
    config.write_text("\n".join(lines) + "\n")
    command = [valkey_server(), str(config), *(["--sentinel"] if is_sentinel else [])]
    with (folder / "log").open("wb") as log:
        process = psutil.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    made.processes[port] = process
    try:
        with client(port) as server:
            wait_until(lambda: _answers(server), 10)
        yield
    finally:
        process.kill()  # also when it is frozen
        process.wait()


def _answers(server: redis.Redis) -> bool:
    try:
        return bool(server.ping())
    except redis.ConnectionError:
        return False
