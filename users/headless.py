"""What django-allauth answers here: tokens, and ids as strings."""

from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy
from allauth.headless.tokens.strategies.jwt.internal import decode_token, session_key_from_sid

from users.models import User
from users.sessions import remember_session


class SessionTokens(JWTTokenStrategy):  # type: ignore[misc]  # allauth is untyped
    """Remembers the sessions of a user: those for which a log-in or a refresh has issued tokens."""

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """A new access token and refresh token; the old refresh token stops working.

        None if that is invalid.
        """
        tokens: tuple[str, str] | None = super().refresh_token(refresh_token)
        if tokens is None:
            return None
        claims = decode_token(tokens[0], "access")
        remember_session(
            user_id=int(claims["sub"]), session_key=session_key_from_sid(claims["sid"])
        )
        return tokens


class StringIds(DefaultHeadlessAdapter):  # type: ignore[misc]  # allauth is untyped
    """Writes a user's id as a string, as the whole API does: JavaScript numbers end at 2^53."""

    def serialize_user(self, user: User) -> dict[str, Any]:
        document: dict[str, Any] = super().serialize_user(user)
        return document | {"id": str(user.pk)}
