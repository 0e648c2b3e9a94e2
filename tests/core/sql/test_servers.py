"""What a process knows of the SQL servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connections

from core.sql import checks, lsns, servers
from devstack.layout import HOST
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


def check_both() -> float:
    """Check the primary, then its replica; returns how much that lags."""
    for alias in ("posts", "posts_replica"):
        connection = checks.check(alias)
        assert connection is not None
        connection.close()
    return servers.lags()["posts_replica"]


def test_a_replica_that_follows_does_not_lag() -> None:
    wait_until(lambda: check_both() == 0, 10)
    assert servers.is_in_rotation("posts_replica")


def test_one_that_lags_too_much_is_out_of_rotation_and_comes_back_by_itself(
    paused_replay: Callable[[], None], settings: Any
) -> None:
    wait_until(lambda: check_both() == 0, 10)
    paused_replay()
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'test', 'text')")
    assert check_both() < 3, "it has lagged only since then, however quiet it was before"
    assert servers.is_in_rotation("posts_replica")
    settings.REPLICA_MAX_LAG = 0.2
    wait_until(lambda: check_both() > 0.2, 5)
    assert not servers.is_in_rotation("posts_replica")
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SELECT pg_wal_replay_resume()")
    wait_until(lambda: check_both() == 0, 10)
    assert servers.is_in_rotation("posts_replica")


def test_with_the_primary_down_a_replica_is_as_good_as_it_is(
    paused_replay: Callable[[], None], settings: Any
) -> None:
    wait_until(lambda: check_both() == 0, 10)
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
    assert servers.lags()["posts_replica"] == before
    assert servers.is_in_rotation("posts_replica")


def test_a_server_that_a_request_found_gone_is_out_until_a_later_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(servers.server_of("posts_replica"), "is_checked", True)
    assert not servers.is_in_rotation("posts_replica"), "not checked yet"
    check_both()
    assert servers.is_in_rotation("posts_replica")
    servers.note_down("posts_replica", OperationalError("gone"))
    assert not servers.is_in_rotation("posts_replica")
    assert servers.answers("posts")
    check_both()
    assert servers.is_in_rotation("posts_replica")


def test_without_checks_it_is_out_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    servers.note_down("posts_replica", OperationalError("gone"))
    assert not servers.answers("posts_replica")
    monkeypatch.setattr(servers, "RETRY_SECONDS", 0.0)
    assert servers.answers("posts_replica")


def test_only_a_check_makes_others_give_up() -> None:
    host, port = HOST, connections["posts_replica"].settings_dict["PORT"]
    servers.note_down("posts_replica", OperationalError("gone"))
    assert not servers.is_silent_at(host, int(port))
    servers.server_of("posts_replica").is_silent = True
    assert servers.is_silent_at(host, int(port))
    check_both()
    assert not servers.is_silent_at(host, int(port))


def test_a_check_that_fails_takes_the_server_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections["posts_replica"].settings_dict, "PORT", 9)
    servers._address.cache_clear()
    assert checks.check("posts_replica") is None
    assert not servers.answers("posts_replica")
    assert servers.answers("posts")
    monkeypatch.undo()
    servers._address.cache_clear()


def test_how_far_a_replica_has_come_is_known_of_this_connection_only() -> None:
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SELECT 1")
    lsn = lsns.server_lsn("posts")
    wait_until(lambda: servers.has_replayed("posts_replica", lsn), 20)
    assert servers._connected("posts_replica").replayed >= lsn
    connections["posts_replica"].close()
    connections["posts_replica"].connect()
    assert servers._connected("posts_replica").replayed == 0
    assert not servers.has_replayed("posts_replica", lsns.UNKNOWN)


def test_a_connection_from_before_the_server_was_gone_is_dead() -> None:
    connections["posts_replica"].close()
    connections["posts_replica"].connect()
    assert not servers.is_outlived("posts_replica")
    servers.note_down("posts_replica", OperationalError("gone"))
    assert servers.is_outlived("posts_replica")
    connections["posts_replica"].close()
    connections["posts_replica"].connect()
    assert not servers.is_outlived("posts_replica")
