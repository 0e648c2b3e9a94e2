"""What posts show and cost, who likes them, and the query behind cold timelines and deep pages."""

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import orjson
import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from comments.services import add_comment
from core.counters import change_counts
from core.http.problems import NotFound
from posts import selectors
from posts.models import Like
from posts.selectors import (
    _REFS_SQL,
    _refs_parameters,
    likers_page,
    post_documents,
    post_refs,
)
from posts.services import (
    like_post,
)
from tests.support.api_documents import (
    deactivate,
    shown_comments,
    shown_ids,
    shown_likes,
    shown_post,
)
from tests.support.posts_factory import make_posts
from tests.support.query_plans import explain_analyze, nodes, rows_of
from usergraph.services import follow_user, import_follows, refresh_followed, unfollow_user
from users.services import refresh_documents, update_profile


@pytest.fixture
def busy_posts(
    alice: int, bob: int, person: Callable[[str], int], django_capture_on_commit_callbacks: Any
) -> list[int]:
    """20 posts of bob's with 4 likes, one by alice, and 3 comments each; she follows them."""
    fans = [person(f"fan{number}") for number in range(3)]
    list(import_follows(edges=[(alice, user_id) for user_id in (bob, *fans)]))
    ids = make_posts(bob, 20)
    for post_id in ids:
        for user_id in (*fans, alice):
            like_post(post_id=post_id, user_id=user_id)
        with django_capture_on_commit_callbacks(using="comments", execute=True) as callbacks:
            for author_id in fans:
                add_comment(post_id=post_id, author_id=author_id, text="Lovely.")
        assert callbacks
    return ids


@pytest.mark.django_db
def test_a_warm_page_of_20_costs_two_round_trips_and_no_sql(
    alice: int,
    busy_posts: list[int],
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    post_documents(post_ids=busy_posts, viewer_id=alice)
    before = round_trips()
    with (
        django_assert_num_queries(0, using="posts"),
        django_assert_num_queries(0, using="comments"),
        django_assert_num_queries(0, using="default"),
    ):
        documents = post_documents(post_ids=busy_posts, viewer_id=alice)
    assert round_trips() - before == 2
    assert list(documents) == busy_posts
    for document in map(orjson.loads, documents.values()):
        assert document["counts"] == {"likes": 4, "comments": 3}
        assert document["viewer"] == {"liked": True}
        assert len(document["recent_likes"]) == 3
        assert len(document["recent_comments"]) == 2


@pytest.mark.django_db
def test_the_latest_comments_are_shown_with_their_post_but_for_counts_and_viewer(
    alice: int, busy_posts: list[int]
) -> None:
    post_id = busy_posts[0]
    latest = shown_comments(post_id, alice)[:0:-1]
    for comment in latest:
        del comment["counts"], comment["viewer"]
    assert shown_post(post_id, alice)["recent_comments"] == latest


@pytest.mark.django_db
def test_a_renamed_or_deactivated_user_is_so_wherever_they_are_named(
    alice: int, busy_posts: list[int]
) -> None:
    post_id = busy_posts[0]
    newest, other = (int(c["author"]["id"]) for c in shown_post(post_id, alice)["recent_comments"])
    third = int(shown_comments(post_id, alice)[0]["author"]["id"])
    update_profile(user_id=newest, changes={"display_name": "Renamed"})
    refresh_documents(user_ids=[newest])
    document = shown_post(post_id, alice)
    assert document["recent_comments"][0]["author"]["display_name"] == "Renamed"
    assert shown_comments(post_id, alice)[-1]["author"]["display_name"] == "Renamed"
    liker = next(user for user in document["recent_likes"] if user["id"] == str(newest))
    assert liker["display_name"] == "Renamed"
    deactivate(newest)
    document = shown_post(post_id, alice)
    assert [int(one["author"]["id"]) for one in document["recent_comments"]] == [other, third]
    assert str(newest) not in {user["id"] for user in document["recent_likes"]}
    assert len(document["recent_likes"]) == 3, "somebody else is shown instead"
    assert len(shown_comments(post_id, alice)) == 2


@pytest.mark.django_db
def test_the_latest_three_are_shown_whom_one_follows_first_among_the_latest_eight(
    alice: int, bob: int, post_id: int, person: Callable[[str], int]
) -> None:
    people = [person(f"fan{number}") for number in range(10)]
    for number, user_id in enumerate(people):
        Like.objects.create(pk=post_id + 1 + number, subject_id=post_id, user_id=user_id)
        change_counts(database="posts", deltas={post_id: 1}, actor_id=user_id)
    newest = people[::-1]
    assert shown_likes(post_id, bob) == (10, False, newest[:3])
    list(import_follows(edges=[(alice, newest[at]) for at in (7, 4, 8)]))  # the last one is too old
    refresh_followed(viewer_ids=[alice])
    assert shown_likes(post_id, alice) == (10, False, [newest[4], newest[7], newest[0]])
    deactivate(newest[4])
    assert shown_likes(post_id, alice) == (10, False, [newest[7], newest[0], newest[1]])
    update_profile(user_id=newest[7], changes={"display_name": "Another", "username": f"o{alice}"})
    refresh_documents(user_ids=[newest[7]])
    first = shown_post(post_id, alice)["recent_likes"][0]
    assert (first["display_name"], first["username"]) == ("Another", f"o{alice}")


@pytest.mark.django_db
def test_those_who_like_a_post_are_listed_whom_one_follows_first(
    alice: int, bob: int, post_id: int, person: Callable[[str], int], api: Callable[[int], Any]
) -> None:
    people = [person(f"fan{number}") for number in range(6)]
    for number, user_id in enumerate(people):
        Like.objects.create(pk=post_id + 1 + number, subject_id=post_id, user_id=user_id)
    list(import_follows(edges=[(alice, people[1]), (alice, people[3]), (alice, bob)]))
    wanted = [people[at] for at in (3, 1, 5, 4, 2, 0)]
    for limit in range(1, 8):
        found: list[int] = []
        url = f"/api/v1/posts/{post_id}/likes?limit={limit}"
        while url:
            page = api(alice).get(url).json()
            found += [int(user["id"]) for user in page["results"]]
            url = page["next"]
        assert found == wanted, limit
    deactivate(people[3])
    page = api(alice).get(f"/api/v1/posts/{post_id}/likes").json()
    assert [int(user["id"]) for user in page["results"]] == [people[1], *wanted[2:]]
    page, _ = likers_page(post_id=post_id, viewer_id=bob, after=None, limit=2)
    assert shown_ids(page) == people[:3:-1]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["posts", "comments"])
