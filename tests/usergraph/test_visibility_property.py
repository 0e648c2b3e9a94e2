"""Whoever blocks, follows, becomes private, comes back or goes, in any order: everybody sees whom,
and whose posts, they ought to.

A state machine makes steps at random among a few people and, after every step, asks all ways in
which one person gets to see another, and what that one owns. Requests die after their commit;
entries of CACHE are evicted. Planted leaks show that it notices.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import permutations
from typing import Any, ClassVar

import hypothesis
import orjson
import pytest
from django.test import TestCase
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.http.problems import NotFound
from core.outbox.delivery import deliver_event
from core.outbox.models import OutboxEvent
from core.outbox.tasks import deliver_event as wake_up
from core.valkey import cache_valkey
from posts.selectors import post_documents, visible_post
from tests.support.machines import run_machine
from tests.support.posts_factory import make_posts
from usergraph import follows, store, visibility
from usergraph.follows import accept_request, decline_request
from usergraph.keys import followed_key, hidden_key
from usergraph.services import block_user, follow_user, unblock_user, unfollow_user
from usergraph.visibility import (
    VisiblePeople,
    visible_author_id,
    visible_page,
    visible_people,
    visible_user_id,
)
from users import selectors as user_selectors
from users.keys import user_key
from users.models import User
from users.services import set_active, update_profile
from users.store import USERS

pytestmark = pytest.mark.django_db

PEOPLE, STEPS, RUNS = 3, 30, 40
people = st.integers(0, PEOPLE - 1)
pairs = st.sampled_from(list(permutations(range(PEOPLE), 2)))
deaths = st.sampled_from([False, False, True])


class World:
    """The people, each with a post; who blocks, follows or asks to follow whom; who is private, and
    who is not active.

    The test's transaction never commits: `change` makes up for that.
    """

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.posts = {id_: make_posts(id_, 1)[0] for id_ in ids}
        self.names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
        self.blocks: set[tuple[int, int]] = set()
        self.requests: set[tuple[int, int]] = set()
        self.inactive: set[int] = set()
        # Pairs whose request died after its commit: a worker has not made up for it yet.
        self.unsettled: set[frozenset[int]] = set()
        newest = OutboxEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
        self._first_event = newest or 0
        # Half of what can leak needs a private account, or a follower of one.
        first, second, *_ = ids
        self.change(
            lambda: follow_user(follower_id=second, followee_id=first), pairs=[], dies=False
        )
        self.change(
            lambda: update_profile(user_id=first, changes={"is_private": True}),
            pairs=[],
            dies=False,
        )
        self.follows, self.private = {(second, first)}, {first}

    def change(
        self, act: Callable[[], object], *, pairs: Iterable[tuple[int, int]], dies: bool
    ) -> None:
        with ExitStack() as captures:
            calls = captures.enter_context(TestCase.captureOnCommitCallbacks(using="default"))
            act()
        if dies:
            self.unsettled.update(map(frozenset, pairs))
        for call in [] if dies else calls:
            call()

    def ids_of(self, both: tuple[int, int]) -> tuple[int, int]:
        return self.ids[both[0]], self.ids[both[1]]

    def pairs_of(self, one: int) -> list[tuple[int, int]]:
        return [(one, other) for other in self.ids]

    def settle(self) -> None:
        """What the sweeper does: deliver what is left, also of what that announces."""
        left = OutboxEvent.objects.filter(done_at=None, pk__gt=self._first_event)
        while events := list(left.values_list("pk", flat=True)):
            for event_id in events:
                deliver_event(database="default", event_id=event_id)
        accepted = {edge for edge in self.requests if edge[1] not in self.private}
        self.follows |= accepted
        self.requests -= accepted
        self.unsettled.clear()

    def end_edges(self, one: int, other: int) -> None:
        for edge in ((one, other), (other, one)):
            self.follows.discard(edge)
            self.requests.discard(edge)

    def owned(self, viewer: int, other: int) -> Iterator[tuple[str, bool]]:
        """All ways in which one may see what another owns, and whether one does."""
        name, post_id = self.names[other], self.posts[other]
        people = visible_people(viewer_id=viewer, user_ids=self.ids, author_ids=self.ids)
        yield "author", other in people.authors
        yield "author by name", _finds(lambda: visible_author_id(viewer_id=viewer, username=name))
        yield "post", post_id in post_documents(post_ids=[post_id], viewer_id=viewer)
        yield "a post's parts", _finds(lambda: visible_post(post_id=post_id, viewer_id=viewer))

    def ways(self, viewer: int, other: int) -> Iterator[tuple[str, bool]]:
        """All ways in which one may see another, and whether one does."""
        name = self.names[other]
        yield "people", other in visible_people(viewer_id=viewer, user_ids=self.ids).documents
        rows = [(id_, id_) for id_ in self.ids]
        page, _ = visible_page(viewer_id=viewer, read=lambda *_: rows, after=None, limit=20)
        yield "list", str(other).encode() in orjson.dumps(page)
        yield "name", _finds(lambda: visible_user_id(viewer_id=viewer, username=name))
        yield "profile", _finds(lambda: user_selectors.profile(username=name, viewer_id=viewer))
        yield (
            "profile by id",
            _finds(lambda: user_selectors.profile_by_id(user_id=other, viewer_id=viewer)),
        )
        found, _ = user_selectors.search_users(typed=name, viewer_id=viewer, after=None, limit=9)
        yield "search", str(other) in [one["id"] for one in found]

    def check(self, viewer: int, other: int) -> None:
        is_blocked = bool({(viewer, other), (other, viewer)} & self.blocks)
        expected = other not in self.inactive and not is_blocked
        is_let_in = other not in self.private or (viewer, other) in self.follows
        if frozenset((viewer, other)) not in self.unsettled:
            seen = dict(self.ways(viewer, other))
            assert seen == dict.fromkeys(seen, expected)
            owned = dict(self.owned(viewer, other))
            assert owned == dict.fromkeys(owned, expected and is_let_in)


def _finds(read: Callable[[], object]) -> bool:
    try:
        read()
    except NotFound:
        return False
    return True


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
        cache_valkey().unlink(hidden_key(id_), followed_key(id_))
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
        return VisiblePeople(viewpoint.viewer_id, documents, authors=documents)

    monkeypatch.setattr(visibility.Viewpoint, "visible", everybody)


def show_all_posts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Posts are shown to whoever sees their author's name."""
    monkeypatch.setattr(visibility, "is_private", lambda _: False)


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
    measured(f"{machine.steps:,} steps, ten ways each")


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(forget_refreshes_of(store.HIDDEN), id="refresh_no_blocks"),
        pytest.param(forget_refreshes_of(store.FOLLOWED), id="refresh_no_follows"),
        pytest.param(forget_refreshes_of(USERS), id="refresh_no_users"),
        refresh_the_blocker_only,
        show_everybody,
        show_all_posts,
        accept_unasked,
    ],
)
def test_a_planted_leak_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None],
    machine: type[VisibilityMachine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        run_machine(
            machine,
            steps=STEPS,
            runs=3 * RUNS,
            database=None,
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
        )
