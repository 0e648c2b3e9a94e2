"""Round trips to Valkey; and that one which does not answer is left alone for a while."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import pytest
import redis
from redis import ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.logs import RepetitionFilter
from core.valkey import (
    BreakingPool,
    Command,
    LeftAlone,
    Pool,
    cache_valkey,
    exchange,
    values_of,
)
from devstack.layout import HOST
from devstack.lifecycle import Stack


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and says nothing, as one that is frozen."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def client(port: int) -> redis.Redis:
    return redis.Redis(connection_pool=BreakingPool(host=HOST, port=port, socket_timeout=0.2))


@pytest.fixture
def key(stack: Stack, unique: Callable[[str], str]) -> Iterator[str]:
    """The name of something in CACHE."""
    name = unique("exchanged")
    yield name
    cache_valkey().unlink(name)


def test_one_request_waits_and_the_others_do_not(silent_port: int) -> None:
    valkey = client(silent_port)
    with pytest.raises(redis.TimeoutError):
        valkey.ping()
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(LeftAlone):
            valkey.ping()
    assert time.monotonic() - began < 0.2


def test_it_is_tried_again_and_used_as_soon_as_it_answers(
    stack: Stack, silent_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BreakingPool, "LEFT_ALONE_SECONDS", 0.05)
    valkey = client(silent_port)
    with pytest.raises(redis.TimeoutError):
        valkey.ping()
    time.sleep(0.06)
    with pytest.raises(redis.TimeoutError):
        valkey.ping()
    time.sleep(0.06)
    valkey.connection_pool.connection_kwargs["port"] = stack.layout.port("valkey-cache")
    valkey.connection_pool.reset()
    assert valkey.ping()
    assert valkey.ping()


def test_an_error_of_the_command_is_not_the_servers(stack: Stack) -> None:
    valkey = client(stack.layout.port("valkey-cache"))
    with pytest.raises(redis.ResponseError):
        valkey.eval("no Lua", 0)
    assert valkey.ping()


def test_a_connection_that_the_server_has_closed_meanwhile_is_opened_again(stack: Stack) -> None:
    valkey = Pool(host=HOST, port=stack.layout.port("valkey-cache"), retry=Retry(NoBackoff(), 0))
    with redis.Redis(connection_pool=valkey) as first, cache_valkey() as other:
        (number,) = exchange(first, [["CLIENT", "ID"]])
        assert exchange(first, [["CLIENT", "ID"]]) == [number], "it is kept"
        other.client_kill_filter(_id=str(number))
        (another,) = exchange(first, [["CLIENT", "ID"]])
        assert another != number
        assert valkey._created_connections == 1
    valkey.disconnect()


def test_a_reply_that_nobody_has_read_is_not_taken_for_the_next(stack: Stack) -> None:
    pool = Pool(host=HOST, port=stack.layout.port("valkey-cache"))
    with redis.Redis(connection_pool=pool) as valkey:
        connection = pool.lend()
        connection.send_command("ECHO", "left behind")
        assert connection.can_read(timeout=5)
        pool.take_back(connection)
        assert exchange(valkey, [["ECHO", "asked for"]]) == [b"asked for"]
    pool.disconnect()


def test_many_commands_are_one_round_trip_and_what_cannot_be_sent_leaves_no_replies_behind(
    stack: Stack,
) -> None:
    """They are sent in pieces; the last piece cannot be packed when the first is already there."""
    pool = Pool(host=HOST, port=stack.layout.port("valkey-cache"))
    with redis.Redis(connection_pool=pool) as valkey:
        texts = [b"%0500d" % number for number in range(100)]
        echoes: list[Command] = [(b"ECHO", text) for text in texts]
        assert exchange(valkey, echoes) == texts
        with pytest.raises(TypeError):
            exchange(valkey, [*echoes, (b"ECHO", cast("bytes", object()))])
        assert exchange(valkey, [(b"ECHO", b"the next")]) == [b"the next"]
    pool.disconnect()


def test_threads_share_a_pool_and_no_connection(stack: Stack) -> None:
    pool = Pool(host=HOST, port=stack.layout.port("valkey-cache"))

    def echoed(number: int) -> bool:
        texts = [b"%d-%d" % (number, n) for n in range(20)]
        return (
            exchange(redis.Redis(connection_pool=pool), [["ECHO", text] for text in texts]) == texts
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(echoed, range(400)))
    assert pool._created_connections <= 8
    pool.disconnect()


def test_a_fork_takes_no_connection_along(stack: Stack) -> None:
    pool = Pool(host=HOST, port=stack.layout.port("valkey-cache"))
    valkey = redis.Redis(connection_pool=pool)
    (number,) = exchange(valkey, [["CLIENT", "ID"]])
    pool.pid = -1  # as a child's is another
    assert exchange(valkey, [["CLIENT", "ID"]]) != [number]
    pool.disconnect()


@pytest.mark.parametrize("reply", [b"-LOADING it is\r\n", b">2\r\n$3\r\na b\r\n:1\r\n"])
def test_what_is_no_reply_closes_the_connection(reply: bytes) -> None:
    """A server that loads its data, or says something that nobody has asked for."""
    with socket.create_server((HOST, 0)) as server:
        pool = Pool(
            host=HOST, port=server.getsockname()[1], retry=Retry(NoBackoff(), 0), protocol=2
        )
        valkey = redis.Redis(connection_pool=pool)
        with ThreadPoolExecutor(1) as thread:
            asking = thread.submit(exchange, valkey, [["GET", "x"]])
            connection, _ = server.accept()
            with connection:
                while b"GET" not in (said := connection.recv(4096)):
                    connection.sendall(b"+OK\r\n" * said.count(b"*"))
                connection.sendall(reply)
                with pytest.raises(redis.ConnectionError):
                    asking.result(timeout=10)
        assert not pool._kept
        pool.disconnect()


@pytest.mark.parametrize(
    ("error", "is_logged"), [(LeftAlone(), False), (redis.ConnectionError(), True)]
)
def test_only_the_one_who_tried_is_logged(error: Exception, is_logged: bool) -> None:
    info = (type(error), error, None)
    record = logging.LogRecord("any", logging.ERROR, "", 1, "CACHE is down", (), info)
    assert RepetitionFilter().filter(record) == is_logged


def test_an_error_among_the_replies_leaves_the_connection_in_step(stack: Stack, key: str) -> None:
    name = key.encode()
    commands = [[b"SET", name, b"text"], [b"LPUSH", name, b"x"], [b"GET", name]]
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        exchange(cache_valkey(), commands)
    replies = exchange(cache_valkey(), commands, raise_errors=False)
    assert [replies[0], replies[2]] == [b"OK", b"text"]
    assert isinstance(replies[1], ResponseError)
    assert exchange(cache_valkey(), [[b"PING"]]) == [b"PONG"]


def test_a_server_that_stays_silent_is_a_time_out_and_then_left_alone(silent_port: int) -> None:
    valkey = client(silent_port)
    with pytest.raises(redis.TimeoutError):
        exchange(valkey, [[b"PING"]])
    with pytest.raises(LeftAlone):
        exchange(valkey, [[b"PING"]])


def test_commands_may_hold_any_bytes(stack: Stack, key: str) -> None:
    value = bytes(range(256)) * 1000
    replies = exchange(cache_valkey(), [[b"SET", key.encode(), value], [b"GET", key.encode()]])
    assert replies == [b"OK", value]


def test_values_are_read_in_one_round_trip_whatever_their_slots(
    stack: Stack, unique: Callable[[str], str], round_trips: Callable[[], int]
) -> None:
    keys = [f"{unique('value')}:{{{number % 3}}}:{number}" for number in range(10)]
    for key in keys[:-1]:
        cache_valkey().set(key, key, ex=60)
    before = round_trips()
    found = values_of(cache_valkey(), [*keys, keys[0]])
    assert round_trips() - before == 1
    assert found == {key: key.encode() for key in keys[:-1]} | {keys[-1]: None}
    assert values_of(cache_valkey(), []) == {}
