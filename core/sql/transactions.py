"""Calls a function after a transaction has committed or was rolled back; writes beside one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

# The open `undoable_transaction`: its database, and the functions to call on a rollback.
_undoable: ContextVar[tuple[str, ExitStack] | None] = ContextVar("undoable", default=None)


def after_commit(
    database: str, function: Callable[..., object], /, *positional: Any, **arguments: Any
) -> None:
    """Call `function(*positional, **arguments)` once the transaction on `database` has committed.

    Errors of the function are logged and do not fail the request: the write is done. Work that must
    not be lost belongs in the outbox.
    """

    def call() -> None:
        function(*positional, **arguments)

    # Django logs this name.
    call.__qualname__ = getattr(function, "__qualname__", repr(function))
    transaction.on_commit(call, using=database, robust=True)


@contextmanager
def undoable_transaction(database: str) -> Iterator[None]:
    """A transaction that calls the functions of `undo_on_rollback` when its block raises.

    Not when COMMIT gets no answer, for it may have been done: a stored object without a row does
    less harm than a row without its object.
    """
    undo = ExitStack()
    token = _undoable.set((database, undo))
    is_rolled_back = True
    try:
        with transaction.atomic(using=database):
            yield
            is_rolled_back = False
    finally:
        _undoable.reset(token)
        if is_rolled_back:
            undo.close()


def undo_on_rollback(database: str, function: Callable[..., object], /, **arguments: Any) -> None:
    """Call `function(**arguments)` when the open `undoable_transaction`, if any, rolls back."""
    undoable = _undoable.get()
    if undoable is not None and undoable[0] == database:
        undoable[1].callback(function, **arguments)


@contextmanager
def beside_transaction(database: str) -> Iterator[CursorWrapper]:
    """A cursor whose statements commit at once, also inside of a transaction on `database`.

    Inside of one it opens a connection of its own, which takes some milliseconds, and must not
    touch rows that the transaction has locked.
    """
    connection = connections[database]
    if not connection.in_atomic_block:
        with connection.cursor() as cursor:
            yield cursor
        return
    beside = connection.copy()
    try:
        with beside.cursor() as cursor:
            yield cursor
    finally:
        beside.close()
