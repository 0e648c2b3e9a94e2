"""The windows of limits in STATE: their keys, the commands that count, and what the replies say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from limits import RateLimitItem
from limits.storage import RedisStorage

from core.http.problems import TooManyRequests
from core.valkey import Command

PREFIX = "limits:v1"
# A process remembers so many keys: the library is slow to make one.
_KEYS_REMEMBERED = 8192
# The library's scripts. Its own methods make a round trip each. The scripts are sent whole, not by
# their hash: a server that had lost one would count the others of a round trip twice.
_COUNT = RedisStorage.SCRIPT_INCR_EXPIRE
ACQUIRE_MOVING_SCRIPT = RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()
READ_MOVING_SCRIPT = RedisStorage.SCRIPT_MOVING_WINDOW.decode()

Limits = Mapping[str, tuple[str, RateLimitItem]]  # key and limit, by the limit's name


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


def limits_of(subjects: Mapping[str, str]) -> Limits:
    """The limits to count, from user ids or addresses by the limit's name; those that are set."""
    return {
        name: (limit_key(name, limit, who), limit)
        for name, who in subjects.items()
        if (limit := settings.RATE_LIMITS[name])
    }


def count_commands(limits: Limits) -> list[Command]:
    """Two commands for each limit, for `fixed_windows`: count, and ask when the window ends."""
    commands: list[Command] = []
    for key, limit in limits.values():
        commands += count_command(key, limit), (b"PTTL", key.encode())
    return commands


def count_command(key: str, limit: RateLimitItem, *, by: int = 1) -> Command:
    """The command that adds `by` to the count of a fixed window."""
    return b"EVAL", _COUNT, b"1", key.encode(), b"%d" % limit.get_expiry(), b"%d" % by


def fixed_windows(limits: Limits, replies: Sequence[Any]) -> dict[str, Window]:
    """The windows by name, from the replies to `count_commands`. Raises the first error reply."""
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


def moving_window(
    key: str, limit: RateLimitItem, *, acquired: bool, found: tuple[Any, int] | None, now: float
) -> Window:
    """A moving window, from the replies to the two scripts, which ran at `now` (Unix time)."""
    # Nothing is found when the clocks of processes differ by more than the window.
    oldest, count = found or (now, limit.amount)
    return Window(
        key=key,
        limit=limit,
        remaining=limit.amount - count if acquired else 0,
        reset_seconds=max(math.ceil(float(oldest) + limit.get_expiry() - now), 1),
        is_over=not acquired,
    )
