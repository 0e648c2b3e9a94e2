"""Pages of timelines: the posts that a client is shown.

A page is full unless the timeline ends there: entries whose post or author does not exist any more,
or is hidden, are left out, and older entries take their places.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice

from core.http.etags import etag_of
from core.valkey import ValkeyUnavailable, recorded_reads
from posts import selectors as post_selectors
from timeline.entries import (
    Timeline,
    home_timeline,
    profile_timeline,
    slice_in_sql,
    timeline_slice,
)
from timeline.page_replay import PageReplay
from timeline.seen import SeenPosts
from timeline.store import TimelineSlice

logger = logging.getLogger(__name__)

# The first round reads one entry more than the page needs, and SPARE ones for those of posts that
# the viewer may not see. Later rounds read SECOND_STEP entries.
# After ROUNDS_IN_VALKEY rounds, SQL is read: a list may name any number of deleted posts, and of
# posts for close friends; SQL names only those that the viewer may see. A page needs more than
# MAX_ROUNDS only while posts are deleted between two queries.
MAX_ROUNDS = 8
ROUNDS_IN_VALKEY = 2
SECOND_STEP = 100
SPARE = 10


@dataclass(frozen=True)
class TimelinePage:
    """A page of a timeline.

    `documents`: the posts as JSON, by id, newest first. `next_cursor`: where the next page begins;
    None at the end. `etag`: a weak ETag of both. `next_since`: what the next page leaves out;
    None unless the client asked for newer posts only. `newer_since`: what to leave out when the
    client later asks for newer posts; None on the later pages of a timeline. `is_unchanged`: the
    client has this page already; it was not made, and only its ETag is here.
    """

    etag: str
    documents: Mapping[int, bytes]
    next_cursor: int | None = None
    next_since: SeenPosts | None = None
    newer_since: SeenPosts | None = None
    is_unchanged: bool = False


def home_page(
    *,
    viewer_id: int,
    limit: int,
    cursor: int | None = None,
    since: SeenPosts | None = None,
    replay: PageReplay | None = None,
) -> TimelinePage:
    """Up to `limit` posts of a home timeline, older than the post `cursor` and not in `since`.

    `replay`: the page that the client has. If it tells that this is unchanged, no page is made.
    """
    if replay is not None and replay.is_unchanged():
        return TimelinePage(replay.etag, {}, is_unchanged=True)
    timeline = home_timeline(user_id=viewer_id)
    if replay is None:
        return _page(timeline, viewer_id, limit, cursor, since)
    with recorded_reads() as recording:
        page = _page(timeline, viewer_id, limit, cursor, since)
    if page.etag == replay.etag:
        replay.store(recording)
    return page


def profile_page(
    *,
    user_id: int,
    viewer_id: int,
    limit: int,
    cursor: int | None = None,
    since: SeenPosts | None = None,
) -> TimelinePage:
    """The same as `home_page`, of one user's own posts. It takes no replay: SQL finds the user."""
    return _page(profile_timeline(user_id=user_id), viewer_id, limit, cursor, since)


def _page(
    timeline: Timeline, viewer_id: int, limit: int, cursor: int | None, since: SeenPosts | None
) -> TimelinePage:
    seen = since or SeenPosts()
    # Before the page is read: what is delivered meanwhile may not be on it.
    delivered = seen.delivered()
    documents, next_cursor = _documents(timeline, viewer_id, limit, cursor, seen)
    next_since = newer_since = None
    if since is not None:
        next_since = since.with_page(documents, delivered=delivered)
    if since is not None or cursor is None:
        is_last = next_cursor is None
        newer_since = seen.up_to_page(list(documents), is_last=is_last, delivered=delivered)
    etag = etag_of([b"%d" % (next_cursor or 0), *documents.values()])
    return TimelinePage(etag, documents, next_cursor, next_since, newer_since)


def _documents(
    timeline: Timeline, viewer_id: int, limit: int, cursor: int | None, seen: SeenPosts
) -> tuple[dict[int, bytes], int | None]:
    """The documents of a page, by post id, and the cursor of the next page; None at the end."""
    documents: dict[int, bytes] = {}
    read: Callable[..., TimelineSlice] = timeline_slice
    read_sql = partial(slice_in_sql, viewer_id=viewer_id)
    before, is_end = cursor, False
    # One post more than the page holds tells whether there is a next page.
    step = limit + 1 + SPARE
    for round_ in range(MAX_ROUNDS):
        if round_ >= ROUNDS_IN_VALKEY:
            read = read_sql
        try:
            part = read(timeline=timeline, before=before, limit=step, since=seen.floor)
        except ValkeyUnavailable:
            logger.exception("CACHE is down: %s is read from SQL", timeline.key)
            read = read_sql
            part = read(timeline=timeline, before=before, limit=step, since=seen.floor)
        ids = [post_id for post_id, _ in part.refs if post_id not in seen.ids]
        found = post_selectors.post_documents(
            post_ids=ids, viewer_id=viewer_id, at_most=limit + 1 - len(documents)
        )
        documents |= {post_id: found[post_id] for post_id in ids if post_id in found}
        if len(documents) > limit:
            break
        is_end = part.is_end
        if part.refs:
            before = part.refs[-1][0]
        if is_end:
            break
        step = max(step, SECOND_STEP)
    if len(documents) > limit:
        documents = dict(islice(documents.items(), limit))
        return documents, next(reversed(documents))
    return documents, None if is_end else before
