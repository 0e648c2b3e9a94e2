"""What Media announces, each in the transaction of the change that it tells of."""

from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class MediaChanged:
    """What is shown of a media has changed. `post_id` is the post that uses it."""

    media_id: int
    post_id: int


@dataclass(frozen=True)
class MediaRemoved:
    """The rows of some uploads are gone; their objects, at these prefixes, are not yet."""

    prefixes: list[str]


@dataclass(frozen=True)
class AvatarClaimed:
    """A media is claimed as a user's avatar. The users database may not know it yet, or never."""

    user_id: int
    media_id: int


media_changed = Event("media_changed", MediaChanged, database="posts")
media_removed = Event("media_removed", MediaRemoved, database="posts")
avatar_claimed = Event("avatar_claimed", AvatarClaimed, database="posts")
