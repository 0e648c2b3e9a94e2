"""Posts, in the posts database. Media has their pictures, in the same database."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel
from core.likes import AbstractLike
from core.text import refuse_deceptive_text

CAPTION_MAX_LENGTH = 2200
MEDIA_MAX_COUNT = 10


class Audience(models.TextChoices):
    """Who sees a post, of those who may see its author's posts (`usergraph.visibility`)."""

    EVERYONE = "everyone"
    CLOSE_FRIENDS = "close_friends"


class CommentsFrom(models.TextChoices):
    """Who may comment on a post, of those who may see it. Its author may, unless it is closed."""

    ACCOUNT = "account"  # as the author's account says (`comments.rules`)
    EVERYONE = "everyone"
    FOLLOWING = "following"  # whom the author follows
    FOLLOWERS = "followers"  # who follows the author
    NOBODY = "nobody"


class Post(TimeOrderedModel):
    """One post. `author_id` is no foreign key, because users are in another database.

    `audience` never changes: who has liked a post or commented on it knows who sees that.
    """

    author_id = models.BigIntegerField(editable=False)
    caption = models.CharField(
        max_length=CAPTION_MAX_LENGTH, blank=True, default="", validators=[refuse_deceptive_text]
    )
    audience = models.CharField(
        max_length=20,
        choices=Audience,
        default=Audience.EVERYONE,
        db_default=Audience.EVERYONE.value,
        editable=False,
    )
    comments_closed = models.BooleanField(
        db_default=False, help_text="Nobody can comment any more."
    )
    comments_from = models.CharField(
        max_length=10,
        choices=CommentsFrom,
        default=CommentsFrom.ACCOUNT,
        db_default=CommentsFrom.ACCOUNT.value,
        help_text="Who may comment.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        # It has both columns that a timeline needs, so a timeline is read from the index alone.
        indexes = [models.Index(fields=["author_id", "-id"], name="post_by_author")]

    def __str__(self) -> str:
        return f"post {self.pk} by {self.author_id}"


class WaitingPost(TimeOrderedModel):
    """A post whose media are not all ready (`posts.waiting`). Only its author sees it."""

    author_id = models.BigIntegerField(editable=False)
    caption = models.CharField(
        max_length=CAPTION_MAX_LENGTH, blank=True, default="", validators=[refuse_deceptive_text]
    )
    audience = models.CharField(
        max_length=20,
        choices=Audience,
        default=Audience.EVERYONE,
        db_default=Audience.EVERYONE.value,
        editable=False,
    )
    media_ids = ArrayField(models.BigIntegerField(), editable=False)  # in order
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # When it was submitted, changed by its author, or published.
    changed_at = models.DateTimeField(db_default=Now(), editable=False)
    post_id = models.BigIntegerField(null=True, help_text="Once it is published: the post.")

    class Meta:
        indexes = [
            models.Index(fields=["author_id", "-id"], name="waiting_post_by_author"),
            models.Index(fields=["changed_at"], name="waiting_post_old"),
        ]

    def __str__(self) -> str:
        return f"waiting post {self.pk} by {self.author_id}"


class Like(AbstractLike):
    """A user likes a post."""


class CommentSummary(TimeOrderedModel):
    """The comments of a post in short, as Commenting told them at a `version` (core.cached_values).

    The row with the greatest version is valid. Rows are inserted and never updated, so that writers
    of comments do not wait for each other. `recent`: the latest comments, newest first, with the id
    of the author and nothing else about the author.
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
