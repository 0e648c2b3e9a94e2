"""Deleting an account: who may, what happens at once, and the row that tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.test import Client, RequestFactory
from django.urls import reverse
from django_redis.cache import RedisCache

from core.http.problems import Conflict, NotFound
from core.outbox.models import OutboxEvent
from tests.support.account_data import add_admin_log_entry, count_account_rows
from users import selectors, services
from users.admin import NewPasswordForm
from users.models import AccountDeletion, User
from users.services import (
    delete_account,
    ensure_account,
    finish_deletion,
    note_removed,
    set_active,
    update_profile,
)

pytestmark = pytest.mark.django_db

ME = "/api/v1/users/me"
PASSWORD = "low-tide-at-dawn"
ACCOUNTS = "/admin/users/user/"


@pytest.fixture
def ada(db: None, unique: Callable[[str], str]) -> User:
    """Somebody with a password."""
    name = unique("ada")
    user_id, _ = ensure_account(username=name, email=f"{name}@example.org", password=PASSWORD)
    return User.objects.get(pk=user_id)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the users whose sessions are ended."""
    ids: list[int] = []
    monkeypatch.setattr(services, "end_sessions", lambda *, user_id: ids.append(user_id))
    return ids


@pytest.fixture
def staff(db: None, unique: Callable[[str], str]) -> Client:
    """A browser in which a superuser is logged in."""
    name = unique("staff")
    user_id, _ = ensure_account(username=name, email=f"{name}@example.org", staff=True)
    return logged_in(user_id)


def logged_in(user_id: int) -> Client:
    browser = Client()
    browser.force_login(User.objects.get(pk=user_id), "django.contrib.auth.backends.ModelBackend")
    return browser


def deletions(user_id: int) -> Any:
    return AccountDeletion.objects.filter(user_id=user_id)


def events(user_id: int) -> list[str]:
    """The kinds of the events about somebody, in order."""
    rows = OutboxEvent.objects.filter(payload__user_id=user_id).order_by("pk")
    return list(rows.values_list("kind", flat=True))


# --- the service --------------------------------------------------------------------------------


