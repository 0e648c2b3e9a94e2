"""Pull to refresh: what has come since a client last looked, without a gap and once each.

A post gets its id when it is inserted, and is seen when it has been delivered: a little later, and
now and then after a younger one. So "newer than the newest seen" would miss it for ever. What a
client has seen is therefore kept as a floor a while ago and the ids of the posts above it, in a
token that the client sends back.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from socialfeed.common.ids import first_id_at
from socialfeed.common.pagination import decode_cursor, encode_cursor, not_of_this_list

# After its lease, a delivery whose worker has died waits for the sweeper, and is made again.
_SWEEPING = timedelta(seconds=30)
# So many posts are remembered, and twice as many while pages are read: up to 1.5 kB of address.
MAX_IDS = 50
_TOKEN = re.compile(r"seen((?: [0-9a-f]{1,16})+)")


@dataclass(frozen=True)
class Seen:
    """What a client has seen of a timeline: all up to `floor`, and of what is newer, `ids`.

    A token holds MAX_IDS of them. Those too old for anything to come in late beside them are left
    out, but for the newest of all.
    """

    floor: int = 0
    ids: frozenset[int] = frozenset()

    def encode(self) -> str:
        """As an opaque, signed token."""
        numbers = [self.floor, *(id_ - self.floor for id_ in sorted(self.ids))]
        return encode_cursor(" ".join(["seen", *map("{:x}".format, numbers)]))

    @staticmethod
    def decode(token: str) -> Seen:
        """From the token in the query parameter `since`; raises `Invalid`."""
        match = _TOKEN.fullmatch(decode_cursor(token, str, parameter="since"))
        if match is None:
            raise not_of_this_list("since")
        floor, *above = (int(number, 16) for number in match[1].split())
        return Seen(floor, frozenset(floor + number for number in above))

    def with_page(self, post_ids: Sequence[int], *, now: datetime) -> Seen:
        """And a page of what is newer: for its next page, with the same floor."""
        late, newest = _oldest_late_id(now), max([*self.ids, *post_ids], default=0)
        read = {id_ for id_ in post_ids if id_ > late or id_ == newest}
        ids = sorted(self.ids | read, reverse=True)
        if len(ids) > 2 * MAX_IDS:
            # The oldest are what was seen before, and to be left out of the pages to come; the
            # newest are what `up_to_page` will need.
            ids = ids[:MAX_IDS] + ids[-MAX_IDS:]
        return Seen(self.floor, frozenset(ids))

    def up_to_page(self, post_ids: Sequence[int], *, is_last: bool, now: datetime) -> Seen:
        """And a page, and all that is older: for what will have come since.

        `is_last`: the page reaches down to the floor. If not, only what comes in above its last
        post will be found late; the rest is still to be read.
        """
        ids = sorted(self.with_page(post_ids, now=now).ids, reverse=True)
        if not ids:
            return self
        floors = [self.floor, _oldest_late_id(now)]
        if not is_last and post_ids:
            floors.append(post_ids[-1])
        if len(ids) >= MAX_IDS:
            floors.append(ids[MAX_IDS - 1] - 1)
        floor = min(max(floors), ids[0])
        return Seen(floor, frozenset(id_ for id_ in ids if id_ > floor))


def _oldest_late_id(now: datetime) -> int:
    """Posts with ids above this may not have been delivered yet."""
    return first_id_at(now - timedelta(seconds=settings.FANOUT_LEASE_SECONDS) - _SWEEPING)
