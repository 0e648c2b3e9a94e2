"""Timelines in the CACHE Valkey: lists of a header and 16-byte entries, newest first.

An entry is `(post_id, author_id)`, both big-endian, so that byte order is time order. The header is
the first element: a letter that says what the list is, and the graph position at which its build
began. No header is as long as an entry.

- `e`: complete, nothing is older;
- `c`: cut off at the cap, SQL knows what is older than the last entry;
- `b`: being built, and by whom. Deliveries go in, reads do not.

After `e` and `c` it names the authors whose posts are pulled at each read instead of being
delivered here, and those whom the viewer must not see. No key: cold. A delivery skips it, and the
next read builds it. What every function here promises holds under any interleaving with the
others, because each is one script. Valkey down: `ValkeyUnavailable`.

A delivery also skips a timeline whose build began later than itself, by graph position: that
build reads the post in SQL. So a delivery that still goes by an old list of followers cannot put
a post into what was built after an unfollow.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings

from core.valkey import by_slot, cache_valkey, exchange
from timeline.scripts import Call, run_scripts

_ENTRY = struct.Struct(">qq")
_HEADER = struct.Struct(">cq")
_ID = struct.Struct(">q")
_COUNT = struct.Struct(">I")
COMPLETE, CUT, BUILDING = b"e", b"c", b"b"
_DAY = 24 * 3600
# A timeline grows over its cap by this part of it before it is trimmed, for that takes a command.
SLACK = 50
# A builder that takes longer than this does not get to keep what it read.
BUILD_LEASE_MS = 20_000
_SCAN_COUNT = 1000

Ref = tuple[int, int]  # (post_id, author_id)


@dataclass(frozen=True)
class Slice:
    """Part of a timeline, newest first; `is_end` when nothing older exists.

    Entries by the authors in `hidden` are not to be shown.
    """

    refs: list[Ref]
    is_end: bool
    hidden: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Viewing:
    """What a home timeline remembers of its viewer's graph, as of the position `as_of`."""

    as_of: int = 0
    pulled: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()

    def pack(self) -> bytes:
        """The header from its graph position on."""
        ids = (*self.pulled, *self.hidden)
        return b"".join((_ID.pack(self.as_of), _COUNT.pack(len(self.pulled)), *map(_ID.pack, ids)))

    @staticmethod
    def unpack(header: bytes) -> Viewing:
        """The inverse, of a whole header that is not a builder's mark."""
        as_of: int = _HEADER.unpack_from(header)[1]
        (pulled,) = _COUNT.unpack_from(header, _HEADER.size)
        ids = tuple(id_ for (id_,) in _ID.iter_unpack(header[_HEADER.size + _COUNT.size :]))
        return Viewing(as_of, ids[:pulled], ids[pulled:])


@dataclass(frozen=True)
class Page(Slice):
    """A slice read from a timeline; shorter than asked for without `is_end`: it is cut there."""

    viewing: Viewing = Viewing()


@dataclass(frozen=True)
class Snapshot:
    """A timeline as it is, for staff and audits: entries and header, seconds left to live."""

    refs: list[Ref]
    kind: bytes
    viewing: Viewing
    ttl_seconds: float


def _number(value: int) -> bytes:
    """As an argument of a script."""
    return b"%d" % value


def deliver(*, keys: Iterable[str], refs: Iterable[Ref]) -> int:
    """Put posts into warm timelines, each once and in its place; returns how many went in.

    One round trip and one script call a hash slot. Again, it changes nothing.
    """
    return deliver_to_slots(slots=by_slot(keys), refs=refs)


