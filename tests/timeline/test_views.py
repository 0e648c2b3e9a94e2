"""What the API answers about timelines, in the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, cast

import pytest
from redis import ResponseError
from rest_framework.test import APIClient

from comments.events import CommentsChanged
from comments.services import add_comment
from core.valkey import cache_valkey
from fanout.handlers import show_comments
from posts.services import like_post
from tests.conftest import ALL_DATABASES
from tests.support.feeds import access_token
from tests.support.posts_factory import make_posts
from timeline import services as timeline_services
from timeline import unchanged
from usergraph.services import import_follows
from users.models import User

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


@contextmanager
def no_sql(django_assert_num_queries: Any) -> Iterator[None]:
    """Fails when a database is asked anything."""
    with ExitStack() as stack:
        for database in ALL_DATABASES:
            stack.enter_context(django_assert_num_queries(0, using=database))
        yield


@pytest.fixture
def busy_home(alice: int, bob: int, person: Callable[[str], int]) -> None:
    """20 posts in alice's home timeline, with likes and comments of other people."""
    list(import_follows(edges=[(alice, bob)]))
    fans = [person(f"fan{number}") for number in range(4)]
    for post_id in make_posts(bob, 20):
        for user_id in fans:
            like_post(post_id=post_id, user_id=user_id)
        comment_id = add_comment(post_id=post_id, author_id=fans[0], text="Lovely.")
        add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
        list(show_comments(CommentsChanged(post_id), 0))


def assert_busy(page: Any) -> None:
    for post in page["results"]:
        assert post["counts"] == {"likes": 4, "comments": 2}
        assert len(post["recent_likes"]) == 3
        assert len(post["recent_comments"]) == 2
    assert len(page["results"]) == 20


@pytest.mark.usefixtures("busy_home")
def test_a_warm_page_with_likes_and_comments_costs_four_round_trips_and_no_sql(
    api: Callable[[int], Any],
    alice: int,
    django_assert_num_queries: Any,
    round_trips: Callable[[], int],
) -> None:
    client = api(alice)
    assert_busy(client.get(HOME).json())
    before = round_trips()
    with no_sql(django_assert_num_queries):
        page = client.get(HOME)
    # The request's count; the timeline; posts, likes, follows; people.
    assert round_trips() - before <= 4
    assert_busy(page.json())


@pytest.mark.usefixtures("busy_home")
def test_a_warm_page_for_a_bearer_of_a_token_costs_four_round_trips_and_no_sql(
    alice: int, django_assert_num_queries: Any, round_trips: Callable[[], int]
) -> None:
    client = APIClient(headers={"Authorization": f"Bearer {access_token(alice)}"})
    assert_busy(client.get(HOME).json())
    before = round_trips()
    with no_sql(django_assert_num_queries):
        page = client.get(HOME)
    assert round_trips() - before <= 4  # the session beside the count
    assert_busy(page.json())


def test_what_is_kept_of_a_page_says_nothing_of_another(
    api: Callable[[int], Any], alice: int, bob: int
) -> None:
    """Alice sees the same at home as in bob's timeline, until she posts herself."""
    list(import_follows(edges=[(alice, bob)]))
    make_posts(bob, 3)
    client = api(alice)
    username = User.objects.get(pk=bob).username
    profile = f"/api/v1/users/{username}/timeline"
    etag = client.get(HOME)["ETag"]
    assert client.get(profile)["ETag"] == etag
    for address in (profile, profile, HOME, HOME):
        answer = client.get(address, headers={"If-None-Match": etag})
        assert answer.status_code == 304
    (post_id,) = make_posts(alice, 1)
    timeline_services.deliver_to_own_timelines(post_id=post_id, author_id=alice)
    for _ in range(2):
        assert client.get(HOME, headers={"If-None-Match": etag}).status_code == 200
        assert client.get(profile, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("query", "accept"), [("", "text/html"), ("", "application/xml;q=0.1"), ("?format=xml", "*/*")]
)
def test_there_is_one_kind_of_answer(home: Callable[..., Any], query: str, accept: str) -> None:
    answer = home(HOME + query, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


def test_what_is_kept_may_be_gone_or_of_no_use(
    home: Callable[..., Any], alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    etag = home()["ETag"]
    known = {"If-None-Match": etag}
    assert home(headers=known).status_code == 304
    (key,) = cache_valkey().scan_iter(match=f"unchanged:v1:{{{alice}}}:*")
    kept = cast("bytes", cache_valkey().get(key))
    for value in (None, b"", kept.replace(b"EVALSHA", b"EVALSHO"), kept.replace(b"MGET", b"NGET")):
        unchanged._remembered.clear()
        cache_valkey().unlink(key)
        if value is not None:
            cache_valkey().set(key, value, ex=60)
        assert home(headers=known).status_code == 304
        assert cache_valkey().get(key) == kept, "it is kept anew"


def test_other_code_finds_nothing_that_is_kept(
    home: Callable[..., Any], alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"If-None-Match": home()["ETag"]}
    for _ in range(2):
        assert home(headers=known).status_code == 304
    monkeypatch.setattr(unchanged, "_CODE", "of another release")
    made: list[Any] = []
    monkeypatch.setattr(unchanged, "keep", lambda **page: made.append(page))
    assert home(headers=known).status_code == 304
    assert len(made) == 1, "by making the page"


def test_a_cache_that_is_full_keeps_nothing_and_fails_nobody(
    home: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise ResponseError("OOM command not allowed when used memory > 'maxmemory'.")

    known = {"If-None-Match": home()["ETag"]}
    monkeypatch.setattr(unchanged, "exchange", full)
    for _ in range(2):
        assert home(headers=known).status_code == 304
    assert "is not kept" in caplog.text


def test_a_process_remembers_no_more_pages_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unchanged, "PAGES_REMEMBERED", 3)
    unchanged._remembered.clear()
    for number in range(5):
        unchanged._remember(f"page {number}", b"kept")
    assert list(unchanged._remembered) == ["page 2", "page 3", "page 4"]
    unchanged._remembered.clear()


def test_an_unchanged_page_costs_no_sql_and_no_body(
    home: Callable[..., Any], django_assert_num_queries: Any, round_trips: Callable[[], int]
) -> None:
    etag = home()["ETag"]
    # The count, what is kept of the page, the looks that it was made of; the first time and where
    # that is not asked for, the page itself is made, and the first time it is kept.
    strong = etag.removeprefix("W/")
    for known, most in ((etag, 6), (etag, 3), (etag, 2), (strong, 2), (f'"x", {etag}', 6)):
        before = round_trips()
        with no_sql(django_assert_num_queries):
            answer = home(headers={"If-None-Match": known})
        assert answer.status_code == 304
        assert answer["ETag"] == etag
        assert not answer.content
        assert round_trips() - before <= most
    assert home(headers={"If-None-Match": "*"}).status_code == 304
    assert home(headers={"If-None-Match": '"other"'}).status_code == 200
