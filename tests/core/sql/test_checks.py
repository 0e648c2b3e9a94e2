"""Checks of the SQL servers: which of them answer, and how far replicas lag."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connections

from core.sql import checks, servers
from tests.core.sql.conftest import check_both
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


def test_a_replica_that_follows_does_not_lag() -> None:
    wait_until(lambda: check_both() == 0)
    assert servers.is_in_rotation("posts_replica")


def test_a_replica_that_lags_too_much_leaves_the_rotation_and_comes_back(
    paused_replay: Callable[[], None], settings: Any
) -> None:
    wait_until(lambda: check_both() == 0)
    paused_replay()
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'test', 'text')")
    assert check_both() < 3, "the lag counts from then, though there were no writes before"
    assert servers.is_in_rotation("posts_replica")
    settings.REPLICA_MAX_LAG = 0.2
    wait_until(lambda: check_both() > 0.2)
    assert not servers.is_in_rotation("posts_replica")
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SELECT pg_wal_replay_resume()")
    wait_until(lambda: check_both() == 0)
    assert servers.is_in_rotation("posts_replica")


def test_while_the_primary_is_down_the_lag_stays_the_same(
    paused_replay: Callable[[], None], settings: Any
) -> None:
    wait_until(lambda: check_both() == 0)
    paused_replay()
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'test', 'never sent')")
    before = check_both()
    servers.note_down("posts", OperationalError("gone"))
    settings.REPLICA_MAX_LAG = before + 0.2
    time.sleep(0.3)
    connection = checks.check("posts_replica")
    assert connection is not None
    connection.close()
    assert servers.server_of("posts_replica").lag == before
    assert servers.is_in_rotation("posts_replica")


def test_a_check_that_fails_takes_the_server_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["posts_replica"].settings_dict, "PORT", 9)
    servers._address.cache_clear()
    assert checks.check("posts_replica") is None
    assert not servers.answers("posts_replica")
    assert servers.answers("posts")
    monkeypatch.undo()
    servers._address.cache_clear()
