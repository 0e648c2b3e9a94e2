"""Copies in the CACHE Valkey of what SQL has, by id: never older than the last change.

A copy is `r`, the version that it was read at, and a payload; or `m` and the token of whoever is
reading SQL for it. Three rules keep it right, whatever runs at once, dies, or is evicted:

- A version stands for a snapshot of the primary (VERSION_SQL), so of two copies the one with the
  greater version was read later. None ever takes the place of a greater one.
- Whoever changes a row calls `refresh_copies` once that has committed. It reads what there is by
  then, and so needs to know neither what has changed nor whether it is the first to do so. Where
  nothing is stored, nothing is to be done: who reads later reads the change.
- What was read from SQL is stored only while the mark, or the copy, that was found before reading
  is still there, or has been replaced by a copy. So a reader that an eviction has overtaken stores
  nothing.

What is copied is not to be stored by a transaction that has changed it, which may be rolled back:
such a one reads inside `uncommitted_reads`. A change whose refresh is lost must leave a row behind
for somebody to make up for it: see docs/decisions/0010. CACHE down: reads come from SQL, and
`refresh_copies` raises `ValkeyUnavailable`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from core.sql import all_found, primary_reads
from core.valkey import Call, ValkeyUnavailable, cache_valkey, exchange, run_script

logger = logging.getLogger(__name__)

# The statement's own snapshot as a number that grows with what it sees: the id after the last
# transaction that it sees ended, and the fewer were still in progress below that, the later.
VERSION_SQL = """(
    (pg_snapshot_xmax(pg_current_snapshot())::text::bigint << 16)
    + 65535 - least(65535, (SELECT count(*) FROM pg_snapshot_xip(pg_current_snapshot())))
)"""

_COPY, _MARK = b"r", b"m"
_COPY_BYTE = _COPY[0]
_TOKEN_BYTES = 8
_VERSION_DIGITS = 20  # decimal, with leading zeros: Lua compares text by the server's locale
_HEAD = len(_COPY) + _VERSION_DIGITS
# Who takes longer to read SQL does not get to store it.
MARK_LEASE_MS = 10_000
# What does not exist is asked for again after so many seconds.
ABSENT_SECONDS = 60

# KEYS: one. ARGV: the mark that was found or set, or ''; the copy; seconds to live.
_STORE_LUA = """
local now = redis.call('GET', KEYS[1])
if not now then return 0 end
if string.sub(now, 1, 1) == 'm' then
  if now ~= ARGV[1] then return 0 end
