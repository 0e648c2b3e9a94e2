"""The follower graph, in the users database."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel


def _person() -> "models.ForeignKey[Any, Any]":
    """An account. It has no index of its own: the models' indexes are of two columns."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", db_index=False
    )


class Follow(TimeOrderedModel):
    """An edge: `follower` follows `followee`. Lists are ordered by its id, newest first.

    `follower_shown`, `followee_shown`: that account is active. Who is not shown is not counted.
    """

    follower = _person()
    followee = _person()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    follower_shown = models.BooleanField(db_default=True, editable=False)
    followee_shown = models.BooleanField(db_default=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["follower", "followee"], name="follow_once"),
            models.CheckConstraint(
                condition=~models.Q(follower=models.F("followee")), name="follow_not_oneself"
            ),
        ]
        indexes = [
            # Fan-out walks an author's followers in id order; the lists go by edge id.
            models.Index(fields=["followee", "follower"], name="follow_fan_out"),
            models.Index(fields=["followee", "id"], name="follow_followers_list"),
            models.Index(fields=["follower", "id"], name="follow_following_list"),
            models.Index(
                fields=["follower"],
                condition=models.Q(follower_shown=False),
                name="follow_hidden_follower",
            ),
            models.Index(
                fields=["followee"],
                condition=models.Q(followee_shown=False),
                name="follow_hidden_followee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.follower_id} follows {self.followee_id}"


class FollowRequest(TimeOrderedModel):
    """`follower` asks to follow `followee`, whose account is private. An answer removes the row.

    Lists are ordered by its id, newest first.
    """

    follower = _person()
    followee = _person()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["follower", "followee"], name="request_once"),
            models.CheckConstraint(
                condition=~models.Q(follower=models.F("followee")), name="request_not_oneself"
            ),
        ]
        indexes = [models.Index(fields=["followee", "id"], name="request_list")]

    def __str__(self) -> str:
        return f"{self.follower_id} asks to follow {self.followee_id}"


class Block(TimeOrderedModel):
    """`blocker` has blocked `blocked`: from then on neither of them sees the other."""

    blocker = _person()
    blocked = _person()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["blocker", "blocked"], name="block_once"),
            models.CheckConstraint(
                condition=~models.Q(blocker=models.F("blocked")), name="block_not_oneself"
            ),
        ]
        indexes = [
            models.Index(fields=["blocked", "blocker"], name="block_by_blocked"),
            models.Index(fields=["blocker", "id"], name="block_list"),
        ]

    def __str__(self) -> str:
        return f"{self.blocker_id} blocks {self.blocked_id}"


class Mute(TimeOrderedModel):
    """The home timeline of `muter` does not show the posts of `muted`, followed or not.

    `until`: when the mute ends; None: never by itself. A task removes the row then.
    """

    muter = _person()
    muted = _person()
    until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["muter", "muted"], name="mute_once"),
            models.CheckConstraint(
                condition=~models.Q(muter=models.F("muted")), name="mute_not_oneself"
            ),
        ]
        indexes = [
            # Fan-out leaves out who mutes the author.
            models.Index(fields=["muted", "muter"], name="mute_fan_out"),
            models.Index(fields=["muter", "id"], name="mute_list"),
            models.Index(
                fields=["until"], condition=models.Q(until__isnull=False), name="mute_by_end"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.muter_id} mutes {self.muted_id}"


class OwnList(TimeOrderedModel):
    """`member` is on a list of `owner`, which only the owner sees. Each subclass is a list.

    Lists are ordered by the row's id, newest first.
    """

    owner = _person()
    member = _person()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["owner", "member"], name="%(class)s_once"),
            models.CheckConstraint(
                condition=~models.Q(owner=models.F("member")), name="%(class)s_not_oneself"
            ),
        ]
        indexes = [
            models.Index(fields=["member", "owner"], name="%(class)s_by_member"),
            models.Index(fields=["owner", "id"], name="%(class)s_list"),
        ]

    def __str__(self) -> str:
        return f"{self.member_id} is on a list of {self.owner_id}"


class CloseFriend(OwnList):
    """`owner` has posts that only close friends see, and `member` is one of them."""


class Restriction(OwnList):
    """`owner` has restricted `member`, whose new comments on the owner's posts are held back."""


class PulledAuthor(models.Model):
    """An author with too many followers to push each post to: readers pull the author's posts.

    An author without a row is pushed. `entering` and `leaving` last until every follower's home
    timeline that was built before has been dropped. A timeline that is built meanwhile pulls the
    author while `entering`, and does not while `leaving`. `change_token` is new for each change.
    """

    class State(models.TextChoices):
        ENTERING = "entering"
        PULLED = "pulled"
        LEAVING = "leaving"

    author = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+"
    )
    state = models.CharField(max_length=8, choices=State, default=State.ENTERING)
    change_token = models.UUIDField(default=uuid.uuid4, editable=False, db_column="stay")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.author_id} {self.state}"
