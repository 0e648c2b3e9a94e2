"""The whole service with STATE on Sentinel, by STATE_URL alone."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from devstack.layout import free_port_base
from devstack.lifecycle import Stack
from tests.support.client import Person, sign_up, wait_until
from tests.support.images import jpeg_with_gps
from tests.support.sentinels import group
from tests.support.stacks import manage, up
from tests.support.valkeys import client


def test_the_service_is_back_soon_after_states_primary_is_lost(
    own_environ: dict[str, str], tmp_path: Path, measured: Callable[[str], None]
) -> None:
    (tmp_path / "state").mkdir()
    with group(tmp_path / "state") as state, ExitStack() as clients:

        def joined(username: str) -> Person:
            person = sign_up(origin, username)
            clients.callback(person.http.close)
            return person

        # Other ports than the group's, which runs already.
        ports = {"STACK_PORT_BASE": str(free_port_base())}
        environ = {**own_environ, **ports, "STATE_URL": state.url}
        up(environ)
        stack = Stack(environ)
        assert "valkey-state" not in stack.supervisor.programs()
        assert manage(environ, "status").returncode == 0
        origin = stack.layout.public_origin
        reader, author = joined("reader"), joined("author")
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
        joined("newcomer")
        # All workers, too, are connected with the new primary.
        wait_until(lambda: manage(environ, "status").returncode == 0, 30)


def likes(person: Person, post: Any) -> int:
    """The status of the answer to a like."""
    return person.http.put(f"/api/v1/posts/{post['id']}/like").status_code
