"""Exchanges with a Valkey Cluster, also while its slots move."""

import math
import operator
from collections.abc import Iterator
from random import Random
from threading import Event, Thread
from typing import Any

import pytest
import redis
from redis.crc import key_slot

from core.cached_values import entries
from core.valkey import (
    Cluster,
    UnrecordedRead,
    exchange,
    exchange_packed,
    packed,
    protocol,
    recorded_reads,
    run_script,
)
from tests.support.client import wait_until
from tests.support.cluster_clients import KEYS, connected
from tests.support.clusters import Servers
from tests.support.costs import counted_round_trips
from timeline import store
from timeline.keys import home_key
from timeline.store import Viewing
from usergraph.store import drop_followers, read_followers, store_followers, take_fill_lease

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


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Three primaries with a replica each, and a server that has no slots. All stay alive."""
    made = Servers(tmp_path_factory.mktemp("cluster"), replicas=3, spare=1)
    with made.run():
        yield made


@pytest.fixture
def cluster(servers: Servers) -> Iterator[Cluster]:
    """The client of an empty cluster."""
    for port in (*servers.primaries, *servers.spare):
        servers.ask(port, "FLUSHALL")
    with connected(servers) as client:
        yield client


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
    # Or the key that a write has waited for a replica with, a moment ago.
    assert drawn.decode() in KEYS or drawn.startswith(b"waited:v1:")


def test_an_error_is_raised_when_all_replies_are_here(cluster: Cluster) -> None:
    for wrong in ("LPUSH", "NONSENSE"):
        exchange(cluster, [("SET", key, "1") for key in KEYS])
        with pytest.raises(redis.ResponseError):
            exchange(cluster, [(wrong, KEYS[7], "x"), *(("UNLINK", key) for key in KEYS[8:])])
        assert exchange(cluster, [("GET", key) for key in KEYS]) == [b"1"] * 8 + [None] * 22


def test_what_cannot_be_sent_leaves_no_replies_behind(cluster: Cluster) -> None:
    exchange(cluster, [("SET", key, key) for key in KEYS])
    for place in (0, 15, 29):
        commands: list[Any] = [("STRLEN", key) for key in KEYS]
        commands[place] = ("SET", KEYS[place], object())
        with pytest.raises(TypeError):
            exchange(cluster, commands)
        assert exchange(cluster, [("GET", key) for key in KEYS]) == [key.encode() for key in KEYS]


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


def test_all_that_cache_holds_is_stored_and_read_while_slots_move(
    cluster: Cluster, servers: Servers
) -> None:
    """Timelines are built, delivered to and read; followers and values are stored and read."""
    stop, problems, rounds = Event(), list[Exception](), [0] * 3

    def use(number: int) -> None:
        ids = range(number * 1000, number * 1000 + 20)
        keys = [home_key(id_) for id_ in ids]
        refs = [(post_id, 7) for post_id in (5, 3)]
        try:
            while not stop.is_set():
                store.drop(keys=keys)
                for key in keys:
                    lease = store.begin_build(key=key, graph_lsn=1)
                    assert lease
                    assert store.finish_build(
                        key=key, lease=lease, refs=refs, is_end=True, viewing=Viewing(1)
                    )
                # What is done again, because a slot has moved away from under it, is not counted.
                assert store.deliver(keys=keys, refs=[(9, 7)]) <= len(keys)
                store.remove(keys=keys, ref=(3, 7))
                found = store.read_many(keys=keys, before=None, limit=9)
                assert all(page and page.refs == [(9, 7), (5, 7)] for page in found.values())
                for id_ in ids:
                    drop_followers(author_ids=[id_])
                    lease = take_fill_lease(author_id=id_)
                    stored = store_followers(author_id=id_, lease=lease, follower_ids=[1, 2])
                    assert read_followers(author_id=id_) == ([1, 2] if stored else None)
                names = [f"entry:{{{id_ % 10}}}:{id_}" for id_ in ids]
                leases = entries.take_fill_leases(names)
                pairs = zip(names, leases, strict=True)
                entries.store([entries.storing(n, lease, 1, b"x", seconds=9) for n, lease in pairs])
                slots = [([id_], [name]) for id_, name in zip(ids, names, strict=True)]
                assert len(entries.encoded_values(entries.read([slots])[0])) == len(names)
                entries.drop(names)
                rounds[number] += 1
        except Exception as error:
            problems.append(error)

    threads = [Thread(target=use, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    random = Random(3)
    for _ in range(12):
        slot = key_slot(str(random.randrange(20)).encode())
        source = servers.owner_of(slot)
        target = random.choice([port for port in servers.primaries if port != source])
        with servers.moving(slot, source, target):
            done = list(rounds)
            wait_until(lambda: bool(problems) or all(map(operator.gt, rounds, done)))  # noqa: B023
            while keys := servers.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1):
                servers.send(source, target, *keys)
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
