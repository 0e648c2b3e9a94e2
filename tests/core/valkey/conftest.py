"""Clients of CACHE, for each way to exchange commands."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from redis._parsers import _RESP2Parser

from core.valkey import BreakingPool, Pool, cache_valkey, pipelines, protocol
from devstack.layout import HOST
from devstack.lifecycle import Stack

WAYS = ["direct", "another parser", "another redis-py", "another pool"]
NewClient = Callable[..., redis.Redis]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A way to exchange commands; all but `direct` use redis-py's pipeline."""
    pipelines.log_pipeline.cache_clear()
    if request.param == "another redis-py":
        monkeypatch.setattr(protocol, "NOT_ENOUGH_DATA", None)
    return str(request.param)


@pytest.fixture
def new_client(way: str) -> Iterator[NewClient]:
    """Make a client of a server, with a pool of its own."""
    pools: list[redis.ConnectionPool] = []

    def make(port: int, pool_class: type[redis.ConnectionPool] = Pool, **options: Any) -> Any:
        if way == "another parser":
            options["parser_class"] = _RESP2Parser
        if way == "another pool" and pool_class is Pool:
            pool_class = redis.ConnectionPool
        pools.append(pool_class(host=HOST, port=port, **options))
        return redis.Redis(connection_pool=pools[-1])

    yield make
    for pool in pools:
        pool.disconnect()


@pytest.fixture
def client(stack: Stack, new_client: NewClient) -> redis.Redis:
    """A client of CACHE."""
    return new_client(stack.layout.port("valkey-cache"))


@pytest.fixture
def breaking_client(new_client: NewClient) -> Callable[[int], redis.Redis]:
    """Make a client whose pool has a circuit breaker."""
    return lambda port: new_client(port, BreakingPool, socket_timeout=0.2)


@pytest.fixture
def key(stack: Stack, unique: Callable[[str], str]) -> Iterator[str]:
    """A key of CACHE; removed after the test."""
    name = unique("exchanged")
    yield name
    cache_valkey().unlink(name)
