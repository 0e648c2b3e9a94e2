"""Reads of Timeline: pages of what is shown of posts; for staff, where a post is.

A page is full unless the timeline ends there: what is left out, because a post or its author is
gone or hidden, is made up for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeVar

from core.valkey import ValkeyUnavailable
from timeline import store
from timeline.slices import (
    Timeline,
    home_timeline,
    profile_timeline,
    slice_in_sql,
    timeline_slice,
)
from timeline.store import Slice

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
    seen: Collection[int] = (),
    show: Callable[..., Mapping[int, Shown]],
) -> tuple[dict[int, Shown], int | None]:
    """Up to `limit` posts older than `before` and newer than `since`, newest first, by id.

    But for those in `seen`. `show(post_ids=...)` says what is shown of those posts that may be.
    Also returns the position from which to go on, None at the end.
    """
    page: dict[int, Shown] = {}
    read: Callable[..., Slice] = timeline_slice
    position, is_end = before, False
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
        ids = [
            post_id
            for post_id, author_id in part.refs
            if author_id not in part.hidden and post_id not in seen
        ]
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


class Place(StrEnum):
    """Where a post is as to a timeline in Valkey; but for the first two, SQL answers for it."""

    LISTED = "in the list"
    MISSING = "not in the list"
    BELOW = "older than the cut"
    BUILDING = "being built"
    COLD = "cold"
    DOWN = "CACHE is down"


@dataclass(frozen=True)
class Whereabouts:
    """Where a post is as to one timeline, and what the timeline is like.

    `rank` counts from the newest entry, 1, and is 0 of what is not listed; `as_of` is the graph
    position that it was built at; `pulled` and `hidden` are the authors that it names as such.
    """

    place: Place
    rank: int = 0
    length: int = 0
    is_cut: bool = False
    ttl_seconds: float = 0
    as_of: int = 0
    pulled: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()


@dataclass(frozen=True)
class HomeWhereabouts:
    """Where a post is as to a viewer's home timeline.

    `profile` is the author's own timeline, when the next read pulls from it; `is_named`: whether
    that read, as it comes to the post's place, names it to be shown.
    """

    home: Whereabouts
    profile: Whereabouts | None
    is_named: bool


def home_whereabouts(*, viewer_id: int, post_id: int, author_id: int | None) -> HomeWhereabouts:
    """Where a post is, existing or not; nothing is built for it, and nothing lives longer.

    `is_named` comes from the read's own code, a moment after the rest. It does not foresee that a
    page with a great many entries to leave out is made up from SQL (`ROUNDS_IN_VALKEY`).
    """
    timeline = home_timeline(user_id=viewer_id)
    position = post_id + 1
    try:
        home = _whereabouts(timeline, post_id)
        pulled = timeline.followed().pulled if home.place is Place.COLD else home.pulled
        profile = None
        if author_id is not None and author_id in pulled:
            profile = _whereabouts(profile_timeline(user_id=author_id), post_id)
        part = timeline_slice(timeline=timeline, before=position, limit=1, keep=False)
    except ValkeyUnavailable:
        home, profile = Whereabouts(Place.DOWN), None
        part = slice_in_sql(timeline=timeline, before=position, limit=1)
    named = {id_ for id_, by in part.refs if by not in part.hidden}
    return HomeWhereabouts(home, profile, is_named=post_id in named)


def _whereabouts(timeline: Timeline, post_id: int) -> Whereabouts:
    seen = store.peek(key=timeline.key)
    if seen is None:
        return Whereabouts(Place.COLD)
    ids = [id_ for id_, _ in seen.refs]
    is_cut = seen.kind == store.CUT
    if seen.kind == store.BUILDING:
        place = Place.BUILDING
    elif post_id in ids:
        place = Place.LISTED
    else:
        place = Place.BELOW if is_cut and post_id < ids[-1] else Place.MISSING
    return Whereabouts(
        place,
        rank=ids.index(post_id) + 1 if place is Place.LISTED else 0,
        length=len(ids),
        is_cut=is_cut,
        ttl_seconds=max(0.0, seen.ttl_seconds),
        as_of=seen.viewing.as_of,
        pulled=seen.viewing.pulled,
        hidden=seen.viewing.hidden,
    )
