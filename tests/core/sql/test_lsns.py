"""LSNs: how far a primary's log has come, stored for each user who has written."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from django.db import OperationalError, connections

from core.sql import lsns, wal
from core.sql.lsns import lsn_key, lsns_in, required_lsns, store_lsns, token_of
from core.sql.wal import UNKNOWN
from core.valkey import state_valkey
from tests.core.sql.conftest import new_user_id
from tests.support.client import wait_until

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


@pytest.fixture
def common_not_read(fresh_sql_state: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process has not read the common LSNs yet."""
    monkeypatch.setattr(lsns, "_common", lsns._Common())


def own(user_id: int) -> dict[str, int]:
    """The LSNs that are stored for the user."""
    found = required_lsns(user_id=user_id)
    assert found is not None
    return found.own


def test_an_lsn_grows_with_each_commit() -> None:
    before = wal.server_lsn("posts")
    with connections["posts"].cursor() as cursor:
        cursor.execute("UPDATE posts_post SET caption = '' WHERE id = 0")
        assert wal.server_lsn("posts") >= before
        cursor.execute("SELECT pg_logical_emit_message(true, 'test', 'text')")
    assert wal.server_lsn("posts") > before


def test_of_concurrent_requests_the_highest_lsn_counts(user_id: int) -> None:
    reached = list(range(2**53, 2**53 + 200))
    Random(1).shuffle(reached)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda lsn: store_lsns({"posts": lsn}, user_id=user_id), reached))
    assert own(user_id) == {"posts": 2**53 + 199}


def test_an_lsn_is_stored_much_longer_than_a_replica_may_lag(user_id: int, settings: Any) -> None:
    store_lsns({"posts": 7}, user_id=user_id)
    seconds = state_valkey().ttl(lsn_key(user_id, "posts"))
    assert seconds == settings.LSN_SECONDS >= 10 * settings.REPLICA_MAX_LAG


def test_a_token_is_decoded_and_a_forged_one_is_refused(settings: Any) -> None:
    reached = {"default": 2**62, "posts": 1}
    token = token_of(reached)
    assert lsns_in(token) == reached
    for forged in ("", "posts:1", token[:-2], "x" + token, token.replace("posts", "other")):
        assert lsns_in(forged) is None
    settings.LSN_SECONDS = -1
    assert lsns_in(token) == {}, "every replica in rotation has what is so old"


@pytest.mark.usefixtures("common_not_read")
def test_what_is_written_to_the_users_database_everybody_sees_within_a_second(
    user_id: int,
) -> None:
    reached = wal.server_lsn("default")
    store_lsns({"default": reached, "posts": UNKNOWN - 1}, user_id=user_id)

    def common() -> dict[str, int]:
        found = required_lsns(user_id=new_user_id())
        assert found is not None
        return found.common

    wait_until(lambda: common().get("default", 0) >= reached, 1)
    assert common().get("posts", 0) < UNKNOWN - 1


@pytest.mark.usefixtures("common_not_read")
def test_the_common_lsns_cost_a_process_a_round_trip_twice_a_second(
    user_id: int, round_trips: Callable[[], int]
) -> None:
    for _ in range(10):
        required_lsns(user_id=None)
    assert round_trips() == 1
    required_lsns(user_id=user_id)
    assert round_trips() == 2


def test_state_is_down(user_id: int, closed_state: None) -> None:
    store_lsns({"posts": 7}, user_id=user_id)
    assert required_lsns(user_id=user_id) is None


def test_a_connection_that_dies_after_its_commit_is_opened_again(user_id: int) -> None:
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connections["posts"].copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
    assert 0 < lsns.lsns_after_commit(["posts"])["posts"] < UNKNOWN


def test_a_primary_that_goes_after_its_commit_leaves_an_lsn_that_no_replica_has(
    monkeypatch: pytest.MonkeyPatch, user_id: int
) -> None:
    """Only for its user, and only for a while."""

    def fail() -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(connections["posts"], "ensure_connection", fail)
    connections["posts"].close()
    reached = lsns.lsns_after_commit(["posts"])
    assert reached == {"posts": UNKNOWN}
    store_lsns(reached, user_id=user_id)
    assert own(user_id) == reached
    state_valkey().expire(lsn_key(user_id, "posts"), 7)
    store_lsns({"posts": 8, "default": 9}, user_id=user_id)
    assert own(user_id) == {"posts": UNKNOWN, "default": 9}
    assert state_valkey().ttl(lsn_key(user_id, "posts")) <= 7, "it does not live longer"
    before = state_valkey().get(lsn_key("everybody", "posts"))
    store_lsns(reached, user_id=None)
    assert state_valkey().get(lsn_key("everybody", "posts")) == before


@pytest.fixture
def full_state() -> Iterator[None]:
    """A STATE Valkey that takes no writes."""
    state_valkey().config_set("maxmemory", 1)
    yield
    state_valkey().config_set("maxmemory", 0)


@pytest.mark.usefixtures("full_state")
def test_a_full_state_does_not_fail_a_write_that_is_done(user_id: int) -> None:
    store_lsns({"posts": 7}, user_id=user_id)
    assert own(user_id) == {}
