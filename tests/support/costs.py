"""Counts this process's SQL statements and round trips to Valkey."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from django.db import connections
from redis import Redis, RedisCluster
from redis.client import Pipeline

from core.valkey import cluster, exchanges, parts, protocol


@dataclass
class Costs:
    """Round trips to any Valkey; alias and seconds of each SQL statement."""

    round_trips: int = 0
    statements: list[tuple[str, float]] = field(default_factory=list)

    @property
    def sql_seconds(self) -> float:
        return sum(seconds for _, seconds in self.statements)


@contextmanager
def counted_round_trips() -> Iterator[Costs]:
    """Count the round trips inside the block."""
    costs = Costs()

    def counting(method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            costs.round_trips += 1
            return method(*args, **kwargs)

        return call

    with (
        patch.object(Redis, "execute_command", counting(Redis.execute_command)),
        patch.object(Pipeline, "execute", counting(Pipeline.execute)),
        patch.object(exchanges, "read_directly", counting(protocol.read_directly)),
        patch.object(RedisCluster, "execute_command", counting(RedisCluster.execute_command)),
        patch.object(cluster, "round_trip", counting(parts.round_trip)),
    ):
        yield costs


@contextmanager
def counted() -> Iterator[Costs]:
    """Count round trips and SQL statements inside the block. The client measures the seconds."""
    with counted_round_trips() as costs, ExitStack() as wrappers:
        for connection in connections.all(initialized_only=False):

            def timed(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
                began = time.perf_counter()
                try:
                    return execute(sql, params, many, context)
                finally:
                    took = time.perf_counter() - began
                    costs.statements.append((context["connection"].alias, took))

            wrappers.enter_context(connection.execute_wrapper(timed))
        yield costs
