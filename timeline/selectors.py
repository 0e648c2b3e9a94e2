"""Reads of Timeline: pages of post documents, from Valkey while it reaches, else from SQL.

Both timelines are read alike; they differ in their key and in whose posts they hold. A cursor is
the id of the last post seen, so it means the same in Valkey and in SQL: what is past the cap,
and all of it while a timeline is cold or Valkey is down, comes from SQL.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from posts import selectors as post_selectors
from socialfeed.common.consistency import primary_reads
from socialfeed.common.valkey import ValkeyUnavailable
from timeline import store
from timeline.keys import home_key, profile_key
from timeline.store import Ref, Slice
from usergraph import selectors as graph_selectors

logger = logging.getLogger(__name__)

# How often a page is made up for entries that are left out, and by how many entries at least.
MAX_ROUNDS = 8
MIN_STEP = 100


@dataclass(frozen=True)
class Timeline:
    """One timeline: its key, and whose posts it holds (asked of SQL only when SQL is read)."""

    key: str
    author_ids: Callable[[], Sequence[int]]


def home_timeline(*, user_id: int) -> Timeline:
    """The posts of a user and of everybody whom that user follows."""
    return Timeline(
        home_key(user_id), lambda: [user_id, *graph_selectors.followee_ids(follower_id=user_id)]
    )


def profile_timeline(*, user_id: int) -> Timeline:
    """A user's own posts."""
    return Timeline(profile_key(user_id), lambda: [user_id])


def timeline_page(
    *, timeline: Timeline, before: int | None, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Up to `limit` post documents older than the post `before`, newest first; and where to go on.

    Entries whose post or author is gone are left out and made up for, so a page is short only at
    the end, or where more than MAX_ROUNDS times MIN_STEP entries in a row are left out.
    """
    page: list[tuple[int, dict[str, Any]]] = []
    read, position, is_end = timeline_slice, before, False
    # One more than asked for tells whether there is a next page.
    step = limit + 1
    for _ in range(MAX_ROUNDS):
        try:
            part = read(timeline=timeline, before=position, limit=step)
        except ValkeyUnavailable:
            logger.exception("CACHE is down: %s comes from SQL", timeline.key)
            read = _slice_in_sql
            part = read(timeline=timeline, before=position, limit=step)
        ids = [post_id for post_id, _ in part.refs]
        documents = post_selectors.post_documents(post_ids=ids)
        page += [(id_, documents[id_]) for id_ in ids if id_ in documents]
        position, is_end = ids[-1] if ids else position, part.is_end
        if is_end or len(page) > limit:
            break
        step = max(step, MIN_STEP)
    if len(page) > limit:
        position = page[limit - 1][0]
    elif is_end:
        position = None
    return [document for _, document in page[:limit]], position


def timeline_slice(*, timeline: Timeline, before: int | None, limit: int) -> Slice:
    """Up to `limit` entries older than `before`; fewer only with `is_end`.

    Raises `ValkeyUnavailable` while CACHE is down.
    """
    part = store.read(key=timeline.key, before=before, limit=limit)
    if part is None:
        part = _build(timeline, before, limit)
    if part is None:
        return _slice_in_sql(timeline=timeline, before=before, limit=limit)
    if part.is_end or len(part.refs) >= limit:
        return part
    seam = part.refs[-1][0] if part.refs else before
    rest = _slice_in_sql(timeline=timeline, before=seam, limit=limit - len(part.refs))
    return Slice(part.refs + rest.refs, rest.is_end)


def _build(timeline: Timeline, before: int | None, limit: int) -> Slice | None:
    """Build a cold timeline and answer from what was read; None when another reader builds it."""
    mark = store.begin_build(key=timeline.key)
    if mark is None:
        return None
    built = _slice_in_sql(timeline=timeline, before=None, limit=settings.TIMELINE_CAP)
    store.finish_build(key=timeline.key, mark=mark, refs=built.refs, is_end=built.is_end)
    older = [ref for ref in built.refs if before is None or ref[0] < before]
    return Slice(older[:limit], built.is_end and len(older) <= limit)


def _slice_in_sql(*, timeline: Timeline, before: int | None, limit: int) -> Slice:
    """The same from SQL, from the primary: nothing that was delivered may be missing."""
    with primary_reads():
        refs: list[Ref] = post_selectors.post_refs(
            author_ids=timeline.author_ids(), before=before, limit=limit + 1
        )
    return Slice(refs[:limit], len(refs) <= limit)
