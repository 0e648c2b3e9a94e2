"""Posts that wait until all of their media are ready: to submit, change, delete and publish them.

A waiting post is no Post, so that nothing that shows posts can show it: only its author reaches it.
It holds its media (`media.claims`). When all of them are ready, it is published as a Post with an
id of that moment, so it is on top of timelines then. Its row stays for POST_WAITING_DAYS after its
last change, and tells which post it has become. If it has become none, its media are unused then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from core.http.problems import Conflict, NotFound
from media import services as media_services
from posts.models import Audience, WaitingPost
from posts.services import publish_post

# Of one author, at a time. Requests that come at once may exceed it by a few.
MAX_WAITING = 30


@dataclass(frozen=True)
class Submitted:
    """What has become of a submitted post. `id`: of the post, or, if it waits, of that."""

    id: int
    is_published: bool


def submit_post(
    *, author_id: int, caption: str, media_ids: Sequence[int], audience: str = Audience.EVERYONE
) -> Submitted:
    """Publish media under a caption, for an `Audience`; or let the post wait, if some of them are
    not ready.

    Raises `Invalid`, and stores nothing, if some media is not the author's own, is used already, or
    has failed, and `Conflict` if too many posts of the author wait.
    """
    post: dict[str, Any] = {"author_id": author_id, "caption": caption, "audience": audience}
    try:
        post_id = publish_post(media_ids=media_ids, **post)
    except media_services.MediaNotReadyError:
        return _wait(media_ids=media_ids, **post)
    return Submitted(post_id, is_published=True)


def _wait(*, author_id: int, media_ids: Sequence[int], **post: Any) -> Submitted:
    with transaction.atomic(using="posts"):
        if WaitingPost.objects.filter(author_id=author_id, post_id=None).count() >= MAX_WAITING:
            raise Conflict(
                f"{MAX_WAITING} of your posts are waiting, which is the most. Wait until one is "
                "published, or delete one; see GET /api/v1/posts/waiting.",
                code="too_many_waiting_posts",
            )
        waiting = WaitingPost.objects.create(author_id=author_id, media_ids=list(media_ids), **post)
        media_services.hold_media(
            owner_id=author_id, media_ids=media_ids, waiting_post_id=waiting.pk
        )
        # The last of them may have become ready since `publish_post` looked.
        post_id = _publish_if_ready(waiting)
    if post_id is None:
        return Submitted(waiting.pk, is_published=False)
    return Submitted(post_id, is_published=True)


def change_waiting_post(*, waiting_post_id: int, author_id: int, changes: dict[str, Any]) -> None:
    """Change `caption`, `audience` or `media_ids` (all of them, in order), and publish the post if
    all of them are ready now.

    Raises `NotFound`, and `Invalid` as `submit_post` does. Once it is published, the same changes
    do nothing, and others raise `Conflict`.
    """
    with transaction.atomic(using="posts"):
        waiting = _locked(waiting_post_id, author_id)
        if waiting.post_id is not None:
            if any(getattr(waiting, name) != value for name, value in changes.items()):
                raise _published(waiting)
            return
        for name, value in changes.items():
            setattr(waiting, name, value)
        waiting.save(update_fields=[*changes])
        _note_change(waiting)
        if "media_ids" in changes:
            media_services.hold_media(
                owner_id=author_id, media_ids=waiting.media_ids, waiting_post_id=waiting.pk
            )
            _publish_if_ready(waiting)


def delete_waiting_post(*, waiting_post_id: int, author_id: int) -> None:
    """Delete a waiting post; its media are unused then. Raises `NotFound`, and `Conflict` if it is
    published.
    """
    with transaction.atomic(using="posts"):
        waiting = _locked(waiting_post_id, author_id)
        if waiting.post_id is not None:
            raise _published(waiting)
        _remove(waiting)


def _locked(waiting_post_id: int, author_id: int) -> WaitingPost:
    mine = WaitingPost.objects.filter(pk=waiting_post_id, author_id=author_id)
    waiting = mine.select_for_update().first()
    if waiting is None:
        raise NotFound("You have no such waiting post.")
    return waiting


def _published(waiting: WaitingPost) -> Conflict:
    return Conflict(f"It is published. See GET /api/v1/posts/{waiting.post_id}.", code="published")


def publish_if_ready(*, waiting_post_id: int) -> None:
    """Publish a waiting post if all of its media are ready. Does nothing if it is published, or
    gone.
    """
    with transaction.atomic(using="posts"):
        unpublished = WaitingPost.objects.filter(pk=waiting_post_id, post_id=None)
        if waiting := unpublished.select_for_update().first():
            _publish_if_ready(waiting)


def _publish_if_ready(waiting: WaitingPost) -> int | None:
    """Publish a locked waiting post if all of its media are ready; returns the post's id."""
    if not media_services.are_held_and_ready(
        waiting_post_id=waiting.pk, media_ids=waiting.media_ids
    ):
        return None
    post_id = publish_post(
        author_id=waiting.author_id,
        caption=waiting.caption,
        audience=waiting.audience,
        media_ids=waiting.media_ids,
        waiting_post_id=waiting.pk,
    )
    waiting.post_id = post_id
    waiting.save(update_fields=["post_id"])
    _note_change(waiting)
    return post_id


def _note_change(waiting: WaitingPost) -> None:
    WaitingPost.objects.filter(pk=waiting.pk).update(changed_at=Now())


def remove_old_waiting_posts(*, limit: int) -> int:
    """Remove up to `limit` waiting posts, published or not, that have not changed for
    POST_WAITING_DAYS; returns how many. What somebody has locked is left for the next time.
    """
    age = timedelta(days=settings.POST_WAITING_DAYS)
    old = WaitingPost.objects.filter(changed_at__lt=Now() - age)
    removed = 0
    for id_ in old.order_by("changed_at").values_list("pk", flat=True)[:limit]:
        with transaction.atomic(using="posts"):
            if row := old.filter(pk=id_).select_for_update(skip_locked=True).first():
                _remove(row)
                removed += 1
    return removed


def _remove(waiting: WaitingPost) -> None:
    media_services.release_held_media(waiting_post_id=waiting.pk)
    waiting.delete()
