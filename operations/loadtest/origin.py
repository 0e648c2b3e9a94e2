"""Asks the service, before the run, whether it can answer the load."""

from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from django.conf import settings
from django.core.management.base import CommandError

_TIMEOUT_SECONDS = 5.0
# People think for random times, so the limits must be above the mean.
_SHARE_OF_LIMIT = 0.8


def check_origin(origin: str, *, token: str | None = None) -> None:
    """Raise CommandError unless the service answers at `origin`, and knows the session of `token`.

    Without a token, it must ask for one.
    """
    if urlsplit(origin).scheme not in {"http", "https"}:
        raise CommandError(f"--origin must be like http://127.0.0.1:8800, not {origin}.")
    expected = 401 if token is None else 200
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = Request(f"{origin}/api/v1/users/me", headers=headers)  # noqa: S310  (checked above)
    try:
        with urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            status = answer.status
    except HTTPError as error:
        status = error.code
    except OSError as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise CommandError(
            f"Nothing answers at {origin}: {reason}. Start the stack with "
            "`manage.py stack up --detach`, or choose another --origin."
        ) from error
    if status != expected:
        raise CommandError(
            f"{request.full_url} answers {status} instead of {expected}. --origin must be the web "
            "server of the stack whose databases and secrets this command has."
        )


def check_limits(*, people: int, think_seconds: float, reads_per_write: float) -> None:
    """Raise CommandError if so many people would be stopped by a rate limit: 429."""
    each = 1 / think_seconds
    rates = {"ip": people * each, "read": each, "write": each / (1 + reads_per_write)}
    for name, rate in rates.items():
        limit = settings.RATE_LIMITS[name]
        if limit and rate > _SHARE_OF_LIMIT * limit.amount / limit.get_expiry():
            raise CommandError(
                f"So many people send up to {rate:.3g} requests a second, which is too near to "
                f"RATE_LIMIT_{name.upper()} ({limit}): requests would be refused. Choose fewer "
                f"--people or a longer --think, or restart the stack with a higher "
                f"RATE_LIMIT_{name.upper()} in .env; empty is no limit."
            )
