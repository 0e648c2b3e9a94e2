"""Accounts over HTTP: sign-up, log-in, tokens and their end, mails, the second factor."""

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httpx
import jwt
import pytest
from allauth.headless.tokens.strategies.jwt.internal import create_token
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value

from tests.support.accounts import (
    AUTH,
    NEW_PASSWORD,
    Account,
    Tokens,
    answers,
    assert_ends,
    assert_problem,
    bearer,
    link_in_mail,
    log_in,
    send,
)
from tests.support.client import PASSWORD
from users.services import set_active


def test_signing_up_logs_in_and_the_username_is_lower_case_from_then_on(
    http: httpx.Client, unique: Callable[[str], str]
) -> None:
    typed = unique("Ada")
    response = send(
        http, "/auth/signup", username=typed, email=f"{typed}@example.org", password=PASSWORD
    )
    assert response.status_code == 200
    assert isinstance(response.json()["data"]["user"]["id"], str)
    shown = http.get("/api/v1/users/me", headers=bearer(response.json()["meta"])).json()
    assert shown["username"] == typed.lower()
    for who in ({"username": typed.upper()}, {"email": f"{typed}@EXAMPLE.org"}):
        assert answers(http, log_in(http, **who)) == [200, 200]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        pytest.param({"username": "{username}"}, "username", id="taken username"),
        pytest.param({"username": "{USERNAME}"}, "username", id="taken username, in capitals"),
        pytest.param({"email": "{email}"}, "email", id="taken e-mail address"),
        pytest.param({"username": "me"}, "username", id="reserved username"),
        pytest.param({"username": "ada lovelace"}, "username", id="username with a space"),
        pytest.param({"password": "12345678"}, "password", id="weak password"),
    ],
)
def test_a_refused_sign_up_names_the_field(
    http: httpx.Client, account: Account, unique: Callable[[str], str], change: Any, field: str
) -> None:
    name = unique("eve")
    known = {"username": account.username, "email": account.email}
    known["USERNAME"] = account.username.upper()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    body |= {key: value.format(**known) for key, value in change.items()}
    problem = assert_problem(send(http, "/auth/signup", **body), 400)
    assert {error["field"] for error in problem["errors"]} == {field}
    assert field in problem["detail"]


def test_a_wrong_password_and_an_unknown_user_get_the_same_answer(
    http: httpx.Client, account: Account, unique: Callable[[str], str]
) -> None:
    wrong = send(http, "/auth/login", username=account.username, password=NEW_PASSWORD)
    unknown = send(http, "/auth/login", username=unique("nobody"), password=PASSWORD)
    assert assert_problem(wrong, 400) == assert_problem(unknown, 400)


def test_a_refresh_gives_new_tokens_and_ends_the_old_refresh_token(
    http: httpx.Client, account: Account
) -> None:
    tokens = log_in(http, username=account.username)
    refreshed = send(http, "/tokens/refresh", refresh_token=tokens["refresh_token"])
    assert refreshed.status_code == 200
    new = refreshed.json()["data"]
    assert answers(http, new) == [200, 200]
    lost = send(http, "/tokens/refresh", refresh_token=tokens["refresh_token"])
    assert lost.json()["data"] == new, "a client that has lost the answer gets it again"
    assert send(http, "/tokens/refresh", refresh_token=new["refresh_token"]).status_code == 200


def test_logging_out_ends_this_session_and_no_other(
    http: httpx.Client, account: Account, measured: Callable[[str], None]
) -> None:
    phone, laptop = (log_in(http, username=account.username) for _ in range(2))
    ended = http.delete(f"{AUTH}/auth/session", headers=bearer(phone))
    assert (ended.status_code, ended.json()) == (200, {"status": 200})
    measured(f"ended {assert_ends(http, phone) * 1000:.0f} ms later")
    assert answers(http, laptop) == [200, 200]


