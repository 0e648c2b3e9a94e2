"""Several transactions at once that really commit, and what their posts show."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from comments.models import Comment, CommentLike
from comments.services import add_comment, delete_comment, like_comment, take_down
from core.counters import counts, replies_to
from core.http.problems import Invalid, NotFound
from tests.support.api_documents import shown_post
from tests.support.posts_factory import make_posts

pytestmark = pytest.mark.usefixtures("committed")


def at_once(calls: Iterable[Callable[[], object]]) -> list[object]:
    """Make calls in threads of their own; returns what each returned, or its error's type."""

    def run(call: Callable[[], object]) -> object:
        try:
            return call()
        except (Invalid, NotFound) as problem:
            return type(problem)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(run, calls))


def test_a_reply_to_a_comment_that_was_deleted_is_refused(person: Callable[[str], int]) -> None:
    author_id = person("author")
    post_id = make_posts(author_id, 1)[0]
    gone = add_comment(post_id=post_id, author_id=author_id, text="So.")
    take_down(comment_ids=[gone])
    with pytest.raises(Invalid, match="no such comment"):
        add_comment(post_id=post_id, author_id=author_id, text="Late.", reply_to=gone)
    assert counts(database="comments", subject_ids=[post_id]) == {post_id: 0}


def test_replies_likes_and_deletions_at_once_leave_exact_counts(
    person: Callable[[str], int],
) -> None:
    author_id = person("author")
    fans = [person("fan") for _ in range(4)]
    post_id = make_posts(author_id, 1)[0]
    roots = [add_comment(post_id=post_id, author_id=author_id, text="So.") for _ in range(3)]
    kept, *going = roots
    calls: list[Callable[[], object]] = []
    for number, fan in enumerate(fans * 3):
        root = roots[number % 3]
        calls += [
            lambda fan=fan, root=root: add_comment(  # type: ignore[misc]
                post_id=post_id, author_id=fan, text="Yes.", reply_to=root
            ),
            lambda fan=fan, root=root: like_comment(comment_id=root, user_id=fan),  # type: ignore[misc]
        ]
    calls[10:10] = [lambda: take_down(comment_ids=going)] * 2
    calls[20:20] = [lambda: delete_comment(comment_id=going[0], user_id=author_id)] * 2
    at_once(calls)
    take_down(comment_ids=going)
    left = Comment.objects.filter(post_id=post_id)
    assert not left.filter(pk__in=going).exists()
    assert not left.filter(reply_to__in=going).exists()
    exact = counts(database="comments", subject_ids=[post_id, kept, replies_to(kept)])
    assert exact == {
        post_id: left.count(),
        kept: CommentLike.objects.filter(subject_id=kept).count(),
        replies_to(kept): left.filter(reply_to=kept).count(),
    }
    assert exact[kept] == exact[replies_to(kept)] == len(fans)
    # and the post shows it, whichever was last
    document = shown_post(post_id, author_id)
    assert document["counts"]["comments"] == left.count() == 1 + len(fans)
    latest = [str(pk) for pk in left.order_by("-pk").values_list("pk", flat=True)[:2]]
    assert [comment["id"] for comment in document["recent_comments"]] == latest


def test_a_like_given_many_times_at_once_counts_once(person: Callable[[str], int]) -> None:
    author_id, fan = person("author"), person("fan")
    post_id = make_posts(author_id, 1)[0]
    comment_id = add_comment(post_id=post_id, author_id=author_id, text="So.")
    given = at_once([lambda: like_comment(comment_id=comment_id, user_id=fan)] * 8)
    assert sorted(map(bool, given)) == [False] * 7 + [True]
    assert counts(database="comments", subject_ids=[comment_id]) == {comment_id: 1}
