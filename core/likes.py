"""Likes of anything with an id: one row each, counted by `core.counters`.

Each service with something to like has a table of likes in the same database, a subclass of
`AbstractLike`. A like locks nothing that other likes of the same subject need.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections, models, router, transaction
from django.db.models.functions import Now

from core.counters import CHANGE_SQL, CounterChange, change_counts
from core.http.pagination import ids_as_text, ids_in, not_of_this_list
from core.ids import MAX_ID, TimeOrderedModel


class AbstractLike(TimeOrderedModel):
    """`user_id` likes `subject_id`. Its id orders the lists, newest first.

    `is_shown`: the user is active. A like that is not shown is not counted.
    """

    subject_id = models.BigIntegerField()
    user_id = models.BigIntegerField()
    is_shown = models.BooleanField(db_default=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["user_id", "subject_id"], name="%(class)s_once")
        ]
        indexes = [
            models.Index(
                fields=["subject_id", "-id"],
                include=["user_id", "is_shown"],
                name="%(class)s_shown_of_subject",
            ),
            models.Index(
                fields=["user_id"], condition=models.Q(is_shown=False), name="%(class)s_hidden"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} likes {self.subject_id}"


Likes = type[AbstractLike]

_LIKE_SQL = """
INSERT INTO {table} (subject_id, user_id) VALUES (%s, %s)
ON CONFLICT (user_id, subject_id) DO NOTHING
"""
_UNLIKE_SQL = "DELETE FROM {table} WHERE subject_id = %s AND user_id = %s RETURNING is_shown"
# Probes one row for each of a few people; the planner would walk all likes of the subject instead.
_LIKERS_AMONG_SQL = """
SELECT liked.id, liked.user_id
FROM unnest(%(among)s::bigint[]) AS person (id)
CROSS JOIN LATERAL (
    SELECT id, user_id FROM {table}
    WHERE user_id = person.id AND subject_id = %(subject_id)s AND id < %(before)s AND is_shown
    LIMIT 1
) AS liked
ORDER BY liked.id DESC
LIMIT %(limit)s
"""
_OTHER_LIKERS_SQL = """
SELECT id, user_id FROM {table}
WHERE subject_id = %(subject_id)s AND id < %(before)s AND user_id <> ALL(%(among)s::bigint[])
    AND is_shown
ORDER BY id DESC
LIMIT %(limit)s
"""
# The likes that a step of a walk reaches, in the order of the unique index; which of them change;
# and their counts, in one statement.
_SHOW_SQL = f"""
WITH reached AS (
    SELECT id, subject_id FROM {{table}}
    WHERE user_id = %(user_id)s AND subject_id > %(after)s
    ORDER BY subject_id LIMIT %(limit)s FOR NO KEY UPDATE
), changed AS (
    UPDATE {{table}} AS liked SET is_shown = %(is_shown)s FROM reached
    WHERE liked.id = reached.id AND liked.is_shown <> %(is_shown)s
    RETURNING liked.subject_id
), counted AS (
    {CHANGE_SQL}
    SELECT subject_id, %(by)s, %(user_id)s FROM changed
)
SELECT (SELECT max(subject_id) FROM reached), ARRAY(SELECT subject_id FROM changed)
"""  # noqa: S608  (a constant)


def add_like(*, likes: Likes, subject_id: int, user_id: int) -> bool:
    """Like something, in the caller's transaction or one of its own; False if it was liked."""
    database = router.db_for_write(likes)
    with transaction.atomic(using=database), connections[database].cursor() as cursor:
        cursor.execute(_LIKE_SQL.format(table=likes._meta.db_table), [subject_id, user_id])
        is_new = bool(cursor.rowcount)
        if is_new:
            change_counts(database=database, deltas={subject_id: 1}, actor_id=user_id)
    return is_new


def remove_like(*, likes: Likes, subject_id: int, user_id: int) -> bool:
    """Undo a like, in the same way; False if there was none."""
    database = router.db_for_write(likes)
    with transaction.atomic(using=database), connections[database].cursor() as cursor:
        cursor.execute(_UNLIKE_SQL.format(table=likes._meta.db_table), [subject_id, user_id])
        removed = cursor.fetchone()
        if removed == (True,):
            change_counts(database=database, deltas={subject_id: -1}, actor_id=user_id)
    return removed is not None


