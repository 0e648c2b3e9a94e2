"""Audits: compare timelines in Valkey with SQL, and rebuild those that have drifted.

SQL is right. An audit extends no life of a timeline, and only `audit_sample` writes to one. It runs
beside deliveries, builds and deletions. These are not drift:

- a timeline that is cold or being built: it is not compared;
- a missing post that is younger than the grace: it may still be on its way;
- an entry whose post is deleted: it stays in followers' lists, and readers leave it out;
- what a cut timeline has not below its last entry: SQL answers for that;
- a difference that a second check, a moment later, does not find again: the timeline may have been
  dropped or delivered to between the read of Valkey and that of SQL.

CACHE down: raises `ValkeyUnavailable`.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from django.conf import settings

from core.ids import MAX_ID, created_at_of
from core.metrics.shared import set_gauges
from core.sql import primary_reads
from posts import selectors as post_selectors
from timeline import services, store
from timeline.entries import Timeline
from timeline.inventory import sampled_timelines
from timeline.store import Ref, Snapshot
from usergraph import selectors as graph_selectors

logger = logging.getLogger(__name__)

# A post younger than this, in seconds, may be under way: another worker takes over a delivery whose
# worker has died after OUTBOX_LEASE_SECONDS.
GRACE_SECONDS = 60.0
# A change of the graph commits first and drops the timeline then, in the same request.
SECOND_CHECK_AFTER = 0.2  # seconds


@dataclass(frozen=True)
class Finding:
    """The result of an audit of one warm timeline.

    `missing`: entries in SQL that are neither in the list nor pulled. `extra`: entries in the list
    by an author whom the viewer does not follow, or mutes. `misplaced`: entries not older than the
    entry before. `unpulled`: authors who must be pulled, and are not. `unfollowed`: authors who are
    pulled, though the viewer does not follow them, or mutes them.
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
        """How many of the compared entries are wrong in any way."""
        return len(self.missing | self.extra | self.misplaced)

    @property
    def has_drifted(self) -> bool:
        """Whether readers see, or will see, something else than SQL says."""
        return bool(self.wrong or self.unpulled or self.unfollowed)

    def confirmed(self, again: "Finding") -> "Finding":
        """What this and a second check have both found."""
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


def audit(*, timelines: Iterable[Timeline], grace_seconds: float = GRACE_SECONDS) -> list[Finding]:
    """Compare timelines with SQL; returns a finding for each that is warm.

    Two or three queries and one round trip for each timeline. Those that differ are checked a
    second time, after one short pause for all of them.
    """
    grace = timedelta(seconds=grace_seconds)
    first = [finding for timeline in timelines if (finding := _check(timeline, grace))]
    if any(finding.has_drifted for finding in first):
        time.sleep(SECOND_CHECK_AFTER)
    findings = []
    for finding in first:
        if not finding.has_drifted:
            findings.append(finding)
        elif again := _check(finding.timeline, grace):
            findings.append(finding.confirmed(again))
    return findings


def _check(timeline: Timeline, grace: timedelta) -> Finding | None:
    """Compare one timeline with SQL; None when it is cold or being built."""
    stored = store.peek(key=timeline.key)
    if stored is None or stored.kind == store.BUILDING:
        return None
    followed = timeline.followed()
    pulled = frozenset(stored.viewing.pulled)
    unpulled = graph_selectors.settled_pulled_authors(
        author_ids=frozenset(followed.pulled) - pulled
    )
    # The list need not hold authors whom it pulls, not even those about to be pushed again.
    listed = {timeline.user_id, *followed.pushed, *unpulled} - pulled
    refs = set(stored.refs)
    young = datetime.now(UTC) - grace
    missing = {ref for ref in _refs_in_sql(stored, listed) - refs if created_at_of(ref[0]) < young}
    known = {timeline.user_id, *followed.pushed, *followed.pulled}
    strange = {ref for ref in refs if ref[1] not in known}
    existing = post_selectors.existing_ids(post_ids=[post_id for post_id, _ in strange])
    return Finding(
        timeline=timeline,
        compared=len(refs | missing),
        missing=frozenset(missing),
        extra=frozenset(ref for ref in strange if ref[0] in existing),
        misplaced=frozenset(ref for newer, ref in pairwise(stored.refs) if ref[0] >= newer[0]),
        unpulled=frozenset(unpulled),
        unfollowed=pulled.difference(followed.pushed, followed.pulled),
    )


def _refs_in_sql(stored: Snapshot, author_ids: set[int]) -> set[Ref]:
    """What the list should hold, down to where it is cut."""
    since = 0
    if stored.kind == store.CUT:
        since = stored.refs[-1][0] if stored.refs else MAX_ID
    # One more than fits: a list that calls itself complete must hold that one too.
    limit = max(settings.TIMELINE_CAP, len(stored.refs)) + 1
    with primary_reads():
        return set(
            post_selectors.post_refs(
                author_ids=sorted(author_ids), before=None, limit=limit, since=since
            )
        )


def audit_sample(*, count: int) -> Totals:
    """Audit up to `count` random timelines, export the metrics, and rebuild what has drifted.

    Drift is a fault of this code, so each is logged as an error. STATE down: exports no metrics,
    does the rest.
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
        logger.error("%s has drifted and is rebuilt: %s", finding.timeline.key, finding)
        services.rebuild(timeline=finding.timeline)
    return totals
