"""Exact counters without waiting writers: a value, and the changes that are not in it yet.

A count is `Counter.value` plus the sum of its `CounterChange` rows, read in one statement and so in
one snapshot. A writer inserts a change row in the transaction of the counted row; it locks nothing.
`fold` moves a batch of change rows into the values, in one statement, so each counts exactly once.

Each database has these tables. A counter is in the database of the rows that it counts:

| database | subject | what is counted |
|---|---|---|
| `posts` | post | its likes |
| `posts` | `made_by(account)` | the account's posts |
| `comments` | post | the comments on it |
| `comments` | comment | its likes |
| `comments` | `replies_to(comment)` | the replies to it |
| `default` | account | its followers |
| `default` | `made_by(account)` | the accounts that it follows |

A change row is an outbox row too: while it exists, cache entries of its subject may be out of date.
See docs/decisions/0011.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.db import connections, models, router, transaction
from django.db.models.functions import Now

from core.ids import TimeOrderedModel


class Counter(models.Model):
    """The count of a subject, without the changes that are not folded yet."""

    subject_id = models.BigIntegerField(primary_key=True)
    value = models.BigIntegerField()
    folded_at = models.DateTimeField(db_default=Now())

    class Meta:
        app_label = "core"
        db_table = "socialfeed_counter"  # see db_table of core.outbox.models
        indexes = [models.Index(fields=["folded_at"], name="counter_by_time")]

    def __str__(self) -> str:
        return f"{self.value} of {self.subject_id}"


class CounterChange(TimeOrderedModel):
    """A change by `delta` that is not folded into its counter yet. `actor_id`: who made it."""

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


SETTLE_LIMIT = 2000  # changes that are folded together
# Plain SQL: the ORM costs more than the statement. Values or a query follow.
CHANGE_SQL = "INSERT INTO socialfeed_counterchange (subject_id, delta, actor_id) "
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
# The counter's row is locked, so no fold of it commits meanwhile. A fold that waits for the lock
# adds its changes afterwards, so the value set here leaves out the changes in the table.
_CORRECT_SQL = """
UPDATE socialfeed_counter AS counter
SET value = ({truth}) - coalesce(
    (SELECT sum(delta) FROM socialfeed_counterchange WHERE subject_id = counter.subject_id), 0
)
WHERE subject_id = %s
"""


def made_by(account_id: int) -> int:
    """The subject for what an account has made (see the table). Negative, so never a row's id."""
    return -account_id


def replies_to(comment_id: int) -> int:
    """The subject for the replies to a comment, and the comment of such a subject. Negative too."""
    return -comment_id


def count_sql(subject: str) -> str:
    """An SQL expression for the exact count of a subject. `subject`: an expression for its id."""
    value = f"SELECT value FROM socialfeed_counter WHERE subject_id = {subject}"  # noqa: S608
    rest = f"SELECT sum(delta) FROM socialfeed_counterchange WHERE subject_id = {subject}"  # noqa: S608
    return f"(coalesce(({value}), 0) + coalesce(({rest}), 0))"


def counts(*, database: str, subject_ids: Sequence[int]) -> dict[int, int]:
    """The exact counts of some subjects, by subject; one query."""
    sql = f"SELECT id, {count_sql('asked.id')} FROM unnest(%s::bigint[]) AS asked (id)"  # noqa: S608
    with connections[database].cursor() as cursor:
        cursor.execute(sql, [list(subject_ids)])
        return {subject_id: int(count) for subject_id, count in cursor.fetchall()}


def change_counts(*, database: str, deltas: Mapping[int, int], actor_id: int | None = None) -> None:
    """Change counts by deltas, in the caller's transaction. No other writer waits for it."""
    rows = [(subject_id, delta, actor_id) for subject_id, delta in deltas.items()]
    with connections[database].cursor() as cursor:
        cursor.execute(f"{CHANGE_SQL} VALUES {', '.join(['%s'] * len(rows))}", rows)


def pending_changes(*, database: str, limit: int) -> list[CounterChange]:
    """Changes that are not folded yet, oldest first."""
    return list(CounterChange.objects.using(database).order_by("pk")[:limit])


def fold(*, database: str, change_ids: Sequence[int]) -> None:
    """Move changes into their counters, except those that another process is folding."""
    with connections[database].cursor() as cursor:
        cursor.execute(_FOLD_SQL, [list(change_ids)])


def settle_all(settle: Callable[..., int]) -> None:
    """Call `settle(limit=...)`, which returns how many changes it folds, until none is left."""
    while settle(limit=SETTLE_LIMIT) == SETTLE_LIMIT:
        pass


