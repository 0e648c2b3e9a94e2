"""What a transaction undoes outside its database when it is rolled back."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import psycopg2
import pytest
from django.db import OperationalError, connections, transaction

from core.sql.transactions import undo_on_rollback, undoable_transaction

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
