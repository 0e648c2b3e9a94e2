"""How many wrong passwords are tried for one name.

Nobody can lock somebody else out: a stranger's attempts count for the stranger's address, and all
strangers' attempts together in a slower window, which a known device passes.

    known device (users/accounts/devices.py)   `login_failed`, by name and device
    any other client                  `login_failed`, by name and address; and `login_name`, by name

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

    `device`: of a caller who is known by something else than the cookie, such as a session.
    """
    device = device or known_device(request=request, name=name)
    if device:
        return Attempt([count_strictly(name="login_failed", who=_who(name, device))])
    by_address = count_strictly(name="login_failed", who=_who(name, client_address(request)))
    return Attempt([by_address, count_strictly(name="login_name", who=_who(name))])


def forget_failures(*, request: HttpRequest, names: Sequence[str]) -> None:
    """Empty the windows of an account's names, after its owner has proved to own its mailbox.

    Those of this address and of all strangers together; not those of other addresses.
    """
    for name in filter(None, names):
        for limit_name, who in (
            ("login_failed", _who(name, client_address(request))),
            ("login_name", _who(name)),
        ):
            if limit := settings.RATE_LIMITS[limit_name]:
                state_valkey().delete(limit_key(limit_name, limit, who))


def _who(name: str, where: str = "") -> str:
    """A subject of a limit: of fixed length, whatever somebody has typed as a name."""
    return sha256(f"{name.lower()}\n{where}".encode()).hexdigest()[:32]
