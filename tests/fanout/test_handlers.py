"""Deliveries reach every follower once, wherever they are interrupted."""

from collections.abc import Callable
from typing import Any

import pytest

from core.outbox import delivery, rows
from core.outbox.delivery import deliver_event
from core.outbox.models import OutboxEvent
from tests.support.posts_factory import make_posts
from timeline import services as timeline_services
from timeline import store
from timeline.entries import home_timeline, profile_timeline, timeline_slice
from timeline.keys import home_key, profile_key
from usergraph import selectors as graph
from usergraph.services import import_follows

pytestmark = pytest.mark.django_db

BATCH = 3


@pytest.fixture
def followers(bob: int, person: Callable[[str], int], settings: Any) -> list[int]:
    """Ten followers of bob, in id order, with warm home timelines."""
    settings.FANOUT_BATCH_SIZE = BATCH
    ids = sorted(person("follower") for _ in range(10))
    list(import_follows(edges=[(id_, bob) for id_ in ids]))
    for id_ in ids:
        timeline_slice(timeline=home_timeline(user_id=id_), before=None, limit=1)
    return ids


@pytest.fixture
def post(bob: int, followers: list[int]) -> tuple[int, int]:
    """The ids of a post of bob's and of its outbox row."""
    post_id = make_posts(bob, 1)[0]
    payload = {"post_id": post_id, "author_id": bob}
    kind = "post_published"
    return post_id, rows.record(database="posts", kind=kind, subscriber="fanout", payload=payload)


def holders(post_id: int, user_ids: list[int]) -> list[int]:
    """The users whose home timelines hold a post; fails if one holds it twice."""
    holding = []
    for user_id in user_ids:
        part = store.read(key=home_key(user_id), before=None, limit=100)
        assert part is not None
        times = [ref[0] for ref in part.refs].count(post_id)
        assert times in {0, 1}
        if times:
            holding.append(user_id)
    return holding


def test_every_follower_gets_the_post_once_and_a_repetition_changes_nothing(
    post: tuple[int, int], followers: list[int]
) -> None:
    post_id, event_id = post
    assert deliver_event(database="posts", event_id=event_id)
    assert holders(post_id, followers) == followers
    assert not deliver_event(database="posts", event_id=event_id)
    OutboxEvent.objects.using("posts").filter(pk=event_id).update(done_at=None, cursor=0)
    assert deliver_event(database="posts", event_id=event_id)
    assert holders(post_id, followers) == followers


