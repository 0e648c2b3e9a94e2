"""django-allauth's endpoints take values of their own type only."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.users.conftest import PASSWORD
from users.models import User

pytestmark = pytest.mark.django_db
AUTH = "/_allauth/app/v1"


def post(path: str, body: Any, address: str) -> Any:
    return Client(REMOTE_ADDR=address).post(AUTH + path, body, content_type="application/json")


@pytest.mark.parametrize("wrong", [["x" * 9], {"a": "b"}, 123456789, True, None])
@pytest.mark.parametrize("name", ["username", "email", "password"])
def test_a_sign_up_with_a_value_of_another_type_makes_no_account(
    name: str, wrong: object, unique: Callable[[str], str], address: str
) -> None:
    username = unique("eve")
    body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD}
    before = User.objects.count()
    answer = post("/auth/signup", body | {name: wrong}, address)
    assert answer.status_code == 400, answer.content
    assert [error["field"] for error in answer.json()["errors"]] == [name]
    assert User.objects.count() == before
    assert post("/auth/signup", body | {"unknown": wrong}, address).status_code == 200


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/auth/login", "password"),
        ("/auth/password/request", "email"),
        ("/auth/password/reset", "key"),
        ("/auth/email/verify", "key"),
        ("/tokens/refresh", "refresh_token"),
    ],
)
def test_every_input_names_the_value_of_another_type(path: str, name: str, address: str) -> None:
    answer = post(path, {name: ["x"]}, address)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [name]


def test_an_address_becomes_primary_by_true_only(ada: User, address: str) -> None:
    client = Client(REMOTE_ADDR=address)
    login = client.post(
        f"{AUTH}/auth/login",
        {"username": ada.username, "password": PASSWORD},
        content_type="application/json",
    ).json()
    answer = client.patch(
        f"{AUTH}/account/email",
        {"email": ada.email, "primary": "no"},
        content_type="application/json",
        headers={"Authorization": f"Bearer {login['meta']['access_token']}"},
    )
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["primary"]
