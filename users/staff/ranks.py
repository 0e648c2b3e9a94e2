"""Ranks: user < staff < superuser; and whose accounts staff may touch.

Staff who are no superusers touch only plain users. Superusers touch everybody, but take nothing
from themselves. So there is always an active superuser left, if both accounts are locked
(`locked_accounts`): the one who acts.
"""

from collections.abc import Collection
from enum import IntEnum

from django.core.exceptions import PermissionDenied

from users.models import User


class Rank(IntEnum):
    """What an account may do at most."""

    USER = 0
    STAFF = 1
    SUPERUSER = 2


def rank_of(user: User) -> Rank:
    """The rank of an account, active or not."""
    if user.is_superuser:
        return Rank.SUPERUSER
    return Rank.STAFF if user.is_staff else Rank.USER


def refusal(*, actor: User, target: User, is_loss: bool = False) -> str:
    """Why `actor` may not touch the account `target`; empty if that is allowed.

    `is_loss`: the change would take away log-in, rank or second factor.
    """
    if rank_of(actor) < Rank.SUPERUSER and rank_of(target) > Rank.USER:
        return "only a superuser may change an account of staff."
    if is_loss and actor.pk == target.pk:
        return "this is your own account; let another superuser do that."
    return ""


def locked_accounts(*, actor: User, user_ids: Collection[int]) -> tuple[User, list[User]]:
    """The actor, and those of the accounts that exist, as they are now; locked until the commit.

    Raises `PermissionDenied` if the actor is not active staff any more.
    """
    rows = User.objects.select_for_update().filter(pk__in={*user_ids, actor.pk}).order_by("pk")
    found = {user.pk: user for user in rows}
    now = found.get(actor.pk)
    if now is None or not (now.is_active and now.is_staff):
        raise PermissionDenied("Your account is not active staff any more.")
    return now, [found[user_id] for user_id in user_ids if user_id in found]
