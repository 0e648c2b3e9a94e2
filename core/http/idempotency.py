"""`Idempotency-Key`: a POST that is sent again makes nothing anew, and gets the same answer.

A client that has lost an answer sends the request again, with the key of the first time. The key,
whose it is, the route and a hash of the body are a row in the database of what the POST makes,
written in the same transaction and with the answer in it. So there is never one without the other:
who dies before the commit leaves nothing, who dies after it leaves what is replayed.

A key is its caller's own, and lives for 24 hours. Meanwhile:

- the same request is answered with the stored status and bytes, and `Idempotent-Replayed: true`;
- another body or route is a 422: a client has mixed up its keys;
- while the first of them is being answered, the others are a 409 at once, with `Retry-After`.

What is refused (4xx) or fails (5xx) is rolled back and keeps no key, so it may be sent again. The
database down: 503, as without a key. The routes of another database are looked at too for the 422,
but nothing is locked there; with that database down, the request goes on without.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from hashlib import blake2b, sha256
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, cast

import orjson
from django.core.files import File
from django.db import InterfaceError, OperationalError, connections, models
from django.db.models.functions import Now
from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from core.cached_values import uncommitted_reads
from core.http.callers import caller_id
from core.http.problems import Conflict, Invalid, Problem
from core.http.rendering import OrjsonRenderer
from core.ids import TimeOrderedModel
from core.sql import PRIMARIES, note_written
from core.sql.transactions import undoable_transaction

logger = logging.getLogger(__name__)
P = ParamSpec("P")
# The `post` of a DRF view.
Post = Callable[Concatenate[Any, Request, P], Response]

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255
LIFE = timedelta(hours=24)
_VISIBLE_ASCII = re.compile(rf"[!-~]{{1,{MAX_LENGTH}}}")
# The databases in which keys are.
_databases: set[str] = set()


class IdempotencyKey(TimeOrderedModel):
    """A request that was done, and its answer."""

    caller_id = models.BigIntegerField()
    key = models.CharField(max_length=MAX_LENGTH)
    route = models.TextField(help_text="The path.")
    body_hash = models.CharField(max_length=64, help_text="SHA-256, in hexadecimal.")
    status = models.PositiveSmallIntegerField()
    body = models.BinaryField(help_text="Of the answer: JSON.")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "core"
        db_table = "socialfeed_idempotencykey"
        constraints = [
            models.UniqueConstraint(fields=["caller_id", "key"], name="idempotency_key_of_caller")
        ]
        indexes = [models.Index(fields=["created_at"], name="idempotency_key_by_time")]

    def __str__(self) -> str:
        return f"{self.key} of {self.caller_id}"


class KeyInFlight(Conflict):
    """409: the same key is at work."""

    code = "idempotency_in_flight"
    wait = 1  # seconds, for Retry-After


class KeyReused(Problem):
    """422: the key stands for another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"


class _RefusedError(Exception):
    """Ends the transaction of a view that has answered an error instead of raising one."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


@dataclass(frozen=True)
class _Asked:
    """What makes a request the same as another."""

    caller_id: int
    key: str
    route: str
    body_hash: str


def idempotent(*, database: str) -> Callable[[Post[P]], Post[P]]:
    """Let a view's `post`, which writes to `database` and answers JSON, be repeated with a key.

    With a key, it runs inside a transaction there, and what it reads to answer with it reads as
    that transaction sees it. What it does after the commit is done before the answer, as without.
    Headers of its own are not kept. Without a key, nothing is different.
    """
    _databases.add(database)

    def decorate(handler: Post[P]) -> Post[P]:
        @wraps(handler)
        def post(view: Any, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            key = request.headers.get(HEADER)
            if key is None:
                return handler(view, request, *args, **kwargs)
            asked = _Asked(caller_id(request), _valid(key), request.path, _body_hash(request))
            _check_other_databases(database, asked)
            return _once(database, asked, lambda: handler(view, request, *args, **kwargs))

        post.__dict__["takes_idempotency_key"] = True
        return post

    return decorate


def takes_key(handler: Any) -> bool:
    """Whether a view's method is idempotent by key."""
    return getattr(handler, "takes_idempotency_key", False)


def _valid(key: str) -> str:
    if not _VISIBLE_ASCII.fullmatch(key):
        raise Invalid(
            f"An {HEADER} has 1 to {MAX_LENGTH} visible ASCII characters. A random UUID will do.",
            field=HEADER,
        )
    return key


