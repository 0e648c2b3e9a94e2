"""Compare what is counted and shown of posts with the rows that were counted, and mend it.

The rows are the truth: likes, comments. From them come the counters, each beside its rows; the
comment summaries, which the posts database has of what is in the comments database; and the records
in CACHE. A count and its rows are compared in one snapshot; a copy counts as drift only if nothing
is on its way to renew it, and nothing has while it was looked at.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from comments import audit as comment_audit
from comments import selectors as comment_selectors
from core.counters import folded_lately
from core.metrics.shared import set_gauges
from core.outbox.lookup import pending_subjects
from core.sql import primary_reads
from posts import audit as post_audit
from posts import selectors as post_selectors

logger = logging.getLogger(__name__)

BATCH = 100
# What was settled in the last two minutes is compared every minute: all of it twice, so that a beat
# may be missed; but not more than so many, which takes some seconds.
RECENT_SECONDS = 120.0
RECENT_LIMIT = 2000


class What(StrEnum):
    """What can drift."""

    LIKES = "likes of post"
    COMMENTS = "comments on post"
    COMMENT_LIKES = "likes of comment"
    SUMMARY = "comments shown with post"
    RECORD = "record of post"


@dataclass(frozen=True)
class Drift:
    """Something that is not what the rows say. `off`: by how much, 1 for what is no number."""

    what: What
    subject_id: int
    off: int

    def __str__(self) -> str:
        detail = f"off by {self.off:+}" if self.is_count else "not what the rows say"
        return f"{self.what} {self.subject_id}: {detail}"

    @property
    def is_count(self) -> bool:
        """Whether it is a number."""
        return self.what not in (What.SUMMARY, What.RECORD)


@dataclass(frozen=True)
class Subjects:
    """Posts and comments to be looked at."""

    posts: Sequence[int] = ()
    comments: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.posts) + len(self.comments)


def subjects_lately(*, seconds: float, limit: int) -> Subjects:
    """Whose counts have changed in the last seconds, and have been settled."""
    posts = set(folded_lately(database="posts", seconds=seconds, limit=limit))
    others = folded_lately(database="comments", seconds=seconds, limit=limit)
    comments = comment_selectors.existing_ids(comment_ids=others)
    posts |= post_selectors.existing_ids(post_ids=set(others) - comments)
    return Subjects(sorted(posts), sorted(comments))


def in_batches(subjects: Subjects) -> Iterator[Subjects]:
    """The same, BATCH at a time."""
    for start in range(0, len(subjects.posts), BATCH):
        yield Subjects(posts=subjects.posts[start : start + BATCH])
    for start in range(0, len(subjects.comments), BATCH):
        yield Subjects(comments=subjects.comments[start : start + BATCH])


def all_subjects() -> Iterator[Subjects]:
    """All posts, then all comments, BATCH at a time."""
    yield from (Subjects(posts=ids) for ids in post_audit.all_ids(size=BATCH))
    yield from (Subjects(comments=ids) for ids in comment_audit.all_ids(size=BATCH))


def find_drift(*, subjects: Subjects) -> list[Drift]:
    """What of these is not what the rows say. From primaries; CACHE down: `ValkeyUnavailable`."""
    drifts: list[Drift] = []
    with primary_reads():
        # Of what is deleted nothing is shown, and what hung on it is being removed, step by step.
        posts = sorted(post_selectors.existing_ids(post_ids=subjects.posts))
        comments = sorted(comment_selectors.existing_ids(comment_ids=subjects.comments))
        if posts:
            likes = post_audit.like_counts(post_ids=posts)
            talk = comment_audit.comment_counts(post_ids=posts)
            drifts += [*_off(What.LIKES, likes), *_off(What.COMMENTS, talk)]
            drifts += [Drift(What.SUMMARY, id_, 1) for id_ in _stale_summaries(posts)]
            stale = post_audit.stale_records(post_ids=posts, pending=_pending)
            drifts += [Drift(What.RECORD, id_, 1) for id_ in sorted(stale)]
        if comments:
            likes = comment_audit.like_counts(comment_ids=comments)
            drifts += _off(What.COMMENT_LIKES, likes)
        return _still_there(drifts, {*posts, *comments})


def _still_there(drifts: list[Drift], looked_at: Collection[int]) -> list[Drift]:
    """But for what was deleted while it was looked at."""
    if not drifts:
        return []
    there = post_selectors.existing_ids(post_ids=looked_at)
    there |= comment_selectors.existing_ids(comment_ids=looked_at)
    return [drift for drift in drifts if drift.subject_id in there]


def _off(what: What, counts: dict[int, tuple[int, int]]) -> Iterable[Drift]:
    return [
        Drift(what, subject_id, count - truth)
        for subject_id, (count, truth) in counts.items()
        if count != truth
    ]


def _stale_summaries(post_ids: Sequence[int]) -> Iterator[int]:
    """Posts that show other comments than there are, and nothing is on its way to change that."""
    kept = post_audit.comment_summaries(post_ids=post_ids)
    for post_id in post_ids:
        now = comment_selectors.summary(post_id=post_id)
        _, count, recent = kept.get(post_id, (0, 0, []))
        if (count, recent) == (now.count, now.recent) or _pending([post_id]):
            continue
        if post_audit.comment_summaries(post_ids=[post_id]).get(post_id) == kept.get(post_id):
            yield post_id


def _pending(post_ids: Collection[int]) -> set[int]:
    """Those posts that a pending outbox row tells of."""
    return {
        post_id
        for database in ("posts", "comments")
        for post_id in pending_subjects(database=database, field="post_id", ids=post_ids)
    }


def repair(*, drift: Drift) -> None:
    """Make it what the rows say, and everything that is made from it too."""
    id_ = drift.subject_id
    if drift.what is What.LIKES:
        post_audit.correct_likes(post_id=id_)
    elif drift.what is What.COMMENT_LIKES:
        comment_audit.correct_likes(comment_id=id_)
    else:
        if drift.what is What.COMMENTS:
            comment_audit.correct_comments(post_id=id_)
        if drift.what is not What.RECORD:
            now = comment_selectors.summary(post_id=id_)
            post_audit.replace_comment_summary(
                post_id=id_, version=now.version, count=now.count, recent=now.recent
            )
    if drift.what is not What.COMMENT_LIKES:
        post_audit.drop_records(post_ids=[id_])


def reconcile_recent() -> None:
    """Compare and mend what has changed lately, and export how much that was."""
    subjects = subjects_lately(seconds=RECENT_SECONDS, limit=RECENT_LIMIT)
    drifts: list[Drift] = []
    for batch in in_batches(subjects):
        for drift in find_drift(subjects=batch):
            logger.error("drifted, and mended: %s", drift)
            repair(drift=drift)
            drifts.append(drift)
    set_gauges(
        values={
            "socialfeed_counters_checked": len(subjects),
            "socialfeed_counters_drifted": len(drifts),
            "socialfeed_counter_drift": sum(abs(drift.off) for drift in drifts if drift.is_count),
            "socialfeed_counter_check_timestamp_seconds": time.time(),
        }
    )
