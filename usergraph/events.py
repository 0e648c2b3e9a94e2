"""What User Graph announces, each in the transaction of the change that it tells of."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class FollowChanged:
    """`follower_id` began or ceased to follow `followee_id`."""

    follower_id: int
    followee_id: int


@dataclass(frozen=True)
class RequestsAccepted:
    """`followee_id` has let `follower_ids` follow."""

    follower_ids: Sequence[int]
    followee_id: int


@dataclass(frozen=True)
class FollowsRemoved:
    """An account's edges from `follower_ids` to `followee_ids` are gone: it is being deleted."""

    follower_ids: Sequence[int]
    followee_ids: Sequence[int]


@dataclass(frozen=True)
class BlockChanged:
    """`blocker_id` has blocked `blocked_id`, or has ended the block."""

    blocker_id: int
    blocked_id: int


@dataclass(frozen=True)
class MuteChanged:
    """`muter_id` has muted `muted_id`, or the mute has ended."""

    muter_id: int
    muted_id: int


@dataclass(frozen=True)
class CloseFriendsChanged:
    """`owner_id` has made `friend_id` a close friend, or has ended it."""

    owner_id: int
    friend_id: int


follow_changed = Event("follow_changed", FollowChanged, database="default")
requests_accepted = Event("requests_accepted", RequestsAccepted, database="default")
follows_removed = Event("follows_removed", FollowsRemoved, database="default")
block_changed = Event("block_changed", BlockChanged, database="default")
mute_changed = Event("mute_changed", MuteChanged, database="default")
close_friends_changed = Event("close_friends_changed", CloseFriendsChanged, database="default")
