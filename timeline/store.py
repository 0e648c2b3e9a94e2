"""Timelines in the CACHE Valkey: lists of 16-byte entries, newest first.

An entry is `(post_id, author_id)`, both big-endian, so that byte order is time order. The last
element says what the list is:

- `END` (16 zero bytes): complete, nothing is older;
- a builder's mark (8 zero bytes and a token): being built. Deliveries go in, reads do not;
- an ordinary entry: cut off at the cap, SQL knows what is older.

No key: cold. A delivery skips it, and the next read builds it. Both marks sort below every post,
so inserting in order never has to know of them. What every function here promises holds under
any interleaving with the others, because each is one script. Valkey down: `ValkeyUnavailable`.
"""

from __future__ import annotations

import secrets
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from socialfeed.common.valkey import cache_valkey
from timeline.scripts import Call, run_scripts

_ENTRY = struct.Struct(">qq")
_MARK = struct.Struct(">q8s")
ENTRY_BYTES = _ENTRY.size
END = bytes(ENTRY_BYTES)
_DAY = 24 * 3600
# A builder that takes longer than this does not get to keep what it read.
BUILD_LEASE_MS = 20_000

Ref = tuple[int, int]  # (post_id, author_id)


@dataclass(frozen=True)
class Slice:
    """Part of a timeline, newest first; `is_end` when nothing older exists."""

    refs: list[Ref]
    is_end: bool


def deliver(*, keys: Iterable[str], refs: Iterable[Ref]) -> int:
    """Put posts into warm timelines, each once and in its place; returns how many went in.

    One round trip and one script call a hash slot. Doing it again changes nothing.
    """
    arguments = [settings.TIMELINE_CAP, *(_ENTRY.pack(*ref) for ref in refs)]
    by_slot: defaultdict[str, list[str]] = defaultdict(list)
    for key in keys:
        by_slot[key[key.index("{") : key.index("}")]].append(key)
    calls: list[Call] = [(slot_keys, arguments) for slot_keys in by_slot.values()]
    return sum(run_scripts(cache_valkey(), "deliver", calls)) if calls else 0


def read(*, key: str, before: int | None, limit: int) -> Slice | None:
    """Up to `limit` entries older than the post `before`; None when cold or being built.

    Fewer than `limit` without `is_end`: the timeline is cut off there, SQL goes on. One round
    trip, which also keeps the timeline for another TIMELINE_IDLE_DAYS.
    """
    arguments: list[bytes | int] = [limit, settings.TIMELINE_IDLE_DAYS * _DAY]
    if before is not None:
        arguments.append(_ENTRY.pack(before, 0))
    answer = run_scripts(cache_valkey(), "read", [([key], arguments)])[0]
    return None if answer is None else _slice(answer)


def _slice(packed: bytes) -> Slice:
    is_end = packed.endswith(END)
    refs = [ref for ref in _ENTRY.iter_unpack(packed) if ref[0]]
    return Slice(refs, is_end)


def begin_build(*, key: str) -> bytes | None:
    """Become the one builder of a cold timeline: its mark, or None when another is, or it is warm.

    To be called before SQL is read: whatever is delivered from now on is kept.
    """
    mark = _MARK.pack(0, secrets.token_bytes(7) + b"\x01")
    began = run_scripts(cache_valkey(), "begin_build", [([key], [mark, BUILD_LEASE_MS])])[0]
    return mark if began else None


def finish_build(*, key: str, mark: bytes, refs: Sequence[Ref], is_end: bool) -> bool:
    """Make a timeline warm with what SQL had, newest first; False when it was dropped meanwhile."""
    entries = [_ENTRY.pack(*ref) for ref in refs]
    arguments = [mark, settings.TIMELINE_CAP, settings.TIMELINE_IDLE_DAYS * _DAY, *entries]
    if is_end:
        arguments.append(END)
    return bool(run_scripts(cache_valkey(), "finish_build", [([key], arguments)])[0])


def remove(*, keys: Iterable[str], ref: Ref) -> None:
    """Take a post out of timelines."""
    pipeline = cache_valkey().pipeline(transaction=False)
    for key in keys:
        pipeline.lrem(key, 1, _ENTRY.pack(*ref))  # type: ignore[arg-type]  # bytes are fine
    pipeline.execute()


def drop(*, keys: Iterable[str]) -> None:
    """Make timelines cold; who is building one meanwhile does not get to keep it."""
    pipeline = cache_valkey().pipeline(transaction=False)
    for key in keys:
        pipeline.unlink(key)
    pipeline.execute()
