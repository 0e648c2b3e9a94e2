"""People who use the service from threads of this process, and record what they did and saw.

Each thread has its own people, who take turns, so the writes of a person do not overlap. The seed
decides which person does what next.
"""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from random import Random
from threading import Event

from tests.chaos.client import Answer, Client, Member, idempotency_key
from tests.chaos.history import History, Kind, Outcome, Read, Write

# Seconds before a write of unknown outcome is retried.
BEFORE_RETRY = 1.0
_marks = count(1)
_NUMBER = re.compile(r"[0-9]+")


def outcome_of(answer: Answer) -> Outcome:
    """What a client may conclude from an answer."""
    if answer.is_good:
        return Outcome.ACKNOWLEDGED
    return Outcome.REFUSED if 400 <= answer.status < 500 else Outcome.UNKNOWN


class Actor:
    """The actions of one thread's people. All are recorded in `history`.

    `retries`: how often a post of unknown outcome is sent again.
    """

    def __init__(self, client: Client, history: History, stop: Event, *, retries: int = 1) -> None:
        self.client, self.history, self.stop, self.retries = client, history, stop, retries

    def publish(self, member: Member, *, look: Callable[[Member], str] | None = None) -> Write:
        """Publish one of the member's pictures, then look for the post at the address from `look`.

        When the outcome is unknown, retry with the same `Idempotency-Key`. If a retry is refused,
        the outcome stays unknown: the first attempt may have succeeded.
        """
        mark = f"post {next(_marks)}"
        body = {"caption": mark, "media": [str(member.media.popleft())]}

        def attempt() -> Answer:
            key = idempotency_key(mark)
            return self.client.send(member, "POST", "/posts", body, Idempotency_Key=key)

        answer = attempt()
        began, outcome, attempts = answer.began, outcome_of(answer), 1
        while (
            outcome == Outcome.UNKNOWN
            and attempts <= self.retries
            and not self.stop.wait(BEFORE_RETRY)
        ):
            answer = attempt()
            attempts += 1
            if answer.is_good:
                outcome = Outcome.ACKNOWLEDGED
        id_ = int(answer.json()["id"]) if answer.is_good else None
        seen = None
        if id_ is not None:
            member.posts.append(id_)
            seen = self.sees(member, look(member), id_) if look else None
        return self._note(
            *(Kind.POST, member, outcome, answer),
            mark=mark,
            id_=id_,
            seen=seen,
            began=began,
            attempts=attempts,
        )

    def delete(self, member: Member) -> Write:
        """Delete the member's oldest known post."""
        post_id = member.posts.pop(0)
        answer = self.client.send(member, "DELETE", f"/posts/{post_id}")
        return self._note(Kind.DELETE, member, outcome_of(answer), answer, subject=post_id)

    def comment(self, member: Member, post_id: int, *, look: bool = False) -> Write:
        """Comment on a post. `look`: then look for it among the newest comments."""
        mark = f"comment {next(_marks)}"
        answer = self.client.send(member, "POST", f"/posts/{post_id}/comments", {"text": mark})
        id_ = int(answer.json()["id"]) if answer.is_good else None
        seen = None
        if id_ is not None and look:
            seen = self.sees(member, comments_address(post_id), id_)
        return self._note(
            *(Kind.COMMENT, member, outcome_of(answer), answer),
            mark=mark,
            subject=post_id,
            id_=id_,
            seen=seen,
        )

    def like(self, member: Member, post_id: int) -> Write:
        """Like a post."""
        answer = self.client.send(member, "PUT", f"/posts/{post_id}/like")
        return self._note(Kind.LIKE, member, outcome_of(answer), answer, subject=post_id)

    def rename(self, member: Member, *, look: bool = False) -> Write:
        """Change the member's display name. `look`: then read the member's profile."""
        mark = f"name {next(_marks)}"
        answer = self.client.send(member, "PATCH", "/users/me", {"display_name": mark})
        seen = self.is_called(member, mark) if answer.is_good and look else None
        return self._note(Kind.RENAME, member, outcome_of(answer), answer, mark=mark, seen=seen)

    def read(self, member: Member, path: str) -> Answer:
        """GET an address that exists."""
        answer = self.client.get(member, path)
        what = _NUMBER.sub("N", path)
        self.history.reads.append(Read(answer.status, answer.began, answer.ended, what))
        return answer

    def sees(self, member: Member, path: str, id_: int) -> bool | None:
        """Whether a list shows an id; None when the read is not answered."""
        answer = self.read(member, path)
        return id_ in answer.ids() if answer.status == 200 else None

    def sees_still(self, member: Member, write: Write) -> bool | None:
        """Whether a read now shows an acknowledged post, comment or name; None: not answered."""
        if write.kind == Kind.RENAME:
            return self.is_called(member, write.mark)
        assert write.id
        if write.kind == Kind.POST:
            return self.sees(member, own_posts_address(member), write.id)
        assert write.subject
        return self.sees(member, comments_address(write.subject), write.id)

    def is_called(self, member: Member, name: str) -> bool | None:
        """Whether the member's own profile shows this name; None when the read is not answered."""
        answer = self.read(member, "/users/me")
        return answer.json()["display_name"] == name if answer.status == 200 else None

    def _note(
        self,
        kind: Kind,
        member: Member,
        outcome: Outcome,
        answer: Answer,
        *,
        mark: str = "",
        subject: int | None = None,
        id_: int | None = None,
        seen: bool | None = None,
        began: float | None = None,
        attempts: int = 1,
    ) -> Write:
        write = Write(
            *(kind, member.id, outcome, mark, subject, id_, seen, answer.status),
            began=answer.began if began is None else began,
            ended=answer.ended,
            attempts=attempts,
        )
        self.history.writes.append(write)
        return write


