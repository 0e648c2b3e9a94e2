"""Publishing, editing and deleting posts; liking them, and counts that stay exact."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from core.counters import Counter, CounterChange, counts
from core.http.problems import Invalid, NotFound
from core.likes import add_like, remove_like
from core.outbox.models import OutboxEvent
from media.models import Media
from posts import selectors, services
from posts.models import CommentSummary, Like, Post
from posts.selectors import likers_page, posts_by_author
from posts.services import (
    delete_post,
    edit_post,
    like_post,
    publish_post,
    refresh_records,
    settle_counters,
    unlike_post,
)
from tests.support.api_documents import deactivate, shown_likes, shown_post
from tests.support.posts_factory import make_posts

pytestmark = pytest.mark.django_db
WHATEVER = 10_000  # a limit that nothing here comes near


def test_a_post_shows_its_media_in_the_order_given(
    alice: int, upload: Callable[[int], int]
) -> None:
    media_ids = [upload(alice) for _ in range(10)][::-1]
    post_id = publish_post(author_id=alice, caption="Ten.", media_ids=media_ids)
    document = shown_post(post_id, alice)
    assert [int(media["id"]) for media in document["media"]] == media_ids
    assert document["author"]["id"] == str(alice)
    assert document["caption"] == "Ten."
    assert document["edited_at"] is None


def test_a_post_and_its_outbox_row_come_together_or_not_at_all(
    alice: int, bob: int, upload: Callable[[int], int]
) -> None:
    outbox = OutboxEvent.objects.using("posts").filter(payload__author_id=alice)
    with pytest.raises(Invalid):
        publish_post(author_id=alice, caption="", media_ids=[upload(alice), upload(bob)])
    assert not outbox.exists()
    assert selectors.post_count(author_ids=[alice]) == 0
    assert not Media.objects.exclude(used_as="").filter(owner_id__in=[alice, bob]).exists()
    post_id = publish_post(author_id=alice, caption="", media_ids=[upload(alice)])
    assert outbox.get().payload == {"post_id": post_id, "author_id": alice}


def test_media_is_used_once(alice: int, upload: Callable[[int], int]) -> None:
    media_id = upload(alice)
    publish_post(author_id=alice, caption="", media_ids=[media_id])
    with pytest.raises(Invalid, match=f"Media {media_id} is used already"):
        publish_post(author_id=alice, caption="", media_ids=[media_id])


def test_only_the_author_edits_and_deletes(alice: int, bob: int) -> None:
    post_id = make_posts(alice, 1)[0]
    with pytest.raises(NotFound):
        edit_post(post_id=post_id, author_id=bob, changes={"caption": "Mine now."})
    with pytest.raises(NotFound):
        delete_post(post_id=post_id, author_id=bob)
    edit_post(post_id=post_id, author_id=alice, changes={"caption": "Better."})
    document = shown_post(post_id, alice)
    assert document["caption"] == "Better."
    assert document["edited_at"] is not None
    delete_post(post_id=post_id, author_id=alice)
    assert not Post.objects.filter(pk=post_id).exists()
    with pytest.raises(NotFound):
        delete_post(post_id=post_id, author_id=alice)


@pytest.mark.parametrize(
    "same",
    [
        {"caption": "No. 0"},
        {"comments_closed": False},
        {"caption": "No. 0", "comments_closed": False},
    ],
    ids=str,
)
def test_a_post_that_is_saved_as_it_was_is_not_edited(alice: int, same: dict[str, object]) -> None:
    post_id = make_posts(alice, 1)[0]
    before = shown_post(post_id, alice)
    edit_post(post_id=post_id, author_id=alice, changes=same)
    assert shown_post(post_id, alice) == before
    edits = OutboxEvent.objects.using("posts").filter(kind="post_edited")
    assert not edits.filter(payload__post_id=post_id).exists()


def test_only_another_caption_sets_when_a_post_was_edited(alice: int) -> None:
    post_id = make_posts(alice, 1)[0]

    def edited_at(**changes: object) -> Any:
        edit_post(post_id=post_id, author_id=alice, changes=changes)
        return Post.objects.get(pk=post_id).edited_at

    assert edited_at(caption="No. 0", comments_closed=True) is None
    assert Post.objects.get(pk=post_id).comments_closed
    first = edited_at(caption="Better.", comments_closed=True)
    assert first is not None
    assert edited_at(caption="Better.") == edited_at(comments_closed=False) == first


def test_nobody_learns_what_another_ones_post_is_by_saving_the_same(alice: int, bob: int) -> None:
    post_id = make_posts(alice, 1)[0]
    with pytest.raises(NotFound):
        edit_post(post_id=post_id, author_id=bob, changes={"caption": "No. 0"})


def test_a_like_shows_at_once_to_everybody_and_counts_once(
    alice: int, bob: int, post_id: int, likes: Callable[..., bool]
) -> None:
    assert shown_likes(post_id, alice) == shown_likes(post_id, bob) == (0, False, [])  # and warms
    assert [likes(post_id, alice), likes(post_id, alice)] == [True, False]
    assert shown_likes(post_id, alice) == (1, True, [alice])
    assert shown_likes(post_id, bob) == (1, False, [alice])
    (listed,), _ = posts_by_author(author_id=bob, viewer_id=alice, before=None, limit=9)
    assert orjson.loads(listed) == shown_post(post_id, alice)
    assert [likes(post_id, alice, unlike_post) for _ in range(2)] == [True, False]
    assert shown_likes(post_id, alice) == shown_likes(post_id, bob) == (0, False, [])


@pytest.mark.parametrize(("in_sql", "write"), [(add_like, like_post), (remove_like, unlike_post)])
def test_a_repetition_shows_what_a_request_that_died_after_its_commit_did_not(
    alice: int,
    post_id: int,
    likes: Callable[..., bool],
    in_sql: Callable[..., bool],
    write: Callable[..., bool],
) -> None:
    if write is unlike_post:
        likes(post_id, alice)
    before = shown_likes(post_id, alice)  # and warms
    in_sql(likes=Like, subject_id=post_id, user_id=alice)
    assert shown_likes(post_id, alice) == before, "nothing has refreshed it yet"
    assert likes(post_id, alice, write) is False
    assert shown_likes(post_id, alice) == (
        (1, True, [alice]) if write is like_post else (0, False, [])
    )


@pytest.mark.parametrize("why", ["missing", "deleted", "by a deactivated account"])
def test_a_post_that_is_not_shown_cannot_be_liked(
    alice: int, bob: int, post_id: int, why: str
) -> None:
    if why == "missing":
        post_id = 1
    elif why == "deleted":
        shown_post(post_id, alice)
        delete_post(post_id=post_id, author_id=bob)
        refresh_records(post_ids=[post_id])
    else:
        deactivate(bob)
    for write in (like_post, unlike_post):
        with pytest.raises(NotFound):
            write(post_id=post_id, user_id=alice)
    with pytest.raises(NotFound):
        likers_page(post_id=post_id, viewer_id=alice, after=None, limit=1)
    assert not Like.objects.filter(subject_id=post_id).exists()


def test_settling_changes_no_count_and_leaves_nothing_to_settle(
    alice: int, bob: int, post_id: int
) -> None:
    for user_id in (alice, bob):
        like_post(post_id=post_id, user_id=user_id)
    unlike_post(post_id=post_id, user_id=bob)
    assert settle_counters(limit=WHATEVER) >= 3
    assert shown_likes(post_id, alice) == (1, True, [alice]), "settling refreshes the record too"
    assert not CounterChange.objects.using("posts").filter(subject_id=post_id).exists()
    assert Counter.objects.using("posts").get(pk=post_id).value == 1
    settle_counters(limit=WHATEVER)
    assert counts(database="posts", subject_ids=[post_id]) == {post_id: 1}


def test_settling_removes_likes_that_came_to_a_post_while_it_was_deleted(
    alice: int, bob: int, post_id: int
) -> None:
    like_post(post_id=post_id, user_id=alice)
    Post.objects.filter(pk=post_id).delete()
    settle_counters(limit=WHATEVER)
    assert not Like.objects.filter(subject_id=post_id).exists()
    assert not Counter.objects.using("posts").filter(subject_id=post_id).exists()
    assert not CounterChange.objects.using("posts").filter(subject_id=post_id).exists()


def test_dependents_of_a_deleted_post_are_removed_step_by_step(
    alice: int, bob: int, post_id: int
) -> None:
    other = make_posts(bob, 1)[0]
    for user_id in (alice, bob):
        for liked in (post_id, other):
            like_post(post_id=liked, user_id=user_id)
    CommentSummary.objects.create(post_id=post_id, version=1, count=1, recent=[])
    Post.objects.filter(pk=post_id).delete()
    removed = [services.remove_likes_of_posts(post_ids=[post_id], limit=1) for _ in range(3)]
    assert removed == [1, 1, 0]
    assert not Like.objects.filter(subject_id=post_id).exists()
    assert not CommentSummary.objects.filter(post_id=post_id).exists()
    assert counts(database="posts", subject_ids=[post_id, other]) == {post_id: 0, other: 2}
    assert services.remove_likes_of_posts(post_ids=[], limit=1) == 0


def test_likes_of_a_deleted_account_are_removed(alice: int, bob: int, post_id: int) -> None:
    for user_id in (alice, bob):
        like_post(post_id=post_id, user_id=user_id)
    assert services.remove_likes_by_user(user_id=alice, limit=9) == 1
    assert services.remove_likes_by_user(user_id=alice, limit=9) == 0
    refresh_records(post_ids=[post_id])
    assert shown_likes(post_id, bob) == (1, True, [bob])
