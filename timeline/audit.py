"""Timelines in Valkey, looked into from outside: compared with SQL, counted, shown.

SQL is the oracle. Nothing here counts as a read of a timeline or writes to one, except
`audit_sample`, which builds anew what has drifted. An audit runs beside deliveries, builds and
deletions, and takes none of them for drift:

- cold timelines, and those that are being built, are left out;
- a post younger than the grace may still be on its way;
- an entry whose post is deleted stays in followers' lists, and reading leaves it out;
- a cut timeline is compared down to its last entry: SQL answers for what is older;
- a timeline that differs is looked at again, and only what both looks found counts: it may have
  been dropped or delivered to between the read of Valkey and that of SQL.

CACHE down: `ValkeyUnavailable`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.conf import settings

from core.ids import MAX_ID, created_at_of
from core.metrics.shared import set_gauges
from core.sql import primary_reads
from posts import selectors as post_selectors
from timeline import services, store
from timeline.entries import Timeline, home_timeline, profile_timeline, timeline_of_key
from timeline.keys import HOME_PREFIX, PROFILE_PREFIX
from timeline.store import Ref, Snapshot
from usergraph import selectors as graph_selectors

logger = logging.getLogger(__name__)

# A post younger than this, in seconds, may be under way: a delivery that loses its worker is taken
# over after OUTBOX_LEASE_SECONDS.
GRACE_SECONDS = 60.0
# A change of the graph is committed first and drops the timeline then, in the same request.
SECOND_LOOK_AFTER = 0.2  # seconds
# Timelines that are looked at, measured or dropped together.
BATCH_SIZE = 100
# RANDOMKEY draws from all keys of CACHE, so many times at most for each timeline asked for.
DRAWS_PER_TIMELINE = 50

Batch = list[Timeline]

KINDS = {
    store.COMPLETE: "complete",
    store.CUT: "cut off at the cap",
    store.BUILDING: "being built",
}


@dataclass(frozen=True)
class Finding:
    """What an audit found out about one warm timeline.

    `missing`: in SQL, not in the list, nor pulled. `extra`: in the list, by an author whom the
    viewer does not follow. `misplaced`: not older than the entry before it. `unpulled`: authors who
    are to be pulled, and are not. `unfollowed`: authors who are pulled though nobody follows them.
    """

    timeline: Timeline
    compared: int
    missing: frozenset[Ref] = frozenset()
    extra: frozenset[Ref] = frozenset()
    misplaced: frozenset[Ref] = frozenset()
    unpulled: frozenset[int] = frozenset()
    unfollowed: frozenset[int] = frozenset()

    @property
    def wrong(self) -> int:
        """How many of the entries compared are wrong, in whatever way."""
        return len(self.missing | self.extra | self.misplaced)

    @property
    def has_drifted(self) -> bool:
        """Whether its readers see, or are about to see, something else than SQL says."""
        return bool(self.wrong or self.unpulled or self.unfollowed)

    def confirmed(self, again: Finding) -> Finding:
        """What a second look found again."""
        return replace(
            again,
            missing=self.missing & again.missing,
            extra=self.extra & again.extra,
            misplaced=self.misplaced & again.misplaced,
            unpulled=self.unpulled & again.unpulled,
            unfollowed=self.unfollowed & again.unfollowed,
        )

    def __str__(self) -> str:
        return (
            f"{len(self.missing)} missing, {len(self.extra)} extra, "
            f"{len(self.misplaced)} misplaced, {len(self.unpulled)} authors not pulled, "
            f"{len(self.unfollowed)} pulled but not followed"
        )


@dataclass
class Totals:
    """The sum of findings."""

    timelines: int = 0
    entries: int = 0
    wrong: int = 0
    drifted: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Count one more timeline."""
        self.timelines += 1
        self.entries += finding.compared
        self.wrong += finding.wrong
        if finding.has_drifted:
            self.drifted.append(finding)

    @property
    def drift_ratio(self) -> float:
        """Wrong entries among those compared; 0 when none was."""
        return self.wrong / self.entries if self.entries else 0.0


@dataclass(frozen=True)
class Size:
    """How much some timelines hold, and the bytes of memory that they take."""

    timelines: int = 0
    entries: int = 0
    memory: int = 0

    def __add__(self, other: Size) -> Size:
        return Size(
            self.timelines + other.timelines,
            self.entries + other.entries,
            self.memory + other.memory,
        )


# --- which timelines ------------------------------------------------------------------------------


def timelines_of(*, user_id: int) -> Batch:
    """Both timelines of a user, warm or not: home, profile."""
    return [home_timeline(user_id=user_id), profile_timeline(user_id=user_id)]


def warm_timelines() -> Iterator[Batch]:
    """All timelines in Valkey, those being built too, in batches of one kind; by SCAN.

    Each once, though SCAN may find a key twice while the server moves its keys about. What comes or
    goes meanwhile may be among them or not.
    """
    for prefix in (HOME_PREFIX, PROFILE_PREFIX):
        batch: Batch = []
        seen: set[int] = set()
        for key in store.scan_keys(prefix=prefix):
            timeline = timeline_of_key(key=key)
            if timeline is None or timeline.user_id in seen:
                continue
            seen.add(timeline.user_id)
            batch.append(timeline)
            if len(batch) == BATCH_SIZE:
                yield batch
                batch = []
        if batch:
            yield batch


