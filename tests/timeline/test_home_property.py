"""A home timeline shows what it ought to show, whatever happens, in any order.

A state machine makes steps at random in a small world (tests/support/timeline_world.py) and, after
every step, pages homes from the top to the end. Planted bugs show that it notices.
`make test-long` runs it for longer.
"""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import hypothesis
import pytest
from django.test import override_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from core.valkey import cache_valkey
from tests.support.machines import assert_bug_is_noticed, run_machine
from tests.support.timeline_world import PEOPLE, SETTINGS, Edge, World, install_interruptions
from timeline import scripts, store
from usergraph import selectors as graph_selectors
from usergraph import services as graph_services
from usergraph.events import close_friends_changed, requests_accepted
from usergraph.models import Follow
from usergraph.visibility import Viewpoint

pytestmark = pytest.mark.django_db

# The most steps of a run. Hypothesis ends some runs earlier.
STEPS = 54
RUNS = 203
LEAST_RUNS, LEAST_STEPS = 200, 200 * 50
# A seed by which each planted bug is noticed within a few runs.
EARLY = 4
hypothesis.settings.register_profile("long", max_examples=20 * RUNS)
people = st.integers(0, PEOPLE - 1)
numbers = st.integers(0, 30)
edges = st.tuples(people, people)  # (follower, followee)
# What others do at each point in between: a few steps, mostly about one edge.
others = st.lists(
    st.lists(
        st.sampled_from(
            [
                *("unfollow", "follow", "read", "publish", "publish_and_deliver", "delete"),
                *("evict_two", "mute", "block", "accept", "close_or_open", "befriend"),
                "publish_to_friends",
            ],
        ),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=3,
)


class HomeMachine(RuleBasedStateMachine):
    """The rules; `make_world` gives each run people of its own."""

    current: ClassVar[World]
    runs: ClassVar[int]
    steps: ClassVar[int]
    pages: ClassVar[int]

    def __init__(self) -> None:
        super().__init__()
        self.world = self.make_world()
        type(self).runs += 1

    @classmethod
    def make_world(cls) -> World:
        raise NotImplementedError

    @initialize(seed=st.integers(0, 2**16), edges=st.sets(edges, max_size=12))
    def begin(self, seed: int, edges: set[Edge]) -> None:
        self.world.random.seed(seed)
        for follower, followee in sorted(edges):
            self.world.follow(follower, followee)

    @rule(author=people, dies=st.booleans(), for_friends=st.booleans())
    def publish(self, author: int, dies: bool, for_friends: bool) -> None:
        self.world.publish(author, dies=dies, for_friends=for_friends)

    @rule(edge=edges, count=st.integers(1, 5))
    def publish_to_friends(self, edge: Edge, count: int) -> None:
        for _ in range(count):
            self.world.publish_to_friends(*edge)

    @rule(edge=edges)
    def befriend(self, edge: Edge) -> None:
        self.world.befriend(*edge)

    @rule(edge=edges, count=st.integers(2, 5))
    def publish_and_deliver(self, edge: Edge, count: int) -> None:
        for _ in range(count):
            self.world.publish_and_deliver(*edge)

    @rule(number=numbers)
    def delete(self, number: int) -> None:
        self.world.delete(number)

    @rule(edge=edges)
    def follow(self, edge: Edge) -> None:
        self.world.follow(*edge)

    @rule(edge=edges)
    def unfollow(self, edge: Edge) -> None:
        self.world.unfollow(*edge)

    @rule(edge=edges)
    def accept(self, edge: Edge) -> None:
        self.world.accept(*edge)

    @rule(person=people)
    def close_or_open(self, person: int) -> None:
        self.world.close_or_open(0, person)

    @rule(edge=edges)
    def ask_and_be_let_in(self, edge: Edge) -> None:
        self.world.follow(*edge)
        self.world.read(edge[0])
        self.world.accept(*edge)

    @rule(edge=edges)
    def mute(self, edge: Edge) -> None:
        self.world.mute(*edge)

    @rule(edge=edges)
    def unmute(self, edge: Edge) -> None:
        self.world.unmute(*edge)

    @rule(edge=edges)
    def block(self, edge: Edge) -> None:
        self.world.block(*edge)

    @rule(edge=edges)
    def unblock(self, edge: Edge) -> None:
        self.world.unblock(*edge)

    @rule(number=numbers)
    def deliver_late_or_again(self, number: int) -> None:
        self.world.deliver(number)

    @rule(number=numbers, batches=st.integers(0, 2))
    def deliver_in_part(self, number: int, batches: int) -> None:
        self.world.deliver(number, dies_after=batches)

    @rule(number=numbers)
    def evict(self, number: int) -> None:
        self.world.evict(number)

    @rule(followers=st.integers(0, PEOPLE))
    def move_the_push_limit(self, followers: int) -> None:
        self.world.set_push_limit(followers)

    @rule(viewer=people, limit=st.integers(1, 9))
    def read_a_page(self, viewer: int, limit: int) -> None:
        self.world.read(viewer, limit=limit)

    @rule(edge=edges, others=others)
    def deliver_with_others_in_between(self, edge: Edge, others: list[list[str]]) -> None:
        self.world.follow(*edge)
        self.world.publish(*edge)
        self.world.run_interrupted("deliver", edge, others)

    @rule(edge=edges, others=others)
    def rebuild_with_others_in_between(self, edge: Edge, others: list[list[str]]) -> None:
        self.world.follow(*edge)
        self.world.evict_two(*edge)
        self.world.run_interrupted("rebuild", edge, others)

    @invariant()
    def a_home_is_what_it_ought_to_be(self) -> None:
        type(self).steps += 1
        # One at a time: the others stay cold, or half-delivered, for a while.
        self.world.check(self.world.random.choice(self.world.people))

    def teardown(self) -> None:
        for person in self.world.people:
            self.world.check(person)
        self.world.clean_up()
        type(self).pages += self.world.pages


def insert_nothing_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late delivery puts the post on top."""
    source = scripts._source
    in_order, on_top = "insert(key, header, entry)", "call('LINSERT', key, 'AFTER', header, entry)"
    broken = source("deliver").replace(f"length = {in_order}", f"length = {on_top}")
    assert broken != source("deliver")
    planted = {"deliver": broken}
    monkeypatch.setattr(scripts, "_source", lambda name: planted.get(name) or source(name))


def read_before_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder reads SQL first, and takes the build lease only then."""
    begin, finish = store.begin_build, store.finish_build
    lsns: dict[str, int] = {}

    def begin_later(*, key: str, **arguments: Any) -> bytes | None:
        lsns[key] = arguments["graph_lsn"]
        return None if cache_valkey().exists(key) else b"later"

    def begin_and_finish(*, key: str, lease: bytes, **arguments: Any) -> bool:
        late_lease = begin(key=key, graph_lsn=lsns[key])
        return late_lease is not None and finish(key=key, lease=late_lease, **arguments)

    monkeypatch.setattr(store, "begin_build", begin_later)
    monkeypatch.setattr(store, "finish_build", begin_and_finish)


def deliver_by_old_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery enters timelines that were built after it read the followers."""
    deliver = store.deliver_to_slots

    def deliver_to_all(**arguments: Any) -> int:
        return deliver(**arguments | {"graph_lsn": None})

    monkeypatch.setattr(store, "deliver_to_slots", deliver_to_all)


def cross_the_limit_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author who crosses the limit is pulled from then on, and nobody's timeline is dropped."""
    choose = graph_services.choose_delivery_mode

    def choose_and_finish(*, author_id: int) -> graph_services.DeliveryMode:
        mode = choose(author_id=author_id)
        if mode.change_token:
            graph_services.finish_mode_change(author_id=author_id, change_token=mode.change_token)
        return graph_services.DeliveryMode(mode.is_pulled, change_token=None)

    monkeypatch.setattr(graph_services, "choose_delivery_mode", choose_and_finish)


def deliver_to_who_mutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivery goes to all followers, also to those who mute the author."""

    def all_followers(author_id: int, after: int, limit: int) -> list[int]:
        edges = Follow.objects.filter(followee_id=author_id, follower_id__gt=after)
        return list(edges.order_by("follower_id").values_list("follower_id", flat=True)[:limit])

    monkeypatch.setattr(graph_selectors, "_follower_ids_in_sql", all_followers)


def accept_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told of accepted requests."""
    monkeypatch.setattr(requests_accepted, "announce", lambda _: None)


def forget_close_friends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cached value of whose close friend somebody is stays as it was."""
    monkeypatch.setattr(close_friends_changed, "announce", lambda _: None)


def show_posts_for_friends_to_followers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees an author's other posts sees those for close friends."""
    monkeypatch.setattr(Viewpoint, "friendly_authors", lambda _, author_ids: set(author_ids))


@pytest.fixture
def machine(
    person: Callable[[str], int], monkeypatch: pytest.MonkeyPatch
) -> Iterator[type[HomeMachine]]:
    """The machine, with counts of this test alone."""

    class Machine(HomeMachine):
        runs = steps = pages = 0

        @classmethod
        def make_world(cls) -> World:
            cls.current = World([person("person") for _ in range(PEOPLE)])
            return cls.current

    # Once: each override that a fixture makes takes longer to look through than the one before.
    with override_settings(**SETTINGS):
        yield Machine


def test_homes_show_what_they_ought_to_whatever_happens(
    machine: type[HomeMachine],
    monkeypatch: pytest.MonkeyPatch,
    measured: Callable[[str], None],
) -> None:
    install_interruptions(monkeypatch, lambda: machine.current)
    runs = max(RUNS, hypothesis.settings().max_examples)
    run_machine(machine, steps=STEPS, runs=runs)
    while machine.steps < LEAST_STEPS:
        run_machine(machine, steps=STEPS, runs=10)
    measured(f"{machine.runs} runs, {machine.steps:,} steps, {machine.pages:,} pages compared")
    assert machine.runs >= LEAST_RUNS


@pytest.mark.parametrize(
    "plant",
    [
        insert_nothing_in_order,
        read_before_the_lease,
        deliver_by_old_followers,
        cross_the_limit_at_once,
        deliver_to_who_mutes,
        accept_in_silence,
        forget_close_friends,
        show_posts_for_friends_to_followers,
    ],
)
def test_a_planted_bug_is_noticed(
    plant: Callable[[pytest.MonkeyPatch], None],
    machine: type[HomeMachine],
    monkeypatch: pytest.MonkeyPatch,
    measured: Callable[[str], None],
) -> None:
    plant(monkeypatch)
    install_interruptions(monkeypatch, lambda: machine.current)
    hypothesis.seed(EARLY)(machine)
    assert_bug_is_noticed(machine, steps=STEPS, runs=300)
    measured(f"{plant.__name__} noticed in run {machine.runs}")
