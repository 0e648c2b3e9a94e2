"""Where the entries of a timeline come from: its list in Valkey, the profile timelines of authors
too big to push, and SQL.

A position is a post's id, so it means the same everywhere. What Valkey has is taken as far down as
it is known to be whole; SQL goes on from there, behind the same cursor, to the very first post. A
cold timeline is built by whoever comes first; the others answer from SQL meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.conf import settings

from core.ids import MAX_ID
from core.sql import primary_reads
from posts import selectors as post_selectors
from timeline import store
from timeline.keys import HOME_PREFIX, home_key, parse_key, profile_key
from timeline.store import Page, Slice, Viewing
from usergraph import selectors as graph_selectors
from usergraph.selectors import FollowedAuthors

# Of the profile timelines that a page pulls from, so many at most are built by its reader; what
# else is cold answers from SQL, in one query, and is built by the next readers.
MAX_BUILDS = 4

_NOBODY = FollowedAuthors(pushed=[], pulled=[], inactive=frozenset(), hidden=frozenset())


@dataclass(frozen=True)
class Timeline:
    """One timeline: its key and whose it is."""

    key: str
    user_id: int
    is_home: bool

    @property
    def name(self) -> str:
        """What it is called among its user's timelines."""
        return "home" if self.is_home else "profile"

    def followed(self) -> FollowedAuthors:
        """Whose posts it shows besides its owner's; one query for a home timeline."""
        if not self.is_home:
            return _NOBODY
        return graph_selectors.followed_authors(viewer_id=self.user_id)


def home_timeline(*, user_id: int) -> Timeline:
    """The posts of a user and of everybody whom that user follows."""
    return Timeline(home_key(user_id), user_id, is_home=True)


def profile_timeline(*, user_id: int) -> Timeline:
    """A user's own posts."""
    return Timeline(profile_key(user_id), user_id, is_home=False)


def timeline_of_key(*, key: str) -> Timeline | None:
    """The timeline that a key of CACHE is of; None when the key is of something else."""
    parsed = parse_key(key)
    if parsed is None:
        return None
    prefix, user_id = parsed
    return (home_timeline if prefix == HOME_PREFIX else profile_timeline)(user_id=user_id)


def timeline_slice(
    *, timeline: Timeline, before: int | None, limit: int, since: int = 0, keep: bool = True
) -> Slice:
    """Up to `limit` entries older than `before` and newer than `since`; fewer only with `is_end`.

    May name posts and authors that are gone, or hidden. CACHE down: `ValkeyUnavailable`.
    Not `keep`: the same answer, but nothing is built and no timeline lives longer for it.
    """
    page = store.read(key=timeline.key, before=before, limit=limit, keep=keep)
    if page is None:
        page = build(timeline=timeline, before=before, limit=limit, keep=keep)
    if page is None:
        return slice_in_sql(timeline=timeline, before=before, limit=limit, since=since)
    part: Slice = page
    if page.viewing.pulled:
        pulled = _pulled(page.viewing.pulled, before, limit, keep)
        part = _merged([page, *pulled], before, limit)
    refs = [ref for ref in part.refs if ref[0] > since]
    is_end = part.is_end or len(refs) < len(part.refs)
    if not is_end and len(refs) < limit:
        seam = refs[-1][0] if refs else before
        rest = slice_in_sql(timeline=timeline, before=seam, limit=limit - len(refs), since=since)
        refs, is_end = refs + rest.refs, rest.is_end
    return Slice(refs, is_end, frozenset(page.viewing.hidden))


def slice_in_sql(*, timeline: Timeline, before: int | None, limit: int, since: int = 0) -> Slice:
    """The same from SQL alone, and only what the viewer may see; two queries.

    From the primaries: nothing that was delivered may be missing.
    """
    author_ids = [timeline.user_id, *timeline.followed().visible()]
    return _refs_in_sql(author_ids, before, limit, since)


def build(
    *, timeline: Timeline, before: int | None = None, limit: int = 0, keep: bool = True
) -> Page | None:
    """Build a cold timeline, and answer from what was read; None when it is warm or being built.

    First the graph position, then the builder's mark, and only then SQL: what is committed before
    that is read, what is delivered after it goes into the list. Not `keep`: it stays cold. So it
    does while a primary is down: its replica may lack what was delivered before the mark.
    """
    with primary_reads() as reads:
        as_of = graph_selectors.graph_position() if timeline.is_home else 0
        mark = None
        if keep and reads.are_fresh:
            mark = store.begin_build(key=timeline.key, as_of=as_of)
        if mark is None and (keep or store.peek(key=timeline.key) is not None):
            return None
        followed = timeline.followed()
        viewing = Viewing(as_of, tuple(followed.pulled), tuple(sorted(followed.hidden)))
        cap = settings.TIMELINE_CAP
        built = _refs_in_sql([timeline.user_id, *followed.pushed], None, cap)
    if mark is not None and reads.are_fresh:
        store.finish_build(
            key=timeline.key, mark=mark, refs=built.refs, is_end=built.is_end, viewing=viewing
        )
    older = [ref for ref in built.refs if before is None or ref[0] < before]
    return Page(older[:limit], built.is_end and len(older) <= limit, viewing=viewing)


def _pulled(
    author_ids: Sequence[int], before: int | None, limit: int, keep: bool
) -> Iterable[Slice]:
    """The same part of each of these authors' profile timelines; those in SQL together in one."""
    timelines = [profile_timeline(user_id=author_id) for author_id in author_ids]
    pages = store.read_many(
        keys=[timeline.key for timeline in timelines], before=before, limit=limit, keep=keep
    )
    cold = [timeline for timeline in timelines if pages[timeline.key] is None]
    for timeline in cold[:MAX_BUILDS]:
        pages[timeline.key] = build(timeline=timeline, before=before, limit=limit, keep=keep)
    missing = [timeline.user_id for timeline in timelines if pages[timeline.key] is None]
    if missing:
        yield _refs_in_sql(missing, before, limit)
    yield from (page for page in pages.values() if page is not None)


def _merged(parts: Sequence[Slice], before: int | None, limit: int) -> Slice:
    """Parts of several timelines as one, as far down as all of them reach."""
    newest = MAX_ID if before is None else before
    reach = [part.refs[-1][0] if part.refs else newest for part in parts if not part.is_end]
    bottom = max(reach, default=0)
    # An author whose posts began or ceased to be pushed may have some in both places.
    refs = sorted({ref for part in parts for ref in part.refs if ref[0] >= bottom}, reverse=True)
    return Slice(refs[:limit], not reach and len(refs) <= limit)


def _refs_in_sql(
    author_ids: Sequence[int], before: int | None, limit: int, since: int = 0
) -> Slice:
    with primary_reads():
        refs = post_selectors.post_refs(
            author_ids=author_ids, before=before, limit=limit + 1, since=since
        )
    return Slice(refs[:limit], len(refs) <= limit)
