"""Whoever blocks, comes back or goes, in any order: everybody sees whom they ought to.

A state machine makes steps at random among a few people and, after every step, asks all ways in
which one person gets to see another. Requests die after their commit; entries of CACHE are evicted.
Three planted leaks show that it notices.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
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
from posts.selectors import post_documents
from tests.support.machines import run_machine
from tests.support.posts_factory import make_posts
from usergraph import store, visibility
from usergraph.blocks import HiddenPeople
from usergraph.keys import hidden_key
from usergraph.services import block_user, unblock_user
from usergraph.visibility import visible_page, visible_people, visible_user_id
from users import selectors as user_selectors
from users.models import User
from users.services import set_active

pytestmark = pytest.mark.django_db

PEOPLE, STEPS, RUNS = 4, 30, 40
people = st.integers(0, PEOPLE - 1)


class World:
    """The people, each with a post; who blocks whom; and who is not active.

    The test's transaction never commits: `change` makes up for that.
    """

    def __init__(self, ids: list[int]) -> None:
        self.ids = ids
        self.posts = {id_: make_posts(id_, 1)[0] for id_ in ids}
        self.names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
        self.blocks: set[tuple[int, int]] = set()
        self.inactive: set[int] = set()
        # Pairs whose request died after its commit: a worker has not made up for it yet.
        self.unsettled: set[frozenset[int]] = set()
        newest = OutboxEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
        self._first_event = newest or 0

    def change(self, act: Callable[[], object], *, pair: tuple[int, int], dies: bool) -> None:
        with ExitStack() as captures:
            calls = captures.enter_context(TestCase.captureOnCommitCallbacks(using="default"))
            act()
        if dies:
            self.unsettled.add(frozenset(pair))
        for call in [] if dies else calls:
            call()

    def settle(self) -> None:
        """What the sweeper does: deliver what is left."""
        left = OutboxEvent.objects.filter(done_at=None, pk__gt=self._first_event)
        for event_id in left.values_list("pk", flat=True):
            deliver_event(database="default", event_id=event_id)
        self.unsettled.clear()

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
        post_id = self.posts[other]
        yield "post", post_id in post_documents(post_ids=[post_id], viewer_id=viewer)

    def check(self, viewer: int, other: int) -> None:
        is_blocked = bool({(viewer, other), (other, viewer)} & self.blocks)
        expected = other not in self.inactive and not is_blocked
        if frozenset((viewer, other)) not in self.unsettled:
            seen = dict(self.ways(viewer, other))
            assert seen == dict.fromkeys(seen, expected)


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

    @rule(one=people, other=people, dies=st.booleans())
    def block(self, one: int, other: int, dies: bool) -> None:
        pair = self.world.ids[one], self.world.ids[other]
        if one == other or pair[::-1] in self.world.blocks:
            return
        self.world.change(
            lambda: block_user(blocker_id=pair[0], blocked_id=pair[1]), pair=pair, dies=dies
        )
        self.world.blocks.add(pair)

    @rule(one=people, other=people, dies=st.booleans())
    def unblock(self, one: int, other: int, dies: bool) -> None:
        pair = self.world.ids[one], self.world.ids[other]
        self.world.change(
            lambda: unblock_user(blocker_id=pair[0], blocked_id=pair[1]), pair=pair, dies=dies
        )
        self.world.blocks.discard(pair)

    @rule(one=people)
    def go_or_come_back(self, one: int) -> None:
        id_ = self.world.ids[one]
        is_back = id_ in self.world.inactive
        self.world.change(
            lambda: set_active(user_ids=[id_], active=is_back), pair=(id_, id_), dies=False
        )
        self.world.inactive ^= {id_}

    @rule()
    def settle(self) -> None:
        self.world.settle()

    @rule(one=people)
    def evict(self, one: int) -> None:
        cache_valkey().unlink(hidden_key(self.world.ids[one]))

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


def refresh_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block leaves both entries in CACHE as they are."""
    refresh = type(store.HIDDEN).refresh

    def refresh_others(kind: Any, ids: Any) -> None:
        if kind is not store.HIDDEN:
            refresh(kind, ids)

    monkeypatch.setattr(type(store.HIDDEN), "refresh", refresh_others)


def refresh_the_blocker_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block refreshes one of the two entries."""
    refresh = type(store.HIDDEN).refresh

    def refresh_first(kind: Any, ids: Any) -> None:
        refresh(kind, ids[:1] if kind is store.HIDDEN else ids)

    monkeypatch.setattr(type(store.HIDDEN), "refresh", refresh_first)


def show_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The read path of posts and lists leaves the question out."""

    def everybody(documents: Any, hidden: HiddenPeople) -> visibility.VisiblePeople:
        return visibility.VisiblePeople(hidden.viewer_id, documents, authors=documents)

    monkeypatch.setattr(visibility, "_visible", everybody)


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
    measured(f"{machine.steps:,} steps, seven ways each")


@pytest.mark.parametrize("plant", [refresh_nothing, refresh_the_blocker_only, show_everybody])
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
            runs=RUNS,
            database=None,
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
        )
