"""A browser logs in, is reloaded and logs out; another site tries to use its cookie.

Its refresh token is in a cookie. Whoever asks for the cookie sends the header ASKS.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.accounts import (
    AUTH,
    Account,
    answers,
    assert_problem,
    bearer,
    end_grace,
    totp_code,
    turn_totp_on,
)
from tests.support.client import PASSWORD, http_client

ASKS = {"X-Refresh-Cookie": "1"}
COOKIE = "refresh_token"
REFRESH, LOG_OUT = f"{AUTH}/tokens/refresh", f"{AUTH}/auth/session"
EVIL, NAMED = "https://evil.example.org", "https://app.example.org"
TABS = 8


def log_in(http: httpx.Client, account: Account) -> httpx.Response:
    body = {"username": account.username, "password": PASSWORD}
    return http.post(f"{AUTH}/auth/login", json=body, headers=ASKS)


def refresh(http: httpx.Client) -> Any:
    """The new tokens that the page gets when it is loaded again."""
    answer = http.post(REFRESH, headers=ASKS)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_a_browser_logs_in_is_reloaded_and_logs_out(http: httpx.Client, account: Account) -> None:
    answer = log_in(http, account)
    assert answer.status_code == 200, answer.text
    (line,) = (one for one in answer.headers.get_list("Set-Cookie") if one.startswith(COOKIE))
    value, *attributes = line.split("; ")
    assert {one for one in attributes if not one.startswith("expires=")} == {
        *("HttpOnly", "Max-Age=2592000", f"Path={AUTH}/", "SameSite=Strict")
    }
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.json()["meta"].keys() == {"is_authenticated", "access_token"}
    assert value.partition("=")[2] not in answer.text
    assert answers(http, answer.json()["meta"]) == [200, 200]
    assert COOKIE not in http.build_request("GET", "/api/v1/users/me").headers.get("Cookie", "")

    seen = {http.cookies[COOKIE]}
    for _ in range(3):
        tokens = refresh(http)
        assert tokens.keys() == {"access_token"}
        assert answers(http, tokens) == [200, 200]
        seen.add(http.cookies[COOKIE])
    assert len(seen) == 4

    ended = http.delete(LOG_OUT, headers=ASKS | bearer(tokens))
    assert (ended.status_code, ended.json()) == (200, {"status": 200})
    assert COOKIE not in http.cookies
    assert answers(http, tokens) == [401, 401]
    for value in seen:
        assert_problem(http.post(REFRESH, headers=ASKS | {"Cookie": f"{COOKIE}={value}"}), 400)


def test_with_a_second_factor_the_cookie_comes_after_the_code(
    http: httpx.Client, account: Account
) -> None:
    secret = turn_totp_on(account.id)
    problem = assert_problem(log_in(http, account), 401)
    assert COOKIE not in http.cookies
    half = ASKS | {"X-Session-Token": problem["meta"]["session_token"]}
    path, body = f"{AUTH}/auth/2fa/authenticate", {"code": totp_code(secret)}
    answer = http.post(path, json=body, headers=half)
    assert answer.json()["meta"].keys() == {"is_authenticated", "access_token"}
    assert answers(http, refresh(http)) == [200, 200]


def test_an_expired_access_token_is_no_hindrance_to_a_log_out(
    http: httpx.Client, account: Account
) -> None:
    tokens = log_in(http, account).json()["meta"]
    assert http.delete(LOG_OUT, headers=ASKS | {"Authorization": "Bearer x"}).status_code == 200
    assert answers(http, tokens) == [401, 401]


def test_tabs_that_refresh_at_once_share_one_pair(
    stack: Stack, http: httpx.Client, account: Account
) -> None:
    log_in(http, account)
    start, cookie = Barrier(TABS), {"Cookie": f"{COOKIE}={http.cookies[COOKIE]}"}

    def load(_: int) -> tuple[str, str]:
        with http_client(stack.layout.public_origin) as tab:
            start.wait()
            tokens = tab.post(REFRESH, headers=ASKS | cookie).json()["data"]
            return tokens["access_token"], tab.cookies[COOKIE]

    with ThreadPoolExecutor(TABS) as threads:
        pairs = set(threads.map(load, range(TABS)))
    assert len(pairs) == 1
    assert answers(http, {"access_token": pairs.pop()[0]}) == [200, 200]


def test_a_stolen_cookie_that_is_used_after_its_owner_ends_the_session(
    stack: Stack, http: httpx.Client, account: Account
) -> None:
    log_in(http, account)
    stolen = http.cookies[COOKIE]
    tokens = refresh(http)
    end_grace(stolen)
    with http_client(stack.layout.public_origin) as thief:
        refused = thief.post(REFRESH, headers=ASKS | {"Cookie": f"{COOKIE}={stolen}"})
    assert_problem(refused, 400)
    assert answers(http, tokens) == [401, 401]
    assert_problem(http.post(REFRESH, headers=ASKS), 400)
    assert COOKIE not in http.cookies


def test_a_refresh_without_a_cookie_takes_away_none(http: httpx.Client) -> None:
    """Another tab may have got one while this request was on its way."""
    refused = http.post(REFRESH, headers=ASKS)
    assert_problem(refused, 400)
    assert "Set-Cookie" not in refused.headers


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "application/json"]
)
def test_what_another_site_can_send_does_nothing_though_the_cookie_came_with_it(
    http: httpx.Client, account: Account, content_type: str
) -> None:
    """A browser that knows SameSite does not even send the cookie."""
    tokens = log_in(http, account).json()["meta"]
    before = http.cookies[COOKIE]
    forged = {"Origin": EVIL, "Content-Type": content_type, "Sec-Fetch-Site": "cross-site"}
    for method, path in (("POST", REFRESH), ("DELETE", LOG_OUT), ("POST", LOG_OUT)):
        for content in ("{}", "refresh_token="):
            answer = http.request(method, path, headers=forged, content=content)
            assert answer.status_code in (400, 401, 405), (method, path)
            assert "Set-Cookie" not in answer.headers
            assert "access_token" not in answer.text
            assert "Access-Control-Allow-Origin" not in answer.headers
    assert http.cookies[COOKIE] == before
    assert answers(http, tokens) == [200, 200]
    assert answers(http, refresh(http)) == [200, 200]


@pytest.mark.parametrize("origin", [EVIL, NAMED])
@pytest.mark.parametrize(("method", "path"), [("POST", REFRESH), ("DELETE", LOG_OUT)])
def test_scripts_of_no_other_origin_may_ask_for_the_cookie(
    http: httpx.Client, origin: str, method: str, path: str
) -> None:
    """NAMED is in CORS_ALLOWED_ORIGINS: it may send all other headers of the API."""
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "content-type,x-refresh-cookie",
    }
    answer = http.options(path, headers=asked)
    allowed = answer.headers.get("Access-Control-Allow-Headers", "").lower()
    assert ("content-type" in allowed) == (origin == NAMED)
    assert "refresh" not in allowed
    assert "*" not in allowed
    assert "Access-Control-Allow-Credentials" not in answer.headers
