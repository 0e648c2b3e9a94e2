"""Failovers that lose the end of the log: LSNs beyond it wedge nobody, and lie to nobody."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psutil
import pytest
from django.db import InternalError, OperationalError, connections

from core.cached_values import VERSION_SQL
from core.sql import checks, hosts, lsns, servers, wal
from core.sql.wal import UNKNOWN, replayed_lsn, timeline_of
from devstack.layout import HOST, POSTGRES_PASSWORD, POSTGRES_USER
from devstack.lifecycle import Stack
from devstack.postgres import Postgres
from devstack.probes import connect, query
from tests.core.sql.conftest import new_user_id, primary_at, source
from tests.support import postgres
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


def on(timeline: int, byte: int) -> int:
    return (timeline << 52) + byte


@pytest.mark.parametrize(
    ("lsn", "received", "first", "expected"),
    [
        (on(1, 500), 1, on(1, 100), on(1, 500)),
        (on(1, 500), None, on(1, 100), on(1, 500)),  # receives nothing, or may not say so
        (on(1, 500), 2, on(2, 400), on(2, 500)),  # its files are behind; it is past the promotion
        (on(1, 300), 2, on(2, 400), on(1, 300)),  # it has not replayed up to there
        (on(1, 500), 2, on(1, 400), on(1, 500)),  # this process has not heard of timeline 2
        (on(1, 500), 1, on(2, 400), on(1, 500)),  # it stayed on the former timeline
        (on(2, 500), None, on(2, 400), on(2, 500)),
        (on(1, 500), 1, 0, on(1, 500)),
    ],
)
def test_the_timeline_that_a_replica_has_replayed(
    lsn: int, received: int | None, first: int, expected: int
) -> None:
    assert replayed_lsn(lsn, received, first=first) == expected


def test_a_later_timeline_is_later_whatever_the_byte() -> None:
    assert on(1, 2**51) < on(2, 1) < UNKNOWN
    assert timeline_of(on(3, 2**51)) == 3
    assert timeline_of(UNKNOWN) == 0


def test_an_lsn_has_its_timeline_on_a_primary_and_on_a_replica() -> None:
    assert timeline_of(wal.server_lsn("posts")) == 1
    assert timeline_of(wal.server_lsn("posts_replica")) == 1


def test_who_may_not_see_statistics_can_ask_for_the_lsn_too() -> None:
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SET ROLE pg_checkpoint")  # any role without rights
        try:
            cursor.execute(wal.LSN_SQL)
            lsn, received = cursor.fetchone()
        finally:
            cursor.execute("RESET ROLE")
    assert (timeline_of(lsn), received) == (1, None)


class Pair:
    """A primary and its replica, which gets nothing any more of what the primary then writes; the
    replica is promoted. The former primary comes back as whatever a test wants.
    """

    def __init__(self, files: Postgres, former: int, new: int) -> None:
        self.files, self.former, self.new = files, former, new
        self.data = files.data_dirs["primary"]
        # LSNs and versions of the former primary: before, and after what is lost.
        self.shared = self.lost = self.lost_version = 0
        # The first ones of the new primary.
        self.first = self.first_version = 0


def ask(port: int, sql: str) -> Any:
    return query(port, sql)[0]


def write(port: int) -> None:
    query(port, "SELECT pg_logical_emit_message(true, 'test', repeat('x', 100000))")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with postgres.files(tmp_path_factory.mktemp("timelines") / "files") as files:
        files.make_primary()
        port, data = files.primary_port, files.data_dirs["primary"]
        with postgres.running(files, data, port, {}) as primary:
            files.make_databases()
            with postgres.replica_of(files, port) as (new, _):
                made = Pair(files, port, new)
                write(port)
                made.shared = ask(port, wal.LSN_SQL)
                wait_until(lambda: ask(new, wal.LSN_SQL) >= made.shared, 10)
                lose_the_end(made, primary)
                yield made


def lose_the_end(pair: Pair, primary: psutil.Popen) -> None:
    with closing(connect(pair.new)) as connection, connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET primary_conninfo = ''")
        cursor.execute("SELECT pg_reload_conf()")
    wait_until(lambda: query(pair.new, "SELECT count(*) FROM pg_stat_wal_receiver") == (0,), 10)
    for _ in range(20):
        write(pair.former)
    pair.lost = ask(pair.former, wal.LSN_SQL)
    pair.lost_version = ask(pair.former, f"SELECT {VERSION_SQL}")
    postgres.end(primary)
    query(pair.new, "SELECT pg_promote(true, 20)")
    pair.first = ask(pair.new, wal.LSN_SQL)
    pair.first_version = ask(pair.new, f"SELECT {VERSION_SQL}")


def test_the_new_primary_is_later_though_its_log_is_shorter(pair: Pair) -> None:
    assert (timeline_of(pair.lost), timeline_of(pair.first)) == (1, 2)
    assert pair.first > pair.lost > pair.shared
    assert pair.first % 2**52 < pair.lost % 2**52


def test_cache_entries_of_the_new_primary_replace_those_of_lost_transactions(pair: Pair) -> None:
    assert pair.first_version > pair.lost_version
    assert pair.first_version % 2**52 < pair.lost_version % 2**52


@pytest.fixture
def at_the_new_primary(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The database of posts is on both servers: either may be the primary."""
    many = {"HOST": f"{HOST},{HOST}", "PORT": f"{pair.former},{pair.new}"}
    for name, value in (many | {"NAME": "socialfeed_posts"}).items():
        monkeypatch.setitem(connections["posts"].settings_dict, name, value)
    for name, value in {"PORT": str(pair.former), "NAME": "socialfeed_posts"}.items():
        monkeypatch.setitem(connections["posts_replica"].settings_dict, name, value)
    connections["posts"].close()
    connections["posts_replica"].close()
    servers._address.cache_clear()
    yield
    connections["posts"].close()
    connections["posts_replica"].close()
    servers._address.cache_clear()


