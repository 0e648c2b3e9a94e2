"""Profiles count followers and followed accounts exactly, without a COUNT of the rows."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.counters import Counter
from usergraph import services
from usergraph.models import Follow
from usergraph.selectors import graph_counts, profile_part

PEOPLE = 4
_person = st.integers(0, PEOPLE - 1)
_operation = st.one_of(
    st.tuples(st.sampled_from(["follow", "unfollow"]), _person, _person),
    st.tuples(st.just("import"), st.lists(st.tuples(_person, _person), max_size=6)),
    st.tuples(st.just("settle"), st.integers(1, 5)),
    st.tuples(st.just("remove"), _person, st.integers(1, 3)),
)


def counted(user_id: int) -> dict[str, int]:
    counts: dict[str, int] = profile_part(user_id, user_id)["counts"]
    return counts


def in_rows(user_id: int) -> dict[str, int]:
    return {
        "followers": Follow.objects.filter(followee_id=user_id).count(),
        "following": Follow.objects.filter(follower_id=user_id).count(),
    }


def perform(people: list[int], name: str, *arguments: Any) -> None:
    if name == "import":
        edges = [(people[a], people[b]) for a, b in arguments[0] if a != b]
        list(services.import_follows(edges=edges, batch_size=2))
    elif name == "settle":
        services.settle_counters(limit=arguments[0])
    elif name == "remove":
        services.remove_follows_of_user(user_id=people[arguments[0]], limit=arguments[1])
    elif arguments[0] != arguments[1]:
        change = services.follow_user if name == "follow" else services.unfollow_user
        change(follower_id=people[arguments[0]], followee_id=people[arguments[1]])


@pytest.fixture
def people(db: None, person: Callable[[str], int]) -> list[int]:
    return [person("member") for _ in range(PEOPLE)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(operations=st.lists(_operation, max_size=12))
def test_counts_are_those_of_the_rows_whatever_happens(
    people: list[int], operations: list[Any]
) -> None:
    for operation in operations:
        perform(people, *operation)
        for user_id in people:
            assert counted(user_id) == in_rows(user_id)


def test_a_profile_counts_without_reading_the_follows(
    people: list[int], django_assert_num_queries: Any
) -> None:
    author, *_ = people
    Counter.objects.create(subject_id=author, value=1_000_000)
    with django_assert_num_queries(1) as queries:
        assert graph_counts(user_id=author) == {"followers": 1_000_000, "following": 0}
    assert not any("count(*)" in query["sql"].lower() for query in queries)


@pytest.mark.usefixtures("committed")
def test_the_same_follow_from_many_requests_at_once_counts_once(
    person: Callable[[str], int],
) -> None:
    fan, author = person("fan"), person("author")

    def follow(_: int) -> bool:
        try:
            return services.follow_user(follower_id=fan, followee_id=author)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(follow, range(16)))
    assert counted(author) == {"followers": 1, "following": 0}
    assert counted(fan) == {"followers": 0, "following": 1}


def test_the_counters_of_an_account_go_with_its_last_follow(people: list[int]) -> None:
    one, other, *_ = people
    services.follow_user(follower_id=one, followee_id=other)
    services.settle_counters(limit=100)
    while services.remove_follows_of_user(user_id=one, limit=1):
        pass
    assert not Counter.objects.filter(subject_id__in=[one, -one]).exists()
    assert counted(other) == {"followers": 0, "following": 0}
