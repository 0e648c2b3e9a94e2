"""Counts the current request, each limit once; the tally says what has been counted so far."""

from __future__ import annotations

import logging
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from redis import ResponseError

from core.http.callers import client_address
from core.http.limits.windows import (
    ACQUIRE_MOVING_SCRIPT,
    READ_MOVING_SCRIPT,
    Window,
    count_command,
    count_commands,
    fixed_windows,
    limit_key,
    limits_of,
    moving_window,
)
from core.http.problems import Unavailable
from core.http.requests import SAFE_METHODS
from core.valkey import Command, ValkeyUnavailable, exchange, state_valkey

logger = logging.getLogger(__name__)

# After a failure of STATE, a process does not ask again, or log it again, for so long.
RETRY_SECONDS = 5.0


@dataclass
class Tally:
    """What has been counted of the current request."""

    windows: list[Window] = field(default_factory=list)
    is_address_counted: bool = False


class Pause:
    """A pause of RETRY_SECONDS after a failure."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        """Begin, or begin again."""
        self._until = time.monotonic() + RETRY_SECONDS

    def lasts(self) -> bool:
        """Whether it is not over yet."""
        return time.monotonic() < self._until


current_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)
_log_pause = Pause()


def tally() -> Tally:
    """The tally of the current request; outside of requests an empty one, which nobody reads."""
    return current_tally.get() or Tally()


def count_caller(
    *, request: HttpRequest, user_id: str, beside: Command
) -> tuple[Any, Window | None]:
    """Count a request for its user and its address, in the same round trip as another command.

    Returns the reply to `beside` and the user's window, for the caller to `admit` or `take_back`.
    The window is None when there is no limit, or STATE takes no writes. Raises `TooManyRequests`
    when the address is over its limit.
    """
    counted = tally()
    is_again = counted.is_address_counted  # a read that is run again, around a server that is down
    counted.is_address_counted = True
    kind = "read" if request.method in SAFE_METHODS else "write"
    limits = limits_of({} if is_again else {"ip": client_address(request), kind: user_id})
    commands = [beside, *count_commands(limits)]
    reply, *replies = exchange(state_valkey(), commands, raise_errors=False)
    if isinstance(reply, Exception):
        raise reply
    try:
        windows = fixed_windows(limits, replies)
    except ResponseError:
        log_uncounted("STATE takes no writes: requests are not counted")
        return reply, None
    counted.windows.extend(windows.values())
    if by_address := windows.get("ip"):
        by_address.admit()
    return reply, windows.get(kind)


def count_address(request: HttpRequest) -> None:
    """Count a request for its address; one round trip. Raises `TooManyRequests`.

    STATE down: raises `ValkeyUnavailable`. STATE takes no writes: raises `ResponseError`.
    """
    if limits := limits_of({"ip": client_address(request)}):
        replies = exchange(state_valkey(), count_commands(limits), raise_errors=False)
        window = fixed_windows(limits, replies)["ip"]
        tally().windows.append(window)
        window.admit()


def take_back(window: Window) -> None:
    """Uncount a request that turned out not to be its user's; its headers do not name the window.

    One round trip.
    """
    exchange(state_valkey(), [count_command(window.key, window.limit, by=-1)])
    if window in (windows := tally().windows):
        windows.remove(window)


def count_strictly(*, name: str, who: str) -> None:
    """Count a request in a moving window, or refuse it; one round trip.

    `who` is a user's id or an address. Raises `TooManyRequests`; or `Unavailable` when STATE is
    down or full.
    """
    if (limit := settings.RATE_LIMITS[name]) is None:
        return
    key, seconds, now = limit_key(name, limit, who), limit.get_expiry(), time.time()
    pipeline = state_valkey().pipeline(transaction=True)
    pipeline.eval(ACQUIRE_MOVING_SCRIPT, 1, key, now, limit.amount, seconds, 1)
    pipeline.eval(READ_MOVING_SCRIPT, 1, key, now - seconds, limit.amount)
    try:
        acquired, found = pipeline.execute()
    except (ResponseError, *ValkeyUnavailable) as error:
        raise Unavailable("Requests cannot be counted now. Try again in a while.") from error
    window = moving_window(key, limit, acquired=bool(acquired), found=found, now=now)
    tally().windows.append(window)
    window.admit()


def log_uncounted(message: str) -> None:
    """Log the exception that is being handled, unless one was logged a moment ago."""
    if not _log_pause.lasts():
        _log_pause.begin()
        logger.exception(message)