def check(alias: str) -> bool:
    connection = checks.check(alias)
    if connection is not None:
        connection.close()
    return connection is not None


def test_lost_writes_keep_nobody_on_the_primary(pair: Pair, at_the_new_primary: None) -> None:
    """Their LSN is beyond the end of the new log, and reached by each server that is on it."""
    with postgres.replica_of(pair.files, pair.new) as (port, _):
        connections["posts_replica"].settings_dict["PORT"] = str(port)
        servers._address.cache_clear()
        reader = new_user_id()
        lsns.store_lsns({"posts": pair.lost}, user_id=reader)
        assert check("posts")
        wait_until(lambda: check("posts_replica") and source(reader) == "posts_replica", 10)
        query(port, "SELECT pg_wal_replay_pause()")
        write(pair.new)
        lsns.store_lsns({"posts": ask(pair.new, wal.LSN_SQL)}, user_id=reader)
        assert source(reader) == "posts", "what is not lost must be there"


def test_a_server_that_went_on_alone_is_not_read_from(pair: Pair, at_the_new_primary: None) -> None:
    """It has come back as a replica, without pg_rewind: it cannot follow the new primary."""
    login = f"user={POSTGRES_USER} password={POSTGRES_PASSWORD}"
    (pair.data / "standby.signal").touch()
    options = {"primary_conninfo": f"host={HOST} port={pair.new} {login}"}
    try:
        with postgres.running(pair.files, pair.data, pair.former, options):
            wait_until(lambda: ask(pair.former, "SELECT pg_is_in_recovery()"), 10)
            assert ask(pair.former, wal.LSN_SQL) >= pair.lost
            assert check("posts")
            assert check("posts_replica")
            assert servers.server_of("posts_replica").lag == float("inf")
            assert source(new_user_id()) == "posts"
    finally:
        (pair.data / "standby.signal").unlink()


