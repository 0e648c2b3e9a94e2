"""The autoscaler applies the workers' rule as the file has it."""

from dataclasses import replace

import pytest

from core.metrics.shared import GAUGES
from tests.drill.autoscaler import rule_of_workers

RULE = replace(rule_of_workers(), least=2, most=10, threshold=2.0)


def test_the_rule_is_that_of_the_file() -> None:
    rule = rule_of_workers()
    assert rule.metric == "socialfeed_outbox_oldest_post_age_seconds"
    assert rule.metric in GAUGES
    assert (rule.threshold, rule.interval, rule.least, rule.most) == (2.0, 5.0, 2, 10)


@pytest.mark.parametrize(
    ("now", "value", "wanted"),
    [
        (2, 2.0, 2),
        (2, 2.1, 3),
        (2, 5.0, 5),
        # Not more than the stack can have, ...
        (4, 60.0, 10),
        # ... not fewer than the rule says, ...
        (1, 0.0, 2),
        # ... and not fewer than there are, because that takes minutes.
        (7, 0.0, 7),
    ],
)
def test_there_are_as_many_times_more_as_the_oldest_post_waits_for_too_long(
    now: int, value: float, wanted: int
) -> None:
    assert RULE.wanted(now=now, value=value) == wanted
