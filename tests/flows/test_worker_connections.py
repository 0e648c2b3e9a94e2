"""A worker keeps its connections to the databases from one task to the next."""

from __future__ import annotations

from collections.abc import Callable

import psutil
from django.db import connections

from socialfeed.stack.lifecycle import Stack
from tests.flows.client import Person, wait_until
from tests.images import jpeg_with_gps

WORKERS = ("worker-1", "worker-2")


def _connected(stack: Stack) -> set[tuple[int, int]]:
    """The workers' connections to the primary: the process, and its own port."""
    return {
        (status.pid, connection.laddr.port)
        for status in stack.status(*WORKERS)
        if status.pid
        for connection in psutil.Process(status.pid).net_connections("tcp")
        if connection.raddr and connection.raddr.port == stack.layout.port("postgres-primary")
    }


def _deliver(author: Person, follower: Person, caption: str) -> None:
    post = author.post(caption, jpeg_with_gps())
    wait_until(lambda: follower.home_ids()[:1] == [post["id"]], 10)


def test_tasks_do_not_connect_anew(stack: Stack, signed_up: Callable[[str], Person]) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    _deliver(author, follower, "The first makes some.")
    kept = _connected(stack)
    assert kept
    for number in range(4):
        _deliver(author, follower, f"Number {number} finds them.")
    assert kept <= _connected(stack)


def test_a_connection_that_was_lost_is_made_anew(
    stack: Stack, signed_up: Callable[[str], Person], committed: None
) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    _deliver(author, follower, "Before.")
    lost = _connected(stack)
    assert lost
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY(%s)",
            [[port for _, port in lost]],
        )
    for number in range(4):
        _deliver(author, follower, f"Number {number} after.")
