"""What the flows of accounts share: requests to django-allauth, tokens, mails."""

import email
import email.policy
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

import httpx
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
)
from django.contrib.auth.hashers import make_password

from core.valkey import state_valkey
from tests.conftest import MAIL_FOLDER
from tests.support.client import PASSWORD, wait_until
from users.keys import refresh_answer_key
from users.models import User
from users.services import ensure_account

AUTH = "/_allauth/app/v1"
NEW_PASSWORD = "high-tide-at-dusk"
Tokens = dict[str, Any]


@dataclass(frozen=True)
class Account:
    id: int
    username: str
    email: str


def make_account(username: str, *, password: str = PASSWORD, staff: bool = False) -> Account:
    """Make an account with a password and a verified address."""
    address = f"{username}@example.org"
    user_id, _ = ensure_account(username=username, email=address, staff=staff)
    User.objects.filter(pk=user_id).update(password=_hash(password))
    return Account(user_id, username, address)


def name_of(user_id: int) -> str:
    """The username of an account."""
    return User.objects.get(pk=user_id).username


@cache
def _hash(password: str) -> str:
    """The hash that all accounts with this password have: to make one takes a third of a second."""
    return make_password(password)


def send(http: httpx.Client, path: str, tokens: Tokens | None = None, /, **body: str) -> Any:
    """POST to django-allauth."""
    return http.post(AUTH + path, json=body, headers=bearer(tokens))


def bearer(tokens: Tokens | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"} if tokens else {}


def log_in(http: httpx.Client, *, password: str = PASSWORD, **who: str) -> Tokens:
    response = send(http, "/auth/login", password=password, **who)
    assert response.status_code == 200, response.text
    meta: Tokens = response.json()["meta"]
    return meta


def answers(http: httpx.Client, tokens: Tokens) -> list[int]:
    """The statuses that the Read API and the Write API answer to a token."""
    headers = bearer(tokens)
    read = http.get("/api/v1/users/me", headers=headers)
    write = http.patch("/api/v1/users/me", headers=headers, json={"bio": "Poet."})
    return [read.status_code, write.status_code]


def assert_problem(response: httpx.Response, status: int) -> Any:
    document = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.status_code == document["status"] == status, response.text
    assert document["type"]
    assert document["title"]
    assert document["detail"]
    return document


def assert_ends(http: httpx.Client, tokens: Tokens) -> float:
    """Check that the tokens stop working within a second on both APIs, and cannot be refreshed.

    Returns the seconds until they stopped.
    """
    seconds = wait_until(lambda: answers(http, tokens) == [401, 401], 1)
    refreshed = send(http, "/tokens/refresh", refresh_token=tokens["refresh_token"])
    assert_problem(refreshed, 400)
    return seconds


def end_grace(refresh_token: str) -> None:
    """Let the time pass in which a refresh token that was exchanged gets its answer again."""
    claims = decode_token(refresh_token, "refresh")
    key = refresh_answer_key(session_key_from_sid(claims["sid"]), claims["jti"])
    assert state_valkey().delete(key) == 1


def mails_to(address: str) -> list[str]:
    """The texts of all mails to an address so far, the newest last, each with its subject first."""
    mails = [
        mail
        for file in sorted(MAIL_FOLDER.glob("*"))
        for mail in re.split(r"\n-{79}\n", file.read_text())
        if f"To: {address}\n" in mail
    ]
    parsed = [
        email.message_from_string(mail.lstrip(), policy=email.policy.default) for mail in mails
    ]
    return [f"{mail['Subject']}\n{mail.get_content()}" for mail in parsed]


def link_in_mail(address: str, path: str) -> str:
    """The link under `path` in the newest mail to an address."""

    def found() -> list[str]:
        texts = mails_to(address)
        return [link for text in texts for link in re.findall(rf"https?://\S+{path}/\S+", text)]

    wait_until(lambda: bool(found()), 2)
    return found()[-1]


def verify_address(http: httpx.Client, address: str) -> None:
    """Verify an address by the key in the newest mail to it."""
    key = unquote(link_in_mail(address, "/account/verify-email").rsplit("/", 1)[1])
    response = send(http, "/auth/email/verify", key=key)
    assert response.status_code == 200, response.text


def totp_code(secret: str) -> str:
    """The code that an authenticator app shows now. Each opens something only once."""
    code: str = format_hotp_value(hotp_value(secret, int(time.time()) // 30))
    return code


def turn_totp_on(user_id: int) -> str:
    """Give an account a second factor; returns its secret. Needs `committed`."""
    secret: str = generate_totp_secret()
    TOTP.activate(User.objects.get(pk=user_id), secret)
    return secret
