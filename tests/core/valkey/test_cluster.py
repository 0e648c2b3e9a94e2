"""Exchanges with a Valkey Cluster, while its slots move and its servers die."""

import math
import operator
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any, cast

import pytest
import redis
from django.test import override_settings
from redis.crc import key_slot

from core.valkey import (
    BreakingPool,
    CircuitOpen,
    Cluster,
    Pool,
    UnrecordedRead,
    ValkeyUnavailable,
    cache_valkey,
    exchange,
    exchange_packed,
    packed,
    protocol,
    recorded_reads,
    run_script,
)
from devstack.layout import HOST
from devstack.lifecycle import Stack
from devstack.urls import cluster_of
from socialfeed.settings import stores
from tests.support.client import wait_until
from tests.support.clusters import Servers
from tests.support.costs import counted_round_trips

# One for each of three servers, by chance.
KEYS = [f"value:{{{number}}}" for number in range(30)]
# Stores a number at each of its keys, and returns the sum of what is there then.
PUT = """
local sum = 0
for _, key in ipairs(KEYS) do
    redis.call('SET', key, ARGV[1])
    sum = sum + redis.call('GET', key)
end
return sum
"""
# Returns what is at each key.
READ = """
local found = {}
for i, key in ipairs(KEYS) do found[i] = redis.call('GET', key) end
return found
"""


@contextmanager
def configured(url: str, pool: type[Pool] = Pool, **options: Any) -> Iterator[None]:
    """CACHE_URL is this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "_cluster", lambda name: cluster_of(url))
        config = stores._cache(url)
    config["OPTIONS"] |= {"CONNECTION_POOL_CLASS": f"core.valkey.{pool.__name__}", **options}
    with override_settings(CACHES={"default": config, "cache": config}):
        yield


@contextmanager
def connected(servers: Servers, pool: type[Pool] = Pool, **options: Any) -> Iterator[Cluster]:
    """CACHE is this cluster, by its URL alone."""
    with configured(servers.url, pool, **options):
        client = cache_valkey()
        assert isinstance(client, Cluster)
        yield client
        client.close()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Three primaries, and a server that has no slots. All of them stay alive."""
    made = Servers(tmp_path_factory.mktemp("cluster"), spare=1)
    with made.run():
        yield made


@pytest.fixture
def cluster(servers: Servers) -> Iterator[Cluster]:
    """The client of an empty cluster."""
    for port in servers.ports:
        servers.ask(port, "FLUSHALL")
    with connected(servers) as client:
        yield client


@pytest.fixture
def mortals(tmp_path: Path) -> Iterator[Servers]:
    """Three primaries with a replica each, for a test that kills some."""
    made = Servers(tmp_path, replicas=3)
    with made.run():
        yield made


def is_answered(command: Callable[[], object]) -> bool:
    try:
        command()
    except ValkeyUnavailable:
        return False
    return True


