"""Compare what is counted and shown with the rows that are counted, and repair the differences.

The rows are the truth: likes, comments, follows, posts. Made from them are the counters, each
beside its rows; the comment summaries, which are in the posts database; and the posts' records in
CACHE. A count and its rows are compared in one snapshot. A summary or a record counts as drift only
if no pending change will refresh it, and none has refreshed it during the check.

What an inactive account has made is not shown, and what is not shown is not counted. Each row says
whether it is shown, which is compared with its account.
"""

import logging
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from comments import audit as comment_audit
from comments import selectors as comment_selectors
from comments import services as comment_services
from core.counters import folded_lately, made_by
from core.metrics.shared import set_gauges
from core.outbox.batches import SMALL_STEP
from core.outbox.lookup import pending_subjects
from core.sql import primary_reads
from posts import audit as post_audit
from posts import selectors as post_selectors
from posts import services as post_services
from usergraph import audit as graph_audit
from usergraph import services as graph_services
from users import selectors as user_selectors

logger = logging.getLogger(__name__)

BATCH = 100
# A run a minute checks what was folded in the last two minutes: so one run may be missed. This many
# subjects take some seconds.
RECENT_SECONDS = 120.0
RECENT_LIMIT = 2000


class What(StrEnum):
    """What can drift: counts (see _AUDITS), and what posts are shown with."""

    LIKES = "likes of post"
    COMMENTS = "comments on post"
    COMMENT_LIKES = "likes of comment"
    REPLIES = "replies to comment"
    SUMMARY = "comments shown with post"
    RECORD = "record of post"
    FOLLOWERS = "followers of account"
    FOLLOWING = "accounts followed by account"
    POSTS = "posts of account"
    SHOWN = "likes, comments and follows of account"


# Of each count: the subjects that have it, and what compares it with the rows.
_AUDITS = {
    What.LIKES: ("posts", post_audit.LIKES),
    What.COMMENTS: ("posts", comment_audit.COMMENTS),
    What.COMMENT_LIKES: ("comments", comment_audit.LIKES),
    What.REPLIES: ("comments", comment_audit.REPLIES),
    What.FOLLOWERS: ("accounts", graph_audit.FOLLOWERS),
    What.FOLLOWING: ("accounts", graph_audit.FOLLOWING),
    What.POSTS: ("accounts", post_audit.POSTS),
}
_SHOWN = (*post_audit.SHOWN, *comment_audit.SHOWN, *graph_audit.SHOWN)
# What shows the rows of an active account and hides those of another, step by step.
_WALKS = (
    post_services.show_likes_of_account,
    comment_services.show_comments_of_account,
    comment_services.show_likes_of_account,
    partial(graph_services.show_account, is_follower=True),
    partial(graph_services.show_account, is_follower=False),
)


@dataclass(frozen=True)
class Drift:
    """A value that differs from the rows. `off`: by how much; 1 if it is not a number."""

    what: What
    subject_id: int
    off: int

    def __str__(self) -> str:
        return self.described("")

    def described(self, whose: str) -> str:
        """The drift in words; `whose`: the name of who has made the subject, or is it."""
        detail = f"off by {self.off:+}" if self.is_count else "not what the rows say"
        if self.what == What.SHOWN:
            detail = "shown though it is not active, or hidden though it is"
        return f"{self.what} {self.subject_id}{whose and f' ({whose})'}: {detail}"

    @property
    def is_count(self) -> bool:
        """Whether the value is a number."""
        return self.what in _AUDITS

    @property
    def kind(self) -> str:
        """What the subject is: `posts`, `comments` or `accounts`, as in `Subjects`."""
        if self.is_count:
            return _AUDITS[self.what][0]
        return "accounts" if self.what == What.SHOWN else "posts"


@dataclass(frozen=True)
class Subjects:
    """The ids of posts, comments and accounts to check."""

    posts: Sequence[int] = ()
    comments: Sequence[int] = ()
    accounts: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.posts) + len(self.comments) + len(self.accounts)


def subjects_lately(*, seconds: float, limit: int) -> Subjects:
    """The subjects whose changes were folded in the last `seconds`: up to `limit` per database."""
    of_posts = folded_lately(database="posts", seconds=seconds, limit=limit)
    of_users = folded_lately(database="default", seconds=seconds, limit=limit)
    others = {abs(id_) for id_ in folded_lately(database="comments", seconds=seconds, limit=limit)}
    comments = comment_selectors.existing_ids(comment_ids=others)
    posts = {id_ for id_ in of_posts if id_ > 0}
    posts |= post_selectors.existing_ids(post_ids=others - comments)
    accounts = {abs(id_) for id_ in of_users} | {made_by(id_) for id_ in of_posts if id_ < 0}
    return Subjects(sorted(posts), sorted(comments), sorted(accounts))


def in_batches(subjects: Subjects) -> Iterator[Subjects]:
    """The same, BATCH at a time."""
    for kind, ids in vars(subjects).items():
        for start in range(0, len(ids), BATCH):
            yield Subjects(**{kind: ids[start : start + BATCH]})


