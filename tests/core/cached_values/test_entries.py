"""The version of a cache entry is that of a snapshot of SQL."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Any

import psycopg2
from django.db import connections

from core.cached_values import VERSION_SQL


@contextmanager
def clients(count: int) -> Iterator[list[Any]]:
    """New connections to the posts database."""
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
    """Writers begin and end in any order; each read sees what the reads before it saw, and more."""
    random = Random(5)
    table = unique("versions")
    with clients(7) as (reader, *writers):
        reader.autocommit = True
        reads = reader.cursor()
        reads.execute(f"CREATE TABLE {table} (n int)")
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
                reads.execute(f"SELECT {VERSION_SQL}, array(SELECT n FROM {table})")  # noqa: S608
                version, rows = reads.fetchone()
                assert version >= before[0]
                assert before[1] <= set(rows)
                assert version > before[0] or set(rows) == before[1]
                before = version, set(rows)
        finally:
            for writer in open_:
                writer.rollback()
            reads.execute(f"DROP TABLE {table}")
    assert len(before[1]) > 50


def test_a_replica_can_tell_a_version_too(committed: None) -> None:
    """While CACHE is down, versions are read there."""
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute(f"SELECT {VERSION_SQL}")
        assert cursor.fetchone()[0] > 0
