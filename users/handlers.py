"""Refreshes User Info's cache entries before the answer; the outbox row repeats a lost refresh."""

from collections.abc import Iterable

from core.outbox.subscriptions import Step
from users import services
from users.events import UserChanged, user_changed


@user_changed.subscribe("users", in_request=True)
def refresh_document(user: UserChanged, cursor: int) -> Iterable[Step]:
    """Show a user as they are now, wherever they are named."""
    services.refresh_documents(user_ids=[user.user_id])
    return ()
