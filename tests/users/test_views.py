"""Deleting one's account over the API."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from rest_framework.test import APIClient

from tests.users.conftest import PASSWORD, deletions, open_session
from users.models import AccountDeletion, User
from users.services import ensure_account

pytestmark = pytest.mark.django_db

ME = "/api/v1/users/me"


@pytest.fixture
def api() -> Callable[[int], APIClient]:
    """A function that makes a client with a session of its own of the user with an id."""

    def client(user_id: int) -> APIClient:
        token = create_access_token(User.objects.get(pk=user_id), open_session(user_id), {})
        made = APIClient()
        made.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return made

    return client


def test_the_password_of_the_account_deletes_it(ada: User, api: Callable[[int], Any]) -> None:
    response = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert response.status_code == 202
    assert response.content == b""
    assert deletions(ada.pk).get().requested_by == "self"
    again = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert again.status_code == 404, "a request that was let in before the sessions ended"


@pytest.mark.parametrize("password", [f"{PASSWORD} ", PASSWORD.upper(), "high-tide-at-dusk"])
def test_another_password_deletes_nothing(
    ada: User, api: Callable[[int], Any], password: str
) -> None:
    response = api(ada.pk).delete(ME, {"password": password}, format="json")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["password"]
    assert not deletions(ada.pk).exists()


def test_the_password_of_another_account_deletes_neither(
    ada: User,
    api: Callable[[int], Any],
    unique: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    name = unique("eve")
    eve, _ = ensure_account(username=name, email=f"{name}@example.org", password=PASSWORD + "!")
    assert api(ada.pk).delete(ME, {"password": PASSWORD + "!"}, format="json").status_code == 400
    assert "A wrong name or password came from" in caplog.text
    assert not AccountDeletion.objects.filter(user_id__in=[ada.pk, eve]).exists()


def test_an_account_without_a_password_cannot_be_deleted_with_any(
    alice: int, api: Callable[[int], Any]
) -> None:
    assert api(alice).delete(ME, {"password": "!"}, format="json").status_code == 400
    assert not deletions(alice).exists()


def test_after_some_wrong_passwords_not_even_the_right_one_is_tried(
    ada: User, api: Callable[[int], Any]
) -> None:
    """In this session; a success uses up none."""
    thief = api(ada.pk)
    for _ in range(5):
        assert thief.delete(ME, {"password": "guess"}, format="json").status_code == 400
    refused = thief.delete(ME, {"password": PASSWORD}, format="json")
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 300
    assert not deletions(ada.pk).exists()
    assert api(ada.pk).delete(ME, {"password": PASSWORD}, format="json").status_code == 202


def test_staff_get_a_conflict(ada: User, api: Callable[[int], Any]) -> None:
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    response = api(ada.pk).delete(ME, {"password": PASSWORD}, format="json")
    assert response.status_code == 409
    assert response.json()["type"] == "/problems/staff-account"
    assert not deletions(ada.pk).exists()
