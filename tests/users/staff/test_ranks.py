"""Who may do what to whose account in the admin: every actor, act and target."""

import secrets
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.models import Group, Permission
from django.db import connections, transaction
from django.test import Client
from django.urls import reverse

from tests.support.staff import confirmed, promote, staff_browser
from users.admin import RANK_FIELDS, NewPasswordForm
from users.models import AccountDeletion, User
from users.services import ensure_account

CHANGELIST = "/admin/users/user/"
PERMISSIONS = ("view_user", "change_user", "add_user", "delete_user", "delete_authenticator")
GROUP_PERMISSIONS = ("add_group", "change_group", "delete_group")
TARGETS: dict[str, dict[str, bool]] = {
    "user": {},
    "staff": {"is_staff": True},
    "superuser": {"is_staff": True, "is_superuser": True},
    # Ranks that the admin shows only when both boxes are ticked; it is a superuser to Django.
    "superuser without staff": {"is_superuser": True},
}


@dataclass(frozen=True)
class Actor:
    """Somebody at the admin's pages."""

    permissions: Sequence[str] = ()
    is_staff: bool = True
    is_superuser: bool = False
    has_entered_a_code: bool = True

    def browser(self, user_id: int) -> Client:
        ranks = {"is_staff": self.is_staff, "is_superuser": self.is_superuser}
        promote(user_id, *self.permissions, *GROUP_PERMISSIONS, **ranks)
        return staff_browser(user_id, second_factor=self.has_entered_a_code)


ACTORS = {
    "viewer": Actor(["view_user"]),
    "changer": Actor(["view_user", "change_user"]),
    "deleter": Actor(["view_user", "delete_user"]),
    "resetter": Actor(["view_user", "delete_authenticator"]),
    "moderator": Actor(PERMISSIONS),
    "superuser": Actor(is_superuser=True),
    "superuser without a code": Actor(is_superuser=True, has_entered_a_code=False),
    "superuser without staff": Actor(is_superuser=True, is_staff=False),
    "user with permissions": Actor(PERMISSIONS, is_staff=False),
}


def form_of(target: User) -> dict[str, Any]:
    """What a form that shows every field would send back."""
    ticked = [name for name in ("is_active", "is_staff", "is_superuser") if getattr(target, name)]
    return {
        "reason": "Asked for by mail.",
        "username": target.username,
        "email": target.email,
        "display_name": target.display_name,
        "bio": target.bio,
        "groups": list(target.groups.values_list("pk", flat=True)),
        "user_permissions": list(target.user_permissions.values_list("pk", flat=True)),
        **dict.fromkeys(ticked, "on"),
    }


def change(**values: Any) -> Callable[[Client, User], Any]:
    """An act: send the form with other values; None unticks a box."""

    def act(browser: Client, target: User) -> Any:
        sent = {name: made(value) for name, value in (form_of(target) | values).items()}
        body = {name: value for name, value in sent.items() if value is not None}
        return browser.post(reverse("admin:users_user_change", args=[target.pk]), body)

    return act


def made(value: Any) -> Any:
    return value() if callable(value) else value


def action(name: str) -> Callable[[Client, User], Any]:
    """An act: confirm an action on the target."""
    return lambda browser, target: browser.post(CHANGELIST, confirmed(name, [target.pk]))


def set_password(browser: Client, target: User) -> Any:
    new = "high-tide-at-dusk"
    body = {"usable_password": "true", "password1": new, "password2": new, "set-password": "1"}
    body["reason"] = "Asked for by mail."
    return browser.post(reverse("admin:auth_user_password_change", args=[target.pk]), body)


def delete_row(browser: Client, target: User) -> Any:
    body = confirmed("delete_selected", [target.pk])
    return browser.post(reverse("admin:users_user_delete", args=[target.pk]), body)


def a_new_address() -> str:
    """Each account has an address of its own."""
    return f"{secrets.token_hex(8)}@example.org"


def a_group() -> list[int]:
    return [Group.objects.get_or_create(name="Powerful")[0].pk]


def a_permission() -> list[int]:
    return [Permission.objects.get(codename="change_user").pk]


