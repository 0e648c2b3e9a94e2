"""The cookie of a browser's refresh token: who gets it, what it opens, and when it is cleared."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.support.accounts import bearer, end_grace, totp_code, turn_totp_on
from tests.support.limits import new_address
from tests.users.conftest import PASSWORD
from users.accounts.refresh_cookie import HEADER, PATH
from users.accounts.refresh_tokens import exchange_refresh_token
from users.models import User
from users.sessions import list_sessions

pytestmark = pytest.mark.django_db
AUTH, ME = "/_allauth/app/v1", "/api/v1/users/me"
COOKIE = "refresh_token"
REFRESH, LOG_OUT = ("POST", "/tokens/refresh"), ("DELETE", "/auth/session")
# What a script reads of an answer to a log-in.
READABLE = {"is_authenticated", "access_token"}


@pytest.fixture
def browser(address: str) -> Client:
    """A client that keeps its cookies, and sends them to every address."""
    return Client(REMOTE_ADDR=address)


def send(
    browser: Client,
    request: tuple[str, str],
    body: Any = None,
    asks: str | None = "1",
    **headers: str,
) -> Any:
    """Send a request; `asks`: the header that asks for the cookie."""
    method, path = request
    sent = headers | ({} if asks is None else {HEADER: asks})
    content = json.dumps(body or {})
    return browser.generic(method, AUTH + path, content, "application/json", headers=sent)


def log_in(browser: Client, user: User, asks: str | None = "1") -> Any:
    body = {"username": user.username, "password": PASSWORD}
    return send(browser, ("POST", "/auth/login"), body, asks)


def by_password(browser: Client, ada: User, name: str) -> Any:
    return log_in(browser, ada)


def by_sign_up(browser: Client, ada: User, name: str) -> Any:
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    return send(browser, ("POST", "/auth/signup"), body)


def by_code(browser: Client, ada: User, name: str) -> Any:
    secret = turn_totp_on(ada.pk)
    pending = log_in(browser, ada)
    assert (pending.status_code, COOKIE in pending.cookies) == (401, False)
    half = {"X-Session-Token": pending.json()["meta"]["session_token"]}
    answer = send(browser, ("POST", "/auth/2fa/authenticate"), {"code": totp_code(secret)}, **half)
    ended = send(browser, ("GET", "/auth/session"), **half)
    assert ended.status_code == 410, "what half a log-in needs opens nothing after it"
    return answer


def by_new_password(browser: Client, ada: User, name: str) -> Any:
    tokens = bearer(log_in(browser, ada).json()["meta"])
    body = {"current_password": PASSWORD, "new_password": "high-tide-at-dusk"}
    return send(browser, ("POST", "/account/password/change"), body, **tokens)


def is_cleared(answer: Any) -> bool:
    cookie = answer.cookies[COOKIE]
    return (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, PATH)


def test_no_script_reads_the_cookie_and_it_is_sent_to_these_endpoints_by_this_site_only(
    browser: Client, ada: User
) -> None:
    answer = log_in(browser, ada)
    cookie = answer.cookies[COOKIE]
    assert {name: value for name, value in cookie.items() if value and name != "expires"} == {
        "path": "/_allauth/app/v1/",
        "max-age": 30 * 24 * 3600,
        "httponly": True,
        "samesite": "Strict",
    }
    (session,) = list_sessions(user_id=ada.pk)
    for lasting in (cookie.value, answer.cookies["device"].value, session.session_key):
        assert lasting not in answer.text


def test_with_https_the_cookie_is_secure_when_it_is_set_and_when_it_is_cleared(
    browser: Client, ada: User, settings: Any
) -> None:
    settings.SESSION_COOKIE_SECURE = True
    settings.REFRESH_COOKIE_NAME = "__Secure-refresh_token"
    for answer in (log_in(browser, ada), send(browser, LOG_OUT)):
        assert answer.cookies["__Secure-refresh_token"]["secure"]


@pytest.mark.parametrize("way", [by_password, by_sign_up, by_code, by_new_password])
def test_whatever_logs_in_gives_scripts_an_access_token_only_and_a_refresh_too(
    browser: Client, ada: User, unique: Callable[[str], str], way: Callable[..., Any]
) -> None:
    answer = way(browser, ada, unique("eve"))
    assert answer.status_code == 200, answer.text
    assert answer.json()["meta"].keys() == READABLE
    cookies = [answer.cookies[COOKIE].value]
    for _ in range(2):
        refreshed = send(browser, REFRESH)
        assert refreshed.status_code == 200, refreshed.text
        assert refreshed.json().keys() == {"status", "data"}
        assert refreshed.json()["data"].keys() == {"access_token"}
        cookies.append(refreshed.cookies[COOKIE].value)
        shown = browser.get(ME, headers=bearer(refreshed.json()["data"]))
        assert shown.status_code == 200
    assert len({*cookies}) == 3


def test_without_the_header_the_cookie_is_neither_set_nor_read_nor_cleared(
    browser: Client, ada: User
) -> None:
    log_in(browser, ada)
    token = browser.cookies[COOKIE].value
    refreshed = send(browser, REFRESH, asks=None)
    assert refreshed.status_code == 400
    assert [error["field"] for error in refreshed.json()["errors"]] == ["refresh_token"]
    logged_out = send(browser, LOG_OUT, asks=None)
    assert logged_out.status_code == 401
    app = log_in(browser, ada, asks=None)
    assert app.json()["meta"].keys() - READABLE == {
        *("refresh_token", "session_token", "device_token")
    }
    assert not any(COOKIE in answer.cookies for answer in (refreshed, logged_out, app))
    assert exchange_refresh_token(token=token), "its session is alive"


def test_a_script_gets_no_lasting_token_for_its_access_token(browser: Client, ada: User) -> None:
    tokens = bearer(log_in(browser, ada).json()["meta"])
    for request in (("GET", "/auth/session"), ("POST", "/auth/reauthenticate")):
        answer = send(browser, request, {"password": PASSWORD}, asks=None, **tokens)
        assert answer.status_code == 200
        assert answer.json()["meta"].keys() == {"is_authenticated"}


def test_tabs_that_refresh_with_one_cookie_get_one_pair(browser: Client, ada: User) -> None:
    log_in(browser, ada)
    token, pairs = browser.cookies[COOKIE].value, set()
    for _ in range(3):
        browser.cookies[COOKIE] = token
        answer = send(browser, REFRESH)
        pairs.add((answer.json()["data"]["access_token"], answer.cookies[COOKIE].value))
    assert len(pairs) == 1


def test_an_old_cookie_ends_the_session_and_is_cleared(browser: Client, ada: User) -> None:
    log_in(browser, ada)
    old = browser.cookies[COOKIE].value
    assert send(browser, REFRESH).status_code == 200
    end_grace(old)
    thief = Client()
    thief.cookies[COOKIE] = old
    for client in (thief, browser):
        answer = send(client, REFRESH)
        assert answer.status_code == 400
        assert is_cleared(answer)
    assert list_sessions(user_id=ada.pk) == []


@pytest.mark.parametrize("value", [None, "", "garbage"])
def test_without_a_valid_cookie_a_refresh_is_refused_and_one_that_is_there_is_cleared(
    browser: Client, value: str | None
) -> None:
    if value is not None:
        browser.cookies[COOKIE] = value
    answer = send(browser, REFRESH)
    assert (answer.status_code, COOKIE in answer.cookies) == (400, bool(value))
    assert not value or is_cleared(answer)
    bad = send(browser, REFRESH, {"refresh_token": "garbage"}, asks=None)
    assert answer.json() == bad.json()


@pytest.mark.parametrize("place", ["cookie", "body"])
def test_refreshes_with_a_token_are_limited_by_address_and_those_of_visitors_are_not(
    browser: Client, elsewhere: str, limited: Callable[[str, str], Any], place: str
) -> None:
    limited("refresh", "1/minute")

    def asks(client: Client) -> int:
        if place == "body":
            body = {"refresh_token": "garbage"}
            return int(send(client, REFRESH, body, asks=None).status_code)
        client.cookies[COOKIE] = "garbage"
        return int(send(client, REFRESH).status_code)

    assert [send(browser, REFRESH).status_code for _ in range(3)] == [400] * 3
    assert [asks(browser) for _ in range(2)] == [400, 429]
    assert asks(Client(REMOTE_ADDR=elsewhere)) == 400
    browser.cookies.clear()
    assert send(browser, REFRESH).status_code == 400


def test_while_state_is_down_a_visitor_is_told_that_there_is_no_token(
    browser: Client, closed_state: None
) -> None:
    assert send(browser, REFRESH).status_code == 400
    browser.cookies[COOKIE] = "garbage"
    assert send(browser, REFRESH).status_code == 503


def test_a_token_in_the_body_counts_first_and_moves_into_the_cookie(
    browser: Client, ada: User
) -> None:
    token = log_in(browser, ada, asks=None).json()["meta"]["refresh_token"]
    browser.cookies[COOKIE] = "garbage"
    answer = send(browser, REFRESH, {"refresh_token": token})
    assert answer.json()["data"].keys() == {"access_token"}
    assert send(browser, REFRESH).status_code == 200


def test_a_request_that_is_malformed_leaves_the_cookie(browser: Client, ada: User) -> None:
    log_in(browser, ada)
    for body in ("{", '{"refresh_token": 1}'):
        answer = browser.post(
            f"{AUTH}/tokens/refresh", body, "application/json", headers={HEADER: "1"}
        )
        assert (answer.status_code, COOKIE in answer.cookies) == (400, False)
    assert send(browser, REFRESH).status_code == 200


@pytest.mark.parametrize("shown", ["cookie alone", "both", "access token of another session"])
def test_a_log_out_ends_the_session_of_the_cookie_and_clears_it(
    browser: Client, ada: User, shown: str
) -> None:
    other = log_in(Client(REMOTE_ADDR=new_address()), ada, asks=None).json()["meta"]
    mine = log_in(browser, ada).json()["meta"]
    headers = {} if shown == "cookie alone" else bearer(mine if shown == "both" else other)
    answer = send(browser, LOG_OUT, **headers)
    assert (answer.status_code, answer.json()) == (200, {"status": 200})
    assert is_cleared(answer)
    left = 0 if shown == "access token of another session" else 1
    assert len(list_sessions(user_id=ada.pk)) == left
    assert browser.get(ME, headers=bearer(mine)).status_code == 401
    again = send(browser, LOG_OUT)
    assert (again.status_code, is_cleared(again)) == (401, True)


@pytest.mark.parametrize("value", ["", "0", "true"])
def test_another_value_of_the_header_is_refused_and_logs_nobody_in(
    browser: Client, ada: User, value: str
) -> None:
    answer = log_in(browser, ada, asks=value)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [HEADER]
    assert list_sessions(user_id=ada.pk) == []
