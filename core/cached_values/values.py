"""Read, refresh and drop cached values, and find those that are not what SQL says.

A kind of values is a `CachedValue`. A change whose refresh is lost must leave a row behind, so that
somebody else refreshes later: see docs/decisions/0010. (A new row needs none: that it does not
exist is cached for ABSENT_SECONDS only.) A transaction must not store what it has
changed itself, because it may be rolled back: it reads inside `uncommitted_reads`. CACHE down:
reads come from SQL, `refresh` and `drop` raise `ValkeyUnavailable`.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from core.cached_values import entries
from core.sql import all_found, primary_reads
from core.valkey import Call, ValkeyUnavailable

logger = logging.getLogger(__name__)

Value = TypeVar("Value")
# The version that a value was read at, and the value; None for a row that does not exist.
Versioned = tuple[int, Value | None]
# How long CACHE remembers that a row does not exist.
ABSENT_SECONDS = 60

# The database whose values are neither read from CACHE nor stored there for now.
_uncommitted: ContextVar[str | None] = ContextVar("uncommitted", default=None)


@dataclass(frozen=True)
class CachedValue(Generic[Value]):
    """One kind of cached values.

    `database` has the rows. `key` names the entry of an id. `load` reads values from SQL, from
    wherever reads go; it answers for every id that it is given. `encode` never returns an empty
    string: that stands for a row that does not exist. `slots`: the number of hash tags; a key has
    the tag of its id modulo that number, and ends with the id. 0: each key has its own tag.
    """

    database: str
    key: Callable[[int], str]
    load: Callable[[Sequence[int]], Mapping[int, Versioned[Value]]]
    encode: Callable[[Value], bytes]
    decode: Callable[[bytes], Value]
    ttl_seconds: int
    slots: int = 0

    def get(self, ids: Collection[int]) -> dict[int, Value]:
        """The values of those `ids` that exist; warm, one round trip."""
        batch = CacheBatch()
        found = batch.add(self, ids)
        batch.read()
        return found.values

    def refresh(self, ids: Collection[int]) -> None:
        """Read and store what is committed, where an entry or a fill lease is; two round trips."""
        batch = CacheBatch()
        batch.add(self, ids)
        batch.refresh()

    def drop(self, ids: Collection[int]) -> None:
        """Remove the entries of `ids`, as an eviction does; one round trip."""
        entries.drop(self.key(id_) for id_ in ids)

    def by_slot(self, ids: Iterable[int]) -> entries.Slots:
        """Ids and their keys, by hash slot: on a cluster, a command may name only one slot's."""
        if not self.slots:
            return [([id_], [self.key(id_)]) for id_ in ids]
        slots: list[list[int]] = [[] for _ in range(self.slots)]
        for id_ in ids:
            slots[id_ % self.slots].append(id_)
        return [(slot, self._keys_of_slot(slot)) for slot in slots if slot]

    def _keys_of_slot(self, ids: Sequence[int]) -> list[str]:
        head = self.key(ids[0]).removesuffix(str(ids[0]))
        return [f"{head}{id_}" for id_ in ids]

    def encoded(self, value: Value | None) -> bytes:
        """A value, or None for a row that does not exist, as an entry holds it."""
        return b"" if value is None else self.encode(value)

    def from_sql(self, ids: Sequence[int]) -> dict[int, Value]:
        """The values of those `ids` that exist, past CACHE, from wherever reads go."""
        return _existing(self.load(ids)) if ids else {}


class Pending(Generic[Value]):
    """Existing values of a kind, by id. Before `CacheBatch.read`, `values` is an AttributeError."""

    values: dict[int, Value]

    def __init__(self, kind: CachedValue[Value], ids: Collection[int]) -> None:
        self.kind = kind
        self.ids = list(ids if isinstance(ids, set) else dict.fromkeys(ids))


class CacheBatch:
    """Reads values of several kinds together: `add` each kind, then `read` once."""

    def __init__(self) -> None:
        self._pending: list[Pending[Any]] = []

    def add(self, kind: CachedValue[Value], ids: Collection[int]) -> Pending[Value]:
        """Have the values of `ids` read by the next `read`."""
        pending = Pending(kind, ids)
        self._pending.append(pending)
        return pending

    def read(self) -> None:
        """Read all values; warm, one round trip. Cold values come from SQL, a kind at a time, and
        are stored.
        """
        uncommitted = _uncommitted.get()
        cached = [pending for pending in self._pending if pending.kind.database != uncommitted]
        if cached:
            _read_cached(cached)
        if len(cached) < len(self._pending):
            for pending in self._pending:
                if pending.kind.database == uncommitted:
                    pending.values = pending.kind.from_sql(pending.ids)

    def refresh(self) -> None:
        """The same as `CachedValue.refresh`, for all kinds. CACHE down: `ValkeyUnavailable`."""
        keys = [pending.kind.key(id_) for pending in self._pending for id_ in pending.ids]
        leases = iter(entries.fill_leases(keys))
        _fill([(pending.kind, {i: next(leases) for i in pending.ids}) for pending in self._pending])


