"""Rate limits: how often an address, and a user, may ask. Counted in the STATE Valkey.

How much each limit is says `RATE_LIMITS` in the settings; their text form, their keys and the
scripts that count are those of the library `limits`.

- `ip`, `read` and `write` are fixed windows, which begin at the first request. Counting them takes
  no round trip of its own where a session is asked for: see `count_caller`.
- `login`, `signup`, `reset`, `refresh` and `upload` are moving windows: never more than the limit,
  whichever minute one looks at. Counting one takes a round trip.

Each is counted by one script, so of any number of requests at the same time exactly as many get
through as the limit says. Who is over a limit is answered 429, and nothing of the view runs.

STATE down, or full: requests without a token go on uncounted, which is logged now and then; log-in,
sign-up, reset and refresh answer 503. Who sends a token cannot be authenticated while STATE is down
(503); while it is only full, they are, and go on uncounted, but for uploads.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from limits import RateLimitItem
from limits.storage import RedisStorage
from redis import ResponseError
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from core.http.callers import caller_id, client_address
from core.http.problems import Problem, TooManyRequests, Unavailable, problem_response
from core.http.requests import SAFE_METHODS
from core.valkey import Command, ValkeyUnavailable, exchange, state_valkey

if TYPE_CHECKING:
    from rest_framework.views import APIView  # imports authentication, which imports this

logger = logging.getLogger(__name__)

PREFIX = "limits:v1"
# For so long a process leaves STATE alone, and the log, once it could not count an address.
RETRY_SECONDS = 5.0
# A process remembers the keys of so many: the library takes its time over each.
KEYS_KEPT = 8192
# What is strictly limited by address: the POSTs of these views, as Django names them.
STRICT_VIEWS: Mapping[str, str] = {
    "headless:app:account:login": "login",
    "admin:login": "login",
    "headless:app:account:signup": "signup",
    "headless:app:account:request_password_reset": "reset",
    "headless:app:account:reset_password": "reset",
    "headless:app:tokens:refresh": "refresh",
}
# The library's scripts, for round trips with others, which its own methods do not make. Sent as a
# whole and not as a hash: a server that has lost them would have to be taught, and all be sent and
# counted again.
_COUNT = RedisStorage.SCRIPT_INCR_EXPIRE
_ACQUIRE = RedisStorage.SCRIPT_ACQUIRE_MOVING_WINDOW.decode()
_LOOK = RedisStorage.SCRIPT_MOVING_WINDOW.decode()


@lru_cache(maxsize=KEYS_KEPT)
def limit_key(name: str, limit: RateLimitItem, who: str) -> str:
    """STATE. Of `ip`, `read` and `write` a string, the count; of the others a list of Unix times,
    the newest first, at most as many as the limit. Both live as long as its window. `who` is a
    user's id or an address. The limit is in it, so another one begins at nothing.
    """
    return f"{PREFIX}:{limit.key_for(name, f'{{{who}}}')}"


class Window(NamedTuple):
    """Where somebody is in the window of a limit, the request that is being answered included."""

    key: str
    limit: RateLimitItem
    remaining: int
    reset_seconds: int  # until there is more, at least 1
    is_over: bool

    def admit(self) -> None:
        """Raises `TooManyRequests` when the request is one too many."""
        if self.is_over:
            raise TooManyRequests(
                f"No more than {self.limit.amount} requests of this kind in "
                f"{self.limit.get_expiry()} seconds. Try again in {self.reset_seconds} seconds.",
                wait=self.reset_seconds,
            )


@dataclass
class _Tally:
    """What has been counted of the current request."""

    windows: list[Window] = field(default_factory=list)
    is_address_counted: bool = False


class _Pause:
    """After a failure, a while of not trying, or not saying, the same again."""

    def __init__(self) -> None:
        self._until = 0.0

    def begin(self) -> None:
        self._until = time.monotonic() + RETRY_SECONDS

    def lasts(self) -> bool:
        return time.monotonic() < self._until


_tally: ContextVar[_Tally | None] = ContextVar("tally", default=None)
_said_lately = _Pause()


def _current() -> _Tally:
    return _tally.get() or _Tally()


def count_caller(
    *, request: HttpRequest, user_id: str, beside: Command
) -> tuple[Any, Window | None]:
    """Count a request of a user and of their address, in the round trip of another command.

    Returns the reply to `beside`, and the user's window, for the caller to `admit` or `take_back`;
    None: there is no limit, or STATE takes no writes. Raises `TooManyRequests` when the address is
    over its limit.
    """
    tally = _current()
    is_again = tally.is_address_counted  # a read that is done again, around a server that is gone
    tally.is_address_counted = True
    kind = "read" if request.method in SAFE_METHODS else "write"
    limits = _limits_of({} if is_again else {"ip": client_address(request), kind: user_id})
    commands = [beside, *_counting(limits)]
    reply, *replies = exchange(state_valkey(), commands, raise_errors=False)
    if isinstance(reply, Exception):
        raise reply
    try:
        windows = _fixed_windows(limits, replies)
    except ResponseError:
        _say("STATE takes no writes: requests are not counted")
        return reply, None
    if by_address := windows.get("ip"):
        by_address.admit()
    return reply, windows.get(kind)


def take_back(window: Window) -> None:
    """Uncount a request of a user that turned out not to be theirs; their window shows nowhere."""
    exchange(state_valkey(), [_count(window.key, window.limit, by=-1)])
    if window in (windows := _current().windows):
        windows.remove(window)


def count_strictly(*, name: str, who: str) -> None:
    """Count what must not go on uncounted; raises `TooManyRequests`, or `Unavailable`."""
    if (limit := settings.RATE_LIMITS[name]) is None:
        return
    key, seconds, now = limit_key(name, limit, who), limit.get_expiry(), time.time()
    pipeline = state_valkey().pipeline(transaction=True)
    pipeline.eval(_ACQUIRE, 1, key, now, limit.amount, seconds, 1)
    pipeline.eval(_LOOK, 1, key, now - seconds, limit.amount)
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
    _current().windows.append(window)
    window.admit()


def _limits_of(subjects: Mapping[str, str]) -> dict[str, tuple[str, RateLimitItem]]:
    """The key and the limit of those subjects that are limited, by the limit's name."""
    return {
        name: (limit_key(name, limit, who), limit)
        for name, who in subjects.items()
        if (limit := settings.RATE_LIMITS[name])
    }


