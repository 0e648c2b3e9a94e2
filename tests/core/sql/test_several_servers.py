"""Several servers of a database: hosts of which one is the primary, and replicas that lag apart."""

import time
from collections import Counter
from typing import Any

import psutil
import psycopg2
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from core.sql import checks, hosts, servers
from core.sql.deadlines import BudgetSpent, NoAnswer
from devstack.layout import HOST
from devstack.lifecycle import Stack
from socialfeed.settings import stores
from tests.core.sql.conftest import OTHER, primary_at
from tests.support import postgres
from tests.support.client import wait_until
from tests.support.ports import free_port

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


def port_of(connection: BaseDatabaseWrapper) -> int:
    """The port that it is connected to."""
    connection.ensure_connection()
    return int(connection.connection.info.port)


def test_the_host_that_is_the_primary_is_found_in_any_order(stack: Stack) -> None:
    ports = [stack.layout.port(f"postgres-{role}") for role in ("replica", "primary")]
    for order in ([*ports, free_port()], [free_port(), *ports], ports[::-1]):
        with primary_at(*order) as connection:
            assert port_of(connection) == ports[1]


def test_hosts_that_failed_are_asked_last(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    primary, closed = stack.layout.port("postgres-primary"), free_port()
    asked: list[str] = []
    inner = psycopg2.connect

    def connect(**parameters: Any) -> Any:
        asked.append(parameters["port"])
        return inner(**parameters)

    monkeypatch.setattr(psycopg2, "connect", connect)
    for expected in ([closed, primary], [primary]):
        with primary_at(closed, primary) as connection:
            port_of(connection)
        assert asked == [str(port) for port in expected]
        asked.clear()


def test_a_frozen_host_costs_one_time_limit_once(
    stack: Stack, installed: None, silent_port: int
) -> None:
    primary = stack.layout.port("postgres-primary")
    took = []
    for _ in range(2):
        began = time.monotonic()
        with primary_at(silent_port, primary) as connection:
            assert port_of(connection) == primary
        took.append(time.monotonic() - began)
    assert took[0] > 0.5 > took[1]


def test_a_frozen_host_is_not_waited_for_again_while_there_is_no_primary(
    stack: Stack, installed: None, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby = stack.layout.port("postgres-replica")
    took = []
    for _ in range(3):
        began = time.monotonic()
        expected = pytest.raises(OperationalError, match="is a standby")
        with primary_at(silent_port, standby) as connection, expected:
            connection.ensure_connection()
        took.append(time.monotonic() - began)
        if len(took) == 2:
            monkeypatch.setattr(hosts, "SECONDS_OF_SILENCE", 0.0)
    assert took[0] > 0.5 > took[1]
    assert took[2] > 0.5, "it may be back"


def test_hosts_that_gave_no_answer_are_asked_if_no_other_has_answered() -> None:
    asked: list[str] = []

    def ask(parameters: dict[str, str]) -> Any:
        asked.append(parameters["host"])
        raise NoAnswer("nothing")

    for _ in range(2):
        with pytest.raises(psycopg2.OperationalError, match="nothing; nothing"):
            hosts.connect(ask, {"host": "a,b", "port": "1,2"})
    assert asked == ["a", "b", "a", "b"]


def test_a_check_asks_all_hosts_and_tells_requests_that_one_is_back(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = [stack.layout.port(f"postgres-{role}") for role in ("primary", "replica")]
    hosts.note_silence((HOST, str(ports[0])))
    with primary_at(*ports) as connection, pytest.raises(OperationalError, match="a moment ago"):
        connection.ensure_connection()
    with pytest.MonkeyPatch.context() as patch:
        many = {"HOST": f"{HOST},{HOST}", "PORT": ",".join(map(str, ports))}
        for name, value in many.items():
            patch.setitem(connections["posts"].settings_dict, name, value)
        servers._address.cache_clear()
        found = checks.check("posts")
        assert found is not None
        hosts.note_silence((HOST, str(ports[0])))
        assert checks.check("posts", found) is found
        found.close()
    servers._address.cache_clear()
    with primary_at(*ports) as connection:
        assert port_of(connection) == ports[0]


def test_without_a_primary_each_host_says_why(stack: Stack) -> None:
    replica, closed = stack.layout.port("postgres-replica"), free_port()
    expected = pytest.raises(OperationalError, match=r"is a standby; .*refused")
    with primary_at(replica, closed) as connection, expected:
        connection.ensure_connection()


def test_a_request_that_has_no_time_left_asks_no_other_host() -> None:
    asked: list[str] = []

    def refuse(parameters: dict[str, str]) -> Any:
        asked.append(parameters["host"])
        raise BudgetSpent("too long")

    with pytest.raises(BudgetSpent):
        hosts.connect(refuse, {"host": "a,b", "port": "1,2"})
    assert asked == ["a"]


@pytest.mark.parametrize("out", [None, *range(4)])
def test_readers_are_spread_evenly_over_the_replicas_that_are_left(
    out: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    replicas = ("posts_replica", *(f"posts_replica_{number}" for number in (2, 3, 4)))
    monkeypatch.setattr(servers, "replicas_of", lambda primary: replicas)
    left = [replica for replica in replicas if out is None or replica != replicas[out]]
    first = Counter(
        next(one for one in servers.replicas_for("posts", reader_id=id_) if one in left)
        for id_ in range(10**15, 10**15 + 4000)
    )
    assert all(abs(first[one] * len(left) / 4000 - 1) < 0.1 for one in left), first


def test_a_replica_that_is_the_primary_is_not_read_as_one(
    two_replicas: dict[str, int], stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(stack.layout.port("postgres-primary"))
    monkeypatch.setitem(connections[OTHER].settings_dict, "PORT", port)
    servers._address.cache_clear()

    def is_first_in_rotation() -> bool:
        for alias in ("posts", *two_replicas):
            connection = checks.check(alias)
            assert connection is not None
            connection.close()
        return servers.is_in_rotation("posts_replica")

    wait_until(is_first_in_rotation)
    assert not servers.is_in_rotation(OTHER)


def test_one_that_is_the_only_replica_is_read_though_it_is_the_primary() -> None:
    servers.server_of("posts_replica").is_standby = False
    assert servers.is_in_rotation("posts_replica")


def test_standbys_are_not_silent_while_there_is_no_primary(
    stack: Stack, installed: None, silent_port: int
) -> None:
    standby = stack.layout.port("postgres-replica")
    servers.note_checked([], silent=[(HOST, str(standby))])
    many = {"HOST": f"{HOST},{HOST}", "PORT": f"{silent_port},{standby}"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in many.items():
            patch.setitem(connections["posts"].settings_dict, name, value)
        patch.setattr(checks, "SECONDS_OF_A_CHECK", 0.3)
        servers._address.cache_clear()
        assert checks.check("posts") is None
        assert not servers.answers("posts")
    servers._address.cache_clear()
    assert servers.is_silent_at(HOST, silent_port)
    assert not servers.is_silent_at(HOST, standby)


def test_a_server_that_freezes_between_two_checks_is_silent_until_it_answers(
    two_replicas: dict[str, int],
    other_process: psutil.Popen,
    installed: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = two_replicas[OTHER]
    connection = checks.check(OTHER)
    assert connection is not None
    assert not servers.is_silent_at(HOST, port)
    monkeypatch.setattr(checks, "SECONDS_OF_A_CHECK", 0.3)
    postgres.freeze(other_process)
    try:
        assert checks.check(OTHER, connection) is None
    finally:
        postgres.thaw(other_process)
    assert servers.is_silent_at(HOST, port)
    connection = checks.check(OTHER)
    assert connection is not None
    connection.close()
    assert not servers.is_silent_at(HOST, port)


def test_urls_may_name_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTS_DATABASE_URL", "postgres://u:p@a:1,b/posts?sslmode=require")
    monkeypatch.setenv("POSTS_REPLICA_URL", "postgres://u:p@b,c:3/posts")
    found = stores._database("POSTS")
    hosts_of = {alias: (one["HOST"], one["PORT"]) for alias, one in found.items()}
    assert hosts_of == {
        "posts": ("a,b", "1,"),
        "posts_replica": ("b", ""),
        "posts_replica_2": ("c", "3"),
    }
    assert found["posts"]["OPTIONS"]["sslmode"] == "require"


def test_without_a_url_for_replicas_those_among_the_hosts_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("POSTS_DATABASE_URL", "postgres://u:p@a,b/posts")
    monkeypatch.delenv("POSTS_REPLICA_URL", raising=False)
    assert [one["HOST"] for one in stores._database("POSTS").values()] == ["a,b", "a", "b"]
    monkeypatch.setenv("POSTS_DATABASE_URL", "postgres://u:p@a/posts")
    assert [one["HOST"] for one in stores._database("POSTS").values()] == ["a", "a"]


def test_a_malformed_url_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTS_DATABASE_URL", "postgres://u:p@a,/posts")
    with pytest.raises(ImproperlyConfigured, match=r"POSTS_DATABASE_URL: .* has the form"):
        stores._database("POSTS")
