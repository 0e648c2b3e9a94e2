"""Writes of Post Info."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now

from media import services as media_services
from posts import store
from posts.events import PostChanged, post_deleted, post_published
from posts.models import Post
from socialfeed.common.problems import NotFound
from socialfeed.common.transactions import after_commit


def publish_post(*, author_id: int, caption: str, media_ids: Sequence[int]) -> int:
    """Publish uploaded media under a caption; returns the post's id.

    The media must be the author's own and unused, else `Invalid`, and nothing is stored. The post,
    its claim on the media and what its listeners write commit together.
    """
    with transaction.atomic(using="posts"):
        post = Post.objects.create(author_id=author_id, caption=caption)
        media_services.claim_media(
            owner_id=author_id, media_ids=media_ids, used_as="post", used_by_id=post.pk
        )
        post_published.announce(PostChanged(post_id=post.pk, author_id=author_id))
    return post.pk


def edit_post(*, post_id: int, author_id: int, caption: str) -> None:
    """Change a caption; raises `NotFound` when the author has no such post."""
    edited = Post.objects.filter(pk=post_id, author_id=author_id).update(
        caption=caption, edited_at=Now()
    )
    if not edited:
        raise NotFound("You have no such post.")


def delete_post(*, post_id: int, author_id: int) -> None:
    """Delete a post; raises `NotFound` when the author has no such post."""
    with transaction.atomic(using="posts"):
        deleted, _ = Post.objects.filter(pk=post_id, author_id=author_id).delete()
        if not deleted:
            raise NotFound("You have no such post.")
        after_commit("posts", store.note_deleted, post_id=post_id)
        post_deleted.announce(PostChanged(post_id=post_id, author_id=author_id))
