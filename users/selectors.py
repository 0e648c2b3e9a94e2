"""Reads of User Info. A user document (users/store.py) is what every answer shows of a person.

A profile adds `bio`, `counts`, `viewer` and `known_followers`. Their members come from the apps
above, each of which registers an `add_profile_part` when Django starts. So does User Graph with
`add_hiding_rule`, which says whom a viewer must not see.

`user_documents` knows nothing of viewers: only `usergraph.visibility` calls it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX
from django.db import connections, router
from django.db.models import Q, QuerySet, Subquery
from django.db.models.functions import Lower

from core.cached_values import CacheBatch, Pending
from core.http.problems import NotFound
from core.ids import id_batches
from core.sql import first_found, primary_reads
from users import store
from users.models import AccountDeletion, FormerUsername, User
from users.search import find_people
from users.sessions import list_sessions
from users.staff.ranks import refusal
from users.store import USERS, user_document

UserJson = store.UserJson
is_private = store.is_private
# (user_id, viewer_id) -> {"counts": {...}, "viewer": {...}, "known_followers": {...}}, any of which
# may be missing
ProfilePart = Callable[[int, int], Mapping[str, Mapping[str, Any]]]


class Hiding(Protocol):
    """Whom one viewer must not see."""

    @property
    def listed(self) -> Collection[int]:
        """Their ids, for SQL to leave out; none if they are too many."""

    def among(self, user_ids: Collection[int]) -> Collection[int]:
        """Ids that have in them those of some users who are hidden."""


# viewer_id -> whom the viewer must not see
HidingRule = Callable[[int], Hiding]
# (viewer_id, user_ids) -> what `viewer` says of each in a list
ViewerRule = Callable[[int, Collection[int]], Mapping[int, Mapping[str, bool]]]
_profile_parts: list[ProfilePart] = []
_viewer_rules: list[ViewerRule] = []
_hiding_rules: list[HidingRule] = []
# The second part is read only if the first finds nothing: no name is in both tables.
_USER_ID_SQL = """
SELECT id, is_private FROM users_user
WHERE username = %(name)s AND (is_active OR %(any)s) AND id <> ALL(%(hidden)s)
UNION ALL
SELECT account.id, account.is_private FROM users_formerusername AS former
JOIN users_user AS account ON account.id = former.user_id
WHERE former.username = %(name)s AND (account.is_active OR %(any)s)
    AND account.id <> ALL(%(hidden)s)
LIMIT 1
"""
_SHARED_EMAILS_SQL = """
SELECT lower(account.email), array_agg(account.id ORDER BY address.id IS NULL, account.id)
FROM users_user AS account
LEFT JOIN account_emailaddress AS address ON address.user_id = account.id
    AND lower(address.email) = lower(account.email) AND address.verified
WHERE account.email <> '' GROUP BY 1 HAVING count(*) > 1 ORDER BY 1
"""
_BY_ID = "with this id"
_DOCUMENT_FIELDS = ("id", "username", "display_name", "avatar_key", "is_private")


def add_profile_part(part: ProfilePart) -> None:
    """Let an app above add its counts and viewer flags to every profile."""
    _profile_parts.append(part)


def add_hiding_rule(rule: HidingRule) -> None:
    """Let an app above hide users from a viewer: their profiles, and in the search."""
    _hiding_rules.append(rule)


def add_viewer_rule(rule: ViewerRule) -> None:
    """Let an app above say how a viewer and users stand to each other, in the search."""
    _viewer_rules.append(rule)


def _hidden_from(viewer_id: int) -> list[Hiding]:
    return [rule(viewer_id) for rule in _hiding_rules]


def _listed(hidden: Iterable[Hiding]) -> list[int]:
    return [user_id for each in hidden for user_id in each.listed]


def _is_hidden(user_id: int, hidden: Iterable[Hiding]) -> bool:
    return any(user_id in each.among([user_id]) for each in hidden)


def user_documents(*, user_ids: Collection[int]) -> dict[int, UserJson]:
    """The documents of the active users among `user_ids`, by id; warm, one round trip."""
    return USERS.get(user_ids)


def add_user_documents(batch: CacheBatch, *, user_ids: Collection[int]) -> Pending[UserJson]:
    """Have a batch read what `user_documents` does."""
    return batch.add(USERS, user_ids)


def _document(user: User) -> dict[str, Any]:
    columns = user.username, user.display_name, user.avatar_key, user.is_private
    return user_document(user.pk, *columns)


def user_id_by_username(
    *, username: str, active_only: bool = True, hidden: Sequence[Hiding] = ()
) -> int:
    """The id of who has, or lately had, a username; by default of an active user. One query.

    Raises `NotFound`, for those in `hidden` as for those who do not exist.

    It knows nothing of viewers: an answer to one asks `usergraph.visibility.visible_user_id`.
    """
    user_id = user_id_or_zero(username=username, active_only=active_only, hidden=hidden)
    if not user_id:
        raise no_such_user(username.lower())
    return user_id


def user_id_or_zero(
    *, username: str, active_only: bool = True, hidden: Sequence[Hiding] = ()
) -> int:
    """The same, but 0, which is nobody's id, for those who do not exist."""
    return _found_id(username, active_only, hidden)[0]


