"""Cached values are never older than the last change whose refresh has ended."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from core import sql
from core.cached_values import CacheBatch, CachedValue, Versioned, entries, uncommitted_reads
from core.cached_values.values import ABSENT_SECONDS
from core.valkey import ValkeyUnavailable, cache_valkey
from devstack.lifecycle import Stack

IDS = 2
RUNS = 150
ids = st.integers(0, IDS - 1)
# What other processes do before one reads SQL, and after it.
steps = st.sampled_from(["change", "change_and_die", "read", "overtake", "evict", "refresh"])
others = st.lists(steps, max_size=3)


def numbers(
    key: Callable[[int], str], load: Callable[[Sequence[int]], dict[int, Versioned[int]]]
) -> CachedValue[int]:
    """A kind of cached numbers of the posts database."""
    return CachedValue(
        database="posts", key=key, load=load, encode=b"%d".__mod__, decode=int, ttl_seconds=60
    )


class Rows:
    """Stands in for a table: values only grow, so that a value is also its version.

    Before and after each read, other processes do the next steps of `between`.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.values = dict.fromkeys(range(IDS), 1)
        self.known = dict.fromkeys(range(IDS), 0)  # the last change whose refresh has ended
        self.between: list[list[str]] = []
        self.kind = numbers(self.key, self.load)

    def key(self, id_: int) -> str:
        return f"{self.prefix}:{{{id_}}}"

    def load(self, wanted: Sequence[int]) -> dict[int, Versioned[int]]:
        self.others_act(wanted[0])
        read: dict[int, Versioned[int]] = {
            id_: (self.values[id_], self.values[id_]) for id_ in wanted
        }
        self.others_act(wanted[0])
        return read

    def others_act(self, id_: int) -> None:
        names, *rest = self.between or [[]]
        self.between = []  # nobody interrupts the others
        for name in names:
            getattr(self, name)(id_)
        self.between = rest

    def change(self, id_: int) -> None:
        self.change_and_die(id_)
        self.refresh(id_)

    def change_and_die(self, id_: int) -> None:
        self.values[id_] += 1

    def refresh(self, id_: int) -> None:
        value = self.values[id_]
        self.kind.refresh([id_])
        self.known[id_] = max(self.known[id_], value)

    def read(self, id_: int) -> None:
        at_least = self.known[id_]
        assert self.kind.get([id_])[id_] >= at_least

    def overtake(self, id_: int) -> None:
        """Change a value, evict its entry; its next reader dies before it stores what it read."""
        self.change(id_)
        self.evict(id_)
        entries.take_fill_leases([self.key(id_)])

    def evict(self, id_: int) -> None:
        cache_valkey().unlink(self.key(id_))

    def stored(self) -> Iterator[tuple[int, int]]:
        for id_ in self.values:
            value = cache_valkey().get(self.key(id_))
            if isinstance(value, bytes) and value.startswith(b"r"):
                yield id_, int(value[entries._HEAD :])


class CacheMachine(RuleBasedStateMachine):
    """Processes take any steps, also in the middle of the steps of others."""

    make_rows: ClassVar[Callable[[], Rows]]

    def __init__(self) -> None:
        super().__init__()
        self.rows = type(self).make_rows()

    @rule(id_=ids)
    def change(self, id_: int) -> None:
        self.rows.change(id_)

    @rule(id_=ids)
    def change_and_die(self, id_: int) -> None:
        self.rows.change_and_die(id_)

    @rule(id_=ids)
    def evict(self, id_: int) -> None:
        self.rows.evict(id_)

    @rule(id_=ids, between=st.lists(others, max_size=2))
    def read_with_others_in_between(self, id_: int, between: list[list[str]]) -> None:
        self.rows.between = between
        self.rows.read(id_)
        self.rows.between = []

    @rule(id_=ids, between=st.lists(others, max_size=2))
    def refresh_with_others_in_between(self, id_: int, between: list[list[str]]) -> None:
        self.rows.between = between
        self.rows.refresh(id_)
        self.rows.between = []

    @invariant()
    def no_entry_is_older_than_the_last_refresh(self) -> None:
        for id_, value in self.rows.stored():
            assert value >= self.rows.known[id_]

    def teardown(self) -> None:
        cache_valkey().unlink(*map(self.rows.key, self.rows.values))


@pytest.fixture
def machine(stack: Stack, unique: Callable[[str], str]) -> type[CacheMachine]:
    class Machine(CacheMachine):
        make_rows = staticmethod(lambda: Rows(unique("values")))

    return Machine


def run(machine: type[CacheMachine], **options: Any) -> None:
    run_state_machine_as_test(
        machine,
        settings=hypothesis.settings(
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            **{"max_examples": RUNS, **options},
        ),
    )


