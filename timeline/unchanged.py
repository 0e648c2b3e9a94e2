"""Whether a page is what a client has already, without making it again.

What a page is made of is a few looks into CACHE. When somebody asks whether it has changed, and it
has not, these are kept in CACHE, packed, with a hash of the replies. Whoever asks next, whichever
process, gets the same answer from the same looks: all of them in one round trip, and the replies
are hashed instead of being made into a page. The slightest difference, and the page is made.

Nothing is kept of a page that took any SQL. Nothing depends on what is kept: it may vanish at any
time. What it says is true of the moment at which the looks are made, and of the code that has made
the page: other code may look elsewhere, or show something else, and finds nothing of it.
"""

from __future__ import annotations

import logging
import marshal
from collections import OrderedDict
from hashlib import sha256
from pathlib import Path

from redis import ResponseError

from core.http.requests import sql_statements
from core.valkey import (
    Recording,
    ValkeyUnavailable,
    cache_valkey,
    exchange,
    exchange_packed,
    packed,
)
from timeline.keys import unchanged_key

logger = logging.getLogger(__name__)

KEPT_SECONDS = 300
# A process remembers what is kept of so many pages; 7 kB each.
PAGES_REMEMBERED = 512
_COUNT_BYTES, _HASH_BYTES = 2, 32
_PROJECT = Path(__file__).parents[1]
# Whatever has a part in a page.
_PARTS = ("timeline", "posts", "comments", "media", "users", "usergraph", "core")
_CODE = sha256(
    b"".join(
        path.read_bytes()
        for part in _PARTS
        for path in sorted((_PROJECT / part).rglob("*"))
        if path.suffix in {".py", ".lua"}
    )
).hexdigest()
_remembered: OrderedDict[str, bytes] = OrderedDict()
# Without references, which depend on more than the value.
_MARSHAL_VERSION = 2


def is_unchanged(*, viewer_id: int, address: str, etag: str) -> bool:
    """Whether the page at an address is still what it was when it had this ETag; False: nobody
    knows. One round trip where it has been asked before, else two.
    """
    key = unchanged_key(viewer_id, _name(address, etag))
    try:
        kept = _remembered.get(key) or exchange(cache_valkey(), [("GET", key)])[0]
        if not kept:
            return False
        _remember(key, kept)
        count, rest = int.from_bytes(kept[:_COUNT_BYTES]), kept[_COUNT_BYTES:]
        replies = exchange_packed(cache_valkey(), rest[_HASH_BYTES:], count)
    except (ResponseError, *ValkeyUnavailable):
        return False  # which is logged by who makes the page
    if rest[:_HASH_BYTES] != _hash(replies):
        _remembered.pop(key, None)
        return False
    return True


def keep(*, viewer_id: int, address: str, etag: str, recording: Recording) -> None:
    """Keep what a page with this ETag was made of, if that is all recorded; one round trip."""
    if sql_statements() != 0 or not recording.commands or not recording.is_replayable:
        return
    count = len(recording.commands).to_bytes(_COUNT_BYTES)
    value = count + _hash(recording.replies) + packed(recording.commands)
    key = unchanged_key(viewer_id, _name(address, etag))
    try:
        exchange(cache_valkey(), [("SET", key, value, "EX", KEPT_SECONDS)])
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("CACHE is down or full: what %s is made of is not kept", address)


def _remember(key: str, kept: bytes) -> None:
    _remembered[key] = kept
    if len(_remembered) > PAGES_REMEMBERED:
        _remembered.popitem(last=False)


def _name(address: str, etag: str) -> str:
    return sha256(f"{_CODE} {etag} {address}".encode()).hexdigest()[:32]


def _hash(replies: list[object]) -> bytes:
    """Of replies; an error among them, which cannot be marshalled, is like no other reply."""
    try:
        return sha256(marshal.dumps(replies, _MARSHAL_VERSION)).digest()
    except ValueError:
        return b""
