"""A request that is sent again, because its answer was lost, does what the first time left undone.

Views declare it: `idempotent` for a POST with a key, `repeatable` for the other methods, whose
repetition finds the work done already. See `core.outbox.repetitions`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from hashlib import blake2b, sha256
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.db.transaction import atomic
from rest_framework.request import Request
from rest_framework.response import Response

from core.cached_values import uncommitted_reads
from core.http.callers import caller_id
from core.http.problems import Problem
from core.outbox.repetitions import deliver_what_is_left, tagged_request
from core.sql import note_written
from core.sql.transactions import after_commit

P = ParamSpec("P")
Method = Callable[Concatenate[Any, Request, P], Response]


def repeatable(*, database: str, is_atomic: bool = False) -> Callable[[Method[P]], Method[P]]:
    """Let clients repeat a view's PUT, PATCH or DELETE, which writes to `database`.

    `is_atomic`: its answer is made in its transaction, from what that has written, so nobody can
    delete what it shows in between.
    """

    def decorate(handler: Method[P]) -> Method[P]:
        @wraps(handler)
        def method(view: Any, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            with repetition_of(request, database=database), ExitStack() as transaction:
                if is_atomic:
                    transaction.enter_context(atomic(using=database))
                    transaction.enter_context(uncommitted_reads(database=database))
                return handler(view, request, *args, **kwargs)

        method.__dict__["is_repeatable"] = True
        return method

    return decorate


def is_repeatable(handler: Any) -> bool:
    """Whether a repetition of a view's method does what the first time left undone."""
    return getattr(handler, "is_repeatable", False)


@contextmanager
def repetition_of(request: Request, *, database: str, key: str = "") -> Iterator[None]:
    """Run a request that may be a repetition; `key` tells requests to the same address apart.

    If the block announces nothing, and succeeds or is refused (such as 404 for what is deleted
    already), it delivers what an earlier time has announced, and the caller's reads see that write.
    """
    with tagged_request(_tag(request, key)) as tagged:
        try:
            yield
        except Problem as problem:
            if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR and not tagged.has_announced:
                _finish(database, tagged.tag)
            raise
        if not tagged.has_announced:
            _finish(database, tagged.tag)


def _finish(database: str, tag: int) -> None:
    # The process that has written it may have died before it stored the LSN of its commit.
    note_written(database)
    after_commit(database, deliver_what_is_left, database=database, tag=tag)


def _tag(request: Request, key: str) -> int:
    text = f"{caller_id(request)} {request.method} {request.path} {key}".encode()
    # With a secret key: who chooses the text must not find one with another request's tag.
    digest = blake2b(text, digest_size=8, key=_tag_key(settings.SECRET_KEY)).digest()
    return int.from_bytes(digest, signed=True)


@cache
def _tag_key(secret: str) -> bytes:
    return sha256(b"repetition" + secret.encode()).digest()
