"""Wrong codes of a second factor: who guesses waits, and the owner does not."""

from collections.abc import Callable
from typing import Any

import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_access_token
from django.test import Client
from limits import RateLimitItem

from tests.support.accounts import turn_totp_on
from tests.support.limits import new_address
from tests.support.staff import new_code, promote
from tests.users.conftest import PASSWORD, open_session
from users.models import User

pytestmark = pytest.mark.django_db
AUTH, ME = "/_allauth/app/v1", "/api/v1/users/me"
LIMITED = [400] * 5 + [429]


@pytest.fixture(autouse=True)
def other_limits_are_off(settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": None}


@pytest.fixture
def secret(ada: User) -> str:
    """Of ada's authenticator app."""
    return turn_totp_on(ada.pk)


def token_of(ada: User) -> dict[str, str]:
    """The header of a session in which ada has logged in."""
    token = create_access_token(ada, open_session(ada.pk), {})
    return {"Authorization": f"Bearer {token}"}


def log_in(client: Client, ada: User, code: str) -> Any:
    """Both steps; returns the answer to the code."""
    body = {"username": ada.username, "password": PASSWORD}
    pending = client.post(f"{AUTH}/auth/login", body, "application/json")
    assert pending.status_code == 401, pending.text
    session = {"X-Session-Token": pending.json()["meta"]["session_token"]}
    path = f"{AUTH}/auth/2fa/authenticate"
    return client.post(path, {"code": code}, "application/json", headers=session)


def guess(ada: User, address: str, times: int) -> list[int]:
    return [log_in(Client(REMOTE_ADDR=address), ada, "000000").status_code for _ in range(times)]


def reauthenticate(headers: dict[str, str], code: str) -> Any:
    path = f"{AUTH}/auth/2fa/reauthenticate"
    return Client().post(path, {"code": code}, "application/json", headers=headers)


def enrol(headers: dict[str, str], code: str) -> Any:
    path = f"{AUTH}/account/authenticators/totp"
    return Client().post(path, {"code": code}, "application/json", headers=headers)


def delete(headers: dict[str, str], code: str) -> Any:
    body = {"password": PASSWORD, "code": code}
    return Client().delete(ME, body, "application/json", headers=headers)


@pytest.mark.parametrize("way", [reauthenticate, delete])
def test_wrong_codes_with_a_stolen_token_do_not_make_the_owner_wait(
    ada: User, secret: str, way: Callable[[dict[str, str], str], Any]
) -> None:
    stolen, own = token_of(ada), token_of(ada)
    assert [way(stolen, "000000").status_code for _ in range(6)] == LIMITED
    refused = way(stolen, new_code(secret))
    assert refused.status_code == 429, "the right code too"
    assert refused["Content-Type"] == "application/problem+json"
    assert 1 <= int(refused["Retry-After"]) <= 300
    assert way(own, new_code(secret)).status_code in {200, 202}


@pytest.mark.parametrize("way", [reauthenticate, delete])
def test_a_session_guesses_few_codes_a_day_and_keeps_nobody_else_out(
    ada: User,
    secret: str,
    limited: Callable[[str, str], RateLimitItem],
    way: Callable[[dict[str, str], str], Any],
) -> None:
    limited("login_failed", "100 per 5 minutes")
    limited("login_device", "7/day")
    stolen, own = token_of(ada), token_of(ada)
    assert [way(stolen, "000000").status_code for _ in range(8)] == [400] * 7 + [429]
    assert int(way(stolen, new_code(secret))["Retry-After"]) > 3600
    assert way(own, new_code(secret)).status_code in {200, 202}


def test_wrong_first_codes_with_a_stolen_token_do_not_make_the_owner_wait(ada: User) -> None:
    stolen, own = token_of(ada), token_of(ada)
    path = f"{AUTH}/account/authenticators/totp"
    for headers in (stolen, own):
        assert Client().get(path, headers=headers).status_code == 404
    assert [enrol(stolen, "000000").status_code for _ in range(6)] == LIMITED
    assert enrol(own, "000000").status_code == 400


def test_wrong_codes_of_who_knows_the_password_do_not_make_the_owner_wait_elsewhere(
    ada: User, secret: str, address: str, elsewhere: str
) -> None:
    assert guess(ada, address, 6) == LIMITED
    assert log_in(Client(REMOTE_ADDR=address), ada, new_code(secret)).status_code == 429
    assert log_in(Client(REMOTE_ADDR=elsewhere), ada, new_code(secret)).status_code == 200


def test_wrong_codes_from_many_addresses_are_counted_together_and_a_known_device_passes(
    ada: User, secret: str, limited: Callable[[str, str], RateLimitItem], elsewhere: str
) -> None:
    limited("login_name", "8/hour")
    phone = Client(REMOTE_ADDR=elsewhere)
    with_app = log_in(phone, ada, new_code(secret))
    assert with_app.status_code == 200
    statuses = [status for _ in range(4) for status in guess(ada, new_address(), 2)]
    assert statuses == [400] * 8
    assert guess(ada, new_address(), 1) == [429]
    assert log_in(phone, ada, "000000").status_code == 400
    phone.cookies.clear()
    assert log_in(phone, ada, "000000").status_code == 429


def test_right_codes_and_passwords_use_up_nothing(ada: User, secret: str, address: str) -> None:
    assert guess(ada, address, 4) == [400] * 4
    assert log_in(Client(REMOTE_ADDR=address), ada, new_code(secret)).status_code == 200
    assert guess(ada, address, 2) == [400, 429]


def test_wrong_codes_at_the_admin_count_with_those_of_the_api_by_address(
    ada: User, secret: str, address: str, elsewhere: str
) -> None:
    promote(ada.pk, is_staff=True)

    def give_code(where: str, code: str) -> int:
        browser = Client(REMOTE_ADDR=where)
        body = {"username": ada.username, "password": PASSWORD}
        assert browser.post("/admin/login/", body).status_code == 302
        return browser.post("/admin/login/second-factor/", {"code": code}).status_code

    assert guess(ada, address, 2) == [400] * 2
    assert [give_code(address, "000000") for _ in range(4)] == [200] * 3 + [429]
    assert give_code(elsewhere, new_code(secret)) == 302


def test_wrong_codes_are_logged_with_their_address_and_neither_name_nor_code(
    ada: User, secret: str, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert guess(ada, address, 1) == [400]
    assert reauthenticate(token_of(ada), "000000").status_code == 400
    assert delete(token_of(ada), "000000").status_code == 400
    assert log_in(Client(REMOTE_ADDR=address), ada, new_code(secret)).status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("users")]
    assert lines == [f"A wrong code came from {place}." for place in (address, *["127.0.0.1"] * 2)]
    assert ada.username not in caplog.text
    assert "000000" not in caplog.text


@pytest.mark.parametrize("path", ["/auth/reauthenticate", "/account/password/change"])
def test_no_limit_of_wrong_passwords_is_one_for_all_sessions(ada: User, path: str) -> None:
    stolen, own = token_of(ada), token_of(ada)

    def send(headers: dict[str, str], password: str) -> int:
        key = "password" if path.endswith("reauthenticate") else "current_password"
        body = {key: password, "new_password": "high-tide-at-dusk"}
        answer = Client().post(AUTH + path, body, "application/json", headers=headers)
        return answer.status_code

    assert [send(stolen, "guess") for _ in range(12)] == LIMITED + [429] * 6
    assert send(own, PASSWORD) == 200