CHANGERS = {"changer", "moderator", "superuser"}
ONLY_SUPERUSERS = {"superuser"}
# Act: how; the actors who may do it to a user; whether one may do it to the own account (a
# superuser may do what is allowed at all to everybody else).
ACTS: dict[str, tuple[Callable[[Client, User], Any], set[str], bool]] = {
    "bio": (change(bio="Diver."), CHANGERS, True),
    "email": (change(email=a_new_address), set(), False),
    "promote to staff": (change(is_staff="on", bio=""), ONLY_SUPERUSERS, False),
    "promote to superuser": (change(is_superuser="on"), ONLY_SUPERUSERS, False),
    "demote": (change(is_staff=None, is_superuser=None), ONLY_SUPERUSERS, False),
    "group": (change(groups=a_group), ONLY_SUPERUSERS, False),
    "permission": (change(user_permissions=a_permission), ONLY_SUPERUSERS, False),
    "untick active": (change(is_active=None), set(), False),
    "password": (set_password, CHANGERS, False),
    "activate": (action("activate"), CHANGERS, True),
    "deactivate": (action("deactivate"), CHANGERS, False),
    "reset": (
        action("reset_second_factor"),
        {"resetter", "moderator", "superuser"},
        False,
    ),
    "delete account": (action("delete_accounts"), {"deleter", "moderator", "superuser"}, False),
    "delete row": (delete_row, set(), False),
    "delete selected rows": (action("delete_selected"), set(), False),
}


def state(user_id: int) -> dict[str, Any]:
    """All that an act could change."""
    user = User.objects.get(pk=user_id)
    return {
        **User.objects.filter(pk=user_id).values().get(),
        "groups": set(user.groups.values_list("pk", flat=True)),
        "permissions": set(user.user_permissions.values_list("pk", flat=True)),
        "factors": set(Authenticator.objects.filter(user=user).values_list("type", flat=True)),
        "deletion": AccountDeletion.objects.filter(user_id=user_id).exists(),
    }


def is_a_change(act: str, rank: str) -> bool:
    """Whether an act, if it is allowed, changes somebody of a rank."""
    if act == "promote to staff":
        return not TARGETS[rank].get("is_staff")
    if act == "promote to superuser":
        return not TARGETS[rank].get("is_superuser")
    if act == "demote":
        return rank != "user"
    if act == "delete account":
        return rank == "user"  # staff are demoted first: users.services refuses them
    return True


@pytest.mark.django_db
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("name", ACTORS)
def test_an_act_changes_whom_the_actor_may_touch_and_nobody_else(
    name: str, act: str, person: Callable[[str], int]
) -> None:
    browser = ACTORS[name].browser(person("actor"))
    perform, may, _ = ACTS[act]
    for rank, columns in TARGETS.items():
        target = promote(person("target"), is_active=act != "activate", **columns)
        Authenticator.objects.create(user=target, type="totp", data={"secret": "JBSWY3DP"})
        before = state(target.pk)
        perform(browser, target)
        may_touch = name in may and (rank == "user" or name == "superuser")
        expected = may_touch and is_a_change(act, rank)
        assert (state(target.pk) != before) == expected, (name, act, rank)


@pytest.mark.django_db
@pytest.mark.parametrize("act", sorted(ACTS.keys() - {"activate"}))
@pytest.mark.parametrize("name", ["moderator", "superuser"])
def test_nobody_takes_rank_or_log_in_from_the_own_account(
    name: str, act: str, person: Callable[[str], int]
) -> None:
    user_id = person("actor")
    browser = ACTORS[name].browser(user_id)
    user = User.objects.get(pk=user_id)
    Authenticator.objects.create(user=user, type="totp", data={"secret": "JBSWY3DP"})
    before = state(user_id)
    perform, _, may_to_oneself = ACTS[act]
    perform(browser, user)
    assert (state(user_id) != before) == (may_to_oneself and name == "superuser"), act


@pytest.mark.django_db
def test_the_page_that_sets_a_password_leads_to_the_one_that_asks_for_the_old_one(
    person: Callable[[str], int],
) -> None:
    user_id = person("boss")
    browser = ACTORS["superuser"].browser(user_id)
    answer = set_password(browser, User.objects.get(pk=user_id))
    assert answer.headers["Location"] == reverse("admin:password_change")


@pytest.mark.django_db
def test_fields_that_the_form_does_not_show_are_not_saved(person: Callable[[str], int]) -> None:
    browser = ACTORS["moderator"].browser(person("actor"))
    target = User.objects.get(pk=person("target"))
    before = state(target.pk)
    shown = browser.get(reverse("admin:users_user_change", args=[target.pk]))
    hidden = [*RANK_FIELDS, "is_active"]
    assert 'name="bio"' in shown.text
    assert not [name for name in hidden if f'name="{name}"' in shown.text]
    sneaky = {"is_staff": "on", "is_superuser": "on", "groups": a_group, "is_active": None}
    saved = change(bio="Diver.", user_permissions=a_permission, **sneaky)(browser, target)
    assert saved.status_code == 302
    assert state(target.pk) == before | {"bio": "Diver."}


