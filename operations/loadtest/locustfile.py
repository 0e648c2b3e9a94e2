"""What people do, in the process of locust: `operations.loadtest.run` starts it.

Nothing of Django is here: locust has patched the sockets and threads of this process.
"""

import os
import time
import uuid
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path
from random import Random
from threading import Lock
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import orjson
from locust import FastHttpUser, events, task

from operations.loadtest import plan
from operations.loadtest.chance import Popularity, Turns
from operations.loadtest.recording import Recorder

API = "/api/v1"
FOLDER = Path(os.environ[plan.FOLDER])
PLAN = plan.Plan.read(FOLDER)
AUTHORS = Popularity([person.username for person in PLAN.people], exponent=PLAN.exponent)
POSTS = Popularity(PLAN.posts, exponent=PLAN.exponent)
RECORDER = Recorder(FOLDER)
events.init.add_listener(RECORDER.begin)  # type: ignore[no-untyped-call]  # locust's is untyped
events.quit.add_listener(RECORDER.end)  # type: ignore[no-untyped-call]
TURNS = Turns(reads_per_write=PLAN.reads_per_write, random=Random(PLAN.seed))  # noqa: S311  (a load, no secret)
# Who has a next page before them goes on to it so often.
SCROLLS_ON = 0.5
# Else somebody does one of these, so often.
READS = {
    plan.HOME: 50,
    plan.POST: 20,
    plan.COMMENTS: 10,
    plan.PROFILE: 8,
    plan.PROFILE_TIMELINE: 7,
    plan.LIKERS: 5,
}
WRITES = {
    plan.LIKE: 55,
    plan.COMMENT: 15,
    plan.UNLIKE: 10,
    plan.FOLLOW: 8,
    plan.UNFOLLOW: 6,
    plan.NEW_POST: 6,
}
NEXT_PAGES = {
    plan.HOME: plan.NEXT_HOME,
    plan.NEXT_HOME: plan.NEXT_HOME,
    plan.PROFILE_TIMELINE: plan.NEXT_PROFILE_TIMELINE,
    plan.NEXT_PROFILE_TIMELINE: plan.NEXT_PROFILE_TIMELINE,
}
# A person's client keeps so many answers that have an ETag.
ANSWERS_KEPT = 50
# An access token is replaced when this share of its life is over, so not all people's at once.
TOKEN_AGES = (0.5, 0.9)
REFRESH_ADDRESS = "/_allauth/app/v1/tokens/refresh"
_OK, _CREATED, _UNCHANGED = {200}, {201}, {304}
BOUNDARY = uuid.uuid4().hex
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
PICTURE_FORM = b"\r\n".join(
    [
        f"--{BOUNDARY}".encode(),
        b'Content-Disposition: form-data; name="file"; filename="picture.jpg"',
        b"Content-Type: image/jpeg",
        b"",
        (FOLDER / plan.PICTURE).read_bytes(),
        f"--{BOUNDARY}--".encode(),
        b"",
    ]
)
# One picture at a time: an API decodes few at once, and is meant to refuse the others.
UPLOADING = Lock()
_numbers = count()


