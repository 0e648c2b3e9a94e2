"""Gauges and counters of processes that have no port, which any API shows at `/metrics`: in STATE.

All of them are declared here. A sample is named by its metric and, if that has labels, their
values in the order of LABELS: `sample("socialfeed_outbox_overdue", "posts")`. STATE down: what was
to be stored or counted is lost, and nothing is known; both are logged. The next measurement stores
a gauge anew. (What API processes count themselves is in `core.metrics.local`.)
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import cast

from redis import ResponseError

from core.valkey import ValkeyUnavailable, state_valkey

logger = logging.getLogger(__name__)

# Name -> what it says; Prometheus' naming: unit last, base units.
GAUGES: Mapping[str, str] = {
    "socialfeed_timeline_drift_ratio": (
        "Wrong entries among those compared with SQL in the last audit of a sample of timelines."
    ),
    "socialfeed_timelines_audited": "Timelines compared in the last audit.",
    "socialfeed_timelines_drifted": (
        "Timelines of the last audit that differed from SQL, and were built anew."
    ),
    "socialfeed_timeline_audit_timestamp_seconds": "When the last audit ended, Unix time.",
    "socialfeed_counters_checked": "Posts and comments whose counts were compared with the rows.",
    "socialfeed_counters_drifted": (
        "Counts, summaries and records of them that differed from the rows, and were mended."
    ),
    "socialfeed_counter_drift": "By how much those counts were off, all together.",
    "socialfeed_counter_check_timestamp_seconds": "When that check ended, Unix time.",
    "socialfeed_outbox_oldest_post_age_seconds": (
        "Age of the oldest post that is still to be delivered; 0 when there is none."
    ),
    "socialfeed_outbox_pending": "Events that are still to be delivered.",
    "socialfeed_outbox_overdue": "Those of them that nobody has delivered in time.",
    "socialfeed_outbox_timestamp_seconds": "When the age was measured, Unix time.",
}
COUNTERS: Mapping[str, str] = {
    "socialfeed_deliveries_total": "Events that the workers have delivered.",
    "socialfeed_timeline_entries_total": "Entries that those deliveries put into home timelines.",
}
LABELS: Mapping[str, tuple[str, ...]] = {
    "socialfeed_outbox_pending": ("database", "kind"),
    "socialfeed_outbox_overdue": ("database",),
    "socialfeed_deliveries_total": ("kind",),
}


def _figures_key() -> str:
    """STATE. Hash: a sample of GAUGES or COUNTERS -> its value, in decimal. Some 4 KB; kept for
    good, so whoever measures also stores when: a scraper must be able to tell an old value.
    """
    return "gauges:v1"


def sample(name: str, *label_values: str) -> str:
    """The name of one sample; raises ValueError on values that do not fit the metric's labels."""
    if len(label_values) != len(LABELS.get(name, ())) or any(" " in v for v in label_values):
        raise ValueError(f"labels of {name}: {LABELS.get(name, ())}, not {label_values}")
    return " ".join([name, *label_values])


def set_gauges(*, values: Mapping[str, float]) -> None:
    """Store what was measured, all at once; raises ValueError on a sample of no gauge."""
    _check(values, GAUGES)
    try:
        state_valkey().hset(_figures_key(), mapping={name: repr(v) for name, v in values.items()})
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("STATE is down or full: these gauges are lost: %s", dict(values))


def count(*, values: Mapping[str, int]) -> None:
    """Add to counters, all in one round trip; raises ValueError on a sample of no counter."""
    _check(values, COUNTERS)
    try:
        pipeline = state_valkey().pipeline(transaction=False)
        for name, value in values.items():
            pipeline.hincrby(_figures_key(), name, value)
        pipeline.execute()
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("STATE is down or full: this is not counted: %s", dict(values))


def read_stored() -> dict[str, float]:
    """The samples that have a value, by name; one round trip."""
    try:
        stored = cast("dict[bytes, bytes]", state_valkey().hgetall(_figures_key()))
    except ValkeyUnavailable:
        logger.exception("STATE is down: no gauge is known")
        return {}
    # What an older release stored under a name that is gone is left out.
    declared = GAUGES.keys() | COUNTERS.keys()
    values = {name.decode(): float(value) for name, value in stored.items()}
    return {name: value for name, value in values.items() if _metric(name) in declared}


def _check(samples: Iterable[str], declared: Mapping[str, str]) -> None:
    if undeclared := {name for name in samples if _metric(name) not in declared}:
        raise ValueError(f"not declared: {', '.join(sorted(undeclared))}")


def _metric(name: str) -> str | None:
    """The metric of a sample, if it has as many labels as the sample."""
    metric, *label_values = name.split(" ")
    return metric if len(label_values) == len(LABELS.get(metric, ())) else None
