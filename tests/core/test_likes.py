"""Likes of a subject: each counts once, and lists name some people first."""

from collections.abc import Callable, Sequence
from itertools import product
from random import Random
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

import core.likes
from core.counters import CounterChange, counts
from core.http.pagination import LongCursorQuery, encode_cursor
from core.http.problems import Invalid
from core.ids import MAX_ID
from core.likes import (
    FIRST_LIMIT,
    LikersCursor,
    add_like,
    first_likers,
    likers,
    remove_like,
    remove_likes_by,
    remove_likes_of,
)
from posts.models import Like

pytestmark = pytest.mark.django_db
SUBJECT = 77  # no real post: each test is rolled back


def count(subject_id: int = SUBJECT) -> int:
    return counts(database="posts", subject_ids=[subject_id])[subject_id]


def like(user_ids: Sequence[int], subject_id: int = SUBJECT) -> None:
    """Let people like it, in this order: the likes get ascending ids."""
    for number, user_id in enumerate(user_ids):
        Like.objects.create(pk=subject_id * 1000 + number, subject_id=subject_id, user_id=user_id)


def walk(
    first: Sequence[int], limit: int, between: Callable[[list[int]], None] | None = None
) -> list[list[int]]:
    """All pages of those who like it."""
    found: list[list[int]] = []
    after = None
    while True:
        rows = likers(likes=Like, subject_id=SUBJECT, first=first, after=after, limit=limit)
        page = [user_id for user_id, _ in rows]
        found.append(page)
        if len(rows) < limit:
            return found
        after = rows[-1][1]
        assert len(found) < 100
        if between:
            between(page)


def test_a_like_is_counted_once_and_taken_back_once() -> None:
    one = {"likes": Like, "subject_id": SUBJECT, "user_id": 5}
    assert [add_like(**one), add_like(**one)] == [True, False]  # type: ignore[arg-type]
    assert add_like(likes=Like, subject_id=SUBJECT, user_id=6)
    assert count() == 2
    assert [remove_like(**one), remove_like(**one)] == [True, False]  # type: ignore[arg-type]
    assert count() == 1
    assert Like.objects.get(subject_id=SUBJECT).user_id == 6
    actors = CounterChange.objects.using("posts").filter(subject_id=SUBJECT)
    assert sorted(actors.values_list("actor_id", "delta")) == [(5, -1), (5, 1), (6, 1)]


@pytest.mark.parametrize(("followed", "others"), list(product(range(4), range(4))))
def test_those_named_first_come_first_and_everybody_once_at_any_limit(
    followed: int, others: int
) -> None:
    people = list(range(1, 1 + followed + others))
    Random(followed * 4 + others).shuffle(people)
    like(people)
    like(people, subject_id=78)
    among = {user_id for user_id in people if user_id <= followed}
    newest = people[::-1]
    wanted = [id_ for id_ in newest if id_ in among] + [id_ for id_ in newest if id_ not in among]
    for limit in range(1, len(people) + 2):
        pages = walk([*among, 98, 99], limit)
        assert [id_ for page in pages for id_ in page] == wanted
        assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("limit", range(1, 8))
def test_paging_loses_and_repeats_nobody_while_likes_come_and_go(limit: int) -> None:
    people = list(range(1, 13))
    like(people)
    first = [2, 3, 5, 7, 11]
    newcomers = iter(range(100, 200))

    def others_come_and_go(page: list[int]) -> None:
        Like.objects.filter(subject_id=SUBJECT, user_id=page[-1]).delete()  # where the cursor is
        number = next(newcomers)
        Like.objects.create(pk=SUBJECT * 1000 + number, subject_id=SUBJECT, user_id=number)

    shown = [id_ for page in walk(first, limit, others_come_and_go) for id_ in page]
    wanted = [id_ for id_ in reversed(people) if id_ in first]
    wanted += [id_ for id_ in reversed(people) if id_ not in first]
    assert [id_ for id_ in shown if id_ < 100] == wanted
    assert len(set(shown)) == len(shown)


def test_a_page_takes_two_queries_at_most() -> None:
    like(list(range(1, 30)))
    with CaptureQueriesContext(connections["posts"]) as queries:
        likers(likes=Like, subject_id=SUBJECT, first=list(range(5)), after=None, limit=20)
    assert len(queries) == 2
    with CaptureQueriesContext(connections["posts"]) as queries:
        likers(likes=Like, subject_id=SUBJECT, first=[], after=None, limit=20)
    assert len(queries) == 1


def test_the_latest_likers_among_some_people_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    like([4, 1, 3, 2])
    among = {"likes": Like, "subject_id": SUBJECT, "among": [1, 2, 4, 9]}
    assert first_likers(**among) == [2, 1, 4]  # type: ignore[arg-type]
    monkeypatch.setattr(core.likes, "FIRST_LIMIT", 2)
    assert first_likers(**among) == [2, 1]  # type: ignore[arg-type]


@given(
    position=st.integers(-MAX_ID, MAX_ID),
    first=st.lists(st.integers(1, MAX_ID), max_size=FIRST_LIMIT, unique=True),
)
def test_a_cursor_comes_back_as_it_went_and_fits_the_parameter(
    position: int, first: list[int]
) -> None:
    text = LikersCursor(position, first).encode()
    found = LikersCursor.decode(text)
    assert (found.position, sorted(found.first)) == (position, sorted(first))
    LongCursorQuery().run_validation({"cursor": encode_cursor(text)})


@pytest.mark.parametrize("text", ["", "likers", "likers x", "likers 1 ", "likers 1  2", "seen 1"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="cursor"):
        LikersCursor.decode(text)


def test_likes_of_what_is_gone_are_removed_uncounted_step_by_step() -> None:
    like(list(range(1, 6)))
    like([1], subject_id=78)
    removed: list[Any] = []
    while not removed or removed[-1]:
        removed.append(remove_likes_of(likes=Like, subject_ids=[SUBJECT], limit=2))
    assert removed == [2, 2, 1, 0]
    assert count() == 0
    assert Like.objects.filter(subject_id=78).exists()


def test_likes_of_somebody_who_goes_are_counted_off_step_by_step() -> None:
    for subject_id in (SUBJECT, 78, 79):
        for user_id in (5, 6):
            add_like(likes=Like, subject_id=subject_id, user_id=user_id)
    removed: list[Any] = []
    while not removed or removed[-1]:
        removed.append(remove_likes_by(likes=Like, user_id=5, limit=2))
    assert removed == [2, 1, 0]
    assert [count(subject_id) for subject_id in (SUBJECT, 78, 79)] == [1, 1, 1]
    assert not Like.objects.filter(user_id=5).exists()
