"""How soon nobody sees any more what they may not.

Somebody reads a thing over and over, through the web server, from warm caches, while the replica's
replay stands still. Then it is taken from them. Measured is from when that request is sent until
the last answer arrives that still shows the thing.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from django.db import OperationalError, connections

from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts, add_posts
from tests.benchmarks.requests import Bench
from tests.benchmarks.wire import Connection, request
from tests.support.client import Person, reset_login_limits, sign_up, wait_until
from users.models import User
from users.services import set_active

ROUNDS = 100  # of each kind
WATCHED = 0.3  # seconds, after the answer that takes the thing away
AT_MOST = 1_000  # milliseconds


@dataclass(frozen=True)
class _Scene:
    """What is read, and how it is taken away and given back."""

    reading: bytes
    take: Callable[[], object]
    give: Callable[[], object]


def revocation(bench: Bench) -> Iterator[Figure]:
    """The last answer that shows a thing after an unfollow, a block, and the like; p99 of each."""
    port = bench.layout.port("caddy")
    for kind, scenes in _scenes(bench).items():
        late = [_last_seen(port, scene) for scene in scenes]
        yield Figure(
            f"last answer after {kind}, p99",
            quantiles(late, n=100)[98],
            "ms",
            len(late),
            at_most=AT_MOST,
            note=f"p50 {median(late):.0f} ms after the request; the replica stands still",
        )


def _last_seen(port: int, scene: _Scene) -> float:
    """How many milliseconds after `take` the last answer came that showed the thing."""
    scene.give()
    last, is_over = 0.0, threading.Event()
    began = threading.Event()

    def watch() -> None:
        nonlocal last
        with Connection(port) as connection:
            while not is_over.is_set():
                if connection.ask(scene.reading).status == 200:
                    last = time.perf_counter()
                    began.set()

    watching = threading.Thread(target=watch)
    with _standing_replicas():
        watching.start()
        assert began.wait(10), "it is there at first"
        sent = time.perf_counter()
        scene.take()
        time.sleep(WATCHED)
        is_over.set()
        watching.join()
    with Connection(port) as connection:
        assert connection.ask(scene.reading).status != 200, "it is not there in the end"
    return max(0.0, 1000 * (last - sent))


@contextmanager
def _standing_replicas() -> Iterator[None]:
    """Pause the replay of the replica inside the block."""
    _on_replica("SELECT pg_wal_replay_pause()")
    try:
        yield
    finally:
        wait_until(_resumed)


def _resumed() -> bool:
    try:
        _on_replica("SELECT pg_wal_replay_resume()")
        return not _on_replica("SELECT pg_is_wal_replay_paused()")
    except OperationalError:  # a replayed change has cancelled the statement
        return False


def _on_replica(sql: str) -> Any:
    connections["posts_replica"].close()
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def _scenes(bench: Bench) -> dict[str, Iterator[_Scene]]:
    owner, viewer = add_accounts("revoked_", 2)
    names = dict(User.objects.filter(pk__in=[owner, viewer]).values_list("pk", "username"))
    tokens = {user_id: bench.population.token(user_id) for user_id in names}
    (post_id,) = add_posts([owner], 1)
    port = bench.layout.port("caddy")

    def ask(user_id: int, method: str, path: str, body: Any = None) -> None:
        with Connection(port) as connection:
            answer = connection.ask(
                request(method, f"/api/v1{path}", token=tokens[user_id], body=body)
            )
        assert answer.status < 300, answer.body

    def close() -> None:
        ask(owner, "PATCH", "/users/me", {"is_private": True})

    def open_() -> None:
        ask(owner, "PATCH", "/users/me", {"is_private": False})

    def let_in() -> None:
        open_()
        ask(viewer, "PUT", f"/users/{names[owner]}/follow")
        close()

    reading = request("GET", f"/api/v1/posts/{post_id}", token=tokens[viewer])
    removed, blocked = f"/users/{names[viewer]}/follower", f"/users/{names[viewer]}/block"
    acts: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "a private account's removal of a follower": (
            lambda: ask(owner, "DELETE", removed),
            let_in,
        ),
        "an unfollow": (lambda: ask(viewer, "DELETE", f"/users/{names[owner]}/follow"), let_in),
        "an account becomes private": (close, open_),
        "a block": (
            lambda: ask(owner, "PUT", blocked),
            lambda: ask(owner, "DELETE", blocked),
        ),
        "a suspension": (
            lambda: set_active(user_ids=[owner], active=False),
            lambda: set_active(user_ids=[owner], active=True),
        ),
    }

    def repeated(take: Callable[[], object], give: Callable[[], object]) -> Iterator[_Scene]:
        for _ in range(ROUNDS):
            yield _Scene(reading, take, give)
        give()
        ask(viewer, "DELETE", f"/users/{names[owner]}/follow")
        open_()

    scenes = {kind: repeated(*act) for kind, act in acts.items()}
    return scenes | {"a log-out": _log_outs(bench)}


def _log_outs(bench: Bench) -> Iterator[_Scene]:
    origin = f"http://127.0.0.1:{bench.layout.port('caddy')}"
    for number in range(ROUNDS):
        reset_login_limits()
        person = sign_up(origin, f"leaving_{number}")
        token = person.http.headers["Authorization"].removeprefix("Bearer ")
        reading = request("GET", "/api/v1/users/me", token=token)
        yield _Scene(reading, lambda person=person: _log_out(person), lambda: None)  # type: ignore[misc]


def _log_out(person: Person) -> None:
    answer = person.http.delete("/_allauth/app/v1/auth/session")
    assert answer.is_success, answer.text
