"""How many wrong passwords or codes are tried for one account, or for a name that nobody has.

Nobody can lock somebody else out: a stranger's attempts count for the stranger's address, and all
strangers' attempts together in a slower window, which a known device passes.

    a caller with a session     `login_failed` and `login_device`, by account and session
    known device (devices.py)   `login_failed` and `login_device`, by account and device
    any other client            `login_failed`, by account and address; and `login_name`, by account

Passwords and codes of a second factor have windows of their own. Over a limit: 429 with
`Retry-After`, whether the attempt is right or not. STATE down: 503.
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


@dataclass(frozen=True)
class Attempt:
    """An attempt that is counted as a failure until `succeed` says that it was none."""

    counted: Sequence[Counted]

    def succeed(self) -> None:
        """Take the attempt out of the windows: a right password uses up nothing."""
        for counted in self.counted:
            counted.undo()


def begin_attempt(
    *, request: HttpRequest, account: User | None, name: str = "", session_key: str | None = None
) -> Attempt:
    """Count an attempt to give the password of an account, or of the `name` that nobody has.

    `session_key`: of a caller who has logged in to the account. Raises `TooManyRequests` or
    `Unavailable`.
    """
    who = f"account {account.pk}" if account else f"name {name.lower()}"
    return _begin(request, who, account, session_key)


def begin_code(*, request: HttpRequest, account: User, session_key: str | None = None) -> Attempt:
    """Count an attempt to give a code of an account's second factor, as `begin_attempt` does."""
    return _begin(request, f"code of account {account.pk}", account, session_key)


def session_of(request: HttpRequest, *, account: User) -> str | None:
    """The session of a request, if somebody has logged in to the account with it.

    So who has stolen a token keeps out nobody but the users of that session.
    """
    return request.session.session_key if request.user.pk == account.pk else None


def _begin(
    request: HttpRequest, who: str, account: User | None, session_key: str | None
) -> Attempt:
    if session_key:
        device: str | None = f"session {session_key}"
    else:
        device = known_device(request=request, user=account) if account else None
    if device:
        subject = _digest(who, device)
        limits = ("login_failed", "login_device")
        return Attempt([count_strictly(name=name, who=subject) for name in limits])
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


def _digest(who: str, where: str = "") -> str:
    """A subject of a limit: of fixed length, whatever somebody has typed as a name."""
    return sha256(f"{who}\n{where}".encode()).hexdigest()[:32]
