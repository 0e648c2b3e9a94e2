"""How often one may ask: rate limits, and how a client's address is told."""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from limits import RateLimitItem, parse_many

from socialfeed.settings.environment import _env

# How many proxies of ours add to X-Forwarded-For; what is left of their entries anybody may write.
TRUSTED_PROXY_COUNT = _env.int("TRUSTED_PROXY_COUNT", default=1)


def _rate_limit(name: str, *, default: str) -> RateLimitItem | None:
    """A limit, such as `10/minute` or `100 per 5 minutes`; empty: there is none."""
    text = _env.str(name, default=default).strip()
    if not text:
        return None
    try:
        (limit,) = parse_many(text)
        if limit.amount < 1:
            raise ValueError("nobody could ask for anything")
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} must be one limit, such as '10/minute', or empty for none; not '{text}'."
        ) from error
    return limit


# Where each is counted, and for whom: core.http.limits.
RATE_LIMITS: dict[str, RateLimitItem | None] = {
    # All requests of an address. Generous: a mobile network has thousands of people behind one.
    "ip": _rate_limit("RATE_LIMIT_IP", default="6000/minute"),
    # Of a user, wherever they are logged in.
    "read": _rate_limit("RATE_LIMIT_READ", default="1200/minute"),
    "write": _rate_limit("RATE_LIMIT_WRITE", default="300/minute"),
    "upload": _rate_limit("RATE_LIMIT_UPLOAD", default="60/minute"),
    # Of an address, for what needs no account yet.
    "login": _rate_limit("RATE_LIMIT_LOGIN", default="10/minute"),
    "signup": _rate_limit("RATE_LIMIT_SIGNUP", default="10/minute"),
    "reset": _rate_limit("RATE_LIMIT_RESET", default="10/minute"),
    # Clients do this by themselves, every ACCESS_TOKEN_SECONDS.
    "refresh": _rate_limit("RATE_LIMIT_REFRESH", default="300/minute"),
}
