"""Windows of limits: when requests are allowed again, and which keys hold the counts."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.test import Client
from limits import RateLimitItem
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter

from core.http.limits import count_strictly, limit_key
from core.http.limits.windows import PREFIX
from core.http.problems import TooManyRequests
from core.valkey import state_valkey
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("stack")
Limited = Callable[[str, str], RateLimitItem]


def test_after_the_window_there_is_more(address: str, limited: Limited) -> None:
    limited("ip", "1/second")
    client = Client(REMOTE_ADDR=address)
    assert [client.get("/").status_code for _ in range(2)] == [200, 429]
    wait_until(lambda: client.get("/").status_code == 200, 3)


def test_a_moving_window_frees_one_place_after_the_other(address: str, limited: Limited) -> None:
    limited("login", "2/2seconds")

    def ask() -> int:
        """Ask, and return how many seconds to wait; 0 if admitted."""
        try:
            count_strictly(name="login", who=address)
        except TooManyRequests as over:
            return over.wait
        return 0

    start = time.monotonic()
    assert ask() == 0
    wait_until(lambda: time.monotonic() - start > 1, 2)
    assert ask() == 0
    assert ask() == 1, "when the first one is two seconds old"
    assert wait_until(lambda: ask() == 0, 3) < 1.5
    assert ask() > 0, "the second is still in the window"


def test_clocks_that_differ_let_nobody_through_and_break_nothing(
    address: str, limited: Limited
) -> None:
    limit, now = limited("login", "3/minute"), time.time()
    state_valkey().rpush(limit_key("login", limit, address), now - 999, now - 999, now)
    with pytest.raises(TooManyRequests) as over:
        count_strictly(name="login", who=address)
    assert over.value.wait == 60


def test_keys_and_counts_are_those_of_the_library(address: str, limited: Limited) -> None:
    fixed, moving = limited("ip", "5/minute"), limited("login", "7/minute")
    pool = state_valkey().connection_pool
    storage = RedisStorage("redis://", connection_pool=pool, key_prefix=PREFIX)
    answer = Client(REMOTE_ADDR=address).get("/")
    count_strictly(name="login", who=address)
    stats = FixedWindowRateLimiter(storage).get_window_stats(fixed, "ip", f"{{{address}}}")
    assert stats.remaining == int(answer["RateLimit-Remaining"]) == 4
    assert abs(stats.reset_time - time.time() - int(answer["RateLimit-Reset"])) <= 2
    moving_limiter = MovingWindowRateLimiter(storage)
    assert moving_limiter.get_window_stats(moving, "login", f"{{{address}}}").remaining == 6
