"""`Idempotency-Key`: a POST that is sent again changes nothing, and gets the same answer.

A client that has not received an answer sends the request again with the key of the first time. The
key, its caller, the route, a hash of the body, and the answer are one row in the database that the
POST writes to, stored in the same transaction. So there is never one without the other: a process
that dies before the commit leaves nothing, one that dies after it leaves the answer.

A key belongs to its caller and lives for 24 hours. Meanwhile:

- the same request gets the stored status and bytes, and `Idempotent-Replayed: true`;
- another body or route is a 422: the client has mixed up its keys;
- while the first request is being answered, others are a 409 at once, with `Retry-After`.

A request that is refused (4xx) or fails (5xx) is rolled back and stores no key, so it may be sent
again. Database down: 503, as without a key. For the 422, keys in other databases are read too, but
not locked; when one of those is down, the request goes on without that check.
"""

import logging
import re
from collections.abc import Callable
from functools import wraps
from hashlib import file_digest, sha256
from http import HTTPStatus
from typing import Any, Concatenate, ParamSpec, cast

import orjson
from django.core.files import File
from django.db import InterfaceError, OperationalError
from django.http import QueryDict
from rest_framework.request import Request
from rest_framework.response import Response

from core.cached_values import uncommitted_reads
from core.http.callers import caller_id
from core.http.idempotency_keys import MAX_LENGTH, IdempotencyKey, lock_key, store_key, stored_key
from core.http.problems import Invalid, Problem
from core.http.rendering import OrjsonRenderer
from core.http.repetitions import repetition_of
from core.sql.transactions import undoable_transaction

logger = logging.getLogger(__name__)
P = ParamSpec("P")
# The `post` of a DRF view.
Post = Callable[Concatenate[Any, Request, P], Response]

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
_VISIBLE_ASCII = re.compile(rf"[!-~]{{1,{MAX_LENGTH}}}")
# The databases that have keys.
_databases: set[str] = set()


class KeyReused(Problem):
    """422: the key was used for another request."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "idempotency_key_reused"


class _RefusedError(Exception):
    """Rolls back the transaction of a view that answers an error instead of raising it."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status_code)
        self.answer = answer


def idempotent(*, database: str) -> Callable[[Post[P]], Post[P]]:
    """Let clients repeat a view's `post`, which writes to `database` and answers JSON, with a key.

    With a key, the view runs inside a transaction on `database` and reads what that has written.
    Functions that it calls after the commit run before the answer, as without a key. Of its
    headers, `Location` is stored. Without a key nothing is different.
    """
    _databases.add(database)

    def decorate(handler: Post[P]) -> Post[P]:
        @wraps(handler)
        def post(view: Any, request: Request, /, *args: P.args, **kwargs: P.kwargs) -> Response:
            key = request.headers.get(HEADER)
            if key is None:
                return handler(view, request, *args, **kwargs)
            keyed = IdempotencyKey(
                caller_id=caller_id(request),
                key=_valid(key),
                route=request.path,
                body_hash=_body_hash(request),
            )
            _check_other_databases(database, keyed)
            with repetition_of(request, database=database, key=key):
                return _once(database, keyed, lambda: handler(view, request, *args, **kwargs))

        post.__dict__["takes_idempotency_key"] = True
        return post

    return decorate


def takes_key(handler: Any) -> bool:
    """Whether a view's method takes an idempotency key."""
    return getattr(handler, "takes_idempotency_key", False)


def _valid(key: str) -> str:
    if not _VISIBLE_ASCII.fullmatch(key):
        raise Invalid(
            f"An {HEADER} has 1 to {MAX_LENGTH} visible ASCII characters. A random UUID will do.",
            field=HEADER,
        )
    return key


def _body_hash(request: Request) -> str:
    """The SHA-256 of JSON's bytes, or of a form's fields and files.

    Not of a form's bytes: each time it is sent, it has another boundary. Raises what the view would
    raise for a body that cannot be parsed.
    """
    if not (request.content_type or "").lower().startswith("multipart/form-data"):
        return sha256(request.body).hexdigest()
    digest = sha256()
    form = cast("QueryDict", request.data)
    for name, values in sorted(form.lists()):
        for value in values:
            # Hashes have one length, so two different forms never give the same bytes.
            digest.update(sha256(name.encode()).digest())
            if isinstance(value, File):
                digest.update(b"f" + file_digest(value, "sha256").digest())
                value.seek(0)  # for the view
            else:
                digest.update(b"t" + sha256(value.encode()).digest())
    return digest.hexdigest()


def _once(database: str, keyed: IdempotencyKey, work: Callable[[], Response]) -> Response:
    """The stored answer of a request; or the answer of `work`, which is stored in its transaction.

    Raises `KeyInFlight` or `KeyReused`.
    """
    try:
        with undoable_transaction(database):
            lock_key(database, keyed)
            # A statement after that of the lock: only then does its snapshot have what the last
            # holder of the lock committed.
            row = stored_key(database, keyed)
            if row is not None:
                _check_same(row, keyed)
                return _answer(row, {REPLAYED: "true"})
            with uncommitted_reads(database=database):
                answer = work()
            if answer.status_code >= HTTPStatus.BAD_REQUEST:
                raise _RefusedError(answer)
            keyed.status, keyed.body = answer.status_code, OrjsonRenderer().render(answer.data)
            keyed.location = answer.headers.get("Location", "")
            store_key(database, keyed)
    except _RefusedError as refused:
        return refused.answer
    return _answer(keyed, {})


def _check_same(row: IdempotencyKey, keyed: IdempotencyKey) -> None:
    if row.route != keyed.route:
        raise KeyReused(
            f"This key was used for {row.route}. Use a new key for each new request.", field=HEADER
        )
    if row.body_hash != keyed.body_hash:
        raise KeyReused(
            "This key was used with another body. Send that one for the answer that it got, or use "
            "a new key for this one.",
            field=HEADER,
        )


def _check_other_databases(database: str, keyed: IdempotencyKey) -> None:
    """Raise `KeyReused` if the key was used for a route that writes to another database."""
    for other in sorted(_databases - {database}):
        try:
            row = stored_key(other, keyed)
        except (OperationalError, InterfaceError):
            logger.exception("%s is down: whether a key was used there is not known", other)
            continue
        if row is not None:
            _check_same(row, keyed)


def _answer(row: IdempotencyKey, headers: dict[str, str]) -> Response:
    """The answer in a row. The first answer is made from it too, so it equals its replays."""
    if row.location:
        headers["Location"] = row.location
    return Response(orjson.Fragment(bytes(row.body)), status=row.status, headers=headers)
