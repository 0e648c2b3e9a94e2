"""Posts, in the posts database. Their pictures are the Media service's, in the same database."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from socialfeed.common.ids import TimeOrderedModel

CAPTION_MAX_LENGTH = 2200
MEDIA_MAX_COUNT = 10


class Post(TimeOrderedModel):
    """One post; `author_id` is a user's (another database: no foreign key)."""

    author_id = models.BigIntegerField(editable=False)
    caption = models.CharField(max_length=CAPTION_MAX_LENGTH, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        # Both columns that a timeline needs, so that it is read from the index alone.
        indexes = [models.Index(fields=["author_id", "-id"], name="post_by_author")]

    def __str__(self) -> str:
        return f"post {self.pk} by {self.author_id}"
