"""Metrics of processes that have no port, stored in STATE; every API shows them at `/metrics`.

All of them are declared here. The name of a sample is its metric and the values of its labels, in
the order of LABELS: `sample("socialfeed_outbox_overdue", "posts")`. STATE down: values that should
be stored are lost, reads find nothing, and both are logged. (Metrics of API processes are in
`core.metrics.local`.)
"""

import logging
from collections.abc import Iterable, Mapping
from typing import cast

from redis import ResponseError

from core.valkey import ValkeyUnavailable, state_valkey

logger = logging.getLogger(__name__)

# Name -> help text. Names are as Prometheus wants them: base units, the unit last.
GAUGES: Mapping[str, str] = {
    "socialfeed_timeline_drift_ratio": (
        "Wrong entries among those compared with SQL in the last audit of a sample of timelines."
    ),
    "socialfeed_timelines_audited": "Timelines compared in the last audit.",
    "socialfeed_timelines_drifted": (
        "Timelines of the last audit that differed from SQL, and were rebuilt."
    ),
    "socialfeed_timeline_audit_timestamp_seconds": "When the last audit ended, Unix time.",
    "socialfeed_counters_checked": "Subjects (posts, comments, accounts) compared with the rows.",
    "socialfeed_counters_drifted": (
        "Counts, summaries and records of them that differed from the rows, and were repaired."
    ),
    "socialfeed_counter_drift": "By how much those counts were off, all together.",
    "socialfeed_counter_check_timestamp_seconds": "When that check ended, Unix time.",
    "socialfeed_outbox_oldest_post_age_seconds": (
        "Age of the oldest post that is still to be delivered; 0 when there is none."
    ),
    "socialfeed_outbox_oldest_upload_age_seconds": (
        "Age of the oldest upload that is still to be processed; 0 when there is none."
    ),
    "socialfeed_outbox_pending": "Outbox rows to be delivered, one for each subscriber.",
    "socialfeed_outbox_overdue": "Those of them that nobody has delivered in time.",
    "socialfeed_outbox_timestamp_seconds": "When the age was measured, Unix time.",
}
COUNTERS: Mapping[str, str] = {
    "socialfeed_deliveries_total": "Outbox rows that the workers have delivered.",
    "socialfeed_timeline_entries_total": "Entries that those deliveries put into home timelines.",
}
LABELS: Mapping[str, tuple[str, ...]] = {
    "socialfeed_outbox_pending": ("database", "kind"),
    "socialfeed_outbox_overdue": ("database",),
    "socialfeed_deliveries_total": ("kind",),
}


def _figures_key() -> str:
    """STATE. Hash: a sample of GAUGES or COUNTERS -> its value, in decimal; about 4 KB. It never
    expires, so a process that sets gauges also sets when it did: a scraper must know an old value.
    """
    return "gauges:v1"


def sample(name: str, *label_values: str) -> str:
    """The name of one sample. Raises ValueError if the values do not fit the metric's labels."""
    if len(label_values) != len(LABELS.get(name, ())) or any(" " in v for v in label_values):
        raise ValueError(f"labels of {name}: {LABELS.get(name, ())}, not {label_values}")
    return " ".join([name, *label_values])


def set_gauges(*, values: Mapping[str, float]) -> None:
    """Store values of gauges, in one round trip. Raises ValueError if a sample is no gauge's."""
    _check(values, GAUGES)
    try:
        state_valkey().hset(_figures_key(), mapping={name: repr(v) for name, v in values.items()})
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("STATE is down or full: these gauges are lost: %s", dict(values))


def count(*, values: Mapping[str, int]) -> None:
    """Add to counters, in one round trip. Raises ValueError if a sample is no counter's."""
    _check(values, COUNTERS)
    try:
        pipeline = state_valkey().pipeline(transaction=False)
        for name, value in values.items():
            pipeline.hincrby(_figures_key(), name, value)
        pipeline.execute()
    except (ResponseError, *ValkeyUnavailable):
        logger.exception("STATE is down or full: these counts are lost: %s", dict(values))


def read_stored() -> dict[str, float]:
    """The values of all samples that have one, by the sample's name; one round trip."""
    try:
        stored = cast("dict[bytes, bytes]", state_valkey().hgetall(_figures_key()))
    except ValkeyUnavailable:
        logger.exception("STATE is down: shared metrics cannot be read")
        return {}
    # Leaves out names that only an older release declared.
    declared = GAUGES.keys() | COUNTERS.keys()
    values = {name.decode(): float(value) for name, value in stored.items()}
    return {name: value for name, value in values.items() if _metric(name) in declared}


def _check(samples: Iterable[str], declared: Mapping[str, str]) -> None:
    if undeclared := {name for name in samples if _metric(name) not in declared}:
        raise ValueError(f"These samples are not declared: {', '.join(sorted(undeclared))}")


def _metric(name: str) -> str | None:
    """The metric of a sample; None if its number of labels is wrong."""
    metric, *label_values = name.split(" ")
    return metric if len(label_values) == len(LABELS.get(metric, ())) else None
