"""Commenting, replying, editing, deleting, liking; counts that are exact after each of them."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models import Q

from comments import services
from comments.models import Comment, CommentLike
from comments.services import (
    add_comment,
    delete_comment,
    edit_comment,
    like_comment,
    settle_counters,
    unlike_comment,
)
from core import counters
from core.counters import Counter, CounterChange, counts, replies_to
from core.http.problems import Conflict, Invalid, NotFound
from core.outbox.models import OutboxEvent
from posts.models import Post
from posts.services import delete_post, edit_post, refresh_records
from tests.support.api_documents import deactivate, shown_comment, shown_comments, shown_post
from tests.support.deliveries import deliver, pending
from tests.support.posts_factory import make_posts
from users.services import refresh_documents, set_active

pytestmark = pytest.mark.django_db
WHATEVER = 10_000  # a limit that nothing here comes near


def count(subject_id: int) -> int:
    return counts(database="comments", subject_ids=[subject_id])[subject_id]


def unfolded(*subject_ids: int) -> int:
    rows = CounterChange.objects.using("comments").filter(subject_id__in=subject_ids)
    return rows.count()


def announced(post_id: int) -> int:
    """How many events say that the comments on a post have changed."""
    kind = "comments_changed"
    return OutboxEvent.objects.using("comments").filter(kind=kind, payload__post_id=post_id).count()


def test_a_comment_and_a_reply_are_counted_and_announced(
    alice: int, bob: int, post_id: int
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    reply_id = add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
    comment, reply = shown_comments(post_id, bob)
    assert comment == shown_comment(comment_id, bob)
    assert (comment["id"], comment["text"], comment["reply_to"]) == (
        str(comment_id),
        "Lovely.",
        None,
    )
    assert comment["author"]["id"] == str(alice)
    assert comment["edited_at"] is None
    assert comment["counts"] == {"likes": 0, "replies": 1}
    assert comment["viewer"] == {"liked": False, "may_approve": False}
    assert (reply["id"], reply["reply_to"]) == (str(reply_id), str(comment_id))
    assert reply["counts"] == {"likes": 0, "replies": 0}
    assert count(post_id) == announced(post_id) == 2


def test_a_reply_to_a_reply_is_refused_with_the_comment_to_answer(
    alice: int, bob: int, post_id: int
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    reply_id = add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
    with pytest.raises(Invalid, match=f"Reply to the one that it answers: {comment_id}") as raised:
        add_comment(post_id=post_id, author_id=alice, text="Any time.", reply_to=reply_id)
    assert (raised.value.field, raised.value.code) == ("reply_to", "reply_to_a_reply")
    assert count(post_id) == announced(post_id) == len(shown_comments(post_id, bob)) == 2


def test_a_reply_is_to_a_comment_on_the_same_post(alice: int, bob: int, post_id: int) -> None:
    elsewhere = add_comment(post_id=make_posts(bob, 1)[0], author_id=alice, text="Lovely.")
    for reply_to in (elsewhere, 1):
        with pytest.raises(Invalid, match="no such comment on this post"):
            add_comment(post_id=post_id, author_id=alice, text="So it is.", reply_to=reply_to)
    assert count(post_id) == 0


def test_a_closed_post_takes_no_comment_until_it_is_opened_again(
    alice: int, bob: int, post_id: int, django_capture_on_commit_callbacks: Any
) -> None:
    def close(closed: bool) -> None:
        with django_capture_on_commit_callbacks(using="posts", execute=True):
            edit_post(post_id=post_id, author_id=bob, changes={"comments_closed": closed})
        document = shown_post(post_id, alice)
        assert document["comments_closed"] is closed
        assert document["edited_at"] is None, "the post itself is not edited"

    comment_id = add_comment(post_id=post_id, author_id=alice, text="In time.")
    close(True)
    for author_id, reply_to in ((alice, None), (bob, None), (alice, comment_id)):
        with pytest.raises(Conflict, match="closed"):
            add_comment(post_id=post_id, author_id=author_id, text="Late.", reply_to=reply_to)
    edit_comment(comment_id=comment_id, author_id=alice, text="In time!")
    like_comment(comment_id=comment_id, user_id=bob)
    assert [comment["text"] for comment in shown_comments(post_id, bob)] == ["In time!"]
    close(False)
    add_comment(post_id=post_id, author_id=alice, text="Again.")
    assert count(post_id) == 2


@pytest.mark.parametrize("why", ["missing", "deleted", "by a deactivated account"])
def test_a_post_that_is_not_shown_has_no_comments(
    alice: int, bob: int, post_id: int, why: str
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    if why == "missing":
        post_id, comment_id = 1, 1
    elif why == "deleted":
        delete_post(post_id=post_id, author_id=bob)
        refresh_records(post_ids=[post_id])
    else:
        deactivate(bob)
    for write in (
        lambda: add_comment(post_id=post_id, author_id=alice, text="Hello?"),
        lambda: edit_comment(comment_id=comment_id, author_id=alice, text="Hello?"),
        lambda: delete_comment(comment_id=comment_id, user_id=alice),
        lambda: like_comment(comment_id=comment_id, user_id=alice),
        lambda: unlike_comment(comment_id=comment_id, user_id=alice),
        lambda: shown_comments(post_id, alice),
        lambda: shown_comment(comment_id, alice),
    ):
        with pytest.raises(NotFound):
            write()
    assert not Comment.objects.filter(text="Hello?").exists()


def test_a_comment_of_a_deactivated_user_is_not_shown_until_they_are_back(
    alice: int, bob: int, post_id: int
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    deactivate(alice)
    with pytest.raises(NotFound):
        shown_comment(comment_id, bob)
    with pytest.raises(NotFound):
        like_comment(comment_id=comment_id, user_id=bob)
    set_active(user_ids=[alice], active=True)
    refresh_documents(user_ids=[alice])
    assert like_comment(comment_id=comment_id, user_id=bob)
    assert shown_comment(comment_id, bob)["counts"] == {"likes": 1, "replies": 0}


def test_only_the_author_edits_a_comment(alice: int, bob: int, post_id: int) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovley.")
    before = shown_comment(comment_id, alice)
    for user_id in (bob, 1):
        with pytest.raises(NotFound):
            edit_comment(comment_id=comment_id, author_id=user_id, text="Mine now.")
    assert shown_comment(comment_id, alice) == before
    assert announced(post_id) == 1
    edit_comment(comment_id=comment_id, author_id=alice, text="Lovely.")
    after = shown_comment(comment_id, alice)
    assert after["edited_at"] is not None
    assert after == before | {"text": "Lovely.", "edited_at": after["edited_at"]}
    assert announced(post_id) == 2
    assert count(post_id) == 1


def test_a_comment_that_is_saved_as_it_was_is_not_edited(alice: int, post_id: int) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    before = shown_comment(comment_id, alice)
    edit_comment(comment_id=comment_id, author_id=alice, text="Lovely.")
    assert shown_comment(comment_id, alice) == before
    assert announced(post_id) == 1
    with pytest.raises(NotFound):
        edit_comment(comment_id=1, author_id=alice, text="Lovely.")


@pytest.mark.parametrize("who", ["its author", "the post's author", "somebody else"])
def test_who_may_delete_a_comment(
    alice: int, bob: int, post_id: int, person: Callable[[str], int], who: str
) -> None:
    carla = person("carla")
    user_id = {"its author": alice, "the post's author": bob, "somebody else": carla}[who]
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    reply_id = add_comment(post_id=post_id, author_id=carla, text="Yes!", reply_to=comment_id)
    kept = add_comment(post_id=post_id, author_id=carla, text="I was here.")
    for liked in (comment_id, reply_id, kept):
        like_comment(comment_id=liked, user_id=carla)
    if user_id == carla:
        with pytest.raises(NotFound):
            delete_comment(comment_id=comment_id, user_id=carla)
        assert count(post_id) == 3
        return
    delete_comment(comment_id=comment_id, user_id=user_id)
    assert [comment["id"] for comment in shown_comments(post_id, bob)] == [str(kept)]
    assert count(post_id) == 1
    gone = [comment_id, reply_id]
    assert deliver("comments", pending("comments", "comments_deleted"))
    assert unfolded(*map(replies_to, gone)) == 0
    assert not CommentLike.objects.filter(subject_id__in=gone).exists()
    assert unfolded(*gone) == 0
    assert count(kept) == 1
    with pytest.raises(NotFound):
        delete_comment(comment_id=comment_id, user_id=user_id)
    assert count(post_id) == 1


def test_deleting_a_reply_leaves_what_it_answers(alice: int, bob: int, post_id: int) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    reply_id = add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
    delete_comment(comment_id=reply_id, user_id=bob)
    (comment,) = shown_comments(post_id, bob)
    assert (comment["id"], comment["counts"]["replies"]) == (str(comment_id), 0)
    assert count(post_id) == 1


def replies(comment_id: int) -> int:
    return count(replies_to(comment_id))


def test_replies_that_are_hidden_shown_or_deleted_change_the_count_of_what_they_answer(
    alice: int, bob: int, post_id: int, person: Callable[[str], int]
) -> None:
    carla = person("carla")
    one, other = (add_comment(post_id=post_id, author_id=alice, text=text) for text in "ab")
    for author_id in (bob, carla, carla):
        add_comment(post_id=post_id, author_id=author_id, text="Yes.", reply_to=one)
    add_comment(post_id=post_id, author_id=carla, text="Yes.", reply_to=other)

    def walk(*, active: bool) -> None:
        set_active(user_ids=[carla], active=active)
        after: int | None = 0
        while after is not None:
            after = services.show_comments_of_account(user_id=carla, after=after, limit=2)

    assert (replies(one), replies(other)) == (3, 1)
    for _ in range(2):
        walk(active=False)
        assert (replies(one), replies(other), count(post_id)) == (1, 0, 3)
    hidden = Comment.objects.filter(author_id=carla, reply_to=one).earliest("pk")
    assert services.take_down(comment_ids=[hidden.pk]) == [hidden.pk]
    assert (replies(one), count(post_id)) == (1, 3)
    walk(active=True)
    assert (replies(one), replies(other), count(post_id)) == (2, 1, 5)
    services.remove_comments_by_user(user_id=carla, limit=WHATEVER)
    assert (replies(one), replies(other), count(post_id)) == (1, 0, 3)


def test_posts_are_refreshed_once_the_row_of_the_account_is_free(
    alice: int, post_id: int, django_capture_on_commit_callbacks: Any
) -> None:
    add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    set_active(user_ids=[alice], active=False)
    with (
        django_capture_on_commit_callbacks(using="default") as after_both,
        django_capture_on_commit_callbacks(using="comments") as while_locked,
    ):
        services.show_comments_of_account(user_id=alice, after=0, limit=WHATEVER)
    assert (len(after_both), len(while_locked)) == (1, 0)


def test_a_reply_that_outlives_what_it_answers_leaves_no_counter(
    alice: int, bob: int, post_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by itself after the likes and counters of the other are removed."""
    monkeypatch.setattr(services, "REPLIES_AT_ONCE", 0)
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    reply_id = add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
    settle_counters(limit=WHATEVER)
    delete_comment(comment_id=comment_id, user_id=alice)
    while services.remove_likes_of_comments(comment_ids=[comment_id], limit=WHATEVER):
        pass
    assert services.take_down(comment_ids=[reply_id]) == [reply_id]
    settle_counters(limit=WHATEVER)
    left = Counter.objects.using("comments").filter(pk__in=[comment_id, replies_to(comment_id)])
    assert not left.exists()
    assert unfolded(replies_to(comment_id)) == 0
    assert count(post_id) == 0