def test_a_former_primary_is_not_taken_for_the_primary(
    pair: Pair, at_the_new_primary: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has come back as a primary. Who knows of the later timeline finds the right one."""
    with postgres.running(pair.files, pair.data, pair.former, {}):
        with primary_at(pair.former, pair.new) as connection:
            connection.ensure_connection()
            assert connection.connection.info.port == pair.former, "nothing is known yet"
        lsns.store_lsns({"posts": pair.first}, user_id=(reader := new_user_id()))
        connections["posts"].ensure_connection()
        assert check("posts_replica")
        assert source(reader) == "posts"
        assert servers.is_outlived("posts"), "connections to the former one are left"
        with primary_at(pair.former, pair.new) as connection:
            connection.ensure_connection()
            assert connection.connection.info.port == pair.new
        monkeypatch.setitem(connections["posts"].settings_dict, "PORT", f"{pair.former},1")
        with primary_at(pair.former, 1) as connection:
            address = tuple((HOST, str(port)) for port in (pair.former, 1))
            hosts.note_timeline(address, 2)
            with pytest.raises(OperationalError, match="is a former primary"):
                connection.ensure_connection()


def test_a_check_finds_that_its_primary_is_a_former_one(
    pair: Pair, at_the_new_primary: None
) -> None:
    with postgres.running(pair.files, pair.data, pair.former, {}):
        with closing(connect(pair.former)) as connection:
            connection.autocommit = True
            address = servers.server_of("posts").hosts
            hosts.note_timeline(address, 2)
            assert checks.check("posts", connection) is None
        assert not servers.answers("posts")
        assert check("posts"), "and finds the right one then"


@pytest.fixture
def primary_became_a_standby(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a connection through a pooler leads to after a change of roles."""
    port = str(stack.layout.port("postgres-replica"))
    monkeypatch.setitem(connections["posts"].settings_dict, "PORT", port)
    connections["posts"].close()
    servers._address.cache_clear()
    yield
    connections["posts"].close()
    servers._address.cache_clear()


@pytest.mark.usefixtures("primary_became_a_standby")
def test_a_check_finds_that_its_primary_is_a_standby() -> None:
    assert not check("posts")
    assert not servers.answers("posts")


@pytest.mark.usefixtures("primary_became_a_standby")
@pytest.mark.parametrize("is_pooled", [False, True])
def test_a_connection_through_a_pooler_is_asked_for_its_role(
    is_pooled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "DISABLE_SERVER_SIDE_CURSORS"
    monkeypatch.setitem(connections["posts"].settings_dict, name, is_pooled)
    connections["posts"].ensure_connection()
    assert connections["posts"].is_usable() != is_pooled


def test_a_timeline_that_nobody_sees_any_more_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a restored backup, the log has an older one."""
    address = ((HOST, "1"), (HOST, "2"))
    assert hosts.note_timeline(address, 2)
    assert not hosts.note_timeline(address, 2)
    assert hosts.is_former(address, 1)
    monkeypatch.setattr(hosts, "SECONDS_TO_FORGET_A_LOG", 0.0)
    assert not hosts.is_former(address, 1)
    assert hosts.note_timeline(address, 1)


@pytest.mark.usefixtures("primary_became_a_standby")
def test_a_standby_does_not_tell_the_lsn_of_a_write() -> None:
    assert lsns.lsns_after_commit(["posts"]) == {"posts": UNKNOWN}


@pytest.mark.usefixtures("primary_became_a_standby")
@pytest.mark.parametrize("role", ["read", "write", "all"])
def test_a_write_finds_that_its_primary_is_a_standby(role: str, settings: Any) -> None:
    """A Read API may not write anywhere, so there that says nothing about the server."""
    settings.API_ROLE = role
    expected = InternalError if role == "read" else OperationalError
    with connections["posts"].cursor() as cursor, pytest.raises(expected, match="read-only"):
        cursor.execute("UPDATE posts_post SET caption = '' WHERE id = 0")
    assert servers.answers("posts") == (role == "read")
    assert servers.is_outlived("posts") == (role != "read")
