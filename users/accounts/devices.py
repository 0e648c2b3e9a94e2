"""Devices from which somebody has logged in before, known by a signed cookie.

A stranger who guesses passwords for a name is slowed down, whatever the address. The owner must not
be: so each log-in gives the client a cookie, and a log-in with the cookie of that account is
limited by that device alone (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The
cookie proves nothing else: without the password it opens nothing. A client that drops it is a new
device, and so are all after a new password.
"""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from users.models import User

COOKIE = "device"
LIFETIME = 365 * 24 * 3600  # seconds
# Where the cookie is sent: the two places that take passwords.
_ADMIN, _API = "/admin/", "/_allauth/"
# Where a request carries the cookie that its answer sets.
_NOTED = "users.accounts.devices"
_signer = signing.TimestampSigner(salt="users.accounts.devices")


def note_log_in(*, request: HttpRequest, user: User) -> None:
    """Have the answer to this request give its client the cookie of a known device.

    A device that is known already keeps its number, so many log-ins make no more devices.
    """
    device = known_device(request=request, user=user) or secrets.token_urlsafe(12)
    request.META[_NOTED] = _signer.sign(f"{user.pk}.{device}.{_password_of(user)}")


def known_device(*, request: HttpRequest, user: User) -> str | None:
    """The number of the device, if `user` has logged in from it with the present password."""
    try:
        signed = _signer.unsign(request.COOKIES.get(COOKIE, ""), max_age=LIFETIME)
    except signing.BadSignature:
        return None
    user_id, _, rest = signed.partition(".")
    device, _, password = rest.rpartition(".")
    is_of_user = user_id == str(user.pk) and constant_time_compare(password, _password_of(user))
    return device if device and is_of_user else None


def _password_of(user: User) -> str:
    """What changes with the password, and does not give it away."""
    return user.get_session_auth_hash()[:16]


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
