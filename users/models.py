"""Accounts, in the users database."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel

# Words that an address of the site or of the API already uses, or that pretend to be staff.
RESERVED_USERNAMES = frozenset(
    {"me", "admin", "administrator", "api", "help", "root", "socialfeed", "staff", "support"}
)


def refuse_reserved_username(username: str) -> None:
    """Validator: these names are the service's own."""
    if username.lower() in RESERVED_USERNAMES:
        raise ValidationError("This username is reserved. Choose another.", code="reserved")


class User(TimeOrderedModel, AbstractUser):
    """One person. `username` is lower case, so it is unique whatever the case it is typed in."""

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
    display_name = models.CharField(max_length=60, blank=True, default="")
    bio = models.CharField(max_length=500, blank=True, default="")
    # The media that the avatar was made from (another database: no foreign key), and the key of
    # its thumbnail, which never changes, so that a user is shown without asking for the media.
    avatar_media_id = models.BigIntegerField(null=True, blank=True)
    avatar_key = models.CharField(max_length=200, blank=True, default="", editable=False)

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
        ordering = ["-id"]

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Django's hook, which its forms, its commands and its managers all pass through."""
        return super().normalize_username(username).lower()

    def get_full_name(self) -> str:
        return self.display_name or self.username

    def get_short_name(self) -> str:
        return self.username


class AccountDeletion(TimeOrderedModel):
    """An account that is being deleted, or has been: how far that has come. It outlives the row
    of the account, so `user_id` is no foreign key.

    `removed`: how many rows of each kind went so far: `{"posts": 3, "media": 4}`. The last step
    before a kill may be missing in it.
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
