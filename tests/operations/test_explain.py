"""Why a post is, or is not, in a home timeline: each gate."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from core.http.problems import NotFound
from core.ids import MAX_ID
from core.outbox import delivery, rows
from core.outbox.models import OutboxEvent
from core.valkey import cache_valkey
from operations.explain.gates import State
from operations.explain.report import explain_home
from posts.models import Post
from tests.support.explanations import change, deliver, explained, gate, publish, states, warm
from tests.support.posts_factory import make_posts
from timeline import services as timeline_services
from timeline import store
from timeline.keys import home_key
from usergraph.keys import friendly_key
from usergraph.models import Block, Follow
from usergraph.mutes import mute_user, unmute_user
from usergraph.own_lists import add_close_friend
from usergraph.services import import_follows
from users.models import User

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
FOLLOW_CHANGED = "follow_changed"
PASSED, FAILED, MOOT = State.PASSED, State.FAILED, State.MOOT


def test_a_delivered_post_passes_every_gate(alice: int, bob: int, follows: None) -> None:
    warm(alice)
    post_id, event_id = publish(bob)
    deliver(event_id)
    make_posts(bob, 1)  # not delivered: not in the list
    explanation = explained(alice, post_id)
    assert states(explanation) == {
        "post": PASSED,
        "author": PASSED,
        "follow": PASSED,
        "filters": PASSED,
        "push or pull": PASSED,
        "delivery": PASSED,
        "timeline": PASSED,
        "entry": PASSED,
    }
    assert explanation.expected
    assert explanation.shown
    assert not explanation.cure
    assert "sees post" in explanation.verdict
    assert "has followed @bob" in gate(explanation, "follow").facts
    limit = django_settings.FANOUT_PUSH_LIMIT
    assert f"has 1 follower, and the limit is {limit}." in gate(explanation, "push or pull").facts
    assert "was done" in gate(explanation, "delivery").facts
    assert "Warm and complete: length 1 (cap 800)" in gate(explanation, "timeline").facts
    assert "for another 14.0 days" in gate(explanation, "timeline").facts
    assert "pulls nobody" in gate(explanation, "timeline").facts
    assert gate(explanation, "entry").facts == "Entry 1 of 1 (cap 800)."


def test_ones_own_post_needs_no_follow(alice: int) -> None:
    post_id, _ = publish(alice)
    explanation = explained(alice, post_id)
    assert explanation.shown
    assert "own post" in gate(explanation, "follow").facts
    assert states(explanation)["filters"] == MOOT


def test_a_post_that_is_not_delivered_yet_is_on_its_way(
    alice: int, bob: int, follows: None
) -> None:
    warm(alice)
    post_id, event_id = publish(bob)
    explanation = explained(alice, post_id)
    assert (explanation.expected, explanation.shown, explanation.cure) == (True, False, "")
    assert "still being delivered" in explanation.verdict
    delivery = gate(explanation, "delivery")
    assert delivery.state == FAILED
    assert f"Outbox event {event_id} (posts) is pending, nobody delivers it" in delivery.facts
    assert "0 attempts" in delivery.facts
    assert "has not passed @alice" in delivery.facts


@pytest.fixture
def two_followers(bob: int, person: Callable[[str], int], settings: Any) -> tuple[int, int]:
    """Two followers of bob, in id order, a batch each, with warm home timelines."""
    settings.FANOUT_BATCH_SIZE = 1
    first, second = sorted(person("follower") for _ in range(2))
    list(import_follows(edges=[(first, bob), (second, bob)]))
    for user_id in (first, second):
        warm(user_id)
    return first, second


@pytest.mark.parametrize("past", [True, False])
def test_an_interrupted_delivery_tells_whether_it_has_passed_the_viewer(
    bob: int, two_followers: tuple[int, int], monkeypatch: pytest.MonkeyPatch, past: bool
) -> None:
    """It stops after the first of two batches."""
    first, second = two_followers
    viewer = first if past else second
    post_id, event_id = publish(bob)
    real, calls = timeline_services.deliver_to_home_timelines, []

    def fail_at_the_second(**arguments: Any) -> int:
        calls.append(arguments)
        if len(calls) == 2:
            raise ConnectionError("pulled the plug")
        return real(**arguments)

    monkeypatch.setattr(timeline_services, "deliver_to_home_timelines", fail_at_the_second)
    with pytest.raises(ConnectionError):
        deliver(event_id)
    explanation = explained(viewer, post_id)
    delivery = gate(explanation, "delivery")
    assert delivery.state == (PASSED if past else FAILED)
    assert f"its cursor, {first}, has {'' if past else 'not '}passed" in delivery.facts
    assert "1 attempt, the next" in delivery.facts
    assert "pulled the plug" in delivery.facts
    assert explanation.shown == past
    assert not explanation.cure


def test_a_lease_is_named_with_its_end(alice: int, bob: int, follows: None) -> None:
    post_id, event_id = publish(bob)
    assert rows.take_lease(database="posts", event_id=event_id)
    explanation = explained(alice, post_id)
    assert "is pending, leased until 20" in gate(explanation, "delivery").facts
    assert states(explanation)["delivery"] == MOOT, "the next read builds it from SQL"
    change(event_id, lease_until=Now() - HOUR)
    assert "lapsed 20" in gate(explained(alice, post_id), "delivery").facts


def test_a_post_without_a_row_was_imported_or_its_row_is_pruned(
    alice: int, bob: int, follows: None
) -> None:
    explanation = explained(alice, make_posts(bob, 1)[0])
    assert states(explanation)["delivery"] == MOOT
    assert "No row" in gate(explanation, "delivery").facts


def test_who_does_not_follow_does_not_see_it(alice: int, bob: int) -> None:
    explanation = explained(alice, publish(bob)[0])
    assert (explanation.expected, explanation.shown) == (False, False)
    assert states(explanation)["follow"] == FAILED
    assert "should not: @alice" in explanation.verdict


def test_an_unfollow_that_is_not_delivered_yet_is_awaited(
    alice: int, bob: int, follows: None
) -> None:
    post_id, _ = publish(bob)
    warm(alice)
    Follow.objects.filter(follower_id=alice).delete()
    drifted = explained(alice, post_id)
    assert (drifted.expected, drifted.shown) == (False, True)
    assert f"manage.py timeline rebuild {User.objects.get(pk=alice).username}" == drifted.cure
    payload = {"follower_id": alice, "followee_id": bob}
    row = rows.record(database="default", kind=FOLLOW_CHANGED, subscriber="fanout", payload=payload)
    awaited = explained(alice, post_id)
    assert (awaited.expected, awaited.shown, awaited.cure) == (False, True, "")
    assert f"Outbox event {row} (default)" in gate(awaited, "follow").facts
    assert delivery.deliver_event(database="default", event_id=row)
    assert not explained(alice, post_id).shown


def test_a_deleted_post_is_known_by_its_outbox_row(alice: int, bob: int, follows: None) -> None:
    warm(alice)
    post_id, event_id = publish(bob)
    deliver(event_id)
    Post.objects.filter(pk=post_id).delete()
    explanation = explained(alice, post_id)
    assert (explanation.expected, explanation.shown) == (False, False)
    assert gate(explanation, "post").state == FAILED
    assert gate(explanation, "post").facts.startswith("Deleted. It was published ")
    assert (
        gate(explanation, "entry").facts == "Entry 1 of 1 (cap 800). The next read leaves it out."
    )
    OutboxEvent.objects.using("posts").filter(pk=event_id).delete()
    assert "never was such a post" in gate(explained(alice, post_id), "post").facts


@pytest.mark.parametrize(
    ("post_id", "facts"),
    [
        (-1, "not an id"),
        (0, "not an id"),
        (1, "not known any more after 7 days"),
        (MAX_ID - 1, "a future time"),
        (MAX_ID, "not an id"),
        (10**40, "not an id"),
    ],
)
def test_any_number_is_explained(alice: int, post_id: int, facts: str) -> None:
    explanation = explained(alice, post_id)
    assert facts in gate(explanation, "post").facts
    assert (explanation.expected, explanation.shown) == (False, False)


def test_an_unknown_viewer_is_not_found(bob: int) -> None:
    with pytest.raises(NotFound):
        explain_home(viewer_id=1, post_id=publish(bob)[0])


def test_posts_of_a_deactivated_author_are_not_shown(alice: int, bob: int, follows: None) -> None:
    post_id, _ = publish(bob)
    warm(alice)
    User.objects.filter(pk=bob).update(is_active=False)
    explanation = explained(alice, post_id)
    assert (explanation.expected, explanation.shown) == (False, False)
    assert states(explanation)["author"] == FAILED
    assert "deactivated" in explanation.verdict


def test_a_deactivated_viewer_is_explained_all_the_same(alice: int, bob: int) -> None:
    User.objects.filter(pk=alice).update(is_active=False)
    explanation = explain_home(viewer_id=alice, post_id=publish(bob)[0])
    assert explanation.verdict.endswith("is deactivated.")


def test_muted_authors_fail_at_the_filters(alice: int, bob: int, follows: None) -> None:
    post_id, _ = publish(bob)
    warm(alice)
    mute_user(muter_id=alice, muted_id=bob)
    shown = explained(alice, post_id)
    assert " mutes @bob" in gate(shown, "filters").facts
    assert states(shown)["filters"] == FAILED
    assert (shown.expected, shown.shown) == (False, True), "the timeline was not dropped"
    assert "a mute" in shown.verdict, "which is still being delivered"
    OutboxEvent.objects.filter(kind="mute_changed").update(done_at=Now())
    assert explained(alice, post_id).cure
    store.drop(keys=[home_key(alice)])
    warm(alice)
    explanation = explained(alice, post_id)
    assert (explanation.expected, explanation.shown) == (False, False)
    unmute_user(muter_id=alice, muted_id=bob)
    missing = explained(alice, post_id)
    assert states(missing)["filters"] == PASSED
    assert (missing.expected, missing.shown) == (True, False)


def test_a_post_for_close_friends_of_others_fails_at_the_filters(
    alice: int, bob: int, follows: None
) -> None:
    (post_id,) = make_posts(bob, 1, audience="close_friends")
    warm(alice)
    explanation = explained(alice, post_id)
    assert "for close friends of @bob" in gate(explanation, "filters").facts
    assert states(explanation)["filters"] == FAILED
    assert (explanation.expected, explanation.shown) == (False, False)
    add_close_friend(owner_id=bob, friend_id=alice)
    cache_valkey().unlink(friendly_key(alice))
    explanation = explained(alice, post_id)
    assert states(explanation)["filters"] == PASSED
    assert (explanation.expected, explanation.shown) == (True, True)


def test_blocked_authors_fail_at_the_filters(alice: int, bob: int) -> None:
    post_id, _ = publish(bob)
    Block.objects.create(blocker_id=bob, blocked_id=alice)
    explanation = explained(alice, post_id)
    assert states(explanation)["filters"] == FAILED
    assert (explanation.expected, explanation.shown) == (False, False)
