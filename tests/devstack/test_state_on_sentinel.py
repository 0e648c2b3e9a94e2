"""The whole service with STATE on Sentinel, by STATE_URL alone."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.support.sentinels import group
from tests.support.valkeys import client
from tests.support.whole_service import ServiceOn


def test_the_service_is_back_soon_after_states_primary_is_lost(
    service_on: ServiceOn, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    (tmp_path / "state").mkdir()
    with group(tmp_path / "state") as state:
        service = service_on({"STATE_URL": state.url})
        assert "valkey-state" not in service.stack.supervisor.programs()
        reader, author = service.joined("reader"), service.joined("author")
        reader.follow(author)
        before = author.post("before", jpeg_with_gps())
        wait_until(lambda: before["id"] in reader.home_ids())
        former = state.primary()
        with client(former) as primary:
            primary.wait(2, 5000)

        state.processes[former].kill()
        killed_at = time.monotonic()
        wait_until(lambda: likes(reader, before) == 200, 30)
        measured(f"likes were taken again {time.monotonic() - killed_at:.1f} s after kill -9")
        assert time.monotonic() - killed_at < 15
        # The sessions of before are still there, and somebody new can join.
        newest = author.post("after", jpeg_with_gps())
        wait_until(lambda: {before["id"], newest["id"]} <= set(reader.home_ids()), 30)
        measured(f"and reached a follower {time.monotonic() - killed_at:.1f} s after")
        service.joined("newcomer")
        # All workers, too, are connected with the new primary.
        wait_until(service.is_well, 30)


def likes(person: Person, post: Any) -> int:
    """The status of the answer to a like."""
    return person.http.put(f"/api/v1/posts/{post['id']}/like").status_code