def deliver_to_slots(
    *, slots: Iterable[Sequence[str]], refs: Iterable[Ref], as_of: int | None = None
) -> int:
    """The same, to keys of which those of a hash slot come together.

    `as_of`: the graph position before which they were looked up; None: whoever they are, they are
    right.
    """
    position = b"" if as_of is None else _ID.pack(as_of)
    cap = settings.TIMELINE_CAP
    numbers = _number(cap), _number(cap // SLACK)
    arguments = [*numbers, position, *(_ENTRY.pack(*ref) for ref in refs)]
    calls: list[Call] = [(keys, arguments) for keys in slots]
    return sum(run_scripts(cache_valkey(), "deliver", calls)) if calls else 0


def read(*, key: str, before: int | None, limit: int, keep: bool = True) -> Page | None:
    """Up to `limit` entries older than the post `before`; None when cold or being built.

    One round trip, which also keeps the timeline for another TIMELINE_IDLE_DAYS; not if not `keep`.
    """
    return read_many(keys=[key], before=before, limit=limit, keep=keep)[key]


def read_many(
    *, keys: Sequence[str], before: int | None, limit: int, keep: bool = True
) -> dict[str, Page | None]:
    """`read` of several timelines, by key; one round trip and one script call a hash slot."""
    after = b"" if before is None else _ENTRY.pack(before, 0)
    arguments = [
        _number(limit),
        _number(settings.TIMELINE_IDLE_DAYS * _DAY) if keep else b"",
        after,
    ]
    slots = by_slot(keys)
    calls: list[Call] = [(slot_keys, arguments) for slot_keys in slots]
    answers = run_scripts(cache_valkey(), "read", calls) if calls else []
    return {
        key: None if answer is None else _page(*answer)
        for slot_keys, slot_answers in zip(slots, answers, strict=True)
        for key, answer in zip(slot_keys, slot_answers, strict=True)
    }


def _page(header: bytes, reached: int, entries: bytes) -> Page:
    is_end = bool(reached) and _HEADER.unpack_from(header)[0] == COMPLETE
    return Page(list(_ENTRY.iter_unpack(entries)), is_end, viewing=Viewing.unpack(header))


def begin_build(*, key: str, as_of: int) -> bytes | None:
    """Become the one builder of a cold timeline: its mark, or None when another is, or it is warm.

    To be called before SQL is read: whatever is delivered from now on is kept. `as_of` is the
    graph position, asked for before that.
    """
    mark = _HEADER.pack(BUILDING, as_of) + secrets.token_bytes(8)
    arguments = [mark, _number(BUILD_LEASE_MS)]
    (began,) = run_scripts(cache_valkey(), "begin_build", [([key.encode()], arguments)])
    return mark if began else None


def finish_build(
    *, key: str, mark: bytes, refs: Sequence[Ref], is_end: bool, viewing: Viewing
) -> bool:
    """Make a timeline warm with what SQL had, newest first; False when it was dropped meanwhile."""
    entries = [_ENTRY.pack(*ref) for ref in refs]
    seconds = settings.TIMELINE_IDLE_DAYS * _DAY
    numbers = map(_number, (settings.TIMELINE_CAP, seconds, is_end))
    arguments = [mark, *numbers, viewing.pack(), *entries]
    return bool(run_scripts(cache_valkey(), "finish_build", [([key.encode()], arguments)])[0])


def remove(*, keys: Iterable[str], ref: Ref) -> None:
    """Take a post out of timelines; one round trip."""
    run_scripts(cache_valkey(), "remove", [([key.encode()], [_ENTRY.pack(*ref)]) for key in keys])


def drop(*, keys: Iterable[str]) -> int:
    """Make timelines cold; who is building one meanwhile does not get to keep it.

    Returns how many there were. One round trip.
    """
    return sum(exchange(cache_valkey(), [("UNLINK", key) for key in keys]))


def peek(*, key: str) -> Snapshot | None:
    """A whole timeline, without counting as a read of it; None when cold."""
    pipeline = cache_valkey().pipeline(transaction=False)
    pipeline.lrange(key, 0, -1)
    pipeline.pttl(key)
    elements, milliseconds = pipeline.execute()
    if not elements:
        return None
    header, *entries = elements
    kind, as_of = _HEADER.unpack_from(header)
    viewing = Viewing(as_of) if kind == BUILDING else Viewing.unpack(header)
    return Snapshot([_ENTRY.unpack(entry) for entry in entries], kind, viewing, milliseconds / 1000)


def scan_keys(*, prefix: str) -> Iterator[str]:
    """The keys of all timelines that begin so, as SCAN finds them; a key may come twice."""
    for key in cache_valkey().scan_iter(match=f"{prefix}*", count=_SCAN_COUNT):
        yield cast("bytes", key).decode(errors="replace")


def random_keys(*, count: int) -> set[str]:
    """Up to `count` keys of CACHE, of any kind, drawn at random; one round trip."""
    pipeline = cache_valkey().pipeline(transaction=False)
    for _ in range(count):
        pipeline.randomkey()
    drawn = pipeline.execute()
    return {cast("bytes", key).decode(errors="replace") for key in drawn if key is not None}


def sizes(*, keys: Sequence[str]) -> list[tuple[int, int]]:
    """(entries, bytes of memory) of each timeline that is there; one round trip."""
    pipeline: Any = cache_valkey().pipeline(transaction=False)
    for key in keys:
        pipeline.llen(key)
        pipeline.memory_usage(key, samples=0)
    answers = pipeline.execute()
    pairs = zip(answers[::2], answers[1::2], strict=True)
    return [(length - 1, used) for length, used in pairs if length and used]
