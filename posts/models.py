"""Posts, in the posts database. Their pictures are the Media service's, in the same database."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel
from core.likes import AbstractLike

CAPTION_MAX_LENGTH = 2200
MEDIA_MAX_COUNT = 10


class Post(TimeOrderedModel):
    """One post; `author_id` is a user's (another database: no foreign key)."""

    author_id = models.BigIntegerField(editable=False)
    caption = models.CharField(max_length=CAPTION_MAX_LENGTH, blank=True, default="")
    comments_closed = models.BooleanField(
        db_default=False, help_text="Nobody can comment any more."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        # Both columns that a timeline needs, so that it is read from the index alone.
        indexes = [models.Index(fields=["author_id", "-id"], name="post_by_author")]

    def __str__(self) -> str:
        return f"post {self.pk} by {self.author_id}"


class Like(AbstractLike):
    """Somebody likes a post."""


class CommentSummary(TimeOrderedModel):
    """What Commenting said of a post's comments at a `version` (core.cached_values).

    The row of the greatest version counts; each is inserted, and none updated, so that nobody who
    comments waits for another. `recent` are the latest comments, newest first, without anything
    about their authors but the id.
    """

    post_id = models.BigIntegerField()
    version = models.BigIntegerField()
    count = models.BigIntegerField()
    recent = models.JSONField()

    class Meta:
        verbose_name_plural = "comment summaries"
        constraints = [
            models.UniqueConstraint(fields=["post_id", "version"], name="comment_summary_once")
        ]

    def __str__(self) -> str:
        return f"{self.count} comments on {self.post_id}"
