"""Removing the dependents of a deleted post: all of them, wherever that is interrupted."""

from collections.abc import Callable

import pytest
from botocore.exceptions import EndpointConnectionError
from django.utils import timezone

from comments import selectors as comment_selectors
from comments import services as comment_services
from comments.models import Comment, CommentLike
from core import counters
from core.counters import Counter, counts, replies_to, subjects_pending
from core.outbox import batches, rows
from core.outbox.delivery import deliver_event
from core.outbox.lookup import oldest_pending_id
from core.outbox.models import OutboxEvent
from media.models import Media
from operations import purge
from posts import services as post_services
from posts.models import CommentSummary, Like
from posts.store import RECORDS
from tests.support.account_data import (
    AccountData,
    count_post_rows,
)
from tests.support.api_documents import shown_post
from tests.support.deliveries import (
    deliver,
    deliver_to_all,
    deliver_with_kill_after_each_step,
    keys_of,
    object_store_down,
    pending,
    pending_rows,
)
from tests.support.posts_factory import make_posts

pytestmark = pytest.mark.django_db


@pytest.fixture
def deleted(bobs: AccountData, bob: int) -> OutboxEvent:
    """The event of bob's first post, which he has deleted."""
    post_id = bobs.post_ids[0]
    post_services.refresh_records(post_ids=[post_id])
    for event in pending_rows("comments", "comments_changed").filter(payload__post_id=post_id):
        deliver("comments", event)
    assert shown_post(post_id, bob)["counts"] == {"likes": 1, "comments": 2}
    post_services.delete_post(post_id=post_id, author_id=bob)
    return pending("posts", "post_deleted", post_id=post_id)


def test_all_dependents_of_a_deleted_post_go_and_nothing_else(
    bobs: AccountData, deleted: OutboxEvent, stored_keys: Callable[[], set[str]]
) -> None:
    gone, kept = bobs.post_ids
    going = keys_of(Media.objects.filter(used_by_id=gone))
    staying = keys_of(Media.objects.filter(used_by_id=kept))
    other = count_post_rows(kept, bobs.comment_ids)
    assert going | staying <= stored_keys()
    assert set(count_post_rows(gone)) >= {"likes", "comments", "media", "summaries"}
    assert deleted.subscriber == "operations"
    deliver_to_all("posts", "post_deleted", post_id=gone)
    assert count_post_rows(gone) == {}
    assert staying <= stored_keys()
    assert not stored_keys() & going
    assert RECORDS.get([gone]) == {}
    left = count_post_rows(kept, bobs.comment_ids)
    assert left["comments"] == 2
    assert left == other | {
        # Dependents of the gone comments are no longer among these.
        name: left[name]
        for name in ("comment_likes", "CounterChange_comments")
    }


def test_a_removal_that_is_killed_after_any_step_is_ended_by_the_next(
    bobs: AccountData, deleted: OutboxEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "STEP", 1)
    # A like; two likes of comments; a reply and what it replied to; a picture.
    assert deliver_with_kill_after_each_step("posts", deleted, monkeypatch) == 6
    post_id = bobs.post_ids[0]
    left = count_post_rows(post_id, bobs.comment_ids)
    kept = count_post_rows(bobs.post_ids[1], bobs.comment_ids)
    on_both = {"comment_likes", "CounterChange_comments"}
    assert {name for name in left if name not in on_both} == set()
    assert CommentLike.objects.filter(subject_id__in=bobs.comment_ids).count() == 1
    assert kept["comments"] == 2
    assert not deliver("posts", deleted), "it is done"


def test_while_the_object_store_is_down_the_rows_stay_and_the_removal_is_tried_again(
    bobs: AccountData, deleted: OutboxEvent, stored_keys: Callable[[], set[str]]
) -> None:
    post_id = bobs.post_ids[0]
    media = Media.objects.filter(used_by_id=post_id)
    going = keys_of(media)
    with object_store_down(), pytest.raises(EndpointConnectionError):
        deliver("posts", deleted)
    assert count_post_rows(post_id) == {"media": 1}
    event = OutboxEvent.objects.using("posts").get(pk=deleted.pk)
    assert (event.done_at, event.lease_until, event.attempts) == (None, None, 1)
    assert event.wake_at > timezone.now()
    assert "EndpointConnectionError" in event.last_error
    assert going <= stored_keys()
    assert deliver("posts", deleted)
    assert not media.exists()
    assert not going & stored_keys()