@pytest.mark.parametrize("way", ["direct", "by pipeline"])
def test_replies_come_in_order_from_all_servers_in_one_round_trip(
    cluster: Cluster, servers: Servers, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "by pipeline":
        monkeypatch.setattr(protocol, "NOT_ENOUGH_DATA", None)
    assert {servers.owner(key) for key in KEYS} == set(servers.primaries)
    values = [b"%d" % number for number in range(len(KEYS))]
    pairs = zip(KEYS, values, strict=True)
    assert exchange(cluster, [("SET", key, value) for key, value in pairs]) == [b"OK"] * 30
    reads = [("GET", key) for key in KEYS]
    monkeypatch.setattr(cluster, "_trusted_until", math.inf)  # the servers are not asked for slots
    with counted_round_trips() as costs:
        assert exchange(cluster, reads) == values
    assert costs.round_trips == (1 if way == "direct" else 4)
    assert exchange_packed(cluster, packed(reads), len(reads)) == values
    found, drawn = exchange(cluster, [(b"MGET", KEYS[0].encode(), "{0}x"), ("RANDOMKEY",)])
    assert found == [b"0", None]
    assert drawn.decode() in KEYS


def test_an_error_is_raised_when_all_replies_are_here(cluster: Cluster) -> None:
    for wrong in ("LPUSH", "NONSENSE"):
        exchange(cluster, [("SET", key, "1") for key in KEYS])
        with pytest.raises(redis.ResponseError):
            exchange(cluster, [(wrong, KEYS[7], "x"), *(("UNLINK", key) for key in KEYS[8:])])
        assert exchange(cluster, [("GET", key) for key in KEYS]) == [b"1"] * 8 + [None] * 22


def test_what_cannot_be_sent_leaves_no_replies_behind(cluster: Cluster) -> None:
    for place in (0, 15, 29):
        commands: list[Any] = [("ECHO", key) for key in KEYS]
        commands[place] = ("SET", KEYS[place], object())
        with pytest.raises(TypeError):
            exchange(cluster, commands)
        echoes = [("ECHO", key) for key in KEYS]
        assert exchange(cluster, echoes) == [key.encode() for key in KEYS]


def test_scripts_run_on_all_servers_also_on_one_that_has_lost_them(
    cluster: Cluster, servers: Servers
) -> None:
    calls = [([key.encode()], [b"1"]) for key in KEYS]
    assert run_script(cluster, PUT, calls) == [1] * 30
    servers.ask(servers.primaries[1], "SCRIPT", "FLUSH")
    assert run_script(cluster, PUT, calls) == [1] * 30
    assert exchange(cluster, [("GET", key) for key in KEYS]) == [b"1"] * 30


def test_a_slot_that_has_moved_is_found_and_remembered(cluster: Cluster, servers: Servers) -> None:
    key, *others = KEYS
    exchange(cluster, [("SET", name, "1") for name in KEYS])
    source = servers.owner(key)
    for target in [*servers.spare, *(port for port in servers.primaries if port != source)]:
        with servers.moving(key_slot(key.encode()), servers.owner(key), target):
            pass
        assert exchange(cluster, [("GET", name) for name in KEYS]) == [b"1"] * 30
        with counted_round_trips() as costs:
            assert exchange(cluster, [("INCRBY", key, 0), ("GET", others[0])]) == [1, b"1"]
        assert costs.round_trips == 1
    with servers.moving(key_slot(key.encode()), servers.owner(key), source):
        pass


@pytest.mark.parametrize("to", ["a primary", "a server without slots"])
def test_while_a_slot_moves_each_key_is_found_where_it_is(
    cluster: Cluster, servers: Servers, to: str
) -> None:
    """Of three keys, one has moved, one has not, and one does not exist."""
    moved, left, missing = keys = ["{0}moved", "{0}left", "{0}missing"]
    exchange(cluster, [("SET", moved, "1"), ("SET", left, "2")])
    slot, source = key_slot(b"0"), servers.owner(moved)
    others = servers.spare if to != "a primary" else servers.primaries
    target = next(port for port in others if port != source)
    with servers.moving(slot, source, target):
        servers.send(source, target, moved)
        assert exchange(cluster, [("GET", key) for key in keys]) == [b"1", b"2", None]
        assert exchange(cluster, [("MGET", *keys)]) == [[b"1", b"2", None]]
        names = [key.encode() for key in keys]
        assert run_script(cluster, READ, [(names, [])], is_read=True) == [[b"1", b"2", None]]
        assert run_script(cluster, PUT, [(names, [b"10"])]) == [30]
        assert exchange(cluster, [("UNLINK", *keys)]) == [3]
        exchange(cluster, [("SET", key, "5") for key in (moved, left, missing)])
    assert exchange(cluster, [("MGET", *keys)]) == [[b"5"] * 3]
    with servers.moving(slot, target, source):
        pass
    assert exchange(cluster, [("MGET", *keys)]) == [[b"5"] * 3]


@pytest.mark.parametrize("way", ["key by key", "at once"])
def test_slots_move_under_load_without_an_error_or_a_lost_write(
    cluster: Cluster, servers: Servers, way: str
) -> None:
    """`at once` is Valkey's own migration of whole slots, since 9.0."""
    stop, problems = Event(), list[Exception]()
    counts = [0] * 4

    def put(number: int) -> None:
        random, expected = Random(number), dict[str, int]()
        names = [f"{{{n % 10}}}of-{number}:{n}" for n in range(60)]
        try:
            while not stop.is_set():
                slot = random.randrange(10)
                keys = random.sample(names[slot::10], 3)
                value = random.randrange(1000)
                call = [key.encode() for key in keys], [b"%d" % value]
                assert run_script(cluster, PUT, [call]) == [3 * value]
                expected |= dict.fromkeys(keys, value)
                found = exchange(cluster, [("GET", key) for key in names])
                assert found == [b"%d" % expected[n] if n in expected else None for n in names]
                counts[number] += 1
        except Exception as error:
            problems.append(error)

    def move(slot: int, target: int) -> None:
        source = servers.owner(f"{{{slot}}}")
        if source == target:
            return
        number = key_slot(str(slot).encode())
        if way == "key by key":
            with servers.moving(number, source, target):
                while keys := servers.ask(source, "CLUSTER", "GETKEYSINSLOT", number, 1):
                    servers.send(source, target, *keys)
        else:
            whole = ("SLOTSRANGE", number, number, "NODE", servers.node_id(target))
            servers.ask(source, "CLUSTER", "MIGRATESLOTS", *whole)
            wait_until(lambda: servers.owner(f"{{{slot}}}") == target, 20)
            servers.agree()

    threads = [Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(counts) or bool(problems))
    random = Random(7)
    for _ in range(15):
        move(random.randrange(10), random.choice(servers.primaries))
    done = list(counts)
    wait_until(lambda: bool(problems) or all(map(operator.gt, counts, done)))
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []


def test_recordings_of_reads_are_as_on_one_server(cluster: Cluster) -> None:
    exchange(cluster, [("SET", key, "1") for key in KEYS])
    with recorded_reads() as recording:
        exchange(cluster, [("GET", key) for key in KEYS])
    assert recording.is_replayable
    assert recording.replies == [b"1"] * 30
    for bypass in (lambda: cluster.get("x"), lambda: list(cluster.scan_iter(match="nothing*"))):
        with recorded_reads() as recording, pytest.raises(UnrecordedRead):
            bypass()
        assert not recording.is_replayable


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
    with connected(mortals) as cluster:
        exchange(cluster, [("SET", key, "1")])
        mortals.processes[replica].send_signal(signal.SIGSTOP)
        frozen_at = time.monotonic()
        with pytest.raises(ValkeyUnavailable, match="No replica has said in time"):
            exchange(cluster, [("SET", key, "2")])
        assert exchange(cluster, [("GET", key)]) == [b"2"], "it is done, and a read does not wait"
        wait_until(lambda: is_answered(lambda: exchange(cluster, [("SET", key, "3")])), 20)
        measured(f"writes were back {time.monotonic() - frozen_at:.1f} s after the replica froze")


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
        assert time.monotonic() - began < 0.25
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


def test_a_server_that_is_in_no_cluster_is_refused(stack: Stack) -> None:
    url = f"redis-cluster://{HOST}:{stack.layout.port('valkey-state')}"
    with configured(url), pytest.raises(ValkeyUnavailable, match="Cluster mode is not enabled"):
        cache_valkey()
