"""Gauges that one process measures and any process shows, at `/metrics`: kept in the STATE Valkey.

All of them are declared here. STATE down: what was to be stored is lost, and nothing is known;
both are logged, and the next measurement stores them anew.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast

from socialfeed.common.valkey import ValkeyUnavailable, state_valkey

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
}


def _gauges_key() -> str:
    """STATE. Hash: a name of GAUGES -> its value, in decimal. A few hundred bytes; kept for good,
    so whoever measures also stores when: a scraper must be able to tell an old value.
    """
    return "gauges:v1"


def set_gauges(*, values: Mapping[str, float]) -> None:
    """Store what was measured, all at once; raises ValueError on a name that is not in GAUGES."""
    if undeclared := values.keys() - GAUGES.keys():
        raise ValueError(f"not in GAUGES: {', '.join(sorted(undeclared))}")
    try:
        state_valkey().hset(_gauges_key(), mapping={name: repr(v) for name, v in values.items()})
    except ValkeyUnavailable:
        logger.exception("STATE is down: these gauges are lost: %s", dict(values))


def read_gauges() -> dict[str, float]:
    """The gauges that have a value; one round trip."""
    try:
        stored = cast("dict[bytes, bytes]", state_valkey().hgetall(_gauges_key()))
    except ValkeyUnavailable:
        logger.exception("STATE is down: no gauge is known")
        return {}
    # What an older release stored under a name that is gone is left out.
    return {name: float(stored[name.encode()]) for name in GAUGES if name.encode() in stored}
