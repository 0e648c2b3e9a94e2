"""What the API answers about timelines, in the process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.posts_factory import make_posts
from usergraph.services import import_follows

pytestmark = pytest.mark.django_db

HOME = "/api/v1/timeline/home"


@pytest.fixture
def home(api: Callable[[int], Any], alice: int, bob: int) -> Callable[..., Any]:
    """GET alice's home timeline; she follows bob, who has posted ten times."""
    list(import_follows(edges=[(alice, bob)]))
    make_posts(bob, 10)
    client = api(alice)
    return lambda address=HOME, **options: client.get(address, **options)


def ids(page: Any) -> list[str]:
    return [post["id"] for post in page["results"]]


@pytest.mark.parametrize("parameter", ["cursor", "since"])
@pytest.mark.parametrize("value", ["", " ", "x", "\u2603"])
def test_what_is_no_cursor_is_refused(home: Callable[..., Any], parameter: str, value: str) -> None:
    """An empty one too: a client that lost its cursor would read the first page for ever."""
    answer = home(data={parameter: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == parameter


def test_later_pages_say_nothing_of_what_is_newer(home: Callable[..., Any]) -> None:
    first = home(data={"limit": 4}).json()
    second = home(first["next"])
    assert second.json()["newer"] is None
    assert 'rel="prev"' not in second["Link"]
    assert ids(home(first["newer"]).json()) == []


def test_an_unchanged_page_costs_two_queries_and_no_post(
    home: Callable[..., Any], django_assert_num_queries: Any, round_trips: Callable[[], int]
) -> None:
    etag = home()["ETag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}', "*"):
        before = round_trips()
        with (
            django_assert_num_queries(1, using="default"),  # the authors
            django_assert_num_queries(1, using="posts"),  # whether the posts are as they were
        ):
            answer = home(headers={"If-None-Match": known})
        assert answer.status_code == 304
        assert not answer.content
        assert round_trips() - before == 1
    assert home(headers={"If-None-Match": '"other"'}).status_code == 200
