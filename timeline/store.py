"""Timelines in the CACHE Valkey: each is a list of a header and 16-byte entries, newest first.

An entry is `(post_id, author_id)`, both big-endian, so that byte order is time order. The header is
the first element. Its first byte is the state of the list, and the next 8 bytes are the graph LSN
at which the build of the list began. No header is as long as an entry. The states:

- `e`: complete; there is no older post;
- `c`: cut off at the cap; SQL has what is older than the last entry;
- `b`: being built; the rest of the header is the token of the build lease. Deliveries go in,
  readers answer from SQL.

In the states `e` and `c` the header also names the authors whose posts are pulled at each read
instead of being delivered here. A timeline without a key is cold: deliveries skip it, and the next
read builds it.

Each change is one Lua script, so every function keeps its promise whatever runs at the same time.
Valkey down: every function raises `ValkeyUnavailable`.

A delivery also skips a timeline whose build began at a later graph LSN than the delivery's own:
that build reads the post in SQL. So a delivery that works through an old list of followers cannot
put a post into a timeline that was built after an unfollow.
"""

import secrets
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from django.conf import settings

from core.valkey import Call, Command, by_slot, cache_valkey, exchange
from timeline.scripts import run_scripts

_ENTRY = struct.Struct(">qq")
_HEADER = struct.Struct(">cq")
_ID = struct.Struct(">q")
_COUNT = struct.Struct(">I")
COMPLETE, CUT, BUILDING = b"e", b"c", b"b"
_STATES = {COMPLETE: "complete", CUT: "cut off at the cap", BUILDING: "being built"}
_DAY = 24 * 3600
# A timeline grows over its cap by one part in SLACK before it is trimmed: a trim costs a command.
SLACK = 50
# A build that takes longer loses its lease, and its result is not stored.
BUILD_LEASE_MS = 20_000
_SCAN_COUNT = 1000

Ref = tuple[int, int]  # (post_id, author_id)


@dataclass(frozen=True)
class TimelineSlice:
    """Consecutive entries of a timeline, newest first; `is_end` when no older entry exists."""

    refs: list[Ref]
    is_end: bool


@dataclass(frozen=True)
class Viewing:
    """What a home timeline's header says of its viewer's graph, as it was at `graph_lsn`.

    `pulled`: authors whose posts are pulled at each read.
    """

    graph_lsn: int = 0
    pulled: tuple[int, ...] = ()

    def pack(self) -> bytes:
        """The header from its graph LSN on."""
        ids = map(_ID.pack, self.pulled)
        # The number is for instances of the release before, which had other ids after these.
        return b"".join((_ID.pack(self.graph_lsn), _COUNT.pack(len(self.pulled)), *ids))

    @staticmethod
    def unpack(header: bytes) -> "Viewing":
        """Read a whole header, of a timeline that is not being built."""
        graph_lsn: int = _HEADER.unpack_from(header)[1]
        pulled = _ID.iter_unpack(header[_HEADER.size + _COUNT.size :])
        return Viewing(graph_lsn, tuple(id_ for (id_,) in pulled))


@dataclass(frozen=True)
class StoredSlice(TimelineSlice):
    """A slice of a stored timeline, with what its header says.

    Shorter than the limit and not `is_end`: the list is cut off there.
    """

    viewing: Viewing = Viewing()


@dataclass(frozen=True)
class Snapshot:
    """A whole timeline, for staff and audits; `kind` is the state byte of its header."""

    refs: list[Ref]
    kind: bytes
    viewing: Viewing
    ttl_seconds: float

    @property
    def state(self) -> str:
        """`kind` for people: complete, cut off at the cap, or being built."""
        return _STATES[self.kind]


def _number(value: int) -> bytes:
    """A number as an argument of a script."""
    return b"%d" % value


def deliver(*, keys: Iterable[str], refs: Iterable[Ref]) -> int:
    """Put posts into warm timelines, each once and in its place; returns how many went in.

    One round trip, and one script call per hash slot. Repeating it changes nothing.
    """
    return deliver_to_slots(slots=by_slot(keys), refs=refs)


