"""Load shedding and graceful stop of an API process.

Requests wait for a thread in the order in which they come. While more than MAX_REQUESTS_IN_FLIGHT
run or wait, one more is answered 503: a plain GET when it comes, by the main thread, as that is
cheap; any other request when it is next in the queue. So the queue stays short, and no client waits
for an answer that comes too late. This is the only limit on how
many requests an instance gets at once: the web server passes on all, and takes each answer whole,
so that no client holds a thread by not reading.

On SIGTERM the process goes on for SECONDS_TO_DRAIN, but tells the web server to send no more
requests (`is_draining`, by `/healthz/accepting`). Then it accepts no new connection, and ends after
its last answer. So a restart aborts no request.
"""

import socket
import threading
from collections.abc import Callable, Iterable
from functools import partial
from selectors import EVENT_READ
from typing import Any, ClassVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings

from core.http.receiving import ReceivingWorker

# Longer than the web server takes to check an instance (every second) and to get the answer.
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
# These are answered under any load.
PROBES = frozenset({"/healthz/live", "/healthz/ready", "/healthz/accepting", "/metrics"})

_draining = threading.Event()


def is_draining() -> bool:
    """Whether this process was told to stop."""
    return _draining.is_set()


_SHED_ANSWER = b"HTTP/1.1 503 Service Unavailable\r\n%s\r\n%s" % (
    "".join(f"{name}: {value}\r\n" for name, value in _SHED_HEADERS).encode(),
    _SHED,
)
# A longer head is left to a thread.
_HEAD_BYTES = 16 * 1024


class Load:
    """The number of requests that run or wait in this process."""

    in_flight = 0
    _lock = threading.Lock()
    # Is told each new number; the application sets it.
    note: ClassVar[Callable[[int], object]] = staticmethod(lambda number: None)

    @classmethod
    def change(cls, by: int) -> None:
        """Count a request that begins to wait, or one that has ended. Any thread may call this."""
        with cls._lock:
            cls.in_flight += by
            cls.note(cls.in_flight)


class DrainingWorker(ReceivingWorker):
    """gunicorn's worker with threads; counts requests, and goes on for a while after SIGTERM."""

    # Counts a refused request; the application sets it, as `note_unread`.
    note_refused: ClassVar[Callable[..., object]]

    def enqueue_req(self, conn: Any) -> None:
        if Load.in_flight <= settings.MAX_REQUESTS_IN_FLIGHT or not self._refuse_at_once(conn):
            super().enqueue_req(conn)

    def submit(self, conn: Any) -> None:
        Load.change(+1)
        super().submit(conn)

    def _refuse_at_once(self, conn: Any) -> bool:
        """Answer 503 to a GET whose head has come, and keep the connection; False if it is another
        request. The main thread does this: a thread would take several times as long.
        """
        conn.sock.setblocking(False)
        try:
            data = conn.sock.recv(_HEAD_BYTES, socket.MSG_PEEK)
        except OSError:  # nothing has come, or the client has gone: a thread finds out
            return False
        if not _is_plain_get(data):
            return False
        try:
            conn.sock.recv(len(data))
            is_sent = conn.sock.send(_SHED_ANSWER) == len(_SHED_ANSWER)
        except OSError:
            is_sent = False
        if not is_sent:  # the client has gone, or does not read
            self._drop(conn)
            return True
        self.note_refused()
        conn.set_timeout()
        self.keepalived_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))
        return True

    def handle(self, conn: Any) -> Any:
        try:
            return super().handle(conn)
        finally:
            # Here, in the thread. The main thread would be late, and the threads would meanwhile
            # refuse requests for which there is room.
            Load.change(-1)

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not _draining.is_set():
            _draining.set()
            timer = threading.Timer(SECONDS_TO_DRAIN, super().handle_exit, (sig, frame))
            timer.daemon = True
            timer.start()

    def murder_keepalived(self) -> None:
        """While stopping, close idle connections at once: the web server sends nothing more."""
        if not self.alive:
            for connection in (*self.keepalived_conns, *self.pending_conns):
                connection.timeout = 0.0
        super().murder_keepalived()


def _is_plain_get(data: bytes) -> bool:
    """Whether this is one whole GET request without a body, and no probe."""
    if not data.startswith(b"GET ") or data.find(b"\r\n\r\n") != len(data) - 4:
        return False
    path = data[4 : data.find(b" ", 4)].partition(b"?")[0].decode("latin-1")
    lower = data.lower()
    has_body = b"\r\ncontent-length:" in lower or b"\r\ntransfer-encoding:" in lower
    return path not in PROBES and not has_body


def shedding(
    application: WSGIApplication, limit: int, on_refused: Callable[[], object]
) -> WSGIApplication:
    """The application; beyond `limit` requests in flight it answers 503 and calls `on_refused`."""

    def bounded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if Load.in_flight <= limit or environ["PATH_INFO"] in PROBES:
            return application(environ, start_response)
        on_refused()
        start_response("503 Service Unavailable", _SHED_HEADERS)
        return [_SHED]

    return bounded
