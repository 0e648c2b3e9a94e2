"""Checks of a history against the final state, as pure functions without stack or clock.

The set checker follows Jepsen's: every acknowledged element must be in the final read. An element
whose write failed for its client may be there or not, but at most once.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.history import Kind, Outcome, Read, Rows, Write, maybe_deleted

Entry = tuple[int, int]  # (viewer id, post id): a post in somebody's home timeline


@dataclass(frozen=True)
class SetResult:
    """The posts of a run after the check. The sets hold what is wrong; all should be empty."""

    attempts: int
    acknowledged: int
    refused: int
    unknown: int
    # How many of the unknown posts exist in SQL.
    unknown_present: int
    # How many entries of acknowledged posts the final read had to show.
    entries: int
    # Acknowledged, in SQL or not, and missing from a timeline.
    lost: frozenset[Entry]
    # Of unknown outcome, in SQL, and missing from a timeline.
    undelivered: frozenset[Entry]
    # Twice in one timeline.
    duplicated: frozenset[Entry]
    # Marks that several rows have.
    doubled: frozenset[str]
    # The deletion was acknowledged, but the post is still shown, or is in SQL (viewer 0).
    resurrected: frozenset[Entry]
    # Acknowledged, and missing from the writer's next read.
    stale: frozenset[int]

    @property
    def lost_posts(self) -> frozenset[int]:
        return frozenset(post_id for _, post_id in self.lost)


def check_set(
    *,
    writes: Sequence[Write],
    rows: Rows,
    shown: Mapping[int, Sequence[int]],
    audience: Mapping[int, Collection[int]],
) -> SetResult:
    """Compare posts with the home timelines in `shown`, which were read to their last page.

    `audience` gives who must see an author's posts: the followers and the author.
    """
    posts = [write for write in writes if write.kind == Kind.POST]
    by_outcome = Counter(write.outcome for write in posts)
    acknowledged = [write for write in posts if write.outcome == Outcome.ACKNOWLEDGED]
    unsure = maybe_deleted(writes)
    ids_by_mark: defaultdict[str, list[int]] = defaultdict(list)
    for post_id, caption in rows.posts.items():
        ids_by_mark[caption].append(post_id)
    counts = {viewer: Counter(ids) for viewer, ids in shown.items()}

    def missing(author: int, post_id: int) -> set[Entry]:
        return {(v, post_id) for v in audience[author] if v in counts and not counts[v][post_id]}

    must_show = [(w.person_id, w.id) for w in acknowledged if w.id and w.id not in unsure]
    unknown = [write for write in posts if write.outcome == Outcome.UNKNOWN]
    present = [(w.person_id, id_) for w in unknown for id_ in ids_by_mark.get(w.mark, ())]
    deleted = {
        write.subject
        for write in writes
        if write.kind == Kind.DELETE and write.outcome == Outcome.ACKNOWLEDGED and write.subject
    }
    return SetResult(
        attempts=len(posts),
        acknowledged=len(acknowledged),
        refused=by_outcome[Outcome.REFUSED],
        unknown=len(unknown),
        unknown_present=len(present),
        entries=sum(len(set(audience[author]) & counts.keys()) for author, _ in must_show),
        lost=frozenset(entry for pair in must_show for entry in missing(*pair)),
        undelivered=frozenset(
            entry for pair in present if pair[1] not in unsure for entry in missing(*pair)
        ),
        duplicated=frozenset((v, id_) for v, ids in counts.items() for id_ in ids if ids[id_] > 1),
        doubled=frozenset(mark for mark, ids in ids_by_mark.items() if len(ids) > 1),
        resurrected=frozenset(
            (v, id_) for v, ids in counts.items() for id_ in ids if id_ in deleted
        )
        | frozenset((0, id_) for id_ in deleted & rows.posts.keys()),
        stale=frozenset(write.id for write in acknowledged if write.seen is False and write.id),
    )


def falsely_acknowledged(*, writes: Sequence[Write], rows: Rows) -> list[Write]:
    """The acknowledged writes that are not in SQL.

    A write to a post that may have been deleted does not count, because it was deleted with the
    post. A name may be the last acknowledged one, or any of unknown outcome, because such a write
    may come late.
    """
    unsure = maybe_deleted(writes)
    last_name: dict[int, Write] = {}
    maybe_names: defaultdict[int, set[str]] = defaultdict(set)
    false = []
    for write in writes:
        if write.kind == Kind.RENAME and write.outcome == Outcome.UNKNOWN:
            maybe_names[write.person_id].add(write.mark)
        if write.outcome == Outcome.ACKNOWLEDGED:
            if write.kind == Kind.RENAME:
                last_name[write.person_id] = write
            elif not _is_kept(write, rows, unsure):
                false.append(write)
    return false + [
        write
        for person_id, write in last_name.items()
        if rows.names.get(person_id) not in {write.mark, *maybe_names[person_id]}
    ]


def _is_kept(write: Write, rows: Rows, unsure: Collection[int]) -> bool:
    """Whether SQL holds an acknowledged write."""
    if write.kind == Kind.DELETE:
        return write.subject not in rows.posts
    if write.subject in unsure or write.id in unsure:
        return True
    if write.kind == Kind.LIKE:
        return (write.person_id, write.subject) in rows.likes
    texts = rows.posts if write.kind == Kind.POST else rows.comments
    return write.id is not None and texts.get(write.id) == write.mark


@dataclass(frozen=True)
class OwnReads:
    """Reads of one's own writes. `pairs` counts the acknowledged writes whose read was answered."""

    pairs: int
    not_seen: int
    unanswered: int


def check_own_reads(seen: Iterable[bool | None]) -> OwnReads:
    """Count reads of one's own acknowledged writes. True: seen; None: the read was not answered."""
    asked = list(seen)
    answered = [each for each in asked if each is not None]
    return OwnReads(len(answered), answered.count(False), len(asked) - len(answered))


@dataclass(frozen=True)
class Availability:
    """How many of `reads` requests were answered with 200."""

    reads: int
    answered: int

    @property
    def share(self) -> float:
        return self.answered / self.reads if self.reads else 0.0


def check_availability(reads: Iterable[Read], *, since: float, until: float) -> Availability:
    """The availability of reads that began in a span of time, even if they ended later."""
    within = [read for read in reads if since <= read.began < until]
    return Availability(len(within), sum(read.is_answered for read in within))


def good_rate(reads: Iterable[Read], *, since: float, until: float) -> float:
    """Answered requests per second, among those that ended in a span of time."""
    good = sum(read.is_answered and since <= read.ended < until for read in reads)
    return good / (until - since)


def replica_share(*, primary: int, replica: int) -> float:
    """The replica's share of all table scans; 0 when there were none."""
    return replica / (primary + replica) if primary + replica else 0.0


def quantiles(seconds: Iterable[float]) -> str:
    """The 50th, 95th and 99th percentile and the maximum, as text in milliseconds."""
    ordered = sorted(seconds)
    if not ordered:
        return "nothing"
    picked = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.95, 0.99)]
    return " / ".join(f"{value * 1000:.0f}" for value in (*picked, ordered[-1])) + " ms"
