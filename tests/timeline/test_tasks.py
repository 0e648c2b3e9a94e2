"""The task that audits timelines."""

import logging
import time
from typing import Any

import pytest

from core.metrics.shared import GAUGES, read_stored
from socialfeed.settings import tasks as task_settings
from tests.support.drift import put, refs_of, warm
from timeline.entries import Timeline, profile_timeline
from timeline.tasks import audit_timelines

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("short_pause")]


def test_the_beat_audits_and_a_task_that_no_worker_took_expires() -> None:
    entry = task_settings.CELERY_BEAT_SCHEDULE[audit_timelines.name]
    assert entry["task"] == audit_timelines.name
    seconds = task_settings._TIMELINE_AUDIT_SECONDS
    assert entry["schedule"] == entry["options"]["expires"] == seconds


def test_the_task_repairs_what_has_drifted_logs_it_and_exports_metrics(
    empty_cache: None,
    home: Timeline,
    bob: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refs = refs_of(home)
    put(home, [refs[1], refs[0], refs[2], refs[3], refs[4], refs[5]])
    profile = profile_timeline(user_id=bob)
    warm(profile)
    with caplog.at_level(logging.ERROR):
        audit_timelines(of_an_older_release=1)
    assert f"{home.key} has drifted" in caplog.text
    assert "0 missing, 0 extra, 1 misplaced" in caplog.text
    assert len(caplog.records) == 1
    stored = read_stored()  # counters too, which other deliveries have counted
    metrics = {name: stored[name] for name in stored.keys() & GAUGES.keys() if "timeline" in name}
    assert metrics.pop("socialfeed_timeline_audit_timestamp_seconds") == pytest.approx(
        time.time(), abs=5
    )
    assert metrics == {
        "socialfeed_timeline_drift_ratio": 0.1,
        "socialfeed_timelines_audited": 2,
        "socialfeed_timelines_drifted": 1,
    }
    assert refs_of(home) == refs
    caplog.clear()
    audit_timelines()
    assert not caplog.records
    assert read_stored()["socialfeed_timeline_drift_ratio"] == 0


def test_a_sample_of_none_audits_nothing(home: Timeline, settings: Any) -> None:
    settings.TIMELINE_AUDIT_SAMPLE = 0
    put(home, refs_of(home)[:1])
    audit_timelines()
    assert len(refs_of(home)) == 1
    assert read_stored()["socialfeed_timelines_audited"] == 0
