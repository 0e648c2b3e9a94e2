"""A gunicorn worker whose threads never wait for a client that sends its request slowly.

gunicorn's own threads read the head of a request. If the body has not come with it, the thread goes
on with other requests, and the worker's main thread receives the body from its poll loop, as it
receives those of all others (`core.http.bodies` stores them). When the body is whole, the request
waits for a thread like any other.

So a body is read to its end before its request is answered, whatever the answer is, and the
connection stays good for the next request. Only a body that is refused is not read to its end:
that answer ends the connection.

At most MAX_BODIES_ARRIVING bodies arrive in a process at the same time. For one more, the client's
address that has the most of them loses its longest silent one. So clients that send nothing keep
nobody out, and an address that sends a little on many connections ends only its own. Large bodies
of an address that come faster than MAX_BODY_BYTES_PER_SECOND are read slowly (`core.http.pace`).
"""

import io
import math
import socket
import time
from collections import Counter
from collections.abc import Callable
from functools import cached_property, partial
from http import HTTPStatus
from selectors import EVENT_READ
from typing import Any, ClassVar

from django.conf import settings
from gunicorn.http.body import ChunkedReader
from gunicorn.workers.gthread import ThreadWorker

from core.http.addresses import counted_address
from core.http.bodies import MAX_BODY_BYTES, Body, Refusal
from core.http.pace import Pace

WITHOUT_BODY = frozenset({"GET", "HEAD", "OPTIONS"})
RECEIVE_BYTES = 256 * 1024
SECONDS_BETWEEN_CHECKS = 0.5
# How long the end of a refused connection may take.
SECONDS_TO_LEAVE = 2.0
# A stop refuses the bodies that still arrive so long before it would cut them off.
SECONDS_TO_REFUSE = 3.0


class _Resumed:
    """A parser whose next request is the one whose body has arrived."""

    def __init__(self, parser: Any, body: Body) -> None:
        self.parser = parser
        self.body = body

    def __next__(self) -> Any:
        return self.parser.mesg


class ReceivingWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn is untyped
    """gunicorn's worker with threads, which get a request when its body is whole."""

    # Counts an answer to a request whose body is not read, by `method` and `status`. The
    # application sets it: gunicorn's main process, which has no application, imports this module.
    note_unread: ClassVar[Callable[..., object]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # What a thread has left to the main thread, by connection.
        self._left: dict[Any, Body | Refusal] = {}
        # The longest silent first. Only the main thread uses this and those below.
        self._arriving: dict[Any, Body] = {}
        # Those of them that come too fast, with the time at which they are read again.
        self._paused: dict[Any, float] = {}
        # Refused connections, with the time at which they are closed.
        self._leaving: dict[Any, float] = {}
        self._next_check = 0.0
        self._refuses_from: float | None = None

    @cached_property
    def _pace(self) -> Pace:
        return Pace(rate=settings.MAX_BODY_BYTES_PER_SECOND, burst=MAX_BODY_BYTES)

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to the threads; a new one when its first request begins to arrive.

        The web server may open a connection and not use it at once. gunicorn would let a thread
        wait for it for seconds.
        """
        if conn.initialized or conn.data_ready:
            self.submit(conn)
            return
        conn.sock.setblocking(False)
        conn.set_timeout()
        self.pending_conns.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self.on_pending_socket_readable, conn))

    def submit(self, conn: Any) -> None:
        """Let the connection's request wait for a thread."""
        super().enqueue_req(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request, or leave its body to the main thread. Runs in a thread."""
        if isinstance(conn.parser, _Resumed):
            body, conn.parser = conn.parser.body, conn.parser.parser
            return self._answer(req, conn, body)
        is_chunked = isinstance(req.body.reader, ChunkedReader)
        if not is_chunked and req.body.reader.length == 0:
            return super().handle_request(req, conn)
        if req.method in WITHOUT_BODY:
            detail = f"A {req.method} request takes no body. Send it without one."
            self._left[conn] = Refusal(HTTPStatus.BAD_REQUEST, detail)
            return False
        try:
            body = Body(
                length=None if is_chunked else req.body.reader.length,
                sender=_sender(req, conn),
                now=time.monotonic(),
            )
        except Refusal as refusal:
            self._left[conn] = refusal
            return False
        try:
            if body.feed(conn.parser.unreader.take_buffered()):
                return self._answer(req, conn, body)
            self._left[conn] = body
        except Refusal as refusal:
            body.close()
            self._left[conn] = refusal
        return False

    def _answer(self, req: Any, conn: Any, body: Body) -> Any:
        """Answer a request whose body is whole."""
        conn.parser.unreader.unread(body.rest)
        framing = ("TRANSFER-ENCODING", "CONTENT-LENGTH")
        req.headers = [header for header in req.headers if header[0] not in framing]
        req.headers.append(("CONTENT-LENGTH", str(body.size)))
        req.body = body.file
        try:
            return super().handle_request(req, conn)
        finally:
            # gunicorn reads this to its end before it reads the next request.
            req.body = io.BytesIO()
            body.close()

    def finish_request(self, conn: Any, fs: Any) -> None:
        """Go on with what a thread has left, or end the request."""
        left = self._left.pop(conn, None)
        if left is None:
            super().finish_request(conn, fs)
            return
        conn.sock.setblocking(False)
        if isinstance(left, Refusal):
            self._refuse(conn, left)
            return
        self._arriving[conn] = left
        if pause := self._pause_after(left, left.size):
            self._paused[conn] = time.monotonic() + pause
        else:
            self._listen(conn)
        if len(self._arriving) > settings.MAX_BODIES_ARRIVING:
            self._give_up(
                self._least_wanted(),
                HTTPStatus.SERVICE_UNAVAILABLE,
                "More bodies arrive at the moment than can be received, and this one was the "
                "slowest. Try again.",
            )

    def _receive(self, conn: Any, sock: socket.socket) -> None:
        """Take what has come of a body."""
        # The loop calls all that one poll has found ready. One of them may have given this one up.
        if (body := self._arriving.pop(conn, None)) is None:
            return
        self._arriving[conn] = body
        try:
            data = sock.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the client has gone
            self._stop_receiving(conn).close()
            self._drop(conn)
            return
        try:
            is_whole = body.feed(data)
            pause = self._pause_after(body, len(data))
            if is_whole:
                self._stop_receiving(conn)
                conn.parser = _Resumed(conn.parser, body)
                self.submit(conn)
            elif pause:
                self.poller.unregister(conn.sock)
                self._paused[conn] = time.monotonic() + pause
        except Refusal as refusal:
            self._stop_receiving(conn).close()
            self._refuse(conn, refusal)

    def _pause_after(self, body: Body, size: int) -> float:
        """Count what has come of a body; returns how many seconds to wait before reading on."""
        return self._pace.take(body.sender, size, now=time.monotonic()) if body.is_large else 0.0

    def _resume(self, now: float) -> None:
        """Read on where it has been slow enough."""
        for conn in [conn for conn, until in self._paused.items() if until <= now]:
            del self._paused[conn]
            # It has not been silent: it was not read.
            body = self._arriving[conn] = self._arriving.pop(conn)
            body.watch_from(now)
            self._listen(conn)

    def _listen(self, conn: Any) -> None:
        self.poller.register(conn.sock, EVENT_READ, partial(self._receive, conn))

    def _least_wanted(self) -> Any:
        """The connection whose body is ended for a new one."""
        bodies = Counter(body.sender for body in self._arriving.values())
        most = max(bodies.values())
        return next(conn for conn, body in self._arriving.items() if bodies[body.sender] == most)

    def _stop_receiving(self, conn: Any) -> Body:
        if self._paused.pop(conn, None) is None:
            self.poller.unregister(conn.sock)
        return self._arriving.pop(conn)

    def _give_up(self, conn: Any, status: HTTPStatus, detail: str) -> None:
        self._stop_receiving(conn).close()
        self._refuse(conn, Refusal(status, detail))

    def _refuse(self, conn: Any, refusal: Refusal) -> None:
        """Answer, and read on for a moment: to close at once would reset the connection, and the
        answer might be lost.
        """
        method = conn.parser.mesg.method
        self.note_unread(method=method, status=refusal.status.value)
        try:
            conn.sock.send(refusal.answer(with_content=method != "HEAD"))
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:  # the client has gone
            self._drop(conn)
            return
        self._leaving[conn] = time.monotonic() + SECONDS_TO_LEAVE
        self.poller.register(conn.sock, EVENT_READ, partial(self._discard, conn))

    def _discard(self, conn: Any, sock: socket.socket) -> None:
        if conn not in self._leaving:
            return
        try:
            if sock.recv(RECEIVE_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass  # the client has gone, which is what this waits for
        self._leave(conn)

    def _leave(self, conn: Any) -> None:
        del self._leaving[conn]
        self.poller.unregister(conn.sock)
        self._drop(conn)

    def _drop(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wake in time for what `murder_pending` checks, also during a stop.

        A paused body is read on when its time has come, and not when the next request comes: that
        one would have to wait for it.
        """
        resumed_at = min(self._paused.values(), default=math.inf)
        until_resumed = max(0.0, resumed_at - time.monotonic())
        timeout = min(timeout, SECONDS_BETWEEN_CHECKS, until_resumed)
        super().wait_for_and_dispatch_events(timeout=timeout)

    def murder_pending(self) -> None:
        """Also end bodies that are too slow, and refused connections. gunicorn calls it often."""
        super().murder_pending()
        now = time.monotonic()
        self._resume(now)
        if now < self._next_check:
            return
        self._next_check = now + SECONDS_BETWEEN_CHECKS
        for conn in [conn for conn, until in self._leaving.items() if until < now]:
            self._leave(conn)
        for conn in [
            conn
            for conn, body in self._arriving.items()
            if conn not in self._paused and body.is_too_slow(now)
        ]:
            self._give_up(
                conn,
                HTTPStatus.REQUEST_TIMEOUT,
                f"The request's body came too slowly. Send at least "
                f"{settings.MIN_BODY_BYTES_PER_SECOND} bytes a second.",
            )
        if not self.alive:
            self._refuse_before_the_end(now)

    def _refuse_before_the_end(self, now: float) -> None:
        if self._refuses_from is None:
            self._refuses_from = now + self.cfg.graceful_timeout - SECONDS_TO_REFUSE
        if now >= self._refuses_from:
            for conn in list(self._arriving):
                self._give_up(
                    conn, HTTPStatus.SERVICE_UNAVAILABLE, "The service restarts. Try again."
                )


def _sender(req: Any, conn: Any) -> str:
    """The address of the client, as it is counted."""
    forwarded = [value for name, value in req.headers if name == "X-FORWARDED-FOR"]
    peer = conn.client[0] if conn.client else ""
    return counted_address(forwarded_for=",".join(forwarded), peer=peer)
