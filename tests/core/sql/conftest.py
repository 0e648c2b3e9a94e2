"""What the tests of SQL share."""

from collections.abc import Callable
from itertools import count

import pytest
from django.db import connections

from core.sql import DatabaseRouter, checks, lsns, servers
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
