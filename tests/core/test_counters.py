"""Counters are exact at every moment, while others count, fold and correct."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from secrets import randbits
from typing import Any

import pytest
from django.db import connections, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import counters
from core.counters import CountAudit, Counter, CounterChange, counts
from core.likes import add_like, remove_like
from posts.models import Like
from tests.support.client import wait_until
from tests.support.posts_factory import make_posts

DATABASE = "posts"
WRITERS = 6


AUDIT = CountAudit(Like, "subject_id")


def count_of(subject_id: int) -> int:
    return counts(database=DATABASE, subject_ids=[subject_id])[subject_id]


def pending_ids(*subject_ids: int) -> list[int]:
    rows = CounterChange.objects.using(DATABASE).filter(subject_id__in=subject_ids)
    return list(rows.values_list("pk", flat=True))


@pytest.fixture
def subject_id(committed: None) -> int:
    """A post whose likes only this test counts. The stack's own beat folds them too."""
    return make_posts(randbits(50), 1)[0]


@pytest.fixture
def in_threads(committed: None, django_db_blocker: Any) -> Callable[..., list[Any]]:
    """Call a function with each number in a thread of its own, all at once."""

    def run(function: Callable[[int], Any], count: int) -> list[Any]:
        def call(number: int) -> Any:
            with django_db_blocker.unblock():
                try:
                    return function(number)
                finally:
                    connections.close_all()

        with ThreadPoolExecutor(count) as pool:
            return list(pool.map(call, range(count)))

    return run


@given(st.lists(st.one_of(st.integers(-3, 3), st.just("fold"), st.just("fold some")), max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.django_db
def test_a_count_is_the_sum_of_its_changes_however_they_are_folded(steps: list[Any]) -> None:
    subject_id, total = randbits(50), 0
    for step in steps:
        if step == "fold":
            counters.fold(database=DATABASE, change_ids=pending_ids(subject_id))
            assert not pending_ids(subject_id)
        elif step == "fold some":
            some = pending_ids(subject_id)[::2]
            counters.fold(database=DATABASE, change_ids=some + some)
        else:
            counters.change_counts(database=DATABASE, deltas={subject_id: step})
            total += step
        assert count_of(subject_id) == total


def test_every_reader_sees_a_count_that_is_exact_while_all_write_and_fold(
    in_threads: Callable[..., list[Any]], subject_id: int
) -> None:
    """The count and the rows that it counts are read in one snapshot, and never differ."""
    writing = threading.Barrier(WRITERS + 3)
    left = [WRITERS]

    def act(number: int) -> int:
        random, reads = Random(number), 0
        writing.wait()
        if number < WRITERS:
            for _ in range(120):
                user_id = random.randrange(40)
                change = random.choice([add_like, add_like, remove_like])
                change(likes=Like, subject_id=subject_id, user_id=user_id)
            left[0] -= 1
            return 0
        while left[0]:
            if number < WRITERS + 2:
                counters.fold(database=DATABASE, change_ids=pending_ids(subject_id))
            found = AUDIT.compared([subject_id])
            assert found[subject_id][0] == found[subject_id][1]
            reads += 1
        return reads

    assert sum(in_threads(act, WRITERS + 3)) > 20
    wait_until(lambda: not pending_ids(subject_id))
    value = Counter.objects.using(DATABASE).get(pk=subject_id).value
    assert value == Like.objects.filter(subject_id=subject_id).count() > 0


def test_a_correction_is_right_while_others_write_and_fold(
    in_threads: Callable[..., list[Any]], subject_id: int
) -> None:
    counters.change_counts(database=DATABASE, deltas={subject_id: 1000})  # drift
    left = [WRITERS]

    def act(number: int) -> None:
        random = Random(number)
        if number < WRITERS:
            for _ in range(80):
                change = random.choice([add_like, remove_like])
                change(likes=Like, subject_id=subject_id, user_id=random.randrange(40))
            left[0] -= 1
            return
        while left[0]:
            if number == WRITERS:
                counters.fold(database=DATABASE, change_ids=pending_ids(subject_id))
            else:
                AUDIT.correct(subject_id)

    in_threads(act, WRITERS + 2)
    AUDIT.correct(subject_id)
    assert count_of(subject_id) == Like.objects.filter(subject_id=subject_id).count()


def test_a_fold_that_is_killed_has_folded_nothing(subject_id: int) -> None:
    counters.change_counts(database=DATABASE, deltas={subject_id: 3})

    def fold_and_die() -> None:
        with transaction.atomic(using=DATABASE):
            counters.fold(database=DATABASE, change_ids=pending_ids(subject_id))
            assert not pending_ids(subject_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fold_and_die()
    assert count_of(subject_id) == 3


def test_nobody_who_counts_waits_for_another(
    in_threads: Callable[..., list[Any]], subject_id: int
) -> None:
    """Not even for one that has not committed yet, nor for a fold."""
    counters.change_counts(database=DATABASE, deltas={subject_id: 1})
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(using=DATABASE):
            counters.fold(database=DATABASE, change_ids=pending_ids(subject_id))
            add_like(likes=Like, subject_id=subject_id, user_id=1)
            holding.set()
            assert done.wait(20)

    def count() -> int:
        assert holding.wait(20)
        with connections[DATABASE].cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        add_like(likes=Like, subject_id=subject_id, user_id=2)
        seen = count_of(subject_id)
        done.set()
        return seen

    _, seen = in_threads(lambda number: (hold, count)[number](), 2)
    assert seen == 2
    assert count_of(subject_id) == 3


def test_what_is_gone_leaves_no_counter(subject_id: int) -> None:
    for _ in range(2):
        counters.change_counts(database=DATABASE, deltas={subject_id: 1})
        counters.fold(database=DATABASE, change_ids=pending_ids(subject_id)[:1])
    counters.change_counts(database=DATABASE, deltas={subject_id: 1})
    counters.forget_counts(database=DATABASE, subject_ids=[subject_id])
    assert not pending_ids(subject_id)
    assert not Counter.objects.using(DATABASE).filter(pk=subject_id).exists()
