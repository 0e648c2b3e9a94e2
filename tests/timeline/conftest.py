"""Timelines to audit, and a client that reads one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest

from core.valkey import cache_valkey
from tests.conftest import ALL_DATABASES
from tests.support.drift import warm
from tests.support.feeds import HOME
from tests.support.posts_factory import make_posts
from timeline import audit, store
from timeline.entries import Timeline, home_timeline
from usergraph.services import import_follows


@pytest.fixture
def short_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pause before the second check of an audit."""
    monkeypatch.setattr(audit, "SECOND_CHECK_AFTER", 0.001)


@pytest.fixture
def home(alice: int, bob: int, settings: Any) -> Iterator[Timeline]:
    """Alice's home timeline, warm and complete: 2 posts of hers between 4 of bob's; cap 10."""
    settings.TIMELINE_CAP = 10
    list(import_follows(edges=[(alice, bob)]))
    for author_id in (bob, bob, alice, alice, bob, bob):
        make_posts(author_id, 1)
    timeline = home_timeline(user_id=alice)
    warm(timeline)
    yield timeline
    store.drop(keys=[timeline.key])


@pytest.fixture
def empty_cache(django_db_setup: None) -> None:
    """Empty CACHE of what other tests have left."""
    cache_valkey().flushall()


@pytest.fixture
def get_home(api: Callable[[int], Any], alice: int, bob: int) -> Callable[..., Any]:
    """GET alice's home timeline, or another address; she follows bob, who has posted ten times."""
    list(import_follows(edges=[(alice, bob)]))
    make_posts(bob, 10)
    client = api(alice)
    return lambda address=HOME, **options: client.get(address, **options)


@pytest.fixture
def no_sql(django_assert_num_queries: Any) -> Callable[[], AbstractContextManager[None]]:
    """Make a block in which any SQL fails the test."""

    @contextmanager
    def block() -> Iterator[None]:
        with ExitStack() as stack:
            for database in ALL_DATABASES:
                stack.enter_context(django_assert_num_queries(0, using=database))
            yield

    return block
