"""Shared metrics are stored in STATE, and each is declared."""

import logging
from collections.abc import Callable, Iterable

import pytest

from core.metrics import shared as shared_metrics
from core.metrics.shared import (
    COUNTERS,
    GAUGES,
    LABELS,
    count,
    read_stored,
    sample,
    set_gauges,
)
from core.valkey import state_valkey

pytestmark = pytest.mark.usefixtures("stack")
NAME = "socialfeed_timeline_drift_ratio"


@pytest.mark.parametrize("value", [0.0, 1.0, 1e-7, 1795408345.123456])
def test_what_is_stored_is_read_to_the_last_digit(value: float) -> None:
    set_gauges(values={NAME: value})
    assert read_stored()[NAME] == value


def test_all_are_stored_and_read_in_a_round_trip_each(round_trips: Callable[[], int]) -> None:
    before = round_trips()
    values = dict.fromkeys(samples(GAUGES), 1.0)
    set_gauges(values=values)
    assert round_trips() - before == 1
    count(values=dict.fromkeys(samples(COUNTERS), 1))
    assert round_trips() - before == 2
    assert read_stored().items() >= values.items()
    assert round_trips() - before == 3


def test_a_gauge_that_is_not_declared_is_refused_and_an_old_one_is_not_shown() -> None:
    with pytest.raises(ValueError, match="socialfeed_nonsense"):
        set_gauges(values={"socialfeed_nonsense": 1.0})
    with pytest.raises(ValueError, match="deliveries_total"):
        set_gauges(values={sample("socialfeed_deliveries_total", "x"): 1.0})
    with pytest.raises(ValueError, match=NAME):
        count(values={NAME: 1})
    state_valkey().hset(shared_metrics._figures_key(), "socialfeed_nonsense", "1")
    assert "socialfeed_nonsense" not in read_stored()
    state_valkey().hdel(shared_metrics._figures_key(), "socialfeed_nonsense")


def test_while_state_is_down_both_go_on_and_log(
    closed_state: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        set_gauges(values={NAME: 0.5})
        count(values={"socialfeed_timeline_entries_total": 7})
        assert read_stored() == {}
    assert (
        "STATE is down or full: these gauges are lost: {'socialfeed_timeline_drift_ratio': 0.5}"
        in (caplog.text)
    )
    assert (
        "STATE is down or full: these counts are lost: {'socialfeed_timeline_entries_total': 7}"
        in (caplog.text)
    )
    assert len(caplog.records) == 3


def test_names_are_prometheus_names_with_help() -> None:
    assert all(
        name.startswith("socialfeed_") and text.endswith(".")
        for name, text in [*GAUGES.items(), *COUNTERS.items()]
    )
    assert all(name.endswith("_total") for name in COUNTERS)
    assert GAUGES.keys() | COUNTERS.keys() >= LABELS.keys()
    assert not GAUGES.keys() & COUNTERS.keys()


def samples(names: Iterable[str]) -> list[str]:
    """One sample of each metric."""
    return [sample(name, *LABELS.get(name, ())) for name in names]


def test_counters_add_up() -> None:
    name = sample("socialfeed_deliveries_total", "post_edited")
    before = read_stored().get(name, 0)
    count(values={name: 2, "socialfeed_timeline_entries_total": 0})
    count(values={name: 40})
    assert read_stored()[name] == before + 42


@pytest.mark.parametrize("label_values", [(), ("posts",), ("posts", "a", "b"), ("posts", "a b")])
def test_a_sample_has_a_value_for_each_label(label_values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="labels of socialfeed_outbox_pending"):
        sample("socialfeed_outbox_pending", *label_values)
    stored = " ".join(["socialfeed_outbox_pending", *label_values, *(["c"] * 3)])
    state_valkey().hset(shared_metrics._figures_key(), stored, "1")
    assert stored not in read_stored(), "an older release had other labels"
    state_valkey().hdel(shared_metrics._figures_key(), stored)