def all_subjects() -> Iterator[Subjects]:
    """All posts, then all comments, then all accounts, BATCH at a time."""
    yield from (Subjects(posts=ids) for ids in post_audit.all_ids(size=BATCH))
    yield from (Subjects(comments=ids) for ids in comment_audit.all_ids(size=BATCH))
    yield from (Subjects(accounts=ids) for ids in user_selectors.all_ids(size=BATCH))


def find_drift(*, subjects: Subjects) -> list[Drift]:
    """The values of these that differ from the rows. CACHE down: raises `ValkeyUnavailable`."""
    drifts: list[Drift] = []
    with primary_reads():
        existing = _existing(subjects)
        for what, (kind, audit) in _AUDITS.items():
            if ids := getattr(existing, kind):
                counts = audit.compared(ids).items()
                drifts += [Drift(what, id_, count - rows) for id_, (count, rows) in counts]
        drifts = [drift for drift in drifts if drift.off]
        if posts := existing.posts:
            drifts += [Drift(What.SUMMARY, id_, 1) for id_ in _stale_summaries(posts)]
            stale = post_audit.stale_records(post_ids=posts, pending=_pending)
            drifts += [Drift(What.RECORD, id_, 1) for id_ in sorted(stale)]
        if accounts := existing.accounts:
            drifts += [Drift(What.SHOWN, id_, 1) for id_ in _wrongly_shown(accounts)]
        if drifts:  # some of these may have been deleted during the check
            existing = _existing(existing)
        left = {*existing.posts, *existing.comments, *existing.accounts}
        return [drift for drift in drifts if drift.subject_id in left]


def owners(*, drifts: Iterable[Drift]) -> dict[Drift, int]:
    """Whose each subject is: the author of a post or comment, or the account itself.

    One query for posts and one for comments, if any has drifted. Subjects that are gone have none.
    """
    ids: dict[str, set[int]] = {"posts": set(), "comments": set(), "accounts": set()}
    drifts = list(drifts)
    for drift in drifts:
        ids[drift.kind].add(drift.subject_id)
    found = {
        "posts": post_audit.authors(post_ids=ids["posts"]) if ids["posts"] else {},
        "comments": comment_audit.authors(comment_ids=ids["comments"]) if ids["comments"] else {},
        "accounts": {id_: id_ for id_ in ids["accounts"]},
    }
    return {
        drift: found[drift.kind][drift.subject_id]
        for drift in drifts
        if drift.subject_id in found[drift.kind]
    }


def _existing(subjects: Subjects) -> Subjects:
    """Those that exist: others are not shown, and their dependents are being removed."""
    return Subjects(
        posts=sorted(post_selectors.existing_ids(post_ids=subjects.posts)),
        comments=sorted(comment_selectors.existing_ids(comment_ids=subjects.comments)),
        accounts=sorted(user_selectors.accounts(user_ids=subjects.accounts)),
    )


def _stale_summaries(post_ids: Sequence[int]) -> Iterator[int]:
    """Posts whose summary differs from their comments, and that no pending row will refresh."""
    stored = post_audit.comment_summaries(post_ids=post_ids)
    for post_id in post_ids:
        now = comment_selectors.summary(post_id=post_id)
        _, count, recent = stored.get(post_id, (0, 0, []))
        if (count, recent) == (now.count, now.recent) or _pending([post_id]):
            continue
        if post_audit.comment_summaries(post_ids=[post_id]).get(post_id) == stored.get(post_id):
            yield post_id


def _wrongly_shown(account_ids: Sequence[int]) -> list[int]:
    """Accounts with rows that are shown or hidden by mistake, and that no pending row mends."""
    accounts = user_selectors.accounts(user_ids=account_ids)
    is_active = {id_: account.is_active for id_, account in accounts.items()}
    wrong = {id_ for audit in _SHOWN for id_ in audit.wrong(is_active=is_active)}
    return sorted(wrong - pending_subjects(database="default", field="user_id", ids=wrong))


def _pending(post_ids: Collection[int]) -> set[int]:
    """Those posts that a pending outbox row names."""
    return {
        post_id
        for database in ("posts", "comments")
        for post_id in pending_subjects(database=database, field="post_id", ids=post_ids)
    }


def repair(*, drift: Drift) -> None:
    """Correct the value from the rows, and refresh what is made from it."""
    id_ = drift.subject_id
    if drift.is_count:
        _AUDITS[drift.what][1].correct(id_)
    if drift.what in (What.COMMENTS, What.SUMMARY):
        now = comment_selectors.summary(post_id=id_)
        post_audit.replace_comment_summary(
            post_id=id_, version=now.version, count=now.count, recent=now.recent
        )
    if drift.what == What.SHOWN:
        for walk in _WALKS:
            after: int | None = 0
            while after is not None:
                after = walk(user_id=id_, after=after, limit=SMALL_STEP)
    if drift.what in (What.LIKES, What.COMMENTS, What.SUMMARY, What.RECORD):
        post_audit.drop_records(post_ids=[id_])


def reconcile_recent() -> None:
    """Check what has changed lately, repair what has drifted, and export how much that was."""
    subjects = subjects_lately(seconds=RECENT_SECONDS, limit=RECENT_LIMIT)
    drifts: list[Drift] = []
    for batch in in_batches(subjects):
        for drift in find_drift(subjects=batch):
            logger.error("has drifted and is repaired: %s", drift)
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
