"""Browser clients of other origins (CORS): who may read the answers of the API.

django-cors-headers answers preflights and adds the headers. Without a named origin it is not
installed. Cookies are never allowed: clients send a bearer token. Media have rules of their own
(media/storage.py).
"""

import re

from django.core.exceptions import ImproperlyConfigured

from socialfeed.settings.environment import _env

# The web server reads this variable too, for its own errors (deploy/Caddyfile).
CORS_ALLOWED_ORIGINS = _env.list("CORS_ALLOWED_ORIGINS", default=[])
for _origin in CORS_ALLOWED_ORIGINS:
    # As a browser sends it, in `Origin`: lower case, without a path, and without the usual port.
    if not re.fullmatch(r"[a-z][a-z0-9+.-]*://[a-z0-9.-]+(:[0-9]{1,5})?", _origin):
        raise ImproperlyConfigured(
            f"CORS_ALLOWED_ORIGINS has {_origin!r}. Name origins as https://app.example.org, "
            "separated by commas."
        )
CORS_URLS_REGEX = r"/(api|_allauth/app)/v1/"  # not the admin, nor pages
CORS_ALLOW_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# Never x-refresh-cookie: that header is the proof that a page of our own origin asks
# (users.accounts.refresh_cookie).
CORS_ALLOW_HEADERS = (
    *("accept", "authorization", "content-type", "if-none-match"),
    *("consistency-token", "idempotency-key"),
    *("x-device-token", "x-email-verification-key", "x-password-reset-key", "x-session-token"),
)
# Scripts see no other header of an answer than these, and a few like Content-Type.
CORS_EXPOSE_HEADERS = (
    *("Consistency-Token", "ETag", "Idempotent-Replayed", "Link", "Location", "Retry-After"),
    *("RateLimit-Limit", "RateLimit-Policy", "RateLimit-Remaining", "RateLimit-Reset"),
    *("WWW-Authenticate", "X-Request-ID"),
)
# For so many seconds a browser does not ask again. Some stop at two hours.
CORS_PREFLIGHT_MAX_AGE = 7200
