"""An API process refuses requests over its limit; gunicorn's worker counts those in flight."""

import socket
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from selectors import DefaultSelector
from typing import Any

import orjson
import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from core.http.receiving import ReceivingWorker
from core.http.serving import PROBES, DrainingWorker, Load, _is_plain_get, shedding

LIMIT = 3


def application(environ: Any, start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [])
    return [b"done"]


@pytest.mark.parametrize(
    ("in_flight", "path", "is_served"),
    [
        (LIMIT, "/", True),
        (LIMIT + 1, "/", False),
        (LIMIT + 1, "/healthz/livelier", False),
        *((LIMIT + 1, path, True) for path in sorted(PROBES)),
    ],
)
def test_while_too_many_are_in_flight_all_but_probes_are_refused(
    monkeypatch: pytest.MonkeyPatch, in_flight: int, path: str, is_served: bool
) -> None:
    monkeypatch.setattr(Load, "in_flight", in_flight)
    refused: list[int] = []
    said: list[Any] = []
    bounded = shedding(application, LIMIT, on_refused=lambda: refused.append(1))
    answer = bounded({"PATH_INFO": path}, lambda *parts: said.extend(parts))  # type: ignore[arg-type]
    body, (status, headers) = b"".join(answer), said
    assert len(refused) == (not is_served)
    if is_served:
        assert (status, body) == ("200 OK", b"done")
    else:
        assert status == "503 Service Unavailable"
        assert int(dict(headers)["Retry-After"]) > 0
        assert dict(headers)["Content-Type"] == "application/problem+json"
        assert orjson.loads(body)["status"] == 503


@pytest.mark.parametrize(
    ("request_", "is_plain"),
    [
        (b"GET /api/v1/posts?a=1 HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"GET /metrics?x HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"GET /x HTTP/1.1\r\nHost: a\r\n", False),
        (b"GET /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\n\r\n", False),
        (b"GET /x HTTP/1.1\r\ncontent-Length: 4\r\n\r\n", False),
        (b"GET /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HEAD /x HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"POST /x HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"", False),
    ],
)
def test_only_a_whole_get_without_a_body_is_refused_when_it_comes(
    request_: bytes, is_plain: bool
) -> None:
    assert _is_plain_get(request_) == is_plain


@pytest.fixture
def full_worker(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> Iterator[tuple[DrainingWorker, list[Any]]]:
    """A worker over its limit, outside of gunicorn, and what it gives to threads."""
    submitted: list[Any] = []
    monkeypatch.setattr(ReceivingWorker, "submit", lambda worker, conn: submitted.append(conn))
    monkeypatch.setattr(DrainingWorker, "note_refused", staticmethod(lambda: None), raising=False)
    settings.MAX_REQUESTS_IN_FLIGHT = LIMIT
    monkeypatch.setattr(Load, "in_flight", LIMIT + 1)
    worker = DrainingWorker.__new__(DrainingWorker)
    worker.poller, worker.keepalived_conns, worker.nr_conns = DefaultSelector(), deque(), 1
    yield worker, submitted
    worker.poller.close()


@pytest.fixture
def connection() -> Iterator[tuple[TConn, socket.socket]]:
    """A connection of the worker that has had a request before, and its client's side."""
    inside, client = socket.socketpair()
    conn = TConn(Config(), inside, ("127.0.0.1", 1), ("127.0.0.1", 2))
    conn.initialized = True
    with inside, client:
        yield conn, client


GET = b"GET /api/v1/posts HTTP/1.1\r\nHost: a\r\n\r\n"


def test_the_main_thread_refuses_a_get_and_the_connection_stays_good(
    full_worker: tuple[DrainingWorker, list[Any]], connection: tuple[TConn, socket.socket]
) -> None:
    (worker, submitted), (conn, client) = full_worker, connection
    client.sendall(GET)
    worker.enqueue_req(conn)
    assert client.recv(4096).startswith(b"HTTP/1.1 503 ")
    assert submitted == []
    assert list(worker.keepalived_conns) == [conn]
    assert worker.poller.get_key(conn.sock)
    worker.poller.unregister(conn.sock)
    Load.in_flight = 0
    client.sendall(GET)
    worker.enqueue_req(conn)
    assert submitted == [conn]
    assert conn.sock.recv(4096) == GET, "it is left for the thread"


@pytest.mark.parametrize("sent", [b"", GET[:20], GET.replace(b"GET", b"PUT")])
def test_what_is_no_plain_get_is_left_to_a_thread(
    full_worker: tuple[DrainingWorker, list[Any]],
    connection: tuple[TConn, socket.socket],
    sent: bytes,
) -> None:
    (worker, submitted), (conn, client) = full_worker, connection
    client.sendall(sent)
    worker.enqueue_req(conn)
    assert submitted == [conn]
    client.close()
    worker.enqueue_req(conn)
    assert submitted == [conn, conn]


def test_a_client_that_does_not_read_loses_its_connection(
    full_worker: tuple[DrainingWorker, list[Any]], connection: tuple[TConn, socket.socket]
) -> None:
    (worker, submitted), (conn, client) = full_worker, connection
    conn.sock.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            conn.sock.send(bytes(65536))
    client.sendall(GET)
    worker.enqueue_req(conn)
    assert (submitted, worker.nr_conns) == ([], 0)
    assert conn.sock.fileno() == -1
