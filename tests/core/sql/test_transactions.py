"""What a transaction undoes when it is rolled back; what is written beside it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg2
import pytest
from django.db import OperationalError, connections, transaction

from core.sql import connections as sql_connections
from core.sql.transactions import beside_transaction, undo_on_rollback, undoable_transaction
from users.models import User

pytestmark = pytest.mark.usefixtures("committed")


def fail_inside(opened: AbstractContextManager[None], undo: Callable[[], None]) -> None:
    """Register what to undo, and fail."""
    with opened:
        undo()
        raise KeyError


def test_a_rollback_undoes_in_reverse_order() -> None:
    undone: list[str] = []

    def note(*, value: str) -> None:
        undone.append(value)

    def undo() -> None:
        assert transaction.get_connection("posts").in_atomic_block
        for value in ("first", "second"):
            undo_on_rollback("posts", note, value=value)

    with pytest.raises(KeyError):
        fail_inside(undoable_transaction("posts"), undo)
    assert undone == ["second", "first"]


def test_a_commit_undoes_nothing() -> None:
    with undoable_transaction("posts"):
        undo_on_rollback("posts", pytest.fail, reason="it has committed")


def test_nothing_is_undone_outside_of_it_or_in_another_database() -> None:
    def in_posts() -> None:
        undo_on_rollback("posts", pytest.fail, reason="this is no undoable transaction on posts")

    in_posts()
    for opened in (undoable_transaction("comments"), transaction.atomic(using="posts")):
        with pytest.raises(KeyError):
            fail_inside(opened, in_posts)


def lose_the_connection_before_the_commit(undone: list[str]) -> None:
    with undoable_transaction("posts"):
        undo_on_rollback("posts", undone.clear)
        with connections["posts"].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other = psycopg2.connect(**connections["posts"].get_connection_params())
        with other, other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        other.close()


@pytest.mark.usefixtures("reconnect_after_test")
def test_nothing_is_undone_when_the_commit_may_have_happened() -> None:
    stored = ["an object"]
    with pytest.raises(OperationalError):
        lose_the_connection_before_the_commit(stored)
    assert stored == ["an object"]


def test_what_is_written_beside_a_transaction_is_committed_at_once_and_stays(
    person: Callable[[str], int],
) -> None:
    """Inside of one, on a connection of its own, which is closed; else on the thread's."""
    ids = [person("ada") for _ in range(2)]
    sql = "UPDATE users_user SET bio = 'beside' WHERE id = %s"
    with beside_transaction("default") as cursor:
        assert cursor.db is connections["default"]
        cursor.execute(sql, [ids[0]])
    with transaction.atomic(using="default"):
        with beside_transaction("default") as cursor:
            beside = cursor.db
            cursor.execute(sql, [ids[1]])
        assert beside is not connections["default"]
        assert beside.connection is None
        assert User.objects.filter(pk__in=ids, bio="beside").count() == 2
        transaction.set_rollback(True, using="default")
    assert User.objects.filter(pk__in=ids, bio="beside").count() == 2
    assert vars(sql_connections._opened)["default"] is connections["default"]
