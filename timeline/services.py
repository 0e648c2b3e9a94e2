"""The writes of Timeline: deliver a post, remove a post, drop and rebuild timelines."""

from collections.abc import Iterable

from core.valkey import state_valkey
from timeline import store
from timeline.entries import Timeline, build
from timeline.keys import delivered_up_to_key, home_key, home_keys_by_slot, profile_key


def deliver_to_own_timelines(*, post_id: int, author_id: int) -> None:
    """Put a post into its author's home and profile timelines. Repeating it changes nothing."""
    keys = [home_key(author_id), profile_key(author_id)]
    store.deliver(keys=keys, refs=[(post_id, author_id)])


def deliver_to_home_timelines(
    *, post_id: int, author_id: int, user_ids: Iterable[int], graph_lsn: int
) -> int:
    """Put a post into the warm home timelines of `user_ids`; returns into how many it went.

    `graph_lsn`: the graph LSN, read after the post was committed and before `user_ids` were read.
    Timelines that were built after it are skipped: their build has read the post, if the viewer
    follows the author. One round trip. A post that comes late, or again, lands once and in order.
    """
    slots = home_keys_by_slot(user_ids)
    return store.deliver_to_slots(slots=slots, refs=[(post_id, author_id)], graph_lsn=graph_lsn)


def remove_from_own_timelines(*, post_id: int, author_id: int) -> None:
    """Take a deleted post out of its author's two timelines; in others, readers leave it out."""
    store.remove(keys=[home_key(author_id), profile_key(author_id)], ref=(post_id, author_id))


def drop_home_timelines(*, user_ids: Iterable[int]) -> None:
    """Make home timelines cold after a change of the graph; the next read builds them."""
    store.drop(keys=map(home_key, user_ids))


def drop_timelines(*, timelines: Iterable[Timeline]) -> int:
    """Make timelines cold, home or profile; returns how many were not. One round trip."""
    return store.drop(keys=[timeline.key for timeline in timelines])


def note_delivered_up_to(*, post_id: int) -> None:
    """Store the id up to which every post has been delivered, for `timeline.seen`."""
    state_valkey().set(delivered_up_to_key(), post_id)


def rebuild(*, timeline: Timeline) -> bool:
    """Drop a timeline and build it from SQL; False when a reader began to build it first."""
    store.drop(keys=[timeline.key])
    return build(timeline=timeline) is not None
