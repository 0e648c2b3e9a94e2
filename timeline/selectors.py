"""Reads of Timeline for staff: where a post is. Clients get their pages from `timeline.pages`."""

from dataclasses import dataclass
from enum import StrEnum

from core.valkey import ValkeyUnavailable
from timeline import store
from timeline.entries import Timeline, home_timeline, profile_timeline, slice_in_sql, timeline_slice


class Place(StrEnum):
    """Where a post is in a timeline's list. In all places but the first two, SQL answers for it."""

    LISTED = "in the list"
    MISSING = "not in the list"
    BELOW = "older than the cut"
    BUILDING = "being built"
    COLD = "cold"
    DOWN = "CACHE is down"


@dataclass(frozen=True)
class Whereabouts:
    """A post's `rank` (1: the newest; 0: not there) and its timeline's state (`store.Viewing`)."""

    place: Place
    rank: int = 0
    length: int = 0
    is_cut: bool = False
    ttl_seconds: float = 0
    graph_lsn: int = 0
    pulled: tuple[int, ...] = ()


@dataclass(frozen=True)
class HomeWhereabouts:
    """Where a post is in a viewer's home timeline.

    `profile`: the same for the author's profile timeline, if the next read pulls from it; else
    None. `is_named`: whether the next read that gets as far as the post finds its entry.
    """

    home: Whereabouts
    profile: Whereabouts | None
    is_named: bool


def home_whereabouts(*, viewer_id: int, post_id: int, author_id: int | None) -> HomeWhereabouts:
    """Where a post is, whether or not it exists. Read-only: it builds nothing and extends no life.

    `is_named` comes from the same code as a page, a moment after the rest. It does not know that a
    page that leaves out very many entries goes on in SQL (`pages.ROUNDS_IN_VALKEY`).
    """
    timeline = home_timeline(user_id=viewer_id)
    before = post_id + 1
    try:
        home = _whereabouts(timeline, post_id)
        pulled = timeline.followed().pulled if home.place is Place.COLD else home.pulled
        profile = None
        if author_id is not None and author_id in pulled:
            profile = _whereabouts(profile_timeline(user_id=author_id), post_id)
        part = timeline_slice(timeline=timeline, before=before, limit=1, read_only=True)
    except ValkeyUnavailable:
        home, profile = Whereabouts(Place.DOWN), None
        part = slice_in_sql(timeline=timeline, before=before, limit=1)
    return HomeWhereabouts(home, profile, is_named=post_id in dict(part.refs))


def _whereabouts(timeline: Timeline, post_id: int) -> Whereabouts:
    stored = store.peek(key=timeline.key)
    if stored is None:
        return Whereabouts(Place.COLD)
    ids = [id_ for id_, _ in stored.refs]
    is_cut = stored.kind == store.CUT
    if stored.kind == store.BUILDING:
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
        ttl_seconds=max(0.0, stored.ttl_seconds),
        graph_lsn=stored.viewing.graph_lsn,
        pulled=stored.viewing.pulled,
    )
