"""Exact counters that no writer waits for: a value, and the changes that are not in it yet.

A count is `Counter.value` plus the sum of its `CounterChange` rows, read in one statement and so in
one snapshot. Who changes what is counted inserts a row, in the same transaction, and locks nothing;
`fold` moves rows into the value, in batches, one statement each, so that nothing is ever counted
twice or not at all. The tables are in each database; a counter lives beside what it counts, and
what it counts follows from where it is and whose id its subject is: likes of a post in `posts`;
comments on a post, and likes of a comment, in `comments`.

The changes are an outbox too: as long as a row is there, copies of its subject may be out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connections, models, transaction
from django.db.models.functions import Now

from core.ids import TimeOrderedModel


class Counter(models.Model):
    """How many of something `subject_id` has, but for the changes that have not been folded."""

    subject_id = models.BigIntegerField(primary_key=True)
    value = models.BigIntegerField()
    folded_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "core"
        db_table = "socialfeed_counter"
        indexes = [models.Index(fields=["folded_at"], name="counter_by_time")]

    def __str__(self) -> str:
        return f"{self.value} of {self.subject_id}"


class CounterChange(TimeOrderedModel):
    """A change by `delta` that is not in its counter yet; `actor_id` is who made it."""

    subject_id = models.BigIntegerField()
    delta = models.IntegerField()
    actor_id = models.BigIntegerField(null=True)

    class Meta:
        app_label = "core"
        db_table = "socialfeed_counterchange"
        indexes = [
            models.Index(fields=["subject_id"], include=["delta"], name="counter_change_of_subject")
        ]

    def __str__(self) -> str:
        return f"{self.delta:+} of {self.subject_id}"


@dataclass(frozen=True)
class Change:
    """A change that has not been folded."""

    id: int
    subject_id: int
    actor_id: int | None


# By hand, as are the others: the ORM would take longer over it than the database.
_CHANGE_SQL = """
INSERT INTO socialfeed_counterchange (subject_id, delta, actor_id) VALUES (%s, %s, %s)
"""
_FOLD_SQL = """
WITH taken AS (
    DELETE FROM socialfeed_counterchange
    WHERE id IN (
        SELECT id FROM socialfeed_counterchange WHERE id = ANY(%s) FOR UPDATE SKIP LOCKED
    )
    RETURNING subject_id, delta
)
INSERT INTO socialfeed_counter AS counter (subject_id, value)
SELECT subject_id, sum(delta) FROM taken GROUP BY subject_id ORDER BY subject_id
ON CONFLICT (subject_id) DO UPDATE
SET value = counter.value + excluded.value, folded_at = statement_timestamp()
"""
# With the counter's row locked, no fold of it commits in between; one that waits adds what it took
# to the value set here, which is therefore without what is still in the table.
_CORRECT_SQL = """
UPDATE socialfeed_counter AS counter
SET value = ({truth}) - coalesce(
    (SELECT sum(delta) FROM socialfeed_counterchange WHERE subject_id = counter.subject_id), 0
)
WHERE subject_id = %s
"""


def count_sql(subject: str) -> str:
    """An SQL expression: the exact count of the subject whose id the expression `subject` is."""
    value = f"SELECT value FROM socialfeed_counter WHERE subject_id = {subject}"  # noqa: S608
    rest = f"SELECT sum(delta) FROM socialfeed_counterchange WHERE subject_id = {subject}"  # noqa: S608
    return f"(coalesce(({value}), 0) + coalesce(({rest}), 0))"


def change_count(
    *, database: str, subject_id: int, delta: int, actor_id: int | None = None
) -> None:
    """Change a count in the caller's transaction; no other writer waits for it."""
    with connections[database].cursor() as cursor:
        cursor.execute(_CHANGE_SQL, [subject_id, delta, actor_id])


def pending_changes(*, database: str, limit: int) -> list[Change]:
    """Changes that are not folded yet, oldest first."""
    rows = CounterChange.objects.using(database).order_by("pk")
    return [Change(*row) for row in rows.values_list("pk", "subject_id", "actor_id")[:limit]]


def fold(*, database: str, change_ids: Sequence[int]) -> None:
    """Move these changes into their counters; those that somebody else has taken are theirs."""
    with connections[database].cursor() as cursor:
        cursor.execute(_FOLD_SQL, [list(change_ids)])


def compared(
    *, database: str, subject_ids: Sequence[int], truth_sql: Callable[[str], str]
) -> dict[int, tuple[int, int]]:
    """(count, truth) of some subjects, both in one snapshot.

    `truth_sql` makes a scalar query that counts the rows of the subject with the id given to it.
    """
    sql = f"""
        SELECT id, {count_sql("asked.id")}, ({truth_sql("asked.id")})
        FROM unnest(%s::bigint[]) AS asked (id)
    """  # noqa: S608
    with connections[database].cursor() as cursor:
        cursor.execute(sql, [list(subject_ids)])
        return {id_: (int(count), int(truth)) for id_, count, truth in cursor.fetchall()}


def folded_lately(*, database: str, seconds: float, limit: int) -> list[int]:
    """Subjects whose counters were brought up to date in the last seconds, the latest first."""
    rows = Counter.objects.using(database).filter(folded_at__gt=Now() - timedelta(seconds=seconds))
    return list(rows.order_by("-folded_at").values_list("pk", flat=True)[:limit])


def subjects_pending(*, database: str, subject_ids: Sequence[int]) -> set[int]:
    """Those of some subjects that have changes which are not folded yet."""
    rows = CounterChange.objects.using(database).filter(subject_id__in=subject_ids)
    return set(rows.values_list("subject_id", flat=True))


def correct(*, database: str, subject_id: int, truth_sql: Callable[[str], str]) -> None:
    """Make a count what its truth is, whoever counts and folds meanwhile."""
    rows = Counter.objects.using(database)
    with transaction.atomic(using=database):
        rows.bulk_create([Counter(subject_id=subject_id, value=0)], ignore_conflicts=True)
        rows.select_for_update().get(pk=subject_id)
        with connections[database].cursor() as cursor:
            sql = _CORRECT_SQL.format(truth=truth_sql("counter.subject_id"))
            cursor.execute(sql, [subject_id])


def forget_counts(*, database: str, subject_ids: Sequence[int]) -> None:
    """Remove the counters of what is gone."""
    # The changes first: a fold that has them already is waited for, and its counter goes too.
    for rows in (CounterChange.objects, Counter.objects):
        rows.using(database).filter(subject_id__in=subject_ids).delete()
