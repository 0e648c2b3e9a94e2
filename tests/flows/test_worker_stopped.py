"""A worker that is asked to stop finishes its task first."""

from collections.abc import Callable

import psutil
from django.db import connections, transaction

from core.outbox.models import OutboxEvent
from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.feeds import is_delivered
from tests.support.images import jpeg_with_gps
from usergraph.store import drop_followers

WORKERS = ("worker-1", "worker-2")


def test_a_running_delivery_is_finished_by_its_worker(
    stack: Stack, signed_up: Callable[[str], Person], committed: None
) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    first = author.post("At the beginning of the shift.", jpeg_with_gps())
    # Its delivery caches the followers, so it has to end before they are dropped.
    wait_until(lambda: is_delivered(int(first["id"])))
    # The timeline is now warm, so that only a delivery can add the next post.
    wait_until(lambda: follower.home_ids() == [first["id"]])
    drop_followers(author_ids=[int(author.id)])  # so that the delivery reads them from SQL
    processes = [psutil.Process(status.pid) for status in stack.status(*WORKERS) if status.pid]
    try:
        with transaction.atomic("default"), connections["default"].cursor() as cursor:
            # The delivery reads the followers, and waits for this lock.
            cursor.execute("LOCK TABLE usergraph_follow IN ACCESS EXCLUSIVE MODE")
            post = author.post("Before the shift ends.", jpeg_with_gps())
            row = OutboxEvent.objects.using("posts").filter(payload__post_id=int(post["id"]))
            wait_until(lambda: row.get().attempts == 1)
            for worker in WORKERS:
                stack.supervisor.stop_program(worker)
            wait_until(lambda: sum(process.is_running() for process in processes) == 1)
            assert row.get().done_at is None
        wait_until(lambda: not any(process.is_running() for process in processes))
        assert row.get().done_at is not None
        assert row.get().attempts == 1
        assert follower.home_ids() == [post["id"], first["id"]]
    finally:
        for worker in WORKERS:
            stack.supervisor.start_program(worker)
        wait_until(lambda: all(status.is_up for status in stack.status(*WORKERS)))
