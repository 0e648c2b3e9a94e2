"""What User Graph announces."""

from __future__ import annotations

from dataclasses import dataclass

from core.events import Event


@dataclass(frozen=True)
class FollowChanged:
    """`follower_id` began or ceased to follow `followee_id`; in the transaction of that write.

    Who listens calls `services.forget_followers` once it has committed.
    """

    follower_id: int
    followee_id: int


@dataclass(frozen=True)
class FollowsRemoved:
    """Edges of an account that is being deleted are gone, from some of `follower_ids` to some of
    `followee_ids`; in the transaction of that write.
    """

    follower_ids: tuple[int, ...]
    followee_ids: tuple[int, ...]


follow_changed: Event[FollowChanged] = Event()
follows_removed: Event[FollowsRemoved] = Event()
