"""Limits: of requests (and the proxies that name a client's address), the graph and timelines."""

from django.core.exceptions import ImproperlyConfigured
from limits import RateLimitItem, parse_many

from socialfeed.settings.environment import _env

# The number of our proxies that append to X-Forwarded-For. Clients can invent earlier entries.
TRUSTED_PROXY_COUNT = _env.int("TRUSTED_PROXY_COUNT", default=1)


def _rate_limit(name: str, *, default: str) -> RateLimitItem | None:
    """Parse `10/minute` or `100 per 5 minutes`; empty: None. Else raises ImproperlyConfigured."""
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


# core.http.limits says where and for whom each is counted.
RATE_LIMITS: dict[str, RateLimitItem | None] = {
    # All requests of an address. High, for a mobile network has thousands of users behind one.
    "ip": _rate_limit("RATE_LIMIT_IP", default="6000/minute"),
    # Of a user, in all sessions together.
    "read": _rate_limit("RATE_LIMIT_READ", default="1200/minute"),
    "write": _rate_limit("RATE_LIMIT_WRITE", default="300/minute"),
    "upload": _rate_limit("RATE_LIMIT_UPLOAD", default="60/minute"),
    # Of an address, for requests that need no account.
    "login": _rate_limit("RATE_LIMIT_LOGIN", default="10/minute"),
    # Wrong passwords for one name, and wrong codes: from one address, known device or session; and
    # two slower limits, so that guessing does not pay: from one known device or session for long,
    # and from all others together.
    "login_failed": _rate_limit("RATE_LIMIT_LOGIN_FAILED", default="5 per 5 minutes"),
    "login_device": _rate_limit("RATE_LIMIT_LOGIN_DEVICE", default="30/day"),
    "login_name": _rate_limit("RATE_LIMIT_LOGIN_NAME", default="30/hour"),
    "signup": _rate_limit("RATE_LIMIT_SIGNUP", default="10/minute"),
    "reset": _rate_limit("RATE_LIMIT_RESET", default="10/minute"),
    # Clients refresh by themselves, every ACCESS_TOKEN_SECONDS. One without a token is not counted.
    "refresh": _rate_limit("RATE_LIMIT_REFRESH", default="300/minute"),
}

# The number of accounts that a user may follow. A home timeline is built from all of them.
FOLLOWING_LIMIT = _env.int("FOLLOWING_LIMIT", default=7500)
# Posts of authors with more followers than this are not pushed to home timelines. They are pulled
# when a home timeline is read, so the work for a post is bounded. (Twitter's hybrid. A delivery to
# so many takes one worker about a tenth of a second.) Below 80 % of it they are pushed again.
FANOUT_PUSH_LIMIT = _env.int("FANOUT_PUSH_LIMIT", default=10_000)
# The number of timelines that one round trip delivers to, and by which a delivery's cursor grows.
# The server does other work in between: each of the 64 hash slots is a command of its own.
FANOUT_BATCH_SIZE = _env.int("FANOUT_BATCH_SIZE", default=5000)
# The number of entries of a timeline in Valkey. It may grow by a fiftieth more before it is
# trimmed. Older entries come from SQL.
TIMELINE_CAP = _env.int("TIMELINE_CAP", default=800)
# A timeline that is not read for so many days expires.
TIMELINE_IDLE_DAYS = _env.int("TIMELINE_IDLE_DAYS", default=14)
# The number of timelines that an audit compares with SQL, about 10 ms each; 0: no audit.
TIMELINE_AUDIT_SAMPLE = _env.int("TIMELINE_AUDIT_SAMPLE", default=20)
