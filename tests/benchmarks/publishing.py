"""Publishing over HTTP: how soon all see a post; whether more followers slow the request."""

import time
from collections.abc import Iterator, Sequence
from itertools import count
from statistics import median, quantiles

from django.conf import settings

from core.outbox.models import OutboxEvent
from media.models import Media
from tests.benchmarks.deliveries import Audience
from tests.benchmarks.figures import Figure, Series
from tests.benchmarks.population import add_accounts, add_followers
from tests.benchmarks.requests import Bench
from tests.benchmarks.wire import Connection, request
from tests.support.client import wait_until
from timeline import store
from timeline.keys import home_keys_by_slot

ACTIVE = 10_000
AUDIENCES = (10, 1_000, 1_000_000)
SECONDS_TO_SETTLE = 180.0
_numbers = count()


def visible(bench: Bench, *, posts: int) -> Iterator[Figure]:
    """The time from the answer of POST /posts until a post is in the last of 10,000 timelines."""
    audience = Audience.of(ACTIVE)
    token = bench.population.token(audience.author_id)
    # The last timeline of a delivery: in the last batch, the last one of the last hash slot.
    first = (ACTIVE - 1) // settings.FANOUT_BATCH_SIZE * settings.FANOUT_BATCH_SIZE
    last = home_keys_by_slot(audience.follower_ids[first:])[-1][-1]
    took = []
    with Connection(bench.layout.port("caddy")) as connection:
        for message in _new_posts(audience.author_id, token, posts):
            answer = connection.ask(message)
            began = time.perf_counter()
            assert answer.status == 201, answer.body
            ref = (int(answer.json()["id"]), audience.author_id)
            wait_until(lambda ref=ref: _newest(last) == ref, 30)  # type: ignore[misc]
            took.append(1000 * (time.perf_counter() - began))
            audience.check(ref)
    ordered = quantiles(took, n=100)
    yield Figure(
        f"post acknowledged to visible for all of {ACTIVE:,}, p99",
        ordered[98],
        "ms",
        len(took),
        at_most=500,
        note=f"p50 {median(took):.0f} ms; {posts * ACTIVE:,} deliveries",
    )


def _newest(key: str) -> tuple[int, int] | None:
    page = store.read(key=key, before=None, limit=1, read_only=True)
    return page.refs[0] if page and page.refs else None


def _new_posts(author_id: int, token: str, posts: int) -> Iterator[bytes]:
    """Requests that publish posts, each with a picture of its own."""
    Media.objects.bulk_create(
        Media(
            owner_id=author_id,
            width=1080,
            height=1350,
            byte_size=250_000,
            blurhash="LEHV6nWB2yk8pyo0adR*.7kCMdnj",
            storage_prefix=f"public/media/benchmark-{next(_numbers)}",
        )
        for _ in range(posts)
    )
    unused = Media.objects.filter(owner_id=author_id, used_as="")
    for picture_id in unused.order_by("pk").values_list("pk", flat=True):
        body = {"caption": "On the beach at low tide.", "media": [str(picture_id)]}
        yield request("POST", "/api/v1/posts", token=token, body=body)


def audiences(bench: Bench, *, posts: int) -> Iterator[Figure]:
    """The time of the request at few and at very many followers, in turn."""
    people = add_accounts("fan_", max(AUDIENCES))
    authors = add_accounts("publisher_", len(AUDIENCES))
    for author_id, followers in zip(authors, AUDIENCES, strict=True):
        add_followers(author_id, people[:followers])
    tokens = [bench.population.token(author_id) for author_id in authors]
    took: list[list[float]] = [[] for _ in authors]
    with Connection(bench.write_api.port) as connection:

        def publish(number: int, message: bytes) -> None:
            began = time.perf_counter()
            answer = connection.ask(message)
            took[number].append(1000 * (time.perf_counter() - began))
            assert answer.status == 201, answer.body

        # The first post of an author over the limit drops all followers' timelines.
        for number, author_id in enumerate(authors):
            for message in _new_posts(author_id, tokens[number], 5):
                publish(number, message)
        wait_until(lambda: _is_delivered(authors), SECONDS_TO_SETTLE)
        took = [[] for _ in authors]
        turns = [
            _new_posts(author_id, token, posts)
            for author_id, token in zip(authors, tokens, strict=True)
        ]
        for messages in zip(*turns, strict=True):
            for number, message in enumerate(messages):
                publish(number, message)
                wait_until(lambda: _is_delivered(authors), 30)
    costs = {size: median(times) for size, times in zip(AUDIENCES, took, strict=True)}
    small, *_, large = costs.values()
    yield Figure(
        f"POST /posts at {AUDIENCES[-1]:,} followers",
        large,
        "ms",
        posts,
        reference=small,
        reference_name=f"at {AUDIENCES[0]}",
        ratio=large / small,
        at_most=1.2,
        note="median, by turns",
        series=Series("POST /posts, by the author's followers", "followers", "ms", costs),
    )


def _is_delivered(author_ids: Sequence[int]) -> bool:
    rows = OutboxEvent.objects.using("posts").filter(done_at=None)
    return not rows.filter(payload__author_id__in=list(author_ids)).exists()
