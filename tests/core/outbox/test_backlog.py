"""The outbox's backlog is measured in SQL and exported."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now

from core.metrics import shared as shared_metrics
from core.metrics.shared import read_stored, sample
from core.outbox import backlog, rows
from core.outbox.models import OutboxEvent
from core.outbox.subscriptions import event_names
from core.sql import PRIMARIES
from core.valkey import state_valkey

AGE, STAMP = "socialfeed_outbox_oldest_post_age_seconds", "socialfeed_outbox_timestamp_seconds"
UPLOAD_AGE = "socialfeed_outbox_oldest_upload_age_seconds"


@pytest.fixture
def nothing_pending(db: None) -> None:
    """All rows of other tests are done; rolled back after the test."""
    for database in PRIMARIES:
        OutboxEvent.objects.using(database).filter(done_at=None).update(done_at=Now())


@pytest.fixture
def own_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics that beat does not store."""
    monkeypatch.setattr(shared_metrics, "_figures_key", lambda: "gauges:test-backlog")
    state_valkey().delete("gauges:test-backlog")


def record(database: str, kind: str, *, age: float = 0, **columns: Any) -> None:
    event_id = rows.record(
        database=database, kind=kind, subscriber="fanout", payload={"post_id": 1, "author_id": 1}
    )
    OutboxEvent.objects.using(database).filter(pk=event_id).update(
        created_at=Now() - timedelta(seconds=age), **columns
    )


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_pending")
def test_rows_are_counted_by_kind_and_by_whether_they_are_late() -> None:
    for _ in range(3):
        record("posts", "post_published")
    record("posts", "post_deleted", wake_at=Now() - timedelta(seconds=1))
    record("posts", "post_edited", done_at=Now())
    measured = backlog.measure_backlog(database="posts")
    assert {kind: n for kind, n in measured.pending.items() if n} == {
        "post_published": 3,
        "post_deleted": 1,
    }
    assert measured.pending.keys() == set(event_names())
    assert measured.overdue == 1
    assert sum(backlog.measure_backlog(database="comments").pending.values()) == 0


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_pending")
def test_a_long_backlog_is_counted_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "COUNTED_AT_MOST", 3)
    for _ in range(5):
        record("posts", "post_published")
    assert backlog.measure_backlog(database="posts").pending["post_published"] == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_pending")
def test_the_age_is_that_of_the_oldest_post_which_nobody_has_delivered() -> None:
    assert backlog.oldest_age(kind=backlog.POST_PUBLISHED) == 0
    record("posts", "post_published", age=90, done_at=Now())
    record("posts", "post_deleted", age=80)
    record("posts", "post_published", age=60)
    record("posts", "post_published", age=30)
    assert 60 <= backlog.oldest_age(kind=backlog.POST_PUBLISHED) < 65


@pytest.mark.django_db
@pytest.mark.usefixtures("nothing_pending", "own_figures")
def test_what_is_measured_is_exported_zeros_too() -> None:
    record("posts", "post_published", age=60, wake_at=Now() - timedelta(seconds=1))
    record("posts", "upload_sent", age=40)
    start = time.time()
    backlog.export_backlog()
    figures = read_stored()
    assert 60 <= figures[AGE] < 65
    assert 40 <= figures[UPLOAD_AGE] < 45
    assert figures[STAMP] >= start
    assert figures[sample("socialfeed_outbox_pending", "posts", "post_published")] == 1
    assert figures[sample("socialfeed_outbox_overdue", "posts")] == 1
    assert figures[sample("socialfeed_outbox_overdue", "comments")] == 0
    OutboxEvent.objects.using("posts").filter(done_at=None).update(done_at=Now())
    backlog.export_backlog()
    figures = read_stored()
    assert figures[AGE] == 0
    assert figures[sample("socialfeed_outbox_pending", "posts", "post_published")] == 0


@pytest.fixture
def closed(
    committed: None, reconnect_after_test: None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Give a database a port on which nobody listens."""

    def close(database: str) -> None:
        monkeypatch.setitem(connections[database].settings_dict, "PORT", 9)
        connections[database].close()

    return close


@pytest.mark.usefixtures("own_figures")
def test_a_database_that_is_down_is_left_out_and_logged(
    closed: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    closed("posts")
    backlog.export_backlog()
    assert AGE not in read_stored()
    assert STAMP not in read_stored(), "monitoring must see that nothing is known"
    assert sample("socialfeed_outbox_overdue", "comments") in read_stored()
    assert "the outbox of posts cannot be measured" in caplog.text


class EnoughError(BaseException):
    """Ends an endless loop."""


def test_exporting_goes_on_with_everything_down(
    closed: Callable[[str], None],
    closed_state: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for database in PRIMARIES:
        closed(database)
    rounds = 0

    def sleep(seconds: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 3:
            raise EnoughError

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setattr(backlog, "wait_to_lead", lambda: None)  # this process leads
    with caplog.at_level(logging.ERROR), pytest.raises(EnoughError):
        backlog._export_for_ever()
    messages = [record.getMessage() for record in caplog.records]
    assert messages.count("the outbox of posts cannot be measured") == 3
