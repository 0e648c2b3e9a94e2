"""`/metrics`, in Prometheus' text format: the gauges of `socialfeed.common.gauges`.

On each API process' own port, for a scraper inside the network; the web server answers 404
(deploy/Caddyfile). Any process gives the same answer, so one is enough to scrape. STATE down: 200,
with the names and no values.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

from socialfeed.common.gauges import GAUGES, read_gauges


class StoredGauges(Collector):
    """Asks STATE at each scrape."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        values = read_gauges()
        for name, help_text in GAUGES.items():
            yield GaugeMetricFamily(name, help_text, value=values.get(name))

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """What there is, without asking: so nothing is read when this is registered."""
        for name, help_text in GAUGES.items():
            yield GaugeMetricFamily(name, help_text)


# Not the library's own registry, whose figures of one process out of many would mislead.
_registry = CollectorRegistry()
_registry.register(StoredGauges())


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All gauges, as they were stored last."""
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
