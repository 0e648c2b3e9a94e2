"""Pages of comments and of those who like them: whole, in order, full, and what they cost."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections

from comments import selectors
from comments.models import Comment
from comments.selectors import comment_page, likers_page, summary
from comments.services import add_comment, delete_comment, like_comment
from core.http.problems import NotFound
from tests.support.api_documents import deactivate, shown_ids
from tests.support.posts_factory import make_posts
from tests.support.query_plans import explain_analyze, nodes, rows_of
from usergraph.services import import_follows

pytestmark = pytest.mark.django_db


def pages(post_id: int, viewer_id: int, **options: Any) -> list[list[int]]:
    """The ids on all pages of the comments on a post."""
    found: list[list[int]] = []
    after = None
    while True:
        page, after = comment_page(post_id=post_id, viewer_id=viewer_id, after=after, **options)
        found.append([int(comment["id"]) for comment in page])
        if after is None:
            return found
        assert len(found) < 100


def make_comments(post_id: int, author_ids: list[int], **columns: Any) -> list[int]:
    """Insert comments by these authors; returns their ids, oldest first."""
    rows = [
        Comment.objects.create(post_id=post_id, author_id=author_id, text="So.", **columns)
        for author_id in author_ids
    ]
    ids = sorted(row.pk for row in rows)
    # The ids of one millisecond may wrap: the authors follow the order of the ids.
    for comment_id, author_id in zip(ids, author_ids, strict=True):
        Comment.objects.filter(pk=comment_id).update(author_id=author_id)
    return ids


@pytest.mark.parametrize("newest_first", [False, True])
def test_every_comment_is_on_one_page_in_order_whatever_the_limit(
    alice: int, bob: int, post_id: int, newest_first: bool
) -> None:
    make_comments(make_posts(bob, 1)[0], [alice])
    ids = make_comments(post_id, [alice, bob, alice, bob, alice])
    ids = ids[::-1] if newest_first else ids
    for limit in range(1, len(ids) + 2):
        found = pages(post_id, bob, newest_first=newest_first, limit=limit)
        assert found == [ids[at : at + limit] for at in range(0, len(ids), limit)]


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_replies_to_a_comment_are_listed_alone(
    alice: int, bob: int, post_id: int, newest_first: bool
) -> None:
    one, other = make_comments(post_id, [alice, alice])
    replies = make_comments(post_id, [bob] * 5, reply_to_id=one)
    make_comments(post_id, [bob], reply_to_id=other)
    replies = replies[::-1] if newest_first else replies
    for limit in (1, 2, 5, 6):
        found = pages(post_id, bob, newest_first=newest_first, limit=limit, reply_to=one)
        assert [id_ for page in found for id_ in page] == replies
    assert pages(post_id, bob, newest_first=False, limit=5, reply_to=replies[0]) == [[]]


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_replies_can_be_left_out_and_pages_are_full(
    alice: int, bob: int, post_id: int, newest_first: bool
) -> None:
    ids = []
    for author_id in (bob, alice, bob, bob, alice, bob):
        (made,) = make_comments(post_id, [author_id])
        make_comments(post_id, [bob] * 4, reply_to_id=made)
        if author_id == bob:
            ids.append(made)
    make_comments(make_posts(bob, 1)[0], [bob])
    deactivate(alice)
    ids = ids[::-1] if newest_first else ids
    for limit in range(1, len(ids) + 2):
        found = pages(post_id, bob, newest_first=newest_first, limit=limit, top_level=True)
        assert found == [ids[at : at + limit] for at in range(0, len(ids), limit)]


def test_replies_to_a_comment_on_another_post_are_no_replies_here(
    alice: int, bob: int, post_id: int
) -> None:
    elsewhere = make_posts(bob, 1)[0]
    (one,) = make_comments(elsewhere, [alice])
    make_comments(elsewhere, [bob] * 3, reply_to_id=one)
    assert pages(post_id, bob, newest_first=False, limit=2, reply_to=one) == [[]]


ROOT = 1 << 50


@pytest.fixture
def busy(bob: int, post_id: int) -> None:
    """The post has a third of all comments, older than the others; most are replies to ROOT."""
    with connections["comments"].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO comments_comment (id, post_id, author_id, text, reply_to_id)
            SELECT %(root)s + at,
                CASE WHEN at < 3000 THEN %(busy)s ELSE at %% 50 END, %(bob)s, 'So.',
                CASE WHEN at BETWEEN 50 AND 2949 THEN %(root)s END
            FROM generate_series(0, 8999) AS at
            """,
            {"root": ROOT, "busy": post_id, "bob": bob},
        )
        cursor.execute("ANALYZE comments_comment")


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    ("options", "index", "cursors"),
    [
        ({}, "comment_by_post", [None, ROOT + 1000, ROOT + 2990]),
        ({"top_level": True}, "comment_top_level", [None, ROOT + 45, ROOT + 2960]),
        ({"reply_to": ROOT}, "comment_by_reply", [None, ROOT + 60, ROOT + 2940]),
    ],
    ids=["all", "top level", "replies"],
)
def test_a_page_reads_no_comment_that_is_not_on_it(
    bob: int,
    post_id: int,
    monkeypatch: pytest.MonkeyPatch,
    *,
    options: dict[str, Any],
    index: str,
    cursors: list[int | None],
    newest_first: bool,
) -> None:
    plans: list[Any] = []
    read_rows = selectors.read_rows

    def read_and_explain(sql: str, parameters: Any) -> list[Any]:
        plans.append(explain_analyze(sql, parameters, database="comments")["Plan"])
        return read_rows(sql, parameters)

    monkeypatch.setattr(selectors, "read_rows", read_and_explain)
    options = {"post_id": post_id, "viewer_id": bob, "newest_first": newest_first, **options}
    for after in cursors:
        page, _ = comment_page(after=after, limit=20, **options)
        assert page
    for plan in plans:
        read = [node for node in nodes(plan) if node.get("Alias") == "comments_comment"]
        assert [node["Index Name"] for node in read] == [index]
        assert sum(map(rows_of, read)) <= 21
        assert not any(node.get("Rows Removed by Filter") for node in read)
    assert len(plans) == len(cursors)