def author_by_username(*, username: str, hidden: Sequence[Hiding]) -> tuple[int, bool]:
    """The id of an active user, as `user_id_by_username` finds it, and whether the account is
    private, as a replica may still say a moment after a change. Raises `NotFound`.
    """
    user_id, is_private = _found_id(username, True, hidden)
    if not user_id:
        raise no_such_user(username.lower())
    return user_id, is_private


def _found_id(username: str, active_only: bool, hidden: Sequence[Hiding]) -> tuple[int, bool]:
    parameters: dict[str, Any] = {
        "name": username.lower(),
        "any": not active_only,
        "hidden": _listed(hidden),
    }

    def read() -> tuple[int, bool] | None:
        # Raw SQL: every profile page begins with it.
        with connections[router.db_for_read(User)].cursor() as cursor:
            cursor.execute(_USER_ID_SQL, parameters)
            user_id, is_private = cursor.fetchone() or (0, False)
        return None if _is_hidden(user_id, hidden) or not user_id else (user_id, is_private)

    return first_found(read) or (0, False)


@dataclass(frozen=True)
class Account:
    """The name of a person on staff's pages, whether the account is active and private, and its
    avatar.
    """

    user_id: int
    username: str
    is_active: bool
    is_private: bool
    avatar_media_id: int | None


def all_ids(*, size: int) -> Iterator[list[int]]:
    """The ids of all accounts, oldest first, `size` at a time; a query each."""
    return id_batches(User, size=size)


def accounts(*, user_ids: Sequence[int]) -> dict[int, Account]:
    """The accounts among `user_ids`, active or not, by id; for staff. One query."""
    columns = ("pk", "username", "is_active", "is_private", "avatar_media_id")
    rows = User.objects.filter(pk__in=user_ids).values_list(*columns)
    return {row[0]: Account(*row) for row in rows}


def imported_accounts(*, prefix: str) -> dict[str, int]:
    """The ids, by username, of active accounts of `import_users` whose names begin with `prefix`.

    They have no e-mail address and no password, so nobody has signed up with them.
    """
    imported = User.objects.filter(email="", password__startswith=UNUSABLE_PASSWORD_PREFIX)
    found = imported.filter(username__startswith=prefix, is_active=True).order_by("pk")
    return dict(found.values_list("username", "pk"))


def own_sessions(*, user_id: int, current_key: str) -> list[dict[str, Any]]:
    """The documents of the caller's sessions, the one that was used last first. STATE down: raises.

    `current_key`: of the session that the request belongs to.
    """
    return [
        {
            "id": session.id,
            "device": session.device,
            "address": session.address,
            "created_at": datetime.fromtimestamp(session.created_at, UTC),
            "last_used_at": datetime.fromtimestamp(session.last_used_at, UTC),
            "is_current": session.session_key == current_key,
        }
        for session in list_sessions(user_id=user_id)
    ]


def users_with_email(email: str) -> QuerySet[User]:
    """The accounts, active or not, whose address this is, in any case. It uses the unique index."""
    return User.objects.alias(address=Lower("email")).filter(address=email.lower())


def holders_of_email(*, emails: Collection[str]) -> set[int]:
    """The accounts whose address, or one of whose claims, is one of these; in any case."""
    lower = {email.lower() for email in emails}
    owners = User.objects.alias(address=Lower("email")).filter(address__in=lower)
    claims = EmailAddress.objects.filter(email__in=lower)
    return {*owners.values_list("pk", flat=True), *claims.values_list("user_id", flat=True)}


def account_called(*, name: str) -> User | None:
    """The account, active or not, to which this username or e-mail address logs in, in any case.

    Where verification is mandatory, only a verified address does: else its log-in would tell
    whether somebody else has verified it. One query, or two.
    """
    if "@" not in name:
        return User.objects.filter(username=name.lower()).first()
    is_mandatory = settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory"
    return account_with_email(email=name, only_verified=is_mandatory)


def account_with_email(*, email: str, only_verified: bool = False) -> User | None:
    """The account that has verified an address; or else, whose it is by the unique index.

    Who has only claimed an address besides does not have it.
    """
    lower = email.lower()
    verified = User.objects.filter(emailaddress__email=lower, emailaddress__verified=True).first()
    return verified or (None if only_verified else users_with_email(lower).first())


def is_email_taken(*, email: str, since: datetime) -> bool:
    """Whether an account has verified an address, or has signed up with it after `since`.

    An older claim that nobody has verified takes the address from nobody. One query, or two.
    """
    verified = EmailAddress.objects.filter(email=email.lower(), verified=True)
    return verified.exists() or users_with_email(email).filter(date_joined__gt=since).exists()


