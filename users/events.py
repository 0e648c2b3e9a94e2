"""What User Info announces, each in the transaction of the change that it tells of."""

from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class UserChanged:
    """What every answer shows of a user has changed."""

    user_id: int


@dataclass(frozen=True)
class AccountDeleted:
    """An account has been deactivated for good.

    The subscriber removes all that it owns, reports each step to `services.note_removed`, and calls
    `services.finish_deletion` at the end.
    """

    user_id: int
    deletion_id: int


@dataclass(frozen=True)
class AvatarReplaced:
    """An account has another avatar, or none. `media_id`: the one that it had."""

    user_id: int
    media_id: int


@dataclass(frozen=True)
class AccountSwitched:
    """An account has been activated or deactivated; which, is to be read from its row."""

    user_id: int


@dataclass(frozen=True)
class PrivacyChanged:
    """An account has become private or public; which, is to be read from its row."""

    user_id: int


@dataclass(frozen=True)
class MediaLeft:
    """Some media of an account are still to be moved to where they belong."""

    user_id: int


user_changed = Event("user_changed", UserChanged, database="default")
account_deleted = Event("account_deleted", AccountDeleted, database="default")
avatar_replaced = Event("avatar_replaced", AvatarReplaced, database="default")
account_switched = Event("account_switched", AccountSwitched, database="default")
privacy_changed = Event("privacy_changed", PrivacyChanged, database="default")
media_left = Event("media_left", MediaLeft, database="default")
