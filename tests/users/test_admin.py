"""Staff's pages about accounts."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from core.models import OutboxEvent
from tests.support.staff import confirmed, promote, staff_browser
from tests.users.conftest import PASSWORD, deletions
from users.admin import NewPasswordForm
from users.models import AccountDeletion, User
from users.selectors import holders_of_email
from users.services import delete_account, finish_deletion, note_removed

pytestmark = pytest.mark.django_db

CHANGELIST = "/admin/users/user/"


def test_the_changelist_takes_as_many_queries_for_many_users_as_for_few(
    staff: Client, person: Callable[[str], int]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connections["default"]) as captured:
            assert staff.get(CHANGELIST).status_code == 200
        return len(captured)

    queries()  # and what Django reads once a process
    few = queries()
    for _ in range(30):
        person("member")
    assert queries() == few


@pytest.mark.parametrize("by", ["id", "username", "email", "display_name"])
def test_an_account_is_found(staff: Client, alice: int, bob: int, by: str) -> None:
    User.objects.filter(pk=alice).update(display_name="Alice in the deep")
    user = User.objects.get(pk=alice)
    page = staff.get(CHANGELIST, {"q": str(getattr(user, by))})
    assert [row.pk for row in page.context["cl"].result_list] == [alice]


@pytest.mark.parametrize("text", ["nobody at all", "9" * 30, "'\"%_"], ids=repr)
def test_a_search_for_nothing_finds_nothing(staff: Client, alice: int, text: str) -> None:
    page = staff.get(CHANGELIST, {"q": text})
    assert page.status_code == 200
    assert not any(row.pk == alice for row in page.context["cl"].result_list)


def test_a_search_with_a_nul_is_no_crash(staff: Client) -> None:
    assert staff.get(CHANGELIST, {"q": "a\0b"}).status_code == 200


def test_the_actions_deactivate_users_and_activate_them(
    staff: Client,
    alice: int,
    bob: int,
    ended: list[int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    for action, active in (("deactivate", False), ("activate", True)):
        with django_capture_on_commit_callbacks(using="default", execute=True):
            page = staff.post(CHANGELIST, confirmed(action, [alice, bob]), follow=True)
        assert page.status_code == 200
        assert "2 " in str(next(iter(page.context["messages"])))
        found = User.objects.filter(pk__in=[alice, bob]).values_list("is_active", flat=True)
        assert list(found) == [active, active]
    assert sorted(ended) == sorted([alice, bob]), "only deactivation ended sessions"


def fields_of(page: Any) -> dict[str, Any]:
    """What the form on a page would send back, with a reason."""
    values: dict[str, Any] = {"reason": "Asked for by mail."}
    for name, value in page.context["adminform"].form.initial.items():
        if name in page.context["adminform"].form.fields and value not in (None, False):
            values[name] = value
    return values


def test_the_form_changes_a_profile(staff: Client, alice: int) -> None:
    url = reverse("admin:users_user_change", args=[alice])
    values = fields_of(staff.get(url)) | {"username": "ALICE_of_the_sea", "bio": "Diver."}
    values.pop("groups", None)
    values.pop("user_permissions", None)
    assert staff.post(url, values).status_code == 302
    user = User.objects.get(pk=alice)
    assert (user.username, user.bio) == ("alice_of_the_sea", "Diver.")
    kind, payload = "user_changed", {"user_id": alice}
    assert OutboxEvent.objects.filter(kind=kind, payload=payload).exists()


def test_the_form_saves_only_what_it_changes(staff: Client, ada: User) -> None:
    """Somebody may have changed the rest since the form was checked."""
    loaded = User.objects.get(pk=ada.pk)
    User.objects.filter(pk=ada.pk).update(display_name="Ada", is_active=False)
    loaded.bio = "Diver."
    save_in_admin(loaded, staff, "bio")
    ada.refresh_from_db()
    assert (ada.bio, ada.display_name, ada.is_active) == ("Diver.", "Ada", False)


def test_a_password_that_staff_set_ends_the_sessions(
    staff: Client, alice: int, ended: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    url = reverse("admin:auth_user_password_change", args=[alice])
    body = {
        "usable_password": "true",
        "password1": "high-tide-at-dusk",
        "password2": "high-tide-at-dusk",
        "set-password": "1",
        "reason": "Locked out; <called>.",
    }
    with django_capture_on_commit_callbacks(using="default", execute=True):
        assert staff.post(url, body | {"reason": " "}).status_code == 200
    assert (ended, mail.outbox) == ([], [])
    with django_capture_on_commit_callbacks(using="default", execute=True):
        assert staff.post(url, body).status_code == 302
    user = User.objects.get(pk=alice)
    assert user.check_password("high-tide-at-dusk")
    assert ended == [alice]
    (entry,) = LogEntry.objects.filter(object_id=str(alice))
    assert entry.change_message == "Changed password. Reason: Locked out; <called>."
    assert entry.user.is_superuser
    (told,) = mail.outbox
    assert told.to == [user.email]
    assert f"have set a new password for your account {user.username}." in told.body


def test_an_owner_is_told_of_what_staff_have_done(
    staff: Client, ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    Authenticator.objects.create(user=ada, type="totp", data={"secret": "JBSWY3DP"})
    for action, done in (
        ("reset_second_factor", "removed the second factor of"),
        ("delete_accounts", "deleted"),
    ):
        mail.outbox.clear()
        with django_capture_on_commit_callbacks(using="default", execute=True):
            staff.post(CHANGELIST, confirmed(action, [ada.pk]))
            staff.post(CHANGELIST, confirmed(action, [ada.pk]))
        (told,) = mail.outbox
        assert told.to == [ada.email]
        assert f"have {done} your account {ada.username}" in told.body


def test_the_form_changes_no_address(staff: Client, ada: User) -> None:
    """Who has the mailbox resets the password: only the owner changes it, and proves it."""
    url = reverse("admin:users_user_change", args=[ada.pk])
    page = staff.get(url)
    assert ada.email in page.text
    assert 'name="email"' not in page.text
    values = {**fields_of(page), "email": "thief@example.org", "bio": "Diver."}
    assert staff.post(url, values).status_code == 302
    before = ada.email
    ada.refresh_from_db()
    assert (ada.bio, ada.email) == ("Diver.", before)
    assert list(EmailAddress.objects.filter(user=ada).values_list("email", flat=True)) == [before]


def test_a_new_account_is_made_in_lower_case(staff: Client, unique: Callable[[str], str]) -> None:
    name = unique("Greta")
    body = {
        "username": name,
        "usable_password": "true",
        "password1": "high-tide-at-dusk",
        "password2": "high-tide-at-dusk",
        "reason": "Asked for by mail.",
    }
    assert staff.post(reverse("admin:users_user_add"), body).status_code == 302
    assert User.objects.filter(username=name.lower()).exists()


def delete(browser: Client, user_ids: list[int]) -> Any:
    return browser.post(CHANGELIST, confirmed("delete_accounts", user_ids), follow=True)


def test_staff_delete_accounts_and_the_log_of_it_outlives_them(
    staff: Client, ada: User, alice: int
) -> None:
    assert "2 being deleted" in delete(staff, [ada.pk, alice]).text
    made = AccountDeletion.objects.filter(user_id__in=[ada.pk, alice], requested_by="staff")
    assert made.count() == 2
    for deletion in made:
        finish_deletion(deletion_id=deletion.pk)
        (entry,) = LogEntry.objects.filter(object_id=deletion.pk)
        assert entry.change_message == "Requested. Reason: Spam."
        assert entry.object_repr == f"deletion of account {deletion.user_id}"
        assert entry.user.is_superuser
    assert not User.objects.filter(pk__in=[ada.pk, alice]).exists()


def test_of_selected_accounts_those_of_staff_are_named_and_left(
    staff: Client, ada: User, alice: int
) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    page = delete(staff, [ada.pk, alice])
    assert "1 being deleted" in page.text
    assert f"@{ada.username}: Accounts of staff cannot be deleted" in page.text
    assert not deletions(ada.pk).exists()


def test_who_may_not_delete_accounts_is_not_offered_it(ada: User, alice: int) -> None:
    promote(ada.pk, "view_user", "change_user", is_staff=True)
    browser = staff_browser(ada.pk)
    assert "delete_accounts" not in browser.get(CHANGELIST).text
    delete(browser, [alice])
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


def test_an_account_that_is_being_deleted_is_read_only(staff: Client, ada: User) -> None:
    delete_account(user_id=ada.pk, requested_by="self")
    url = reverse("admin:users_user_change", args=[ada.pk])
    assert staff.get(url).status_code == 200
    assert staff.post(url, {"username": ada.username, "is_active": "on"}).status_code == 403
    assert staff.post(f"/admin/users/user/{ada.pk}/password/", {}).status_code == 403


def save_in_admin(user: User, staff: Client, *changed: str) -> None:
    """Save an account as a form does that staff loaded earlier and changed these fields in."""
    request = staff.get("/admin/").wsgi_request
    form: Any = SimpleNamespace(changed_data=list(changed))
    admin.site._registry[User].save_model(request, user, form, change=True)


def test_a_form_loaded_before_the_deletion_does_not_activate_the_account(
    ada: User, staff: Client
) -> None:
    loaded = User.objects.get(pk=ada.pk)
    delete_account(user_id=ada.pk, requested_by="self")
    assert loaded.is_active
    loaded.bio = "Diver."
    save_in_admin(loaded, staff, "bio")
    assert User.objects.filter(pk=ada.pk, bio="Diver.", is_active=False).exists()


def test_a_form_loaded_before_the_deletion_does_not_bring_an_account_back(
    ada: User, staff: Client
) -> None:
    loaded = User.objects.get(pk=ada.pk)
    finish_deletion(deletion_id=delete_account(user_id=ada.pk, requested_by="self"))
    with pytest.raises(PermissionDenied):
        save_in_admin(loaded, staff, "bio")
    assert not User.objects.filter(pk=ada.pk).exists()


def test_a_password_set_meanwhile_does_not_activate_anybody(ada: User, ended: list[int]) -> None:
    loaded = User.objects.get(pk=ada.pk)
    delete_account(user_id=ada.pk, requested_by="self")
    body = {"usable_password": "true", "password1": PASSWORD + "2", "password2": PASSWORD + "2"}
    form = NewPasswordForm(loaded, body | {"reason": "Asked for by mail."})
    assert form.is_valid()
    form.save()
    ada.refresh_from_db()
    assert ada.check_password(PASSWORD + "2")
    assert not ada.is_active


@pytest.mark.parametrize("permission", ["change_emailaddress", "view_emailaddress"])
@pytest.mark.parametrize("target", ["user", "staff"])
def test_a_moderator_verifies_addresses_of_plain_users_only(
    ada: User, alice: int, permission: str, target: str
) -> None:
    """A verified address resets the password of its account."""
    promote(ada.pk, "view_emailaddress", permission, is_staff=True)
    promote(alice, is_staff=target == "staff")
    address = EmailAddress.objects.create(user_id=alice, email="new@example.org")
    staff_browser(ada.pk).post(
        "/admin/account/emailaddress/", confirmed("make_verified", [address.pk])
    )
    address.refresh_from_db()
    assert address.verified == (permission == "change_emailaddress" and target == "user")


@pytest.mark.parametrize("rank", ["user", "staff", "superuser"])
@pytest.mark.parametrize("held_as", ["own address", "claim"])
def test_a_moderator_takes_an_address_from_plain_users_only(
    ada: User, alice: int, bob: int, held_as: str, rank: str
) -> None:
    promote(ada.pk, "view_emailaddress", "change_emailaddress", is_staff=True)
    promote(bob, is_staff=rank != "user", is_superuser=rank == "superuser")
    wanted = "wanted@example.org"
    if held_as == "claim":
        EmailAddress.objects.create(user_id=bob, email=wanted)
    else:
        User.objects.filter(pk=bob).update(email=wanted.title())
    address = EmailAddress.objects.create(user_id=alice, email=wanted)
    page = staff_browser(ada.pk).post(
        "/admin/account/emailaddress/", confirmed("make_verified", [address.pk]), follow=True
    )
    address.refresh_from_db()
    assert address.verified == (rank == "user")
    assert ("only a superuser may verify it" in page.text) == (rank != "user")
    assert holders_of_email(emails=[wanted]) == ({alice} if rank == "user" else {alice, bob})


def test_an_address_that_staff_verify_is_taken_from_who_only_claims_it(
    staff: Client, alice: int, bob: int
) -> None:
    wanted = "wanted@example.org"
    User.objects.filter(pk=bob).update(email=wanted)
    claims = {
        user_id: EmailAddress.objects.create(user_id=user_id, email=wanted)
        for user_id in (alice, bob)
    }
    page = staff.post(
        "/admin/account/emailaddress/",
        confirmed("make_verified", [claims[alice].pk, claims[bob].pk]),
        follow=True,
    )
    assert "1 verified." in page.text
    (left,) = EmailAddress.objects.filter(email=wanted)
    assert left.verified
    loser = bob if left.user_id == alice else alice
    assert User.objects.get(pk=loser).email != wanted


@pytest.mark.parametrize("model", [EmailAddress, Authenticator], ids=lambda model: model.__name__)
def test_what_protects_an_account_is_not_written_as_a_row(
    staff: Client, alice: int, model: type[Model]
) -> None:
    """Not even by superusers: an address or a secret of their own would be another one's log-in."""
    Authenticator.objects.create(user_id=alice, type="totp", data={"secret": "JBSWY3DP"})
    row = model._default_manager.filter(user_id=alice).get()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert staff.post(reverse(f"{name}_add"), {"user": alice}).status_code == 403
    for page in ("change", "delete"):
        answer = staff.post(reverse(f"{name}_{page}", args=[row.pk]), {"user": alice})
        assert answer.status_code == 403


def test_nobody_is_shown_the_secret_of_a_second_factor(staff: Client, alice: int) -> None:
    row = Authenticator.objects.create(user_id=alice, type="totp", data={"secret": "JBSWY3DP"})
    for path in ("/admin/mfa/authenticator/", f"/admin/mfa/authenticator/{row.pk}/change/"):
        page = staff.get(path)
        assert page.status_code == 200
        assert "JBSWY3DP" not in page.text
