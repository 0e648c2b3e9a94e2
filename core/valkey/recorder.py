"""Recordings of what is read from CACHE, so that the same reads can be made again later.

`exchange` adds to the recording of its context; STATE is not recorded. A recording is replayable
while it holds all that was sent to CACHE, and all of that only reads.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import redis
from django.conf import settings
from redis.exceptions import ResponseError

from core.valkey.protocol import Command

_READS = ("EXISTS", "GET", "GETRANGE", "LLEN", "LRANGE", "MGET", "STRLEN")
_READ_NAMES: frozenset[bytes | str | int] = frozenset((*_READS, *map(str.encode, _READS)))


class UnrecordedRead(RuntimeError):
    """During a recording, a method of the CACHE client was called instead of `exchange`.

    Raised only with RAISE_UNRECORDED_READS, in tests. Otherwise the recording is not replayable.
    """


@dataclass
class Recording:
    """The commands that were sent to CACHE, and their replies, in order.

    `holds_until`: in Unix seconds; what is made of the replies depends on the time, too.
    """

    commands: list[Command] = field(default_factory=list)
    replies: list[Any] = field(default_factory=list)
    is_replayable: bool = True
    holds_until: float = math.inf

    def add(self, commands: Sequence[Command], replies: Sequence[Any], *, is_read: bool) -> None:
        """Add commands. `is_read`: they change no value."""
        self.commands += commands
        self.replies += replies
        if not is_read:
            self.is_replayable = False
        if any(isinstance(reply, ResponseError) for reply in replies):
            self.is_replayable = False


_recording: ContextVar[Recording | None] = ContextVar("recording", default=None)
# The client of CACHE.
_recorded: Any = None


def record_client(client: Any) -> None:
    """Say which client is that of CACHE."""
    global _recorded  # noqa: PLW0603 (there is one CACHE)
    _recorded = client


def only_read(commands: Sequence[Command]) -> bool:
    """Whether the names of all these commands say that they change no value."""
    return all(command[0] in _READ_NAMES for command in commands)


@contextmanager
def recorded_reads() -> Iterator[Recording]:
    """Record what this context sends to CACHE inside the block. Recordings do not nest."""
    if _recording.get() is not None:
        raise RuntimeError("A recording is running already.")
    recording = Recording()
    token = _recording.set(recording)
    try:
        yield recording
    finally:
        _recording.reset(token)


@contextmanager
def paused_recording() -> Iterator[None]:
    """Record nothing inside the block: `exchange` itself uses methods of the client."""
    token = _recording.set(None)
    try:
        yield
    finally:
        _recording.reset(token)


def holds_until(moment: float) -> None:
    """Say that what this context makes of its reads holds until a moment, in Unix seconds."""
    recording = _recording.get()
    if recording is not None:
        recording.holds_until = min(recording.holds_until, moment)


def current_recording(client: Any) -> Recording | None:
    """The recording of this context, if the client is the one of CACHE."""
    return _recording.get() if client is _recorded else None


def note_unrecorded(pool: Any) -> None:
    """Say that something other than `exchange` takes a connection of a pool."""
    recording = _recording.get()
    if recording is None or not _has_pool(_recorded, pool):
        return
    recording.is_replayable = False
    if settings.RAISE_UNRECORDED_READS:
        raise UnrecordedRead("Send commands to CACHE by `exchange` or `run_script` here.")


def note_unavailable() -> None:
    """Say that CACHE could not be asked."""
    recording = _recording.get()
    if recording is not None:
        recording.is_replayable = False


def _has_pool(client: Any, pool: Any) -> bool:
    if not isinstance(client, redis.RedisCluster):
        return client is not None and client.connection_pool is pool
    nodes = list(client.nodes_manager.nodes_cache.values())
    connected = [node.redis_connection for node in nodes if node.redis_connection]
    return any(server.connection_pool is pool for server in connected)
