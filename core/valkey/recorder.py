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

from django.conf import settings
from redis.exceptions import ResponseError

from core.valkey.clients import cache_valkey
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
        """Add commands. `is_read`: they only read, whatever their names are."""
        self.commands += commands
        self.replies += replies
        if not is_read and any(command[0] not in _READ_NAMES for command in commands):
            self.is_replayable = False
        if any(isinstance(reply, ResponseError) for reply in replies):
            self.is_replayable = False


_recording: ContextVar[Recording | None] = ContextVar("recording", default=None)


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


def current_recording(pool: Any) -> Recording | None:
    """The recording of this context, if the pool is the one of CACHE."""
    recording = _recording.get()
    if recording is None or pool is not cache_valkey().connection_pool:
        return None
    return recording


def note_unrecorded(pool: Any) -> None:
    """Say that something other than `exchange` takes a connection of a pool."""
    recording = current_recording(pool)
    if recording is None:
        return
    recording.is_replayable = False
    if settings.RAISE_UNRECORDED_READS:
        raise UnrecordedRead("Send commands to CACHE by `exchange` or `run_script` here.")
