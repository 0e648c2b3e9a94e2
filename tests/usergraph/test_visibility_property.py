"""Whoever blocks, follows, becomes private, comes back or goes, in any order: everybody sees whom,
and whose posts, they ought to.

A state machine makes steps at random among a few people and, after every step, asks all ways in
which one person gets to see another, and what that one owns. Requests die after their commit;
entries of CACHE are evicted. Planted leaks show that it notices.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.outbox.tasks import deliver_event as wake_up
from core.valkey import cache_valkey
from tests.support.machines import assert_bug_is_noticed, run_machine
from tests.support.visibility_world import World
from usergraph import follows, store, visibility
from usergraph.follows import accept_request, decline_request
from usergraph.keys import followed_key, friendly_key, hidden_key
from usergraph.own_lists import add_close_friend, remove_close_friend
from usergraph.services import block_user, follow_user, unblock_user, unfollow_user
from usergraph.visibility import VisiblePeople
from users.keys import user_key
from users.services import set_active, update_profile
from users.store import USERS

pytestmark = pytest.mark.django_db

PEOPLE, STEPS, RUNS = 3, 30, 40
people = st.integers(0, PEOPLE - 1)
pairs = st.sampled_from(list(permutations(range(PEOPLE), 2)))
deaths = st.sampled_from([False, False, True])


class VisibilityMachine(RuleBasedStateMachine):
    """The rules; `make_world` gives each run people of its own."""

    steps: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.world, self.at = self.make_world(), 0

    @classmethod
    def make_world(cls) -> World:
        raise NotImplementedError

    @rule(both=pairs, dies=deaths)
    def block(self, both: tuple[int, int], dies: bool) -> None:
        pair = self.world.ids_of(both)
        if pair[::-1] in self.world.blocks:
            return
        self.world.change(
            lambda: block_user(blocker_id=pair[0], blocked_id=pair[1]), pairs=[pair], dies=dies
        )
        self.world.blocks.add(pair)
        self.world.end_edges(*pair)

    @rule(both=pairs, dies=deaths)
    def unblock(self, both: tuple[int, int], dies: bool) -> None:
        pair = self.world.ids_of(both)
        self.world.change(
            lambda: unblock_user(blocker_id=pair[0], blocked_id=pair[1]), pairs=[pair], dies=dies
        )
        self.world.blocks.discard(pair)

    @rule(both=pairs, dies=deaths)
    def follow(self, both: tuple[int, int], dies: bool) -> None:
        pair, world = self.world.ids_of(both), self.world
        if {pair, pair[::-1]} & world.blocks or pair in world.follows:
            return
        world.change(
            lambda: follow_user(follower_id=pair[0], followee_id=pair[1]), pairs=[pair], dies=dies
        )
        (world.requests if pair[1] in world.private else world.follows).add(pair)
        if pair in world.follows:
            world.requests.discard(pair)

    @rule(both=pairs, dies=deaths)
    def unfollow(self, both: tuple[int, int], dies: bool) -> None:
        pair, world = self.world.ids_of(both), self.world
        world.change(
            lambda: unfollow_user(follower_id=pair[0], followee_id=pair[1]),
            pairs=[pair],
            dies=dies,
        )
        world.follows.discard(pair)
        world.requests.discard(pair)

    @rule(both=pairs, dies=deaths)
    def befriend(self, both: tuple[int, int], dies: bool) -> None:
        pair, world = self.world.ids_of(both), self.world
        if {pair, pair[::-1]} & world.blocks:
            return
        change = remove_close_friend if pair in world.friends else add_close_friend
        world.change(lambda: change(owner_id=pair[0], friend_id=pair[1]), pairs=[pair], dies=dies)
        world.friends ^= {pair}

    @rule(number=st.integers(0, 9), accepts=st.booleans(), dies=deaths)
    def answer(self, number: int, accepts: bool, dies: bool) -> None:
        world = self.world
        if not world.requests:
            return
        follower, followee = sorted(world.requests)[number % len(world.requests)]
        answer = accept_request if accepts else decline_request
        world.change(
            lambda: answer(follower_id=follower, followee_id=followee),
            pairs=[(follower, followee)],
            dies=dies,
        )
        world.requests.discard((follower, followee))
        if accepts:
            world.follows.add((follower, followee))

    @rule(one=people, dies=deaths)
    def close_or_open(self, one: int, dies: bool) -> None:
        id_, world = self.world.ids[one], self.world
        if id_ in world.inactive:
            return
        is_private = id_ not in world.private
        world.change(
            lambda: update_profile(user_id=id_, changes={"is_private": is_private}),
            pairs=world.pairs_of(id_),
            dies=dies,
        )
        world.private ^= {id_}
        # A worker accepts the requests some time.
        if not is_private:
            world.unsettled.update(map(frozenset, (e for e in world.requests if e[1] == id_)))

    @rule(one=people)
    def go_or_come_back(self, one: int) -> None:
        id_ = self.world.ids[one]
        is_back = id_ in self.world.inactive
        self.world.change(lambda: set_active(user_ids=[id_], active=is_back), pairs=[], dies=False)
        self.world.inactive ^= {id_}

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule(one=people)
    def evict(self, one: int) -> None:
        id_ = self.world.ids[one]
        cache_valkey().unlink(hidden_key(id_), followed_key(id_), friendly_key(id_))
        cache_valkey().unlink(user_key(id_))

    @invariant()
    def one_sees_whom_one_ought_to(self) -> None:
        type(self).steps += 1
        self.at += 1
        ids, at = self.world.ids, self.at
        self.world.check(ids[at % PEOPLE], ids[(at + 1 + at // PEOPLE % (PEOPLE - 1)) % PEOPLE])

    def teardown(self) -> None:
        self.world.settle()
        for viewer in self.world.ids:
            for other in self.world.ids:
                if viewer != other:
                    self.world.check(viewer, other)


def forget_refreshes_of(kind: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """A change leaves the entries of one kind in CACHE as they are."""

    def plant(monkeypatch: pytest.MonkeyPatch) -> None:
        refresh = type(kind).refresh

        def refresh_others(asked: Any, ids: Any) -> None:
            if asked is not kind:
                refresh(asked, ids)

        monkeypatch.setattr(type(kind), "refresh", refresh_others)

    return plant


def refresh_the_blocker_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block refreshes one of the two entries."""
    refresh = type(store.HIDDEN).refresh

    def refresh_first(kind: Any, ids: Any) -> None:
        refresh(kind, ids[:1] if kind is store.HIDDEN else ids)

    monkeypatch.setattr(type(store.HIDDEN), "refresh", refresh_first)


