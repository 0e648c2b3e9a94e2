"""Removing a deleted account: all that it owned and no more, wherever that is interrupted."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from comments import selectors as comment_selectors
from comments import services as comment_services
from comments.models import Comment, CommentLike
from core.counters import counts
from core.http.idempotency_keys import IdempotencyKey
from core.outbox import batches
from core.outbox.models import OutboxEvent
from core.sql import PRIMARIES
from media import services as media_services
from media.models import Media
from posts import services as post_services
from posts.models import Like, Post
from posts.store import LIKED
from tests.support.account_data import (
    AccountData,
    count_account_rows,
    count_post_rows,
    like_and_comment,
    valkey_keys_of,
    warm_cached_values,
)
from tests.support.api_documents import shown_post
from tests.support.deliveries import (
    deliver,
    deliver_with_kill_after_each_step,
    keys_of,
    killed,
    object_store_down,
    pending,
    pending_rows,
)
from timeline.entries import home_timeline, profile_timeline, timeline_slice
from timeline.store import peek
from usergraph import selectors as graph
from usergraph import services as graph_services
from usergraph.models import Follow
from usergraph.store import FOLLOWED
from users import services as user_services
from users.models import AccountDeletion, FormerUsername, User
from users.services import delete_account, ensure_account, free_former_usernames

pytestmark = pytest.mark.django_db


@pytest.fixture
def alices(alice: int, bob: int, bobs: AccountData, upload: Callable[[int], Media]) -> AccountData:
    """Alice's posts; bob likes and comments on them, and she answers."""
    own = AccountData(alice)
    own.post_ids = [
        post_services.publish_post(author_id=alice, caption="", media_ids=[upload(alice).pk])
        for _ in range(2)
    ]
    said = like_and_comment(bob, own)
    like_and_comment(alice, AccountData(bob), answers=said)
    own.comment_ids = [
        comment_services.add_comment(post_id=id_, author_id=alice, text="Mine.")
        for id_ in own.post_ids
    ]
    return own


@pytest.fixture
def going(alices: AccountData, bob: int) -> OutboxEvent:
    """The event of bob's account, which is being deleted."""
    delete_account(user_id=bob, requested_by="self")
    return pending("default", "account_deleted", user_id=bob)


def deletion_of(user_id: int) -> AccountDeletion:
    return AccountDeletion.objects.get(user_id=user_id)


# Two posts with a picture and a like of alice's each; avatar and unused upload; a like and a
# comment on each of alice's posts; on his own posts, her comments and his replies go with the post;
# her replies to his comments go with those; the likes of all these; a follow each way.
OWNED_BY_BOB = {
    "posts": 2,
    "media": 4,
    "likes": 2 + 2,
    "comments": 4 + 4,
    "comment likes": 5,
    "follows": 2,
}


def test_an_account_goes_with_all_that_it_owns_and_nothing_of_others_is_touched(
    alices: AccountData, bobs: AccountData, going: OutboxEvent, stored_keys: Callable[[], set[str]]
) -> None:
    alice, bob = alices.user_id, bobs.user_id
    hers = count_account_rows(alice)
    kept, lost = (keys_of(Media.objects.filter(owner_id=id_)) for id_ in (alice, bob))
    assert set(count_account_rows(bob)) == {
        *("account", "emails", "factors", "log", "follows", "pulled"),
        *("posts", "likes", "media", "comments", "comment_likes"),
    }
    warm_cached_values([bob])
    for timeline in (home_timeline(user_id=bob), profile_timeline(user_id=bob)):
        timeline_slice(timeline=timeline, before=None, limit=1)
    list(graph.follower_id_batches(author_id=bob, size=10))
    assert len(valkey_keys_of(bob)) >= 5
    assert deliver("default", going)
    assert count_account_rows(bob) == {}
    assert valkey_keys_of(bob) == []
    for post_id in bobs.post_ids:
        assert count_post_rows(post_id) == {}
    assert not CommentLike.objects.filter(subject_id__in=bobs.comment_ids).exists()
    assert kept <= stored_keys()
    assert not lost & stored_keys()
    # Hers lose only dependents of his: follows, likes, and comments on his posts or in reply.
    left = count_account_rows(alice)
    assert {name: hers[name] - left.get(name, 0) for name in hers} == {
        **dict.fromkeys(hers, 0),
        "follows": 2,
        "likes": 2,
        "comments": 4,
        "comment_likes": hers["comment_likes"],
    }
    for post_id in alices.post_ids:
        assert counts(database="posts", subject_ids=[post_id]) == {post_id: 0}
        summary = comment_selectors.summary(post_id=post_id)
        assert summary.count == 1
        assert [comment["author_id"] for comment in summary.recent] == [alice]


