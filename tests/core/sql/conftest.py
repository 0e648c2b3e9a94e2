"""What the tests of SQL share."""

import socket
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.db import connections
from psycopg2 import extensions

from core.sql import DatabaseRouter, checks, deadlines, lsns, servers
from devstack.layout import HOST
from posts.models import Post

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
    return lsns.server_lsn("posts")


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
