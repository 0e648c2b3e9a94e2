"""How many uploads a process works on at once.

An upload takes a thread of its process for much longer than other writes do: its body is parsed, it
waits for a decoder, it is stored. So only MEDIA_UPLOADS_AT_ONCE threads take uploads; the others
are left for all other writes. One upload too many is refused at once, before its body is parsed: a
thread that waits for its turn is lost as well.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from threading import Lock
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from rest_framework.request import Request
from rest_framework.response import Response

from core.http.callers import caller_id
from core.http.problems import Overloaded, TooManyRequests

P = ParamSpec("P")
Post = Callable[Concatenate[Any, Request, P], Response]

# In seconds. An ordinary upload takes a quarter of one.
RETRY_AFTER = 1


class Places:
    """The uploads that this process is working on, by user."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._of_user: Counter[int] = Counter()

    @contextmanager
    def taken(self, *, user_id: int, limit: int) -> Iterator[None]:
        """Take one of `limit` places for the block. The last one is not for a user who has others.

        Raises `TooManyRequests` if the user has too many, else `Overloaded` if all are taken.
        """
        most = max(1, limit - 1)
        with self._lock:
            if self._of_user[user_id] >= most:
                raise TooManyRequests(
                    f"You are sending more than {most} pictures at the same time. Send this one "
                    "again when another one is done.",
                    wait=RETRY_AFTER,
                )
            if self._of_user.total() >= limit:
                raise Overloaded(
                    "Too many pictures are being uploaded at the moment. Try again in a second.",
                    wait=RETRY_AFTER,
                )
            self._of_user[user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._of_user[user_id] -= 1
                if not self._of_user[user_id]:
                    del self._of_user[user_id]


_places = Places()


def admitted(handler: Post[P]) -> Post[P]:
    """Run a view's method only while there is a place for the caller's upload."""

    @wraps(handler)
    def post(view: Any, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
        limit = settings.MEDIA_UPLOADS_AT_ONCE
        with _places.taken(user_id=caller_id(request), limit=limit):
            return handler(view, request, *args, **kwargs)

    return post