@pytest.mark.usefixtures("busy")
def test_a_summary_reads_the_two_latest_comments_only(post_id: int) -> None:
    parameters = {"post_id": post_id, "number": selectors.RECENT}
    plan = explain_analyze(selectors._SUMMARY_SQL, parameters, database="comments")["Plan"]
    (read,) = [node for node in nodes(plan) if node.get("Relation Name") == "comments_comment"]
    assert (read["Index Name"], rows_of(read)) == ("comment_by_post", 2)
    assert not read.get("Rows Removed by Filter")


@pytest.mark.usefixtures("busy")
def test_the_latest_comments_of_posts_are_read_from_the_end_of_each(post_id: int) -> None:
    parameters = {"post_ids": [post_id, post_id + 1], "number": 64}
    plan = explain_analyze(selectors._LATEST_SQL, parameters, database="comments")["Plan"]
    (read,) = [node for node in nodes(plan) if node.get("Relation Name") == "comments_comment"]
    assert (read["Index Name"], rows_of(read)) == ("comment_by_post", 64)
    assert not read.get("Rows Removed by Filter")


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize(
    "hidden", ["oxoxoxoxo", "xxxxxxooo", "oooxxxxxx", "oxxxxxxoo", "xxxxxxxxx"]
)
def test_a_page_is_short_only_at_the_end_though_authors_are_deactivated(
    alice: int, bob: int, post_id: int, hidden: str, newest_first: bool
) -> None:
    ids = [make_comments(post_id, [alice if sign == "x" else bob])[0] for sign in hidden]
    deactivate(alice)
    shown = sorted(id_ for id_, sign in zip(ids, hidden, strict=True) if sign == "o")
    shown = shown[::-1] if newest_first else shown
    for limit in range(1, len(shown) + 2):
        found = pages(post_id, bob, newest_first=newest_first, limit=limit)
        wanted = [shown[at : at + limit] for at in range(0, len(shown), limit)]
        assert found == (wanted or [[]])