def sampled_timelines(*, count: int) -> Batch:
    """Up to `count` distinct timelines in Valkey, drawn at random.

    Fewer when there are fewer, or when CACHE holds so much else that they are not found in
    DRAWS_PER_TIMELINE draws each. A round trip for each `count` draws.
    """
    drawn: dict[str, Timeline] = {}
    for _ in range(DRAWS_PER_TIMELINE):
        keys = store.random_keys(count=count)
        for key in keys - drawn.keys():
            if timeline := timeline_of_key(key=key):
                drawn[key] = timeline
        if len(drawn) >= count or not keys:
            break
    return list(drawn.values())[:count]


# --- looking --------------------------------------------------------------------------------------


def peek(*, timeline: Timeline) -> Snapshot | None:
    """A timeline as it is in Valkey, its `kind` one of KINDS; None when cold."""
    return store.peek(key=timeline.key)


def size(*, timelines: Sequence[Timeline]) -> Size:
    """How much those of some timelines hold that are there; one round trip."""
    pairs = store.sizes(keys=[timeline.key for timeline in timelines])
    return Size(len(pairs), sum(entries for entries, _ in pairs), sum(used for _, used in pairs))


def audit(*, timelines: Iterable[Timeline], grace_seconds: float = GRACE_SECONDS) -> list[Finding]:
    """Compare timelines with SQL; a finding for each that is warm.

    Two or three queries and a round trip for each, and once more for those that differ, after a
    short pause that they share.
    """
    grace = timedelta(seconds=grace_seconds)
    first = [finding for timeline in timelines if (finding := _look(timeline, grace))]
    if not any(finding.has_drifted for finding in first):
        return first
    time.sleep(SECOND_LOOK_AFTER)
    findings = []
    for finding in first:
        if not finding.has_drifted:
            findings.append(finding)
        elif again := _look(finding.timeline, grace):
            findings.append(finding.confirmed(again))
    return findings


def _look(timeline: Timeline, grace: timedelta) -> Finding | None:
    """One look; None when the timeline is cold or being built."""
    kept = store.peek(key=timeline.key)
    if kept is None or kept.kind == store.BUILDING:
        return None
    followed = timeline.followed()
    pulled = frozenset(kept.viewing.pulled)
    unpulled = graph_selectors.settled_pulled_authors(
        author_ids=frozenset(followed.pulled) - pulled
    )
    # Whoever the list pulls need not be in it, not even when they are about to be pushed again.
    listed = {timeline.user_id, *followed.pushed, *unpulled} - pulled
    refs = set(kept.refs)
    young = datetime.now(UTC) - grace
    missing = {ref for ref in _refs_in_sql(kept, listed) - refs if created_at_of(ref[0]) < young}
    known = {timeline.user_id, *followed.pushed, *followed.pulled, *followed.hidden}
    return Finding(
        timeline=timeline,
        compared=len(refs | missing),
        missing=frozenset(missing),
        extra=_existing({ref for ref in refs if ref[1] not in known}),
        misplaced=frozenset(ref for newer, ref in pairwise(kept.refs) if ref[0] >= newer[0]),
        unpulled=frozenset(unpulled),
        unfollowed=pulled.difference(followed.pushed, followed.pulled),
    )


def _refs_in_sql(kept: Snapshot, author_ids: set[int]) -> set[Ref]:
    """What a list should hold as far down as it goes."""
    since = 0
    if kept.kind == store.CUT:
        since = kept.refs[-1][0] if kept.refs else MAX_ID
    # One more than fits: a list that calls itself complete must not have left it out.
    limit = max(settings.TIMELINE_CAP, len(kept.refs)) + 1
    with primary_reads():
        return set(
            post_selectors.post_refs(
                author_ids=sorted(author_ids), before=None, limit=limit, since=since
            )
        )


def _existing(refs: set[Ref]) -> frozenset[Ref]:
    """Those entries whose posts have not been deleted."""
    if not refs:
        return frozenset()
    with primary_reads():
        ids = post_selectors.existing_ids(post_ids=[post_id for post_id, _ in refs])
    return frozenset(ref for ref in refs if ref[0] in ids)


# --- keeping watch --------------------------------------------------------------------------------


def audit_sample(*, count: int) -> Totals:
    """Audit up to `count` timelines drawn at random, export the gauges, and mend what has drifted.

    Drift is a fault of ours, so each is logged as an error. STATE down: all but the gauges.
    """
    totals = Totals()
    for finding in audit(timelines=sampled_timelines(count=count)):
        totals.add(finding)
    set_gauges(
        values={
            "socialfeed_timeline_drift_ratio": totals.drift_ratio,
            "socialfeed_timelines_audited": totals.timelines,
            "socialfeed_timelines_drifted": len(totals.drifted),
            "socialfeed_timeline_audit_timestamp_seconds": time.time(),
        }
    )
    for finding in totals.drifted:
        logger.error("%s has drifted and is built anew: %s", finding.timeline.key, finding)
        services.rebuild(timeline=finding.timeline)
    return totals