def test_a_like_of_a_comment_counts_once_whatever_is_done_twice(
    alice: int, bob: int, post_id: int
) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    assert [like_comment(comment_id=comment_id, user_id=bob) for _ in range(2)] == [True, False]
    assert shown_comment(comment_id, bob)["viewer"] == {"liked": True, "may_approve": False}
    assert shown_comment(comment_id, alice)["viewer"] == {"liked": False, "may_approve": False}
    assert shown_comment(comment_id, alice)["counts"] == {"likes": 1, "replies": 0}
    assert [unlike_comment(comment_id=comment_id, user_id=bob) for _ in range(2)] == [True, False]
    assert shown_comment(comment_id, bob)["viewer"] == {"liked": False, "may_approve": False}
    assert count(comment_id) == 0


def test_settling_changes_no_count_and_leaves_nothing_to_settle(
    alice: int, bob: int, post_id: int
) -> None:
    kept, going = (add_comment(post_id=post_id, author_id=alice, text=text) for text in "ab")
    for user_id in (alice, bob):
        like_comment(comment_id=kept, user_id=user_id)
    settle_counters(limit=WHATEVER)
    assert unfolded(post_id, kept, going) == 0
    delete_comment(comment_id=going, user_id=bob)
    unlike_comment(comment_id=kept, user_id=bob)
    for _ in range(2):
        assert (count(post_id), count(kept), count(going)) == (1, 1, 0)
        settle_counters(limit=WHATEVER)
    values = dict(Counter.objects.using("comments").values_list("subject_id", "value"))
    assert (values[post_id], values[kept]) == (1, 1)