def test_likers_are_listed_once_each_whomever_the_reader_follows_between_pages(
    kind: str, alice: int, bob: int, person: Callable[[str], int], api: Callable[[int], Any]
) -> None:
    people = [person(f"fan{number}") for number in range(8)]
    (subject_id,) = make_posts(bob, 1)
    if kind == "comments":
        subject_id = add_comment(post_id=subject_id, author_id=bob, text="Low tide.")
    for user_id in people:
        api(user_id).put(f"/api/v1/{kind}/{subject_id}/like")
    list(import_follows(edges=[(alice, people[1]), (alice, people[3])]))
    found: list[int] = []
    url = f"/api/v1/{kind}/{subject_id}/likes?limit=2"
    while url:
        page = api(alice).get(url).json()
        found += [int(user["id"]) for user in page["results"]]
        url = page["next"]
        for user_id in people:
            change = unfollow_user if user_id in found else follow_user
            change(follower_id=alice, followee_id=user_id)
        refresh_followed(viewer_ids=[alice])
    assert found == [people[at] for at in (3, 1, 7, 6, 5, 4, 2, 0)]


@pytest.mark.django_db
def test_an_authors_posts_are_listed_newest_first_by_the_page(alice: int, bob: int) -> None:
    make_posts(bob, 2)
    ids = make_posts(alice, 5)[::-1]
    seen, before = [], None
    while True:
        page, before = selectors.posts_by_author(
            author_id=alice, viewer_id=bob, before=before, limit=2
        )
        seen += [int(orjson.loads(post)["id"]) for post in page]
        if before is None:
            break
    assert seen == ids


@pytest.mark.django_db
def test_a_missing_post_is_not_found(alice: int) -> None:
    with pytest.raises(NotFound):
        shown_post(1, alice)


