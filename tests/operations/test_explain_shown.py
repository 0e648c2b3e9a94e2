"""A post is explained as shown if the next read shows it, whatever state the lists are in."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from core.valkey import cache_valkey
from operations.explain.gates import Gate, State
from operations.explain.report import explain_home
from tests.support.explanations import deliver, explained, gate, publish, states, warm, warm_profile
from tests.support.posts_factory import make_posts
from timeline import services as timeline_services
from timeline import store
from timeline.entries import build, home_timeline, profile_timeline
from timeline.keys import home_key, profile_key
from usergraph.models import PulledAuthor
from usergraph.services import import_follows
from users.models import User

pytestmark = pytest.mark.django_db

PASSED, FAILED, MOOT = State.PASSED, State.FAILED, State.MOOT


def test_a_pulled_author_is_looked_up_in_their_own_timeline(
    alice: int, bob: int, follows: None, settings: Any, person: Callable[[str], int]
) -> None:
    settings.FANOUT_PUSH_LIMIT = 1
    list(import_follows(edges=[(person("other"), bob)]))
    PulledAuthor.objects.create(author_id=bob, state=PulledAuthor.State.PULLED)
    warm_profile(bob)
    warm(alice)
    post_id, event_id = publish(bob)
    explanation = explained(alice, post_id)
    assert (explanation.shown, explanation.cure) == (False, ""), "not in bob's timeline yet"
    assert (
        "has more than 1 follower, and the limit is 1." in gate(explanation, "push or pull").facts
    )
    assert "pulls @bob" in gate(explanation, "timeline").facts
    assert states(explanation)["delivery"] == FAILED
    deliver(event_id)
    explanation = explained(alice, post_id)
    assert explanation.shown
    assert states(explanation)["author's timeline"] == PASSED
    assert gate(explanation, "entry").facts == "Entry 1 of 1 (cap 800)."
    store.remove(keys=[profile_key(bob)], ref=(post_id, bob))
    explanation = explained(alice, post_id)
    assert (explanation.expected, explanation.shown) == (True, False)
    assert explanation.cure.endswith(f"rebuild {User.objects.get(pk=bob).username}")
    store.drop(keys=[profile_key(bob)])
    explanation = explain_home(viewer_id=alice, post_id=post_id)
    assert explanation.shown
    assert states(explanation)["author's timeline"] == MOOT


@pytest.mark.parametrize(
    ("state", "cured"), [(PulledAuthor.State.ENTERING, ""), (PulledAuthor.State.PULLED, "rebuild")]
)
def test_a_timeline_of_the_old_delivery_mode_fails_there(
    alice: int, bob: int, follows: None, state: str, cured: str
) -> None:
    warm(alice)
    PulledAuthor.objects.create(author_id=bob, state=state)
    explanation = explained(alice, make_posts(bob, 1)[0])
    assert states(explanation)["push or pull"] == FAILED
    assert (explanation.expected, explanation.shown) == (True, False)
    assert cured in explanation.cure
    assert bool(cured) == bool(explanation.cure)


def test_below_the_cut_sql_answers(alice: int, bob: int, follows: None, settings: Any) -> None:
    settings.TIMELINE_CAP = 3
    old, *newer = make_posts(bob, 5)
    warm(alice)
    explanation = explained(alice, old)
    assert explanation.shown
    entry = gate(explanation, "entry")
    assert entry.facts == "Older than the last of 3 entries (cap 3): SQL answers."
    assert entry.state == MOOT
    assert "Warm and cut off at the cap: length 3 (cap 3)" in gate(explanation, "timeline").facts
    assert gate(explained(alice, newer[-1]), "entry").facts == "Entry 1 of 3 (cap 3)."


def test_a_cold_timeline_is_built_by_the_next_read_and_not_by_explaining(
    alice: int, bob: int, follows: None
) -> None:
    post_id, _ = publish(bob)
    explanation = explain_home(viewer_id=alice, post_id=post_id)
    assert not cache_valkey().exists(home_key(alice))
    assert explanation.shown
    assert gate(explanation, "timeline").facts == "Cold: the next read builds it from SQL."
    assert states(explanation)["timeline"] == states(explanation)["entry"] == MOOT


def test_while_a_timeline_is_being_built_sql_answers(alice: int, bob: int, follows: None) -> None:
    post_id, _ = publish(bob)
    assert store.begin_build(key=home_key(alice), graph_lsn=0)
    explanation = explained(alice, post_id)
    assert explanation.shown
    assert "Being built, for 20 seconds at most" in gate(explanation, "timeline").facts


def test_while_the_cache_is_down_sql_answers(
    alice: int, bob: int, follows: None, closed_cache: None
) -> None:
    explanation = explain_home(viewer_id=alice, post_id=publish(bob)[0])
    assert explanation.shown
    assert "CACHE does not answer" in gate(explanation, "timeline").facts


def test_drift_is_named_and_can_be_cured(alice: int, bob: int, follows: None) -> None:
    warm(alice)
    post_id, event_id = publish(bob)
    deliver(event_id)
    store.remove(keys=[home_key(alice)], ref=(post_id, bob))
    explanation = explained(alice, post_id)
    assert (explanation.expected, explanation.shown) == (True, False)
    assert gate(explanation, "entry") == Gate("entry", FAILED, "Not among the 0 entries (cap 800).")
    assert explanation.verdict.startswith("Something is wrong: @alice")
    assert f"Cure: {explanation.cure}" in explanation.verdict
    timeline_services.rebuild(timeline=home_timeline(user_id=alice))
    assert explained(alice, post_id).shown


def test_explaining_extends_no_life(alice: int, bob: int, follows: None) -> None:
    post_id, _ = publish(bob)
    warm(alice)
    cache_valkey().expire(home_key(alice), 60)
    explain_home(viewer_id=alice, post_id=post_id)
    assert cache_valkey().ttl(home_key(alice)) <= 60


@pytest.fixture(params=[3, 800])
def mixed(
    request: pytest.FixtureRequest,
    settings: Any,
    alice: int,
    bob: int,
    person: Callable[[str], int],
) -> list[tuple[int, int]]:
    """Posts and their authors: bob, alice, cleo (alice follows both), and last a stranger."""
    settings.TIMELINE_CAP = request.param
    cleo, stranger = person("cleo"), person("stranger")
    list(import_follows(edges=[(alice, bob), (alice, cleo)]))
    authors = [bob, bob, alice, cleo, bob, alice, bob, stranger]
    return [(make_posts(author_id, 1)[0], author_id) for author_id in authors]


LISTS = ["cold", "being built", "warm", "drifted"]


@pytest.mark.parametrize("is_pulled", [False, True])
def test_what_is_explained_as_shown_is_what_is_read(
    alice: int, bob: int, mixed: list[tuple[int, int]], is_pulled: bool
) -> None:
    """For posts of all authors and lists in all states; `explained` compares it with a read."""
    if is_pulled:
        PulledAuthor.objects.create(author_id=bob, state=PulledAuthor.State.PULLED)
    outcomes = set()
    profiles = LISTS if is_pulled else ["cold"]
    for home, profile, ref in product(LISTS, profiles, mixed):
        for key, state in ((home_key(alice), home), (profile_key(bob), profile)):
            store.drop(keys=[key])
            if state == "being built":
                store.begin_build(key=key, graph_lsn=0)
            elif state != "cold":
                timeline = home_timeline(user_id=alice)
                if key == profile_key(bob):
                    timeline = profile_timeline(user_id=bob)
                build(timeline=timeline)
            if state == "drifted":
                store.remove(keys=[key], ref=ref)
                store.deliver(keys=[home_key(alice)], refs=mixed[-1:])
        explanation = explained(alice, ref[0])
        outcomes.add((explanation.expected, explanation.shown))
    assert len(outcomes) == 4, "the mix has drift of both kinds in it"
