"""`/metrics`: shared and local metrics, in Prometheus' text format.

The metrics of `core.metrics.shared` are the same at every instance; those of `core.metrics.local`
are the sums of the instance's own processes. They are served on each instance's own port, to a
scraper inside the network; the web server answers 404 (deploy/Caddyfile). STATE down: 200, with the
names of the shared metrics and no values.
"""

import os
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from core.metrics.local import PROCESS_REGISTRY
from core.metrics.shared import COUNTERS, GAUGES, LABELS, read_stored

Family = GaugeMetricFamily | CounterMetricFamily


class SharedMetrics(Collector):
    """Reads the shared metrics from STATE at each scrape."""

    def collect(self) -> Iterator[Family]:
        families = {family.name: family for family in self.describe()}
        for sample, value in sorted(read_stored().items()):
            name, *label_values = sample.split(" ")
            families[name.removesuffix("_total")].add_metric(label_values, value)
        yield from families.values()

    def describe(self) -> Iterator[Family]:
        """The metrics without values, so that nothing is read when this is registered."""
        for name, help_text in GAUGES.items():
            yield GaugeMetricFamily(name, help_text, labels=LABELS.get(name, ()))
        for name, help_text in COUNTERS.items():
            yield CounterMetricFamily(name, help_text, labels=LABELS.get(name, ()))


_registry = CollectorRegistry()
_registry.register(SharedMetrics())
if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    MultiProcessCollector(_registry)  # type: ignore[no-untyped-call]
else:
    _registry.register(PROCESS_REGISTRY)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All metrics, as they are now."""
    return HttpResponse(generate_latest(_registry), content_type=CONTENT_TYPE_LATEST)
