"""Watches every statement: counts it, and notes writes and servers that are down."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from core.sql import deadlines, servers

# Errors of a server that is down: connection exceptions; and of one that is shutting down.
_DOWN_CLASS = "08"
_SHUTTING_DOWN = frozenset({"57P01", "57P02", "57P03"})
_REFUSED = "too many clients"
# A replica cancels a query that delays its replay. Another server can answer it.
_CANCELLED = "40001"
# A write that a standby refuses; in the Read API, a primary refuses it, too.
_READ_ONLY = "25006"

# Statements that cannot write. Not WITH: it may contain an INSERT.
_READS = re.compile(r"\s*(SELECT|SAVEPOINT|RELEASE|ROLLBACK|SET|SHOW)\b", re.IGNORECASE)

# The number of statements that the current request has sent, in a list of its middleware.
statement_counter: ContextVar[list[int] | None] = ContextVar("statement_counter", default=None)
_written: ContextVar[set[str] | None] = ContextVar("written", default=None)
_failed: ContextVar[set[str] | None] = ContextVar("failed", default=None)


@contextmanager
def _noted(variable: ContextVar[set[str] | None]) -> Iterator[set[str]]:
    aliases: set[str] = set()
    token = variable.set(aliases)
    try:
        yield aliases
    finally:
        variable.reset(token)


def noted_writes() -> AbstractContextManager[set[str]]:
    """The aliases of databases that the block writes to; the set fills while it runs."""
    return _noted(_written)


def note_written(alias: str) -> None:
    """Count a database as written to, by a process that may have died before it stored its LSN."""
    written = _written.get()
    if written is not None:
        written.add(alias)


def sql_statements() -> int | None:
    """The number of SQL statements that this request has sent; None outside of requests."""
    sent = statement_counter.get()
    return None if sent is None else sent[0]


def noted_failures() -> AbstractContextManager[set[str]]:
    """The aliases of servers that failed in the block in a way that another server may not."""
    return _noted(_failed)


def note_failure(alias: str, error: Exception) -> None:
    """Note the error of a statement or a connection, and whether its server is down."""
    cause = error.__cause__
    code = getattr(cause, "pgcode", None)
    is_down = code is None or code.startswith(_DOWN_CLASS) or code in _SHUTTING_DOWN
    if isinstance(cause, deadlines.BudgetSpent):
        return  # the request was too slow, not the server
    if is_down and not isinstance(error, InterfaceError) and _REFUSED not in str(error):
        # Not when this process closed the connection, or the server has too many connections.
        servers.note_down(alias, error)
    failed = _failed.get()
    if failed is not None and (is_down or code == _CANCELLED):
        failed.add(alias)


@receiver(connection_created)
def _watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    servers.note_connected(connection.alias)
    if _watched not in connection.execute_wrappers:
        # First in the list: Django removes its own, temporary wrappers from the end.
        connection.execute_wrappers.insert(0, _watched)


def _watched(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    alias = context["connection"].alias
    if (sent := statement_counter.get()) is not None:
        sent[0] += 1
    written = _written.get()
    if written is not None and not servers.is_replica(alias) and not _READS.match(sql):
        written.add(alias)
    try:
        return execute(sql, params, many, context)
    except (OperationalError, InterfaceError) as error:
        note_failure(alias, error)
        raise
    except InternalError as error:
        is_refused = getattr(error.__cause__, "pgcode", None) == _READ_ONLY
        if is_refused and settings.API_ROLE != "read":
            # The primary has become a standby, behind a pooler that keeps the connection.
            servers.note_down(alias, error)
            raise OperationalError(*error.args) from error
        raise