def test_of_a_post_with_more_replies_than_a_step_all_comments_go_and_are_counted_once(
    alice: int, bob: int
) -> None:
    post_id = make_posts(bob, 1)[0]
    first = comment_services.add_comment(post_id=post_id, author_id=alice, text="One.")
    for _ in range(3):
        comment_services.add_comment(post_id=post_id, author_id=bob, text="Two.", reply_to=first)
    assert comment_services.remove_comments_on_post(post_id=post_id, limit=4) == 4
    assert not Comment.objects.filter(post_id=post_id).exists()


def test_very_many_replies_to_a_deleted_comment_go_in_steps(
    alice: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request deletes only some of them, and counts off what it deletes."""
    monkeypatch.setattr(comment_services, "REPLIES_AT_ONCE", 2)
    monkeypatch.setattr(batches, "SMALL_STEP", 1)
    post_id = make_posts(bob, 1)[0]
    root = comment_services.add_comment(post_id=post_id, author_id=alice, text="One.")
    replies = [
        comment_services.add_comment(post_id=post_id, author_id=bob, text="Two.", reply_to=root)
        for _ in range(6)
    ]
    for comment_id in (root, *replies):
        comment_services.like_comment(comment_id=comment_id, user_id=bob)
    comment_services.delete_comment(comment_id=root, user_id=alice)
    assert Comment.objects.filter(post_id=post_id).count() == 4
    assert counts(database="comments", subject_ids=[post_id]) == {post_id: 4}
    event = pending("comments", "comments_deleted")
    # Four replies, and then the likes of what went in the request, all at once.
    assert deliver_with_kill_after_each_step("comments", event, monkeypatch) == 4 + 1
    assert not Comment.objects.filter(post_id=post_id).exists()
    assert counts(database="comments", subject_ids=[post_id]) == {post_id: 0}
    for event in pending_rows("comments", "comments_deleted"):
        if {root, *replies} & {*event.payload["comment_ids"]}:
            assert deliver("comments", event)
    assert not CommentLike.objects.filter(subject_id__in=[root, *replies]).exists()
    subjects = {root, *replies, *map(replies_to, [root, *replies])}
    counted = Counter.objects.using("comments").filter(pk__in=subjects)
    assert not counted.exists()
    assert not subjects_pending(database="comments", subject_ids=list(subjects))


def test_what_comes_to_a_post_after_its_removal_goes_too(
    bobs: AccountData, deleted: OutboxEvent, alice: int
) -> None:
    """Requests that had seen the post, and write only now."""
    post_id = bobs.post_ids[0]
    assert deliver("posts", deleted)
    Like.objects.create(subject_id=post_id, user_id=alice)
    counters.change_counts(database="posts", deltas={post_id: 1}, actor_id=alice)
    comment = Comment.objects.create(post_id=post_id, author_id=alice, text="Too late.")
    counters.change_counts(database="comments", deltas={post_id: 1}, actor_id=alice)
    event_id = rows.record(
        database="comments",
        kind="comments_changed",
        subscriber="fanout",
        payload={"post_id": post_id},
    )
    post_services.settle_counters(limit=1000)
    assert deliver_event(database="comments", event_id=event_id)
    assert count_post_rows(post_id, [comment.pk]) == {}


def test_a_summary_that_is_written_while_its_post_goes_does_not_stay(
    bobs: AccountData, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_id = bobs.post_ids[0]
    read = comment_selectors.summary

    def read_then_deleted(*, post_id: int) -> comment_selectors.Summary:
        summary = read(post_id=post_id)
        post_services.delete_post(post_id=post_id, author_id=bob)
        assert deliver("posts", pending("posts", "post_deleted", post_id=post_id))
        return summary

    monkeypatch.setattr(comment_selectors, "summary", read_then_deleted)
    assert deliver("comments", pending("comments", "comments_changed", post_id=post_id))
    assert not CommentSummary.objects.filter(post_id=post_id).exists()


def test_a_removal_that_waits_holds_up_nobody_who_asks_what_is_new() -> None:
    published = {"database": "posts", "kind": "post_published", "subscriber": "fanout"}
    before = oldest_pending_id(**published)
    OutboxEvent.objects.using("posts").create(
        id=1, kind="post_deleted", payload={}, wake_at=timezone.now()
    )
    assert oldest_pending_id(**published) == before


def test_the_pictures_go_first_because_they_are_public(
    bobs: AccountData, deleted: OutboxEvent, bob: int, stored_keys: Callable[[], set[str]]
) -> None:
    going = keys_of(Media.objects.filter(used_by_id=bobs.post_ids[0]))
    assert next(purge.remove_dependents_of_post(post_id=bobs.post_ids[0])) == ("media", 1)
    assert not going & stored_keys()
    going = keys_of(Media.objects.filter(owner_id=bob))
    assert next(purge.remove_owned_by_account(user_id=bob)) == ("media", 3)
    assert going
    assert not going & stored_keys()