# --- Newest posts of many authors: right, and no scan that grows with the table ------------------


AUTHORS = 400


FIRST_ID = 2**61  # ids and authors that no other test has


FIRST_AUTHOR = 2**60


def insert(rows: list[tuple[int, int]]) -> None:
    """Bulk insert (post_id, author_id)."""
    with connections["posts"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO posts_post (id, author_id, caption) SELECT id, author_id, '' "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS row (id, author_id)",
            [[id_ for id_, _ in rows], [author_id for _, author_id in rows]],
        )


@pytest.fixture
def posts(db: None) -> list[tuple[int, int]]:
    """300 posts by ten authors, who post at different rates; newest first."""
    random = Random(7)
    weights = [2**number for number in range(10)]
    authors = random.choices(range(FIRST_AUTHOR, FIRST_AUTHOR + 10), weights, k=300)
    rows = [(FIRST_ID + number, author) for number, author in enumerate(authors)]
    insert(rows)
    return rows[::-1]


@pytest.mark.django_db
@given(
    author_ids=st.sets(st.integers(FIRST_AUTHOR, FIRST_AUTHOR + 11)),
    before=st.none() | st.integers(FIRST_ID, FIRST_ID + 301),
    since=st.just(0) | st.integers(FIRST_ID, FIRST_ID + 301),
    limit=st.integers(1, 310),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_newest_of_any_authors_between_any_two_posts(
    posts: list[tuple[int, int]],
    author_ids: set[int],
    before: int | None,
    since: int,
    limit: int,
) -> None:
    wanted = [
        (id_, author_id)
        for id_, author_id in posts
        if author_id in author_ids and id_ > since and (before is None or id_ < before)
    ]
    refs = post_refs(author_ids=sorted(author_ids), before=before, limit=limit, since=since)
    assert refs == wanted[:limit]


def rows_read(before: int, limit: int) -> int:
    """How many posts the query reads; it reads nothing but their index."""
    author_ids = range(FIRST_AUTHOR, FIRST_AUTHOR + AUTHORS)
    plan = explain_analyze(_REFS_SQL, _refs_parameters(author_ids, before, limit, 0))["Plan"]
    on_table = [node for node in nodes(plan) if node.get("Relation Name") == "posts_post"]
    assert on_table
    assert {node["Node Type"] for node in on_table} == {"Index Only Scan"}
    assert {node["Index Name"] for node in on_table} == {"post_by_author"}
    return sum(map(rows_of, on_table))


@pytest.fixture
def big_table(committed: None) -> Iterator[Callable[[int], None]]:
    """Grow the table by this many posts, and vacuum it; the posts go after the test."""
    random, sizes = Random(1), [0]

    def grow(size: int) -> None:
        ids = range(FIRST_ID + sizes[-1], FIRST_ID + size)
        authors = random.choices(range(FIRST_AUTHOR, FIRST_AUTHOR + 2 * AUTHORS), k=len(ids))
        insert(list(zip(ids, authors, strict=True)))
        sizes.append(size)
        execute("VACUUM ANALYZE posts_post")

    yield grow
    execute("DELETE FROM posts_post WHERE author_id >= %s", FIRST_AUTHOR)


def execute(sql: str, *parameters: int) -> None:
    with connections["posts"].cursor() as cursor:
        cursor.execute(sql, parameters)


def test_it_reads_no_more_rows_as_the_table_grows(
    big_table: Callable[[int], None], measured: Callable[[str], None]
) -> None:
    sizes, limits = (50_000, 100_000, 200_000), (21, 801)
    reads: dict[int, list[int]] = {limit: [] for limit in limits}
    for size in sizes:
        big_table(size)
        for limit in limits:
            reads[limit].append(rows_read(before=FIRST_ID + size, limit=limit))
    for limit in limits:
        measured(f"{AUTHORS} authors, {limit} posts: {reads[limit]} rows read of {sizes}")
        few = _refs_parameters(range(AUTHORS), None, limit, 0)["few"]
        assert max(reads[limit]) <= AUTHORS * few + limit
        assert max(reads[limit]) <= 1.1 * min(reads[limit])
