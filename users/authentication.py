"""`Authorization: Bearer <access token>`: the JWT of django-allauth, and its session, still alive.

One Valkey round trip and no SQL: the token says who, the session in STATE says that it has not
been revoked. The request is counted in the same round trip (`core.http.limits`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from allauth.account.adapter import get_adapter
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid
from django.core.exceptions import ValidationError
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from core.http.callers import Caller
from core.http.limits import count_caller, take_back
from core.http.problems import CHALLENGE, Invalid, NotFound
from core.sql import note_reader
from users.models import User
from users.sessions import ask_for_session, session_user_id

# A process remembers so many tokens that it has verified; 1 kB each.
TOKENS_KEPT = 4096


class BearerAuthentication(BaseAuthentication):
    """Answers 401 to a token that is malformed, expired, or of a session that has ended, and 429 to
    one request too many.
    """

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
            if window:  # a revoked token must not use up what its owner may do
                take_back(window)
            raise AuthenticationFailed("This session has ended. Log in again.")
        if window:
            window.admit()
        note_reader(user_id=user_id)
        return Caller(user_id), claims

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


@dataclass(frozen=True)
class Claims:
    """What a valid access token says: whose it is, of which session, until when (Unix time)."""

    subject: str
    session_key: str
    expires: float


class _InvalidToken(Exception):
    """Not to be remembered: it may be valid once its time has come."""


def _claims(token: str) -> Claims | None:
    """The claims of a valid access token, else None."""
    try:
        claims = _verified(token)
    except (_InvalidToken, RecursionError):  # its header is JSON before its signature is checked
        return None
    return claims if claims.expires > time.time() else None


# A signature that was right stays right; of a token that comes again, only the time has to be
# looked at here, and its session each time (docs/performance.md).
@lru_cache(maxsize=TOKENS_KEPT)
def _verified(token: str) -> Claims:
    payload = decode_token(token, "access")
    session_key = session_key_from_sid(payload["sid"]) if payload else None
    if payload is None or session_key is None:
        raise _InvalidToken
    return Claims(payload["sub"], session_key, float(payload["exp"]))


def confirm_password(*, user_id: int, password: str) -> None:
    """Have the caller of the current request prove who they are, once more.

    Raises `Invalid` for a wrong password, and after as many failures as end log-ins for a while:
    both count the same ones. `NotFound` when the account is gone.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None:
        raise NotFound("This account does not exist any more.")
    try:
        is_right = get_adapter().reauthenticate(user, password)
    except ValidationError as error:
        raise Invalid(str(error.message), field="password", code=str(error.code)) from error
    if not is_right:
        raise Invalid(
            "This is not the password of your account.", field="password", code="wrong_password"
        )


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tells the OpenAPI schema of the bearer token."""

    target_class = "users.authentication.BearerAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
