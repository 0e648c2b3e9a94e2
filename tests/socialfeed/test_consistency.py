"""Which server a read goes to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections
from django.http import HttpRequest, HttpResponse

from comments.models import Comment
from fanout.models import OutboxEvent
from media.models import Media
from posts.models import Post
from socialfeed.common import consistency
from socialfeed.common.callers import Caller
from socialfeed.common.consistency import (
    ConsistencyMiddleware,
    DatabaseRouter,
    all_found,
    first_found,
    note_reader,
    note_write,
    primary_reads,
    replica_reads,
)
from socialfeed.common.valkey import ValkeyUnavailable
from tests.conftest import ALL_DATABASES
from usergraph.models import Follow

pytestmark = pytest.mark.usefixtures("committed")

User = get_user_model()
HOMES = {User: "default", Follow: "default", Post: "posts", Media: "posts", Comment: "comments"}
_user = iter(range(10**15, 10**16))


@pytest.fixture
def user_id() -> int:
    return next(_user)


def read_alias() -> str:
    return DatabaseRouter().db_for_read(Post)


@pytest.mark.parametrize(("model", "home"), HOMES.items(), ids=str)
def test_each_app_has_its_database(model: Any, home: str) -> None:
    router = DatabaseRouter()
    assert router.db_for_write(model) == home
    assert router.db_for_read(model) == home
    with replica_reads():
        assert router.db_for_read(model) == f"{home}_replica"
        assert router.db_for_write(model) == home


def test_tables_are_made_where_they_belong_and_never_on_a_replica() -> None:
    router = DatabaseRouter()
    for app in [config.label for config in apps.get_app_configs()]:
        homes = [db for db in ALL_DATABASES if router.allow_migrate(db, app)]
        everywhere = app in {"socialfeed", OutboxEvent._meta.app_label}
        assert len(homes) == (3 if everywhere else 1), app
        assert not any(router.allow_migrate(f"{db}_replica", app) for db in ALL_DATABASES)


def test_who_has_written_reads_from_the_primary_for_a_while(user_id: int) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts_replica"
    note_write(user_id=user_id)
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts"
        note_reader(user_id=next(_user))
        assert read_alias() == "posts_replica", "others go on reading from the replica"


def test_the_question_is_asked_once_a_request_and_only_if_sql_is_read(
    user_id: int, round_trips: Callable[[], int]
) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert round_trips() == 0
        read_alias()
        read_alias()
        assert round_trips() == 1


def test_reads_go_to_the_primary_while_state_is_down(
    user_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def state_valkey() -> Any:
        raise ValkeyUnavailable[0]("down")

    monkeypatch.setattr(consistency, "state_valkey", state_valkey)
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts"
    note_write(user_id=user_id)


def test_a_replica_that_is_down_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    attempts = []

    def refuse() -> None:
        attempts.append(1)
        raise OperationalError("connection refused")

    monkeypatch.setattr(connections["posts_replica"], "ensure_connection", refuse)
    monkeypatch.setattr(consistency, "_left_alone_until", {})
    with replica_reads():
        assert read_alias() == "posts"
        assert read_alias() == "posts"
        assert len(attempts) == 1
        assert DatabaseRouter().db_for_read(User) == "default_replica", "the others are up"
        monkeypatch.setattr(consistency, "_left_alone_until", {})
        monkeypatch.undo()
        assert read_alias() == "posts_replica"


def test_a_block_can_insist_on_the_primary() -> None:
    with replica_reads():
        with primary_reads():
            assert read_alias() == "posts"
        assert read_alias() == "posts_replica"


@pytest.mark.parametrize(
    ("role", "alias"), [("read", "posts_replica"), ("write", "posts"), ("all", "posts")]
)
def test_only_the_read_api_reads_from_replicas(role: str, alias: str, settings: Any) -> None:
    settings.API_ROLE = role
    request = HttpRequest()
    request.method = "GET"
    middleware = ConsistencyMiddleware(lambda request: HttpResponse(read_alias()))
    assert middleware(request).text == alias


@pytest.mark.parametrize(("method", "sticks"), [("POST", True), ("DELETE", True), ("GET", False)])
def test_a_write_request_sticks_its_caller_to_the_primary(
    method: str, sticks: bool, user_id: int
) -> None:
    request = HttpRequest()
    request.method = method
    request.user = Caller(user_id)  # type: ignore[assignment]
    ConsistencyMiddleware(lambda request: HttpResponse())(request)
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == ("posts" if sticks else "posts_replica")


def test_what_a_replica_lacks_is_asked_of_the_primary() -> None:
    rows = {"posts_replica": {1: "old"}, "posts": {1: "new", 2: "newer"}}

    def read(ids: Sequence[int]) -> dict[int, str]:
        return {id_: rows[read_alias()][id_] for id_ in ids if id_ in rows[read_alias()]}

    with replica_reads():
        assert all_found(read, [1, 2, 3]) == {1: "old", 2: "newer"}
        assert first_found(lambda: read([2]).get(2)) == "newer"
        assert first_found(lambda: read([3]).get(3)) is None