def test_settling_keeps_the_counts_of_replies(alice: int, bob: int, post_id: int) -> None:
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
    for _ in range(2):
        add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
    settle_counters(limit=WHATEVER)
    assert unfolded(replies_to(comment_id)) == 0
    assert Counter.objects.using("comments").get(pk=replies_to(comment_id)).value == 2
    assert shown_comment(comment_id, bob)["counts"] == {"likes": 0, "replies": 2}


def test_settling_removes_likes_that_came_to_a_comment_while_it_was_deleted(alice: int) -> None:
    gone = 1
    CommentLike.objects.create(subject_id=gone, user_id=alice)
    counters.change_counts(database="comments", deltas={gone: 1}, actor_id=alice)
    settle_counters(limit=WHATEVER)
    assert not CommentLike.objects.filter(subject_id=gone).exists()
    assert not Counter.objects.using("comments").filter(subject_id=gone).exists()


def test_the_comments_of_a_post_that_is_gone_are_removed_step_by_step(
    alice: int, bob: int, post_id: int
) -> None:
    other = add_comment(post_id=make_posts(bob, 1)[0], author_id=alice, text="Elsewhere.")
    for _ in range(3):
        comment_id = add_comment(post_id=post_id, author_id=alice, text="Lovely.")
        like_comment(comment_id=comment_id, user_id=bob)
        for _ in range(2):
            add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=comment_id)
    Post.objects.filter(pk=post_id).delete()
    steps = 0
    while services.remove_comment_likes_on_post(
        post_id=post_id, limit=2
    ) or services.remove_comments_on_post(post_id=post_id, limit=2):
        steps += 1
        assert steps < 10
    assert steps > 2
    assert list(Comment.objects.filter(author_id=alice).values_list("pk", flat=True)) == [other]
    assert count(post_id) == unfolded(post_id) == 0
    counted = CounterChange.objects.using("comments").filter(subject_id__lt=0)
    assert not counted.filter(actor_id=bob).exists()
    assert not CommentLike.objects.filter(user_id=bob).exists()


def test_comments_and_likes_of_a_user_are_removed_and_counted_off(
    alice: int, bob: int, post_id: int
) -> None:
    mine = [add_comment(post_id=post_id, author_id=alice, text=text) for text in "abc"]
    add_comment(post_id=post_id, author_id=bob, text="Thanks!", reply_to=mine[0])
    kept = add_comment(post_id=post_id, author_id=bob, text="I stay.")
    for comment_id in (*mine, kept):
        like_comment(comment_id=comment_id, user_id=alice)
    while services.remove_comments_by_user(user_id=alice, limit=2):
        assert deliver("comments", pending("comments", "comments_deleted"))
    assert not Comment.objects.filter(Q(author_id=alice) | Q(reply_to__in=mine)).exists()
    assert count(post_id) == 1
    assert count(kept) == 1
    assert services.remove_likes_by_user(user_id=alice, limit=2) == 1
    assert services.remove_likes_by_user(user_id=alice, limit=2) == 0
    assert count(kept) == 0
