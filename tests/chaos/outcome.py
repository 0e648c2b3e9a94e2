"""The figures that scenarios share, from the history of a load and the final data."""

from collections import Counter
from collections.abc import Sequence

from django.conf import settings

from tests.chaos.checkers import (
    SetResult,
    check_availability,
    check_set,
    falsely_acknowledged,
    quantiles,
)
from tests.chaos.client import Client, Member
from tests.chaos.history import History, Kind, Outcome, Read
from tests.chaos.load import Running, home_address
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.chaos.world import audience


def warm(run: Run, members: Sequence[Member]) -> None:
    """Read home timelines, because a delivery skips cold ones."""
    with Client(run.world.origin) as client:
        for member in members:
            assert client.get(member, home_address(member)).status == 200


def acknowledged_posts(running: Running) -> int:
    """How many posts are acknowledged so far."""
    return len(running.history.acknowledged(Kind.POST))


def checked(run: Run, members: list[Member], history: History, *, follows: int) -> SetResult:
    """Compare the posts of a history with the rows and with all home timelines."""
    shown = run.world.shown(members)
    # Entries past the cap come from SQL, and would hide a lost delivery.
    longest = max(map(len, shown.values()))
    assert longest < settings.TIMELINE_CAP, f"too many posts for so few people: {longest}"
    return check_set(
        writes=history.writes,
        rows=run.world.rows(members),
        shown=shown,
        audience=audience(members, follows=follows),
    )


def posts_figures(
    run: Run, members: list[Member], history: History, *, follows: int, notes: str
) -> list[Figure]:
    """The figures of all posts and writes of a history."""
    result = checked(run, members, history, follows=follows)
    rows = run.world.rows(members)
    false = falsely_acknowledged(writes=history.writes, rows=rows)
    acknowledged = history.acknowledged()
    deleted = history.acknowledged(Kind.DELETE)
    missing = result.lost_posts | {post_id for _, post_id in result.undelivered}
    wrong = (*result.duplicated, *result.doubled, *result.resurrected)
    lasted = [write.ended - write.began for write in history.writes if write.kind == Kind.POST]
    return [
        Figure(
            "acknowledged posts missing from a timeline",
            len(missing),
            result.acknowledged,
            at_most=0,
            notes=f"{result.entries:,} entries; {result.attempts:,} attempts: {result.refused} "
            f"refused, {result.unknown} unknown, {result.unknown_present} of these are there; "
            f"{len(result.stale)} not in their author's next read; "
            f"publishing took {quantiles(lasted)}; {notes}",
        ),
        Figure(
            "entries doubled, or resurrected after deletion",
            len(wrong),
            result.entries,
            at_most=0,
            notes=f"{len(deleted)} posts deleted",
        ),
        Figure(
            "writes acknowledged falsely",
            len(false),
            len(acknowledged),
            at_most=0,
            notes=f"of {len(history.writes):,} attempts, "
            f"{sum(w.outcome == Outcome.UNKNOWN for w in history.writes)} unknown",
        ),
    ]


def answered(what: str, reads: list[Read], span: tuple[float, float], *, at_least: float) -> Figure:
    """The figure of reads that began in a span of time."""
    found = check_availability(reads, since=span[0], until=span[1])
    during = [read for read in reads if span[0] <= read.began < span[1]]
    failed = Counter(f"{read.status} {read.what}" for read in during if not read.is_answered)
    notes = (
        f"within {span[1] - span[0]:.0f} s; "
        f"they took {quantiles(read.ended - read.began for read in during)}"
        + "".join(f"; {number} {what}" for what, number in failed.most_common(6))
    )
    return Figure(what, found.share, found.reads, at_least=at_least, is_share=True, notes=notes)
