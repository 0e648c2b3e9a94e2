"""Who makes a request, as far as the views need to know: an id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from rest_framework.request import Request


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