def show_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read path of posts and lists leaves the question out."""

    def everybody(viewpoint: Any, _: Any, documents: Any, __: Any) -> VisiblePeople:
        return VisiblePeople(viewpoint.viewer_id, documents, documents, documents)

    monkeypatch.setattr(visibility.Viewpoint, "visible", everybody)


def show_all_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts are shown to whoever sees their author's name."""
    monkeypatch.setattr(visibility, "is_private", lambda _: False)


def show_posts_for_friends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees an author's other posts sees those for close friends."""
    monkeypatch.setattr(
        VisiblePeople, "shows_posts", lambda people, author_id, **_: author_id in people.authors
    )
    monkeypatch.setattr(
        visibility.Viewpoint, "friendly_authors", lambda _, author_ids: set(author_ids)
    )


def accept_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A follow of a private account is no request."""
    sql = follows._FOLLOW_SQL.replace("AND NOT is_private", "")
    assert sql != follows._FOLLOW_SQL
    monkeypatch.setattr(follows, "_FOLLOW_SQL", sql)


@pytest.fixture
def machine(
    person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> type[VisibilityMachine]:
    monkeypatch.setattr(wake_up, "apply_async", lambda **_: None)

    class Machine(VisibilityMachine):
        steps = 0

        @classmethod
        def make_world(cls) -> World:
            return World([person("person") for _ in range(PEOPLE)])

    return Machine


def test_everybody_sees_whom_they_ought_to(
    machine: type[VisibilityMachine], measured: Callable[[str], None]
) -> None:
    run_machine(machine, steps=STEPS, runs=RUNS)
    measured(f"{machine.steps:,} steps, thirteen ways each")


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(forget_refreshes_of(store.HIDDEN), id="refresh_no_blocks"),
        pytest.param(forget_refreshes_of(store.FOLLOWED), id="refresh_no_follows"),
        pytest.param(forget_refreshes_of(store.FRIENDLY), id="refresh_no_friends"),
        pytest.param(forget_refreshes_of(USERS), id="refresh_no_users"),
        refresh_the_blocker_only,
        show_everybody,
        show_all_posts,
        show_posts_for_friends,
        accept_unasked,
    ],
)
def test_a_planted_leak_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None],
    machine: type[VisibilityMachine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    # Mostly within the first hundred runs, but it is left to chance.
    assert_bug_is_noticed(machine, steps=STEPS, runs=15 * RUNS)