def test_the_stored_answers_to_its_requests_go_with_an_account(alice: int, bob: int) -> None:
    """More keys than one step removes, in each database; and one of alice's."""
    for database in PRIMARIES:
        IdempotencyKey.objects.using(database).bulk_create(
            IdempotencyKey(caller_id=caller, key=str(number), status=201, body=b"{}")
            for caller, count in ((bob, batches.STEP + 1), (alice, 1))
            for number in range(count)
        )
    hers = count_account_rows(alice)
    delete_account(user_id=bob, requested_by="self")
    assert deliver("default", pending("default", "account_deleted", user_id=bob))
    assert count_account_rows(bob) == {}
    assert count_account_rows(alice) == hers
    assert deletion_of(bob).removed == {"keys": len(PRIMARIES) * (batches.STEP + 1)}


def test_the_row_of_a_deletion_tells_how_far_it_is_and_forgets_the_name_in_the_end(
    bob: int, going: OutboxEvent
) -> None:
    name = User.objects.get(pk=bob).username
    assert deletion_of(bob).username == name
    assert deliver("default", going)
    deletion = deletion_of(bob)
    assert deletion.removed == OWNED_BY_BOB
    assert deletion.username == ""
    assert deletion.done_at is not None
    with pytest.raises(IntegrityError), transaction.atomic(using="default"):
        ensure_account(username=name, email=f"{name}@example.org")
    FormerUsername.objects.update(freed_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert free_former_usernames()
    assert ensure_account(username=name, email=f"{name}@example.org")[1], "the name is free"


@pytest.mark.parametrize("noted", [True, False], ids=["after noting it", "before noting it"])
def test_a_deletion_that_is_killed_after_any_step_is_ended_by_the_next(
    bob: int,
    bobs: AccountData,
    going: OutboxEvent,
    monkeypatch: pytest.MonkeyPatch,
    noted: bool,
) -> None:
    monkeypatch.setattr(batches, "STEP", 1)
    monkeypatch.setattr(batches, "SMALL_STEP", 1)
    if not noted:
        monkeypatch.setattr(user_services, "note_removed", killed)
    steps = deliver_with_kill_after_each_step("default", going, monkeypatch)
    # Dependents of his posts and comments are left to deliveries of their own, and to settling,
    # when this one is killed after them.
    assert steps > 10
    for post_id in bobs.post_ids:
        deliver("posts", pending("posts", "post_deleted", post_id=post_id))
    for event in pending_rows("comments", "comments_deleted"):
        if {*bobs.comment_ids} & {*event.payload["comment_ids"]}:
            deliver("comments", event)
    comment_services.settle_counters(limit=1000)
    for post_id in bobs.post_ids:
        assert count_post_rows(post_id, bobs.comment_ids) == {}
    assert count_account_rows(bob) == {}
    removed = deletion_of(bob).removed
    assert removed.keys() == (OWNED_BY_BOB.keys() if noted else set())
    assert all(removed[kind] <= OWNED_BY_BOB[kind] for kind in removed)
    assert deletion_of(bob).done_at is not None


def test_what_is_written_while_an_account_goes_is_found_by_another_round(
    bob: int,
    alices: AccountData,
    going: OutboxEvent,
    upload: Callable[[int], Media],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    last_of_a_round = graph_services.remove_follows_of_user
    written: list[int] = []

    def write_meanwhile(**arguments: Any) -> int:
        if not written:
            media_id = upload(bob).pk
            written.append(
                post_services.publish_post(author_id=bob, caption="Wait.", media_ids=[media_id])
            )
            post_services.like_post(post_id=alices.post_ids[0], user_id=bob)
        return last_of_a_round(**arguments)

    monkeypatch.setattr(graph_services, "remove_follows_of_user", write_meanwhile)
    assert deliver("default", going)
    assert written
    assert count_account_rows(bob) == {}


def test_what_comes_to_a_post_as_it_goes_is_left_to_its_own_event(
    alice: int, bobs: AccountData, going: OutboxEvent, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_media = media_services.remove_media_of_owner

    def comment_meanwhile(**arguments: Any) -> int:
        if not Comment.objects.filter(post_id__in=bobs.post_ids).exists():
            for post_id in bobs.post_ids:
                Like.objects.create(subject_id=post_id, user_id=alice)
                Comment.objects.create(post_id=post_id, author_id=alice, text="Wait.")
        return remove_media(**arguments)

    monkeypatch.setattr(media_services, "remove_media_of_owner", comment_meanwhile)
    assert deliver("default", going)
    for post_id in bobs.post_ids:
        assert count_post_rows(post_id) == {"likes": 1, "comments": 1}
        assert deliver("posts", pending("posts", "post_deleted", post_id=post_id))
        assert count_post_rows(post_id) == {}


def test_what_is_written_after_an_account_is_gone_is_found_by_a_late_check(
    bob: int, alices: AccountData, going: OutboxEvent, upload: Callable[[int], Media]
) -> None:
    assert deliver("default", going)
    late = pending("default", "account_deleted", user_id=bob)
    assert late.pk != going.pk
    assert timedelta(seconds=60) < late.wake_at - timezone.now() <= timedelta(minutes=2)
    media_id = upload(bob).pk
    post_services.publish_post(author_id=bob, caption="Wait.", media_ids=[media_id])
    Comment.objects.create(post_id=alices.post_ids[0], author_id=bob, text="And another thing.")
    warm_cached_values([bob])
    assert deliver("default", late)
    assert count_account_rows(bob) == {}
    assert valkey_keys_of(bob) == []
    assert not pending_rows("default", "account_deleted").filter(payload__user_id=bob).exists()


def test_while_the_object_store_is_down_the_removal_fails_and_is_tried_again(
    bob: int, going: OutboxEvent
) -> None:
    with object_store_down(), pytest.raises(EndpointConnectionError):
        deliver("default", going)
    assert count_account_rows(bob)["media"] == OWNED_BY_BOB["media"]
    assert not User.objects.get(pk=bob).is_active
    assert deletion_of(bob).done_at is None
    assert deliver("default", going)
    assert count_account_rows(bob) == {}


def test_followers_forget_the_account_and_followees_no_longer_deliver_to_it(
    alice: int, bob: int, going: OutboxEvent
) -> None:
    """What was made from the edges is dropped when an event of its own is delivered."""
    timeline_slice(timeline=home_timeline(user_id=alice), before=None, limit=1)
    assert [*graph.follower_id_batches(author_id=alice, size=10)] == [[bob]]
    assert FOLLOWED.get([alice])[alice].ids == {bob}
    assert graph_services.remove_follows_of_user(user_id=bob, limit=10) == 2
    event = pending_rows("default", "follows_removed").latest("pk")
    assert deliver("default", event)
    assert peek(key=home_timeline(user_id=alice).key) is None
    assert [*graph.follower_id_batches(author_id=alice, size=10)] == []
    assert FOLLOWED.get([alice])[alice].ids == frozenset()
    assert graph_services.remove_follows_of_user(user_id=bob, limit=10) == 0


def test_edges_of_others_stay(
    alice: int, bob: int, person: Callable[[str], int], going: OutboxEvent
) -> None:
    carol = person("carol")
    list(graph_services.import_follows(edges=[(carol, alice), (alice, carol)]))
    assert deliver("default", going)
    edges = Follow.objects.filter(follower_id__in=[alice, carol])
    assert edges.count() == 2


def test_removed_likes_do_not_bring_back_the_users_cache_entry(
    bob: int, alices: AccountData, going: OutboxEvent
) -> None:
    post_id = alices.post_ids[0]
    assert deliver("default", going)
    assert post_services.settle_counters(limit=1000)
    assert valkey_keys_of(bob) == []
    assert shown_post(post_id, alices.user_id)["counts"]["likes"] == 0
    assert LIKED.get([bob])[bob] == ()


def test_a_done_deletion_delivered_again_changes_nothing(bob: int, going: OutboxEvent) -> None:
    assert deliver("default", going)
    before = deletion_of(bob).done_at
    OutboxEvent.objects.filter(pk=going.pk).update(done_at=None, attempts=F("attempts"))
    assert deliver("default", going)
    assert deletion_of(bob).done_at == before
    assert pending_rows("default", "account_deleted").filter(payload__user_id=bob).count() == 1
    assert not Post.objects.filter(author_id=bob).exists()
