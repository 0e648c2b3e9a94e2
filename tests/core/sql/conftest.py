"""What the tests of SQL share."""

import socket
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count

import psutil
import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg2 import extensions

from core.sql import (
    DatabaseRouter,
    checks,
    deadlines,
    note_reader,
    replica_reads,
    servers,
    wal,
)
from devstack.layout import HOST
from devstack.lifecycle import Stack
from devstack.probes import query
from posts.models import Post
from tests.support import postgres

PAUSE, RESUME = "SELECT pg_wal_replay_pause()", "SELECT pg_wal_replay_resume()"
OTHER = "posts_replica_2"

_user_ids = count(10**15)


def new_user_id() -> int:
    return next(_user_ids)


@pytest.fixture
def user_id() -> int:
    return new_user_id()


@pytest.fixture
def replica_is_behind(paused_replay: Callable[[], None]) -> int:
    """Pause the replica's replay; returns an LSN that it will not reach."""
    paused_replay()
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'test', 'later')")
    return wal.server_lsn("posts")


def read_alias() -> str:
    return DatabaseRouter().db_for_read(Post)


def check_both() -> float:
    """Check the primary, then its replica; returns how much that lags."""
    for alias in ("posts", "posts_replica"):
        connection = checks.check(alias)
        assert connection is not None
        connection.close()
    lag = servers.server_of("posts_replica").lag
    assert lag is not None
    return lag


def source(reader_id: int) -> str:
    """The alias that a reader's request reads posts from."""
    with replica_reads():
        note_reader(user_id=reader_id)
        return read_alias()


@pytest.fixture(scope="module")
def other_server(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, psutil.Popen]]:
    """One more replica of the stack's primary: its port and its process."""
    with (
        postgres.files(tmp_path_factory.mktemp("sql") / "files") as files,
        postgres.replica_of(files, stack.layout.port("postgres-primary")) as server,
    ):
        yield server


@pytest.fixture
def other_replica(other_server: tuple[int, psutil.Popen]) -> int:
    return other_server[0]


@pytest.fixture
def other_process(other_server: tuple[int, psutil.Popen]) -> psutil.Popen:
    return other_server[1]


@pytest.fixture
def two_replicas(
    other_replica: int, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> Iterator[dict[str, int]]:
    """The ports of the replicas of posts, by alias."""
    first = connections.settings["posts_replica"]
    monkeypatch.setitem(
        connections.settings, OTHER, first | {"HOST": HOST, "PORT": str(other_replica)}
    )
    servers.replicas_of.cache_clear()
    servers._address.cache_clear()
    yield {"posts_replica": stack.layout.port("postgres-replica"), OTHER: other_replica}
    for port in (other_replica, stack.layout.port("postgres-replica")):
        query(port, RESUME)
    connections[OTHER].close()
    del connections[OTHER]
    servers.replicas_of.cache_clear()
    servers._address.cache_clear()


@contextmanager
def primary_at(*ports: int) -> Iterator[BaseDatabaseWrapper]:
    """A connection, not opened yet, to whichever of these ports of HOST is the primary."""
    given = connections["posts"].settings_dict
    many = {"HOST": ",".join([HOST] * len(ports)), "PORT": ",".join(map(str, ports))}
    connection = connections["posts"].__class__(given | many, "posts")
    with closing(connection):
        yield connection


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections but never answers, like a frozen one."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(deadlines, "_give_up", [])
    deadlines.install(seconds=0.6)
    yield
    extensions.set_wait_callback(None)
