"""What django-allauth answers here: tokens, and ids as strings."""

from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter
from allauth.headless.tokens.strategies.jwt import JWTTokenStrategy
from django.http import HttpRequest

from users.accounts.devices import device_token
from users.accounts.refresh_tokens import exchange_refresh_token
from users.models import User


class SessionTokens(JWTTokenStrategy):  # type: ignore[misc]  # allauth is untyped
    """Exchanges a refresh token once (users/accounts/refresh_tokens.py); knows devices."""

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any] | None:
        """What an answer tells who has just logged in, in its `meta`: the tokens."""
        tokens: dict[str, Any] | None = super().create_access_token_payload(request)
        if tokens is not None and (token := device_token(request=request)):
            tokens["device_token"] = token
        return tokens

    def refresh_token(self, refresh_token: str) -> tuple[str, str] | None:
        """A new access token and refresh token; None if the token is not valid."""
        return exchange_refresh_token(token=refresh_token)


class StringIds(DefaultHeadlessAdapter):  # type: ignore[misc]  # allauth is untyped
    """Writes a user's id as a string, as the whole API does: JavaScript numbers end at 2^53."""

    def serialize_user(self, user: User) -> dict[str, Any]:
        document: dict[str, Any] = super().serialize_user(user)
        return document | {"id": str(user.pk)}
