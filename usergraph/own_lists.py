"""Lists of people that an account keeps for itself: its close friends, and whom it restricts.

No other user sees such a list, and nobody is told who is on it; staff can look it up.
"""

from collections.abc import Callable
from datetime import datetime

from django.db import IntegrityError, connections, transaction

from core.http.problems import Conflict, Invalid, NotFound
from usergraph.events import CloseFriendsChanged, close_friends_changed
from usergraph.follows import pair_number
from usergraph.models import Block, CloseFriend, OwnList, Restriction
from usergraph.related import newest

MAX_MEMBERS = 1000  # of one list


def add_close_friend(*, owner_id: int, friend_id: int) -> bool:
    """Let a user see the posts that another has published for close friends, old and new, wherever
    the user sees that person's other posts; returns False if it is so already.

    Raises `Invalid` for oneself, `NotFound` if an account is gone, or one of the two blocks the
    other, and `Conflict` over MAX_MEMBERS.
    """
    changed = CloseFriendsChanged(owner_id, friend_id)
    return _add(
        CloseFriend, owner_id, friend_id, then=lambda: close_friends_changed.announce(changed)
    )


def remove_close_friend(*, owner_id: int, friend_id: int) -> bool:
    """Take a user off the list of close friends; returns False if they were not on it."""
    changed = CloseFriendsChanged(owner_id, friend_id)
    return _remove(
        CloseFriend, owner_id, friend_id, then=lambda: close_friends_changed.announce(changed)
    )


def restrict_user(*, owner_id: int, member_id: int) -> bool:
    """Hold back a user's new comments on another's posts until that one approves them; returns
    False if it is so already. Raises as `add_close_friend` does.
    """
    return _add(Restriction, owner_id, member_id)


def end_restriction(*, owner_id: int, member_id: int) -> bool:
    """Show a user's new comments to everybody again; returns False if there is no restriction.
    What was held back stays so until it is approved.
    """
    return _remove(Restriction, owner_id, member_id)


def members(
    rows: type[OwnList], *, owner_id: int, after: int | None, limit: int
) -> list[tuple[int, int, datetime]]:
    """Up to `limit` active users on a list, newest first: (user id, row id, since).

    `after`: the last row before.
    """
    mine = rows._default_manager.filter(owner_id=owner_id, member__is_active=True)
    return newest(mine, "member_id", "created_at", after=after, limit=limit)


def _add(
    rows: type[OwnList], owner_id: int, member_id: int, then: Callable[[], object] = lambda: None
) -> bool:
    """Put a user on a list, and call `then` in the same transaction, if they are not on it."""
    if owner_id == member_id:
        raise Invalid("You cannot put yourself on this list.", code="oneself")
    mine = rows._default_manager.filter(owner_id=owner_id)
    try:
        with transaction.atomic(using="default"):
            _refuse_if_blocked(owner_id, member_id)
            is_there = mine.filter(member_id=member_id).exists()
            if not is_there and mine[:MAX_MEMBERS].count() == MAX_MEMBERS:
                raise Conflict(
                    f"There are {MAX_MEMBERS} accounts on this list already, which is the limit. "
                    "Take some off it first.",
                    code="list_limit",
                )
            _, is_new = mine.get_or_create(owner_id=owner_id, member_id=member_id)
            if is_new:
                then()
    except IntegrityError as error:
        raise NotFound("This account does not exist any more.") from error
    return is_new


def _refuse_if_blocked(one: int, other: int) -> None:
    """Raise `NotFound` if one user blocks the other. Nobody else writes a block between the two
    until the caller's transaction ends.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [pair_number(one, other)])
    pair = [one, other]
    if Block.objects.filter(blocker_id__in=pair, blocked_id__in=pair).exists():
        raise NotFound("There is no such user.")


def _remove(
    rows: type[OwnList], owner_id: int, member_id: int, then: Callable[[], object] = lambda: None
) -> bool:
    """Take a user off a list, and call `then` in the same transaction, if they are on it."""
    with transaction.atomic(using="default"):
        listed = rows._default_manager.filter(owner_id=owner_id, member_id=member_id)
        was_there, _ = listed.delete()
        if was_there:
            then()
    return bool(was_there)
