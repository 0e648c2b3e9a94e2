"""Which server a read goes to: the one place that knows about primaries and replicas.

Reads go to the primary unless somebody asked for the replica: only the Read API does, through
`ConsistencyMiddleware`, and only for callers who have not written in the last
`READ_YOUR_WRITES_SECONDS`. The question is put to the STATE Valkey when the first SQL read of a
request comes up, so a request that needs no SQL never asks. STATE or a replica down: the primary.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db import OperationalError, connections
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from socialfeed.common.valkey import ValkeyUnavailable, state_valkey

logger = logging.getLogger(__name__)
Found = TypeVar("Found")

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# The database of each app; an app that is not here lives in `default` (users).
DATABASE_OF_APP = {"posts": "posts", "media": "posts", "comments": "comments"}
PRIMARIES = ("default", "posts", "comments")
# Apps whose tables exist in every database: the ids' function and the outbox.
EVERYWHERE = frozenset({"socialfeed", "fanout"})

# For how long this process leaves a replica alone that it could not connect to.
REPLICA_RETRY_SECONDS = 5.0
_left_alone_until: dict[str, float] = {}


@dataclass
class _Reader:
    """Who reads in the current request, and whether a replica will do (None: not asked yet)."""

    user_id: int | None = None
    replica_will_do: bool | None = None


_reader: ContextVar[_Reader | None] = ContextVar("reader", default=None)


def _recent_write_key(user_id: int) -> str:
    """STATE. String "1": this user wrote lately. Lives READ_YOUR_WRITES_SECONDS."""
    return f"wrote:v1:{{{user_id}}}"


def note_write(*, user_id: int) -> None:
    """Keep this user's reads on the primary for a while. STATE down: logged, all else goes on."""
    try:
        state_valkey().set(_recent_write_key(user_id), 1, ex=settings.READ_YOUR_WRITES_SECONDS)
    except ValkeyUnavailable:
        logger.exception("could not note the write of user %s", user_id)


def note_reader(*, user_id: int) -> None:
    """Say whose request this is; authentication calls it once the token has been checked."""
    if reader := _reader.get():
        reader.user_id, reader.replica_will_do = user_id, None


@contextmanager
def replica_reads() -> Iterator[None]:
    """Let the reads inside go to the replicas, where read-your-writes allows it."""
    token = _reader.set(_Reader())
    try:
        yield
    finally:
        _reader.reset(token)


@contextmanager
def primary_reads() -> Iterator[None]:
    """Send the reads inside to the primaries, for rows that must be as new as this moment."""
    token = _reader.set(None)
    try:
        yield
    finally:
        _reader.reset(token)


def first_found(read: Callable[[], Found | None]) -> Found | None:
    """`read()`, asked again of the primary when a replica may just not have the row yet."""
    found = read()
    if found is None and _replica_will_do():
        with primary_reads():
            found = read()
    return found


def all_found(
    read: Callable[[Sequence[int]], dict[int, Found]], ids: Sequence[int]
) -> dict[int, Found]:
    """`read(ids)`, a dictionary by id; what a replica lacks is asked of the primary."""
    found = read(ids)
    missing = [id_ for id_ in ids if id_ not in found]
    if missing and _replica_will_do():
        with primary_reads():
            found |= read(missing)
    return found


def _replica_will_do() -> bool:
    reader = _reader.get()
    if reader is None:
        return False
    if reader.replica_will_do is None:
        reader.replica_will_do = reader.user_id is None or not _wrote_lately(reader.user_id)
    return reader.replica_will_do


def _answers(replica: str) -> bool:
    """Whether a replica can be connected to. One that cannot is left alone for a while."""
    if time.monotonic() < _left_alone_until.get(replica, 0.0):
        return False
    try:
        # Once a request, Django asks a connection that it has whether it still works.
        connections[replica].close_if_health_check_failed()
        connections[replica].ensure_connection()
    except OperationalError:
        logger.exception("%s is down: reads go to the primary", replica)
        _left_alone_until[replica] = time.monotonic() + REPLICA_RETRY_SECONDS
        return False
    return True


def _wrote_lately(user_id: int) -> bool:
    try:
        return bool(state_valkey().exists(_recent_write_key(user_id)))
    except ValkeyUnavailable:
        logger.exception("STATE is down: reads go to the primary")
        return True


class DatabaseRouter:
    """Splits the apps over the databases, reads over primary and replica."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str:
        primary = self.db_for_write(model, **hints)
        replica = f"{primary}_replica"
        return replica if _replica_will_do() and _answers(replica) else primary

    def db_for_write(self, model: type[Model], **hints: Any) -> str:
        return DATABASE_OF_APP.get(model._meta.app_label, "default")

    def allow_relation(self, one: Model, other: Model, **hints: Any) -> bool:
        # Not `type(one)`: `request.user` is a lazy proxy of its model.
        return self.db_for_write(one.__class__) == self.db_for_write(other.__class__)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        if app_label in EVERYWHERE:
            return db in PRIMARIES
        return db == DATABASE_OF_APP.get(app_label, "default")


class ConsistencyMiddleware:
    """Opens replica reads on the Read API, and notes the writes of known callers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.API_ROLE == "read":
            with replica_reads():
                return self.get_response(request)
        response = self.get_response(request)
        user_id = getattr(getattr(request, "user", None), "pk", None)
        if request.method not in SAFE_METHODS and user_id is not None:
            note_write(user_id=user_id)
        return response