def home_address(member: Member) -> str:
    """The first page of the member's home timeline."""
    return "/timeline/home?limit=5"


def own_posts_address(member: Member) -> str:
    """The member's own posts, which come from SQL."""
    return f"/posts?author={member.username}&limit=5"


def comments_address(post_id: int) -> str:
    """The newest comments on a post, which come from SQL."""
    return f"/posts/{post_id}/comments?order=newest&limit=20"


Behaviour = Callable[[Actor, Sequence[Member], Random], Iterator[None]]


@contextmanager
def load(
    origin: str,
    members: Sequence[Member],
    behave: Behaviour,
    *,
    threads: int,
    seed: int,
    history: History | None = None,
    retries: int = 1,
) -> Iterator["Running"]:
    """Let people act from `threads` threads inside the block. Raises a thread's error at the end.

    Records into `history`, or into a new one. `retries`: of a post of unknown outcome.
    """
    running = Running(history or History())

    def work(number: int) -> None:
        with Client(origin) as client:
            actor = Actor(client, running.history, running.stop, retries=retries)
            for _ in behave(actor, members[number::threads], Random(f"{seed} {number}")):
                if running.stop.is_set():
                    return

    with ThreadPoolExecutor(threads) as pool:
        running.futures = [pool.submit(work, number) for number in range(threads)]
        try:
            yield running
        finally:
            running.stop.set()
    running.check()


class Running:
    """A running load."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.stop = Event()
        self.futures: list[Future[None]] = []

    def check(self) -> None:
        """Raise the error of a thread that has failed, if any."""
        for future in self.futures:
            if future.done():
                future.result()

    def await_(self, condition: Callable[[], bool], *, seconds: float) -> None:
        """Wait until `condition` holds. Fails after `seconds`, or when a thread has failed."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds:.0f} s: {self.history.described()}")
            time.sleep(0.05)

    def last(self, seconds: float) -> tuple[float, float]:
        """Go on for `seconds`. Returns the begin and the end of that time."""
        began = time.monotonic()
        self.await_(lambda: time.monotonic() >= began + seconds, seconds=seconds + 60)
        return began, time.monotonic()
