"""How an API process takes requests: no more at once than it can do, and to the end when it is told
to stop.

Requests wait their turn for a thread, in the order in which they have come. While more than
MAX_REQUESTS_IN_FLIGHT are at work or wait, whichever has its turn is answered 503, which takes no
time: so the queue is short again at once, and nobody waits for an answer that comes too late.

SIGTERM: for SECONDS_TO_DRAIN the process says that it accepts nothing more (`is_draining`, which
`/healthz/accepting` tells the web server) and goes on all the same; then it takes no new
connection, and ends when the last request has been answered. So a restart breaks off none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from gunicorn.workers.gthread import ThreadWorker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Longer than the web server takes to look at an instance (every second) and to hear.
SECONDS_TO_DRAIN = 2.5

_SHED = (
    b'{"type":"/problems/overloaded","title":"Service Unavailable","status":503,'
    b'"detail":"There are more requests at the moment than can be served. Try again."}'
)
_SHED_HEADERS = [
    ("Content-Type", "application/problem+json"),
    ("Content-Length", str(len(_SHED))),
    ("Retry-After", "1"),
]
# What has to be told of a process that is busy.
PROBES = frozenset({"/healthz/live", "/healthz/ready", "/healthz/accepting", "/metrics"})

_draining = threading.Event()


def is_draining() -> bool:
    """Whether this process has been told to stop."""
    return _draining.is_set()


class Load:
    """How many requests this process has at the moment; a thread's business is its worker's."""

    in_flight = 0


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's worker with threads, which counts what it has taken in, and goes on for a while
    when it is told to stop.
    """

    # Both of these gunicorn calls in the worker's main thread only.
    def enqueue_req(self, conn: Any) -> None:
        Load.in_flight += 1
        super().enqueue_req(conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        Load.in_flight -= 1
        super().finish_request(conn, fs)

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not _draining.is_set():
            _draining.set()
            timer = threading.Timer(SECONDS_TO_DRAIN, super().handle_exit, (sig, frame))
            timer.daemon = True
            timer.start()

    def murder_keepalived(self) -> None:
        """At the end of a stop, close connections that wait for no answer, instead of waiting for
        their next request: the web server has none for us any more.
        """
        if not self.alive:
            for connection in self.keepalived_conns:
                connection.timeout = 0.0
        super().murder_keepalived()


def shedding(
    application: WSGIApplication, limit: int, on_refused: Callable[[], object]
) -> WSGIApplication:
    """The application, but for requests that come while more than `limit` are in flight; of those
    it is told.
    """

    def bounded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if Load.in_flight <= limit or environ["PATH_INFO"] in PROBES:
            return application(environ, start_response)
        on_refused()
        start_response("503 Service Unavailable", _SHED_HEADERS)
        return [_SHED]

    return bounded
