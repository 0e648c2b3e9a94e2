"""What PostgreSQL did to answer a query."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db import connections


def explain_analyze(sql: str, parameters: Any) -> Any:
    """The plan of a query of the posts database, which is run, with what it took."""
    with connections["posts"].cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, parameters)
        return cursor.fetchone()[0][0]


def nodes(plan: Any) -> Iterator[Any]:
    """A plan's node and all below it."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def rows_of(node: Any) -> int:
    """How many rows a node gave, in all its loops."""
    return int(node["Actual Rows"] * node["Actual Loops"])