def rank_refusals(*, actor_id: int, user_ids: Collection[int]) -> dict[int, str]:
    """Why a member of staff may not touch what these accounts own, by account.

    Those that may be touched are left out, as are those that are gone. One query, on the primary.
    """
    with primary_reads():
        found = User.objects.in_bulk({actor_id, *user_ids})
    actor = found.get(actor_id)
    if actor is None or not (actor.is_active and actor.is_staff):
        return dict.fromkeys(user_ids, "your account is not active staff any more.")
    return {
        user_id: "only a superuser may touch what staff own."
        for user_id in {*user_ids} & found.keys() - {actor_id}
        if refusal(actor=actor, target=found[user_id])
    }


@dataclass(frozen=True)
class SharedEmail:
    """An e-mail address, in lower case, that several accounts have as theirs."""

    email: str
    # Who has verified it comes first, then the oldest account.
    user_ids: list[int]


def shared_emails() -> list[SharedEmail]:
    """The addresses that more than one account has, in order.

    One query. It works before the migration that makes an address unique, too.
    """
    with connections["default"].cursor() as cursor:
        cursor.execute(_SHARED_EMAILS_SQL)
        return [SharedEmail(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class DeletionProgress:
    """How many rows of each kind a deletion has removed so far, and whether it is finished."""

    removed: dict[str, int]
    is_done: bool


def deletion_progress(*, deletion_id: int) -> DeletionProgress:
    """The progress of the deletion of an account, from the primary."""
    with primary_reads():
        deletion = AccountDeletion.objects.get(pk=deletion_id)
    return DeletionProgress(deletion.removed, deletion.done_at is not None)


def described(removed: Mapping[str, int]) -> str:
    """What a deletion has removed, as text: `3 posts, 4 media`."""
    return ", ".join(f"{count} {kind}" for kind, count in sorted(removed.items())) or "nothing"


def profile(*, username: str, viewer_id: int) -> dict[str, Any]:
    """The profile of who has, or lately had, a username, as `viewer_id` sees it.

    Raises `NotFound`.
    """
    name = username.lower()
    former = FormerUsername.objects.filter(username=name).values("user_id")
    return _seen_profile(Q(username=name) | Q(pk=Subquery(former)), viewer_id, called=name)


def profile_by_id(*, user_id: int, viewer_id: int) -> dict[str, Any]:
    """The profile of a user as `viewer_id` sees it; raises `NotFound`."""
    return _seen_profile(Q(pk=user_id), viewer_id, called=_BY_ID)


def _seen_profile(which: Q, viewer_id: int, called: str) -> dict[str, Any]:
    hidden = _hidden_from(viewer_id)
    return _profile_document(_user(which, called=called, hidden=hidden), viewer_id)


def own_profile(*, user_id: int) -> dict[str, Any]:
    """The caller's own profile; raises `NotFound` when the account does not exist any more."""
    return _profile_document(_user(Q(pk=user_id), called=_BY_ID), user_id)


def _user(which: Q, called: str, hidden: Sequence[Hiding] = ()) -> User:
    """An active user who is not hidden, with the columns of a profile; raises `NotFound`.

    SQL leaves out who is hidden, so that it takes as long as when there is no such user.
    """
    users = User.objects.only(*_DOCUMENT_FIELDS, "bio").filter(which, is_active=True)
    users = users.exclude(pk__in=_listed(hidden))

    def read() -> User | None:
        user = users.first()
        return None if _is_hidden(user.pk if user else 0, hidden) else user

    user = first_found(read)
    if user is None:
        raise no_such_user(called)
    return user


def no_such_user(called: str) -> NotFound:
    """The problem that answers a request for a user who does not exist, or is not shown."""
    return NotFound(f"There is no user {called}.")


def _profile_document(user: User, viewer_id: int) -> dict[str, Any]:
    added: dict[str, dict[str, Any]] = {"counts": {}, "viewer": {}, "known_followers": {}}
    for part in _profile_parts:
        for name, members in part(user.pk, viewer_id).items():
            added[name] |= members
    return _document(user) | {"bio": user.bio} | added


def search_users(
    *, typed: str, viewer_id: int, after: str | None, limit: int
) -> tuple[list[dict[str, Any]], str | None]:
    """The documents of users who are found by what somebody has typed, ranked (users/search.py),
    each with `viewer`.

    Only those whom the viewer may see. Also returns the cursor of the next page, None at the end.
    """
    hidden = _hidden_from(viewer_id)
    found, cursor = find_people(typed=typed, hidden=_listed(hidden), after=after, limit=limit)
    ids = [user_id for user_id, *_ in found]
    unseen = {user_id for each in hidden for user_id in each.among(ids)}
    viewer: dict[int, dict[str, bool]] = {id_: {} for id_ in ids}
    for rule in _viewer_rules:
        for id_, members in rule(viewer_id, ids).items():
            viewer[id_] |= members
    return [
        user_document(*columns) | {"viewer": viewer[columns[0]]}
        for columns in found
        if columns[0] not in unseen
    ], cursor