def _body_hash(request: Request) -> str:
    """Of JSON, the bytes. Of a form, the fields and the content of files: each time it is sent, it
    has another boundary. What cannot be parsed is refused here, as the view would refuse it.
    """
    if not (request.content_type or "").lower().startswith("multipart/form-data"):
        return sha256(request.body).hexdigest()
    digest = sha256()
    form = cast("QueryDict", request.data)
    for name, values in sorted(form.lists()):
        for value in values:
            # Each of a fixed length, so that two different forms never are the same bytes.
            digest.update(sha256(name.encode()).digest())
            digest.update(_file_hash(value) if isinstance(value, File) else _text_hash(value))
    return digest.hexdigest()


def _text_hash(text: str) -> bytes:
    return b"t" + sha256(text.encode()).digest()


def _file_hash(file: File[Any]) -> bytes:
    digest = sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)  # for the view
    return b"f" + digest.digest()


def _once(database: str, asked: _Asked, work: Callable[[], Response]) -> Response:
    """The stored answer of this request, or else that of `work`, stored with what it has done."""
    try:
        with undoable_transaction(database):
            _lock(database, asked)
            # A statement of its own: what the last holder of the lock has committed is in its
            # snapshot only if that was taken after the lock.
            kept = _alive(database, asked).first()
            if kept is not None:
                _check_same(kept, asked)
                # Who made it may have died before its caller's reads were told to wait for it.
                note_written(database)
                return _answer(kept, {REPLAYED: "true"})
            with uncommitted_reads(database=database):
                answer = work()
            if answer.status_code >= HTTPStatus.BAD_REQUEST:
                raise _RefusedError(answer)
            kept = _keep(database, asked, answer)
    except _RefusedError as refused:
        return refused.answer
    return _answer(kept, {})


def _lock(database: str, asked: _Asked) -> None:
    """Be the only one who does this request, until the transaction ends; or raise `KeyInFlight`."""
    digest = blake2b(f"{asked.caller_id} {asked.key}".encode(), digest_size=8, person=b"idem-key")
    number = int.from_bytes(digest.digest(), signed=True)
    with connections[database].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if cursor.fetchone() != (True,):
            raise KeyInFlight(
                "The first request with this Idempotency-Key is still being answered. "
                "Send it again in a second, unchanged, for its answer."
            )


def _alive(database: str, asked: _Asked) -> models.QuerySet[IdempotencyKey]:
    return IdempotencyKey.objects.using(database).filter(
        caller_id=asked.caller_id, key=asked.key, created_at__gt=Now() - LIFE
    )


def _check_same(kept: IdempotencyKey, asked: _Asked) -> None:
    if kept.route != asked.route:
        raise KeyReused(
            f"This key was used for {kept.route}. Use a new key for each new request.",
            field=HEADER,
        )
    if kept.body_hash != asked.body_hash:
        raise KeyReused(
            "This key was used with another body. Send that one for the answer that it got, or use "
            "a new key for this one.",
            field=HEADER,
        )


def _check_other_databases(database: str, asked: _Asked) -> None:
    """Refuse a key that was used for a route of another database."""
    for other in sorted(_databases - {database}):
        try:
            kept = _alive(other, asked).first()
        except (OperationalError, InterfaceError):
            logger.exception("%s is down: whether a key was used there is not known", other)
            continue
        if kept is not None:
            _check_same(kept, asked)


def _keep(database: str, asked: _Asked, answer: Response) -> IdempotencyKey:
    """Store an answer; a row of the same key that is too old to count gives way."""
    kept = IdempotencyKey(
        caller_id=asked.caller_id,
        key=asked.key,
        route=asked.route,
        body_hash=asked.body_hash,
        status=answer.status_code,
        body=OrjsonRenderer().render(answer.data),
    )
    IdempotencyKey.objects.using(database).bulk_create(
        [kept],
        update_conflicts=True,
        unique_fields=["caller_id", "key"],
        update_fields=["route", "body_hash", "status", "body", "created_at"],
    )
    return kept


def _answer(kept: IdempotencyKey, headers: dict[str, str]) -> Response:
    """Made of the row, the first time too: so the first answer is what is replayed."""
    return Response(orjson.Fragment(bytes(kept.body)), status=kept.status, headers=headers)


def remove_keys_of(*, user_id: int, limit: int) -> int:
    """Remove up to `limit` keys of an account that is being deleted, and the answers that they
    keep, from each database; returns how many. May be repeated.
    """
    removed = 0
    for database in PRIMARIES:
        rows = IdempotencyKey.objects.using(database)
        mine = rows.filter(caller_id=user_id)
        removed += rows.filter(pk__in=mine.values("pk")[:limit]).delete()[0]
    return removed


def prune(*, database: str, limit: int = 10_000) -> int:
    """Delete up to `limit` keys that have lived their time; returns how many."""
    rows = IdempotencyKey.objects.using(database)
    old = rows.filter(created_at__lte=Now() - LIFE)
    return rows.filter(pk__in=old.values("pk")[:limit]).delete()[0]
