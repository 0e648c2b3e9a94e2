"""What the drill concludes from its measurements, as pure functions."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.chaos.history import Outcome, Write

# The begin and the end of a time (time.monotonic).
Span = tuple[float, float]


@dataclass(frozen=True)
class Sample:
    """How many of `asked` were `found`, in the moment before `at` (time.monotonic)."""

    at: float
    found: int
    asked: int

    @property
    def share(self) -> float:
        """1 when nothing was asked."""
        return self.found / self.asked if self.asked else 1.0


def seconds_below(samples: Iterable[Sample], *, since: float, level: float) -> float:
    """For how many seconds after `since` a share was last below `level`; 0: it never was.

    Infinite when it is so at the end.
    """
    after = sorted((sample for sample in samples if sample.at >= since), key=lambda one: one.at)
    below = [place for place, sample in enumerate(after) if sample.share < level]
    if not below:
        return 0.0 if after else math.inf
    back = below[-1] + 1
    return after[back].at - since if back < len(after) else math.inf


def difference(before: Sample, after: Sample) -> Sample:
    """What was asked and found between two samples of running totals."""
    return Sample(after.at, after.found - before.found, after.asked - before.asked)


def differences(totals: Sequence[Sample], *, apart: int) -> list[Sample]:
    """What was asked and found between each sample of running totals and the `apart`th after it."""
    return [difference(*pair) for pair in zip(totals, totals[apart:], strict=False)]


def seconds_until_written(writes: Iterable[Write], *, since: float, lost_at: float) -> float:
    """The seconds from `lost_at` until a write that began after `since` was acknowledged.

    Infinite when none was.
    """
    ended = [
        write.ended
        for write in writes
        if write.began >= since and write.outcome == Outcome.ACKNOWLEDGED
    ]
    return min(ended) - lost_at if ended else math.inf


@dataclass(frozen=True)
class Attempts:
    """The writes that ended in a span of time."""

    writes: int
    # Answered only when they were sent again.
    repeated: int
    # Never acknowledged.
    failed: int


def attempts(writes: Iterable[Write], *, since: float, until: float) -> Attempts:
    """Count the writes that ended in a span of time: those too that its begin has interrupted."""
    mine = [write for write in writes if since <= write.ended < until]
    failed = sum(write.outcome != Outcome.ACKNOWLEDGED for write in mine)
    repeated = sum(w.attempts > 1 and w.outcome == Outcome.ACKNOWLEDGED for w in mine)
    return Attempts(len(mine), repeated, failed)
