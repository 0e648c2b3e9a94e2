"""The servers that run beside a drill's stack, in place of some of its own.

Imports nothing that needs Django's settings: the settings name these servers.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.support import clusters, postgres, rabbits, sentinels

# The settings that name the servers, and the servers as a scenario knows them.
Beside = tuple[Mapping[str, str], object]


@contextmanager
def nothing(folder: Path) -> Iterator[Beside]:
    """The stack has servers of its own only."""
    yield {}, None


@contextmanager
def cache_cluster(folder: Path) -> Iterator[Beside]:
    """CACHE on three primaries with a replica each."""
    servers = clusters.Servers(folder / "cache", replicas=3)
    with servers.run():
        yield {"CACHE_URL": servers.url}, servers


@contextmanager
def state_group(folder: Path) -> Iterator[Beside]:
    """STATE on a primary, two replicas and three Sentinels."""
    (folder / "state").mkdir()
    with sentinels.group(folder / "state") as servers:
        yield {"STATE_URL": servers.url}, servers


@contextmanager
def sql_group(folder: Path) -> Iterator[Beside]:
    """PostgreSQL on three servers: a commit is on two of them before it is answered."""
    with postgres.files(folder / "postgres") as files:
        servers = postgres.Group(files)
        with servers.run():
            yield servers.urls(), servers


@contextmanager
def rabbit_nodes(folder: Path) -> Iterator[Beside]:
    """The broker on three nodes of RabbitMQ."""
    if not rabbits.is_installed():
        raise RuntimeError("Install Debian's package rabbitmq-server, or leave this scenario out.")
    nodes = rabbits.Nodes(folder / "broker")
    with nodes.run():
        yield {"BROKER_URL": nodes.url}, nodes


# By the name of a scenario's setup.
SERVERS: Mapping[str, Callable[[Path], AbstractContextManager[Beside]]] = {
    "plain": nothing,
    "delayed": nothing,
    "cache-cluster": cache_cluster,
    "state-group": state_group,
    "sql-group": sql_group,
    "rabbitmq": rabbit_nodes,
}
