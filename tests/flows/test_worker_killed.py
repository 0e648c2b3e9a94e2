"""No post is lost when workers are killed between the commit and the delivery."""

import os
import signal
from collections.abc import Callable

import pytest

from core.valkey import state_valkey
from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps

QUEUE = "celery:celery"  # Celery's prefix in STATE, and its default queue
# The sweeper runs every 5 s and takes rows that are 3 s old. A new worker must boot first.
SECONDS_TO_RECOVER = 30.0


@pytest.mark.parametrize("wake_up_lost", [False, True], ids=["wake-up kept", "wake-up lost"])
def test_a_post_arrives_though_the_workers_are_killed_before_they_deliver_it(
    stack: Stack,
    signed_up: Callable[[str], Person],
    wake_up_lost: bool,
    measured: Callable[[str], None],
) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    assert follower.home_ids() == []  # now warm, so that only a delivery can add the post
    workers = [part.pid for part in stack.status() if part.name.startswith("worker") and part.pid]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        post = author.post("Before the lights went out.", jpeg_with_gps())
        assert author.home_ids() == [post["id"]]
        if wake_up_lost:
            # The wake-up is sent before the answer. A frozen worker may hold it already.
            state_valkey().delete(QUEUE)
        assert follower.home_ids() == [], "it is not delivered yet"
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
    seconds = wait_until(lambda: follower.home_ids() == [post["id"]], SECONDS_TO_RECOVER)
    measured(f"delivered {seconds:.1f} s after kill -9 of {len(workers)} workers")