@pytest.mark.django_db
def test_a_moderator_adds_plain_users_only(person: Callable[[str], int]) -> None:
    browser = ACTORS["moderator"].browser(person("actor"))
    new = "high-tide-at-dusk"
    body = {"username": "sneaky", "usable_password": "true", "password1": new, "password2": new}
    body["reason"] = "Asked for by mail."
    body |= {"is_staff": "on", "is_superuser": "on", "user_permissions": str(a_permission()[0])}
    assert browser.post(reverse("admin:users_user_add"), body).status_code == 302
    made_user = User.objects.get(username="sneaky")
    assert (made_user.is_staff, made_user.is_superuser) == (False, False)
    assert not made_user.user_permissions.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["moderator", "superuser"])
def test_only_superusers_add_change_and_delete_groups(
    name: str, person: Callable[[str], int]
) -> None:
    """Whoever changes a group gives its permissions to all its members."""
    browser = ACTORS[name].browser(person("actor"))
    allowed = name == "superuser"
    group = Group.objects.create(name="Moderators")
    body = {"name": "Moderators", "permissions": a_permission(), "reason": "A new team."}
    browser.post(reverse("admin:auth_group_change", args=[group.pk]), body)
    assert group.permissions.exists() == allowed
    browser.post(reverse("admin:auth_group_add"), {"name": "Others", "reason": "A new team."})
    assert Group.objects.filter(name="Others").exists() == allowed
    body = confirmed("delete_selected", [group.pk])
    browser.post(reverse("admin:auth_group_delete", args=[group.pk]), body)
    assert Group.objects.filter(pk=group.pk).exists() != allowed


@pytest.mark.django_db
def test_who_lost_the_rank_since_the_form_was_checked_changes_nothing(
    person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the actor is read again under the lock."""
    actor_id, target_id = person("actor"), person("target")
    browser = ACTORS["superuser"].browser(actor_id)
    target = promote(target_id, is_staff=True)
    before = state(target_id)
    full_clean = User.full_clean

    def demote_first(user: User, *args: Any, **kwargs: Any) -> None:
        User.objects.filter(pk=actor_id).update(is_superuser=False)
        full_clean(user, *args, **kwargs)

    monkeypatch.setattr(User, "full_clean", demote_first)
    assert change(bio="Diver.")(browser, target).status_code == 403
    User.objects.filter(pk=actor_id).update(is_superuser=True)
    User.objects.filter(pk=target_id).update(is_staff=False)
    plain = User.objects.get(pk=target_id)
    assert change(is_superuser="on")(browser, plain).status_code == 403
    assert state(target_id) == before | {"is_staff": False}


@pytest.mark.usefixtures("committed")
def test_nobody_gets_or_loses_a_rank_while_staff_set_a_password(
    person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is checked under the locks of both accounts."""
    actor_id, target_id = person("actor"), person("target")
    browser = ACTORS["moderator"].browser(actor_id)
    full_clean = NewPasswordForm.full_clean
    free: list[int] = []

    def look_from_elsewhere() -> None:
        rows = User.objects.select_for_update(skip_locked=True)
        with transaction.atomic(using="default"):
            free.extend(row.pk for row in rows.filter(pk__in=[actor_id, target_id]))
        connections.close_all()

    def look_first(form: NewPasswordForm) -> None:
        thread = threading.Thread(target=look_from_elsewhere)
        thread.start()
        thread.join()
        full_clean(form)

    monkeypatch.setattr(NewPasswordForm, "full_clean", look_first)
    assert set_password(browser, User.objects.get(pk=target_id)).status_code == 302
    assert free == []


@pytest.mark.usefixtures("committed")
def test_of_two_superusers_who_deactivate_each_other_at_once_one_stays(
    unique: Callable[[str], str],
) -> None:
    for _ in range(5):
        names = [unique("boss"), unique("boss")]
        ids = [
            ensure_account(username=name, email=f"{name}@example.org", staff=True)[0]
            for name in names
        ]
        browsers = [staff_browser(user_id) for user_id in ids]
        both = threading.Barrier(2)

        def deactivate(browser: Client, target: int, both: threading.Barrier = both) -> None:
            both.wait()
            browser.post(CHANGELIST, confirmed("deactivate", [target]))
            connections.close_all()

        threads = [
            threading.Thread(target=deactivate, args=(browser, target))
            for browser, target in zip(browsers, reversed(ids), strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        active = User.objects.filter(pk__in=ids, is_active=True)
        assert active.count() == 1
        active.update(is_active=False, is_superuser=False, is_staff=False)
