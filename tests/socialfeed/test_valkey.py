"""A Valkey that does not answer is left alone for a while."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator

import pytest
import redis

from socialfeed.common.logs import RepetitionFilter
from socialfeed.common.valkey import BreakingPool, LeftAlone
from socialfeed.stack.layout import HOST
from socialfeed.stack.lifecycle import Stack


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A server that takes connections and says nothing, as one that is frozen."""
    with socket.create_server((HOST, 0)) as server:
        yield server.getsockname()[1]


def client(port: int) -> redis.Redis:
    return redis.Redis(connection_pool=BreakingPool(host=HOST, port=port, socket_timeout=0.2))


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


@pytest.mark.parametrize(
    ("error", "is_logged"), [(LeftAlone(), False), (redis.ConnectionError(), True)]
)
def test_only_the_one_who_tried_is_logged(error: Exception, is_logged: bool) -> None:
    info = (type(error), error, None)
    record = logging.LogRecord("any", logging.ERROR, "", 1, "CACHE is down", (), info)
    assert RepetitionFilter().filter(record) == is_logged
