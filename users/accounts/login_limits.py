"""How many wrong passwords are tried for one account, or for a name that nobody has.

Nobody can lock somebody else out: a stranger's attempts count for the stranger's address, and all
strangers' attempts together in a slower window, which a known device passes.

    known device (devices.py)   `login_failed`, by account and device
    any other client            `login_failed`, by account and address; and `login_name`, by account

Over a limit: 429 with `Retry-After`, whether the password is right or not. STATE down: 503.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from django.conf import settings
from django.http import HttpRequest

from core.http.callers import client_address
from core.http.limits.counting import Counted, count_strictly, limit_key
from core.valkey import state_valkey
from users.accounts.devices import known_device
from users.models import User
from users.selectors import users_with_email


@dataclass(frozen=True)
class Attempt:
    """An attempt that is counted as a failure until `succeed` says that it was none."""

    counted: Sequence[Counted]

    def succeed(self) -> None:
        """Take the attempt out of the windows: a right password uses up nothing."""
        for counted in self.counted:
            counted.undo()


def begin_attempt(*, request: HttpRequest, name: str, device: str | None = None) -> Attempt:
    """Count an attempt to log in as `name`; raises `TooManyRequests` or `Unavailable`.

    The names of one account count together. `device`: of a caller who is known by something else
    than the cookie, such as a session.
    """
    user = _account_of(name)
    who = f"account {user.pk}" if user else f"name {name.lower()}"
    device = device or (known_device(request=request, user=user) if user else None)
    if device:
        return Attempt([count_strictly(name="login_failed", who=_digest(who, device))])
    by_address = count_strictly(name="login_failed", who=_digest(who, client_address(request)))
    return Attempt([by_address, count_strictly(name="login_name", who=_digest(who))])


def forget_failures(*, request: HttpRequest, user_id: int) -> None:
    """Empty the windows of an account, after its owner has proved to own its mailbox.

    Those of this address and of all strangers together; not those of other addresses.
    """
    who = f"account {user_id}"
    for limit_name, subject in (
        ("login_failed", _digest(who, client_address(request))),
        ("login_name", _digest(who)),
    ):
        if limit := settings.RATE_LIMITS[limit_name]:
            state_valkey().delete(limit_key(limit_name, limit, subject))


def _account_of(name: str) -> User | None:
    """The account with this username or e-mail address, in any case; one query, or two."""
    lower = name.lower()
    if "@" not in lower:
        return User.objects.filter(username=lower).first()
    return (
        users_with_email(lower).first()
        or User.objects.filter(emailaddress__email=lower).order_by("pk").first()
    )


def _digest(who: str, where: str = "") -> str:
    """A subject of a limit: of fixed length, whatever somebody has typed as a name."""
    return sha256(f"{who}\n{where}".encode()).hexdigest()[:32]