def test_an_account_is_switched_off_and_announced_and_its_sessions_end_on_commit(
    ada: User, ended: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(using="default") as callbacks:
        deletion_id = delete_account(user_id=ada.pk, requested_by="self")
    deletion = deletions(ada.pk).get()
    assert (deletion.pk, deletion.username, deletion.requested_by) == (
        deletion_id,
        ada.username,
        "self",
    )
    assert (deletion.removed, deletion.done_at) == ({}, None)
    assert not User.objects.get(pk=ada.pk).is_active
    assert events(ada.pk) == ["user_changed", "account_deleted"]
    event = OutboxEvent.objects.get(kind="account_deleted", payload__user_id=ada.pk)
    assert event.payload == {"user_id": ada.pk, "deletion_id": deletion_id}
    assert ended == []
    for callback in callbacks[-1:]:
        callback()
    assert ended == [ada.pk]
    with pytest.raises(NotFound):
        selectors.profile(username=ada.username, viewer_id=ada.pk)


def test_a_second_request_is_the_same_deletion(ada: User) -> None:
    first = delete_account(user_id=ada.pk, requested_by="self")
    assert delete_account(user_id=ada.pk, requested_by="staff") == first
    assert deletions(ada.pk).get().requested_by == "self"
    assert events(ada.pk).count("account_deleted") == 1


def test_who_is_switched_off_already_can_be_deleted(ada: User) -> None:
    set_active(user_ids=[ada.pk], active=False)
    delete_account(user_id=ada.pk, requested_by="staff")
    assert deletions(ada.pk).exists()


def test_an_account_that_is_gone_is_not_found(ada: User) -> None:
    deletion_id = delete_account(user_id=ada.pk, requested_by="self")
    assert finish_deletion(deletion_id=deletion_id)
    with pytest.raises(NotFound):
        delete_account(user_id=ada.pk, requested_by="self")


@pytest.mark.parametrize("status", ["is_staff", "is_superuser"])
def test_staff_are_not_deleted(ada: User, status: str) -> None:
    User.objects.filter(pk=ada.pk).update(**{status: True})
    with pytest.raises(Conflict, match="staff"):
        delete_account(user_id=ada.pk, requested_by="command")
    assert User.objects.get(pk=ada.pk).is_active
    assert events(ada.pk) == []


def test_nobody_lets_in_or_changes_an_account_that_is_being_deleted(
    ada: User, alice: int, ended: list[int]
) -> None:
    set_active(user_ids=[alice], active=False)
    delete_account(user_id=ada.pk, requested_by="self")
    assert set_active(user_ids=[ada.pk, alice], active=True) == 1
    active = User.objects.filter(pk__in=[ada.pk, alice], is_active=True)
    assert [user.pk for user in active] == [alice]
    with pytest.raises(NotFound):
        update_profile(user_id=ada.pk, changes={"bio": "Still here."})


def test_what_is_removed_adds_up_and_the_end_leaves_nothing_of_the_person(ada: User) -> None:
    add_admin_log_entry(ada.pk)
    other = LogEntry.objects.count()
    deletion_id = delete_account(user_id=ada.pk, requested_by="self")
    for count in (3, 4):
        note_removed(deletion_id=deletion_id, kind="posts", count=count)
    note_removed(deletion_id=deletion_id, kind="comment likes", count=1)
    assert selectors.deletion_progress(deletion_id=deletion_id) == selectors.DeletionProgress(
        {"posts": 7, "comment likes": 1}, is_done=False
    )
    assert finish_deletion(deletion_id=deletion_id)
    assert count_account_rows(ada.pk) == {}
    assert LogEntry.objects.count() == other - 1
    assert selectors.deletion_progress(deletion_id=deletion_id).is_done
    assert deletions(ada.pk).get().username == ""
    assert not finish_deletion(deletion_id=deletion_id), "it was done before"


# --- the API ------------------------------------------------------------------------------------


@pytest.fixture
def fresh_login_limits(django_db_setup: None) -> Iterator[None]:
    """No failed attempt counts from one test to the next."""
    cast("RedisCache", cache).delete_pattern("allauth:rl:*")
    yield
    cast("RedisCache", cache).delete_pattern("allauth:rl:*")


def test_the_password_of_the_account_deletes_it(
    ada: User, api: Callable[[int], Any], fresh_login_limits: None
) -> None:
    response = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert response.status_code == 202
    assert response.content == b""
    assert deletions(ada.pk).get().requested_by == "self"
    again = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert again.status_code == 404, "a request that was let in before the sessions ended"


@pytest.mark.parametrize("password", [f"{PASSWORD} ", PASSWORD.upper(), "high-tide-at-dusk"])
def test_another_password_deletes_nothing(
    ada: User, api: Callable[[int], Any], fresh_login_limits: None, password: str
) -> None:
    response = api(ada.pk).delete(ME, {"password": password}, format="json")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["password"]
    assert not deletions(ada.pk).exists()


def test_the_password_of_another_account_deletes_neither(
    ada: User, api: Callable[[int], Any], unique: Callable[[str], str], fresh_login_limits: None
) -> None:
    name = unique("eve")
    eve, _ = ensure_account(username=name, email=f"{name}@example.org", password=PASSWORD + "!")
    assert api(ada.pk).delete(ME, {"password": PASSWORD + "!"}, format="json").status_code == 400
    assert not AccountDeletion.objects.filter(user_id__in=[ada.pk, eve]).exists()


def test_an_account_without_a_password_cannot_be_deleted_with_any(
    alice: int, api: Callable[[int], Any], fresh_login_limits: None
) -> None:
    assert api(alice).delete(ME, {"password": "!"}, format="json").status_code == 400
    assert not deletions(alice).exists()


def test_after_some_wrong_passwords_not_even_the_right_one_is_tried(
    ada: User, api: Callable[[int], Any], fresh_login_limits: None
) -> None:
    """The failures count as those of log-ins do; a success uses up none."""
    for _ in range(5):
        assert api(ada.pk).delete(ME, {"password": "guess"}, format="json").status_code == 400
    refused = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert refused.status_code == 400
    error = refused.json()["errors"][0]
    assert (error["field"], error["code"]) == ("password", "too_many_login_attempts")
    assert "Too many failed" in error["message"]
    assert not deletions(ada.pk).exists()


def test_staff_get_a_conflict(
    ada: User, api: Callable[[int], Any], fresh_login_limits: None
) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    response = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/staff-account"
    assert not deletions(ada.pk).exists()


# --- the admin ----------------------------------------------------------------------------------


def act(browser: Client, user_ids: list[int], **more: str) -> Any:
    data = {"action": "delete_accounts", "_selected_action": user_ids, **more}
    return browser.post(ACCOUNTS, data, follow=True)


def test_staff_are_asked_before_accounts_are_deleted(staff: Client, ada: User, alice: int) -> None:
    page = act(staff, [ada.pk, alice])
    assert page.status_code == 200
    assert f"{ada.username} ({ada.pk})" in page.text
    assert not AccountDeletion.objects.filter(user_id__in=[ada.pk, alice]).exists()
    page = act(staff, [ada.pk, alice], confirmed="yes")
    assert "2 are being deleted" in page.text
    made = AccountDeletion.objects.filter(user_id__in=[ada.pk, alice], requested_by="staff")
    assert made.count() == 2


def test_of_selected_accounts_those_of_staff_are_named_and_left(
    staff: Client, ada: User, alice: int
) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    page = act(staff, [ada.pk, alice], confirmed="yes")
    assert "1 are being deleted" in page.text
    assert f"@{ada.username}: Accounts of staff cannot be deleted" in page.text
    assert not deletions(ada.pk).exists()


def test_who_may_not_delete_accounts_is_not_offered_it(ada: User, alice: int) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    ada.user_permissions.add(*Permission.objects.filter(codename__in=["view_user", "change_user"]))
    browser = logged_in(ada.pk)
    assert "delete_accounts" not in browser.get(ACCOUNTS).text
    act(browser, [alice], confirmed="yes")
    assert not deletions(alice).exists()


def test_the_deletions_are_listed_newest_first_with_what_is_removed(
    staff: Client, ada: User, alice: int
) -> None:
    older = delete_account(user_id=ada.pk, requested_by="self")
    newer = delete_account(user_id=alice, requested_by="staff")
    note_removed(deletion_id=older, kind="posts", count=3)
    note_removed(deletion_id=older, kind="media", count=4)
    page = staff.get(reverse("admin:users_accountdeletion_changelist"))
    listed = [row.pk for row in page.context["cl"].result_list]
    assert listed.index(newer) < listed.index(older)
    assert "4 media, 3 posts" in page.text
    assert ada.username in page.text


def test_an_account_that_is_being_deleted_is_only_looked_at(staff: Client, ada: User) -> None:
    delete_account(user_id=ada.pk, requested_by="self")
    url = reverse("admin:users_user_change", args=[ada.pk])
    assert staff.get(url).status_code == 200
    assert staff.post(url, {"username": ada.username, "is_active": "on"}).status_code == 403
    assert staff.post(f"/admin/users/user/{ada.pk}/password/", {}).status_code == 403


def save_in_admin(user: User) -> None:
    """Save an account as staff's form does that was loaded earlier."""
    request = RequestFactory().post(ACCOUNTS)
    request.session = {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    page = admin.site._registry[User]
    form: Any = None
    page.save_model(request, user, form, change=True)


def test_a_form_loaded_before_the_deletion_lets_nobody_in_again(ada: User) -> None:
    loaded = User.objects.get(pk=ada.pk)
    delete_account(user_id=ada.pk, requested_by="self")
    assert loaded.is_active
    loaded.bio = "Diver."
    save_in_admin(loaded)
    assert User.objects.filter(pk=ada.pk, bio="Diver.", is_active=False).exists()


def test_a_form_loaded_before_the_deletion_does_not_bring_an_account_back(ada: User) -> None:
    loaded = User.objects.get(pk=ada.pk)
    finish_deletion(deletion_id=delete_account(user_id=ada.pk, requested_by="self"))
    with pytest.raises(PermissionDenied):
        save_in_admin(loaded)
    assert not User.objects.filter(pk=ada.pk).exists()


def test_a_password_set_meanwhile_lets_nobody_in_again(ada: User, ended: list[int]) -> None:
    loaded = User.objects.get(pk=ada.pk)
    delete_account(user_id=ada.pk, requested_by="self")
    body = {"usable_password": "true", "password1": PASSWORD + "2", "password2": PASSWORD + "2"}
    form = NewPasswordForm(loaded, body)
    assert form.is_valid()
    form.save()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD + "2")
    assert not ada.is_active
