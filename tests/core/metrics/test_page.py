"""`/metrics`, for a scraper inside the network."""

import logging
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from core.metrics import shared as shared_metrics
from core.metrics.local import PROCESS_REGISTRY
from core.metrics.shared import COUNTERS, GAUGES, LABELS, count, sample, set_gauges
from core.valkey import state_valkey
from devstack.layout import PROJECT_DIR

pytestmark = pytest.mark.usefixtures("stack")
LOCAL = {family.name: family for family in PROCESS_REGISTRY.collect()}


@pytest.fixture
def beat_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics of this test alone: beat stores others all the time."""
    monkeypatch.setattr(shared_metrics, "_figures_key", lambda: "gauges:test")
    state_valkey().delete("gauges:test")


def families() -> list[Any]:
    # A scraper calls an instance by its address, which is not an allowed host.
    answer = Client().get("/metrics", headers={"host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    return list(text_string_to_metric_families(answer.content.decode()))


def scrape() -> dict[str, float]:
    """The samples by name and labels, as Prometheus reads them, without this process' own."""
    return {
        " ".join([one.name, *one.labels.values()]): one.value
        for family in families()
        if family.name not in LOCAL
        for one in family.samples
    }


def test_each_metric_is_shown_with_its_type_and_help() -> None:
    types = {family.name: family.type for family in families()}
    assert types == (
        dict.fromkeys(GAUGES, "gauge")
        | dict.fromkeys((name.removesuffix("_total") for name in COUNTERS), "counter")
        | {
            "socialfeed_requests_refused": "counter",
            "socialfeed_requests": "counter",
            "socialfeed_request_seconds": "histogram",
        }
        | dict.fromkeys(
            [
                "socialfeed_requests_in_flight",
                "socialfeed_sql_server_answers",
                "socialfeed_replica_lag_seconds",
            ],
            "gauge",
        )
    )
    texts = {family.name: family.documentation for family in families()}
    assert texts.items() >= GAUGES.items()
    assert all(text.endswith(".") for text in texts.values())


@pytest.mark.usefixtures("beat_is_quiet")
def test_what_is_stored_is_shown() -> None:
    values = {
        sample(name, *LABELS.get(name, ())): 0.25 + number for number, name in enumerate(GAUGES)
    }
    set_gauges(values=values)
    counted = {sample(name, *LABELS.get(name, ())): 7 for name in COUNTERS}
    count(values=counted)
    assert scrape() == values | counted


@pytest.mark.usefixtures("beat_is_quiet")
def test_labels_have_their_names() -> None:
    set_gauges(values={sample("socialfeed_outbox_pending", "posts", "post_edited"): 3})
    (shown,) = [
        one for f in families() if f.name == "socialfeed_outbox_pending" for one in f.samples
    ]
    assert shown.labels == {"database": "posts", "kind": "post_edited"}


@pytest.mark.usefixtures("beat_is_quiet")
def test_what_was_never_measured_has_no_value() -> None:
    set_gauges(values={"socialfeed_timelines_audited": 3})
    assert scrape() == {"socialfeed_timelines_audited": 3}


def test_while_state_is_down_it_answers_without_values(
    closed_state: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert scrape() == {}
    assert "STATE is down: shared metrics cannot be read" in caplog.text


def test_it_is_only_read() -> None:
    assert Client().post("/metrics").status_code == 405


def test_each_metric_is_in_the_docs() -> None:
    page = (PROJECT_DIR / "docs" / "operations.md").read_text()
    names = {*GAUGES, *COUNTERS, "socialfeed_requests_total", "socialfeed_request_seconds"}
    assert not {name for name in names if f"`{name}" not in page}
