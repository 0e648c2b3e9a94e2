"""What goes over each connection: who has written where, and which server has gone.

Every statement of every connection passes here, whoever sends it, so that nothing else has to say
what it does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.dispatch import receiver

from core.sql import deadlines, servers

# Errors that say that the server is gone, or is going: connection exceptions, and shut-downs.
_GONE_CLASS = "08"
_GOING = frozenset({"57P01", "57P02", "57P03"})
_REFUSED = "too many clients"
# A replica cancels a query that holds up its replay. Another server can answer it.
_IN_THE_WAY = "40001"

# What can change nothing by itself; WITH may hide an INSERT.
_READS = re.compile(r"\s*(SELECT|SAVEPOINT|RELEASE|ROLLBACK|SET|SHOW)\b", re.IGNORECASE)

_written: ContextVar[set[str] | None] = ContextVar("written", default=None)
_bypassed: ContextVar[set[str] | None] = ContextVar("bypassed", default=None)


@contextmanager
def _noted(variable: ContextVar[set[str] | None]) -> Iterator[set[str]]:
    aliases: set[str] = set()
    token = variable.set(aliases)
    try:
        yield aliases
    finally:
        variable.reset(token)


def noted_writes() -> AbstractContextManager[set[str]]:
    """The aliases of the databases that are written to inside, as they come."""
    return _noted(_written)


def note_written(alias: str) -> None:
    """Count a database as written to: by somebody who may not have lived to say how far."""
    written = _written.get()
    if written is not None:
        written.add(alias)


def noted_failures() -> AbstractContextManager[set[str]]:
    """The aliases of servers that did not answer inside, but that another might do for."""
    return _noted(_bypassed)


def note_failure(alias: str, error: Exception) -> None:
    """Note what a statement, or a connection, has failed with: its server may be gone."""
    cause = error.__cause__
    code = getattr(cause, "pgcode", None)
    is_gone = code is None or code.startswith(_GONE_CLASS) or code in _GOING
    if isinstance(cause, deadlines.BudgetSpent):
        return  # too much was asked of it
    if is_gone and not isinstance(error, InterfaceError) and _REFUSED not in str(error):
        # Not where this side has closed the connection, or the server has too many of them.
        servers.left(alias, error)
    bypassed = _bypassed.get()
    if bypassed is not None and (is_gone or code == _IN_THE_WAY):
        bypassed.add(alias)


@receiver(connection_created)
def _watch(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    servers.note_connected(connection.alias)
    if _watched not in connection.execute_wrappers:
        # First, for Django takes its own, temporary ones from the end.
        connection.execute_wrappers.insert(0, _watched)


def _watched(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    alias = context["connection"].alias
    written = _written.get()
    if written is not None and not servers.is_replica(alias) and not _READS.match(sql):
        written.add(alias)
    try:
        return execute(sql, params, many, context)
    except (OperationalError, InterfaceError) as error:
        note_failure(alias, error)
        raise
