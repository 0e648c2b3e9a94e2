"""Reads of Timeline: pages of what is shown of posts.

A page is full unless the timeline ends there: what is left out, because a post or its author is
gone or hidden, is made up for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from itertools import islice
from typing import TypeVar

from socialfeed.common.valkey import ValkeyUnavailable
from timeline.slices import Timeline, slice_in_sql, timeline_slice

logger = logging.getLogger(__name__)
Shown = TypeVar("Shown")

# A page is asked for with one entry more, then made up from a larger step, and then, as lists may
# name any number of posts that are gone, from SQL, which names none. More rounds than these are
# needed only while posts are deleted between two queries.
MAX_ROUNDS = 8
ROUNDS_IN_VALKEY = 2
SECOND_STEP = 100


def timeline_page(
    *,
    timeline: Timeline,
    before: int | None,
    limit: int,
    since: int = 0,
    show: Callable[..., Mapping[int, Shown]],
) -> tuple[dict[int, Shown], int | None]:
    """Up to `limit` posts older than `before` and newer than `since`, newest first, by id.

    `show(post_ids=...)` says what is shown of those posts that may be. Also returns the position
    from which to go on, None at the end.
    """
    page: dict[int, Shown] = {}
    read, position, is_end = timeline_slice, before, False
    # One more than asked for tells whether there is a next page.
    step = limit + 1
    for round_ in range(MAX_ROUNDS):
        if round_ >= ROUNDS_IN_VALKEY:
            read = slice_in_sql
        try:
            part = read(timeline=timeline, before=position, limit=step, since=since)
        except ValkeyUnavailable:
            logger.exception("CACHE is down: %s comes from SQL", timeline.key)
            read = slice_in_sql
            part = read(timeline=timeline, before=position, limit=step, since=since)
        ids = [post_id for post_id, author_id in part.refs if author_id not in part.hidden]
        shown = show(post_ids=ids)
        page |= {id_: shown[id_] for id_ in ids if id_ in shown}
        is_end = part.is_end
        if part.refs:
            position = part.refs[-1][0]
        if is_end or len(page) > limit:
            break
        step = max(step, SECOND_STEP)
    if len(page) > limit:
        page = dict(islice(page.items(), limit))
        position = next(reversed(page))
    elif is_end:
        position = None
    return page, position
