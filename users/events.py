"""What User Info announces."""

from __future__ import annotations

from dataclasses import dataclass

from socialfeed.common.events import Event


@dataclass(frozen=True)
class UserChanged:
    """What is shown of a user has changed; announced in the transaction of that change.

    Who listens calls `services.renew_documents` once it has committed.
    """

    user_id: int


user_changed: Event[UserChanged] = Event()
