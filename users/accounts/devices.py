"""Devices from which somebody has logged in before, known by a signed cookie.

A stranger who guesses passwords for a name is slowed down, whatever the address. The owner must not
be: so each log-in gives the client a cookie, and a log-in with the cookie of that account is
limited by that device alone (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The
cookie proves nothing else: without the password it opens nothing. A client that drops it is a new
device.
"""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from users.models import User

COOKIE = "device"
LIFETIME = 365 * 24 * 3600  # seconds
# Where the cookie is sent: the two places that take passwords.
_ADMIN, _API = "/admin/", "/_allauth/"
# Where a request carries the cookie that its answer sets.
_NOTED = "users.accounts.devices"
_signer = signing.TimestampSigner(salt="users.accounts.devices")


def note_log_in(*, request: HttpRequest, user_id: int) -> None:
    """Have the answer to this request give its client the cookie of a known device."""
    request.META[_NOTED] = _signer.sign(f"{user_id}.{secrets.token_urlsafe(12)}")


def known_device(*, request: HttpRequest, name: str) -> str | None:
    """The device that the cookie names, if the account called `name` has logged in from it.

    `name` is a username or an e-mail address, in any case. One query, and none without a cookie.
    """
    try:
        device: str = _signer.unsign(request.COOKIES.get(COOKIE, ""), max_age=LIFETIME)
    except signing.BadSignature:
        return None
    owner = User.objects.filter(pk=int(device.partition(".")[0]))
    names = owner.values_list("username", "email").first() or ()
    return device if name.lower() in {known.lower() for known in names if known} else None


class DeviceMiddleware:
    """Sets the cookie after a log-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if signed := request.META.get(_NOTED):
            response.set_cookie(
                COOKIE,
                signed,
                max_age=LIFETIME,
                path=_ADMIN if request.path.startswith(_ADMIN) else _API,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response