@pytest.mark.parametrize("interrupted_at", range(4))
def test_an_interrupted_delivery_goes_on_at_its_cursor(
    post: tuple[int, int],
    followers: list[int],
    interrupted_at: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    post_id, event_id = post
    deliver, batches = timeline_services.deliver_to_home_timelines, []

    def fail_once(**arguments: Any) -> int:
        batches.append(arguments["user_ids"])
        if len(batches) == interrupted_at + 1:
            raise ConnectionError("pulled the plug")
        return deliver(**arguments)

    monkeypatch.setattr(timeline_services, "deliver_to_home_timelines", fail_once)
    with pytest.raises(ConnectionError):
        deliver_event(database="posts", event_id=event_id)
    assert holders(post_id, followers) == followers[: interrupted_at * BATCH]
    assert deliver_event(database="posts", event_id=event_id)
    assert holders(post_id, followers) == followers
    assert batches[interrupted_at] == batches[interrupted_at + 1], "only that batch is sent twice"


def test_a_delivery_that_has_lost_its_lease_stops(
    post: tuple[int, int], followers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    post_id, event_id = post
    monkeypatch.setattr(delivery, "SECONDS_BETWEEN_SAVES", 0.0)
    monkeypatch.setattr(rows, "save_cursor", lambda lease, cursor: False)
    assert not deliver_event(database="posts", event_id=event_id)
    assert holders(post_id, followers) == followers[:BATCH]


def test_a_cursor_is_saved_now_and_then_or_at_once_if_a_step_asks_for_it(
    alice: int, bob: int, post: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    save_cursor = rows.save_cursor

    def save(lease: rows.Lease, *, cursor: int) -> bool:
        saved.append(cursor)
        return save_cursor(lease, cursor=cursor)

    monkeypatch.setattr(rows, "save_cursor", save)
    monkeypatch.setattr(delivery, "SECONDS_BETWEEN_SAVES", 3600.0)
    assert deliver_event(database="posts", event_id=post[1])
    assert saved == []
    kind, payload = "follow_changed", {"follower_id": alice, "followee_id": bob}
    event_id = rows.record(database="default", kind=kind, subscriber="fanout", payload=payload)
    assert deliver_event(database="default", event_id=event_id)
    assert saved == [1], "between the cached followers and the home timelines"


def test_the_authors_own_timelines_are_part_of_the_delivery(
    bob: int, post: tuple[int, int]
) -> None:
    post_id, event_id = post
    for timeline in (home_timeline(user_id=bob), profile_timeline(user_id=bob)):
        timeline_slice(timeline=timeline, before=None, limit=1)
        store.remove(keys=[timeline.key], ref=(post_id, bob))
    assert deliver_event(database="posts", event_id=event_id)
    for key in (home_key(bob), profile_key(bob)):
        part = store.read(key=key, before=None, limit=1)
        assert part is not None
        assert part.refs == [(post_id, bob)]


def test_a_batch_of_followers_costs_a_round_trip(
    post: tuple[int, int], followers: list[int], round_trips: Callable[[], int], settings: Any
) -> None:
    settings.FANOUT_BATCH_SIZE = 3
    assert deliver_event(database="posts", event_id=post[1])  # loads the followers
    OutboxEvent.objects.using("posts").filter(pk=post[1]).update(done_at=None, cursor=0)
    before = round_trips()
    assert deliver_event(database="posts", event_id=post[1])
    record, own_timelines, count, followers_read = 1, 1, 1, 1
    batches = -(-len(followers) // 3)
    assert batches > 2
    assert round_trips() - before == record + own_timelines + count + followers_read + batches


def test_a_change_of_the_graph_drops_what_was_made_from_it(
    alice: int, bob: int, followers: list[int]
) -> None:
    list(graph.follower_id_batches(author_id=bob, size=100))
    timeline_slice(timeline=home_timeline(user_id=alice), before=None, limit=1)
    list(import_follows(edges=[(alice, bob)]))
    payload = {"follower_id": alice, "followee_id": bob}
    kind = "follow_changed"
    event_id = rows.record(database="default", kind=kind, subscriber="fanout", payload=payload)
    assert deliver_event(database="default", event_id=event_id)
    assert store.read(key=home_key(alice), before=None, limit=1) is None
    assert [*graph.follower_id_batches(author_id=bob, size=100)] == [sorted([*followers, alice])]


def test_a_delivery_that_goes_on_while_its_author_crosses_the_limit_drops_all_timelines(
    post: tuple[int, int],
    followers: list[int],
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    """Those before its cursor too: they got the post by push, and must now pull."""
    with monkeypatch.context() as patch:
        patch.setattr(delivery, "SECONDS_BETWEEN_SAVES", 0.0)
        patch.setattr(rows, "save_cursor", pull_the_plug)
        with pytest.raises(ConnectionError):
            deliver_event(database="posts", event_id=post[1])
    OutboxEvent.objects.using("posts").filter(pk=post[1]).update(cursor=followers[BATCH])
    settings.FANOUT_PUSH_LIMIT = len(followers) - 1
    assert deliver_event(database="posts", event_id=post[1])
    assert all(store.peek(key=home_key(id_)) is None for id_ in followers)


def pull_the_plug(*args: Any, **kwargs: Any) -> bool:
    raise ConnectionError("pulled the plug")
