"""How soon nobody sees any more what they may not.

Some people read a thing each, over and over, through the web server, from warm caches, while the
replica's replay stands still. Then it is taken from each of them. Measured is from when the request
is sent until the last answer arrives that still shows the thing.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from django.db import OperationalError, connections

from posts.models import Post
from tests.benchmarks.figures import Figure
from tests.benchmarks.population import add_accounts, add_posts
from tests.benchmarks.requests import Bench
from tests.benchmarks.wire import Connection, request
from tests.support.client import Person, sign_up, wait_until
from users.models import User
from users.services import set_active

ROUNDS, PAIRS = 100, 5  # of each kind: rounds, and how many read and lose something in each
WATCHED = 0.3  # seconds, after the last answer that takes something away
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
    for kind, rounds in _rounds(bench).items():
        late = [one for scenes in rounds for one in _last_seen(port, scenes)]
        yield Figure(
            f"last answer after {kind}, p99",
            quantiles(late, n=100)[98],
            "ms",
            len(late),
            at_most=AT_MOST,
            note=f"p50 {median(late):.0f} ms after the request; the replica stands still, and "
            f"{PAIRS} read at once",
        )


class _Watch(threading.Thread):
    """Somebody who reads a thing over and over. `last`: when it was there for the last time."""

    def __init__(self, port: int, reading: bytes) -> None:
        super().__init__()
        self.last = 0.0
        self.began, self.is_over = threading.Event(), threading.Event()
        self._port, self._reading = port, reading

    def run(self) -> None:
        with Connection(self._port) as connection:
            while not self.is_over.is_set():
                if connection.ask(self._reading).status == 200:
                    self.last = time.perf_counter()
                    self.began.set()


def _last_seen(port: int, scenes: Sequence[_Scene]) -> list[float]:
    """How many milliseconds after each `take` the last answer came that showed the thing."""
    for scene in scenes:
        scene.give()
    watches = [_Watch(port, scene.reading) for scene in scenes]
    sent = []
    with _standing_replicas():
        for watch in watches:
            watch.start()
        assert all(watch.began.wait(10) for watch in watches), "it is there at first"
        for scene in scenes:
            sent.append(time.perf_counter())
            scene.take()
        time.sleep(WATCHED)
        for watch in watches:
            watch.is_over.set()
            watch.join()
    for scene in scenes:
        with Connection(port) as connection:
            assert connection.ask(scene.reading).status != 200, "it is not there in the end"
    return [max(0.0, 1000 * (watch.last - at)) for watch, at in zip(watches, sent, strict=True)]


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


def _rounds(bench: Bench) -> dict[str, Iterator[Sequence[_Scene]]]:
    """The rounds of each kind."""
    pairs = [_pair(bench, number) for number in range(PAIRS)]

    def repeated(kind: str) -> Iterator[Sequence[_Scene]]:
        for _ in range(ROUNDS):
            yield [scenes[kind] for scenes, _ in pairs]
        for scenes, end in pairs:
            scenes[kind].give()
            end()

    return {kind: repeated(kind) for kind in pairs[0][0]} | {"a log-out": _log_outs(bench)}


def _pair(bench: Bench, number: int) -> tuple[dict[str, _Scene], Callable[[], object]]:
    """What one may take from another, and how to end what they have to do with each other."""
    owner, viewer = add_accounts(f"revoked_{number}_", 2)
    names = dict(User.objects.filter(pk__in=[owner, viewer]).values_list("pk", "username"))
    tokens = {user_id: bench.population.token(user_id) for user_id in names}
    post_id, for_friends = add_posts([owner], 2)
    Post.objects.filter(pk=for_friends).update(audience="close_friends")
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

    def end() -> None:
        ask(viewer, "DELETE", f"/users/{names[owner]}/follow")
        open_()

    def reading(shown: int) -> bytes:
        return request("GET", f"/api/v1/posts/{shown}", token=tokens[viewer])

    about_viewer = f"/users/{names[viewer]}"
    return {
        "a private account's removal of a follower": _Scene(
            reading(post_id), lambda: ask(owner, "DELETE", f"{about_viewer}/follower"), let_in
        ),
        "an unfollow": _Scene(
            reading(post_id),
            lambda: ask(viewer, "DELETE", f"/users/{names[owner]}/follow"),
            let_in,
        ),
        "an account becomes private": _Scene(reading(post_id), close, open_),
        "a block": _Scene(
            reading(post_id),
            lambda: ask(owner, "PUT", f"{about_viewer}/block"),
            lambda: ask(owner, "DELETE", f"{about_viewer}/block"),
        ),
        "the end of a close friendship": _Scene(
            reading(for_friends),
            lambda: ask(owner, "DELETE", f"{about_viewer}/close-friend"),
            lambda: ask(owner, "PUT", f"{about_viewer}/close-friend"),
        ),
        "a suspension": _Scene(
            reading(post_id),
            lambda: set_active(user_ids=[owner], active=False),
            lambda: set_active(user_ids=[owner], active=True),
        ),
    }, end


def _log_outs(bench: Bench) -> Iterator[Sequence[_Scene]]:
    origin = f"http://127.0.0.1:{bench.layout.port('caddy')}"
    for number in range(ROUNDS):
        yield [_log_out(sign_up(origin, f"leaving_{number}_{one}")) for one in range(PAIRS)]


def _log_out(person: Person) -> _Scene:
    token = person.http.headers["Authorization"].removeprefix("Bearer ")

    def take() -> None:
        answer = person.http.delete("/_allauth/app/v1/auth/session")
        assert answer.is_success, answer.text

    return _Scene(request("GET", "/api/v1/users/me", token=token), take, lambda: None)
