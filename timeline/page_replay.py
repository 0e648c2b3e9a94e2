"""Page replay: tells that a client's page is unchanged, without making the page again.

A page is made of the replies to a few commands to CACHE. When a client asks whether its page is
unchanged, and it is, the replay of that page is stored in CACHE: those commands, packed, and a hash
of their replies. For the next such request, any process sends the commands again, in one round
trip. The same hash means the same page. Any difference means that the page has to be made.

A page that took SQL has no replay, and neither has one that read CACHE in another way than by
`exchange`: a replay would not notice their changes. A replay may be evicted at any time.
It is true at the moment at which its commands are sent, and only for the code that made the page:
other code may read other keys, or show something else, so another release does not find it. A page
with addresses that end is unchanged until others are made (`media.addresses`), and its replay ends
then.
"""

import logging
import marshal
import struct
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from redis import ResponseError

from core.release import code_hash
from core.sql import sql_statements
from core.valkey import (
    Recording,
    ValkeyUnavailable,
    cache_valkey,
    exchange,
    exchange_packed,
    packed,
)
from timeline.keys import page_replay_key

logger = logging.getLogger(__name__)

TTL_SECONDS = 300
# A process keeps the replays of this many pages in its memory; 7 kB each.
REPLAYS_IN_MEMORY = 512
# The number of commands, until when it holds in Unix seconds, and the hash of the replies.
_HEAD = struct.Struct(">Hd32s")
_in_memory: OrderedDict[str, bytes] = OrderedDict()
# Without references between objects, which depend on more than the values.
_MARSHAL_VERSION = 2


@dataclass(frozen=True)
class PageReplay:
    """The replay of the page that a client has: whose page, its address, and its weak ETag."""

    viewer_id: int
    address: str
    etag: str

    def is_unchanged(self) -> bool:
        """Whether the page at the address still has this ETag; False also when that is not known.

        Two round trips; one when the replay is in the memory of this process.
        """
        key = self._key()
        try:
            stored = _in_memory.get(key) or exchange(cache_valkey(), [("GET", key)])[0]
            if not stored or len(stored) < _HEAD.size:
                return False
            _keep_in_memory(key, stored)
            count, holds_until, wanted = _HEAD.unpack_from(stored)
            if time.time() >= holds_until:
                return False
            replies = exchange_packed(cache_valkey(), stored[_HEAD.size :], count)
        except (ResponseError, *ValkeyUnavailable):
            return False  # making the page logs it
        if wanted != _hash(replies):
            _in_memory.pop(key, None)
            return False
        return True

    def store(self, recording: Recording) -> None:
        """Store the replay of a page that has just been made; one round trip.

        `recording`: what was sent to CACHE while the page was made. Stores nothing if the page took
        SQL, or if the recording is not all that was read.
        """
        if sql_statements() != 0 or not recording.commands or not recording.is_replayable:
            return
        head = _HEAD.pack(len(recording.commands), recording.holds_until, _hash(recording.replies))
        value = head + packed(recording.commands)
        try:
            exchange(cache_valkey(), [("SET", self._key(), value, "EX", TTL_SECONDS)])
        except (ResponseError, *ValkeyUnavailable):
            logger.exception("CACHE is down or full: the replay of %s is not stored", self.address)

    def _key(self) -> str:
        name = sha256(f"{code_hash()} {self.etag} {self.address}".encode()).hexdigest()[:32]
        return page_replay_key(self.viewer_id, name)


def _keep_in_memory(key: str, stored: bytes) -> None:
    _in_memory[key] = stored
    if len(_in_memory) > REPLAYS_IN_MEMORY:
        _in_memory.popitem(last=False)


def _hash(replies: list[object]) -> bytes:
    """A hash of replies; empty, so equal to no hash, when there is an error among them."""
    try:
        return sha256(marshal.dumps(replies, _MARSHAL_VERSION)).digest()
    except ValueError:
        return b""
