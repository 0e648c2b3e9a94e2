"""Which server a read goes to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import OperationalError, connections
from django.http import HttpRequest, HttpResponse
from psycopg2.errors import SerializationFailure

from comments.models import Comment
from core.http.callers import Caller
from core.outbox.models import OutboxEvent
from core.sql import (
    ConsistencyMiddleware,
    DatabaseRouter,
    all_found,
    first_found,
    lsns,
    note_reader,
    primary_reads,
    replica_reads,
    servers,
    statements,
)
from media.models import Media
from posts.models import Post
from tests.conftest import ALL_DATABASES
from tests.support.client import wait_until
from usergraph.models import Follow

User = get_user_model()
HOMES = {User: "default", Follow: "default", Post: "posts", Media: "posts", Comment: "comments"}
_user = count(10**15)

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


@pytest.fixture
def user_id() -> int:
    return next(_user)


@pytest.fixture
def replica_is_behind(paused_replay: Callable[[], None]) -> int:
    """The replica replays nothing more; an LSN that it will not reach."""
    paused_replay()
    with connections["posts"].cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'test', 'later')")
    return lsns.server_lsn("posts")


def read_alias() -> str:
    return DatabaseRouter().db_for_read(Post)


@pytest.mark.parametrize(("model", "home"), HOMES.items(), ids=str)
def test_each_app_has_its_database(model: Any, home: str) -> None:
    router = DatabaseRouter()
    assert router.db_for_write(model) == home
    assert router.db_for_read(model) == home
    with replica_reads():
        assert router.db_for_write(model) == home
        wait_until(lambda: lsns.required_lsns(user_id=None) is not None, 5)


def test_tables_are_made_where_they_belong_and_never_on_a_replica() -> None:
    router = DatabaseRouter()
    for app in [config.label for config in apps.get_app_configs()]:
        homes = [db for db in ALL_DATABASES if router.allow_migrate(db, app)]
        everywhere = app in {"core", OutboxEvent._meta.app_label}
        assert len(homes) == (3 if everywhere else 1), app
        assert not any(router.allow_migrate(f"{db}_replica", app) for db in ALL_DATABASES)


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
    assert source(next(_user)) == "posts_replica", "others go on reading from the replica"
    with connections["posts_replica"].cursor() as cursor:
        cursor.execute("SELECT pg_wal_replay_resume()")
    wait_until(lambda: source(user_id) == "posts_replica", 10)


def test_a_token_stands_for_what_its_client_has_written(
    user_id: int, replica_is_behind: int
) -> None:
    def source(token: str) -> str:
        with replica_reads(token=token):
            return read_alias()

    token = lsns.token_of({"posts": replica_is_behind})
    assert source(token) == "posts"
    assert source(lsns.token_of({"posts": 1})) == "posts_replica"
    assert source(token[:-1]) == "posts", "who cannot say what they have written gets it all"


def test_a_request_reads_all_of_a_database_from_one_server(
    user_id: int, replica_is_behind: int
) -> None:
    with replica_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts_replica"
        lsns.store_lsns({"posts": replica_is_behind}, user_id=user_id)
        assert read_alias() == "posts_replica"


def test_the_question_is_asked_once_a_request_and_only_if_sql_is_read(
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
    """Let a server refuse connections; the attempts."""

    def refuse(alias: str) -> list[int]:
        attempts: list[int] = []

        def fail() -> None:
            attempts.append(1)
            raise OperationalError("connection refused")

        monkeypatch.setattr(connections[alias], "ensure_connection", fail)
        return attempts

    return refuse


def test_a_replica_that_is_down_is_left_alone(refused: Callable[[str], list[int]]) -> None:
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


def test_while_the_primary_is_down_its_replica_does_and_it_is_told() -> None:
    servers.note_down("posts", OperationalError("gone"))
    with replica_reads(), primary_reads() as outer:
        with primary_reads() as inner:
            assert read_alias() == "posts_replica"
        assert inner is outer
        assert not outer.are_fresh


def test_even_then_nobody_misses_what_they_wrote(user_id: int, replica_is_behind: int) -> None:
    lsns.store_lsns({"posts": replica_is_behind}, user_id=user_id)
    servers.note_down("posts", OperationalError("gone"))
    with replica_reads(), primary_reads():
        note_reader(user_id=user_id)
        assert read_alias() == "posts"


def test_what_only_others_wrote_is_missed_rather_than_nothing_answered(
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


# --- around a request ---------------------------------------------------------------------------


def request(method: str = "GET", user_id: int | None = None, **headers: str) -> HttpRequest:
    made = HttpRequest()
    made.method = method
    made.META |= {f"HTTP_{name}": value for name, value in headers.items()}
    if user_id is not None:
        made.user = Caller(user_id)  # type: ignore[assignment]
    return made


@pytest.mark.parametrize(
    ("role", "alias"), [("read", "posts_replica"), ("write", "posts"), ("all", "posts")]
)
def test_only_the_read_api_reads_from_replicas(role: str, alias: str, settings: Any) -> None:
    settings.API_ROLE = role
    middleware = ConsistencyMiddleware(lambda request: HttpResponse(read_alias()))
    assert middleware(request()).text == alias


def write(sql: str) -> HttpResponse:
    with connections["posts"].cursor() as cursor:
        cursor.execute(sql)
    return HttpResponse()


@pytest.mark.parametrize(
    ("sql", "is_noted"),
    [
        ("UPDATE posts_post SET caption = '' WHERE id = 0", True),
        ("WITH one AS (DELETE FROM posts_post WHERE id = 0 RETURNING id) SELECT 1", True),
        ("SELECT 1", False),
    ],
)
def test_a_request_that_writes_says_how_far_and_its_caller_waits_for_it(
    sql: str, is_noted: bool, user_id: int
) -> None:
    before = lsns.server_lsn("posts")
    response = ConsistencyMiddleware(lambda request: write(sql))(request("POST", user_id))
    token = response.headers.get(lsns.TOKEN_HEADER)
    kept = lsns.required_lsns(user_id=user_id)
    assert kept is not None
    assert (token is not None) == is_noted == (kept.own.get("posts", 0) >= before)
    if token is not None:
        assert lsns.lsns_in(token) == kept.own


def test_a_token_comes_with_the_request(settings: Any, replica_is_behind: int) -> None:
    settings.API_ROLE = "read"
    middleware = ConsistencyMiddleware(lambda request: HttpResponse(read_alias()))
    token = lsns.token_of({"posts": replica_is_behind})
    assert middleware(request(CONSISTENCY_TOKEN=token)).text == "posts"


@pytest.fixture
def lost_session() -> Iterator[Callable[[str], None]]:
    """End this thread's session on a server, as a server that goes down does."""

    def end(alias: str) -> None:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            (pid,) = cursor.fetchone()
        other = connections[alias].copy()
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
        other.close()

    yield end
    connections.close_all()


