"""Writes of Timeline: what Fan-out delivers, removes and drops."""

from __future__ import annotations

from collections.abc import Iterable

from core.valkey import state_valkey
from timeline import store
from timeline.keys import delivered_up_to_key, home_key, home_keys_by_slot, profile_key
from timeline.slices import Timeline, build


def deliver_to_own_timelines(*, post_id: int, author_id: int) -> None:
    """Put a post into its author's home and profile timelines. Repeating it changes nothing."""
    keys = [home_key(author_id), profile_key(author_id)]
    store.deliver(keys=keys, refs=[(post_id, author_id)])


def deliver_to_home_timelines(
    *, post_id: int, author_id: int, user_ids: Iterable[int], as_of: int
) -> int:
    """Put a post into the warm home timelines among `user_ids`; returns into how many it went.

    `as_of`: the graph position, asked for after the post was committed and before `user_ids` were
    read. Timelines built since then are left alone: they have the post, if they are to have it.
    One round trip. Repeating it changes nothing; late or not, the post lands in its place.
    """
    slots = home_keys_by_slot(user_ids)
    return store.deliver_to_slots(slots=slots, refs=[(post_id, author_id)], as_of=as_of)


def remove_from_own_timelines(*, post_id: int, author_id: int) -> None:
    """Take a deleted post out of its author's timelines.

    In the followers' it stays as an entry that names no post, which reading leaves out.
    """
    store.remove(keys=[home_key(author_id), profile_key(author_id)], ref=(post_id, author_id))


def drop_home_timelines(*, user_ids: Iterable[int]) -> None:
    """Forget the home timelines of users whose graph has changed; the next read builds them."""
    store.drop(keys=map(home_key, user_ids))


def forget_user(*, user_id: int) -> None:
    """Remove both timelines of somebody who is gone."""
    store.drop(keys=[home_key(user_id), profile_key(user_id)])


def drop_timelines(*, timelines: Iterable[Timeline]) -> int:
    """Make timelines cold, home or profile; returns how many were not. One round trip."""
    return store.drop(keys=[timeline.key for timeline in timelines])


def note_delivered_up_to(*, post_id: int) -> None:
    """Say that every post up to this one has been delivered, for those who ask what is new."""
    state_valkey().set(delivered_up_to_key(), post_id)


def rebuild(*, timeline: Timeline) -> bool:
    """Build a timeline anew, warm or not; False when a reader was faster."""
    store.drop(keys=[timeline.key])
    return build(timeline=timeline) is not None
