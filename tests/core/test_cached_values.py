"""Copies in CACHE of what SQL has: never older than the last change that was made known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from random import Random
from typing import Any, ClassVar

import hypothesis
import psycopg2
import pytest
from django.db import connections
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from core import cached_values, sql
from core.cached_values import VERSION_SQL, Copies, Versioned, read_copies, refresh_copies
from core.valkey import ValkeyUnavailable, cache_valkey
from devstack.lifecycle import Stack

IDS = 2
RUNS = 150
ids = st.integers(0, IDS - 1)
# What others do while somebody is between two steps: before reading SQL, and after it.
steps = st.sampled_from(["change", "change_and_die", "read", "overtake", "evict", "refresh"])
others = st.lists(steps, max_size=3)


class Rows:
    """In place of a table: values that only grow, so that a value is also its version.

    `between` is called before and after each read: there, another process may be next.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.values = dict.fromkeys(range(IDS), 1)
        self.known = dict.fromkeys(range(IDS), 0)  # the last change whose refresh has ended
        self.between: list[list[str]] = []
        self.copies = Copies(database="posts", key=self.key, load=self.load, ttl_seconds=60)

    def key(self, id_: int) -> str:
        return f"{self.prefix}:{{{id_}}}"

    def load(self, wanted: Sequence[int]) -> dict[int, Versioned]:
        self.others_act(wanted[0])
        read = {id_: (self.values[id_], b"%d" % self.values[id_]) for id_ in wanted}
        self.others_act(wanted[0])
        return read

    def others_act(self, id_: int) -> None:
        names, *rest = self.between or [[]]
        self.between = []  # what others do is done at once
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
        refresh_copies([(self.copies, [id_])])
        self.known[id_] = max(self.known[id_], value)

    def read(self, id_: int) -> None:
        at_least = self.known[id_]
        assert int(self.copies.get([id_])[id_]) >= at_least

    def overtake(self, id_: int) -> None:
        """A change; it is evicted, and its next reader is killed before it stores what it read."""
        self.change(id_)
        self.evict(id_)
        cached_values._begin([self.key(id_)])

    def evict(self, id_: int) -> None:
        cache_valkey().unlink(self.key(id_))

    def stored(self) -> Iterator[tuple[int, int]]:
        for id_ in self.values:
            value = cache_valkey().get(self.key(id_))
            if isinstance(value, bytes) and value.startswith(b"r"):
                yield id_, int(value[cached_values._HEAD :])


class CopyMachine(RuleBasedStateMachine):
    """Everybody does anything, also in the middle of what others do."""

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
    def no_copy_is_older_than_what_was_made_known(self) -> None:
        for id_, value in self.rows.stored():
            assert value >= self.rows.known[id_]

    def teardown(self) -> None:
        cache_valkey().unlink(*map(self.rows.key, self.rows.values))


@pytest.fixture
def machine(stack: Stack, unique: Callable[[str], str]) -> type[CopyMachine]:
    class Machine(CopyMachine):
        make_rows = staticmethod(lambda: Rows(unique("copies")))

    return Machine


def run(machine: type[CopyMachine], **options: Any) -> None:
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


def test_no_copy_is_older_than_the_last_change_that_was_made_known(
    machine: type[CopyMachine],
) -> None:
    run(machine)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("if not now then return 0 end", "if not now then now = 'r' end"),
        ("if now ~= ARGV[1] then return 0 end", ""),
        ("> string.sub(ARGV[2], 2, 21)", "== ''"),
    ],
    ids=["stores what was evicted meanwhile", "takes any mark for its own", "any version wins"],
)
def test_it_would_be_noticed_if_the_script(
    machine: type[CopyMachine], monkeypatch: pytest.MonkeyPatch, right: str, wrong: str
) -> None:
    assert right in cached_values._STORE_LUA
    monkeypatch.setattr(cached_values, "_STORE_LUA", cached_values._STORE_LUA.replace(right, wrong))
    with pytest.raises(AssertionError):
        # Found is enough: the shortest way there takes minutes to find.
        run(
            machine,
            max_examples=20 * RUNS,
            phases=[hypothesis.Phase.generate],
            report_multiple_bugs=False,
        )


def test_reading_costs_one_round_trip_warm_and_three_cold_for_any_number_of_kinds(
    stack: Stack, unique: Callable[[str], str], round_trips: Callable[[], int]
) -> None:
    one, other = Rows(unique("copies")), Rows(unique("copies"))
    refresh_copies([(Rows(unique("copies")).copies, [0])])  # the server knows the script
    wanted = [(one.copies, [0, 1, 0]), (other.copies, [1]), (Rows(unique("copies")).copies, [])]
    for cost in (3, 1, 1):
        before = round_trips()
        assert read_copies(wanted) == [{0: b"1", 1: b"1"}, {1: b"1"}, {}]
        assert round_trips() - before == cost
    before = round_trips()
    refresh_copies(wanted)
    assert round_trips() - before == 2
    refresh_copies([(one.copies, [])])
    assert round_trips() - before == 2


