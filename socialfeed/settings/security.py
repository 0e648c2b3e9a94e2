"""HTTPS, cookies, and how staff log in to the admin. The API reads no cookie as a log-in."""

from django.core.exceptions import ImproperlyConfigured

from socialfeed.settings.core import PUBLIC_ORIGIN
from socialfeed.settings.environment import LOCAL, _env

_HTTPS = PUBLIC_ORIGIN.startswith("https://")
if not (_HTTPS or LOCAL):
    raise ImproperlyConfigured("PUBLIC_ORIGIN must begin with https:// in production.")

# The web server ends TLS, and says by this header whether the client has used it.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = _HTTPS
# Probes and scrapes call an instance itself, without TLS (core.http.health).
SECURE_REDIRECT_EXEMPT = [r"^healthz/(live|ready|accepting)$", r"^metrics$"]
# For so many seconds browsers use only HTTPS for the public host and all below it. Shorten it while
# you try that out: browsers do not forget it earlier.
SECURE_HSTS_SECONDS = _env.int("HSTS_SECONDS", default=365 * 24 * 3600) if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_REFERRER_POLICY = "same-origin"

# Browsers take a cookie whose name begins so only if it is secure; `__Host-`: and of this host.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
CSRF_COOKIE_NAME = "__Host-csrftoken" if _HTTPS else "csrftoken"
SESSION_COOKIE_NAME = "__Secure-admin_session" if _HTTPS else "admin_session"
SESSION_COOKIE_PATH = "/admin/"
# The refresh token of a browser (users.accounts.refresh_cookie); not `__Host-`, as it has a path.
REFRESH_COOKIE_NAME = "__Secure-refresh_token" if _HTTPS else "refresh_token"
# A log-in of staff ends after so many seconds (users.session_stores).
ADMIN_SESSION_SECONDS = 12 * 3600
# Whether staff need a second factor in the admin. Without it, a password is all that protects every
# account.
ADMIN_REQUIRES_TOTP = _env.bool("ADMIN_REQUIRES_TOTP", default=not LOCAL)
if not (ADMIN_REQUIRES_TOTP or LOCAL):
    raise ImproperlyConfigured("ADMIN_REQUIRES_TOTP can be off on the local stack only.")
