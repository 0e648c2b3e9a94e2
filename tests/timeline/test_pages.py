"""Pages of timelines: the same whether Valkey is warm, cold, cut off, or being built."""

from collections.abc import Callable
from typing import Any

import pytest

from posts import selectors as post_selectors
from posts.models import Post
from tests.support.api_documents import documents_of_existing
from tests.support.posts_factory import make_posts
from timeline import pages, services, store
from timeline.entries import home_timeline, profile_timeline, timeline_slice
from timeline.keys import home_key, profile_key
from timeline.pages import home_page, profile_page
from usergraph.mutes import mute_user
from usergraph.services import import_follows
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def documents_from_sql(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests change posts and accounts in SQL, without the services that refresh CACHE."""
    monkeypatch.setattr(post_selectors, "post_documents", documents_of_existing)


def page_ids(viewer_id: int, limit: int, cursor: int | None = None) -> list[int]:
    return list(home_page(viewer_id=viewer_id, cursor=cursor, limit=limit).documents)


def walk(viewer_id: int, limit: int) -> list[int]:
    """All ids, from the first page to the last."""
    ids: list[int] = []
    cursor = None
    while True:
        page = home_page(viewer_id=viewer_id, cursor=cursor, limit=limit)
        ids += page.documents
        cursor = page.next_cursor
        if cursor is None:
            return ids
        assert len(page.documents) == limit, "only the last page is short"


@pytest.fixture
def feed(alice: int, bob: int, person: Callable[[str], int], settings: Any) -> list[int]:
    """25 posts by alice, whom she follows (bob and cleo); ids newest first; cap 10."""
    settings.TIMELINE_CAP = 10
    cleo, stranger = person("cleo"), person("stranger")
    list(import_follows(edges=[(alice, bob), (alice, cleo)]))
    make_posts(stranger, 5)
    ids = [
        id_
        for _ in range(5)
        for by, n in ((bob, 2), (cleo, 2), (alice, 1))
        for id_ in make_posts(by, n)
    ]
    return sorted(ids, reverse=True)


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 11, 24, 25, 26, 100])
def test_paging_shows_every_post_once_in_order_across_the_cap(
    alice: int, feed: list[int], limit: int
) -> None:
    assert walk(alice, limit) == feed, "cold at first"
    assert walk(alice, limit) == feed, "and warm"


def test_a_cursor_goes_on_when_the_timeline_is_evicted_between_two_pages(
    alice: int, feed: list[int]
) -> None:
    assert page_ids(alice, 4) == feed[:4]
    services.drop_home_timelines(user_ids=[alice])
    assert page_ids(alice, 4, cursor=feed[3]) == feed[4:8]


def test_a_cursor_goes_on_when_its_post_is_deleted(alice: int, feed: list[int]) -> None:
    assert page_ids(alice, 4) == feed[:4]
    Post.objects.filter(pk=feed[3]).delete()
    assert page_ids(alice, 4, cursor=feed[3]) == feed[4:8]


def test_deleted_posts_leave_no_gap_in_a_page(alice: int, feed: list[int]) -> None:
    walk(alice, 25)
    Post.objects.filter(pk__in=feed[0:6]).delete()
    assert page_ids(alice, 5) == feed[6:11]


def test_a_page_is_full_whatever_number_of_entries_is_left_out(
    alice: int, bob: int, feed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists may name any number of posts that are gone; SQL names none."""
    monkeypatch.setattr(pages, "SECOND_STEP", 3)
    walk(alice, 25)
    Post.objects.filter(pk__in=feed[1:20]).delete()
    assert page_ids(alice, 2) == [feed[0], feed[20]]
    assert walk(alice, 2) == [feed[0], *feed[20:]]


@pytest.mark.parametrize("second_step", [1, 3, 100])
def test_pages_are_full_though_an_author_is_muted(
    alice: int,
    bob: int,
    feed: list[int],
    monkeypatch: pytest.MonkeyPatch,
    second_step: int,
) -> None:
    monkeypatch.setattr(pages, "SECOND_STEP", second_step)
    make_posts(bob, 9)
    mute_user(muter_id=alice, muted_id=bob)
    rest = [id_ for id_ in feed if post_selectors.author_of(post_id=id_) != bob]
    for state in ("cold", "warm"):
        assert walk(alice, 4) == rest, state


def test_a_reader_beside_the_builder_gets_the_right_page_from_sql(
    alice: int, feed: list[int]
) -> None:
    assert store.begin_build(key=home_key(alice), graph_lsn=0)
    assert page_ids(alice, 4) == feed[:4]
    assert walk(alice, 7) == feed


def test_pages_come_from_sql_while_the_cache_is_down(
    alice: int, feed: list[int], closed_cache: None
) -> None:
    assert walk(alice, 7) == feed


def test_building_asks_three_queries_and_a_warm_page_none_for_its_entries(
    alice: int, feed: list[int], django_assert_num_queries: Any, round_trips: Callable[[], int]
) -> None:
    timeline = home_timeline(user_id=alice)
    with (
        django_assert_num_queries(2, using="default"),  # the graph LSN, whom alice follows
        django_assert_num_queries(1, using="posts"),
    ):
        timeline_slice(timeline=timeline, before=None, limit=5)
    before = round_trips()
    with (
        django_assert_num_queries(0, using="default"),
        django_assert_num_queries(0, using="posts"),
    ):
        timeline_slice(timeline=timeline, before=None, limit=5)
    assert round_trips() - before == 1


def test_a_profile_timeline_holds_its_author_only(bob: int, feed: list[int]) -> None:
    page = profile_page(user_id=bob, viewer_id=bob, limit=20)
    assert len(page.documents) == 10
    assert set(page.documents.values()) == {b"%d" % bob}
    assert page.next_cursor is None


def test_ones_own_post_is_in_both_own_timelines_at_once(alice: int, feed: list[int]) -> None:
    for timeline in (home_timeline(user_id=alice), profile_timeline(user_id=alice)):
        timeline_slice(timeline=timeline, before=None, limit=5)
    post_id = make_posts(alice, 1)[0]
    services.deliver_to_own_timelines(post_id=post_id, author_id=alice)
    for key in (home_key(alice), profile_key(alice)):
        part = store.read(key=key, before=None, limit=1)
        assert part is not None
        assert part.refs == [(post_id, alice)]


def test_posts_of_a_deactivated_author_are_not_shown(alice: int, bob: int, feed: list[int]) -> None:
    User.objects.filter(pk=bob).update(is_active=False)
    assert set(walk(alice, 4)) == set(feed) - set(
        Post.objects.filter(author_id=bob).values_list("pk", flat=True)
    )