def test_changing_the_password_ends_all_sessions_and_hands_out_new_tokens(
    http: httpx.Client, account: Account, measured: Callable[[str], None]
) -> None:
    phone, laptop = (log_in(http, username=account.username) for _ in range(2))
    refreshed = send(http, "/tokens/refresh", refresh_token=laptop["refresh_token"]).json()["data"]
    changed = send(
        http,
        "/account/password/change",
        phone,
        current_password=PASSWORD,
        new_password=NEW_PASSWORD,
    )
    assert changed.status_code == 200
    for tokens in (phone, laptop, refreshed):
        measured(f"ended {assert_ends(http, tokens) * 1000:.0f} ms later")
    new = changed.json()["meta"]
    assert answers(http, new) == [200, 200]
    assert send(http, "/tokens/refresh", refresh_token=new["refresh_token"]).status_code == 200
    refused = send(http, "/auth/login", username=account.username, password=PASSWORD)
    assert_problem(refused, 400)


def test_a_password_is_reset_by_mail_and_that_ends_all_sessions(
    http: httpx.Client, account: Account, measured: Callable[[str], None]
) -> None:
    tokens = log_in(http, username=account.username)
    assert send(http, "/auth/password/request", email=account.email).status_code == 200
    link = link_in_mail(account.email, "/account/password-reset")
    page = http.get(link)
    assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    key = unquote(link.rsplit("/", 1)[1])
    assert_problem(send(http, "/auth/password/reset", key=key, password="12345678"), 400)
    # 401: the password is reset, and nobody is logged in.
    assert_problem(send(http, "/auth/password/reset", key=key, password=NEW_PASSWORD), 401)
    measured(f"ended {assert_ends(http, tokens) * 1000:.0f} ms later")
    assert_problem(send(http, "/auth/password/reset", key=key, password=PASSWORD), 400)
    new = log_in(http, email=account.email, password=NEW_PASSWORD)
    assert answers(http, new) == [200, 200]


def test_a_deactivated_account_is_refused_at_once_and_may_log_in_when_reactivated(
    http: httpx.Client, account: Account, measured: Callable[[str], None]
) -> None:
    tokens = log_in(http, username=account.username)
    set_active(user_ids=[account.id], active=False)
    measured(f"ended {assert_ends(http, tokens) * 1000:.0f} ms later")
    refused = send(http, "/auth/login", username=account.username, password=PASSWORD)
    assert "suspended" in assert_problem(refused, 403)["detail"]
    wrong = send(http, "/auth/login", username=account.username, password=NEW_PASSWORD)
    assert_problem(wrong, 400), "only the right password is told so"
    set_active(user_ids=[account.id], active=True)
    assert answers(http, tokens) == [401, 401], "what has ended stays ended"
    assert answers(http, log_in(http, username=account.username)) == [200, 200]


def forged(tokens: Tokens, *, key: str | None) -> str:
    """The access token, signed with another key (None: not signed)."""
    payload = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    return jwt.encode(payload, key or "", algorithm="HS256" if key else "none")


def expired(tokens: Tokens) -> str:
    payload = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    token, _ = create_token("access", sub=payload["sub"], sid=payload["sid"], expires_in=-1)
    return str(token)


def of_somebody_else(tokens: Tokens) -> str:
    payload = jwt.decode(tokens["access_token"], options={"verify_signature": False})
    token, _ = create_token("access", sub="1", sid=payload["sid"], expires_in=60)
    return str(token)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda tokens: forged(tokens, key="another" * 6), id="another key"),
        pytest.param(lambda tokens: forged(tokens, key=None), id="no signature"),
        pytest.param(expired, id="expired"),
        pytest.param(of_somebody_else, id="another user's session"),
        pytest.param(lambda tokens: tokens["refresh_token"], id="a refresh token"),
        pytest.param(lambda tokens: tokens["session_token"], id="a session token"),
        pytest.param(lambda tokens: tokens["access_token"][:-9], id="cut short"),
    ],
)
def test_a_token_that_is_not_a_living_access_token_is_refused(
    http: httpx.Client, account: Account, spoil: Callable[[Tokens], str]
) -> None:
    tokens = log_in(http, username=account.username)
    spoiled = {"access_token": spoil(tokens)}
    for method in ("GET", "PATCH"):
        response = http.request(method, "/api/v1/users/me", headers=bearer(spoiled))
        assert_problem(response, 401)
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert answers(http, tokens) == [200, 200], "the sound token works"


