"""Where the reads of this moment go, by who reads and what for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from core.sql import positions, servers
from core.sql.statements import note_failure

Found = TypeVar("Found")


@dataclass
class Freshness:
    """Whether all that was read inside `primary_reads` came from the primaries."""

    are_fresh: bool = True


@dataclass
class _Reader:
    """Who reads in the current request, and what a replica must have replayed for it."""

    token: str | None = None
    avoid: frozenset[str] = frozenset()  # servers that have failed this request before
    user_id: int | None = None
    needed: positions.Kept | None = None
    is_known: bool = False  # whether `needed` has been asked for; None then: not even STATE knows
    sources: dict[str, str] = field(default_factory=dict)  # what was decided, by primary
    primary: Freshness | None = None  # inside `primary_reads`


_reader: ContextVar[_Reader | None] = ContextVar("reader", default=None)


def note_reader(*, user_id: int) -> None:
    """Say whose request this is; authentication calls it once the token has been checked."""
    if reader := _reader.get():
        reader.user_id, reader.is_known, reader.needed = user_id, False, None
        reader.sources.clear()


@contextmanager
def replica_reads(*, token: str | None = None, avoid: Collection[str] = ()) -> Iterator[None]:
    """Let the reads inside go to the replicas, as far as read-your-writes allows it.

    `token`: the Consistency-Token that the client has sent along. `avoid`: aliases of replicas not
    to be asked.
    """
    outer = _reader.set(_Reader(token, frozenset(avoid)))
    try:
        yield
    finally:
        _reader.reset(outer)


@contextmanager
def primary_reads() -> Iterator[Freshness]:
    """Send the reads inside to the primaries, for rows that must be as new as this moment.

    While a primary is down the Read API's go to its replica all the same, and the answer tells.
    """
    reader, freshness = _reader.get(), Freshness()
    if reader is None or reader.primary is not None:
        yield (reader and reader.primary) or freshness
        return
    reader.primary = freshness
    try:
        yield freshness
    finally:
        reader.primary = None


def first_found(read: Callable[[], Found | None]) -> Found | None:
    """`read()`, asked again of the primary when a replica may just not have the row yet."""
    found = read()
    if found is None and _may_read_replicas():
        with primary_reads():
            found = read()
    return found


def all_found(
    read: Callable[[Sequence[int]], dict[int, Found]], ids: Sequence[int]
) -> dict[int, Found]:
    """`read(ids)`, a dictionary by id; what a replica lacks is asked of the primary."""
    found = read(ids)
    missing = [id_ for id_ in ids if id_ not in found]
    if missing and _may_read_replicas():
        with primary_reads():
            found |= read(missing)
    return found


def answers(primary: str, *, for_writes: bool) -> bool:
    """Whether a database can be written to, or at least read; as it was when it was last asked.

    Where nobody looks after the servers (`servers.watch`) it is asked now.
    """
    aliases = [primary] if for_writes else [primary, servers.replica_of(primary)]
    return any(servers.answers_now(alias) for alias in aliases)


def _may_read_replicas() -> bool:
    reader = _reader.get()
    return reader is not None and reader.primary is None


def source_of(primary: str) -> str:
    """The alias of the server that this read of a primary's database goes to."""
    reader = _reader.get()
    if reader is None:
        return primary
    if reader.primary is not None:
        if servers.answers(primary) and _connects(primary):
            return primary
        source = _decided(reader, primary)
        if source != primary:
            reader.primary.are_fresh = False
        return source
    return _decided(reader, primary)


def _decided(reader: _Reader, primary: str) -> str:
    """Decided once a request: what it reads later must not be older than what it has read."""
    if primary not in reader.sources:
        replica = servers.replica_of(primary)
        reader.sources[primary] = replica if _will_do(reader, primary, replica) else primary
    return reader.sources[primary]


def _will_do(reader: _Reader, primary: str, replica: str) -> bool:
    if replica in reader.avoid or not servers.is_in_rotation(replica) or not _connects(replica):
        return False
    try:
        if not settings.READ_YOUR_WRITES:
            return True
        needed = _needed(reader)
        if needed is None:
            return False
        position = needed.own.get(primary, 0)
        if servers.answers(primary):
            # What others have written is no reason to fail who reads, once nobody could show it.
            position = max(position, needed.common.get(primary, 0))
        return servers.has_replayed(replica, position)
    except (OperationalError, InterfaceError) as error:
        note_failure(replica, error)
        return False


def _connects(alias: str) -> bool:
    """Whether this thread has, or gets, a connection that works as far as it is asked."""
    connection = connections[alias]
    try:
        if servers.is_outlived(alias):
            connection.close()
        # As a cursor does, but there nobody would note what has failed.
        connection.close_if_health_check_failed()
        connection.ensure_connection()
    except (OperationalError, InterfaceError) as error:
        note_failure(alias, error)
        return False
    return True


def _needed(reader: _Reader) -> positions.Kept | None:
    if not reader.is_known:
        told = positions.positions_in(reader.token) if reader.token else {}
        kept = positions.kept(user_id=reader.user_id)
        if told is not None and kept is not None:
            reader.needed = positions.Kept(positions.merged(told, kept.own), kept.common)
        reader.is_known = True
    return reader.needed
