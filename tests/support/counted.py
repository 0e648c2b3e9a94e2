"""Counts, for the tests, as every read of them is made."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connections

from core.counters import count_sql


def counts(*, database: str, subject_ids: Sequence[int]) -> dict[int, int]:
    """The exact counts of some subjects."""
    sql = f"SELECT id, {count_sql('asked.id')} FROM unnest(%s::bigint[]) AS asked (id)"  # noqa: S608
    with connections[database].cursor() as cursor:
        cursor.execute(sql, [list(subject_ids)])
        return {subject_id: int(count) for subject_id, count in cursor.fetchall()}
