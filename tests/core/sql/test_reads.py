"""Which server a read goes to."""

from collections.abc import Callable, Sequence

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections

from core.sql import (
    DatabaseRouter,
    all_found,
    first_found,
    lsns,
    note_reader,
    primary_reads,
    replica_reads,
    servers,
)
from tests.core.sql.conftest import new_user_id, read_alias
from tests.support.client import wait_until

User = get_user_model()
pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


def test_who_has_written_reads_from_the_primary_until_the_replica_has_it(
    user_id: int, replica_is_behind: int
) -> None:
    def source(reader_id: int) -> str:
        with replica_reads():
            note_reader(user_id=reader_id)
            return read_alias()

    assert source(user_id) == "posts_replica"
    lsns.store_lsns({"posts": replica_is_behind}, user_id=user_id)
    assert source(user_id) == "posts"
    assert source(new_user_id()) == "posts_replica", "others go on reading from the replica"
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SELECT pg_wal_replay_resume()")
    wait_until(lambda: source(user_id) == "posts_replica")


def test_a_token_says_what_its_client_has_written(user_id: int, replica_is_behind: int) -> None:
    def source(token: str) -> str:
        with replica_reads(token=token):
            return read_alias()

    token = lsns.token_of({"posts": replica_is_behind})
    assert source(token) == "posts"
    assert source(lsns.token_of({"posts": 1})) == "posts_replica"
    assert source(token[:-1]) == "posts", "a broken token may mean any write"


def test_a_request_reads_all_of_a_database_from_one_server(
    user_id: int, replica_is_behind: int
) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts_replica"
        lsns.store_lsns({"posts": replica_is_behind}, user_id=user_id)
        assert read_alias() == "posts_replica"


def test_lsns_are_read_once_a_request_and_only_if_sql_is_read(
    user_id: int, round_trips: Callable[[], int]
) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert round_trips() == 0
        read_alias()
        read_alias()
        DatabaseRouter().db_for_read(User)
        assert round_trips() == 1


def test_reads_go_to_the_primary_while_state_is_down(user_id: int, closed_state: None) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts"


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Let a server refuse connections; returns its attempts."""

    def refuse(alias: str) -> list[int]:
        attempts: list[int] = []

        def fail() -> None:
            attempts.append(1)
            raise OperationalError("connection refused")

        monkeypatch.setattr(connections[alias], "ensure_connection", fail)
        return attempts

    return refuse


def test_a_replica_that_is_down_is_not_tried_again(refused: Callable[[str], list[int]]) -> None:
    attempts = refused("posts_replica")
    for _ in range(3):
        with replica_reads():
            assert read_alias() == "posts"
    assert len(attempts) == 1


def test_a_block_can_insist_on_the_primary() -> None:
    with replica_reads():
        with primary_reads() as reads:
            assert read_alias() == "posts"
        assert reads.are_fresh
        assert read_alias() == "posts_replica"


def test_while_the_primary_is_down_its_replica_answers_and_may_be_stale() -> None:
    servers.note_down("posts", OperationalError("gone"))
    with replica_reads(), primary_reads() as outer:
        with primary_reads() as inner:
            assert read_alias() == "posts_replica"
        assert inner is outer
        assert not outer.are_fresh


def test_even_then_nobody_misses_their_own_writes(user_id: int, replica_is_behind: int) -> None:
    lsns.store_lsns({"posts": replica_is_behind}, user_id=user_id)
    servers.note_down("posts", OperationalError("gone"))
    with replica_reads(), primary_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts"


def test_while_the_primary_is_down_writes_of_others_may_be_missing(
    replica_is_behind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lsns._common, "lsns", {"posts": replica_is_behind})
    with replica_reads():
        assert read_alias() == "posts"
    servers.note_down("posts", OperationalError("gone"))
    with replica_reads():
        assert read_alias() == "posts_replica"


def test_who_writes_never_reads_from_a_replica() -> None:
    servers.note_down("posts", OperationalError("gone"))
    with primary_reads() as reads:
        assert read_alias() == "posts"
    assert reads.are_fresh


def test_what_a_replica_lacks_is_asked_of_the_primary() -> None:
    rows = {"posts_replica": {1: "old"}, "posts": {1: "new", 2: "newer"}}

    def read(ids: Sequence[int]) -> dict[int, str]:
        return {id_: rows[read_alias()][id_] for id_ in ids if id_ in rows[read_alias()]}

    with replica_reads():
        assert all_found(read, [1, 2, 3]) == {1: "old", 2: "newer"}
        assert first_found(lambda: read([2]).get(2)) == "newer"
        assert first_found(lambda: read([3]).get(3)) is None
