"""Pools keep connections ready, and one opens its circuit when its server does not answer."""

import socket
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from core.valkey import BreakingPool, CircuitOpen, Pool, exchange
from devstack.layout import HOST
from devstack.lifecycle import Stack

NewBreakingClient = Callable[[int], redis.Redis]
# A pool without a breaker opens no circuit.
each_way = pytest.mark.parametrize(
    "way", ["direct", "another parser", "another redis-py"], indirect=True
)


def test_a_reply_that_nobody_has_read_is_not_taken_for_the_next(stack: Stack) -> None:
    pool = Pool(host=HOST, port=stack.layout.port("valkey-cache"))
    with redis.Redis(connection_pool=pool) as valkey:
        connection = pool.lend()
        assert connection is not None
        connection.send_command("ECHO", "left behind")
        assert connection.can_read(timeout=5)
        pool.take_back(connection)
        assert exchange(valkey, [["ECHO", "asked for"]]) == [b"asked for"]
    pool.disconnect()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections but never answers, like a frozen one."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


@each_way
def test_one_request_waits_and_the_others_do_not(
    breaking_client: NewBreakingClient, silent_port: int
) -> None:
    valkey = breaking_client(silent_port)
    with pytest.raises(redis.TimeoutError):
        valkey.ping()
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(CircuitOpen):
            valkey.ping()
    assert time.monotonic() - began < 0.2


@each_way
def test_it_is_tried_again_and_used_as_soon_as_it_answers(
    breaking_client: NewBreakingClient,
    stack: Stack,
    silent_port: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(BreakingPool, "OPEN_SECONDS", 0.05)
    valkey = breaking_client(silent_port)
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


@each_way
def test_an_error_of_the_command_is_not_the_servers(
    breaking_client: NewBreakingClient, stack: Stack
) -> None:
    valkey = breaking_client(stack.layout.port("valkey-cache"))
    with pytest.raises(redis.ResponseError):
        valkey.eval("no Lua", 0)
    assert valkey.ping()


@each_way
def test_a_silent_server_is_a_time_out_of_an_exchange_and_then_an_open_circuit(
    breaking_client: NewBreakingClient, silent_port: int
) -> None:
    valkey = breaking_client(silent_port)
    with pytest.raises(redis.TimeoutError):
        exchange(valkey, [[b"PING"]])
    with pytest.raises(CircuitOpen):
        exchange(valkey, [[b"PING"]])
