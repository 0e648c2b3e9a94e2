"""Reads PostgreSQL's query plans."""

from collections.abc import Iterator
from typing import Any

from django.db import connections


def explain_analyze(sql: str, parameters: Any, *, database: str = "posts") -> Any:
    """Run a query. Returns its plan with actual rows and times."""
    with connections[database].cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql, parameters)
        return cursor.fetchone()[0][0]


def nodes(plan: Any) -> Iterator[Any]:
    """A plan node and all nodes below it."""
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def rows_of(node: Any) -> int:
    """The number of rows that a node returned in all its loops."""
    return int(node["Actual Rows"] * node["Actual Loops"])
