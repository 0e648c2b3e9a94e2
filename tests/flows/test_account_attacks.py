"""What an attacker tries with accounts, over HTTP: races, stolen tokens, strange bodies."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from allauth.account.models import EmailAddress

from devstack.lifecycle import Stack
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
    mails_to,
    send,
    totp_code,
    turn_totp_on,
)
from tests.support.client import PASSWORD, http_client, wait_until
from users.models import User
from users.services import ensure_account, set_active

ROUNDS = 8
ME = "/api/v1/users/me"


@pytest.mark.parametrize("shared", ["username", "email"])
def test_of_two_sign_ups_at_once_one_succeeds_and_the_other_is_told_why(
    stack: Stack, committed: None, unique: Callable[[str], str], shared: str
) -> None:
    with (
        http_client(stack.layout.public_origin) as one,
        http_client(stack.layout.public_origin) as other,
        ThreadPoolExecutor(2) as threads,
    ):
        for _ in range(ROUNDS):
            start, wanted = Barrier(2), unique("wanted")

            def sign_up(client: httpx.Client, own: str) -> httpx.Response:
                body = {"username": own, "email": f"{own}@example.org", "password": PASSWORD}
                body[shared] = wanted if shared == "username" else f"{wanted}@EXAMPLE.org"  # noqa: B023
                start.wait()  # noqa: B023  (this round's)
                return client.post(f"{AUTH}/auth/signup", json=body)

            names = [unique("ada"), unique("eve")]
            refused, made = sorted(
                threads.map(sign_up, [one, other], names),
                key=lambda response: -response.status_code,
            )
            assert made.status_code == 200, made.text
            problem = assert_problem(refused, 400)
            assert [error["field"] for error in problem["errors"]] == [shared]
            assert problem["errors"][0]["code"] == f"{shared}_taken"
            found = User.objects.filter(**{f"{shared}__istartswith": wanted})
            assert found.count() == 1


def test_a_stolen_access_token_changes_neither_address_nor_password_nor_second_factor(
    http: httpx.Client, account: Account, unique: Callable[[str], str]
) -> None:
    stolen = log_in(http, username=account.username)
    turn_totp_on(account.id)
    thief = f"{unique('thief')}@example.org"
    email = f"{AUTH}/account/email"
    attempts = [
        ("POST", email, {"email": thief}),
        ("PATCH", email, {"email": account.email, "primary": True}),
        ("POST", f"{AUTH}/account/authenticators/totp", {"code": "000000"}),
        ("DELETE", f"{AUTH}/account/authenticators/totp", {}),
        ("POST", f"{AUTH}/account/authenticators/recovery-codes", {}),
        ("GET", f"{AUTH}/account/authenticators/recovery-codes", {}),
    ]
    for method, path, body in attempts:
        answer = http.request(method, path, json=body, headers=bearer(stolen))
        assert answer.status_code in {400, 401, 404}, (method, path, answer.text)
    changed = send(
        http, "/account/password/change", stolen, current_password="", new_password=NEW_PASSWORD
    )
    assert_problem(changed, 400)
    for body in ({}, {"password": ""}, {"password": NEW_PASSWORD}):
        deleted = http.request("DELETE", ME, json=body, headers=bearer(stolen))
        assert_problem(deleted, 400)
    listed = http.get(email, headers=bearer(stolen)).json()["data"]
    assert [address["email"] for address in listed] == [account.email]
    assert not mails_to(thief)
    pending = send(http, "/auth/login", username=account.username, password=PASSWORD)
    flows = assert_problem(pending, 401)["data"]["flows"]
    assert any(flow["id"] == "mfa_authenticate" and flow.get("is_pending") for flow in flows)


def test_with_the_password_an_address_is_changed_and_the_old_one_is_told_of_each_step(
    http: httpx.Client, account: Account, unique: Callable[[str], str]
) -> None:
    tokens = log_in(http, username=account.username)
    new = f"{unique('new')}@example.org"

    def change(method: str, body: Any) -> httpx.Response:
        return http.request(method, f"{AUTH}/account/email", json=body, headers=bearer(tokens))

    asked = assert_problem(change("POST", {"email": new}), 401)
    assert [flow["id"] for flow in asked["data"]["flows"]] == ["reauthenticate"]
    assert send(http, "/auth/reauthenticate", tokens, password=PASSWORD).status_code == 200
    assert change("POST", {"email": new}).status_code == 200
    EmailAddress.objects.filter(email=new).update(verified=True)
    assert change("PATCH", {"email": new, "primary": True}).status_code == 200
    assert change("DELETE", {"email": account.email}).status_code == 200
    # The mails' lines may be folded.
    told = " ".join("\n".join(mails_to(account.email)).split())
    for step in (f"The address {new} was added", f"from {account.email} to {new}", "was removed"):
        assert step in told


def test_deletion_wants_the_second_factor_where_there_is_one_and_is_told_by_mail(
    http: httpx.Client, account: Account
) -> None:
    tokens = log_in(http, username=account.username)
    secret = turn_totp_on(account.id)

    def delete(**body: str) -> httpx.Response:
        return http.request("DELETE", ME, json=body, headers=bearer(tokens))

    problem = assert_problem(delete(password=PASSWORD), 400)
    assert problem["errors"][0] | {"message": ""} == {
        "field": "code",
        "code": "required",
        "message": "",
    }
    assert_problem(delete(password=PASSWORD, code="000000"), 400)
    assert_problem(delete(password=NEW_PASSWORD, code=totp_code(secret)), 400)
    assert answers(http, tokens) == [200, 200]
    assert delete(password=PASSWORD, code=totp_code(secret)).status_code == 202
    assert_ends(http, tokens)
    assert any(mail.startswith("Your account is deleted") for mail in mails_to(account.email))


def test_wrong_codes_are_limited_like_wrong_passwords(http: httpx.Client, account: Account) -> None:
    tokens = log_in(http, username=account.username)
    turn_totp_on(account.id)
    statuses = [
        send(http, "/auth/2fa/reauthenticate", tokens, code=f"00000{number}").status_code
        for number in range(6)
    ]
    assert statuses == [400] * 5 + [429]
    refused = send(http, "/auth/2fa/reauthenticate", tokens, code="000000")
    assert int(refused.headers["Retry-After"]) > 0
    assert_problem(refused, 429)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/reauthenticate", {"password": NEW_PASSWORD}),
        (
            "/account/password/change",
            {"current_password": NEW_PASSWORD, "new_password": "tide-to-come"},
        ),
    ],
)
def test_a_stolen_token_guesses_no_faster_than_a_stranger(
    http: httpx.Client, account: Account, path: str, body: dict[str, str]
) -> None:
    stolen = log_in(http, username=account.username)
    statuses = [send(http, path, stolen, **body).status_code for _ in range(6)]
    assert statuses == [400] * 5 + [429]


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO"]
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/auth/login", {"username": "{name}", "password": "{password}"}),
        ("/auth/reauthenticate", {"password": "{password}"}),
        ("/auth/signup", {"username": "x1", "email": "x@example.org", "password": "{password}"}),
        ("/tokens/refresh", {"refresh_token": "x"}),
        ("/account/password/change", {"current_password": "{password}", "new_password": "x"}),
        ("/auth/2fa/authenticate", {"code": "1"}),
    ],
)
def test_no_other_method_checks_a_password(
    http: httpx.Client, account: Account, method: str, path: str, body: dict[str, str]
) -> None:
    def ask(password: str) -> tuple[int, bytes]:
        filled = {
            key: value.format(name=account.username, password=password)
            for key, value in body.items()
        }
        answer = http.request(method, AUTH + path, json=filled)
        return answer.status_code, answer.content

    right, wrong = ask(PASSWORD), ask(NEW_PASSWORD)
    assert right == wrong
    # A GET, HEAD or OPTIONS with a body is refused before anything else.
    assert right[0] == (400 if method in {"GET", "HEAD", "OPTIONS"} else 405)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        *((path, '{"password": ' + "9" * 5000 + "}") for path in ("/auth/login", "/auth/signup")),
        ("/tokens/refresh", '{"refresh_token": ' + "9" * 5000 + "}"),
        ("/auth/password/request", '{"email": ' + "9" * 5000 + "}"),
        *(
            ("/auth/password/reset", f'{{"key": "{key}", "password": "x"}}')
            for key in ("-1", "-", "", "1", "--", "é-1", "٣-1")
        ),
        *(("/auth/email/verify", f'{{"key": "{key}"}}') for key in ("-1", ":", "MQ:x:y", "٣")),
    ],
)
def test_strange_bodies_get_a_400(http: httpx.Client, path: str, content: str) -> None:
    answer = http.post(
        AUTH + path, content=content.encode(), headers={"Content-Type": "application/json"}
    )
    assert_problem(answer, 400)


@pytest.mark.parametrize("change", ["suspended", "new password"])
def test_a_code_completes_no_log_in_of_an_account_that_has_changed_since(
    http: httpx.Client, account: Account, change: str
) -> None:
    secret = turn_totp_on(account.id)
    pending = send(http, "/auth/login", username=account.username, password=PASSWORD)
    session = {"X-Session-Token": assert_problem(pending, 401)["meta"]["session_token"]}
    if change == "suspended":
        set_active(user_ids=[account.id], active=False)
    else:
        user = User.objects.get(pk=account.id)
        user.set_password(NEW_PASSWORD)
        user.save()
    body = {"code": totp_code(secret)}
    refused = http.post(f"{AUTH}/auth/2fa/authenticate", json=body, headers=session)
    assert_problem(refused, 403)
    assert "access_token" not in refused.text


def test_a_strange_reset_key_in_a_header_gets_a_400(http: httpx.Client) -> None:
    for key in ("-1", "-", "x", "1-1"):
        headers = {"X-Password-Reset-Key": key}
        assert_problem(http.get(f"{AUTH}/auth/password/reset", headers=headers), 400)


def test_an_address_is_as_long_as_its_column_and_of_one_account(
    http: httpx.Client, account: Account, unique: Callable[[str], str]
) -> None:
    tokens = log_in(http, username=account.username)
    assert send(http, "/auth/reauthenticate", tokens, password=PASSWORD).status_code == 200
    domain = ".".join(["d" * 60] * 4) + ".org"
    assert_problem(send(http, "/account/email", tokens, email=f"{'x' * 50}@{domain}"), 400)
    name = unique("eve")
    taken = f"{name}@example.org"
    ensure_account(username=name, email=taken)
    EmailAddress.objects.filter(user_id=account.id).update(verified=False)
    EmailAddress.objects.create(user_id=account.id, email=taken, verified=False)
    for claimed in (taken, f"{unique('nobody')}@example.org"):
        EmailAddress.objects.get_or_create(user_id=account.id, email=claimed)
        body = {"email": claimed, "primary": True}
        answer = http.patch(f"{AUTH}/account/email", json=body, headers=bearer(tokens))
        (error,) = assert_problem(answer, 400)["errors"]
        assert error["code"] == "unverified_primary_email", "whether somebody has it or not"
    assert EmailAddress.objects.get(user_id=account.id, primary=True).email == account.email


def test_who_claims_an_address_stops_neither_its_owner_nor_the_mail_to_the_owner(
    http: httpx.Client, account: Account, unique: Callable[[str], str]
) -> None:
    mallory = log_in(http, username=account.username)
    assert send(http, "/auth/reauthenticate", mallory, password=PASSWORD).status_code == 200
    name = unique("ada")
    address = f"{name}@example.org"
    assert send(http, "/account/email", mallory, email=address).status_code == 200
    theirs = link_in_mail(address, "/account/verify-email")
    signed_up = send(http, "/auth/signup", username=name, email=address, password=PASSWORD)
    assert signed_up.status_code == 200

    def sent(pattern: str) -> set[str]:
        return {found for text in mails_to(address) for found in re.findall(pattern, text)}

    wait_until(lambda: bool(sent(r"\S+/verify-email/\S+") - {theirs}), 2)
    (mine,) = sent(r"\S+/verify-email/\S+") - {theirs}
    key = unquote(mine.rsplit("/", 1)[1])
    ada = signed_up.json()["meta"]
    assert send(http, "/auth/email/verify", ada, key=key).status_code == 200
    stale = send(http, "/auth/email/verify", mallory, key=unquote(theirs.rsplit("/", 1)[1]))
    assert_problem(stale, 400)
    listed = http.get(f"{AUTH}/account/email", headers=bearer(mallory)).json()["data"]
    assert [claim["email"] for claim in listed] == [account.email]
    shown = log_in(http, email=address)
    assert http.get(ME, headers=bearer(shown)).json()["username"] == name
    assert send(http, "/auth/password/request", email=address).status_code == 200
    wait_until(lambda: sent(r"username is (\w+)\.") == {name}, 2)


@pytest.mark.parametrize(
    "path",
    ["/account/phone", "/auth/code/confirm", "/auth/email/verify/resend", "/auth/phone/verify"],
)
def test_what_is_not_used_is_not_there(http: httpx.Client, account: Account, path: str) -> None:
    tokens = log_in(http, username=account.username)
    assert_problem(http.post(AUTH + path, json={}, headers=bearer(tokens)), 404)
    assert_problem(http.get(AUTH + path, headers=bearer(tokens)), 404)


def test_sessions_are_listed_with_their_devices_and_ended_one_by_one_or_all_but_one(
    http: httpx.Client, account: Account
) -> None:
    devices = ["Phone/1.0", "Laptop/2.0", "Tablet/3.0"]

    def log_in_from(device: str) -> Tokens:
        http.headers["User-Agent"] = device
        return log_in(http, username=account.username)

    phone, laptop, tablet = map(log_in_from, devices)

    def sessions() -> list[dict[str, Any]]:
        answer = http.get(f"{ME}/sessions", headers=bearer(phone))
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    listed = sessions()
    assert [session["device"] for session in listed] == devices[::-1]
    assert [session["is_current"] for session in listed] == [False, False, True]
    assert all(session["created_at"] <= session["last_used_at"] for session in listed)
    for secret in ("access_token", "refresh_token", "session_token"):
        assert phone[secret] not in str(listed)

    def end(path: str) -> int:
        return http.delete(f"{ME}/sessions{path}", headers=bearer(phone)).status_code

    ending = next(session for session in listed if session["device"] == "Laptop/2.0")
    assert end(f"/{ending['id']}") == 204
    assert_ends(http, laptop)
    assert end(f"/{ending['id']}") == 404
    assert answers(http, tablet) == [200, 200]
    assert end("") == 204
    assert_ends(http, tablet)
    assert [session["device"] for session in sessions()] == ["Phone/1.0"]
    assert answers(http, phone) == [200, 200]
