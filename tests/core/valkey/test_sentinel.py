"""STATE on Sentinel: commands go to the primary, whichever that is."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.core.cache import caches
from django.test import override_settings
from django_redis.pool import ConnectionFactory

from core.valkey import Pool, SentinelPool, ValkeyUnavailable, exchange, run_script, state_valkey
from devstack.urls import sentinels_of
from socialfeed.settings import stores
from tests.support.client import wait_until
from tests.support.cluster_clients import is_answered
from tests.support.sentinels import Group, group
from tests.support.valkeys import PASSWORD, client

SET = "redis.call('SET', KEYS[1], ARGV[1]) return redis.call('INCR', 'count')"


@pytest.fixture
def sentinels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Group]:
    """STATE is on Sentinel, by its URL alone."""
    with group(tmp_path) as servers:
        monkeypatch.setattr(stores, "_sentinels", lambda name: sentinels_of(servers.url))
        config = stores._state(servers.url)
        with override_settings(CACHES={"default": config, "cache": config}):
            yield servers
            pool = state_valkey().connection_pool
        pool.disconnect()
        ConnectionFactory._pools.pop(config["LOCATION"])


def replicated() -> None:
    """Wait until the replicas have all that was written."""
    assert state_valkey().wait(2, 5000) == 2


def test_everything_goes_to_the_new_primary_when_the_old_one_is_killed(
    sentinels: Group, measured: Callable[[str], None]
) -> None:
    state = state_valkey()
    assert isinstance(state.connection_pool, SentinelPool)
    caches["default"].set("session", {"user": 1})
    exchange(state, [("SET", "lsn", "7")])
    replicated()
    former = sentinels.primary()
    sentinels.processes[former].kill()
    killed_at = time.monotonic()
    wait_until(lambda: is_answered(lambda: exchange(state, [("SET", "lsn", "8")])), 15)
    measured(f"writes were back {time.monotonic() - killed_at:.1f} s after kill -9")

    assert caches["default"].get("session") == {"user": 1}
    assert run_script(state, SET, [(["one"], [b"x"])]) == [1]
    assert state.get("lsn") == b"8", "by redis-py's own methods, too"
    assert sentinels.primary() != former


def test_connections_to_a_primary_that_was_frozen_are_not_used_again(
    sentinels: Group, measured: Callable[[str], None]
) -> None:
    state, pool = state_valkey(), state_valkey().connection_pool
    assert isinstance(pool, SentinelPool)
    # One is lent all the time; others are idle.
    lent = [pool.lend() for _ in range(4)]
    for connection in lent[1:]:
        pool.take_back(connection)
    former = sentinels.primary()
    frozen = sentinels.processes[former]
    frozen.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    sentinels.wait_for_another(former)
    wait_until(lambda: is_answered(lambda: exchange(state, [("SET", "lsn", "8")])), 15)
    measured(f"writes were back {time.monotonic() - began:.1f} s after SIGSTOP")
    pool.take_back(lent[0])
    assert lent[0] is not None
    assert not lent[0].is_connected

    frozen.send_signal(signal.SIGCONT)
    with client(former) as back:
        wait_until(lambda: back.info("replication")["role"] == "slave", 15)
    for number in range(20):
        assert exchange(state, [("SET", "lsn", str(number)), ("GET", "lsn")])[1] == b"%d" % number


def test_a_primary_that_has_become_a_replica_is_left(sentinels: Group) -> None:
    """It still answers, on connections that are open."""
    state = state_valkey()
    exchange(state, [("SET", "lsn", "7")])
    replicated()
    former = sentinels.primary()
    with client(sentinels.sentinels[0]) as sentinel:
        sentinel.execute_command("SENTINEL", "FAILOVER", "State")
    sentinels.wait_for_another(former)
    with client(former) as demoted:
        wait_until(lambda: demoted.info("replication")["role"] == "slave", 15)
    wait_until(lambda: is_answered(lambda: exchange(state, [("SET", "lsn", "8")])), 5)
    assert run_script(state, SET, [(["one"], [b"x"])]) == [1]
    assert state.get("lsn") == b"8"


def test_a_write_that_a_replica_refuses_counts_as_not_answered(sentinels: Group) -> None:
    pool = Pool(port=sentinels.servers[1], password=PASSWORD)
    with redis.Redis(connection_pool=pool) as replica:
        assert exchange(replica, [("GET", "lsn")]) == [None]
        with pytest.raises(ValkeyUnavailable, match="is a replica: it takes no writes"):
            exchange(replica, [("SET", "lsn", "7")])
    pool.disconnect()


def test_a_sentinel_that_is_frozen_delays_requests_by_one_time_limit(
    sentinels: Group, measured: Callable[[str], None]
) -> None:
    """Then another Sentinel is asked first. All of them frozen, an answer takes three limits."""
    for port in sentinels.sentinels[:2]:
        sentinels.processes[port].send_signal(signal.SIGSTOP)
    began = time.monotonic()
    exchange(state_valkey(), [("SET", "lsn", "7")])
    took = time.monotonic() - began
    measured(f"two Sentinels frozen: a new connection took {took:.1f} s, with a limit of 2 s each")
    assert took < 2 * stores._PATIENCE + 0.5
    state_valkey().connection_pool.disconnect()
    began = time.monotonic()
    exchange(state_valkey(), [("SET", "lsn", "8")])
    assert time.monotonic() - began < 0.5
