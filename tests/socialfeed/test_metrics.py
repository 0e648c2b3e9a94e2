"""`/metrics`, for a scraper inside the network."""

from __future__ import annotations

import logging

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from socialfeed.common import gauges
from socialfeed.common.gauges import GAUGES, set_gauges
from socialfeed.common.valkey import state_valkey
from socialfeed.stack.layout import PROJECT_DIR

pytestmark = pytest.mark.usefixtures("stack")


def scrape() -> dict[str, float]:
    """The samples by name, as Prometheus reads them; each family is a gauge with its help."""
    # A scraper calls an instance by its address, which is no host name of ours.
    answer = Client().get("/metrics", headers={"host": "10.0.0.7:8000"})
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert {family.name: family.documentation for family in families} == GAUGES
    assert {family.type for family in families} == {"gauge"}
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_the_gauges_are_shown_as_they_were_stored() -> None:
    values = {name: 0.25 + number for number, name in enumerate(GAUGES)}
    set_gauges(values=values)
    assert scrape() == values


def test_what_was_never_measured_has_no_value() -> None:
    state_valkey().delete(gauges._gauges_key())
    set_gauges(values={"socialfeed_timelines_audited": 3})
    assert scrape() == {"socialfeed_timelines_audited": 3}


def test_while_state_is_down_it_answers_without_values(
    closed_state: None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert scrape() == {}
    assert "STATE is down: no gauge is known" in caplog.text


def test_it_is_only_read() -> None:
    assert Client().post("/metrics").status_code == 405


def test_each_gauge_is_in_the_docs() -> None:
    page = (PROJECT_DIR / "docs" / "operations.md").read_text()
    assert all(f"`{name}`" in page for name in GAUGES)