def folded_lately(*, database: str, seconds: float, limit: int) -> list[int]:
    """Subjects whose changes were folded in the last `seconds`, the latest first."""
    rows = Counter.objects.using(database).filter(folded_at__gt=Now() - timedelta(seconds=seconds))
    return list(rows.order_by("-folded_at").values_list("pk", flat=True)[:limit])


def subjects_pending(*, database: str, subject_ids: Sequence[int]) -> set[int]:
    """Those of some subjects that have changes that are not folded yet."""
    rows = CounterChange.objects.using(database).filter(subject_id__in=subject_ids)
    return set(rows.values_list("subject_id", flat=True))


def forget_counts(*, database: str, subject_ids: Sequence[int]) -> None:
    """Remove the counters of deleted subjects, and their changes that are not folded yet."""
    # The changes first: this waits for a fold that is moving them, and then removes its counter.
    for rows in (CounterChange.objects, Counter.objects):
        rows.using(database).filter(subject_id__in=subject_ids).delete()


@dataclass(frozen=True)
class CountAudit:
    """Compares one kind of count with the rows that it counts, and corrects it.

    `rows`: the model of the rows. `column`: has the id that a row counts for. The subject is that
    id or, with `is_negative`, its negative. `if_column`: rows in which this is false do not count.
    """

    rows: type[models.Model]
    column: str
    is_negative: bool = False
    if_column: str = "TRUE"

    @property
    def database(self) -> str:
        """Where the rows are, and their counters."""
        return router.db_for_write(self.rows)

    def _subject(self, id_: int) -> int:
        """The subject of an id, and the id of a subject."""
        return -id_ if self.is_negative else id_

    def _truth_sql(self, subject: str) -> str:
        """A query that counts a subject's rows; `subject` as in `count_sql`."""
        table, id_ = self.rows._meta.db_table, f"-{subject}" if self.is_negative else subject
        return f"SELECT count(*) FROM {table} WHERE {self.column} = {id_} AND {self.if_column}"  # noqa: S608

    def compared(self, ids: Sequence[int]) -> dict[int, tuple[int, int]]:
        """(count, number of rows) of some ids, both in one snapshot."""
        sql = f"""
            SELECT id, {count_sql("asked.id")}, ({self._truth_sql("asked.id")})
            FROM unnest(%s::bigint[]) AS asked (id)
        """  # noqa: S608
        with connections[self.database].cursor() as cursor:
            cursor.execute(sql, [[self._subject(id_) for id_ in ids]])
            found = cursor.fetchall()
        return {self._subject(id_): (int(count), int(truth)) for id_, count, truth in found}

    def correct(self, id_: int) -> None:
        """Set a count to the number of rows. Others may change and fold it meanwhile."""
        subject_id = self._subject(id_)
        rows = Counter.objects.using(self.database)
        with transaction.atomic(using=self.database):
            rows.bulk_create([Counter(subject_id=subject_id, value=0)], ignore_conflicts=True)
            rows.select_for_update().get(pk=subject_id)
            with connections[self.database].cursor() as cursor:
                sql = _CORRECT_SQL.format(truth=self._truth_sql("counter.subject_id"))
                cursor.execute(sql, [subject_id])


@dataclass(frozen=True)
class ShownAudit:
    """Finds accounts that have rows which are shown though they are not active, or hidden though
    they are.

    `rows`: the model of the rows. `account`: the column with the account. `shown`: the flag.
    `unless`: rows of which this is true are hidden for another reason.
    """

    rows: type[models.Model]
    account: str
    shown: str
    unless: str = "FALSE"

    def wrong(self, *, is_active: Mapping[int, bool]) -> set[int]:
        """Those of some accounts, given with whether they are active; one query.

        It reads few rows of an active account, and all of another.
        """
        mine = f"SELECT FROM {self.rows._meta.db_table} WHERE {self.account} = asked.id"
        sql = f"""
            SELECT id FROM unnest(%s::bigint[], %s::boolean[]) AS asked (id, is_active)
            WHERE CASE
                WHEN is_active THEN EXISTS ({mine} AND NOT {self.shown} AND NOT ({self.unless}))
                ELSE EXISTS ({mine} AND {self.shown}) END
        """  # noqa: S608
        with connections[router.db_for_write(self.rows)].cursor() as cursor:
            cursor.execute(sql, [list(is_active), list(is_active.values())])
            return {account_id for (account_id,) in cursor.fetchall()}