def test_no_entry_is_older_than_the_last_refreshed_change(machine: type[CacheMachine]) -> None:
    run(machine)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("if not now then return 0 end", "if not now then now = 'r' end"),
        ("if now ~= ARGV[1] then return 0 end", ""),
        ("> string.sub(ARGV[2], 2, 21)", "== ''"),
    ],
    ids=[
        "stores what was evicted meanwhile",
        "takes any fill lease for its own",
        "any version wins",
    ],
)
def test_it_would_be_noticed_if_the_script(
    machine: type[CacheMachine], monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    assert right in entries._STORE_LUA
    monkeypatch.setattr(entries, "_STORE_LUA", entries._STORE_LUA.replace(right, wrong))
    with pytest.raises(AssertionError):
        # One failure is enough: to find the shortest takes minutes.
        run(
            machine,
            max_examples=20 * RUNS,
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
        )


Wanted = Sequence[tuple[Rows, Sequence[int]]]


def read(wanted: Wanted) -> list[dict[int, int]]:
    """Read several kinds as one batch."""
    batch = CacheBatch()
    pending = [batch.add(rows.kind, ids) for rows, ids in wanted]
    batch.read()
    return [each.values for each in pending]


def refresh(wanted: Wanted) -> None:
    """Refresh several kinds as one batch."""
    batch = CacheBatch()
    for rows, ids in wanted:
        batch.add(rows.kind, ids)
    batch.refresh()


def test_reading_costs_one_round_trip_warm_and_three_cold_for_any_number_of_kinds(
    stack: Stack, unique: Callable[[str], str], round_trips: Callable[[], int]
) -> None:
    one, other = Rows(unique("values")), Rows(unique("values"))
    Rows(unique("values")).kind.get([0])  # the server knows the script
    wanted = [(one, [0, 1, 0]), (other, [1]), (Rows(unique("values")), [])]
    for cost in (3, 1, 1):
        before = round_trips()
        assert read(wanted) == [{0: 1, 1: 1}, {1: 1}, {}]
        assert round_trips() - before == cost
    before = round_trips()
    refresh(wanted)
    assert round_trips() - before == 2
    one.kind.refresh([])
    assert round_trips() - before == 2


def test_a_value_is_not_there_before_its_batch_is_read(
    stack: Stack, unique: Callable[[str], str]
) -> None:
    batch = CacheBatch()
    pending = batch.add(Rows(unique("values")).kind, [0])
    with pytest.raises(AttributeError):
        _ = pending.values
    batch.read()
    assert pending.values == {0: 1}


def test_reads_come_from_sql_while_the_cache_is_down_and_a_refresh_fails(
    closed_cache: None,
) -> None:
    rows = Rows("values")
    assert rows.kind.get([0, 1]) == {0: 1, 1: 1}
    with pytest.raises(ValkeyUnavailable):
        rows.kind.refresh([0])


def test_what_a_replica_lacks_while_the_cache_is_down_is_asked_of_the_primary(
    closed_cache: None,
) -> None:
    def load(ids: Sequence[int]) -> dict[int, Versioned[int]]:
        there = (1, 2) if sql.reads._may_read_replicas() else (1, 2, 3)
        return {id_: (0, 7 if id_ in there else None) for id_ in ids}

    kind = numbers("{{{}}}".format, load)
    with sql.replica_reads():
        assert kind.get([1, 3, 4]) == {1: 7, 3: 7}
        assert kind.get([]) == {}


def test_uncommitted_reads_see_sql_as_it_is_and_store_nothing(
    stack: Stack, unique: Callable[[str], str]
) -> None:
    changed, elsewhere = Rows(unique("values")), Rows(unique("values"))
    elsewhere.kind = replace(elsewhere.kind, database="default")
    wanted: Wanted = [(changed, [0, 1]), (elsewhere, [0]), (changed, [])]
    changed.read(0)
    for rows in (changed, elsewhere):
        rows.change_and_die(0)
    with sql.replica_reads():
        with uncommitted_reads(database="posts"):
            assert read(wanted) == [{0: 2, 1: 1}, {0: 2}, {}]
            elsewhere.change_and_die(0)
            assert read(wanted)[1] == {0: 2}, "from CACHE, as always"
            assert not sql.reads._may_read_replicas()
        assert sql.reads._may_read_replicas()
    assert dict(changed.stored()) == {0: 1}, "neither refreshed nor added to"
    assert changed.kind.get([0]) == {0: 1}


def test_that_a_row_does_not_exist_is_cached_for_a_while_only(
    stack: Stack, unique: Callable[[str], str], round_trips: Callable[[], int]
) -> None:
    def load(ids: Sequence[int]) -> dict[int, Versioned[int]]:
        return dict.fromkeys(ids, (7, None))

    nothing = replace(numbers(Rows(unique("values")).key, load), ttl_seconds=9999)
    assert nothing.get([0]) == {}
    before = round_trips()
    assert nothing.get([0]) == {}
    assert round_trips() - before == 1, "from CACHE"
    assert 0 < cache_valkey().ttl(nothing.key(0)) <= ABSENT_SECONDS
