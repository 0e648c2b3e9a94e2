"""Metrics of API processes, which `/metrics` of their instance shows.

Under gunicorn (deploy/gunicorn.conf.py) each worker process has its metrics in a file, and the one
that answers `/metrics` adds them up; elsewhere they are in memory. Processes without a port use
`core.metrics.shared`. Declare here everything that is measured in API processes. A Gauge needs a
`multiprocess_mode` that begins with `live`, so that its value goes when its process ends.
"""

import logging
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

logger = logging.getLogger(__name__)
disable_created_metrics()  # type: ignore[no-untyped-call]

# Not the library's default registry, to which other packages may add.
PROCESS_REGISTRY = CollectorRegistry()
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})

REQUESTS = Counter(
    "socialfeed_requests_total",
    "Requests answered.",
    ["role", "method", "route", "status"],
    registry=PROCESS_REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "socialfeed_request_seconds",
    "How long requests took.",
    ["role", "method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=PROCESS_REGISTRY,
)
REFUSED = Counter(
    "socialfeed_requests_refused_total",
    "Requests that were one too many at once, answered 503.",
    ["role"],
    registry=PROCESS_REGISTRY,
)
IN_FLIGHT = Gauge(
    "socialfeed_requests_in_flight",
    "Requests that run or wait for a thread.",
    ["role"],
    registry=PROCESS_REGISTRY,
    multiprocess_mode="livesum",
)
SERVER_ANSWERS = Gauge(
    "socialfeed_sql_server_answers",
    "Whether a SQL server answers the instance: 1, or 0.",
    ["server"],
    registry=PROCESS_REGISTRY,
    multiprocess_mode="livemin",
)
REPLICA_LAG = Gauge(
    "socialfeed_replica_lag_seconds",
    "By how much a replica lags, as the instance sees it.",
    ["server"],
    registry=PROCESS_REGISTRY,
    multiprocess_mode="livemax",
)


def note_refused(*, role: str) -> None:
    """Count a request that was refused because there were too many at once."""
    try:
        REFUSED.labels(role).inc()
    except OSError:
        logger.exception("A refused request could not be counted")


def note_in_flight(number: int, *, role: str) -> None:
    """Say how many requests run or wait in this process."""
    try:
        IN_FLIGHT.labels(role).set(number)
    except OSError:
        logger.exception("The number of requests in flight could not be set")


def note_unread(*, role: str, method: str, status: int) -> None:
    """Count an answer to a request whose body is not read; a failure is only logged.

    Nobody has asked for its route, so that is `unread`. It is not timed.
    """
    try:
        REQUESTS.labels(role, _known(method), "unread", str(status)).inc()
    except OSError:
        logger.exception("A request whose body is not read could not be counted")


def note_server(*, server: str, answers: bool, lag: float | None) -> None:
    """Put the result of a check of a SQL server into the metrics; a failure is only logged.

    `lag`: in seconds, infinite if it is not known; None for a primary.
    """
    try:
        SERVER_ANSWERS.labels(server).set(answers)
        if lag is not None:
            REPLICA_LAG.labels(server).set(lag)
    except OSError:
        logger.exception("The metrics of %s could not be set", server)


def note_request(*, role: str, method: str, route: str, status: int, seconds: float) -> None:
    """Count and time a request. If that fails it is logged; it raises nothing.

    `route` is the URL pattern that matched, because there are few of them.
    """
    try:
        count, timer = _of_requests(role, _known(method), route, status)
        count.inc()
        timer.observe(seconds)
    except OSError:
        logger.exception("A request could not be counted")


def _known(method: str) -> str:
    """A method as it is counted: `other` if it is not in METHODS, for clients can invent many."""
    return method if method in METHODS else "other"


@cache  # as many entries as `/metrics` has lines
def _of_requests(role: str, method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    counts = REQUESTS.labels(role, method, route, str(status))
    return counts, REQUEST_SECONDS.labels(role, method, route)
