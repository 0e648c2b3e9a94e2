"""Decides where a read goes: by the user who reads, and by how new the rows must be."""

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from core.sql import lsns, servers
from core.sql.statements import note_failure
from core.sql.wal import server_lsn

logger = logging.getLogger(__name__)

Found = TypeVar("Found")


@dataclass
class Freshness:
    """Whether everything that was read inside `primary_reads` came from the primaries."""

    are_fresh: bool = True


@dataclass
class _Reader:
    """The reader of the current request, and what a replica must have replayed for it."""

    token: str | None = None
    avoid: frozenset[str] = frozenset()  # servers that failed when this request ran before
    user_id: int | None = None
    sources: dict[str, str] = field(default_factory=dict)  # the alias to read from, by primary
    primary: Freshness | None = None  # inside `primary_reads`

    @cached_property
    def required(self) -> lsns.RequiredLsns | None:
        """What a replica must have replayed, by the token and STATE; None: either is of no use."""
        in_token = lsns.lsns_in(self.token) if self.token else {}
        stored = lsns.required_lsns(user_id=self.user_id)
        if in_token is None or stored is None:
            return None
        own = {a: max(in_token.get(a, 0), stored.own.get(a, 0)) for a in lsns.PRIMARIES}
        return lsns.RequiredLsns(own, stored.common, stored.seen)


_reader: ContextVar[_Reader | None] = ContextVar("reader", default=None)


def note_reader(*, user_id: int) -> None:
    """Say whose request this is; authentication calls it when the token is valid."""
    if reader := _reader.get():
        reader.user_id = user_id
        reader.sources.clear()
        vars(reader).pop("required", None)


@contextmanager
def replica_reads(*, token: str | None = None, avoid: Collection[str] = ()) -> Iterator[None]:
    """Let reads inside the block go to replicas that have what the caller must see.

    `token`: the Consistency-Token that the client sent. `avoid`: aliases of replicas not to use.
    """
    outer = _reader.set(_Reader(token, frozenset(avoid)))
    try:
        yield
    finally:
        _reader.reset(outer)


@contextmanager
def primary_reads() -> Iterator[Freshness]:
    """Send reads inside the block to the primaries, for rows that must be current.

    In the Read API, while a primary is down, its replica answers. Then `are_fresh` of the yielded
    object becomes False, and the caller must not store what it read. Everywhere else, reads go to
    the primaries anyway.
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
    """Return `read()`; when it finds nothing on a replica, which may lag, read the primary."""
    found = read()
    if found is None and _may_read_replicas():
        with primary_reads():
            found = read()
    return found


def all_found(
    read: Callable[[Sequence[int]], dict[int, Found]], ids: Sequence[int]
) -> dict[int, Found]:
    """Return `read(ids)`, a dictionary by id; ids that a replica lacks are read on the primary."""
    found = read(ids)
    missing = [id_ for id_ in ids if id_ not in found]
    if missing and _may_read_replicas():
        with primary_reads():
            found |= read(missing)
    return found


def _may_read_replicas() -> bool:
    reader = _reader.get()
    return reader is not None and reader.primary is None


def source_of(primary: str) -> str:
    """The alias of the server that a read of this primary's database goes to now."""
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
    """The alias, decided once a request: a later read must not see older rows than an earlier."""
    if primary not in reader.sources:
        reader.sources[primary] = _chosen(reader, primary)
    return reader.sources[primary]


def _chosen(reader: _Reader, primary: str) -> str:
    """The reader's own replica, which is the first one that is steady; else the primary.

    Nobody is shown less than before: a replica that takes the place of others must have what those
    had when the last reader left them. While the primary is down, any replica is better than none.
    """
    replicas = servers.replicas_for(primary, reader_id=reader.user_id)
    if not servers.answers(primary) or not settings.READ_YOUR_WRITES:
        usable = (replica for replica in replicas if _is_usable(reader, primary, replica))
        return next(usable, primary)
    seen = 0
    for replica in replicas:
        if servers.is_steady(replica) and replica not in reader.avoid:
            if _is_usable(reader, primary, replica, seen=seen):
                return replica
            break
        left = servers.lsn_when_out(replica)
        if left is None:
            break
        seen = max(seen, left)
    if reader.required is not None:
        servers.require_timeline(primary, reader.required.own.get(primary, 0))
    return primary


def store_what_was_seen() -> None:
    """Store how new what the current reader was shown is, so that their own replica is not read
    before it has as much. Nothing for what came from there; else one query for each server.
    """
    reader = _reader.get()
    if reader is None or reader.user_id is None or not settings.READ_YOUR_WRITES:
        return
    seen: lsns.Lsns = {}
    for primary, source in reader.sources.items():
        own, *_ = servers.replicas_for(primary, reader_id=reader.user_id)
        if source != own:
            try:
                seen[primary] = server_lsn(source, first=servers.server_of(primary).first_lsn)
            except (OperationalError, InterfaceError):
                # The next read may find less, on a replica of a primary that has just gone down.
                logger.exception("%s went down after a read: its LSN is not known", source)
    lsns.store_seen_lsns(seen, user_id=reader.user_id)


def _is_usable(reader: _Reader, primary: str, replica: str, *, seen: int = 0) -> bool:
    """Whether a replica is in rotation, connected, and has replayed what this reader must see.

    `seen`: an LSN of what was shown to them.
    """
    if replica in reader.avoid or not servers.is_in_rotation(replica) or not _connects(replica):
        return False
    try:
        if not settings.READ_YOUR_WRITES:
            return True
        required = reader.required
        if required is None:
            return False
        lsn = max(seen, required.own.get(primary, 0))
        if servers.answers(primary):
            # With the primary down, a replica without the writes of others is better than an error.
            lsn = max(lsn, required.common.get(primary, 0), required.seen.get(primary, 0))
        return servers.has_replayed(replica, lsn)
    except (OperationalError, InterfaceError) as error:
        note_failure(replica, error)
        return False


def _connects(alias: str) -> bool:
    """Whether this thread has a connection that works, or can open one; failures are noted."""
    connection = connections[alias]
    try:
        if servers.is_outlived(alias):
            connection.close()
        # A cursor does the same, but notes no failure.
        connection.close_if_health_check_failed()
        connection.ensure_connection()
    except (OperationalError, InterfaceError) as error:
        note_failure(alias, error)
        return False
    return True