class Member(FastHttpUser):
    """A person with a session, who reads, thinks, and sometimes writes."""

    insecure = False
    connection_timeout = 5.0
    network_timeout = 30.0

    def on_start(self) -> None:
        """Take the place of the next person of the plan."""
        number = next(_numbers)
        person = PLAN.people[number]
        self.name = person.username
        self.access_token, self.refresh_token = person.access_token, person.refresh_token
        self.random = Random(f"{PLAN.seed} {number}")  # noqa: S311  (a load, no secret)
        self.kept: dict[str, tuple[str, Any]] = {}  # the ETag and the body of answers, by address
        self.next_page: tuple[str, str] | None = None  # its kind and its address
        self.liked: list[str] = []
        self.followed = list(person.followed)
        self._plan_refresh(PLAN.tokens_made_at)

    def wait_time(self) -> float:
        """Seconds until this person's next request: most are short, few are long."""
        return self.random.expovariate(1 / PLAN.think_seconds)

    @task
    def act(self) -> None:
        """Send one request; for a new post two, as its picture comes first."""
        if time.time() >= self.refresh_at:
            self._refresh()
        if TURNS.is_write():
            self._write(self._one_of(WRITES))
        elif self.next_page and self.random.random() < SCROLLS_ON:
            self._read(*self.next_page)
        else:
            self._read(*self._chosen_read())

    def _one_of(self, weights: dict[str, int]) -> str:
        return self.random.choices(list(weights), weights=list(weights.values()))[0]

    # --- reads ------------------------------------------------------------------------------------

    def _chosen_read(self) -> tuple[str, str]:
        """What this person looks at next: its kind and its address."""
        kind = self._one_of(READS)
        author, post = AUTHORS.one(self.random), POSTS.one(self.random)
        addresses = {
            plan.HOME: "/timeline/home",
            plan.POST: f"/posts/{post}",
            plan.COMMENTS: f"/posts/{post}/comments",
            plan.LIKERS: f"/posts/{post}/likes",
            plan.PROFILE: f"/users/{author}",
            plan.PROFILE_TIMELINE: f"/users/{author}/timeline",
        }
        return kind, API + addresses[kind]

    def _read(self, kind: str, address: str) -> None:
        """Get an answer, or hear that the one that was kept is unchanged."""
        etag, body = self.kept.pop(address, ("", None))
        headers = {"If-None-Match": etag} if etag else {}
        expected = _OK | _UNCHANGED if etag else _OK
        answer = self._ask(kind, "GET", address, expected=expected, headers=headers)
        if answer is None:
            return
        if answer.status_code in _UNCHANGED:
            RECORDER.not_modified += 1
        else:
            etag, body = answer.headers.get("ETag", ""), orjson.loads(answer.content)
        if etag:
            self.kept[address] = (etag, body)
            if len(self.kept) > ANSWERS_KEPT:
                del self.kept[next(iter(self.kept))]
        following = body.get("next") if kind in NEXT_PAGES else None
        self.next_page = (NEXT_PAGES[kind], _path_of(following)) if following else None

    # --- writes -----------------------------------------------------------------------------------

    def _write(self, kind: str) -> None:
        """Write something: a like, if there is nothing to take back, or nobody new to follow."""
        if kind == plan.UNLIKE and self.liked:
            self._ask(kind, "DELETE", f"{API}/posts/{self.liked.pop()}/like")
        elif kind == plan.UNFOLLOW and self.followed:
            friend = self.followed.pop(self.random.randrange(len(self.followed)))
            self._ask(kind, "DELETE", f"{API}/users/{friend}/follow")
        elif kind == plan.FOLLOW and (stranger := self._somebody_new()):
            self.followed.append(stranger)
            self._ask(kind, "PUT", f"{API}/users/{stranger}/follow")
        elif kind == plan.COMMENT:
            address = f"{API}/posts/{POSTS.one(self.random)}/comments"
            self._create(kind, address, {"text": f"Comment no. {self.random.randrange(1000)}"})
        elif kind == plan.NEW_POST and not UPLOADING.locked():
            with UPLOADING:
                self._post()
        else:
            post = POSTS.one(self.random)
            self.liked.append(post)
            self._ask(plan.LIKE, "PUT", f"{API}/posts/{post}/like")

    def _somebody_new(self) -> str | None:
        """Somebody whom this person does not follow; None if that is nobody."""
        known = {self.name, *self.followed}
        names = AUTHORS.several(self.random, len(known) + 1)
        return next((name for name in names if name not in known), None)

    def _post(self) -> None:
        """Upload a picture, and publish it."""
        TURNS.count_write()
        media = self._create(plan.UPLOAD, f"{API}/media", PICTURE_FORM, content_type=FORM_TYPE)
        if media is not None:
            body = {"caption": "A picture of a load test.", "media": [media["id"]]}
            self._create(plan.NEW_POST, f"{API}/posts", body)

    def _create(
        self, kind: str, address: str, body: Any, *, content_type: str = "application/json"
    ) -> Any:
        """POST something with an idempotency key; returns its document, or None on a failure."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        headers = {"Content-Type": content_type, "Idempotency-Key": str(uuid.uuid4())}
        answer = self._ask(kind, "POST", address, expected=_CREATED, headers=headers, data=data)
        return None if answer is None else orjson.loads(answer.content)

    # --- the session ------------------------------------------------------------------------------

    def _plan_refresh(self, made_at: float) -> None:
        self.refresh_at = made_at + PLAN.token_seconds * self.random.uniform(*TOKEN_AGES)

    def _refresh(self) -> None:
        """Exchange the refresh token for a new pair of tokens."""
        made_at, data = time.time(), orjson.dumps({"refresh_token": self.refresh_token})
        headers = {"Content-Type": "application/json"}
        answer = self._ask(plan.REFRESH, "POST", REFRESH_ADDRESS, headers=headers, data=data)
        if answer is not None:
            tokens = orjson.loads(answer.content)["data"]
            self.access_token, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self._plan_refresh(made_at)

    def _ask(
        self,
        kind: str,
        method: str,
        address: str,
        *,
        expected: Collection[int] = _OK,
        headers: Mapping[str, str] = MappingProxyType({}),
        data: Any = None,
    ) -> Any:
        """Send a request; returns the answer, or None if its status is not an expected one."""
        token = {} if kind == plan.REFRESH else {"Authorization": f"Bearer {self.access_token}"}
        with self.client.request(
            method,
            address,
            name=kind,
            data=data,
            headers={**token, **headers},
            catch_response=True,
            allow_redirects=False,
        ) as answer:
            if answer.status_code in expected:
                answer.success()
                return answer
            answer.failure(_reason_of(answer))
            return None


def _path_of(url: str) -> str:
    """The path and the query of an address: people stay at the origin of the run."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def _reason_of(answer: Any) -> str:
    """Why a request has failed, in the same words each time."""
    if not answer.status_code:
        return f"no answer: {type(answer.error).__name__}"
    is_problem = answer.headers.get("Content-Type", "").startswith("application/problem+json")
    title = orjson.loads(answer.content)["title"] if is_problem else "unexpected"
    return f"{answer.status_code} {title}"
