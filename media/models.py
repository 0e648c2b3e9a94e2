"""Uploaded media, in the posts database. The files are in the object store."""

from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel
from core.text import refuse_deceptive_text

ALT_MAX_LENGTH = 1000


class Media(TimeOrderedModel):
    """One upload of one user. It is used at most once: in a post, or as an avatar."""

    class Use(models.TextChoices):
        POST = "post"
        AVATAR = "avatar"

    class Place(models.TextChoices):
        """Where the objects are."""

        # Nowhere yet, or some of them: the upload is still running, or it has died.
        ARRIVING = "arriving"
        PUBLIC = "public"
        # Where nobody reads them: the account of the owner is deactivated.
        WITHHELD = "withheld"
        # On their way between the two; each is in one of them, or in both.
        MOVING = "moving"

    owner_id = models.BigIntegerField(db_index=True, editable=False)
    width = models.PositiveIntegerField(help_text="Of the full variant, in pixels.")
    height = models.PositiveIntegerField(help_text="Of the full variant, in pixels.")
    # Null in rows from before it was recorded: uploads are not kept, so nobody knows it any more.
    original_width = models.IntegerField(
        null=True, blank=True, help_text="Of the upload, upright, in pixels."
    )
    original_height = models.IntegerField(
        null=True, blank=True, help_text="Of the upload, upright, in pixels."
    )
    byte_size = models.PositiveIntegerField(help_text="Of all variants together.")
    # Whether there is a medium variant, and a WebP of each. Uploads from before have neither.
    has_webp = models.BooleanField(default=False, db_default=False, editable=False)
    blurhash = models.CharField(max_length=40)
    alt = models.CharField(
        max_length=ALT_MAX_LENGTH, blank=True, default="", validators=[refuse_deceptive_text]
    )
    storage_prefix = models.CharField(max_length=100, unique=True)
    place = models.CharField(
        max_length=10, choices=Place, default=Place.PUBLIC, db_default="public", editable=False
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # The post or the user (avatar) that uses it, and its number among the media of that post.
    used_as = models.CharField(max_length=10, choices=Use, blank=True, default="")
    used_by_id = models.BigIntegerField(null=True, blank=True)
    position = models.PositiveSmallIntegerField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "media"
        indexes = [
            models.Index(
                fields=["used_by_id", "position"],
                name="media_of_post",
                condition=models.Q(used_as="post"),
            ),
            models.Index(
                fields=["created_at"], name="media_unused", condition=models.Q(used_as="")
            ),
            models.Index(
                fields=["created_at"], name="media_arriving", condition=models.Q(place="arriving")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                name="media_used_by_somebody",
                condition=models.Q(used_as="", used_by_id=None, position=None)
                | (~models.Q(used_as="") & models.Q(used_by_id__isnull=False, position__gte=0)),
            )
        ]

    def __str__(self) -> str:
        return f"media {self.pk} of {self.owner_id}"
