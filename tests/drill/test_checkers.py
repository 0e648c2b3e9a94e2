"""The drill's checkers, on measurements and histories made by hand."""

import math

import pytest

from tests.chaos.history import Kind, Outcome, Write
from tests.drill.checkers import (
    Attempts,
    Sample,
    attempts,
    difference,
    differences,
    seconds_below,
    seconds_until_written,
)

OK, UNKNOWN, REFUSED = Outcome.ACKNOWLEDGED, Outcome.UNKNOWN, Outcome.REFUSED


def shares(*found: int) -> list[Sample]:
    """Samples of 100 each, one a second, from second 1 on."""
    return [Sample(float(at), number, 100) for at, number in enumerate(found, start=1)]


def posted(began: float, ended: float, outcome: Outcome = OK, times: int = 1) -> Write:
    return Write(Kind.POST, 1, outcome, began=began, ended=ended, attempts=times)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        ((99, 99, 99), 0.0),
        # What was before does not count.
        ((10, 99, 99), 0.0),
        ((99, 50, 99), 1.5),
        # It is back when it is back for good.
        ((99, 50, 99, 95, 96), 3.5),
        ((99, 99, 50), math.inf),
        # Nobody has looked.
        ((99,), math.inf),
    ],
)
def test_a_share_is_back_after_the_last_sample_below_the_level(
    found: tuple[int, ...], seconds: float
) -> None:
    assert seconds_below(shares(*found), since=1.5, level=0.96) == seconds


def test_the_order_of_samples_does_not_matter() -> None:
    assert seconds_below(shares(50, 40, 99)[::-1], since=0.5, level=0.96) == 2.5


def test_nothing_asked_is_nothing_missed() -> None:
    assert Sample(1.0, 0, 0).share == 1.0
    assert Sample(1.0, 3, 4).share == 0.75


def test_running_totals_become_what_was_asked_in_between() -> None:
    totals = [Sample(1.0, 10, 20), Sample(2.0, 15, 26), Sample(3.0, 35, 46), Sample(4.0, 35, 56)]
    assert difference(totals[0], totals[2]) == Sample(3.0, 25, 26)
    assert differences(totals, apart=2) == [Sample(3.0, 25, 26), Sample(4.0, 20, 30)]
    assert differences(totals[:2], apart=2) == []


def test_writes_are_back_when_one_is_acknowledged_that_began_after_the_loss() -> None:
    writes = [
        # Its request was under way.
        posted(9.0, 10.2),
        posted(10.6, 12.0, UNKNOWN),
        posted(11.0, 15.0, times=4),
        posted(14.0, 14.5),
    ]
    assert seconds_until_written(writes, since=10.5, lost_at=10.0) == 4.5
    assert seconds_until_written(writes[:2], since=10.5, lost_at=10.0) == math.inf


def test_writes_that_were_repeated_are_not_those_that_failed() -> None:
    writes = [
        posted(1.0, 1.9, UNKNOWN),
        posted(1.5, 2.1),
        posted(1.9, 5.1, times=2),
        posted(3.5, 7.0, UNKNOWN, times=5),
        posted(4.0, 4.1, REFUSED),
        posted(7.9, 8.1, UNKNOWN),
    ]
    assert attempts(writes, since=2.0, until=8.0) == Attempts(writes=4, repeated=1, failed=2)
