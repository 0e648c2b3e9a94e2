"""What to do once a transaction has committed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction


def after_commit(database: str, function: Callable[..., object], /, **arguments: Any) -> None:
    """Call `function(**arguments)` once the transaction on `database` has committed.

    What it raises is logged and does not fail the request: the write is done, and whatever must
    not be lost is in the outbox.
    """

    def call() -> None:
        function(**arguments)

    # Django names the function in its log by this.
    call.__qualname__ = getattr(function, "__qualname__", repr(function))
    transaction.on_commit(call, using=database, robust=True)
