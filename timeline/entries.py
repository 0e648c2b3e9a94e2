"""Reads the entries of a timeline, wherever they are stored.

Entries come from three places: the timeline's own list in Valkey, the profile lists of followed
authors who are too big to push, and SQL. A cursor is the id of a post, so it means the same in all
three. Lists are read down to where they are known to be complete; SQL goes on below that, down to
the very first post. The first reader of a cold timeline builds it; other readers answer from SQL
meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from core.ids import MAX_ID
from core.sql import primary_reads
from posts import selectors as post_selectors
from timeline import store
from timeline.keys import home_key, profile_key
from timeline.store import StoredSlice, TimelineSlice, Viewing
from usergraph import selectors as graph_selectors
from usergraph.selectors import FollowedAuthors

# One reader builds at most this many of the cold profile timelines that its page pulls from. One
# query in SQL answers for the other cold ones, and later readers build them.
MAX_BUILDS = 4

_NOBODY = FollowedAuthors(pushed=[], pulled=[], inactive=frozenset())


@dataclass(frozen=True)
class Timeline:
    """One timeline: its key in Valkey, its owner, and its kind."""

    key: str
    user_id: int
    is_home: bool

    @property
    def name(self) -> str:
        """The name of its kind."""
        return "home" if self.is_home else "profile"

    def followed(self) -> FollowedAuthors:
        """The authors whom it shows besides its owner; one query for a home timeline."""
        if not self.is_home:
            return _NOBODY
        return graph_selectors.followed_authors(viewer_id=self.user_id)


def home_timeline(*, user_id: int) -> Timeline:
    """The timeline with the posts of a user and of all whom that user follows."""
    return Timeline(home_key(user_id), user_id, is_home=True)


def profile_timeline(*, user_id: int) -> Timeline:
    """The timeline with a user's own posts."""
    return Timeline(profile_key(user_id), user_id, is_home=False)


def timeline_slice(
    *, timeline: Timeline, before: int | None, limit: int, since: int = 0, read_only: bool = False
) -> TimelineSlice:
    """Up to `limit` entries older than post `before` and newer than post `since`.

    Fewer only with `is_end`. Entries may name posts and authors that do not exist any more. A read
    extends the life of a timeline and may build it; with `read_only` it does neither. CACHE down:
    raises `ValkeyUnavailable`.
    """
    stored = store.read(key=timeline.key, before=before, limit=limit, read_only=read_only)
    if stored is None:
        stored = build(timeline=timeline, before=before, limit=limit, read_only=read_only)
    if stored is None:
        return slice_in_sql(timeline=timeline, before=before, limit=limit, since=since)
    merged: TimelineSlice = stored
    if stored.viewing.pulled:
        pulled = _pulled(stored.viewing.pulled, before, limit, read_only)
        merged = _merged([stored, *pulled], before, limit)
    refs = [ref for ref in merged.refs if ref[0] > since]
    is_end = merged.is_end or len(refs) < len(merged.refs)
    if not is_end and len(refs) < limit:
        seam = refs[-1][0] if refs else before
        rest = slice_in_sql(timeline=timeline, before=seam, limit=limit - len(refs), since=since)
        refs, is_end = refs + rest.refs, rest.is_end
    return TimelineSlice(refs, is_end)


def slice_in_sql(
    *,
    timeline: Timeline,
    before: int | None,
    limit: int,
    since: int = 0,
    viewer_id: int | None = None,
) -> TimelineSlice:
    """The same as `timeline_slice`, from SQL alone: posts that exist, by active authors, and those
    for close friends only if `viewer_id` may see them (None: all). Two queries.

    It reads the primaries, so that no delivered post is missing.
    """
    author_ids = [timeline.user_id, *timeline.followed().active()]
    return _slice_in_sql(author_ids, before, limit, since, viewer_id)


def build(
    *, timeline: Timeline, before: int | None = None, limit: int = 0, read_only: bool = False
) -> StoredSlice | None:
    """Build a cold timeline from SQL, and return the wanted slice of what was read.

    None when the timeline is warm, or another reader is building it. The order matters: first the
    graph LSN, then the build lease, then SQL. What is committed before the lease is read from SQL;
    what is delivered after it goes into the list. The timeline stays cold with `read_only`, and
    while a primary is down: its replica may lack posts that were delivered before the lease.
    """
    with primary_reads() as reads:
        graph_lsn = graph_selectors.graph_lsn() if timeline.is_home else 0
        lease = None
        if not read_only and reads.are_fresh:
            lease = store.begin_build(key=timeline.key, graph_lsn=graph_lsn)
        if lease is None and (not read_only or store.peek(key=timeline.key) is not None):
            return None
        followed = timeline.followed()
        viewing = Viewing(graph_lsn, tuple(followed.pulled))
        cap = settings.TIMELINE_CAP
        built = _slice_in_sql([timeline.user_id, *followed.pushed], None, cap)
    if lease is not None and reads.are_fresh:
        store.finish_build(
            key=timeline.key, lease=lease, refs=built.refs, is_end=built.is_end, viewing=viewing
        )
    older = [ref for ref in built.refs if before is None or ref[0] < before]
    return StoredSlice(older[:limit], built.is_end and len(older) <= limit, viewing)


def _pulled(
    author_ids: Sequence[int], before: int | None, limit: int, read_only: bool
) -> Iterable[TimelineSlice]:
    """The wanted slices of these authors' profile timelines; one query for all that SQL answers."""
    timelines = [profile_timeline(user_id=author_id) for author_id in author_ids]
    keys = [timeline.key for timeline in timelines]
    slices = store.read_many(keys=keys, before=before, limit=limit, read_only=read_only)
    cold = [timeline for timeline in timelines if slices[timeline.key] is None]
    for timeline in cold[:MAX_BUILDS]:
        slices[timeline.key] = build(
            timeline=timeline, before=before, limit=limit, read_only=read_only
        )
    missing = [timeline.user_id for timeline in timelines if slices[timeline.key] is None]
    if missing:
        yield _slice_in_sql(missing, before, limit)
    yield from (part for part in slices.values() if part is not None)


def _merged(slices: Sequence[TimelineSlice], before: int | None, limit: int) -> TimelineSlice:
    """Slices of several timelines as one slice, as far down as all of them reach."""
    newest = MAX_ID if before is None else before
    reach = [part.refs[-1][0] if part.refs else newest for part in slices if not part.is_end]
    bottom = max(reach, default=0)
    # An author who has just become, or ceased to be, pulled may have the same entry in two lists.
    refs = sorted({ref for part in slices for ref in part.refs if ref[0] >= bottom}, reverse=True)
    return TimelineSlice(refs[:limit], not reach and len(refs) <= limit)


def _slice_in_sql(
    author_ids: Sequence[int],
    before: int | None,
    limit: int,
    since: int = 0,
    viewer_id: int | None = None,
) -> TimelineSlice:
    """The newest posts of some authors; one query on the primary."""
    with primary_reads():
        refs = post_selectors.post_refs(
            author_ids=author_ids,
            before=before,
            limit=limit + 1,
            since=since,
            viewer_id=viewer_id,
        )
    return TimelineSlice(refs[:limit], len(refs) <= limit)