def show_likes_by(
    *, likes: Likes, user_id: int, is_shown: bool, after: int, limit: int
) -> tuple[int | None, list[int]]:
    """Show the likes of a user, or hide them, and change the counts: one step of a walk.

    Walks `limit` likes, of subjects above `after`. Returns the last subject that it has reached,
    None at the end; and the subjects whose counts have changed.
    """
    database = router.db_for_write(likes)
    parameters = {"user_id": user_id, "is_shown": is_shown, "after": after, "limit": limit}
    with transaction.atomic(using=database), connections[database].cursor() as cursor:
        sql = _SHOW_SQL.format(table=likes._meta.db_table)
        cursor.execute(sql, {**parameters, "by": 1 if is_shown else -1})
        reached, changed = cursor.fetchone()
    return reached, changed


# So many of those who come first in a list of likers do. The cursor names them all.
FIRST_LIMIT = 100
_CURSOR = re.compile(r"likers (-?[0-9]+)((?: [0-9a-f]{1,16})*)")


@dataclass(frozen=True)
class LikersCursor:
    """Where a list of likers goes on: after `position`, which `likers` has returned.

    `first`: the ids of those who come first, up to FIRST_LIMIT, as of the first page. So nobody
    is left out or shown twice because the viewer follows somebody between two pages.
    """

    position: int
    first: Sequence[int]

    def encode(self) -> str:
        """The cursor as text, for `core.http.pagination`, which signs it."""
        return f"likers {self.position} {ids_as_text(self.first)}".rstrip()

    @staticmethod
    def decode(text: str) -> "LikersCursor":
        """The cursor in a text; raises `Invalid`."""
        match = _CURSOR.fullmatch(text)
        if match is None:
            raise not_of_this_list("cursor")
        return LikersCursor(int(match[1]), ids_in(match[2]))


def first_likers(*, likes: Likes, subject_id: int, among: Sequence[int]) -> list[int]:
    """The ids of those among some people who like a subject: the FIRST_LIMIT latest."""
    if not among:
        return []
    parameters = {"subject_id": subject_id, "among": list(among), "before": MAX_ID}
    return [id_ for _, id_ in _likers(likes, _LIKERS_AMONG_SQL, **parameters, limit=FIRST_LIMIT)]


def likers(
    *, likes: Likes, subject_id: int, first: Sequence[int], after: int | None, limit: int
) -> list[tuple[int, int]]:
    """Up to `limit` likers as (user id, position), newest first, but those in `first` before all
    others; fewer only at the end. `after`: the position of the last one before.

    A position is the id of a like, negative for the others.
    """
    parameters = {"subject_id": subject_id, "among": list(first)}
    before, rows = MAX_ID, []
    if after is None or after > 0:
        if first:
            at = MAX_ID if after is None else after
            found = _likers(likes, _LIKERS_AMONG_SQL, **parameters, before=at, limit=limit)
            rows = [(user_id, like_id) for like_id, user_id in found]
    else:
        before = -after
    wanted = limit - len(rows)
    if wanted:
        found = _likers(likes, _OTHER_LIKERS_SQL, **parameters, before=before, limit=wanted)
        rows += [(user_id, -like_id) for like_id, user_id in found]
    return rows


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
    with transaction.atomic(using=router.db_for_write(likes)):
        # Locked by subject, as a walk over a user's likes does.
        some = rows.filter(subject_id__in=subject_ids).order_by("subject_id", "-pk")
        locked = list(some.select_for_update().values_list("pk", flat=True)[:limit])
        deleted, _ = rows.filter(pk__in=locked).delete()
    return deleted


def remove_likes_by(*, likes: Likes, user_id: int, limit: int) -> int:
    """Remove up to `limit` likes by a user, and change the counters; returns how many."""
    database = router.db_for_write(likes)
    with transaction.atomic(using=database):
        mine = likes._default_manager.select_for_update().filter(user_id=user_id)
        rows = list(mine.order_by("subject_id").values_list("pk", "subject_id", "is_shown")[:limit])
        likes._default_manager.filter(pk__in=[pk for pk, _, _ in rows]).delete()
        CounterChange.objects.using(database).bulk_create(
            CounterChange(subject_id=subject_id, delta=-1, actor_id=user_id)
            for _, subject_id, is_shown in rows
            if is_shown
        )
    return len(rows)
