"""Likes of anything with an id: one row each, counted by `core.counters`.

Each service with something to like has a table of likes in the same database, a subclass of
`AbstractLike`. A like locks nothing that other likes of the same subject need.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models.functions import Now

from core.counters import CounterChange, change_counts
from core.ids import MAX_ID, TimeOrderedModel


class AbstractLike(TimeOrderedModel):
    """`user_id` likes `subject_id`. Its id orders the lists, newest first."""

    subject_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["user_id", "subject_id"], name="%(class)s_once")
        ]
        indexes = [
            models.Index(
                fields=["subject_id", "-id"], include=["user_id"], name="%(class)s_of_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.subject_id}"


Likes = type[AbstractLike]

_LIKE_SQL = """
INSERT INTO {table} (subject_id, user_id) VALUES (%s, %s)
ON CONFLICT (user_id, subject_id) DO NOTHING
"""
_UNLIKE_SQL = "DELETE FROM {table} WHERE subject_id = %s AND user_id = %s"
# Probes one row for each of a few people; the planner would walk all likes of the subject instead.
_LIKERS_AMONG_SQL = """
SELECT liked.id, liked.user_id
FROM unnest(%(among)s::bigint[]) AS person (id)
CROSS JOIN LATERAL (
    SELECT id, user_id FROM {table}
    WHERE user_id = person.id AND subject_id = %(subject_id)s AND id < %(before)s
    LIMIT 1
) AS liked
ORDER BY liked.id DESC
LIMIT %(limit)s
"""
_OTHER_LIKERS_SQL = """
SELECT id, user_id FROM {table}
WHERE subject_id = %(subject_id)s AND id < %(before)s AND user_id <> ALL(%(among)s::bigint[])
ORDER BY id DESC
LIMIT %(limit)s
"""


def add_like(*, likes: Likes, subject_id: int, user_id: int) -> bool:
    """Like something, in the caller's transaction or one of its own; False if it was liked."""
    return _change(likes, _LIKE_SQL, subject_id, user_id, delta=1)


def remove_like(*, likes: Likes, subject_id: int, user_id: int) -> bool:
    """Undo a like, in the same way; False if there was none."""
    return _change(likes, _UNLIKE_SQL, subject_id, user_id, delta=-1)


def _change(likes: Likes, sql: str, subject_id: int, user_id: int, *, delta: int) -> bool:
    database = router.db_for_write(likes)
    with transaction.atomic(using=database), connections[database].cursor() as cursor:
        cursor.execute(sql.format(table=likes._meta.db_table), [subject_id, user_id])
        if not cursor.rowcount:
            return False
        change_counts(database=database, deltas={subject_id: delta}, actor_id=user_id)
    return True


def likers_page(
    *, likes: Likes, subject_id: int, first: Sequence[int], after: int | None, limit: int
) -> tuple[list[int], int | None]:
    """The ids of a page of likers, newest first, but all likers in `first` before all others.

    Also returns the cursor for the next page as `after`, None at the end: a like's id among the
    first, the negative of a like's id among the others.
    """
    in_first = after is None or after > 0
    before = MAX_ID if after is None else abs(after)
    parameters = {"subject_id": subject_id, "among": list(first)}
    rows: list[tuple[int, int]] = []
    if in_first and first:
        found = _likers(likes, _LIKERS_AMONG_SQL, **parameters, before=before, limit=limit + 1)
        if len(found) > limit:
            return [user_id for _, user_id in found[:limit]], found[limit - 1][0]
        rows = found
    if in_first:
        before = MAX_ID
    wanted = limit - len(rows)
    others = _likers(likes, _OTHER_LIKERS_SQL, **parameters, before=before, limit=wanted + 1)
    user_ids = [user_id for _, user_id in [*rows, *others[:wanted]]]
    if len(others) <= wanted:
        return user_ids, None
    return user_ids, -(others[wanted - 1][0] if wanted else MAX_ID)


def _likers(likes: Likes, sql: str, **parameters: Any) -> list[tuple[int, int]]:
    """(like id, user id) of each row."""
    with connections[router.db_for_read(likes)].cursor() as cursor:
        cursor.execute(sql.format(table=likes._meta.db_table), parameters)
        return [(like_id, user_id) for like_id, user_id in cursor.fetchall()]


def remove_likes_of(
    *, likes: Likes, subject_ids: Collection[int] | models.QuerySet[Any, int], limit: int
) -> int:
    """Remove up to `limit` likes of deleted subjects; returns how many. The counters do not change.

    `subject_ids` may be a query in the same database.
    """
    rows = likes._default_manager
    some = rows.filter(subject_id__in=subject_ids).values_list("pk", flat=True)[:limit]
    deleted, _ = rows.filter(pk__in=list(some)).delete()
    return deleted


def remove_likes_by(*, likes: Likes, user_id: int, limit: int) -> int:
    """Remove up to `limit` likes by a user, and change the counters; returns how many."""
    database = router.db_for_write(likes)
    with transaction.atomic(using=database):
        mine = likes._default_manager.select_for_update().filter(user_id=user_id)
        rows = list(mine.values_list("pk", "subject_id")[:limit])
        likes._default_manager.filter(pk__in=[pk for pk, _ in rows]).delete()
        CounterChange.objects.using(database).bulk_create(
            CounterChange(subject_id=subject_id, delta=-1, actor_id=user_id)
            for _, subject_id in rows
        )
    return len(rows)
