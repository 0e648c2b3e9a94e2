"""Many likes of one post are as fast as likes of many posts: no like waits for a row lock."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from statistics import median

import pytest

from posts.store import RECORDS
from tests.support.client import Person
from tests.support.feeds import make_many_posts

THREADS, POSTS = 16, 1000
ROUNDS, LIKES_EACH = 5, 4  # rounds of both kinds in turn; likes of each thread in a round
AT_LEAST = 0.8


@pytest.fixture
def fans(member: Callable[[str], Person]) -> list[Person]:
    """One person per thread."""
    return [member("fan") for _ in range(THREADS)]


def test_one_hot_post_is_liked_as_fast_as_a_thousand_posts(
    fans: list[Person], member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    hot, *others = make_many_posts([int(member("author").id)], POSTS + 1)
    RECORDS.get([hot, *others])  # warm

    def rate(post_ids: list[int]) -> float:
        """Likes and unlikes per second, by all threads at once."""

        def like(number: int) -> None:
            for turn in range(LIKES_EACH):
                post_id = post_ids[(number * LIKES_EACH + turn) % len(post_ids)]
                for method in ("PUT", "DELETE"):
                    answer = fans[number].http.request(method, f"/api/v1/posts/{post_id}/like")
                    assert answer.status_code == 200, answer.text

        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(like, range(THREADS)))
        return THREADS * LIKES_EACH * 2 / (time.perf_counter() - start)

    rates = []
    for round_ in range(ROUNDS):
        first = round_ * THREADS * LIKES_EACH
        many = [others[(first + number) % POSTS] for number in range(THREADS * LIKES_EACH)]
        rates.append((rate([hot]), rate(many)))
    ratio = median(on_hot / on_many for on_hot, on_many in rates)
    hot_rate, many_rate = (median(column) for column in zip(*rates, strict=True))
    measured(
        f"likes and unlikes a second from {THREADS} threads, median of {ROUNDS} rounds in turn: "
        f"{hot_rate:.0f} of one post, {many_rate:.0f} of {POSTS:,} posts; {ratio:.2f} of it"
    )
    assert ratio >= AT_LEAST
