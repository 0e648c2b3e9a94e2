"""What User Info announces."""

from __future__ import annotations

from dataclasses import dataclass

from core.events import Event


@dataclass(frozen=True)
class UserChanged:
    """What is shown of a user has changed; announced in the transaction of that change.

    Who listens calls `services.renew_documents` once it has committed.
    """

    user_id: int


@dataclass(frozen=True)
class AccountDeleted:
    """An account is switched off for good; announced in the transaction that does it.

    Who listens removes all that it owns, tells `services.note_removed` of each step, and calls
    `services.finish_deletion` in the end.
    """

    user_id: int
    deletion_id: int


user_changed: Event[UserChanged] = Event()
account_deleted: Event[AccountDeleted] = Event()