def query(alias: str) -> HttpResponse:
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse(alias)


def test_a_read_whose_replica_goes_is_done_again_by_the_primary(
    settings: Any, lost_session: Callable[[str], None]
) -> None:
    settings.API_ROLE = "read"
    lost_session("posts_replica")
    answers = []

    def view(request: HttpRequest) -> HttpResponse:
        try:
            answers.append(query(read_alias()))
        except OperationalError:
            answers.append(HttpResponse(status=503))
        return answers[-1]

    response = ConsistencyMiddleware(view)(request())
    assert [answer.status_code for answer in answers] == [503, 200]
    assert response.text == "posts"


def test_a_query_that_is_in_the_replicas_way_is_done_again_by_the_primary(settings: Any) -> None:
    settings.API_ROLE = "read"
    asked = []

    def view(request: HttpRequest) -> HttpResponse:
        asked.append(read_alias())
        if asked == ["posts_replica"]:
            error = OperationalError("canceling statement due to conflict with recovery")
            error.__cause__ = SerializationFailure()
            statements.note_failure("posts_replica", error)
            return HttpResponse(status=503)
        return HttpResponse()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SerializationFailure, "pgcode", "40001")
        assert ConsistencyMiddleware(view)(request()).status_code == 200
    assert asked == ["posts_replica", "posts"]
    assert servers.answers("posts_replica")


def test_an_error_of_the_query_itself_is_not_the_servers(settings: Any) -> None:
    settings.API_ROLE = "read"
    calls = []

    def view(request: HttpRequest) -> HttpResponse:
        calls.append(1)
        with connections[read_alias()].cursor() as cursor:
            cursor.execute("SET statement_timeout = 1")
            try:
                cursor.execute("SELECT pg_sleep(1)")
            except OperationalError:
                return HttpResponse(status=503)
            finally:
                connections["posts_replica"].close()
        raise AssertionError("not cancelled")

    assert ConsistencyMiddleware(view)(request()).status_code == 503
    assert len(calls) == 1
    with replica_reads():
        assert read_alias() == "posts_replica"
