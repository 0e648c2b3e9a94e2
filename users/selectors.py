"""Reads of User Info. A user document (users/store.py) is what every answer shows of a person.

A profile adds `bio`, `counts` and `viewer`, whose members come from the apps above: each gives
its part to `add_profile_part` when Django starts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connections, router

from core.http.problems import NotFound
from core.http.rendering import fragments
from core.sql import first_found, primary_reads
from users.models import AccountDeletion, User
from users.store import USERS, user_document

# (user_id, viewer_id or None) -> {"counts": {...}, "viewer": {...}}, either may be missing
ProfilePart = Callable[[int, int | None], Mapping[str, Mapping[str, Any]]]
_profile_parts: list[ProfilePart] = []
_USER_ID_SQL = "SELECT id FROM users_user WHERE username = %s AND (is_active OR %s)"
_DOCUMENT_FIELDS = ("id", "username", "display_name", "avatar_key")


def add_profile_part(part: ProfilePart) -> None:
    """Let an app above add its counts and viewer flags to every profile."""
    _profile_parts.append(part)


def user_documents(*, user_ids: Collection[int]) -> dict[int, bytes]:
    """The documents of the active users among `user_ids`, by id, as JSON; warm, one round trip."""
    found = USERS.get(user_ids)
    return {user_id: document for user_id, document in found.items() if document}


def documents_in_order(*, user_ids: Sequence[int]) -> list[orjson.Fragment]:
    """The same as a list for an answer, in the order of `user_ids`."""
    documents = user_documents(user_ids=user_ids)
    return fragments(documents[id_] for id_ in user_ids if id_ in documents)


def _document(user: User) -> dict[str, Any]:
    return user_document(
        user_id=user.pk,
        username=user.username,
        display_name=user.display_name,
        avatar_key=user.avatar_key,
    )


def user_id_by_username(*, username: str, active_only: bool = True) -> int:
    """The id of a user, by default an active one; raises `NotFound`."""
    # By hand: every profile page begins with it.
    name = username.lower()

    def read() -> Any:
        with connections[router.db_for_read(User)].cursor() as cursor:
            cursor.execute(_USER_ID_SQL, [name, not active_only])
            return cursor.fetchone()

    row = first_found(read)
    if row is None:
        raise _no_user(name)
    return int(row[0])


@dataclass(frozen=True)
class Account:
    """What staff's pages call a person, and whether the account is switched on."""

    user_id: int
    username: str
    is_active: bool


def accounts(*, user_ids: Sequence[int]) -> dict[int, Account]:
    """The accounts among `user_ids`, switched on or off, by id; for staff. One query."""
    rows = User.objects.filter(pk__in=user_ids).values_list("pk", "username", "is_active")
    return {row[0]: Account(*row) for row in rows}


@dataclass(frozen=True)
class DeletionProgress:
    """How many rows of each kind a deletion has removed so far, and whether that is all."""

    removed: dict[str, int]
    is_done: bool


def deletion_progress(*, deletion_id: int) -> DeletionProgress:
    """How far the deletion of an account is, from the primary."""
    with primary_reads():
        deletion = AccountDeletion.objects.get(pk=deletion_id)
    return DeletionProgress(deletion.removed, deletion.done_at is not None)


def described(removed: Mapping[str, int]) -> str:
    """What a deletion has removed, for people: `3 posts, 4 media`."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(removed.items())) or "nothing"


def profile(*, username: str, viewer_id: int | None) -> dict[str, Any]:
    """The profile of a user as `viewer_id` sees it; raises `NotFound`."""
    fields = (*_DOCUMENT_FIELDS, "bio")
    user = _user(username=username.lower(), is_active=True, fields=fields)
    return _profile_document(user, viewer_id)


def own_profile(*, user_id: int) -> dict[str, Any]:
    """The caller's own profile; raises `NotFound` when the account is gone."""
    fields = (*_DOCUMENT_FIELDS, "bio")
    return _profile_document(_user(pk=user_id, is_active=True, fields=fields), user_id)


def _user(*, fields: Sequence[str], **lookup: Any) -> User:
    users = User.objects.only(*fields)
    user = first_found(lambda: users.filter(**lookup).first())
    if user is None:
        raise _no_user(lookup.get("username", "with this id"))
    return user


def _no_user(called: str) -> NotFound:
    return NotFound(f"There is no user {called}.")


def _profile_document(user: User, viewer_id: int | None) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    viewer: dict[str, Any] = {}
    for part in _profile_parts:
        members = part(user.pk, viewer_id)
        counts |= members.get("counts", {})
        viewer |= members.get("viewer", {})
    return _document(user) | {"bio": user.bio, "counts": counts, "viewer": viewer}


def users_by_prefix(
    *, prefix: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Active users whose username begins with `prefix`, by username; and where to go on."""
    users = User.objects.filter(is_active=True, username__startswith=prefix.lower())
    if after is not None:
        users = users.filter(username__gt=after)
    rows = list(users.only(*_DOCUMENT_FIELDS).order_by("username")[: limit + 1])
    following = rows[limit - 1].username if len(rows) > limit else None
    return [_document(user) for user in rows[:limit]], following
