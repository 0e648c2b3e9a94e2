"""How many rows, and how many bytes, PostgreSQL stores."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connections

DATABASES = ("default", "posts", "comments")
# Rows of these tables are deleted within days: they are a log of work.
LOGS = ("fanout_outboxevent", "socialfeed_idempotencykey", "socialfeed_counterchange")
_TABLES_SQL = "SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables"


@dataclass(frozen=True)
class Stored:
    """Rows and bytes, with indexes, of what stays; and the bytes of logs."""

    rows: int
    bytes: int
    log_bytes: int

    @staticmethod
    def now() -> "Stored":
        found = list(_tables())
        kept = [(rows, size) for table, rows, size in found if table not in LOGS]
        logs = [size for table, _, size in found if table in LOGS]
        return Stored(sum(rows for rows, _ in kept), sum(size for _, size in kept), sum(logs))

    def __sub__(self, before: "Stored") -> "Stored":
        return Stored(
            self.rows - before.rows, self.bytes - before.bytes, self.log_bytes - before.log_bytes
        )


def _tables() -> Iterator[tuple[str, int, int]]:
    """The name, the rows and the bytes of each table of each database."""
    for alias in DATABASES:
        with connections[alias].cursor() as cursor:
            cursor.execute(_TABLES_SQL)
            for table, size in cursor.fetchall():
                cursor.execute(f'SELECT count(*) FROM "{table}"')  # noqa: S608 (its own name)
                yield table, int(cursor.fetchone()[0]), int(size)


def bytes_a_row(table: str, *, database: str) -> float:
    """The mean bytes of a row of a table, with its indexes."""
    with connections[database].cursor() as cursor:
        cursor.execute(f"SELECT pg_total_relation_size('{table}')::float / count(*) FROM {table}")  # noqa: S608
        return float(cursor.fetchone()[0])
