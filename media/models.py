"""Uploaded media, in the posts database. The files are in the object store."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.ids import TimeOrderedModel
from core.text import refuse_deceptive_text

ALT_MAX_LENGTH = 1000


class Upload(TimeOrderedModel):
    """A file on its way: a client sends it to the object store, and a worker makes a Media of it.

    The Media gets the id, in the transaction that deletes the upload.
    """

    class State(models.TextChoices):
        # The client is sending it.
        PENDING = "pending"
        PROCESSING = "processing"
        FAILED = "failed"

    owner_id = models.BigIntegerField(db_index=True, editable=False)
    content_type = models.CharField(max_length=40)
    byte_size = models.BigIntegerField()
    alt = models.CharField(
        max_length=ALT_MAX_LENGTH, blank=True, default="", validators=[refuse_deceptive_text]
    )
    # Of the file that the client sends.
    key = models.CharField(max_length=100, unique=True)
    # S3's id of the multipart upload; empty if the file is sent by one request.
    multipart_id = models.CharField(max_length=300, blank=True, default="")
    # The prefixes under which workers may have stored variants; the media gets one of them.
    attempts = ArrayField(models.CharField(max_length=100), default=list)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    progress = models.PositiveSmallIntegerField(default=0, help_text="Of the processing, in %.")
    # How often a worker has begun with it and has not come to an end.
    unfinished_starts = models.PositiveSmallIntegerField(default=0)
    # Why it has failed: a code and a text.
    error_code = models.CharField(max_length=40, blank=True, default="")
    error = models.CharField(max_length=500, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # The waiting post that holds it.
    used_by_id = models.BigIntegerField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["used_by_id"],
                name="upload_held",
                condition=models.Q(used_by_id__isnull=False),
            ),
            models.Index(
                fields=["created_at"],
                name="upload_abandoned",
                condition=~models.Q(state="processing"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.state} upload {self.pk} of {self.owner_id}"


class Media(TimeOrderedModel):
    """One picture or video of one user. It is used at most once, as `Use` says."""

    class Use(models.TextChoices):
        POST = "post"
        AVATAR = "avatar"
        # Held by a post that waits until all of its media are ready.
        WAITING = "waiting"

    class Place(models.TextChoices):
        """Where the objects are."""

        # Nowhere yet, or some of them: the upload is still running, or it has died.
        ARRIVING = "arriving"
        PUBLIC = "public"
        # Where nobody reads them without a signature: see `media.places`.
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
    # Of a video, whose poster has the variants: {"sources": [{"name", "width", "height"}, …], the
    # largest first, "duration_ms", "has_sound", "loops"}.
    video = models.JSONField(null=True, blank=True, editable=False)
    blurhash = models.CharField(max_length=40)
    alt = models.CharField(
        max_length=ALT_MAX_LENGTH, blank=True, default="", validators=[refuse_deceptive_text]
    )
    storage_prefix = models.CharField(max_length=100, unique=True)
    place = models.CharField(
        max_length=10, choices=Place, default=Place.PUBLIC, db_default="public", editable=False
    )
    # It is of a post for some people only: withheld, whatever the owner's account is.
    is_confidential = models.BooleanField(default=False, db_default=False, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # The post, the user (avatar) or the waiting post that uses it, and its number among the media
    # of that post.
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
                fields=["used_by_id"], name="media_held", condition=models.Q(used_as="waiting")
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


class MediaUsage(TimeOrderedModel):
    """What an account has used of its quota on one day, of UTC."""

    owner_id = models.BigIntegerField(editable=False)
    day = models.DateField(editable=False, db_index=True)
    byte_count = models.BigIntegerField(help_text="Of the files that it has sent or announced.")
    cpu_ms = models.BigIntegerField(help_text="Of the decoders, in milliseconds.")

    class Meta:
        verbose_name_plural = "media usage"
        constraints = [
            models.UniqueConstraint(fields=["owner_id", "day"], name="media_usage_once_a_day")
        ]

    def __str__(self) -> str:
        return f"media usage of {self.owner_id} on {self.day}"