def _counting(limits: Mapping[str, tuple[str, RateLimitItem]]) -> Iterator[Command]:
    """Two commands for each limit: count, and ask when its window ends."""
    for key, limit in limits.values():
        yield _count(key, limit)
        yield b"PTTL", key.encode()


def _count(key: str, limit: RateLimitItem, *, by: int = 1) -> Command:
    return b"EVAL", _COUNT, b"1", key.encode(), b"%d" % limit.get_expiry(), b"%d" % by


def _fixed_windows(
    limits: Mapping[str, tuple[str, RateLimitItem]], replies: list[Any]
) -> dict[str, Window]:
    """The windows, from the replies to those commands, which show in the answer's headers.

    Raises what the server has replied for an error.
    """
    for error in replies:
        if isinstance(error, Exception):
            raise error
    windows = {}
    for (name, (key, limit)), count, milliseconds in zip(
        limits.items(), replies[::2], replies[1::2], strict=True
    ):
        windows[name] = Window(
            key=key,
            limit=limit,
            remaining=max(limit.amount - count, 0),
            reset_seconds=max(math.ceil(milliseconds / 1000), 1),
            is_over=count > limit.amount,
        )
    _current().windows.extend(windows.values())
    return windows


def _say(what: str) -> None:
    """Log an error, of the one being handled, unless that has been done lately."""
    if not _said_lately.lasts():
        _said_lately.begin()
        logger.exception(what)


class UploadThrottle(BaseThrottle):
    """DRF's hook: limits the uploads of a user."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True; raises `TooManyRequests`."""
        count_strictly(name="upload", who=str(caller_id(request)))
        return True


class RateLimitMiddleware:
    """Counts by address what authentication does not count, and says in headers what is left.

    A request with a bearer token for a view that asks for one is left to authentication, which
    counts it in its own round trip. Whatever has been counted by nobody (no such address, a
    malformed token) is counted when its answer is there, so that all are, and each once.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._state_is_left_alone = _Pause()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        tally = _Tally()
        token = _tally.set(tally)
        try:
            response = self.get_response(request)
            if not tally.is_address_counted:
                response = self._refusal(request) or response
        finally:
            _tally.reset(token)
        for name, value in _headers(tally.windows).items():
            response[name] = value
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], *args: Any
    ) -> HttpResponse | None:
        """Count before a view runs."""
        if _current().is_address_counted or _will_authenticate(view, request):
            return None
        return self._refusal(request)

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        """Count for the address; the answer to one too many, or to what cannot be counted."""
        _current().is_address_counted = True
        try:
            if not self._state_is_left_alone.lasts():
                self._count_address(request)
            match = request.resolver_match
            name = STRICT_VIEWS.get(match.view_name) if match else None
            if name and request.method == "POST":
                count_strictly(name=name, who=client_address(request))
        except Problem as problem:
            return problem_response(problem)
        return None

    def _count_address(self, request: HttpRequest) -> None:
        limits = _limits_of({"ip": client_address(request)})
        if not limits:
            return
        try:
            replies = exchange(state_valkey(), [*_counting(limits)], raise_errors=False)
            _fixed_windows(limits, replies)["ip"].admit()
        except (ResponseError, *ValkeyUnavailable):
            self._state_is_left_alone.begin()
            _say("STATE is down or full: addresses are not counted")


def _will_authenticate(view: Callable[..., HttpResponse], request: HttpRequest) -> bool:
    scheme, _, _ = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    asks = getattr(getattr(view, "cls", None), "authentication_classes", ())
    return bool(asks) and scheme.lower() == "bearer"


def _headers(windows: list[Window]) -> dict[str, str]:
    """What is left of the limit that is nearest to its end, and all that apply."""
    if not windows:
        return {}
    nearest = min(windows, key=lambda window: (window.remaining, -window.reset_seconds))
    policies = [f"{window.limit.amount};w={window.limit.get_expiry()}" for window in windows]
    return {
        "RateLimit-Limit": str(nearest.limit.amount),
        "RateLimit-Remaining": str(nearest.remaining),
        "RateLimit-Reset": str(nearest.reset_seconds),
        "RateLimit-Policy": ", ".join(policies),
    }
