"""Gauges are kept in STATE, and declared."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from socialfeed.common import gauges
from socialfeed.common.gauges import GAUGES, read_gauges, set_gauges
from socialfeed.common.valkey import state_valkey

pytestmark = pytest.mark.usefixtures("stack")
NAME = "socialfeed_timeline_drift_ratio"


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-7, 1795408345.123456])
def test_what_is_stored_is_read_to_the_last_digit(value: float) -> None:
    set_gauges(values={NAME: value})
    assert read_gauges()[NAME] == value


def test_all_are_stored_and_read_in_a_round_trip_each(round_trips: Callable[[], int]) -> None:
    before = round_trips()
    set_gauges(values=dict.fromkeys(GAUGES, 1.0))
    assert round_trips() - before == 1
    assert read_gauges() == dict.fromkeys(GAUGES, 1.0)
    assert round_trips() - before == 2


def test_a_gauge_that_is_not_declared_is_refused_and_an_old_one_is_not_shown() -> None:
    with pytest.raises(ValueError, match="socialfeed_nonsense"):
        set_gauges(values={"socialfeed_nonsense": 1.0})
    state_valkey().hset(gauges._gauges_key(), "socialfeed_nonsense", "1")
    assert "socialfeed_nonsense" not in read_gauges()
    state_valkey().hdel(gauges._gauges_key(), "socialfeed_nonsense")


def test_while_state_is_down_both_go_on_and_log(
    closed_state: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        set_gauges(values={NAME: 0.5})
        assert read_gauges() == {}
    assert "STATE is down: these gauges are lost: {'socialfeed_timeline_drift_ratio': 0.5}" in (
        caplog.text
    )
    assert len(caplog.records) == 2


def test_names_are_prometheus_names_with_help() -> None:
    assert all(
        name.startswith("socialfeed_") and text.endswith(".") for name, text in GAUGES.items()
    )
