"""Reads of User Info. A user document is what every answer shows of a person:

    {"id", "username", "display_name", "avatar_url"}

A profile adds `bio`, `counts` and `viewer`, whose members come from the apps above: each gives
its part to `add_profile_part` when Django starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, router

from media import selectors as media_selectors
from socialfeed.common.consistency import all_found, first_found
from socialfeed.common.problems import NotFound
from users.models import User

# (user_id, viewer_id or None) -> {"counts": {...}, "viewer": {...}}, either may be missing
ProfilePart = Callable[[int, int | None], Mapping[str, Mapping[str, Any]]]
_profile_parts: list[ProfilePart] = []
_DOCUMENT_FIELDS = ("id", "username", "display_name", "avatar_key")
_DOCUMENTS_SQL = """
SELECT id, username, display_name, avatar_key FROM users_user WHERE id = ANY(%s) AND is_active
"""


def add_profile_part(part: ProfilePart) -> None:
    """Let an app above add its counts and viewer flags to every profile."""
    _profile_parts.append(part)


def user_documents(*, user_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The documents of the active users among `user_ids`, by id; one query."""
    return all_found(_read_documents, list(dict.fromkeys(user_ids)))


def _read_documents(user_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    if not user_ids:
        return {}
    # By hand: every page names people, and the ORM would cost more than the rest of it.
    with connections[router.db_for_read(User)].cursor() as cursor:
        cursor.execute(_DOCUMENTS_SQL, [list(user_ids)])
        return {row[0]: _document(*row) for row in cursor.fetchall()}


def user_document(user: User) -> dict[str, Any]:
    """The document of a loaded user."""
    return _document(user.pk, user.username, user.display_name, user.avatar_key)


def _document(id_: int, username: str, display_name: str, avatar_key: str) -> dict[str, Any]:
    return {
        "id": str(id_),
        "username": username,
        "display_name": display_name,
        "avatar_url": media_selectors.public_url(avatar_key) if avatar_key else None,
    }


def user_id_by_username(*, username: str, active_only: bool = True) -> int:
    """The id of a user, by default an active one; raises `NotFound`."""
    only = {"is_active": True} if active_only else {}
    return _user(username=username.lower(), fields=("id",), **only).pk


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
        raise NotFound(f"There is no user {lookup.get('username', 'with this id')}.")
    return user


def _profile_document(user: User, viewer_id: int | None) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    viewer: dict[str, Any] = {}
    for part in _profile_parts:
        members = part(user.pk, viewer_id)
        counts |= members.get("counts", {})
        viewer |= members.get("viewer", {})
    return user_document(user) | {"bio": user.bio, "counts": counts, "viewer": viewer}


def users_by_prefix(
    *, prefix: str, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """Active users whose username begins with `prefix`, by username; and where to go on."""
    users = User.objects.filter(is_active=True, username__startswith=prefix.lower())
    if after is not None:
        users = users.filter(username__gt=after)
    rows = list(users.only(*_DOCUMENT_FIELDS).order_by("username")[: limit + 1])
    following = rows[limit - 1].username if len(rows) > limit else None
    return [user_document(user) for user in rows[:limit]], following
