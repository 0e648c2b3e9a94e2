"""Counts a request in the windows of its limits in STATE; the tally prevents counting it twice."""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest
from limits import RateLimitItem
from limits.storage import RedisStorage
from redis import ResponseError

from core.http.callers import client_address
from core.http.problems import TooManyRequests, Unavailable
from core.http.requests import SAFE_METHODS
from core.valkey import Command, ValkeyUnavailable, exchange, state_valkey

logger = logging.getLogger(__name__)

# After a failure of STATE, a process does not ask again, or log it again, for so long.
RETRY_SECONDS = 5.0
PREFIX = "limits:v1"
# A process remembers so many keys: the library is slow to make one.
_KEYS_REMEMBERED = 8192
# The library's scripts. Its own methods make a round trip each. The scripts are sent whole, not by
# their hash: a server that had lost one would count the others of a round trip twice.
_COUNT = RedisStorage.SCRIPT_INCR_EXPIRE
_ACQUIRE_MOVING = RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()
_READ_MOVING = RedisStorage.SCRIPT_MOVING_WINDOW.decode()
# By a script, because the server writes numbers in another form than Python does.
_UNDO_MOVING = "return redis.call('LREM', KEYS[1], 1, tonumber(ARGV[1]))"

_Limits = Mapping[str, tuple[str, RateLimitItem]]  # key and limit, by the limit's name


@lru_cache(maxsize=_KEYS_REMEMBERED)
def limit_key(name: str, limit: RateLimitItem, who: str) -> str:
    """STATE. For `ip`, `read` and `write` a string: the count. For the others a list of Unix times,
    newest first, at most as many as the limit. Lives as long as the window. `who` is a user's id or
    an address. The limit is part of the key, so a changed limit begins at zero.
    """
    return f"{PREFIX}:{limit.key_for(name, f'{{{who}}}')}"


class Window(NamedTuple):
    """A user's or an address's window of one limit, after the current request was counted."""

    key: str
    limit: RateLimitItem
    remaining: int
    reset_seconds: int  # until more requests are allowed, at least 1
    is_over: bool

    def admit(self) -> None:
        """Raise `TooManyRequests` when the current request is one too many."""
        if self.is_over:
            raise TooManyRequests(
                f"No more than {self.limit.amount} requests of this kind in "
                f"{self.limit.get_expiry()} seconds. Try again in {self.reset_seconds} seconds.",
                wait=self.reset_seconds,
            )


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

    Returns the reply to `beside` and the user's window, for the caller to `admit` or `uncount`.
    The window is None when there is no limit, or STATE takes no writes. Raises `TooManyRequests`
    when the address is over its limit.
    """
    counted = tally()
    is_again = counted.is_address_counted  # a read that is run again, around a server that is down
    counted.is_address_counted = True
    kind = "read" if request.method in SAFE_METHODS else "write"
    limits = _limits_of({} if is_again else {"ip": client_address(request), kind: user_id})
    commands = [beside, *_count_commands(limits)]
    reply, *replies = exchange(state_valkey(), commands, raise_errors=False)
    if isinstance(reply, Exception):
        raise reply
    try:
        windows = _fixed_windows(limits, replies)
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
    if limits := _limits_of({"ip": client_address(request)}):
        replies = exchange(state_valkey(), _count_commands(limits), raise_errors=False)
        window = _fixed_windows(limits, replies)["ip"]
        tally().windows.append(window)
        window.admit()


def uncount(window: Window) -> None:
    """Uncount a request that was not its user's; its headers omit the window. One round trip."""
    exchange(state_valkey(), [_count_command(window.key, window.limit, by=-1)])
    if window in (windows := tally().windows):
        windows.remove(window)


@dataclass(frozen=True)
class Counted:
    """A request that a moving window has counted; `key` is empty when there is no such limit."""

    key: str = ""
    at: float = 0.0  # Unix time

    def undo(self) -> None:
        """Take it out of the window again; one round trip. STATE down: raises."""
        if self.key:
            state_valkey().eval(_UNDO_MOVING, 1, self.key, self.at)


def count_strictly(*, name: str, who: str) -> Counted:
    """Count a request of `who` (such as a user's id or an address) in a moving window.

    One round trip. Raises `TooManyRequests`; or `Unavailable` when STATE is down or full.
    """
    if (limit := settings.RATE_LIMITS[name]) is None:
        return Counted()
    key, seconds, now = limit_key(name, limit, who), limit.get_expiry(), time.time()
    pipeline = state_valkey().pipeline(transaction=True)
    pipeline.eval(_ACQUIRE_MOVING, 1, key, now, limit.amount, seconds, 1)
    pipeline.eval(_READ_MOVING, 1, key, now - seconds, limit.amount)
    try:
        acquired, found = pipeline.execute()
    except (ResponseError, *ValkeyUnavailable) as error:
        raise Unavailable("Requests cannot be counted now. Try again in a while.") from error
    # Nothing is found when the clocks of processes differ by more than the window.
    oldest, count = found or (now, limit.amount)
    window = Window(
        key=key,
        limit=limit,
        remaining=limit.amount - count if acquired else 0,
        reset_seconds=max(math.ceil(float(oldest) + seconds - now), 1),
        is_over=not acquired,
    )
    tally().windows.append(window)
    window.admit()
    return Counted(key, now)


def log_uncounted(message: str) -> None:
    """Log the exception that is being handled, unless one was logged a moment ago."""
    if not _log_pause.lasts():
        _log_pause.begin()
        logger.exception(message)


def _limits_of(subjects: Mapping[str, str]) -> _Limits:
    """The limits to count, from user ids or addresses by the limit's name; those that are set."""
    return {
        name: (limit_key(name, limit, who), limit)
        for name, who in subjects.items()
        if (limit := settings.RATE_LIMITS[name])
    }


def _count_commands(limits: _Limits) -> list[Command]:
    """Two commands for each limit, for `_fixed_windows`: count, and ask when the window ends."""
    commands: list[Command] = []
    for key, limit in limits.values():
        commands += _count_command(key, limit), (b"PTTL", key.encode())
    return commands


def _count_command(key: str, limit: RateLimitItem, *, by: int = 1) -> Command:
    """The command that adds `by` to the count of a fixed window."""
    return b"EVAL", _COUNT, b"1", key.encode(), b"%d" % limit.get_expiry(), b"%d" % by


def _fixed_windows(limits: _Limits, replies: Sequence[Any]) -> dict[str, Window]:
    """The windows by name, from the replies to `_count_commands`. Raises the first error reply."""
    for reply in replies:
        if isinstance(reply, Exception):
            raise reply
    return {
        name: Window(
            key=key,
            limit=limit,
            remaining=max(limit.amount - count, 0),
            reset_seconds=max(math.ceil(milliseconds / 1000), 1),
            is_over=count > limit.amount,
        )
        for (name, (key, limit)), count, milliseconds in zip(
            limits.items(), replies[::2], replies[1::2], strict=True
        )
    }
