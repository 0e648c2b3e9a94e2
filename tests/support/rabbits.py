"""A cluster of RabbitMQ nodes, of Debian's package."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from devstack.layout import HOST, is_free
from tests.support.client import wait_until
from tests.support.ports import free_port

PROGRAMS = Path("/usr/lib/rabbitmq/bin")


def is_installed() -> bool:
    """Whether the package `rabbitmq-server` is."""
    return PROGRAMS.exists()


class Nodes:
    """Three nodes, by number, all on this machine. Each has a folder with its log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = [free_port() for _ in range(3)]
        self.processes: list[psutil.Popen | None] = [None] * 3
        self._epmd_port = free_port()
        self._distribution_ports = [free_port() for _ in range(3)]

    @property
    def url(self) -> str:
        """What BROKER_URL would be."""
        return ";".join(f"amqp://guest:guest@{HOST}:{port}//" for port in self.ports)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Run all nodes, until they form a cluster."""
        self.folder.mkdir()
        (self.folder / "plugins").write_text("[].\n")
        names = [f"cluster_formation.classic_config.nodes.{n} = {_name(n)}" for n in range(3)]
        lines = ["cluster_formation.peer_discovery_backend = classic_config", *names]
        (self.folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        epmd = shutil.which("epmd")
        assert epmd
        # The nodes would start one that outlives them.
        mapper = psutil.Popen(
            [epmd, "-port", str(self._epmd_port), "-address", HOST],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(lambda: not is_free(self._epmd_port), 10)
            for number in range(3):
                self.start(number)
            self.wait_for_all()
            yield
        finally:
            for number in range(3):
                self.kill(number)
            mapper.kill()
            mapper.wait()

    def start(self, number: int) -> None:
        """Start a node, for the first time or again."""
        own = self.folder / str(number)
        own.mkdir(exist_ok=True)
        with (own / "output").open("ab") as output:
            self.processes[number] = psutil.Popen(
                [PROGRAMS / "rabbitmq-server"],
                env=self._environ(number),
                stdout=output,
                stderr=output,
            )

    def kill(self, number: int) -> None:
        """Kill a node as a power failure would."""
        process = self.processes[number]
        if process is None:
            return
        family = [process, *process.children(recursive=True)]
        for member in family:
            member.kill()
        psutil.wait_procs(family)
        self.processes[number] = None

    def wait_for_all(self) -> None:
        """Wait until all nodes run in one cluster."""
        wait_until(lambda: not any(map(is_free, self.ports)))
        # Each is named twice: it has joined, and it runs.
        wait_until(lambda: self._control("cluster_status").count("@localhost\n") == 6)

    def queues(self) -> dict[str, str]:
        """The type of each queue for tasks, by name."""
        listed = self._control("list_queues", "--quiet", "--no-table-headers", "name", "type")
        rows = [line.split("\t") for line in listed.splitlines()]
        return {name: kind for name, kind in rows if name in {"celery", "media"}}

    def _control(self, *command: str) -> str:
        """What `rabbitmqctl` says; nothing when the first node does not run."""
        return subprocess.run(
            [PROGRAMS / "rabbitmqctl", "--node", _name(0), *command],
            env=self._environ(0),
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    def _environ(self, number: int) -> dict[str, str]:
        own = self.folder / str(number)
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),  # of the cookie, which all nodes share
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_NODENAME": _name(number),
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.ports[number]),
            "RABBITMQ_DIST_PORT": str(self._distribution_ports[number]),
            "RABBITMQ_MNESIA_BASE": str(own),
            "RABBITMQ_LOG_BASE": str(own),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }


def _name(number: int) -> str:
    return f"rabbit{number}@localhost"
