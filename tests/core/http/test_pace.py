"""How long a sender has to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.http.pace import SENDERS, Pace

steps = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3000)), min_size=1, max_size=50)


def test_a_burst_is_free_and_the_rest_takes_its_time() -> None:
    pace = Pace(rate=100, burst=1000)
    assert pace.take("a", 1000, now=0.0) == 0
    assert pace.take("a", 50, now=0.0) == pytest.approx(0.5)
    assert pace.take("b", 1000, now=0.0) == 0, "senders do not slow each other down"
    assert pace.take("a", 0, now=0.5) == 0
    assert pace.take("a", 1000, now=10.5) == 0, "after a pause a burst is free again"


@given(steps=steps)
def test_who_waits_as_told_is_never_faster_than_the_rate(steps: list[tuple[float, int]]) -> None:
    pace, now, sent = Pace(rate=100, burst=1000), 0.0, 0
    for pause, size in steps:
        now += pause
        sent += size
        now += pace.take("a", size, now=now)
        assert sent <= 1000 + 100 * now + 1e-6


def test_who_is_idle_is_forgotten() -> None:
    pace = Pace(rate=100, burst=1000)
    for number in range(5000):
        pace.take(str(number), 100, now=number / 100)
    assert len(pace._levels) <= SENDERS + 1
