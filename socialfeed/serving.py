"""How an API process takes requests: no more at once than it can do, and to the end when it is told
to stop.

More requests than MAX_REQUESTS_IN_FLIGHT are answered 503 at once, by threads that are there for
nothing else, so that those in flight stay fast and probes are answered however busy it is.

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


class DrainingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's worker with threads, which goes on for a while when it is told to stop."""

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
    """The application, with at most `limit` requests in it at once; of others it is told."""
    free = threading.BoundedSemaphore(limit)

    def bounded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] in PROBES:
            return application(environ, start_response)
        if not free.acquire(blocking=False):
            on_refused()
            start_response("503 Service Unavailable", _SHED_HEADERS)
            return [_SHED]
        # Until the answer is made, as a whole: no view of ours streams.
        try:
            return application(environ, start_response)
        finally:
            free.release()

    return bounded
