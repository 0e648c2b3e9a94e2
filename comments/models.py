"""Comments and their likes, in the comments database."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel
from core.likes import AbstractLike
from core.text import refuse_deceptive_text
from posts.selectors import CommentsFrom

TEXT_MAX_LENGTH = 2200
WORD_MAX_LENGTH = 60


class Comment(TimeOrderedModel):
    """One comment. Its post and its author are in other databases: no foreign keys.

    `reply_to` is the comment that this one replies to, on the same post; that is no reply itself.
    When a comment with very many replies is deleted, some replies exist a moment longer: so there
    is no constraint. `is_shown`: the author is active, and the comment is not held back. A comment
    that is not shown is counted neither for its post nor for the comment that it replies to.
    `held_for`: while it is held back, the author of the post, who may approve it (`comments.held`).
    """

    post_id = models.BigIntegerField(editable=False)
    author_id = models.BigIntegerField(editable=False)
    is_shown = models.BooleanField(db_default=True, editable=False)
    held_for = models.BigIntegerField(null=True, blank=True, editable=False)
    text = models.CharField(max_length=TEXT_MAX_LENGTH, validators=[refuse_deceptive_text])
    reply_to = models.ForeignKey(
        "self",
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="replies",
        editable=False,
        db_constraint=False,
        db_index=False,
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["post_id", "id"], name="comment_by_post"),
            models.Index(
                fields=["post_id", "id"],
                condition=models.Q(reply_to__isnull=True),
                name="comment_top_level",
            ),
            models.Index(
                fields=["reply_to", "id"],
                condition=models.Q(reply_to__isnull=False),
                name="comment_by_reply",
            ),
            models.Index(fields=["author_id", "id"], name="comment_by_author"),
            models.Index(
                fields=["author_id"], condition=models.Q(is_shown=False), name="comment_hidden"
            ),
            models.Index(
                fields=["held_for", "id"],
                condition=models.Q(held_for__isnull=False),
                name="comment_held",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(held_for__isnull=True) | models.Q(is_shown=False),
                name="comment_held_is_not_shown",
            )
        ]

    def __str__(self) -> str:
        return f"comment {self.pk} on {self.post_id}"


class CommentRules(models.Model):
    """Who may comment on an account's posts, and the words that hold a comment back for their
    author. An account without a row lets everyone comment.
    """

    author_id = models.BigIntegerField(primary_key=True, editable=False)
    comments_from = models.CharField(
        max_length=10,
        choices=[choice for choice in CommentsFrom.choices if choice[0] != CommentsFrom.ACCOUNT],
        default=CommentsFrom.EVERYONE,
    )
    hidden_words = ArrayField(
        models.CharField(max_length=WORD_MAX_LENGTH), default=list, blank=True
    )

    class Meta:
        verbose_name_plural = "comment rules"

    def __str__(self) -> str:
        return f"comments on posts of {self.author_id}"


class CommentLike(AbstractLike):
    """A user likes a comment."""
