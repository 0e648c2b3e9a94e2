"""Accounts, in the users database."""

from collections.abc import Collection

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now

from core.ids import TimeOrderedModel
from core.text import refuse_deceptive_name, refuse_deceptive_text
from users.usernames import is_held, refuse_reserved_username


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
    # The media of the avatar is in another database: no foreign key. The key of its thumbnail is
    # stored here too, so that a user is shown without a read of the media. It follows the media at
    # `avatar_remade`.
    avatar_media_id = models.BigIntegerField(null=True, blank=True)
    avatar_key = models.CharField(max_length=200, blank=True, default="", editable=False)
    # Only accepted followers see what the account owns (`usergraph.visibility`).
    is_private = models.BooleanField(default=False, db_default=False)

    # The username and the display name that the search terms are of (users/search.py).
    searched_as = models.CharField(
        max_length=91, blank=True, default="", db_default="", editable=False
    )

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

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Django's hook, for its forms: what another account had until lately is taken, too."""
        super().validate_unique(exclude)
        user_id = None if self._state.adding else self.pk
        if "username" not in (exclude or ()) and is_held(username=self.username, user_id=user_id):
            taken = self.unique_error_message(type(self), ("username",))
            raise ValidationError({"username": taken})

    def get_full_name(self) -> str:
        return self.display_name or self.username

    def get_short_name(self) -> str:
        return self.username


class FormerUsername(TimeOrderedModel):
    """A username that an account has given up, for FORMER_USERNAME_DAYS.

    It leads to that account, which alone may take it back. Nobody else may take it, or one that
    looks like it (`users.usernames.look`). Triggers write and check the rows (migration 0006), so
    this holds for every writer of a username. A deleted account leaves the looks of its names only.
    """

    username = models.CharField(
        max_length=30,
        blank=True,
        default="",
        db_default="",
        help_text="Empty if the account is deleted.",
    )
    look = models.CharField(max_length=64)
    user_id = models.BigIntegerField(null=True)  # No foreign key: the trigger clears it.
    freed_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["username"],
                condition=~models.Q(username=""),
                name="one_owner_a_former_username",
            )
        ]
        indexes = [
            models.Index(fields=["look"], name="former_username_look"),
            models.Index(fields=["user_id"], name="former_username_user"),
            models.Index(fields=["freed_at"], name="former_username_freed_at"),
        ]

    def __str__(self) -> str:
        return self.username or "a name of a deleted account"


class SearchTerm(models.Model):
    """A beginning by which a user is found: users/search.py owns the rows."""

    class Place(models.IntegerChoices):
        FIRST = 0
        LATER = 1

    id = models.BigAutoField(primary_key=True)
    # The database has a foreign key that removes the terms with the account (migration 0007).
    user_id = models.BigIntegerField()
    place = models.SmallIntegerField(choices=Place)
    # Ordered by bytes, whatever the database's own order is: so the index has all with one prefix
    # side by side.
    term = models.CharField(max_length=30, db_collation="C")

    class Meta:
        indexes = [
            models.Index(fields=["place", "term", "user_id"], name="search_term_in_order"),
            models.Index(fields=["user_id", "term"], name="search_term_of_user"),
        ]

    def __str__(self) -> str:
        return self.term


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
