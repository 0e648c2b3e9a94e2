"""The admin: every model can be listed, searched and opened, at a bounded number of queries."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from django.contrib import admin
from django.db import connections, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from comments.models import Comment, CommentLike, CommentRules
from comments.services import add_comment, like_comment
from core.http.idempotency_keys import IdempotencyKey
from core.outbox.models import OutboxEvent
from core.outbox.rows import record
from media.models import Media, MediaUsage, Upload
from posts.models import CommentSummary, Like, Post, WaitingPost
from tests.conftest import ALL_DATABASES
from tests.support.api_documents import deactivate, shown_post
from tests.support.deliveries import deliver, pending
from tests.support.posts_factory import make_posts
from tests.support.staff import confirmed, staff_browser
from usergraph.models import (
    Block,
    CloseFriend,
    Follow,
    FollowRequest,
    Mute,
    PulledAuthor,
    Restriction,
)
from usergraph.services import follow_user
from users.models import User
from users.services import delete_account, ensure_account, update_profile

pytestmark = pytest.mark.django_db

OURS = ["comments", "core", "media", "posts", "usergraph", "users"]
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]


@pytest.fixture
def staff(unique: Callable[[str], str]) -> Client:
    """A browser in which staff are logged in."""
    name = unique("staff")
    user_id, _ = ensure_account(username=name, email=f"{name}@example.org", staff=True)
    return staff_browser(user_id)


@pytest.fixture
def rows(person: Callable[[str], int]) -> Callable[[], None]:
    """Add a row of each model."""

    def add() -> None:
        alice, bob = person("alice"), person("bob")
        follow_user(follower_id=alice, followee_id=bob)
        PulledAuthor.objects.create(author_id=bob)
        FollowRequest.objects.create(follower_id=alice, followee_id=bob)
        Block.objects.create(blocker_id=alice, blocked_id=bob)
        Mute.objects.create(muter_id=alice, muted_id=bob)
        CloseFriend.objects.create(owner_id=alice, member_id=bob)
        Restriction.objects.create(owner_id=alice, member_id=bob)
        CommentRules.objects.create(author_id=alice)
        post_id = make_posts(bob, 1)[0]
        comment = Comment.objects.create(post_id=post_id, author_id=alice, text="Lovely.")
        Like.objects.create(subject_id=post_id, user_id=alice)
        CommentLike.objects.create(subject_id=comment.pk, user_id=bob)
        CommentSummary.objects.create(post_id=post_id, version=1, count=1, recent=[])
        Media.objects.create(
            owner_id=bob, width=1, height=1, byte_size=1, storage_prefix=f"public/media/{post_id}"
        )
        WaitingPost.objects.create(author_id=bob, media_ids=[post_id])
        Upload.objects.create(
            owner_id=bob, content_type="image/jpeg", byte_size=1, key=str(post_id)
        )
        MediaUsage.objects.create(owner_id=bob, day=date(2026, 3, 1), byte_count=1, cpu_ms=1)
        delete_account(user_id=person("carol"), requested_by="staff")
        update_profile(user_id=alice, changes={"username": f"{alice}"})
        for database in ALL_DATABASES:
            payload = {"post_id": post_id, "author_id": bob}
            kind = "post_deleted"
            record(database=database, kind=kind, subscriber="fanout", payload=payload)
            IdempotencyKey.objects.using(database).create(
                caller_id=alice, key="1", route="/api/v1/posts", status=201, body=b"{}"
            )

    return add


def address(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def queries(client: Client, url: str) -> int:
    """How many queries a page takes, in all databases."""
    contexts = [CaptureQueriesContext(connections[database]) for database in ALL_DATABASES]
    for context in contexts:
        context.__enter__()
    assert client.get(url).status_code == 200
    for context in contexts:
        context.__exit__(None, None, None)
    return sum(len(context) for context in contexts)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    model: type[models.Model], staff: Client, rows: Callable[[], None]
) -> None:
    rows()
    few = queries(staff, address(model, "changelist"))
    for _ in range(5):
        rows()
    assert queries(staff, address(model, "changelist")) == few <= 8


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("term", ["1", "9" * 30, "word", "two words", "%00", "'"])
def test_a_list_can_be_searched_for_anything(
    model: type[models.Model], staff: Client, rows: Callable[[], None], term: str
) -> None:
    rows()
    url = address(model, "changelist")
    assert staff.get(url, {"q": term}).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_row_is_found_by_its_id_and_can_be_opened(
    model: type[models.Model], staff: Client, rows: Callable[[], None]
) -> None:
    rows()
    row = admin.site._registry[model].get_queryset(request=Any).first()  # type: ignore[arg-type]
    assert row is not None
    assert str(row.pk) in staff.get(address(model, "changelist"), {"q": row.pk}).text
    assert staff.get(address(model, "change", row.pk)).status_code == 200


def test_staff_take_a_post_down_as_its_author_would(staff: Client, bob: int) -> None:
    post_id = make_posts(bob, 1)[0]
    data = confirmed("delete_selected", [post_id])
    assert staff.post(address(Post, "changelist"), data).status_code == 302
    assert not Post.objects.filter(pk=post_id).exists()
    payload = {"post_id": post_id, "author_id": bob}
    assert OutboxEvent.objects.using("posts").filter(payload=payload).exists()


@pytest.mark.parametrize("page", ["changelist", "delete"])
def test_staff_take_a_comment_down_as_its_author_would(
    staff: Client, alice: int, bob: int, page: str, django_capture_on_commit_callbacks: Any
) -> None:
    post_id = make_posts(bob, 1)[0]
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Rude.")
    add_comment(post_id=post_id, author_id=bob, text="Oh.", reply_to=comment_id)
    kept = add_comment(post_id=post_id, author_id=bob, text="Lovely.")
    like_comment(comment_id=comment_id, user_id=bob)
    data = confirmed("delete_selected", [comment_id])
    url = address(Comment, page, *([comment_id] if page == "delete" else []))
    with django_capture_on_commit_callbacks(using="comments", execute=True):
        assert staff.post(url, data).status_code == 302
    assert list(Comment.objects.filter(post_id=post_id).values_list("pk", flat=True)) == [kept]
    assert deliver("comments", pending("comments", "comments_deleted"))
    assert not CommentLike.objects.filter(subject_id=comment_id).exists()
    document = shown_post(post_id, alice)
    assert document["counts"]["comments"] == 1
    assert [comment["id"] for comment in document["recent_comments"]] == [str(kept)]


@pytest.mark.parametrize("hidden", [False, True])
def test_staff_edit_a_comment_even_if_it_is_hidden(
    staff: Client, alice: int, bob: int, hidden: bool
) -> None:
    post_id = make_posts(bob, 1)[0]
    comment_id = add_comment(post_id=post_id, author_id=alice, text="Rude.")
    if hidden:
        deactivate(bob)
    data = {"text": "-", "reason": "Rude."}
    assert staff.post(address(Comment, "change", comment_id), data).status_code == 302
    comment = Comment.objects.get(pk=comment_id)
    assert comment.text == "-"
    assert comment.edited_at is not None
    kind = "comments_changed"
    rows = OutboxEvent.objects.using("comments").filter(kind=kind, payload={"post_id": post_id})
    assert rows.count() == 2


def test_staff_close_a_post_for_comments(staff: Client, alice: int, bob: int) -> None:
    post_id = make_posts(bob, 1)[0]
    data = {
        "caption": "No. 0",
        "comments_closed": "on",
        "comments_from": "account",
        "reason": "A quarrel.",
    }
    assert staff.post(address(Post, "change", post_id), data).status_code == 302
    post = Post.objects.get(pk=post_id)
    assert post.comments_closed
    assert post.edited_at is None


def test_a_description_that_staff_edit_is_shown_with_its_post_at_once(
    staff: Client, alice: int, bob: int, django_capture_on_commit_callbacks: Any
) -> None:
    post_id = make_posts(bob, 1)[0]
    media = Media.objects.create(
        owner_id=bob,
        width=1,
        height=1,
        byte_size=1,
        alt="Low tide",
        storage_prefix=f"public/media/{post_id}",
        used_as=Media.Use.POST,
        used_by_id=post_id,
        position=0,
    )
    assert shown_post(post_id, alice)["media"][0]["alt"] == "Low tide"
    with django_capture_on_commit_callbacks(using="posts", execute=True):
        data = {"alt": "High tide", "reason": "Asked for by mail."}
        answer = staff.post(address(Media, "change", media.pk), data)
        assert answer.status_code == 302
    assert shown_post(post_id, alice)["media"][0]["alt"] == "High tide"
    payload = {"media_id": media.pk, "post_id": post_id}
    rows = OutboxEvent.objects.using("posts").filter(kind="media_changed", payload=payload)
    assert rows.count() == 1


@pytest.mark.parametrize(
    "model",
    [Follow, OutboxEvent, Like, CommentLike, CommentSummary],
    ids=lambda model: model.__name__,
)
def test_what_belongs_to_others_cannot_be_changed(
    model: type[models.Model], staff: Client, rows: Callable[[], None]
) -> None:
    rows()
    row = model._default_manager.first()
    assert row is not None
    assert staff.post(address(model, "change", row.pk), {}).status_code == 403
    assert staff.get(address(model, "add")).status_code == 403


def test_staff_cannot_delete_the_row_of_an_account(staff: Client, alice: int) -> None:
    data = confirmed("delete_selected", [alice])
    assert staff.post(address(User, "delete", alice), data).status_code == 403
