"""Threads that watch the service while a drill is on."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from threading import Event, Thread

import httpx
import redis

from core.valkey import ValkeyUnavailable
from tests.chaos.background import Background
from tests.chaos.client import PATIENCE, Member
from tests.drill.checkers import Sample
from tests.support import clusters
from tests.support.client import PASSWORD, http_client, sign_up
from timeline import store
from timeline.keys import home_key

SECONDS_BETWEEN_SAMPLES = 0.5


class Sampler(Background):
    """Calls `take` twice a second."""

    def __init__(self, take: Callable[[], Sample]) -> None:
        super().__init__()
        self._take = take
        self.samples: list[Sample] = []

    def _work(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_SAMPLES):
            self.samples.append(self._take())


@contextmanager
def sampled(take: Callable[[], Sample]) -> Iterator[list[Sample]]:
    """Call `take` twice a second inside the block; the samples so far. Raises its error."""
    with Sampler(take) as sampler:
        yield sampler.samples
    sampler.check()


def probe_timelines(members: list[Member]) -> Sample:
    """How many of these people's home timelines a client finds in CACHE."""
    return Sample(
        *(time.monotonic(), sum(_is_found(home_key(one.id)) for one in members), len(members))
    )


def _is_found(key: str) -> bool:
    try:
        return store.read(key=key, before=None, limit=1, read_only=True) is not None
    except ValkeyUnavailable:
        return False


class Lookups:
    """The lookups of all servers of a cluster, and the hits of them, since their starts.

    What a server that is gone has counted stays in the totals.
    """

    def __init__(self, servers: clusters.Servers) -> None:
        self._servers = servers
        self._last: dict[int, tuple[int, int]] = {}

    def take(self) -> Sample:
        for port in self._servers.ports:
            try:
                said = dict(
                    line.split(":")
                    for line in self._servers.ask(port, "INFO", "stats").decode().splitlines()
                    if ":" in line
                )
            except redis.ConnectionError:
                continue
            hits = int(said["keyspace_hits"])
            self._last[port] = (hits, hits + int(said["keyspace_misses"]))
        return Sample(
            time.monotonic(),
            sum(hits for hits, _ in self._last.values()),
            sum(asked for _, asked in self._last.values()),
        )


class Guest:
    """Somebody who logs in, writes and reads, again and again. Use as a context.

    `rounds`: a sample for each round of the three, with 1 of 1 found if all have succeeded.
    `failures`: what has failed, and the status; 0: there was no answer in PATIENCE.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self.rounds: list[Sample] = []
        self.failures: Counter[str] = Counter()
        self._person = sign_up(origin, f"guest_{next(_numbers)}")
        self._stop = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "Guest":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._person.http.close()

    def _work(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_SAMPLES):
            with http_client(self._origin, timeout=PATIENCE) as http:
                failure = self._failure(http)
            if failure:
                self.failures[failure] += 1
            self.rounds.append(Sample(time.monotonic(), int(not failure), 1))

    def _failure(self, http: httpx.Client) -> str:
        """Log in, write and read. Returns what has failed, or nothing."""
        person = {"username": self._person.username, "password": PASSWORD}
        new = {"display_name": f"guest {next(_numbers)}"}
        step = "log-in"
        try:
            answer = http.post("/_allauth/app/v1/auth/login", json=person)
            if answer.status_code == 200:
                token = answer.json()["meta"]["access_token"]
                http.headers["Authorization"] = f"Bearer {token}"
                step = "write"
                answer = http.patch("/api/v1/users/me", json=new)
            if answer.status_code == 200:
                step = "read"
                answer = http.get("/api/v1/users/me")
        except httpx.HTTPError:
            return f"{step} 0"
        if answer.status_code != 200:
            return f"{step} {answer.status_code}"
        return "" if answer.json()["display_name"] == new["display_name"] else "own write not read"


_numbers = count(1)
