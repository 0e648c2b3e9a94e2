"""Exchanges with a Valkey Cluster whose servers freeze or die."""

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from core.valkey import (
    BreakingPool,
    CircuitOpen,
    Cluster,
    ValkeyUnavailable,
    cache_valkey,
    exchange,
    recorded_reads,
)
from devstack.layout import HOST
from devstack.lifecycle import Stack
from tests.support.client import wait_until
from tests.support.cluster_clients import KEYS, configured, connected, is_answered
from tests.support.clusters import Servers
from tests.support.valkeys import running


@pytest.fixture
def mortals(tmp_path: Path) -> Iterator[Servers]:
    """Three primaries with a replica each, for a test that kills some."""
    made = Servers(tmp_path, replicas=3)
    with made.run():
        yield made


def acknowledge(cluster: Cluster, keys: Sequence[str]) -> list[str]:
    """Write each key; returns those that the cluster took."""
    return [key for key in keys if is_answered(partial(exchange, cluster, [("SET", key, "1")]))]


def test_what_is_acknowledged_outlives_a_primary_that_is_killed(
    mortals: Servers, measured: Callable[[str], None]
) -> None:
    victim = mortals.primaries[0]
    keys = [f"{{{number}}}" for number in range(3000)]
    lost = next(key for key in keys if mortals.owner(key) == victim)
    with connected(mortals) as cluster:
        acknowledged = acknowledge(cluster, keys[:2500])
        assert len(acknowledged) == 2500
        mortals.processes[victim].kill()
        killed_at = time.monotonic()
        acknowledged += acknowledge(cluster, keys[2500:])
        assert len(acknowledged) > 2700, "the other two still take writes"
        wait_until(lambda: is_answered(lambda: exchange(cluster, [("SET", lost, "1")])), 20)
        measured(f"its slots were back {time.monotonic() - killed_at:.1f} s after kill -9")
        assert time.monotonic() - killed_at < 15
        found = exchange(cluster, [("GET", key) for key in acknowledged])
        assert found == [b"1"] * len(acknowledged)
        assert acknowledge(cluster, keys) == keys, "also without a replica"


def test_a_write_that_no_replica_has_is_not_acknowledged(
    mortals: Servers, measured: Callable[[str], None]
) -> None:
    """Until the replica is known to be lost: then it cannot take over."""
    primary, replica = mortals.primaries[1], mortals.replicas[1]
    key = next(key for key in KEYS if mortals.owner(key) == primary)
    with connected(mortals, SOCKET_TIMEOUT=0.25) as cluster:
        exchange(cluster, [("SET", key, "1")])
        mortals.processes[replica].send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        with pytest.raises(ValkeyUnavailable, match="No replica has said in time"):
            exchange(cluster, [("SET", key, "2")])
        assert exchange(cluster, [("GET", key)]) == [b"2"], "it is done, and a read does not wait"
        wait_until(lambda: is_answered(lambda: exchange(cluster, [("SET", key, "3")])), 20)
        measured(f"writes were back {time.monotonic() - frozen_at:.1f} s after the replica froze")


def test_a_repeated_write_is_not_acknowledged_because_it_has_no_effect(mortals: Servers) -> None:
    """The replica has not got the first one either, and may take over."""
    primary, replica = mortals.primaries[1], mortals.replicas[1]
    key = next(key for key in KEYS if mortals.owner(key) == primary)
    with connected(mortals, SOCKET_TIMEOUT=0.25) as cluster:
        exchange(cluster, [("SET", key, "1")])
        mortals.processes[replica].send_signal(signal.SIGSTOP)
        for _ in range(3):
            # As another process, which has written nothing.
            cluster.disconnect_connection_pools()  # type: ignore[no-untyped-call]
            with pytest.raises(ValkeyUnavailable, match="No replica has said in time"):
                exchange(cluster, [("UNLINK", key)])
        mortals.processes[replica].send_signal(signal.SIGCONT)
        wait_until(lambda: is_answered(lambda: exchange(cluster, [("UNLINK", key)])), 20)


def test_in_the_read_api_a_server_that_is_frozen_costs_one_wait_and_the_others_answer(
    mortals: Servers, measured: Callable[[str], None]
) -> None:
    victim = mortals.primaries[2]
    theirs = [key for key in KEYS if mortals.owner(key) != victim]
    (its, *_) = (key for key in KEYS if key not in theirs)
    with connected(mortals, BreakingPool, SOCKET_TIMEOUT=0.25) as cluster:
        exchange(cluster, [("GET", key) for key in KEYS])
        mortals.processes[victim].send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        assert not is_answered(lambda: exchange(cluster, [("GET", key) for key in KEYS]))
        began = time.monotonic()
        for _ in range(20):
            assert exchange(cluster, [("GET", key) for key in theirs]) == [None] * len(theirs)
            assert not is_answered(lambda: exchange(cluster, [("GET", its)]))
        assert time.monotonic() - began < 1, "20 waits would take 5 s"
        wait_until(lambda: is_answered(lambda: exchange(cluster, [("GET", its)])), 20)
        measured(f"its slots were back {time.monotonic() - frozen_at:.1f} s after SIGSTOP")


def test_a_cluster_that_is_down_when_a_process_starts_is_found_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers = Servers(tmp_path)
    monkeypatch.setattr(BreakingPool, "OPEN_SECONDS", 0.5)
    with configured(servers.url, BreakingPool):
        with recorded_reads() as recording, pytest.raises(ValkeyUnavailable, match="reachable"):
            exchange(cache_valkey(), [("GET", "x")])
        assert not recording.is_replayable
        with pytest.raises(CircuitOpen):
            exchange(cache_valkey(), [("GET", "x")])
        with servers.run():
            wait_until(lambda: is_answered(lambda: exchange(cache_valkey(), [("GET", "x")])), 5)
            cast("Cluster", cache_valkey()).close()


def test_another_cluster_is_asked_though_the_first_was_down_a_moment_ago(tmp_path: Path) -> None:
    for servers in (Servers(tmp_path), Servers(tmp_path)):
        with configured(servers.url), pytest.raises(ValkeyUnavailable, match="reachable"):
            cache_valkey()


def test_a_cluster_without_slots_is_unavailable(tmp_path: Path) -> None:
    servers = Servers(tmp_path, primaries=1)
    with running(tmp_path, servers.ports[0], servers.options()), configured(servers.url):
        with pytest.raises(ValkeyUnavailable, match="No server of the cluster has a slot"):
            exchange(cache_valkey(), [("RANDOMKEY",)])
        with pytest.raises(CircuitOpen):
            exchange(cache_valkey(), [("RANDOMKEY",)])


def test_a_server_that_is_in_no_cluster_is_refused(stack: Stack) -> None:
    url = f"redis-cluster://{HOST}:{stack.layout.port('valkey-state')}"
    with configured(url), pytest.raises(ValkeyUnavailable, match="Cluster mode is not enabled"):
        cache_valkey()