def test_an_address_is_verified_by_the_key_in_the_mail(
    http: httpx.Client, unique: Callable[[str], str]
) -> None:
    name = unique("bob")
    address = f"{name}@example.org"
    response = send(http, "/auth/signup", username=name, email=address, password=PASSWORD)
    tokens = response.json()["meta"]

    def verified() -> bool:
        shown = http.get(f"{AUTH}/account/email", headers=bearer(tokens)).json()["data"]
        return bool(shown[0]["verified"])

    assert not verified()
    refused = http.get(f"{AUTH}/account/authenticators/totp", headers=bearer(tokens))
    assert_problem(refused, 409)
    link = link_in_mail(address, "/account/verify-email")
    assert http.get(link).status_code == 200
    assert not verified(), "opening the page verifies nothing"
    key = unquote(link.rsplit("/", 1)[1])
    assert_problem(send(http, "/auth/email/verify", key=key[:-1]), 400)
    assert send(http, "/auth/email/verify", tokens, key=key).status_code == 200
    assert verified()


def test_with_a_second_factor_a_password_is_not_enough(
    http: httpx.Client, account: Account
) -> None:
    tokens = log_in(http, username=account.username)
    offered = http.get(f"{AUTH}/account/authenticators/totp", headers=bearer(tokens))
    secret = assert_problem(offered, 404)["meta"]["secret"]
    assert_problem(send(http, "/account/authenticators/totp", tokens, code="000000x"), 400)
    code = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    problem = assert_problem(send(http, "/account/authenticators/totp", tokens, code=code), 401)
    assert [flow["id"] for flow in problem["data"]["flows"]] == ["reauthenticate"]
    again = send(http, "/auth/reauthenticate", tokens, password=PASSWORD)
    assert again.status_code == 200
    assert send(http, "/account/authenticators/totp", tokens, code=code).status_code == 200
    listed = http.get(f"{AUTH}/account/authenticators/recovery-codes", headers=bearer(tokens))
    codes = listed.json()["data"]["unused_codes"]
    assert len(set(codes)) == 10

    for factor in (code, codes[0]):
        pending = send(http, "/auth/login", username=account.username, password=PASSWORD)
        problem = assert_problem(pending, 401)
        flow = next(flow for flow in problem["data"]["flows"] if flow.get("is_pending"))
        assert flow["id"] == "mfa_authenticate"
        assert "access_token" not in problem["meta"]
        session = {"X-Session-Token": problem["meta"]["session_token"]}
        wrong = http.post(f"{AUTH}/auth/2fa/authenticate", json={"code": "1"}, headers=session)
        assert_problem(wrong, 400)
        right = http.post(f"{AUTH}/auth/2fa/authenticate", json={"code": factor}, headers=session)
        assert answers(http, right.json()["meta"]) == [200, 200]
        methods = {method["method"]: method for method in right.json()["data"]["methods"]}
        assert isinstance(methods["mfa"]["id"], str)


def test_over_a_rate_limit_the_answer_is_a_problem_that_says_when_to_come_back(
    http: httpx.Client, account: Account
) -> None:
    statuses = [
        send(http, "/auth/password/request", email=account.email).status_code for _ in range(5)
    ]
    assert statuses == [200] * 5
    response = send(http, "/auth/password/request", email=account.email)
    assert_problem(response, 429)
    assert int(response.headers["Retry-After"]) > 0
