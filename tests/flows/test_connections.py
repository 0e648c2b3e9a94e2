"""Workers and APIs keep their database connections, and replace lost ones."""

from collections.abc import Callable

import psutil
from django.db import connections

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps

WORKERS = ("worker-1", "worker-2")
WRITE_APIS = ("write-api-1", "write-api-2")


def _connected(stack: Stack, *services: str) -> set[tuple[int, int]]:
    """These services' connections to the primary, as (process id, local port)."""
    mains = [psutil.Process(status.pid) for status in stack.status(*services) if status.pid]
    return {
        (process.pid, connection.laddr.port)
        for main in mains
        for process in (main, *main.children())
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_ESTABLISHED
        and connection.raddr.port == stack.layout.port("postgres-primary")
    }


def _end(connected: set[tuple[int, int]]) -> None:
    """End these connections, as a restart of the server would."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_port = ANY(%s)",
            [[port for _, port in connected]],
        )


def _deliver(author: Person, follower: Person, caption: str) -> None:
    post = author.post(caption, jpeg_with_gps())
    wait_until(lambda: follower.home_ids()[:1] == [post["id"]])


def test_tasks_reuse_connections(stack: Stack, signed_up: Callable[[str], Person]) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    _deliver(author, follower, "The first makes some.")
    kept = _connected(stack, *WORKERS)
    assert kept
    for number in range(4):
        _deliver(author, follower, f"Number {number} finds them.")
    assert kept <= _connected(stack, *WORKERS)


def test_a_lost_connection_is_replaced(
    stack: Stack, signed_up: Callable[[str], Person], committed: None
) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    _deliver(author, follower, "Before.")
    lost = _connected(stack, *WORKERS)
    assert lost
    _end(lost)
    for number in range(4):
        _deliver(author, follower, f"Number {number} after.")


def test_requests_find_connections_that_work(
    stack: Stack, signed_up: Callable[[str], Person], committed: None
) -> None:
    alice = signed_up("alice")

    def follow_and_unfollow() -> list[int]:
        return [
            alice.http.request(method, f"/api/v1/users/{bob.username}/follow").status_code
            for _ in range(8)
            for method in ("PUT", "DELETE")
        ]

    bob = signed_up("bob")
    answers = follow_and_unfollow()
    lost = _connected(stack, *WRITE_APIS)
    assert lost
    _end(lost)
    # The threads that probe the servers lost their connections too. They reconnect within a second.
    instances = {pid for pid, _ in lost}
    wait_until(lambda: {pid for pid, _ in _connected(stack, *WRITE_APIS)} == instances)
    assert follow_and_unfollow() == answers
