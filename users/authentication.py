"""`Authorization: Bearer <access token>`: the JWT of django-allauth, of a session that is alive.

One Valkey round trip and no SQL. The token names the user; the session in STATE shows that the
token is not revoked. The same round trip counts the request (`core.http.limits`).
"""

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid
from allauth.mfa.utils import is_mfa_enabled
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.http.callers import Caller
from core.http.limits.counting import count_caller, uncount
from core.http.problems import CHALLENGE, Invalid, NotFound
from core.sql import note_reader
from users.accounts.codes import ReauthenticationForm
from users.models import User
from users.sessions import ask_for_session, session_user_id

# The number of verified tokens that a process remembers; 1 kB each.
TOKENS_KEPT = 4096


class BearerAuthentication(BaseAuthentication):
    """Answers 401 if the token or its session is not valid, 429 if there are too many requests."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        scheme, _, token = request._request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        claims = _claims(token.strip())
        if claims is None:
            raise AuthenticationFailed(
                "The access token is malformed or has expired. Get a new one at "
                "/_allauth/app/v1/tokens/refresh, or log in again."
            )
        stored, window = count_caller(
            request=request._request,
            user_id=claims.subject,
            beside=ask_for_session(session_key=claims.session_key),
        )
        user_id = session_user_id(stored)
        if user_id is None or str(user_id) != claims.subject:
            if window:  # a revoked token must not use up its owner's limit
                uncount(window)
            raise AuthenticationFailed("This session has ended. Log in again.")
        if window:
            window.admit()
        note_reader(user_id=user_id)
        return Caller(user_id), claims

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


@dataclass(frozen=True)
class Claims:
    """The user, the session key and the expiry (Unix time) of a valid access token."""

    subject: str
    session_key: str
    expires: float


def session_key(request: Request) -> str:
    """The key of the session that an authenticated request belongs to."""
    return cast("Claims", request.auth).session_key


class _InvalidToken(Exception):
    """Raised so that the result is not remembered: the token may become valid later."""


def _claims(token: str) -> Claims | None:
    """The claims of a valid access token; None if it is invalid."""
    try:
        claims = _verified(token)
    # RecursionError: the header is parsed as JSON before the signature is checked.
    except (_InvalidToken, RecursionError):
        return None
    return claims if claims.expires > time.time() else None


# A valid signature stays valid. When a token comes again, only its expiry and its session are
# checked (docs/performance.md).
@lru_cache(maxsize=TOKENS_KEPT)
def _verified(token: str) -> Claims:
    payload = decode_token(token, "access")
    session_key = session_key_from_sid(payload["sid"]) if payload else None
    if payload is None or session_key is None:
        raise _InvalidToken
    return Claims(payload["sub"], session_key, float(payload["exp"]))


def confirm_owner(*, request: Request, user_id: int, password: str, code: str = "") -> None:
    """Check the caller's password once more, and a code if the account has a second factor.

    `code`: of the authenticator app, or a recovery code; used up if it is right. Raises `Invalid`
    that names what is missing or wrong; `TooManyRequests` after too many failures in this session;
    `NotFound` if the account does not exist any more.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise NotFound("This account does not exist any more.")
    key = session_key(request)
    if not get_adapter().reauthenticate(user, password, session_key=key):
        raise Invalid(
            "This is not the password of your account.", field="password", code="wrong_password"
        )
    if not is_mfa_enabled(user):
        return
    if not code:
        raise Invalid(
            "Your account has a second factor. Also send a code of your authenticator app, or a "
            "recovery code, as `code`.",
            field="code",
            code="required",
        )
    if not ReauthenticationForm({"code": code}, user=user, session_key=key).is_valid():
        raise Invalid(
            "This code is not valid, or not any more. Send a new one.",
            field="code",
            code="wrong_code",
        )


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the bearer token in the OpenAPI schema."""

    target_class = "users.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
