"""The whole service on three PostgreSQL servers, by the URLs alone, when the primary is lost."""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock, Thread
from uuid import uuid4

import httpx
import pytest

from devstack.lifecycle import Stack
from devstack.probes import query
from tests.support import bouncers, postgres
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.support.stacks import up
from tests.support.whole_service import ServiceOn

WRITERS = 4
# How many comments are acknowledged before the primary is lost, and after.
BEFORE, AFTER = 250, 250


@pytest.fixture
def group(tmp_path: Path) -> Iterator[postgres.Group]:
    """Three servers."""
    with postgres.files(tmp_path / "postgres") as files:
        servers = postgres.Group(files)
        with servers.run():
            yield servers


class Writers:
    """People who comment on a post, one comment after the other, and look for each that was
    acknowledged. They repeat what was not, with the same Idempotency-Key.
    """

    def __init__(self, people: list[Person], post_id: str) -> None:
        self.acknowledged: list[str] = []
        # The answers to writes and reads, by status; 0: none.
        self.writes: Counter[int] = Counter()
        self.reads: Counter[int] = Counter()
        self.missed: list[str] = []
        self.last_failure = 0.0
        self._lock, self._stop = Lock(), Event()
        self._path = f"/api/v1/posts/{post_id}/comments"
        self._threads = [Thread(target=self._write, args=[person]) for person in people]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, person: Person) -> None:
        for number in itertools.count():
            text, key = f"{person.username} {number}", {"Idempotency-Key": str(uuid4())}
            while not self._is_acknowledged(person, text, key):
                if self._stop.is_set():
                    return
            self._look_for(person, text)
            if self._stop.is_set():
                return

    def _is_acknowledged(self, person: Person, text: str, key: dict[str, str]) -> bool:
        try:
            answer = person.http.post(self._path, json={"text": text}, headers=key)
            status = answer.status_code
        except httpx.HTTPError:
            status = 0
        with self._lock:
            self.writes[status] += 1
            if status == 201:
                self.acknowledged.append(text)
            else:
                self.last_failure = time.monotonic()
        return status == 201

    def _look_for(self, person: Person, text: str) -> None:
        # Comments are in the order of their ids: others may have written many newer ones while the
        # primary was lost and this one waited for its commit.
        address: str | None = f"{self._path}?order=newest&limit=100"
        while address:
            try:
                answer = person.http.get(address)
                status = answer.status_code
            except httpx.HTTPError:
                status = 0
            with self._lock:
                self.reads[status] += 1
            if status != 200:
                return
            page = answer.json()
            if text in {one["text"] for one in page["results"]}:
                return
            address = page["next"]
        with self._lock:
            self.missed.append(text)


@pytest.fixture
def behind_bouncers(group: postgres.Group) -> Iterator[Callable[[], dict[str, str]]]:
    """Starts a PgBouncer in front of each server; returns the settings that lead to them."""
    with ExitStack() as started:

        def start() -> dict[str, str]:
            ports = [
                started.enter_context(bouncers.bouncer(group.folder, server, group.account))
                for server in group.processes
            ]
            return {"PGBOUNCER": "on", **group.urls(ports)}

        yield start


needs_bouncer = pytest.mark.skipif(
    not bouncers.is_installed(), reason="needs Debian's package pgbouncer"
)


@pytest.mark.parametrize(
    "how", ["killed", "frozen", pytest.param("killed behind PgBouncer", marks=needs_bouncer)]
)
def test_nothing_acknowledged_is_lost_with_the_primary_of_sql(
    how: str,
    group: postgres.Group,
    behind_bouncers: Callable[[], dict[str, str]],
    service_on: ServiceOn,
    measured: Callable[[str], None],
) -> None:
    service = service_on(behind_bouncers() if "PgBouncer" in how else group.urls())
    programs = service.stack.supervisor.programs()
    assert not [name for name in programs if name.startswith("postgres")]
    author, reader = service.joined("author"), service.joined("reader")
    writers = [service.joined(f"writer{number}") for number in range(WRITERS)]
    reader.follow(author)
    post_id = author.post("before", jpeg_with_gps())["id"]
    with Writers(writers, post_id) as load:
        wait_until(lambda: len(load.acknowledged) >= BEFORE, 60)
        assert set(load.writes) == {201}
        primary = group.processes[group.primary]
        postgres.freeze(primary) if how == "frozen" else postgres.end(primary)
        lost_at, count = time.monotonic(), len(load.acknowledged)
        time.sleep(1)  # a manager takes longer to notice
        group.promote()
        promoted_at = time.monotonic()
        wait_until(lambda: len(load.acknowledged) > count + WRITERS, 60)
        back_at = time.monotonic()
        wait_until(lambda: len(load.acknowledged) >= count + AFTER, 60)
    measured(
        f"writes were back {back_at - lost_at:.1f} s after, and "
        f"{back_at - promoted_at:.1f} s after the promotion; {len(load.acknowledged)} "
        f"acknowledged; writes {dict(load.writes)}, reads {dict(load.reads)}, of which "
        f"{len(load.missed)} missed an own write"
    )
    assert back_at - lost_at < 30
    assert load.last_failure < back_at + 5
    assert not load.missed
    # While the primary is gone, a replica may lack what its reader has just written.
    assert load.reads.total() - load.reads[200] <= WRITERS, load.reads
    newest = author.post("after", jpeg_with_gps())["id"]
    wait_until(lambda: {post_id, newest} <= set(reader.home_ids()), 30)
    stored = Counter(all_texts(reader, post_id))
    assert not set(load.acknowledged) - set(stored), "acknowledged, and lost"
    assert stored.total() == len(stored), "twice"
    wait_until(lambda: comment_count(reader, post_id) == len(stored), 30)
    wait_until(service.is_well, 30)


def test_a_stack_commits_on_both_servers_if_it_is_told_to(own_environ: dict[str, str]) -> None:
    environ = own_environ | {"STACK_SYNCHRONOUS_REPLICATION": "on"}
    up(environ)
    primary = Stack(environ).layout.port("postgres-primary")
    assert query(primary, "SELECT sync_state FROM pg_stat_replication") == ("sync",)


def comment_count(person: Person, post_id: str) -> int:
    """The number of comments that a post shows."""
    return int(person.get(f"/posts/{post_id}")["counts"]["comments"])


def all_texts(person: Person, post_id: str) -> Iterator[str]:
    """The texts of all comments of a post."""
    address: str | None = f"/api/v1/posts/{post_id}/comments?limit=100"
    while address:
        page = person.http.get(address).raise_for_status().json()
        yield from (comment["text"] for comment in page["results"])
        address = page["next"]
