"""Pull to refresh: what has come since a client last looked, without a gap and once each.

A post gets its id when it is inserted, and is seen when it has been delivered: a little later, and
now and then after a younger one. So "newer than the newest seen" would miss it for ever. What a
client has seen is therefore kept as a floor, below which everything has been delivered, and the ids
of the posts above it, in a token that the client sends back.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.http.pagination import decode_cursor, encode_cursor, not_of_this_list
from core.valkey import ValkeyUnavailable, state_valkey
from timeline.keys import delivered_up_to_key

logger = logging.getLogger(__name__)

# So many posts above the floor are remembered, and twice as many while pages are read.
MAX_IDS = 100
# What that takes at most as a token: 16 hexadecimal digits for the floor, 10 for the step from each
# id to the next (a whole day, in units of an id), and a blank before each; signed, in base64.
MAX_TOKEN_LENGTH = 3200
_TOKEN = re.compile(r"seen((?: [0-9a-f]{1,16})+)")
# Asked of STATE once in so many seconds a process: the answer only grows, so an old one is safe.
_ASKED_EVERY = 1.0
_asked_last: tuple[float, int] = (0.0, 0)


def delivered_up_to() -> int:
    """Up to which post everything has been delivered; 0 while that is not known."""
    global _asked_last  # noqa: PLW0603  (this process's copy)
    asked_at, answer = _asked_last
    if time.monotonic() - asked_at >= _ASKED_EVERY:
        try:
            answer = int(state_valkey().get(delivered_up_to_key()) or 0)
        except ValkeyUnavailable:
            logger.exception("STATE is down: what has been delivered is not known")
        _asked_last = time.monotonic(), answer
    return answer


@dataclass(frozen=True)
class Seen:
    """What a client has seen of a timeline: all up to `floor`, and of what is newer, `ids`."""

    floor: int = 0
    ids: frozenset[int] = frozenset()

    def encode(self) -> str:
        """As an opaque, signed token of at most MAX_TOKEN_LENGTH characters."""
        numbers, last = [self.floor], self.floor
        for id_ in sorted(self.ids):
            numbers.append(id_ - last)
            last = id_
        return encode_cursor(" ".join(["seen", *map("{:x}".format, numbers)]))

    @staticmethod
    def decode(token: str) -> Seen:
        """From the token in the query parameter `since`; raises `Invalid`."""
        match = _TOKEN.fullmatch(decode_cursor(token, str, parameter="since"))
        if match is None:
            raise not_of_this_list("since")
        floor, *steps = (int(number, 16) for number in match[1].split())
        ids, last = set(), floor
        for step in steps:
            last += step
            ids.add(last)
        return Seen(floor, frozenset(ids))

    def with_page(self, post_ids: Iterable[int], *, delivered: int) -> Seen:
        """And a page of what is newer: for its next page, with the same floor.

        `delivered`: up to which post everything was, before the page was read.
        """
        known = sorted({*self.ids, *post_ids}, reverse=True)
        ids = [id_ for id_ in known if id_ > delivered or id_ in self.ids or id_ == known[0]]
        if len(ids) > 2 * MAX_IDS:
            # The oldest are what was seen before, and to be left out of the pages to come; the
            # newest are what `up_to_page` will need.
            ids = ids[:MAX_IDS] + ids[-MAX_IDS:]
        return Seen(self.floor, frozenset(ids))

    def up_to_page(self, post_ids: Sequence[int], *, is_last: bool, delivered: int) -> Seen:
        """And a page, and all that is older: for what will have come since.

        `is_last`: the page reaches down to the floor. If not, only what comes in above its last
        post will be found late; the rest is still to be read.
        """
        ids = sorted(self.with_page(post_ids, delivered=delivered).ids, reverse=True)
        if not ids:
            return self
        floors = [self.floor, delivered]
        if not is_last and post_ids:
            floors.append(post_ids[-1])
        if len(ids) > MAX_IDS:
            floors.append(ids[MAX_IDS - 1] - 1)
        floor = min(max(floors), ids[0])
        return Seen(floor, frozenset(id_ for id_ in ids if id_ > floor))