def test_a_page_costs_a_bounded_number_of_queries_whatever_is_left_out(
    alice: int,
    bob: int,
    post_id: int,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    """Such a page is short, and the next one goes on."""
    monkeypatch.setattr(selectors, "NEXT_STEP", 3)
    ids = make_comments(post_id, [bob, *[alice] * 40, bob])
    deactivate(alice)
    options: Any = {"viewer_id": bob, "newest_first": False, "limit": 5}
    comment_page(post_id=post_id, after=None, **options)  # warm
    with django_assert_num_queries(selectors.MAX_ROUNDS, using="comments"):
        page, after = comment_page(post_id=post_id, after=None, **options)
    assert [int(comment["id"]) for comment in page] == ids[:1]
    assert after == ids[5 + 3 * 3]
    found = pages(post_id, **options)
    assert [id_ for page_ids in found for id_ in page_ids] == [ids[0], ids[-1]]


def test_a_page_goes_on_where_it_was_when_the_comment_at_the_cursor_is_deleted(
    alice: int, bob: int, post_id: int
) -> None:
    ids = make_comments(post_id, [alice] * 6)
    first, after = comment_page(
        post_id=post_id, viewer_id=bob, newest_first=False, after=None, limit=2
    )
    assert [int(comment["id"]) for comment in first] == ids[:2]
    delete_comment(comment_id=ids[1], user_id=alice)
    rest, _ = comment_page(post_id=post_id, viewer_id=bob, newest_first=False, after=after, limit=9)
    assert [int(comment["id"]) for comment in rest] == ids[2:]


def test_a_warm_page_costs_one_query_and_three_round_trips_whatever_its_length(
    alice: int,
    bob: int,
    post_id: int,
    round_trips: Callable[[], int],
    django_assert_num_queries: Any,
) -> None:
    for comment_id in make_comments(post_id, [alice, bob] * 10):
        like_comment(comment_id=comment_id, user_id=bob)
    for limit in (20, 5):
        pages(post_id, bob, newest_first=True, limit=20)  # warms
        before = round_trips()
        with (
            django_assert_num_queries(1, using="comments"),
            django_assert_num_queries(0, using="posts"),
            django_assert_num_queries(0, using="default"),
        ):
            page, _ = comment_page(
                post_id=post_id, viewer_id=bob, newest_first=True, after=None, limit=limit
            )
        assert len(page) == limit
        assert {comment["viewer"]["liked"] for comment in page} == {True}
        assert {comment["counts"]["likes"] for comment in page} == {1}
        assert round_trips() - before == 3  # the post; its author; those of the comments


def test_those_who_like_a_comment_are_listed_whom_one_follows_first(
    alice: int, bob: int, post_id: int, person: Callable[[str], int]
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=bob, text="Lovely.")
    people = [person(f"fan{number}") for number in range(5)]
    for user_id in people:
        like_comment(comment_id=comment_id, user_id=user_id)
    followed = [people[0], people[2]]
    list(import_follows(edges=[(alice, user_id) for user_id in followed]))
    wanted = [people[2], people[0], people[4], people[3], people[1]]
    for limit in range(1, 7):
        found, after = [], None
        while True:
            page, after = likers_page(
                comment_id=comment_id, viewer_id=alice, after=after, limit=limit
            )
            found += shown_ids(page)
            if after is None:
                break
        assert found == wanted, limit
    deactivate(bob)
    with pytest.raises(NotFound):
        likers_page(comment_id=comment_id, viewer_id=alice, after=None, limit=1)


def test_the_summary_of_a_post_has_the_count_and_the_two_latest(
    alice: int, bob: int, post_id: int, django_assert_num_queries: Any
) -> None:
    assert (summary(post_id=post_id).count, summary(post_id=post_id).recent) == (0, [])
    ids = sorted(add_comment(post_id=post_id, author_id=alice, text=text) for text in "abc")
    with django_assert_num_queries(1, using="comments"):
        found = summary(post_id=post_id)
    assert found.count == 3
    assert [int(comment["document"]["id"]) for comment in found.recent] == ids[:0:-1]
    assert {comment["author_id"] for comment in found.recent} == {alice}
    assert set(found.recent[0]["document"]) == {"id", "text", "created_at", "edited_at", "reply_to"}
