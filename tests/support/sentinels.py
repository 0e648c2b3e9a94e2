"""A primary, two replicas and three Sentinels, as operations.md has them for STATE."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast
from urllib.parse import quote

import psutil
import redis

from devstack.layout import HOST, free_port_base
from devstack.services import STATE_OPTIONS
from tests.support.client import wait_until
from tests.support.valkeys import PASSWORD, client, running

NAME = "State"
# A primary that does not answer for so long is replaced.
DOWN_AFTER_MS = 1000


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
    watched = [
        f"sentinel monitor {NAME} {HOST} {first} 2",
        f'sentinel auth-pass {NAME} "{PASSWORD}"',
        f'sentinel sentinel-pass "{PASSWORD}"',
        f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {NAME} 5000",
    ]
    with ExitStack() as started:
        for port in made.servers:
            options = {
                **STATE_OPTIONS,
                "repl-diskless-sync-delay": "0",
                "min-replicas-to-write": "1",
                "primaryauth": f'"{PASSWORD}"',
            }
            if port in replicas:
                options["replicaof"] = f"{HOST} {first}"
            server = running(folder, port, options)
            made.processes[port] = started.enter_context(server)
        for port in replicas:
            with client(port) as replica:
                wait_until(lambda: replica.info("replication")["master_link_status"] == "up")
        for port in made.sentinels:
            sentinel = running(folder, port, {}, lines=watched, arguments=["--sentinel"])
            made.processes[port] = started.enter_context(sentinel)
        for port in made.sentinels:
            with client(port) as watcher:
                wait_until(lambda: _is_ready(watcher))
        yield made


def _is_ready(sentinel: redis.Redis) -> bool:
    watched = cast("dict[str, int]", sentinel.sentinel_master(NAME))
    return watched["num-other-sentinels"] == 2 and watched["num-slaves"] == 2
