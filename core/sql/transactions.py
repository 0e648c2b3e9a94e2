"""What to do once a transaction has committed, and what to take back when it has not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import transaction

# The open transaction that can be undone: its database, and what is to be done then.
_undoable: ContextVar[tuple[str, ExitStack] | None] = ContextVar("undoable", default=None)


def after_commit(
    database: str, function: Callable[..., object], /, *positional: Any, **arguments: Any
) -> None:
    """Call `function(*positional, **arguments)` once the transaction on `database` has committed.

    What it raises is logged and does not fail the request: the write is done, and whatever must
    not be lost is in the outbox.
    """

    def call() -> None:
        function(*positional, **arguments)

    # Django names the function in its log by this.
    call.__qualname__ = getattr(function, "__qualname__", repr(function))
    transaction.on_commit(call, using=database, robust=True)


@contextmanager
def undoable_transaction(database: str) -> Iterator[None]:
    """A transaction that, when its block raises, takes back what is outside the database too.

    A COMMIT that gets no answer may have been done: then nothing is taken back, as what nobody
    knows of does less harm than a row that names what is not there.
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
    """Call `function(**arguments)` should the undoable transaction on `database` be rolled back.

    Outside of such a one this does nothing: there, what the caller has written stays written.
    """
    undoable = _undoable.get()
    if undoable is not None and undoable[0] == database:
        undoable[1].callback(function, **arguments)
