"""Exchanges give the same replies and errors directly and by redis-py's pipeline."""

import logging
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import cast
from unittest.mock import Mock

import pytest
import redis
from redis import ResponseError
from redis.backoff import NoBackoff
from redis.retry import Retry

from core.valkey import (
    Command,
    Pool,
    cache_valkey,
    exchange,
    exchange_packed,
    exchanges,
    packed,
    pipelines,
)
from devstack.layout import HOST
from devstack.lifecycle import Stack
from tests.core.valkey.conftest import NewClient
from tests.support.costs import counted_round_trips


def test_the_way_is_the_one_that_the_test_means(
    client: redis.Redis, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Mock(wraps=pipelines.by_pipeline)
    monkeypatch.setattr(exchanges, "by_pipeline", spy)
    assert exchange(client, [["PING"]]) == [b"PONG"]
    assert spy.called == (way != "direct")


def test_replies_are_as_the_server_sends_them(client: redis.Redis, key: str, way: str) -> None:
    """Unlike some of redis-py's methods, `exchange` converts none."""
    commands: list[Command] = [
        ("SET", key, "1"),
        (b"SET", key.encode(), b"2", b"EX", 60, "NX"),
        ("INCRBY", key, 41),
        ("MGET", key, f"{key}:missing"),
        ("EXPIRE", key, 60),
        ("EVAL", "return {1, {'nested', ARGV[1]}, false}", 0, b"\xff\x00"),
        ("CLIENT", "GETNAME"),
        ("TYPE", key),
        ("UNLINK", key),
    ]
    expected = [b"OK", None, 42, [b"42", None], 1, [1, [b"nested", b"\xff\x00"], None]]
    expected += [None, b"string", 1]
    assert exchange(client, commands) == expected
    assert exchange_packed(client, packed(commands), len(commands)) == expected
    assert exchange(client, []) == []


def test_it_is_one_round_trip(client: redis.Redis) -> None:
    exchange(client, [["PING"]])
    with counted_round_trips() as costs:
        assert exchange(client, [["ECHO", "one"], ["ECHO", "two"]]) == [b"one", b"two"]
    assert costs.round_trips == 1


def test_only_the_slow_way_is_logged_and_only_once(
    client: redis.Redis, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        exchange(client, [["PING"]])
    records = [record for record in caplog.records if record.name == pipelines.__name__]
    assert len(records) == (way != "direct")
    assert all(record.levelno == logging.WARNING for record in records)


def test_a_connection_that_the_server_has_closed_meanwhile_is_opened_again(
    stack: Stack, new_client: NewClient
) -> None:
    first = new_client(stack.layout.port("valkey-cache"), retry=Retry(NoBackoff(), 0))
    (number,) = exchange(first, [["CLIENT", "ID"]])
    assert exchange(first, [["CLIENT", "ID"]]) == [number], "it is reused"
    cache_valkey().client_kill_filter(_id=str(number))
    (another,) = exchange(first, [["CLIENT", "ID"]])
    assert another != number
    assert first.connection_pool._created_connections == 1


def test_many_commands_are_one_round_trip_and_what_cannot_be_sent_leaves_no_replies_behind(
    client: redis.Redis,
) -> None:
    """They are sent in pieces; the last piece cannot be packed when the first has arrived."""
    texts = [b"%0500d" % number for number in range(100)]
    echoes: list[Command] = [(b"ECHO", text) for text in texts]
    assert exchange(client, echoes) == texts
    with pytest.raises(TypeError):
        exchange(client, [*echoes, (b"ECHO", cast("bytes", object()))])
    assert exchange(client, [(b"ECHO", b"the next")]) == [b"the next"]


def test_threads_share_a_pool_and_no_connection(client: redis.Redis) -> None:
    pool = client.connection_pool

    def echoed(number: int) -> bool:
        texts = [b"%d-%d" % (number, n) for n in range(20)]
        return (
            exchange(redis.Redis(connection_pool=pool), [["ECHO", text] for text in texts]) == texts
        )

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(echoed, range(400)))
    assert pool._created_connections <= 8


def test_a_fork_takes_no_connection_along(client: redis.Redis) -> None:
    (number,) = exchange(client, [["CLIENT", "ID"]])
    client.connection_pool.pid = -1  # a child has another pid
    assert exchange(client, [["CLIENT", "ID"]]) != [number]


def exchange_with(reply: bytes, new_client: NewClient) -> redis.Redis:
    """Exchange with a server that sends this reply; returns the client after the failure."""
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]
        valkey = new_client(port, retry=Retry(NoBackoff(), 0), protocol=2)
        with ThreadPoolExecutor(1) as thread:
            asking = thread.submit(exchange, valkey, [["GET", "x"]])
            connection, _ = server.accept()
            with connection:
                while b"GET" not in (said := connection.recv(4096)):
                    connection.sendall(b"+OK\r\n" * said.count(b"*"))
                connection.sendall(reply)
                with pytest.raises(redis.ConnectionError):
                    asking.result(timeout=10)
    return valkey


def test_a_server_that_loads_its_data_is_down(new_client: NewClient) -> None:
    valkey = exchange_with(b"-LOADING it is\r\n", new_client)
    assert not any(c.is_connected for c in valkey.connection_pool._available_connections)
    assert not getattr(valkey.connection_pool, "_idle", [])


@pytest.mark.parametrize("way", ["direct"], indirect=True)
def test_a_message_that_is_no_reply_closes_the_connection(new_client: NewClient) -> None:
    """redis-py's pipeline skips the message and waits for the reply."""
    valkey = exchange_with(b">2\r\n$3\r\na b\r\n:1\r\n", new_client)
    assert not cast("Pool", valkey.connection_pool)._idle


def test_an_error_among_the_replies_leaves_the_connection_in_step(
    client: redis.Redis, key: str
) -> None:
    name = key.encode()
    commands = [[b"SET", name, b"text"], [b"LPUSH", name, b"x"], [b"GET", name]]
    with pytest.raises(ResponseError, match=r"^WRONGTYPE"):
        exchange(client, commands)
    replies = exchange(client, commands, raise_errors=False)
    assert [replies[0], replies[2]] == [b"OK", b"text"]
    assert isinstance(replies[1], ResponseError)
    assert str(exchange_packed(client, packed(commands), 3)[1]) == str(replies[1])
    assert exchange(client, [[b"PING"]]) == [b"PONG"]


def test_commands_may_hold_any_bytes(client: redis.Redis, key: str) -> None:
    value = bytes(range(256)) * 1000
    replies = exchange(client, [[b"SET", key.encode(), value], [b"GET", key.encode()]])
    assert replies == [b"OK", value]
