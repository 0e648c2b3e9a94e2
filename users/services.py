"""Writes of User Info. Sign-up, log-in and passwords are django-allauth's."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from core.http.problems import Conflict, Invalid, NotFound
from core.outbox.events import AFTER_THE_LAST_REQUEST
from core.sql.transactions import after_commit
from media import services as media_services
from users import pictures, sessions
from users.accounts import refresh_tokens
from users.accounts.notices import send_notice, send_staff_notice
from users.events import (
    AccountDeleted,
    AccountSwitched,
    PrivacyChanged,
    UserChanged,
    account_deleted,
    account_switched,
    privacy_changed,
    user_changed,
)
from users.models import AccountDeletion, FormerUsername, User
from users.search import index_names, index_stale_names
from users.selectors import account_with_email, users_with_email
from users.sessions import end_sessions
from users.store import USERS

RequestedBy = AccountDeletion.RequestedBy
# Also for other packages.
place_media, remove_old_avatar = pictures.place_media, pictures.remove_old_avatar
issue_tokens = refresh_tokens.issue_tokens
# Names that an account has given up and that still lead to it: so nobody hoards names by renaming.
MAX_FORMER_USERNAMES = 3


def update_profile(*, user_id: int, changes: dict[str, Any]) -> None:
    """Change `username`, `display_name`, `bio`, `is_private` or `avatar` (a media id, or None to
    remove it).

    The media must be the user's own and unused. Raises `NotFound`, `Conflict` if the username is
    taken, was another account's until lately, or changes too often, and `Invalid` if the media
    cannot be used. What is as it was changes nothing, and is not announced.
    """
    if (avatar := changes.get("avatar")) is not None:
        media_services.publish_for_avatar(owner_id=user_id, media_id=avatar)
    try:
        with transaction.atomic(using="default"):
            mine = User.objects.filter(pk=user_id, is_active=True)
            stored = mine.select_for_update().first()
            if stored is None:
                raise NotFound("This account does not exist any more.")
            new = {name: value for name, value in changes.items() if value != _now(stored, name)}
            columns = {name: value for name, value in new.items() if name != "avatar"}
            if "username" in columns:
                _limit_renames(user_id, columns["username"])
            if columns:
                mine.update(**columns)
            if {"username", "display_name"} & columns.keys():
                names = {"username": stored.username, "display_name": stored.display_name} | columns
                index_names(names={user_id: (names["username"], names["display_name"])})
            # Last, because the claim on the media commits in another database.
            if "avatar" in new:
                mine.update(**_avatar_columns(user_id, new["avatar"]))
                if stored.avatar_media_id is not None:
                    pictures.announce_replaced_avatar(
                        user_id=user_id, media_id=stored.avatar_media_id
                    )
            if new:
                user_changed.announce(UserChanged(user_id))
            if "is_private" in new:
                privacy_changed.announce(PrivacyChanged(user_id))
                # Once more for what is being uploaded.
                privacy_changed.announce(PrivacyChanged(user_id), after=AFTER_THE_LAST_REQUEST)
    except IntegrityError as error:
        raise Conflict("This username is taken. Choose another.", field="username") from error


def _limit_renames(user_id: int, username: str) -> None:
    """Raise `Conflict` if a new name would make the user hold more than MAX_FORMER_USERNAMES."""
    rows = FormerUsername.objects.filter(user_id=user_id).order_by("freed_at")
    held = dict(rows.values_list("username", "freed_at"))
    if len(held) >= MAX_FORMER_USERNAMES and username not in held:
        free = min(held.values()) + timedelta(days=settings.FORMER_USERNAME_DAYS)
        raise Conflict(
            f"You have had {len(held)} other usernames lately. Take one of them back "
            f"({', '.join(held)}), or choose a new one after {free:%Y-%m-%d %H:%M} UTC.",
            field="username",
            code="too_many_renames",
        )


def free_former_usernames() -> int:
    """Free the names that were given up more than FORMER_USERNAME_DAYS ago; returns how many."""
    old = Now() - timedelta(days=settings.FORMER_USERNAME_DAYS)
    freed, _ = FormerUsername.objects.filter(freed_at__lt=old).delete()
    return freed


def _now(user: User, name: str) -> Any:
    """What a user has as the member `name` of a profile."""
    return getattr(user, "avatar_media_id" if name == "avatar" else name)


def _avatar_columns(user_id: int, media_id: int | None) -> dict[str, Any]:
    """The columns of the user's row for an avatar; claims its media, in the media's database."""
    if media_id is None:
        return {"avatar_media_id": None, "avatar_key": ""}
    try:
        key = media_services.claim_avatar(owner_id=user_id, media_id=media_id)
    except Invalid as problem:
        raise Invalid(problem.detail, field="avatar", code=problem.code) from problem
    return {"avatar_media_id": media_id, "avatar_key": key}


def store_sign_up(*, user: User, since: datetime | None = None) -> None:
    """Store a new account, and its address as a claim that nobody has verified yet.

    While another account has the address, `user.email` stays empty, because the database lets only
    one have it; `verify_email` changes that. Raises `IntegrityError` if somebody else takes the
    name at the same moment; or the address, or has signed up with it after `since`.
    """
    email = user.email.lower()
    with transaction.atomic(using="default"):
        if since:
            is_shared = users_with_email(email).filter(date_joined__lte=since).exists()
        else:
            is_shared = account_with_email(email=email) is not None
        user.email = "" if is_shared else email
        user.save()
        index_names(names={user.pk: (user.username, user.display_name)})
        EmailAddress.objects.create(user=user, email=email, primary=True)


def verify_email(*, address: EmailAddress) -> bool:
    """Verify an address, and take it from all who have only claimed it: one has its mailbox.

    It becomes the account's primary address, if there is none. Returns False, and changes nothing,
    if another account has verified it, or the claim is gone.
    """
    with transaction.atomic(using="default"):
        # Locked in one order, so that of two who verify one address the second comes later.
        claims = EmailAddress.objects.select_for_update().filter(email=address.email)
        found = {claim.pk: claim for claim in claims.order_by("pk")}
        mine = found.get(address.pk)
        if mine is None or any(claim.verified for claim in found.values() if claim is not mine):
            return False
        leave_email_to(email=mine.email, owner_id=mine.user_id)
        others = EmailAddress.objects.filter(user_id=mine.user_id, primary=True)
        mine.primary = mine.primary or not others.exists()
        mine.verified = True
        mine.save()
        if mine.primary:
            User.objects.filter(pk=mine.user_id).update(email=mine.email)
    address.primary, address.verified = mine.primary, True
    return True


def leave_email_to(*, email: str, owner_id: int) -> None:
    """Take an address from all accounts but one, verified or not.

    Nobody can reset the password of an account without an address, until it adds one.
    """
    with transaction.atomic(using="default"):
        claims = EmailAddress.objects.filter(email=email.lower())
        claims.exclude(user_id=owner_id).delete()
        users_with_email(email).exclude(pk=owner_id).update(email="")


def set_active(*, user_ids: list[int], active: bool) -> int:
    """Activate or deactivate accounts; returns the number of changed ones.

    Deactivation ends their sessions on commit, and a subscriber withholds their media. An account
    that is being deleted stays inactive.
    """
    with transaction.atomic(using="default"):
        users = User.objects.filter(pk__in=user_ids).exclude(is_active=active)
        # Locked, so that `delete_account` comes before or after.
        staying = list(users.order_by("pk").select_for_update().values_list("pk", flat=True))
        going = AccountDeletion.objects.filter(user_id__in=staying).values_list(
            "user_id", flat=True
        )
        changed = sorted(set(staying) - set(going))
        User.objects.filter(pk__in=changed).update(is_active=active)
        for user_id in changed:
            user_changed.announce(UserChanged(user_id))
            account_switched.announce(AccountSwitched(user_id))
            # Once more for what requests write that are still running.
            account_switched.announce(AccountSwitched(user_id), after=AFTER_THE_LAST_REQUEST)
        if not active:
            # Of all: STATE may have been down when one of them was deactivated before.
            for user_id in user_ids:
                end_sessions_on_commit(user_id=user_id)
    return len(changed)


@contextmanager
def steady_account(*, user_id: int) -> Iterator[bool]:
    """Whether an account is active. It stays so during the block, in which others may refer to it.

    False for an account that does not exist.
    """
    with transaction.atomic(using="default"):
        account = User.objects.select_for_update(no_key=True).filter(pk=user_id).first()
        yield account is not None and account.is_active


def refresh_documents(*, user_ids: Collection[int]) -> None:
    """Refresh the documents of users. CACHE down: raises."""
    USERS.refresh(user_ids)


def end_sessions_on_commit(*, user_id: int) -> None:
    """End a user's sessions after the commit of the reason, so that no log-in slips in between.

    STATE down: raises, because the sessions live on and the caller must repeat it.
    """
    transaction.on_commit(partial(end_sessions, user_id=user_id), using="default")


def remove_second_factor(*, user_id: int) -> bool:
    """Remove TOTP and the recovery codes of an account, for staff; returns whether it had any.

    Ends its sessions on commit, and tells the owner. The next log-in to the admin sets up a new
    second factor.
    """
    with transaction.atomic(using="default"):
        removed, _ = Authenticator.objects.filter(user_id=user_id).delete()
        if removed:
            user = User.objects.get(pk=user_id)
            _tell_on_commit(user, f"removed the second factor of your account {user.username}")
        end_sessions_on_commit(user_id=user_id)
    return bool(removed)


def replace_password(*, user: User) -> None:
    """Store the password that staff have set on a user, or that there is none.

    Ends the sessions on commit, and tells the owner.
    """
    done = "set a new password for" if user.has_usable_password() else "removed the password of"
    with transaction.atomic(using="default"):
        # No other column: the account may have been deactivated since it was loaded.
        user.save(update_fields=["password"])
        _tell_on_commit(user, f"{done} your account {user.username}")
        end_sessions_on_commit(user_id=user.pk)


def _tell_on_commit(user: User, done: str) -> None:
    """Send a notice of what staff have done; before what may raise on commit.

    Its own errors are logged, and do not keep the sessions from ending.
    """
    after_commit("default", send_staff_notice, user=user, done=done)


def delete_account(*, user_id: int, requested_by: str) -> int:
    """Deactivate an account for good, and have it removed with all that it owns.

    Returns the id of the `AccountDeletion`. May be repeated. From the commit on, no answer shows
    the account or what it owns, and its sessions have ended; subscribers remove them in the
    background. Raises `NotFound`, and `Conflict` for staff.
    """
    with transaction.atomic(using="default"):
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None:
            raise NotFound("This account does not exist any more.")
        if user.is_staff or user.is_superuser:
            raise Conflict(
                "Accounts of staff cannot be deleted. Let another member of staff take its staff "
                "and superuser status away first.",
                code="staff_account",
            )
        deletion, is_new = AccountDeletion.objects.get_or_create(
            user_id=user_id, defaults={"username": user.username, "requested_by": requested_by}
        )
        if is_new:
            User.objects.filter(pk=user_id).update(is_active=False)
            user_changed.announce(UserChanged(user_id))
            account_deleted.announce(AccountDeleted(user_id=user_id, deletion_id=deletion.pk))
        if is_new and requested_by == RequestedBy.SELF:
            after_commit("default", _tell_of_deletion, user)
        elif is_new:
            _tell_on_commit(user, f"deleted your account {user.username}, with all that it owns")
        end_sessions_on_commit(user_id=user_id)
    return deletion.pk


def _tell_of_deletion(user: User) -> None:
    send_notice("account_deleted", user=user, context={"username": user.username})


def end_session(*, user_id: int, session_id: str) -> None:
    """End one session of a user, by its public id; raises `NotFound`. STATE down: raises."""
    for session in sessions.list_sessions(user_id=user_id):
        if session.id == session_id:
            sessions.end_session(user_id=user_id, session_key=session.session_key)
            return
    raise NotFound("You have no such session, or it has ended.")


def end_other_sessions(*, user_id: int, current_key: str) -> int:
    """End all sessions of a user but the current one; returns their number. STATE down: raises."""
    return end_sessions(user_id=user_id, keep=current_key)


def end_all_sessions(*, user_id: int) -> int:
    """End the sessions of an account that is being deleted; returns their number."""
    return end_sessions(user_id=user_id)


def note_removed(*, deletion_id: int, kind: str, count: int) -> None:
    """Add to the number of rows that a deletion has removed."""
    with transaction.atomic(using="default"):
        deletion = AccountDeletion.objects.select_for_update().filter(pk=deletion_id).first()
        if deletion is not None:
            deletion.removed[kind] = deletion.removed.get(kind, 0) + count
            deletion.save(update_fields=["removed"])


@contextmanager
def locked_account(*, user_id: int) -> Iterator[None]:
    """A transaction in which nobody else can refer to an account, such as by following it."""
    with transaction.atomic(using="default"):
        User.objects.select_for_update().filter(pk=user_id).first()
        yield


def finish_deletion(*, deletion_id: int) -> bool:
    """Remove the row of an account that owns nothing any more; returns False if it was done before.

    This also removes its e-mail addresses, second factors and permissions, and its entries in the
    admin's log. A hash keeps the usernames from strangers for FORMER_USERNAME_DAYS.
    """
    with transaction.atomic(using="default"):
        deletions = AccountDeletion.objects.select_for_update()
        deletion = deletions.filter(pk=deletion_id, done_at=None).first()
        if deletion is None:
            return False
        users = ContentType.objects.get_for_model(User)
        LogEntry.objects.filter(content_type=users, object_id=str(deletion.user_id)).delete()
        User.objects.filter(pk=deletion.user_id).delete()
        AccountDeletion.objects.filter(pk=deletion_id).update(username="", done_at=Now())
    return True


def ensure_account(
    *,
    username: str,
    email: str,
    password: str | None = None,
    display_name: str = "",
    staff: bool = False,
) -> tuple[int, bool]:
    """Create an account if there is none; returns its id, and whether it was created.

    Its e-mail address is verified. Without a password nobody can log in. `staff` makes a superuser.
    The rules of sign-up are not checked.
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
            index_names(names={user.pk: (username, display_name)})
            EmailAddress.objects.create(user=user, email=email.lower(), verified=True, primary=True)
    return user.pk, is_new


def import_users(*, usernames: Sequence[str], batch_size: int = 2000) -> dict[str, int]:
    """Create accounts that do not exist, without e-mail or password; returns all ids by name."""
    users = [User(username=name, password=make_password(None)) for name in usernames]
    User.objects.bulk_create(users, batch_size=batch_size, ignore_conflicts=True)
    index_stale_names(batch_size=batch_size)
    found = User.objects.filter(username__in=usernames)
    return dict(found.values_list("username", "id"))