@contextmanager
def uncommitted_reads(*, database: str) -> Iterator[None]:
    """Read inside as the caller's open transaction on `database` sees it.

    Values of that database come from its primary; CACHE is neither read nor written for them.
    Values of other databases are read as always. Leave it before the transaction ends.
    """
    token = _uncommitted.set(database)
    try:
        with primary_reads():
            yield
    finally:
        _uncommitted.reset(token)


def _existing(loaded: Mapping[int, Versioned[Value]]) -> dict[int, Value]:
    return {id_: value for id_, (_, value) in loaded.items() if value is not None}


def _read_cached(batch: Sequence[Pending[Any]]) -> None:
    """Read the values from CACHE, and fill cold entries from SQL.

    CACHE down: all values come from SQL, those that a replica lacks from the primary.
    """
    try:
        found = entries.read([pending.kind.by_slot(pending.ids) for pending in batch])
        warm = [entries.encoded_values(slots) for slots in found]
        for pending, encoded in zip(batch, warm, strict=True):
            decode = pending.kind.decode
            pending.values = {id_: decode(value) for id_, value in encoded.items() if value}
        cold = [
            (pending, [id_ for id_ in pending.ids if id_ not in encoded])
            for pending, encoded in zip(batch, warm, strict=True)
            if len(encoded) < len(pending.ids)
        ]
        if cold:
            keys = [pending.kind.key(id_) for pending, ids in cold for id_ in ids]
            leases = iter(entries.take_fill_leases(keys))
            loaded = _fill(
                [(pending.kind, {id_: next(leases) for id_ in ids}) for pending, ids in cold]
            )
            for (pending, _), values in zip(cold, loaded, strict=True):
                pending.values |= values
    except ValkeyUnavailable:
        logger.exception("CACHE is down: cached values come from SQL")
        for pending in batch:
            pending.values = all_found(pending.kind.from_sql, pending.ids)


def _fill(
    batch: Sequence[tuple[CachedValue[Any], Mapping[int, bytes | None]]],
) -> list[dict[int, Any]]:
    """Read values from SQL, and store them as far as the third rule allows; returns those that
    exist.

    Each id comes with its fill lease (`entries.fill_leases`); an id whose lease is None is skipped.
    """
    calls: list[Call] = []
    values: list[dict[int, Any]] = []
    for kind, leases in batch:
        wanted = {id_: lease for id_, lease in leases.items() if lease is not None}
        with primary_reads() as reads:
            loaded = kind.load(list(wanted)) if wanted else {}
        values.append(_existing(loaded))
        if not reads.are_fresh:
            continue  # the primary is down: a replica's values are shown, but not stored
        for id_, lease in wanted.items():
            version, value = loaded[id_]
            seconds = ABSENT_SECONDS if value is None else kind.ttl_seconds
            encoded = kind.encoded(value)
            calls.append(entries.storing(kind.key(id_), lease, version, encoded, seconds=seconds))
    entries.store(calls)
    return values


def stale_ids(
    kind: CachedValue[Any],
    ids: Collection[int],
    *,
    pending: Callable[[Collection[int]], Collection[int]],
) -> set[int]:
    """Those of `ids` whose entries differ from SQL although no refresh of them is outstanding.

    `pending` says for which of some ids a refresh is outstanding.
    """
    before = _versioned(kind, ids)
    with primary_reads():
        loaded = kind.load(list(before)) if before else {}
    differing = {id_ for id_, (_, value) in before.items() if value != kind.encoded(loaded[id_][1])}
    settled = differing - set(pending(differing)) if differing else set()
    # An entry that was refreshed since the first read has another version or value now.
    after = _versioned(kind, settled)
    return {id_ for id_ in settled if after.get(id_) == before[id_]}


def _versioned(kind: CachedValue[Any], ids: Collection[int]) -> dict[int, tuple[int, bytes]]:
    """The version and the encoded value of each id that has an entry."""
    (found,) = entries.read([kind.by_slot(ids)])
    return entries.versioned_values(found)
