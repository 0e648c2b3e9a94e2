"""Time-ordered 64-bit ids, made by PostgreSQL as a column default.

41 bits of milliseconds since 2024-01-01 UTC, 13 of shard, 10 of sequence: the layout that
Instagram published ("Sharding & IDs at Instagram", 2012). Sorting by id is sorting by time, to
the millisecond. One sequence a database serves all its tables: 1,024 ids a millisecond. The
shard is the number of the logical database, so an id is unique across all three.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import models

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
_TIME_SHIFT = 23
MAX_ID = 2**63 - 1


class NextId(models.Func):
    """`socialfeed_next_id()`, the function that the project's first migration creates."""

    function = "socialfeed_next_id"
    template = "%(function)s()"
    output_field = models.BigIntegerField()


class TimeOrderedModel(models.Model):
    """A model whose primary key PostgreSQL makes when the row is inserted."""

    id = models.BigIntegerField(primary_key=True, db_default=NextId(), editable=False)

    class Meta:
        abstract = True


def id_batches(model: type[TimeOrderedModel], *, size: int) -> Iterator[list[int]]:
    """The ids of all rows, oldest first, in lists of up to `size`; one query a list."""
    rows = model._default_manager.order_by("pk").values_list("pk", flat=True)
    last = 0
    while ids := list(rows.filter(pk__gt=last)[:size]):
        yield ids
        last = ids[-1]


def created_at_of(id_: int) -> datetime:
    """When the row of a time-ordered id was inserted, to the millisecond, UTC."""
    return EPOCH + timedelta(milliseconds=id_ >> _TIME_SHIFT)


def first_id_at(at: datetime) -> int:
    """The smallest id that a row can have which is inserted at a time; 0 before EPOCH."""
    return max(0, (at - EPOCH) // timedelta(milliseconds=1) << _TIME_SHIFT)


def ids_within(id_: int, *, before: timedelta, after: timedelta) -> tuple[int, int]:
    """The smallest and greatest id of rows inserted from `before` to `after` the row of `id_`."""
    milliseconds = id_ >> _TIME_SHIFT
    first = milliseconds - before // timedelta(milliseconds=1)
    last = milliseconds + after // timedelta(milliseconds=1)
    return max(0, first << _TIME_SHIFT), min(MAX_ID, ((last + 1) << _TIME_SHIFT) - 1)
