"""Accounts, in the users database."""

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now

from core.ids import TimeOrderedModel
from core.text import refuse_deceptive_name, refuse_deceptive_text
from users.usernames import refuse_reserved_username


class User(TimeOrderedModel, AbstractUser):
    """One person. `username` is lower case, so it is unique in any case."""

    first_name = None  # type: ignore[assignment]  # replaced by display_name
    last_name = None  # type: ignore[assignment]
    username = models.CharField(
        max_length=30,
        unique=True,
        validators=[
            RegexValidator(
                r"^[a-zA-Z0-9_][a-zA-Z0-9_.]{0,29}\Z",
                "Use 1 to 30 letters (a to z), digits, dots and underscores, and no dot first.",
            ),
            refuse_reserved_username,
        ],
        error_messages={"unique": "This username is taken. Choose another."},
    )
    display_name = models.CharField(
        max_length=60, blank=True, default="", validators=[refuse_deceptive_name]
    )
    bio = models.CharField(
        max_length=500, blank=True, default="", validators=[refuse_deceptive_text]
    )
    # The media of the avatar is in another database: no foreign key. The key of its thumbnail never
    # changes; it is stored here too, so that a user is shown without a read of the media.
    avatar_media_id = models.BigIntegerField(null=True, blank=True)
    avatar_key = models.CharField(max_length=200, blank=True, default="", editable=False)

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="one_account_an_email",
                violation_error_message="Another account has this e-mail address.",
            )
        ]

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Django's hook: its forms, commands and managers all call it."""
        return super().normalize_username(username).lower()

    def get_full_name(self) -> str:
        return self.display_name or self.username

    def get_short_name(self) -> str:
        return self.username


class AccountDeletion(TimeOrderedModel):
    """The progress of the deletion of an account. It outlives the account's row, so `user_id` is no
    foreign key.

    `removed`: the number of removed rows of each kind: `{"posts": 3, "media": 4}`. If the worker is
    killed, the last step may be missing.
    """

    class RequestedBy(models.TextChoices):
        SELF = "self"
        STAFF = "staff"
        COMMAND = "command"

    user_id = models.BigIntegerField(unique=True)
    username = models.CharField(max_length=30, blank=True, help_text="Cleared when all is done.")
    requested_by = models.CharField(max_length=10, choices=RequestedBy)
    requested_at = models.DateTimeField(db_default=Now())
    removed = models.JSONField(default=dict)
    done_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"deletion of account {self.user_id}"
