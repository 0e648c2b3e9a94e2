"""Wrong passwords: a guesser is slowed down, wherever they are, and the owner is not locked out."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings as django_settings
from django.test import Client, RequestFactory
from limits import RateLimitItem

from core.http.limits.counting import limit_key
from core.valkey import state_valkey
from tests.support.limits import new_address
from tests.users.conftest import PASSWORD
from users.accounts.devices import COOKIE, HEADER
from users.accounts.login_limits import _digest, forget_failures
from users.models import User

pytestmark = pytest.mark.django_db
Limited = Callable[[str, str], RateLimitItem]
NEW_PASSWORD = "high-tide-at-dusk"
LOG_IN = "/_allauth/app/v1/auth/login"


@pytest.fixture(autouse=True)
def other_limits_are_off(settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "login": None}


def log_in(client: Client, name: str, password: str = PASSWORD) -> Any:
    body = {"email" if "@" in name else "username": name, "password": password}
    return client.post(LOG_IN, body, content_type="application/json")


def guess(name: str, address: str, times: int) -> list[int]:
    stranger = Client(REMOTE_ADDR=address)
    return [log_in(stranger, name, f"wrong-{number}").status_code for number in range(times)]


def test_after_five_wrong_passwords_an_address_waits_and_the_owner_elsewhere_does_not(
    ada: User, address: str, elsewhere: str
) -> None:
    assert guess(ada.username, address, 6) == [400] * 5 + [429]
    refused = log_in(Client(REMOTE_ADDR=address), ada.username)
    assert refused.status_code == 429, "the right password too"
    assert refused["Content-Type"] == "application/problem+json"
    assert 1 <= int(refused["Retry-After"]) <= 300
    assert log_in(Client(REMOTE_ADDR=elsewhere), ada.username).status_code == 200


def test_a_known_device_logs_in_from_the_address_of_a_guesser(ada: User, address: str) -> None:
    phone = Client(REMOTE_ADDR=address)
    assert log_in(phone, ada.username).status_code == 200
    guess(ada.username, address, 6)
    assert log_in(phone, ada.username.upper()).status_code == 200
    assert log_in(phone, ada.email).status_code == 200


def test_guesses_from_many_addresses_are_counted_together_and_a_known_device_passes(
    ada: User, limited: Limited, elsewhere: str
) -> None:
    limited("login_name", "8/hour")
    phone = Client(REMOTE_ADDR=elsewhere)
    assert log_in(phone, ada.username).status_code == 200
    statuses = [status for _ in range(4) for status in guess(ada.username, new_address(), 2)]
    assert statuses == [400] * 8
    assert guess(ada.username, new_address(), 1) == [429]
    assert log_in(Client(REMOTE_ADDR=new_address()), ada.username).status_code == 429
    assert log_in(phone, ada.username).status_code == 200


def test_an_app_without_cookies_is_known_by_the_token_in_the_answer(
    ada: User, address: str
) -> None:
    def log_in_with(**headers: str) -> Any:
        body = {"username": ada.username, "password": PASSWORD}
        phone = Client(REMOTE_ADDR=address)
        return phone.post(LOG_IN, body, "application/json", headers=headers)

    answer = log_in_with()
    token = answer.json()["meta"]["device_token"]
    assert token == answer.cookies[COOKIE].value
    guess(ada.username, address, 6)
    assert log_in_with().status_code == 429
    assert log_in_with(**{HEADER: token + "x"}).status_code == 429
    assert log_in_with(**{HEADER: token}).status_code == 200


def test_a_known_device_may_not_guess_for_ever_either(ada: User, address: str) -> None:
    phone = Client(REMOTE_ADDR=address)
    assert log_in(phone, ada.username).status_code == 200
    statuses = [log_in(phone, ada.username, f"wrong-{n}").status_code for n in range(6)]
    assert statuses == [400] * 5 + [429]
    assert log_in(Client(REMOTE_ADDR=address), ada.username).status_code == 200


def test_a_known_device_guesses_few_passwords_a_day_and_keeps_nobody_else_out(
    ada: User, limited: Limited, address: str
) -> None:
    daily = django_settings.RATE_LIMITS["login_device"]
    assert daily is not None
    assert (daily.amount, daily.get_expiry()) == (30, 24 * 3600)
    limited("login_failed", "100 per 5 minutes")
    limited("login_device", "7/day")
    phone, tablet = Client(REMOTE_ADDR=address), Client(REMOTE_ADDR=address)
    for device in (phone, tablet):
        assert log_in(device, ada.username).status_code == 200
    statuses = [log_in(phone, ada.username, f"wrong-{n}").status_code for n in range(8)]
    assert statuses == [400] * 7 + [429]
    refused = log_in(phone, ada.username)
    assert refused.status_code == 429, "the right password too"
    assert int(refused["Retry-After"]) > 3600
    for device in (tablet, Client(REMOTE_ADDR=address)):
        assert log_in(device, ada.username).status_code == 200


def test_all_names_of_an_account_count_together(ada: User, address: str) -> None:
    EmailAddress.objects.create(user=ada, email="second@example.org", verified=True)
    names = [ada.username, ada.email.upper(), "second@example.org", ada.username.upper()]
    assert [guess(name, address, 1) for name in names] == [[400]] * 4
    assert guess(ada.username, address, 2) == [400, 429]


def test_a_new_password_makes_all_devices_unknown_and_log_ins_make_no_more_devices(
    ada: User, address: str
) -> None:
    phone = Client(REMOTE_ADDR=address)
    assert log_in(phone, ada.username).status_code == 200
    first = phone.cookies[COOKIE].value
    assert log_in(phone, ada.username).status_code == 200
    assert phone.cookies[COOKIE].value.split(".")[1] == first.split(".")[1]
    ada.set_password(NEW_PASSWORD)
    ada.save()
    guess(ada.username, address, 5)
    assert log_in(phone, ada.username, NEW_PASSWORD).status_code == 429


def test_right_passwords_use_up_nothing(ada: User, address: str) -> None:
    for _ in range(7):
        assert log_in(Client(REMOTE_ADDR=address), ada.username).status_code == 200
    assert guess(ada.username, address, 5) == [400] * 5


@pytest.fixture
def other(alice: int) -> User:
    """Another account, with the same password."""
    user = User.objects.get(pk=alice)
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.mark.parametrize("spoil", ["", "x" * 40, "another account"])
def test_a_cookie_that_is_not_of_this_account_makes_no_known_device(
    ada: User, other: User, address: str, spoil: str
) -> None:
    client = Client(REMOTE_ADDR=address)
    assert log_in(client, other.username).status_code == 200
    if spoil != "another account":
        client.cookies[COOKIE] = spoil
    guess(ada.username, address, 5)
    assert log_in(client, ada.username).status_code == 429


@pytest.mark.parametrize("valid", ["cookie", "header"])
def test_a_token_of_another_account_hides_none_of_this_one(
    ada: User, other: User, address: str, valid: str
) -> None:
    tokens = [
        log_in(Client(REMOTE_ADDR=address), user.username).cookies[COOKIE].value
        for user in (ada, other)
    ]
    cookie, header = tokens if valid == "cookie" else reversed(tokens)
    guess(ada.username, address, 6)
    phone = Client(REMOTE_ADDR=address, headers={HEADER: header})
    phone.cookies[COOKIE] = cookie
    assert log_in(phone, ada.username).status_code == 200


def test_the_cookie_is_sent_to_the_log_in_only_and_no_script_reads_it(
    ada: User, address: str
) -> None:
    cookie = log_in(Client(REMOTE_ADDR=address), ada.username).cookies[COOKIE]
    assert (cookie["path"], cookie["httponly"], cookie["samesite"]) == ("/_allauth/", True, "Lax")


def test_who_has_reset_the_password_may_use_it(ada: User, address: str) -> None:
    guess(ada.username, address, 6)
    forget_failures(request=RequestFactory(REMOTE_ADDR=address).get("/"), user_id=ada.pk)
    assert log_in(Client(REMOTE_ADDR=address), ada.username).status_code == 200


def test_names_of_any_length_make_keys_of_one_length(address: str) -> None:
    limit = django_settings.RATE_LIMITS["login_failed"]
    assert limit is not None
    name = "x" * 5000
    guess(name, address, 1)
    key = limit_key("login_failed", limit, _digest(f"name {name}", address))
    assert len(key) < 100
    assert state_valkey().llen(key) == 1


def test_log_ins_and_wrong_passwords_are_logged_with_their_address_and_no_name(
    ada: User, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "users"):
        guess(ada.username, address, 1)
        assert log_in(Client(REMOTE_ADDR=address), ada.username).status_code == 200
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("users")]
    assert lines == [
        f"A wrong name or password came from {address}.",
        f"User {ada.pk} logged in from {address}.",
    ]
    assert ada.username not in caplog.text
