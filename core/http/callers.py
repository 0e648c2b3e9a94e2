"""The caller of a request: the id of a user, or nobody's; and the address that it came from."""

from dataclasses import dataclass
from typing import cast

from django.http import HttpRequest
from rest_framework.request import Request

from core.http.addresses import counted_address

# The viewer who is not logged in. No user has this id, so this viewer likes and follows nothing.
ANONYMOUS_ID = 0


@dataclass(frozen=True)
class Caller:
    """The authenticated user of a request; `request.user` of every API view."""

    pk: int
    is_authenticated = True
    is_active = True
    is_anonymous = False


class AnonymousCaller(Caller):
    """`request.user` of an API view that nobody is logged in for."""

    is_authenticated = False
    is_active = False
    is_anonymous = True

    def __init__(self) -> None:
        super().__init__(pk=ANONYMOUS_ID)


def caller_id(request: Request) -> int:
    """The id of the caller; ANONYMOUS_ID if nobody is logged in (only `PublicReads` allows it)."""
    return cast("Caller", request.user).pk


def client_address(request: HttpRequest | Request) -> str:
    """The address that a request came from, for counting; see `counted_address`."""
    return counted_address(
        forwarded_for=request.META.get("HTTP_X_FORWARDED_FOR", ""),
        peer=request.META.get("REMOTE_ADDR", ""),
    )
