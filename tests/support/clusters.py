"""A Valkey Cluster of tests: primaries that share the slots, and replicas of theirs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from devstack.layout import HOST
from devstack.services import CACHE_OPTIONS
from tests.support.client import wait_until
from tests.support.ports import free_port
from tests.support.valkeys import PASSWORD, client, running

# A primary that does not answer for so long is replaced.
NODE_TIMEOUT_MS = 1500


class Servers:
    """The servers of a cluster, by port. The first `primaries` share the slots at first.

    Replicas belong to the primaries in order; `spare` servers know the others and have no slots.
    """

    def __init__(
        self, folder: Path, *, primaries: int = 3, replicas: int = 0, spare: int = 0
    ) -> None:
        self.folder = folder
        ports = [free_port() for _ in range(primaries + replicas + spare)]
        self.primaries = ports[:primaries]
        self.replicas = ports[primaries : primaries + replicas]
        self.spare = ports[primaries + replicas :]
        self.processes: dict[int, psutil.Popen] = {}

    @property
    def ports(self) -> list[int]:
        """Of all servers."""
        return [*self.primaries, *self.replicas, *self.spare]

    @property
    def url(self) -> str:
        """What CACHE_URL would be."""
        hosts = ",".join(f"{HOST}:{port}" for port in self.ports)
        return f"redis-cluster://:{quote(PASSWORD, safe='')}@{hosts}"

    def ask(self, port: int, *command: str | int) -> Any:
        """The reply of one server to one command, as the server sends it."""
        with client(port, protocol=2) as server:
            server.response_callbacks.clear()
            return server.execute_command(*command)

    def node_id(self, port: int) -> str:
        """The id by which the others know a server."""
        return str(self.ask(port, "CLUSTER", "MYID").decode())

    def owner(self, key: str) -> int:
        """The port of the primary that has a key's slot."""
        return self.owner_of(key_slot(key.encode()))

    def owner_of(self, slot: int) -> int:
        """The port of the primary that has a slot, as the first server that runs sees it."""
        port = next(p for p in self.ports if self.processes[p].is_running())
        for first, last, primary, *_ in self.ask(port, "CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return int(primary[1])
        raise AssertionError(f"no server has slot {slot}")

    @contextmanager
    def moving(self, slot: int, source: int, target: int) -> Iterator[None]:
        """Inside, the slot is on its way from one primary to another; then the other has it.

        Returns when all servers have heard of it: one that has not could take the slot back.
        """
        source_id, target_id = self.node_id(source), self.node_id(target)
        self.ask(target, "CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
        self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
        yield
        while keys := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 100):
            self.send(source, target, *keys)
        for port in (target, source, *self.ports):
            if self.ask(port, "ROLE")[0] == b"master":
                self.ask(port, "CLUSTER", "SETSLOT", slot, "NODE", target_id)
        self.agree()

    def agree(self) -> None:
        """Wait until all servers say the same of who has which slots, and since which epoch."""
        wait_until(lambda: len({self._view(port) for port in self.ports}) == 1, 20)

    def _view(self, port: int) -> frozenset[tuple[bytes, ...]]:
        lines = [line.split() for line in self.ask(port, "CLUSTER", "NODES").splitlines()]
        # Of each: its id, its epoch, its slots but those that move.
        return frozenset(
            (words[0], words[6], *(word for word in words[8:] if not word.startswith(b"[")))
            for words in lines
        )

    def send(self, source: int, target: int, *keys: Any) -> None:
        """Move keys from one server to another."""
        command = ("MIGRATE", HOST, target, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)
        self.ask(source, *command)

    def options(self) -> dict[str, str]:
        """Of a server that has not met the others yet."""
        return {
            **CACHE_OPTIONS,
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            # What is left answers while some slots have no server.
            "cluster-require-full-coverage": "no",
            # Else a primary that gives its last slot away becomes a replica.
            "cluster-allow-replica-migration": "no",
            "repl-diskless-sync-delay": "0",
            "primaryauth": f'"{PASSWORD}"',
        }

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run all servers, and let them know each other."""
        with ExitStack() as started:
            for port in self.ports:
                server = running(self.folder, port, self.options())
                self.processes[port] = started.enter_context(server)
            self._meet()
            yield

    def _meet(self) -> None:
        count = len(self.primaries)
        bounds = [REDIS_CLUSTER_HASH_SLOTS * n // count for n in range(count + 1)]
        for number, port in enumerate(self.ports, start=1):
            self.ask(port, "CLUSTER", "SET-CONFIG-EPOCH", number)
        for port, first, end in zip(self.primaries, bounds, bounds[1:], strict=False):
            self.ask(port, "CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for port in self.ports[1:]:
            bus = self.ask(port, "CONFIG", "GET", "cluster-port")[1].decode()
            self.ask(self.ports[0], "CLUSTER", "MEET", HOST, port, bus)
        for port in self.ports:
            wait_until(partial(self._knows_all, port), 20)
        for number, port in enumerate(self.replicas):
            primary = self.primaries[number % count]
            self.ask(port, "CLUSTER", "REPLICATE", self.node_id(primary))
        for port in self.replicas:
            wait_until(partial(self._is_in_step, port), 20)
        expected = {
            port: sum(self.primaries[n % count] == port for n in range(len(self.replicas)))
            for port in self.primaries
        }
        for port in self.ports:
            wait_until(partial(self._sees, port, expected), 20)

    def _knows_all(self, port: int) -> bool:
        info = self.ask(port, "CLUSTER", "INFO").decode()
        return f"cluster_known_nodes:{len(self.ports)}\r" in info and "cluster_state:ok\r" in info

    def _is_in_step(self, port: int) -> bool:
        role = self.ask(port, "ROLE")
        return bool(role[0] == b"slave" and role[3] == b"connected")

    def _sees(self, port: int, expected: dict[int, int]) -> bool:
        """Whether a server counts so many replicas of each primary."""
        slots = self.ask(port, "CLUSTER", "SLOTS")
        return {int(first[1]): len(others) for _, _, first, *others in slots} == expected
