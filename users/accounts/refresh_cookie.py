"""The refresh token of a browser: in a cookie that no script reads.

The scripts of a page ask for the cookie with the header `X-Refresh-Cookie: 1`. Then:

- What logs in, and `tokens/refresh`, sets the cookie. The only token in the body is the access
  token, so no token that a script reads outlives the page. Half a log-in, a 401 that asks for a
  code, keeps its `meta.session_token`: the next step takes it, and it opens nothing else.
- `tokens/refresh` without a token in its body takes that of the cookie. If it is refused, the
  cookie is cleared.
- A log-out also ends the session of the cookie, and clears it.

The header proves that a page of this origin asks: a form cannot send it, and a script of another
origin may not (it is not in CORS_ALLOW_HEADERS). Without the header the cookie is not read.
"""

from typing import Any, cast

import orjson
from allauth.headless.internal.restkit.views import RESTView
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from core.http.problems import Invalid

HEADER = "X-Refresh-Cookie"
# Browsers send the cookie to the addresses below this one only.
PATH = "/_allauth/app/v1/"
# The session's key opens all that an access token opens here. The token of the device is in a
# cookie of its own (users/accounts/devices.py).
_OUTLIVE_THE_PAGE = ("refresh_token", "session_token", "device_token")


def uses_cookie(request: HttpRequest) -> bool:
    """Whether the client asks for the cookie. Raises `Invalid` if the header is not 1."""
    value = request.headers.get(HEADER)
    if value not in (None, "1"):
        raise Invalid(f"{HEADER}: Send 1, or leave the header out.", field=HEADER)
    return value is not None


def token_in_cookie(request: HttpRequest) -> str:
    """The refresh token in the cookie; "" if there is none, or the client does not ask for it."""
    return request.COOKIES.get(settings.REFRESH_COOKIE_NAME, "") if uses_cookie(request) else ""


def clear_cookie(response: HttpResponse) -> None:
    """Have the browser forget the cookie."""
    response.delete_cookie(settings.REFRESH_COOKIE_NAME, path=PATH, samesite="Strict")


class RefreshCookie(RESTView):  # type: ignore[misc]  # allauth is untyped
    """A mixin for allauth's views: moves the refresh token of an answer into the cookie."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        is_asked_for = uses_cookie(request)
        response = cast("HttpResponse", super().dispatch(request, *args, **kwargs))
        if is_asked_for and isinstance(response, JsonResponse):
            tokens = _take_tokens(response, is_logged_in=request.user.is_authenticated)
            if token := tokens.get("refresh_token"):
                _set_cookie(response, token)
        return response


def _take_tokens(response: JsonResponse, *, is_logged_in: bool) -> dict[str, str]:
    """Remove the tokens that outlive the page from an answer; returns them by name."""
    body = orjson.loads(response.content)
    parts = [part for part in (body.get("meta"), body.get("data")) if isinstance(part, dict)]
    # Nobody is logged in after a refresh, or in the middle of a log-in.
    names = _OUTLIVE_THE_PAGE if is_logged_in else ("refresh_token",)
    taken = {name: part.pop(name) for part in parts for name in names if name in part}
    if taken:
        response.content = orjson.dumps(body)
    return taken


def _set_cookie(response: HttpResponse, token: str) -> None:
    response.set_cookie(
        settings.REFRESH_COOKIE_NAME,
        token,
        max_age=settings.HEADLESS_JWT_REFRESH_TOKEN_EXPIRES_IN,
        path=PATH,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
