"""Clients that do not read their answers, through the web server: others do not notice them."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

import orjson
import psutil
import pytest

from devstack.instances import DEFAULTS
from devstack.lifecycle import Stack
from posts.models import Post
from tests.support.client import Person, wait_until
from tests.support.feeds import HOME, make_follow, make_many_posts
from tests.support.raw_http import head, opened_narrow

# More than the threads of all instances, and more than they have places in their queues.
DEAF = 200
CAPTION = "Low tide. " * 150
# CADDY_WRITE_IDLE of the tests' stack.
SECONDS_TO_READ = 5
BYTES_PER_SECOND = 30_000
OPEN = frozenset({psutil.CONN_ESTABLISHED, psutil.CONN_CLOSE_WAIT})


@pytest.fixture
def reader(member: Callable[[str], Person]) -> Person:
    """A person whose home page of 100 posts is larger than what a narrow connection takes in."""
    author, reader = member("author"), member("reader")
    post_ids = make_many_posts([int(author.id)], 100)
    Post.objects.filter(pk__in=post_ids).update(caption=CAPTION)
    make_follow([reader], [int(author.id)])
    return reader


def request_of(reader: Person, **headers: str) -> bytes:
    token = reader.http.headers["Authorization"]
    return head("GET", f"{HOME}?limit=100", Authorization=token, **headers)


def web_server_connections(stack: Stack) -> tuple[int, int]:
    """The numbers of the web server's connections with clients, and with the Read API."""
    first = stack.layout.port("read-api")
    connections = psutil.Process(stack.status("caddy")[0].pid).net_connections("tcp")
    addresses = [(one.laddr, one.raddr) for one in connections if one.status in OPEN]
    clients = [own for own, _ in addresses if own.port == stack.layout.port("caddy")]
    instances = [other for _, other in addresses if 0 <= other.port - first < DEFAULTS["read-api"]]
    return len(clients), len(instances)


@pytest.mark.parametrize("at_once", [1, 3], ids=["one request", "pipelined"])
def test_clients_that_do_not_read_take_no_place_of_others_and_are_ended(
    stack: Stack, reader: Person, at_once: int, measured: Callable[[str], None]
) -> None:
    def read() -> float:
        began = time.monotonic()
        assert reader.http.get(HOME).status_code == 200
        return time.monotonic() - began

    request, port = request_of(reader) * at_once, stack.layout.port("caddy")
    idle = max(read() for _ in range(10))
    before, kept = web_server_connections(stack)
    with ExitStack() as deaf:
        began = time.monotonic()
        for _ in range(DEAF):
            connection = deaf.enter_context(opened_narrow(port, request))
            assert connection.recv(5, socket.MSG_PEEK), "the answer begins to come"
        seconds = time.monotonic() - began
        clients, instances = web_server_connections(stack)
        busy = max(read() for _ in range(10))
        assert instances < kept + DEAF / 4, "the web server has taken the answers"
        if seconds < SECONDS_TO_READ:
            assert clients >= before + DEAF
        wait_until(lambda: web_server_connections(stack)[0] <= before, 2 * SECONDS_TO_READ)
    measured(
        f"beside {DEAF} clients that do not read, {at_once} requests each, the slowest of 10 home "
        f"pages took {busy * 1000:.0f} ms; without them {idle * 1000:.0f} ms"
    )


def test_a_client_that_reads_slowly_gets_its_whole_answer(stack: Stack, reader: Person) -> None:
    """It pauses for nearly CADDY_WRITE_IDLE, and then takes longer than that."""
    answer, began = b"", time.monotonic()
    with opened_narrow(stack.layout.port("caddy"), request_of(reader, Connection="close")) as slow:
        time.sleep(0.7 * SECONDS_TO_READ)
        while piece := slow.recv(4096):
            answer += piece
            time.sleep(len(piece) / BYTES_PER_SECOND)
    first, _, content = answer.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200 ")
    assert len(orjson.loads(content)["results"]) == 100
    assert time.monotonic() - began > 1.5 * SECONDS_TO_READ
