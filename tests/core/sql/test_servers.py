"""What a process knows of the SQL servers."""

import pytest
from django.db import OperationalError, connections

from core.sql import servers, wal
from devstack.layout import HOST
from tests.core.sql.conftest import check_both
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


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
    port = connections["posts_replica"].settings_dict["PORT"]
    servers.note_down("posts_replica", OperationalError("gone"))
    assert not servers.is_silent_at(HOST, int(port))
    servers.note_checked([], silent=[(HOST, port)])
    assert servers.is_silent_at(HOST, int(port))
    check_both()
    assert not servers.is_silent_at(HOST, int(port))


def test_what_a_replica_has_replayed_is_known_for_this_connection_only() -> None:
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SELECT 1")
    lsn = wal.server_lsn("posts")
    wait_until(lambda: servers.has_replayed("posts_replica", lsn))
    assert servers._connected("posts_replica").replayed >= lsn
    connections["posts_replica"].close()
    connections["posts_replica"].connect()
    assert servers._connected("posts_replica").replayed == 0
    assert not servers.has_replayed("posts_replica", wal.UNKNOWN)


def test_a_connection_from_before_the_server_was_gone_is_dead() -> None:
    connections["posts_replica"].close()
    connections["posts_replica"].connect()
    assert not servers.is_outlived("posts_replica")
    servers.note_down("posts_replica", OperationalError("gone"))
    assert servers.is_outlived("posts_replica")
    connections["posts_replica"].close()
    connections["posts_replica"].connect()
    assert not servers.is_outlived("posts_replica")


def test_a_connection_from_before_is_closed_by_those_who_write_too() -> None:
    connection = connections["posts"]
    connection.ensure_connection()
    assert connection.is_usable()
    servers.note_down("posts", OperationalError("gone"))
    assert not connection.is_usable(), "though its server answers: it may be the primary no more"
    connection.close()
    connection.connect()
    assert connection.is_usable()
