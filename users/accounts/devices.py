"""Devices from which somebody has logged in before, known by a signed token: a cookie or a header.

A stranger who guesses passwords for a name is slowed down, whatever the address. The owner must not
be: so each log-in gives the client a token, and a log-in with the token of that account is
limited by that device alone (OWASP, "Slow Down Online Guessing Attacks with Device Cookies"). The
token proves nothing else: without the password it opens nothing. A client that drops it is a new
device, and so are all after a new password.

Browsers keep the token as a cookie. Apps that keep no cookies find it in the answer to a log-in, as
`meta.device_token`, and send it in a header.
"""

import secrets
from collections.abc import Callable

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from users.models import User

COOKIE = "device"
HEADER = "X-Device-Token"
LIFETIME = 365 * 24 * 3600  # seconds
# Where the cookie is sent: the two places that take passwords.
_ADMIN, _API = "/admin/", "/_allauth/"
# Where a request carries the token that its answer gives.
_NOTED = "users.accounts.devices"
_signer = signing.TimestampSigner(salt="users.accounts.devices")


def note_log_in(*, request: HttpRequest, user: User) -> None:
    """Have the answer to this request give its client the token of a known device.

    A device that is known already keeps its number, so many log-ins make no more devices.
    """
    device = known_device(request=request, user=user) or secrets.token_urlsafe(12)
    request.META[_NOTED] = _signer.sign(f"{user.pk}.{device}.{_password_of(user)}")


def device_token(*, request: HttpRequest) -> str | None:
    """The token that the answer to this request gives, if somebody has just logged in."""
    token: str | None = request.META.get(_NOTED)
    return token


def known_device(*, request: HttpRequest, user: User) -> str | None:
    """The number of the device, if `user` has logged in from it with the present password.

    The header counts first. One of another account hides no cookie.
    """
    tokens = (request.headers.get(HEADER, ""), request.COOKIES.get(COOKIE, ""))
    return next(filter(None, (_device_of(token, user) for token in tokens)), None)


def _device_of(token: str, user: User) -> str | None:
    try:
        signed = _signer.unsign(token, max_age=LIFETIME)
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
        if token := device_token(request=request):
            response.set_cookie(
                COOKIE,
                token,
                max_age=LIFETIME,
                path=_ADMIN if request.path.startswith(_ADMIN) else _API,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response
