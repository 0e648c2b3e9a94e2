"""What Media announces, each in the transaction of the change that it tells of."""

from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class MediaChanged:
    """What is shown of a media has changed. `post_id` is the post that uses it."""

    media_id: int
    post_id: int


media_changed = Event("media_changed", MediaChanged, database="posts")