def deliver_to_slots(
    *, slots: Iterable[Sequence[str]], refs: Iterable[Ref], graph_lsn: int | None = None
) -> int:
    """The same as `deliver`, with the keys already grouped by hash slot.

    `graph_lsn`: the graph LSN before the keys were looked up; timelines that were built after it
    are skipped. None: no timeline is skipped for its age.
    """
    lsn = b"" if graph_lsn is None else _ID.pack(graph_lsn)
    cap = settings.TIMELINE_CAP
    numbers = _number(cap), _number(cap // SLACK)
    arguments = [*numbers, lsn, *(_ENTRY.pack(*ref) for ref in refs)]
    calls: list[Call] = [(keys, arguments) for keys in slots]
    return sum(run_scripts(cache_valkey(), "deliver", calls)) if calls else 0


def read(
    *, key: str, before: int | None, limit: int, read_only: bool = False
) -> StoredSlice | None:
    """Up to `limit` entries older than the post `before`; None when cold or being built.

    One round trip. Lets the timeline live TIMELINE_IDLE_DAYS more, unless `read_only`.
    """
    return read_many(keys=[key], before=before, limit=limit, read_only=read_only)[key]


def read_many(
    *, keys: Sequence[str], before: int | None, limit: int, read_only: bool = False
) -> dict[str, StoredSlice | None]:
    """`read` of several timelines, by key; one round trip, and one script call a hash slot."""
    cursor = b"" if before is None else _ENTRY.pack(before, 0)
    ttl = b"" if read_only else _number(settings.TIMELINE_IDLE_DAYS * _DAY)
    arguments = [_number(limit), ttl, cursor]
    slots = by_slot(keys)
    calls: list[Call] = [(slot_keys, arguments) for slot_keys in slots]
    answers = run_scripts(cache_valkey(), "read", calls) if calls else []
    return {
        key: None if answer is None else _stored_slice(*answer)
        for slot_keys, slot_answers in zip(slots, answers, strict=True)
        for key, answer in zip(slot_keys, slot_answers, strict=True)
    }


def _stored_slice(header: bytes, reached: int, entries: bytes) -> StoredSlice:
    is_end = bool(reached) and _HEADER.unpack_from(header)[0] == COMPLETE
    return StoredSlice(list(_ENTRY.iter_unpack(entries)), is_end, Viewing.unpack(header))


def begin_build(*, key: str, graph_lsn: int) -> bytes | None:
    """Take the build lease of a cold timeline: its token, or None when it is warm or being built.

    Call it after reading `graph_lsn`, before reading SQL: deliveries go into the list from now on.
    """
    lease = _HEADER.pack(BUILDING, graph_lsn) + secrets.token_bytes(8)
    arguments = [lease, _number(BUILD_LEASE_MS)]
    (began,) = run_scripts(cache_valkey(), "begin_build", [([key.encode()], arguments)])
    return lease if began else None


def finish_build(
    *, key: str, lease: bytes, refs: Sequence[Ref], is_end: bool, viewing: Viewing
) -> bool:
    """Make a timeline warm with the entries from SQL, newest first.

    False, and nothing is stored, when the build lease is lost: the timeline was dropped meanwhile.
    """
    entries = [_ENTRY.pack(*ref) for ref in refs]
    seconds = settings.TIMELINE_IDLE_DAYS * _DAY
    numbers = map(_number, (settings.TIMELINE_CAP, seconds, is_end))
    arguments = [lease, *numbers, viewing.pack(), *entries]
    return bool(run_scripts(cache_valkey(), "finish_build", [([key.encode()], arguments)])[0])


def remove(*, keys: Iterable[str], ref: Ref) -> None:
    """Take a post out of timelines; one round trip."""
    run_scripts(cache_valkey(), "remove", [([key.encode()], [_ENTRY.pack(*ref)]) for key in keys])


def drop(*, keys: Iterable[str]) -> int:
    """Make timelines cold, also those being built; returns how many there were. One round trip."""
    return sum(exchange(cache_valkey(), [("UNLINK", key) for key in keys]))


def peek(*, key: str) -> Snapshot | None:
    """A whole timeline, without extending its life; None when cold. One round trip."""
    commands: list[Command] = [("LRANGE", key, 0, -1), ("PTTL", key)]
    elements, milliseconds = exchange(cache_valkey(), commands, is_read=True)
    if not elements:
        return None
    header, *entries = elements
    kind, graph_lsn = _HEADER.unpack_from(header)
    viewing = Viewing(graph_lsn) if kind == BUILDING else Viewing.unpack(header)
    return Snapshot([_ENTRY.unpack(entry) for entry in entries], kind, viewing, milliseconds / 1000)


def scan_keys(*, prefix: str) -> Iterator[str]:
    """The keys with a prefix, as SCAN finds them; a key may come twice."""
    for key in cache_valkey().scan_iter(match=f"{prefix}*", count=_SCAN_COUNT):
        yield cast("bytes", key).decode(errors="replace")


def random_keys(*, count: int) -> set[str]:
    """Up to `count` random keys of CACHE, of any kind; one round trip."""
    drawn = exchange(cache_valkey(), [("RANDOMKEY",)] * count)
    return {key.decode(errors="replace") for key in drawn if key is not None}


def sizes(*, keys: Sequence[str]) -> list[tuple[int, int]]:
    """(entries, bytes of memory) of each timeline that exists; one round trip."""
    lengths: list[Command] = [("LLEN", key) for key in keys]
    usages: list[Command] = [("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys]
    answers = exchange(cache_valkey(), lengths + usages, is_read=True)
    pairs = zip(answers[: len(keys)], answers[len(keys) :], strict=True)
    return [(length - 1, used) for length, used in pairs if length and used]
