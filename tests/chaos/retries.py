"""Scenario: a write that a retry acknowledges is in its writer's very next read.

Processes of the Write API are killed all the time, so many die between the commit of a write and
what follows it. The client sends each request again until it is answered.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from tests.chaos.client import Answer, Member, idempotency_key
from tests.chaos.faults import Monkey
from tests.chaos.history import History
from tests.chaos.load import Actor, load
from tests.chaos.report import Figure
from tests.chaos.scenario import Run
from tests.chaos.schedule import Planned
from tests.chaos.world import World
from tests.support.client import wait_until

# At most so often, in seconds, and only while all instances are up: else nothing would be written.
SECONDS_BETWEEN_KILLS = 0.5
THREADS, PEOPLE = 8, 32
SECONDS_BEFORE_RETRY = 0.1
SECONDS_TO_ANSWER = 60.0
# Kinds of writes. A round of a person's has one of each.
KINDS = ("post", "edit", "like", "comment", "reword", "uncomment", "delete", "follow", "unfollow")


@dataclass
class Tally:
    """The numbers of acknowledged writes, of those that were sent more than once, and of those
    that their writers' next reads missed; by kind.
    """

    done: Counter[str] = field(default_factory=Counter)
    retried: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)


class Writer:
    """One person who writes, until it is acknowledged, and then reads."""

    def __init__(self, actor: Actor, tally: Tally, member: Member, followed: Member) -> None:
        self.client, self.stop, self.tally = actor.client, actor.stop, tally
        self.member, self.followed = member, followed

    def round(self) -> Iterator[None]:
        """One write of each kind, each followed by a read that must show it."""
        (followed_post,) = self.followed.posts
        mark = f"retried {next(_marks)}"
        body = {"caption": mark, "media": [str(self.member.media.popleft())]}
        made = self._write("post", "POST", "/posts", body, key=mark).json()
        post = f"/posts/{made['id']}"
        self._expect("post", made["id"] in self._home())
        yield
        self._write("edit", "PATCH", post, {"caption": f"{mark}!"})
        self._expect("edit", self._post(post)["caption"] == f"{mark}!")
        yield
        self._write("like", "PUT", f"{post}/like")
        self._expect("like", self._post(post)["viewer"]["liked"])
        yield
        text = {"text": mark}
        comment = self._write("comment", "POST", f"{post}/comments", text, key=f"{mark} c").json()
        self._expect("comment", _comments(self._post(post)) == (1, [mark]))
        yield
        address = f"/comments/{comment['id']}"
        self._write("reword", "PATCH", address, {"text": f"{mark}?"})
        self._expect("reword", _comments(self._post(post)) == (1, [f"{mark}?"]))
        yield
        self._write("uncomment", "DELETE", address)
        self._expect("uncomment", _comments(self._post(post)) == (0, []))
        yield
        self._write("delete", "DELETE", post)
        is_gone = self._read(post).status == 404
        self._expect("delete", is_gone and made["id"] not in self._home())
        yield
        edge = f"/users/{self.followed.username}/follow"
        self._write("follow", "PUT", edge)
        self._expect("follow", str(followed_post) in self._home())
        yield
        self._write("unfollow", "DELETE", edge)
        self._expect("unfollow", str(followed_post) not in self._home())
        yield

    def _write(
        self, kind: str, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> Answer:
        """Send a request until it is answered; 404 is an answer to a repeated DELETE."""
        headers = {} if key is None else {"Idempotency_Key": idempotency_key(key)}
        deadline = time.monotonic() + SECONDS_TO_ANSWER
        for attempt in count():
            answer = self.client.send(self.member, method, path, body, **headers)
            is_repeated_delete = method == "DELETE" and answer.status == 404 and attempt
            if answer.is_good or is_repeated_delete:
                self.tally.done[kind] += 1
                self.tally.retried[kind] += attempt > 0
                return answer
            assert answer.status in {0, 409, 429} or answer.status >= 500, (path, answer)
            assert time.monotonic() < deadline, (path, answer)
            self.stop.wait(SECONDS_BEFORE_RETRY)
        raise AssertionError("unreachable")

    def _expect(self, kind: str, is_seen: bool) -> None:
        self.tally.missed[kind] += not is_seen

    def _read(self, path: str) -> Answer:
        answer = self.client.get(self.member, path)
        assert answer.status in {200, 404}, (path, answer)
        return answer

    def _post(self, path: str) -> Any:
        return self._read(path).json()

    def _home(self) -> list[str]:
        return [str(id_) for id_ in self._read("/timeline/home?limit=100").ids()]


_marks = count(1)


def _comments(post: Any) -> tuple[int, list[str]]:
    return post["counts"]["comments"], [comment["text"] for comment in post["recent_comments"]]


def retried_writes(run: Run) -> list[Figure]:
    """Kill Write API processes while people write, send again, and read."""
    world, tally = run.world, Tally()
    wanted = run.scaled(2000, at_least=20)
    followed = run.inhabitants(1, follows=0, posts=1)[0]
    members = world.people(PEOPLE, media=2 * wanted // PEOPLE + 20)

    def behave(actor: Actor, mine: Sequence[Member], random: Random) -> Iterator[None]:
        writers = [Writer(actor, tally, member, followed) for member in mine]
        for number in count():
            yield from writers[number % len(writers)].round()

    running = load(world.origin, members, behave, threads=THREADS, seed=run.seed, history=History())
    monkey = Monkey(world.faults, _kills(world, run.seed), lambda _: None)
    with running as loaded, monkey:

        def is_enough() -> bool:
            monkey.check()
            return all(tally.done[kind] >= wanted for kind in KINDS)

        loaded.await_(is_enough, seconds=120 + wanted)
    return [
        Figure(
            f"retried writes not in their writer's next read: {kind}",
            tally.missed[kind],
            tally.done[kind],
            at_most=0,
            notes=f"{tally.retried[kind]:,} were sent more than once; {len(monkey.done)} kills",
        )
        for kind in KINDS
    ]


def _kills(world: World, seed: int) -> Iterator[Planned]:
    random = Random(seed)
    names = world.faults.names("write-api")
    began = time.monotonic()

    def are_up() -> bool:
        return all(status.is_up for status in world.stack.status(*names))

    while True:
        wait_until(are_up, SECONDS_TO_ANSWER)
        at = time.monotonic() - began + SECONDS_BETWEEN_KILLS
        yield Planned(at, "kill-child write-api", random.random())
