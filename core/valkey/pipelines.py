"""Exchanges by redis-py's pipeline, where replies cannot be read directly. That is logged once."""

import logging
from collections.abc import Sequence
from functools import cache
from typing import Any

from redis.client import Pipeline
from redis.exceptions import DataError

from core.valkey.protocol import Command
from core.valkey.recorder import paused_recording

logger = logging.getLogger(__name__)


def by_pipeline(pool: Any, commands: Sequence[Command]) -> list[Any]:
    """The replies by redis-py's pipeline, without its callbacks that convert them."""
    log_pipeline(type(pool).__name__, pool.connection_class.__name__)
    pipeline = Pipeline(pool, {}, transaction=False, shard_hint=None)
    with pipeline, paused_recording():
        for command in commands:
            pipeline.execute_command(*command)  # type: ignore[no-untyped-call]
        try:
            return pipeline.execute(raise_on_error=False)
        except DataError as error:
            raise TypeError(str(error)) from error


@cache
def log_pipeline(pool: str, connection: str) -> None:
    """Log once that exchanges by these classes are slow."""
    logger.warning(
        "Replies cannot be read directly with %s and %s: exchanges use redis-py's pipeline, "
        "which takes twice the CPU",
        pool,
        connection,
    )