elseif string.sub(now, 2, 21) > string.sub(ARGV[2], 2, 21) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
return 1
"""

Versioned = tuple[int, bytes]  # the version that it was read at, and the payload


@dataclass(frozen=True)
class Copies:
    """Copies of one kind.

    `database` has the rows. `key` names the copy of an id. `load` reads SQL, from wherever reads
    go, and answers for every id that it is asked for; the payload of what does not exist is empty.
    `slots`: keys share so many hash tags, by the id modulo that, and end with the id; 0: each has
    one of its own.
    """

    database: str
    key: Callable[[int], str]
    load: Callable[[Sequence[int]], Mapping[int, Versioned]]
    ttl_seconds: int
    slots: int = 0

    def get(self, ids: Collection[int]) -> dict[int, bytes]:
        """The payloads of all `ids`; warm, one round trip."""
        return read_copies([(self, ids)])[0]

    def forget(self, ids: Collection[int]) -> None:
        """Remove the copies of `ids`, as an eviction would; one round trip. CACHE down: raises."""
        exchange(cache_valkey(), [("UNLINK", self.key(id_)) for id_ in ids])

    def by_slot(self, ids: Iterable[int]) -> list[tuple[list[int], list[str]]]:
        """Ids and their keys, those of a hash slot together: on a cluster, one command may name
        them, and no others.
        """
        if not self.slots:
            return [([id_], [self.key(id_)]) for id_ in ids]
        slots: list[list[int]] = [[] for _ in range(self.slots)]
        for id_ in ids:
            slots[id_ % self.slots].append(id_)
        return [(slot, self._keys_of_slot(slot)) for slot in slots if slot]

    def _keys_of_slot(self, ids: Sequence[int]) -> list[str]:
        head = self.key(ids[0]).removesuffix(str(ids[0]))
        return [f"{head}{id_}" for id_ in ids]


Wanted = Sequence[tuple[Copies, Collection[int]]]

# The database whose copies are neither read nor stored for now.
_uncommitted: ContextVar[str | None] = ContextVar("uncommitted", default=None)


@contextmanager
def uncommitted_reads(*, database: str) -> Iterator[None]:
    """Read inside as the caller's open transaction on `database` sees it.

    What that database has comes from its primary, past CACHE, in which nothing of it is stored.
    Copies of what is in other databases are read as ever. To be left before the transaction ends.
    """
    token = _uncommitted.set(database)
    try:
        with primary_reads():
            yield
    finally:
        _uncommitted.reset(token)


def read_copies(wanted: Wanted) -> list[dict[int, bytes]]:
    """The payloads of ids of several kinds; warm, one round trip for all of them.

    What is cold is read from SQL, a kind at a time, and stored. What does not exist is empty.
    """
    lists = [(copies, _each_once(ids)) for copies, ids in wanted]
    uncommitted = _uncommitted.get()
    stored = iter(_read_stored([part for part in lists if part[0].database != uncommitted]))
    return [
        _read(copies, ids) if copies.database == uncommitted else next(stored)
        for copies, ids in lists
    ]


def _each_once(ids: Collection[int]) -> list[int]:
    return list(ids if isinstance(ids, set) else dict.fromkeys(ids))


def _read_stored(lists: Sequence[tuple[Copies, Sequence[int]]]) -> list[dict[int, bytes]]:
    """The same of what CACHE may be asked for."""
    if not lists:
        return []
    try:
        found = _get(lists)
        if all(len(warm) == len(ids) for (_, ids), warm in zip(lists, found, strict=True)):
            return found
        cold = [
            (copies, [id_ for id_ in ids if id_ not in warm])
            for (copies, ids), warm in zip(lists, found, strict=True)
        ]
        marks = iter(_begin([copies.key(id_) for copies, ids in cold for id_ in ids]))
        loaded = _read_and_store(
            [(copies, {id_: next(marks) for id_ in ids}) for copies, ids in cold]
        )
        return [warm | read for warm, read in zip(found, loaded, strict=True)]
    except ValkeyUnavailable:
        logger.exception("CACHE is down: what it has copies of comes from SQL")
        return [_from_sql(copies, ids) for copies, ids in lists]


def _read(copies: Copies, ids: Sequence[int]) -> dict[int, bytes]:
    """The payloads from wherever reads go."""
    return _payloads(copies.load(ids)) if ids else {}


def _from_sql(copies: Copies, ids: Sequence[int]) -> dict[int, bytes]:
    """The same; what a replica lacks is asked of the primary."""

    def read(wanted: Sequence[int]) -> dict[int, bytes]:
        return {id_: payload for id_, payload in _read(copies, wanted).items() if payload}

    found = all_found(read, ids)
    return {id_: found.get(id_, b"") for id_ in ids}


def refresh_copies(wanted: Wanted) -> None:
    """Bring the copies that there are up to date with what has been committed; two round trips.

    CACHE down: `ValkeyUnavailable`.
    """
    lists = [(copies, _each_once(ids)) for copies, ids in wanted]
    found = iter(_found([copies.key(id_) for copies, ids in lists for id_ in ids]))
    _read_and_store([(copies, {id_: next(found) for id_ in ids}) for copies, ids in lists])


def _get(lists: Sequence[tuple[Copies, Sequence[int]]]) -> list[dict[int, bytes]]:
    """The payloads of those that have a copy."""
    return [
        {
            id_: value[_HEAD:]
            for ids, values in slots
            for id_, value in zip(ids, values, strict=True)
            if value and value[0] == _COPY_BYTE
        }
        for slots in _stored(lists)
    ]


def _stored(
    lists: Sequence[tuple[Copies, Sequence[int]]],
) -> list[list[tuple[list[int], list[bytes | None]]]]:
    """What is stored for ids of several kinds: of each kind, those of a hash slot together."""
    slots = [copies.by_slot(ids) for copies, ids in lists]
    asked = [("MGET", *keys) for some in slots for _, keys in some]
    replies = iter(exchange(cache_valkey(), asked) if asked else ())
    return [[(ids, next(replies)) for ids, _ in some] for some in slots]


def _read_and_store(
    lists: Sequence[tuple[Copies, Mapping[int, bytes | None]]],
) -> list[dict[int, bytes]]:
    """Read from SQL and store, as far as the third rule lets it; the payloads that were read.

    By id, the mark that was found or set before, empty where there was a copy; None: leave it out.
    """
    calls: list[Call] = []
    read: list[dict[int, bytes]] = []
    for copies, marks in lists:
        wanted = {id_: mark for id_, mark in marks.items() if mark is not None}
        with primary_reads() as reads:
            loaded = copies.load(list(wanted)) if wanted else {}
        read.append(_payloads(loaded))
        if not reads.are_fresh:
            continue  # the primary is down: good enough to be shown, but not to be kept
        for id_, mark in wanted.items():
            version, payload = loaded[id_]
            copy = _COPY + b"%0*d" % (_VERSION_DIGITS, version) + payload
            seconds = copies.ttl_seconds if payload else ABSENT_SECONDS
            calls.append(([copies.key(id_).encode()], [mark, copy, b"%d" % seconds]))
    if calls:
        run_script(cache_valkey(), _STORE_LUA, calls)
    return read


def _payloads(loaded: Mapping[int, Versioned]) -> dict[int, bytes]:
    return {id_: payload for id_, (_, payload) in loaded.items()}


def _begin(keys: Sequence[str]) -> list[bytes]:
    """Say that SQL is about to be read: the mark at each key, empty where there is a copy."""
    if not keys:
        return []
    own = _MARK + secrets.token_bytes(_TOKEN_BYTES)
    commands = [("SET", key, own, "NX", "GET", "PX", MARK_LEASE_MS) for key in keys]
    return [
        own if there is None else there if there.startswith(_MARK) else b""
        for there in exchange(cache_valkey(), commands)
    ]


def _found(keys: Sequence[str]) -> list[bytes | None]:
    """The mark at each key, empty where there is a copy, None where there is neither."""
    if not keys:
        return []
    asked = [("GETRANGE", key, 0, len(_MARK) + _TOKEN_BYTES - 1) for key in keys]
    return [
        None if not there else there if there.startswith(_MARK) else b""
        for there in exchange(cache_valkey(), asked)
    ]


def stale_copies(
    copies: Copies, ids: Collection[int], *, pending: Callable[[Collection[int]], Collection[int]]
) -> set[int]:
    """Those of some copies that are not what SQL says, though nobody is to refresh them any more.

    `pending` names those ids that somebody still is to refresh.
    """
    before = _peek(copies, ids)
    with primary_reads():
        loaded = copies.load(list(before)) if before else {}
    differing = {id_ for id_, (_, payload) in before.items() if payload != loaded[id_][1]}
    settled = differing - set(pending(differing)) if differing else set()
    # What was refreshed since it was first looked at is another copy by now, or the same anew.
    after = _peek(copies, settled)
    return {id_ for id_ in settled if after.get(id_) == before[id_]}


def _peek(copies: Copies, ids: Collection[int]) -> dict[int, Versioned]:
    """The copies that there are, as they are."""
    (slots,) = _stored([(copies, [*ids])])
    return {
        id_: (int(value[len(_COPY) : _HEAD]), value[_HEAD:])
        for ids, values in slots
        for id_, value in zip(ids, values, strict=True)
        if value and value.startswith(_COPY)
    }
