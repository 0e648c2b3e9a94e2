"""Writes of User Info. Sign-up, log-in and passwords are django-allauth's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction

from media import selectors as media_selectors
from media import services as media_services
from socialfeed.common.copies import refresh_copies
from socialfeed.common.problems import Conflict, Invalid, NotFound
from users.events import UserChanged, user_changed
from users.models import User
from users.sessions import end_sessions
from users.store import USERS


def update_profile(*, user_id: int, changes: dict[str, Any]) -> None:
    """Change `username`, `display_name`, `bio` or `avatar` (a media id, or None to remove it).

    The media must be the caller's own and unused. Raises `NotFound`, `Conflict` on a username
    that is taken, `Invalid` on a media that cannot be used.
    """
    columns = {name: value for name, value in changes.items() if name != "avatar"}
    try:
        with transaction.atomic(using="default"):
            mine = User.objects.filter(pk=user_id, is_active=True)
            if mine.select_for_update().first() is None:
                raise NotFound("This account does not exist any more.")
            if columns:
                mine.update(**columns)
            # Last, as the claim on the media commits in another database.
            if "avatar" in changes:
                mine.update(**_avatar_columns(user_id, changes["avatar"]))
            user_changed.announce(UserChanged(user_id))
    except IntegrityError as error:
        raise Conflict("This username is taken. Choose another.", field="username") from error


def _avatar_columns(user_id: int, media_id: int | None) -> dict[str, Any]:
    """What the row gets to know of the avatar; its media is claimed in its own database."""
    if media_id is None:
        return {"avatar_media_id": None, "avatar_key": ""}
    try:
        with transaction.atomic(using="posts"):
            media_services.claim_media(
                owner_id=user_id, media_ids=[media_id], used_as="avatar", used_by_id=user_id
            )
            key = media_selectors.thumb_key(media_id=media_id)
    except Invalid as problem:
        raise Invalid(problem.detail, field="avatar", code=problem.code) from problem
    return {"avatar_media_id": media_id, "avatar_key": key}


def set_active(*, user_ids: list[int], active: bool) -> int:
    """Let users in or keep them out (their sessions end on commit); returns how many changed."""
    with transaction.atomic(using="default"):
        changed = (
            User.objects.filter(pk__in=user_ids).exclude(is_active=active).update(is_active=active)
        )
        for user_id in user_ids:
            user_changed.announce(UserChanged(user_id))
            if not active:
                end_sessions_on_commit(user_id=user_id)
    return changed


def renew_documents(*, user_ids: Collection[int]) -> None:
    """Bring what is shown of users up to date with what has been committed. CACHE down: raises."""
    refresh_copies([(USERS, user_ids)])


def end_sessions_on_commit(*, user_id: int) -> None:
    """End a user's sessions once the reason for it is committed: no log-in slips in between.

    STATE down: raises, for the caller must hear that the sessions live on, and do it again.
    """
    transaction.on_commit(partial(end_sessions, user_id=user_id), using="default")


def ensure_account(
    *,
    username: str,
    email: str,
    password: str | None = None,
    display_name: str = "",
    staff: bool = False,
) -> tuple[int, bool]:
    """The id of an account, and whether it was made now. Its e-mail address counts as verified.

    No password: nobody can log in. `staff` makes a superuser. The sign-up's rules are not checked.
    """
    with transaction.atomic(using="default"):
        user, is_new = User.objects.get_or_create(
            username=username,
            defaults={
                "email": email,
                "display_name": display_name,
                "password": make_password(password),
                "is_staff": staff,
                "is_superuser": staff,
            },
        )
        if is_new:
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user.pk, is_new


def import_users(*, usernames: Sequence[str], batch_size: int = 2000) -> dict[str, int]:
    """Bulk: make sure that these accounts exist, without e-mail or password; their ids by name."""
    users = [User(username=name, password=make_password(None)) for name in usernames]
    User.objects.bulk_create(users, batch_size=batch_size, ignore_conflicts=True)
    found = User.objects.filter(username__in=usernames)
    return dict(found.values_list("username", "id"))
