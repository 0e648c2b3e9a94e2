"""What Media announces, each in the transaction of the change that it tells of."""

from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class MediaChanged:
    """What is shown of a media has changed. `post_id` is the post that uses it."""

    media_id: int
    post_id: int


@dataclass(frozen=True)
class MediaMoved:
    """The objects of media that these posts use have become public, or are withheld now."""

    post_ids: list[int]


@dataclass(frozen=True)
class MediaConfined:
    """These media are confidential now. Their objects may still be public."""

    media_ids: list[int]


@dataclass(frozen=True)
class MediaRemoved:
    """No row names these prefixes any more. The objects there are to be removed."""

    prefixes: list[str]


@dataclass(frozen=True)
class AvatarRemade:
    """The objects of a user's avatar are at another prefix now. Those at the former one must stay
    until the user's row has the new address.
    """

    user_id: int
    media_id: int
    former_prefix: str


@dataclass(frozen=True)
class AvatarClaimed:
    """A media is claimed as a user's avatar. The users database may not know it yet, or never."""

    user_id: int
    media_id: int


@dataclass(frozen=True)
class UploadSent:
    """A file has arrived in the object store."""

    upload_id: int


@dataclass(frozen=True)
class UploadProcessed:
    """An upload has become a media. `waiting_post_id`: the waiting post that holds it."""

    owner_id: int
    waiting_post_id: int | None


@dataclass(frozen=True)
class UploadEnded:
    """A file that a client sent is not needed any more. `key`: its own. `prefixes`: those under
    which workers may have stored variants of it that no media has.
    """

    key: str
    prefixes: list[str]


media_changed = Event("media_changed", MediaChanged, database="posts")
media_moved = Event("media_moved", MediaMoved, database="posts")
media_confined = Event("media_confined", MediaConfined, database="posts")
media_removed = Event("media_removed", MediaRemoved, database="posts")
avatar_claimed = Event("avatar_claimed", AvatarClaimed, database="posts")
avatar_remade = Event("avatar_remade", AvatarRemade, database="posts")
upload_sent = Event("upload_sent", UploadSent, database="posts")
upload_processed = Event("upload_processed", UploadProcessed, database="posts")
upload_ended = Event("upload_ended", UploadEnded, database="posts")