def test_reads_come_from_sql_while_the_cache_is_down_and_a_refresh_fails(
    closed_cache: None,
) -> None:
    rows = Rows("copies")
    assert rows.copies.get([0, 1]) == {0: b"1", 1: b"1"}
    with pytest.raises(ValkeyUnavailable):
        refresh_copies([(rows.copies, [0])])


def test_what_a_replica_lacks_while_the_cache_is_down_is_asked_of_the_primary(
    closed_cache: None,
) -> None:
    def load(ids: Sequence[int]) -> dict[int, Versioned]:
        there = (1, 2) if sql.reads._may_read_replicas() else (1, 2, 3)
        return {id_: (0, b"there" if id_ in there else b"") for id_ in ids}

    rows = Copies(database="posts", key="{{{}}}".format, load=load, ttl_seconds=60)
    with sql.replica_reads():
        assert rows.get([1, 3, 4]) == {1: b"there", 3: b"there", 4: b""}
        assert rows.get([]) == {}


def test_uncommitted_reads_see_sql_as_it_is_and_store_nothing(
    stack: Stack, unique: Callable[[str], str]
) -> None:
    changed, elsewhere = Rows(unique("copies")), Rows(unique("copies"))
    elsewhere.copies = replace(elsewhere.copies, database="default")
    wanted = [(changed.copies, [0, 1]), (elsewhere.copies, [0]), (changed.copies, [])]
    changed.read(0)
    for rows in (changed, elsewhere):
        rows.change_and_die(0)
    with sql.replica_reads():
        with cached_values.uncommitted_reads(database="posts"):
            assert read_copies(wanted) == [{0: b"2", 1: b"1"}, {0: b"2"}, {}]
            elsewhere.change_and_die(0)
            assert read_copies(wanted)[1] == {0: b"2"}, "a copy, as ever"
            assert not sql.reads._may_read_replicas()
        assert sql.reads._may_read_replicas()
    assert dict(changed.stored()) == {0: 1}, "not renewed, and no more than there was"
    assert changed.copies.get([0]) == {0: b"1"}


def test_what_does_not_exist_is_known_for_a_while_only(
    stack: Stack, unique: Callable[[str], str]
) -> None:
    nothing = Copies(
        database="posts",
        key=Rows(unique("copies")).key,
        load=lambda ids: dict.fromkeys(ids, (7, b"")),
        ttl_seconds=9999,
    )
    assert nothing.get([0]) == {0: b""}
    assert 0 < cache_valkey().ttl(nothing.key(0)) <= cached_values.ABSENT_SECONDS


# --- Versions -------------------------------------------------------------------------------------


@contextmanager
def clients(count: int) -> Iterator[list[Any]]:
    """Connections of their own to the posts database."""
    options = connections["posts"].get_connection_params()
    options.pop("cursor_factory", None)
    options.pop("context", None)
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            found.append(psycopg2.connect(**options))
            stack.callback(found[-1].close)
        yield found


def test_a_version_grows_with_every_transaction_that_a_snapshot_sees(
    committed: None, unique: Callable[[str], str]
) -> None:
    """Writers begin and end in any order; each look sees what the looks before it saw, and more."""
    random = Random(5)
    table = unique("versions")
    with clients(7) as (reader, *writers):
        reader.autocommit = True
        looks = reader.cursor()
        looks.execute(f"CREATE TABLE {table} (n int)")
        open_: list[Any] = []
        before: tuple[int, set[int]] = (0, set())
        try:
            for number in range(400):
                writer = random.choice(writers)
                if writer in open_:
                    open_.remove(writer)
                    random.choice([writer.commit, writer.commit, writer.rollback])()
                else:
                    open_.append(writer)
                    writer.cursor().execute(f"INSERT INTO {table} VALUES (%s)", [number])  # noqa: S608
                looks.execute(f"SELECT {VERSION_SQL}, array(SELECT n FROM {table})")  # noqa: S608
                version, rows = looks.fetchone()
                assert version >= before[0]
                assert before[1] <= set(rows)
                assert version > before[0] or set(rows) == before[1]
                before = version, set(rows)
        finally:
            for writer in open_:
                writer.rollback()
            looks.execute(f"DROP TABLE {table}")
    assert len(before[1]) > 50


def test_a_replica_can_read_what_is_copied(committed: None) -> None:
    """When CACHE is down, it is read there."""
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute(f"SELECT {VERSION_SQL}")
        assert cursor.fetchone()[0] > 0
