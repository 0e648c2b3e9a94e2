"""The query behind cold timelines and deep pages: right, and no scan that grows with the table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posts.selectors import _REFS_SQL, _refs_parameters, post_refs
from tests.support.plans import explained, nodes, rows_of

AUTHORS = 400
FIRST_ID = 2**61  # ids and authors that no other test has
FIRST_AUTHOR = 2**60


def insert(rows: list[tuple[int, int]]) -> None:
    """Bulk insert (post_id, author_id)."""
    with connections["posts"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO posts_post (id, author_id, caption) SELECT id, author_id, '' "
            "FROM unnest(%s::bigint[], %s::bigint[]) AS row (id, author_id)",
            [[id_ for id_, _ in rows], [author_id for _, author_id in rows]],
        )


@pytest.fixture
def posts(db: None) -> list[tuple[int, int]]:
    """300 posts by ten authors who post as much as they like, newest first."""
    random = Random(7)
    weights = [2**number for number in range(10)]
    authors = random.choices(range(FIRST_AUTHOR, FIRST_AUTHOR + 10), weights, k=300)
    rows = [(FIRST_ID + number, author) for number, author in enumerate(authors)]
    insert(rows)
    return rows[::-1]


@pytest.mark.django_db
@given(
    author_ids=st.sets(st.integers(FIRST_AUTHOR, FIRST_AUTHOR + 11)),
    before=st.none() | st.integers(FIRST_ID, FIRST_ID + 301),
    since=st.just(0) | st.integers(FIRST_ID, FIRST_ID + 301),
    limit=st.integers(1, 310),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_newest_of_any_authors_between_any_two_posts(
    posts: list[tuple[int, int]],
    author_ids: set[int],
    before: int | None,
    since: int,
    limit: int,
) -> None:
    wanted = [
        (id_, author_id)
        for id_, author_id in posts
        if author_id in author_ids and id_ > since and (before is None or id_ < before)
    ]
    refs = post_refs(author_ids=sorted(author_ids), before=before, limit=limit, since=since)
    assert refs == wanted[:limit]


def rows_read(before: int, limit: int) -> int:
    """How many rows the query takes from the posts, which it reads by their index alone."""
    author_ids = range(FIRST_AUTHOR, FIRST_AUTHOR + AUTHORS)
    plan = explained(_REFS_SQL, _refs_parameters(author_ids, before, limit, 0))["Plan"]
    on_table = [node for node in nodes(plan) if node.get("Relation Name") == "posts_post"]
    assert on_table
    assert {node["Node Type"] for node in on_table} == {"Index Only Scan"}
    assert {node["Index Name"] for node in on_table} == {"post_by_author"}
    return sum(map(rows_of, on_table))


@pytest.fixture
def big_table(committed: None) -> Iterator[Callable[[int], None]]:
    """Let the table grow to so many posts more, vacuumed as in real life; gone after the test."""
    random, sizes = Random(1), [0]

    def grow(size: int) -> None:
        ids = range(FIRST_ID + sizes[-1], FIRST_ID + size)
        authors = random.choices(range(FIRST_AUTHOR, FIRST_AUTHOR + 2 * AUTHORS), k=len(ids))
        insert(list(zip(ids, authors, strict=True)))
        sizes.append(size)
        execute("VACUUM ANALYZE posts_post")

    yield grow
    execute("DELETE FROM posts_post WHERE author_id >= %s", FIRST_AUTHOR)


def execute(sql: str, *parameters: int) -> None:
    with connections["posts"].cursor() as cursor:
        cursor.execute(sql, parameters)


def test_it_reads_no_more_rows_as_the_table_grows(
    big_table: Callable[[int], None], measured: Callable[[str], None]
) -> None:
    sizes, limits = (50_000, 100_000, 200_000), (21, 801)
    reads: dict[int, list[int]] = {limit: [] for limit in limits}
    for size in sizes:
        big_table(size)
        for limit in limits:
            reads[limit].append(rows_read(before=FIRST_ID + size, limit=limit))
    for limit in limits:
        measured(f"{AUTHORS} authors, {limit} posts: {reads[limit]} rows read of {sizes}")
        few = _refs_parameters(range(AUTHORS), None, limit, 0)["few"]
        assert max(reads[limit]) <= AUTHORS * few + limit
        assert max(reads[limit]) <= 1.1 * min(reads[limit])
