"""What Media announces."""

from __future__ import annotations

from dataclasses import dataclass

from core.events import Event


@dataclass(frozen=True)
class MediaChanged:
    """What is shown of a media has changed; in the transaction of that write.

    `post_id`: the post that uses it; None for an avatar, and while nobody uses it.
    """

    media_id: int
    post_id: int | None


media_changed: Event[MediaChanged] = Event()
