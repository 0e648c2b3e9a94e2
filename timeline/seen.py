"""Pull to refresh: which posts a client has seen, so that it gets each newer post exactly once.

A post gets its id when it is inserted, and can be read once it is delivered: a little later, and
sometimes after a younger post. So a client that asks for "newer than the newest that I have seen"
would miss a late post for ever. Instead the client sends back a token that holds what it has seen:
a floor, below which every post had been delivered, and the ids of the posts seen above the floor.

A client reads what is newer page by page: a walk. Its pages come from several processes, at any
times, and what is delivered meanwhile may be above the pages still to come. So the whole walk goes
by what had been delivered before its first page, which travels in the token.
"""

import logging
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.http.pagination import (
    decode_cursor,
    encode_cursor,
    ids_as_text,
    ids_in,
    not_of_this_list,
)
from core.valkey import ValkeyUnavailable, state_valkey
from timeline.keys import delivered_up_to_key

logger = logging.getLogger(__name__)

# A token holds this many ids above the floor, and twice as many while a client reads page by page.
MAX_IDS = 100
# The longest token: 16 hexadecimal digits for the floor and for what had been delivered, 10 for the
# step from each id to the next (a step of a whole day), and a blank before each number; signed, in
# base64.
MAX_TOKEN_LENGTH = 3200
_TOKEN = re.compile(r"seen((?: [0-9a-f]{1,16})+)(?: walk ([0-9a-f]{1,16}))?")
# A process asks STATE this often, in seconds. The answer only grows, so an old one is safe.
_ASKED_EVERY = 1.0
_asked_last: tuple[float, int] = (0.0, 0)


def delivered_up_to() -> int:
    """The id up to which every post has been delivered; 0 while that is not known."""
    global _asked_last  # noqa: PLW0603  (cached for this process)
    asked_at, answer = _asked_last
    if time.monotonic() - asked_at >= _ASKED_EVERY:
        try:
            answer = int(state_valkey().get(delivered_up_to_key()) or 0)
        except ValkeyUnavailable:
            logger.exception("STATE is down: up to where posts are delivered is not known")
        _asked_last = time.monotonic(), answer
    return answer


@dataclass(frozen=True)
class SeenPosts:
    """What a client has seen of a timeline: all posts up to `floor`, and the newer posts `ids`.

    `walk`: during a walk, the answer of `delivered_up_to` before its first page; else None.
    """

    floor: int = 0
    ids: frozenset[int] = frozenset()
    walk: int | None = None

    def encode(self) -> str:
        """An opaque, signed token of at most MAX_TOKEN_LENGTH characters."""
        walk = "" if self.walk is None else f" walk {self.walk:x}"
        return encode_cursor(f"seen {ids_as_text([self.floor, *self.ids])}{walk}")

    @staticmethod
    def decode(token: str) -> "SeenPosts":
        """Decode a token from the query parameter `since`; raises `Invalid`."""
        match = _TOKEN.fullmatch(decode_cursor(token, str, parameter="since"))
        if match is None:
            raise not_of_this_list("since")
        floor, *ids = ids_in(match[1])
        return SeenPosts(floor, frozenset(ids), None if match[2] is None else int(match[2], 16))

    def delivered(self) -> int:
        """The id up to which every post had been delivered before this walk began."""
        return delivered_up_to() if self.walk is None else self.walk

    def with_page(self, post_ids: Iterable[int], *, delivered: int) -> "SeenPosts":
        """The same floor, and the posts of one more page: what the next page must not repeat.

        `delivered`: the answer of `self.delivered` before the page was read.
        """
        known = sorted({*self.ids, *post_ids}, reverse=True)
        ids = [id_ for id_ in known if id_ > delivered or id_ in self.ids or id_ == known[0]]
        if len(ids) > 2 * MAX_IDS:
            # The oldest ids were seen before this walk, and later pages must leave them out. The
            # newest ids are those that `up_to_page` needs.
            ids = ids[:MAX_IDS] + ids[-MAX_IDS:]
        return SeenPosts(self.floor, frozenset(ids), walk=delivered)

    def up_to_page(self, post_ids: Sequence[int], *, is_last: bool, delivered: int) -> "SeenPosts":
        """What the client has seen once it has one more page and all older posts.

        With a higher floor: to ask for what comes later. `is_last`: the page reaches down to the
        old floor. If not, the new floor is at the page's last post or above: the client still has
        to read what is older, page by page.
        """
        ids = sorted(self.with_page(post_ids, delivered=delivered).ids, reverse=True)
        if not ids:
            return SeenPosts(self.floor)
        floors = [self.floor, delivered]
        if not is_last and post_ids:
            floors.append(post_ids[-1])
        if len(ids) > MAX_IDS:
            floors.append(ids[MAX_IDS - 1] - 1)
        floor = min(max(floors), ids[0])
        return SeenPosts(floor, frozenset(id_ for id_ in ids if id_ > floor))
