"""Makes timelines in CACHE differ from SQL, for the tests of audits."""

import struct
from typing import cast

from core.valkey import cache_valkey
from timeline import entries, store
from timeline.entries import Timeline
from timeline.store import Ref, Viewing


def warm(timeline: Timeline) -> None:
    assert entries.build(timeline=timeline) is not None


def refs_of(timeline: Timeline) -> list[Ref]:
    stored = store.peek(key=timeline.key)
    assert stored is not None
    return stored.refs


def put(timeline: Timeline, refs: list[Ref]) -> None:
    """Replace the entries of a warm timeline with `refs`, in this order. The header stays."""
    client = cache_valkey()
    header = cast("bytes", client.lindex(timeline.key, 0))
    client.delete(timeline.key)
    client.rpush(timeline.key, header, *(struct.pack(">qq", *ref) for ref in refs))


def change_header(timeline: Timeline, viewing: Viewing) -> None:
    """Replace what the header of a warm timeline says of its viewer."""
    client = cache_valkey()
    header = client.lindex(timeline.key, 0)
    assert isinstance(header, bytes)
    client.lset(timeline.key, 0, header[:1] + viewing.pack())  # type: ignore[arg-type]
