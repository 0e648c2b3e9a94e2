"""When a worker's main thread wakes."""

import time
from typing import Any

import pytest
from gunicorn.workers.gthread import ThreadWorker

from core.http.receiving import SECONDS_BETWEEN_CHECKS, ReceivingWorker


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [([], SECONDS_BETWEEN_CHECKS), ([9.0], SECONDS_BETWEEN_CHECKS), ([9.0, 0.1], 0.1), ([-1.0], 0)],
    ids=["none", "long", "short", "over"],
)
def test_it_wakes_when_a_paused_body_is_to_be_read_on(
    pauses: list[float], expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the next request would wake it, and wait until the body is read."""
    waited: list[float] = []
    monkeypatch.setattr(
        ThreadWorker,
        "wait_for_and_dispatch_events",
        lambda worker, timeout: waited.append(timeout),
    )
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    worker: Any = ReceivingWorker.__new__(ReceivingWorker)
    worker._paused = {number: 1000.0 + pause for number, pause in enumerate(pauses)}
    worker.wait_for_and_dispatch_events(timeout=1.0)
    assert waited == [pytest.approx(expected)]
