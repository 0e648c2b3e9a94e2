"""Staff's pages about accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from users.models import User
from users.services import ensure_account

pytestmark = pytest.mark.django_db

CHANGELIST = "/admin/users/user/"


@pytest.fixture
def staff(db: None, unique: Callable[[str], str]) -> Client:
    """A browser in which a superuser is logged in."""
    user_id, _ = ensure_account(username=unique("staff"), email="s@example.org", staff=True)
    browser = Client()
    browser.force_login(User.objects.get(pk=user_id), "django.contrib.auth.backends.ModelBackend")
    return browser


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the users whose sessions are ended."""
    ids: list[int] = []
    monkeypatch.setattr("users.services.end_sessions", lambda *, user_id: ids.append(user_id))
    return ids


def test_the_changelist_takes_as_many_queries_for_many_users_as_for_few(
    staff: Client, person: Callable[[str], int]
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connections["default"]) as captured:
            assert staff.get(CHANGELIST).status_code == 200
        return len(captured)

    queries()  # and with it what Django looks up once a process
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


def test_the_actions_keep_users_out_and_let_them_in(
    staff: Client,
    alice: int,
    bob: int,
    ended: list[int],
    django_capture_on_commit_callbacks: Any,
) -> None:
    for action, active in (("deactivate", False), ("activate", True)):
        with django_capture_on_commit_callbacks(using="default", execute=True):
            page = staff.post(
                CHANGELIST, {"action": action, "_selected_action": [alice, bob]}, follow=True
            )
        assert page.status_code == 200
        assert "2 " in str(next(iter(page.context["messages"])))
        found = User.objects.filter(pk__in=[alice, bob]).values_list("is_active", flat=True)
        assert list(found) == [active, active]
    assert sorted(ended) == sorted([alice, bob]), "and only keeping out ended sessions"


def fields_of(page: Any) -> dict[str, Any]:
    """What the form on a page would send back."""
    values: dict[str, Any] = {}
    for name, value in page.context["adminform"].form.initial.items():
        if name in page.context["adminform"].form.fields and value not in (None, False):
            values[name] = value
    return values


def test_the_form_changes_a_profile_and_switching_off_ends_sessions(
    staff: Client, alice: int, ended: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    url = reverse("admin:users_user_change", args=[alice])
    values = fields_of(staff.get(url)) | {"username": "ALICE_of_the_sea", "bio": "Diver."}
    values.pop("groups", None)
    values.pop("user_permissions", None)
    assert staff.post(url, values).status_code == 302
    user = User.objects.get(pk=alice)
    assert (user.username, user.bio) == ("alice_of_the_sea", "Diver.")
    assert ended == []
    del values["is_active"]
    with django_capture_on_commit_callbacks(using="default", execute=True):
        assert staff.post(url, values).status_code == 302
    assert ended == [alice]


def test_a_password_that_staff_set_ends_the_sessions(
    staff: Client, alice: int, ended: list[int], django_capture_on_commit_callbacks: Any
) -> None:
    url = reverse("admin:auth_user_password_change", args=[alice])
    body = {
        "usable_password": "true",
        "password1": "high-tide-at-dusk",
        "password2": "high-tide-at-dusk",
        "set-password": "1",
    }
    with django_capture_on_commit_callbacks(using="default", execute=True):
        assert staff.post(url, body).status_code == 302
    assert User.objects.get(pk=alice).check_password("high-tide-at-dusk")
    assert ended == [alice]


def test_a_new_account_is_made_in_lower_case(staff: Client, unique: Callable[[str], str]) -> None:
    name = unique("Greta")
    body = {
        "username": name,
        "usable_password": "true",
        "password1": "high-tide-at-dusk",
        "password2": "high-tide-at-dusk",
    }
    assert staff.post(reverse("admin:users_user_add"), body).status_code == 302
    assert User.objects.filter(username=name.lower()).exists()
