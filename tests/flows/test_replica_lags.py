"""A replica that lags or is down shows nobody anything wrong."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from socialfeed.common.valkey import state_valkey
from socialfeed.stack.lifecycle import Stack
from tests.flows.client import Person, wait_until
from tests.images import jpeg_with_gps


def test_a_post_that_the_replica_lacks_is_shown_whole_and_a_deleted_one_is_not(
    signed_up: Callable[[str], Person], paused_replay: Callable[[], None]
) -> None:
    author, follower = signed_up("author"), signed_up("follower")
    follower.follow(author)
    old = author.post("Before.", jpeg_with_gps())
    wait_until(lambda: follower.home_ids() == [old["id"]], 5)
    # Both wrote a moment ago; what is asked here is what others see, who have not.
    reader = signed_up("reader")
    paused_replay()
    new = author.post("After.", jpeg_with_gps())
    assert author.http.delete(f"/api/v1/posts/{old['id']}").status_code == 204
    forget_recent_writes(follower, reader)
    wait_until(lambda: new["id"] in follower.home_ids(), 5)
    assert follower.get("/timeline/home")["results"] == [new]
    assert len(new["media"]) == 1
    assert reader.get(f"/posts/{new['id']}") == new
    assert reader.http.get(f"/api/v1/posts/{old['id']}").status_code == 404


def forget_recent_writes(*people: Person) -> None:
    """Let their reads go to the replica at once."""
    for person in people:
        state_valkey().delete(f"wrote:v1:{{{person.id}}}")


@pytest.mark.usefixtures("connections_made_anew")
def test_reads_go_on_while_the_replica_is_down(
    stack: Stack, signed_up: Callable[[str], Person]
) -> None:
    reader = signed_up("reader")
    forget_recent_writes(reader)
    assert reader.get(f"/users/{reader.username}")
    stack.supervisor.stop_program("postgres-replica")
    try:
        wait_until(lambda: stack.status("postgres-replica")[0].state == "stopped", 20)
        answers = [reader.http.get(f"/api/v1/users/{reader.username}") for _ in range(20)]
        failed = [answer for answer in answers if answer.status_code != httpx.codes.OK]
        assert not failed
    finally:
        stack.supervisor.start_program("postgres-replica")
        wait_until(lambda: stack.status("postgres-replica")[0].state == "running", 20)
