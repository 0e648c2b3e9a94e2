"""The caller of a request: the id of a user, and the address that the request came from."""

from dataclasses import dataclass
from typing import cast

from django.http import HttpRequest
from rest_framework.request import Request

from core.http.addresses import counted_address


@dataclass(frozen=True)
class Caller:
    """The authenticated user of a request; `request.user` of every API view."""

    pk: int
    is_authenticated = True
    is_active = True
    is_anonymous = False


def caller_id(request: Request) -> int:
    """The id of the caller of an authenticated request."""
    return cast("Caller", request.user).pk


def client_address(request: HttpRequest | Request) -> str:
    """The address that a request came from, for counting; see `counted_address`."""
    return counted_address(
        forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR", ""),
        peer=request.META.get("REMOTE_ADDR", ""),
    )
