"""The senders of the load: people with tokens, and a cheap HTTP client.

The client shares two cores with the service, so it uses `http.client` and one connection per
thread. It follows no redirects, does not retry, and parses a body only on demand. Like browsers, it
opens a new connection when the server has closed the former one between two requests.
"""

import http.client
import select
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.cache import SessionStore
from django_redis.exceptions import ConnectionInterrupted

from core.valkey import ValkeyUnavailable
from users.models import User

# The time-out of a client, in seconds.
PATIENCE = 10.0
_NO_STATE = (ConnectionInterrupted, *ValkeyUnavailable)


@dataclass
class Member:
    """A person of the load. Only one thread at a time writes as this person."""

    user: User
    token: str = ""
    # Uploaded pictures, not used yet.
    media: deque[int] = field(default_factory=deque)
    # Acknowledged posts that nobody has tried to delete.
    posts: list[int] = field(default_factory=list)

    @property
    def id(self) -> int:
        return self.user.pk

    @property
    def username(self) -> str:
        return self.user.username

    def log_in(self) -> bool:
        """Get a new token, like that of a log-in. Returns False while STATE is down."""
        session = SessionStore()
        session[SESSION_KEY] = str(self.id)
        try:
            session.create()
        except _NO_STATE:
            return False
        self.token = create_access_token(self.user, session, {})
        return True


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. Status 0: the connection broke, or the client timed out."""

    status: int
    body: bytes
    began: float
    ended: float

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        return orjson.loads(self.body)

    def ids(self) -> list[int]:
        """The ids of the results on a list page."""
        return [int(result["id"]) for result in self.json()["results"]]


class Client:
    """One connection of one thread, which is reopened after it broke. Use as a context."""

    def __init__(self, origin: str, *, patience: float = PATIENCE) -> None:
        address = urlsplit(origin)
        assert address.hostname
        self._http = http.client.HTTPConnection(address.hostname, address.port, timeout=patience)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def send(
        self,
        member: Member,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        **headers: str,
    ) -> Answer:
        """Send one request under /api/v1. After a 401, log in again and retry once.

        STATE writes its log with `appendfsync everysec`. When it is killed, it may lose the log-ins
        of the last second.
        """
        answer = self._send(member, method, path, body, headers)
        if answer.status == 401 and member.log_in():
            answer = self._send(member, method, path, body, headers)
        return answer

    def _send(
        self,
        member: Member,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        extra: Mapping[str, str],
    ) -> Answer:
        headers = {"Authorization": f"Bearer {member.token}"}
        headers |= {name.replace("_", "-"): value for name, value in extra.items()}
        content = None
        if body is not None:
            content = orjson.dumps(body)
            headers["Content-Type"] = "application/json"
        began = time.monotonic()
        try:
            response = self._ask(method, f"/api/v1{path}", content, headers)
            received = response.read()
        except (OSError, http.client.HTTPException):
            with suppress(OSError):
                self._http.close()
            return Answer(0, b"", began, time.monotonic())
        return Answer(response.status, received, began, time.monotonic())

    def is_logged_in(self, member: Member) -> bool:
        """Whether the member's token is still good."""
        answer = self._send(member, "GET", "/users/me", None, {})
        assert answer.status in {200, 401}, (answer.status, answer.body[:500])
        return answer.status == 200

    def _ask(
        self, method: str, address: str, content: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """Send a request. A GET is sent again if its connection, which was used before, is closed
        instead of an answer: the server closed it while the request was on its way (RFC 9110,
        9.2.2; browsers do so).
        """
        self._drop_if_closed()
        is_used = self._http.sock is not None
        try:
            self._http.request(method, address, content, headers)
            return self._http.getresponse()
        except ConnectionError:
            if method != "GET" or not is_used:
                raise
            self._http.close()
            self._http.request(method, address, content, headers)
            return self._http.getresponse()

    def _drop_if_closed(self) -> None:
        """Close a connection that the server has closed. Between requests it sends nothing else."""
        connection = self._http.sock
        if connection is not None and select.select([connection], [], [], 0)[0]:
            self._http.close()

    def get(self, member: Member, path: str) -> Answer:
        return self.send(member, "GET", path)

    def walk(self, member: Member, path: str) -> Iterator[int]:
        """The ids on all pages of a list, along `next`. Fails unless every page is answered."""
        following: str | None = path
        while following:
            answer = self.get(member, following)
            assert answer.status == 200, (answer.status, answer.body[:500])
            yield from answer.ids()
            address = answer.json()["next"]
            following = address and address.partition("/api/v1")[2]


def idempotency_key(mark: str) -> str:
    """The key of a write, the same for each attempt."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, mark))
