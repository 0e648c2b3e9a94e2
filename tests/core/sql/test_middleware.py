"""Which servers a request reads from, and what requests and tasks note when they write."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Task, shared_task
from django.db import OperationalError, connections
from django.http import HttpRequest, HttpResponse
from kombu.exceptions import OperationalError as BrokerError
from psycopg2.errors import SerializationFailure

from core.http.callers import Caller
from core.sql import (
    ConsistencyMiddleware,
    lsns,
    middleware,
    note_reader,
    replica_reads,
    servers,
    statements,
    wal,
)
from core.sql.lsns import lsn_key
from core.sql.middleware import NotedTask
from core.valkey import state_valkey
from tests.core.sql.conftest import read_alias

pytestmark = pytest.mark.usefixtures("committed", "fresh_sql_state")


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
def test_a_request_that_writes_stores_its_lsn_and_answers_a_token(
    sql: str, is_noted: bool, user_id: int
) -> None:
    before = wal.server_lsn("posts")
    response = ConsistencyMiddleware(lambda request: write(sql))(request("POST", user_id))
    token = response.headers.get(lsns.TOKEN_HEADER)
    stored = lsns.required_lsns(user_id=user_id)
    assert stored is not None
    assert (token is not None) == is_noted == (stored.own.get("posts", 0) >= before)
    if token is not None:
        assert lsns.lsns_in(token) == stored.own


def test_a_token_comes_with_the_request(settings: Any, replica_is_behind: int) -> None:
    settings.API_ROLE = "read"
    middleware = ConsistencyMiddleware(lambda request: HttpResponse(read_alias()))
    token = lsns.token_of({"posts": replica_is_behind})
    assert middleware(request(CONSISTENCY_TOKEN=token)).text == "posts"


@pytest.fixture
def lost_session() -> Iterator[Callable[[str], None]]:
    """End this thread's session on a server, as if the server went down."""

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


def test_a_query_in_conflict_with_replay_is_done_again_by_the_primary(settings: Any) -> None:
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


@shared_task
def write_and_fail(*, fails: bool, **kwargs: Any) -> None:
    """Commit something, and then perhaps fail."""
    with connections["posts"].cursor() as cursor:
        cursor.execute("UPDATE posts_post SET caption = '' WHERE id = 0")
    if fails:
        raise ValueError("after its commit")


@pytest.mark.parametrize("fails", [False, True])
def test_what_a_task_writes_everybody_sees(fails: bool) -> None:
    assert isinstance(write_and_fail, NotedTask)
    before = wal.server_lsn("posts")
    if fails:
        with pytest.raises(ValueError, match="after its commit"):
            write_and_fail(fails=True)
    else:
        write_and_fail(fails=False)
    common = state_valkey().get(lsn_key("everybody", "posts"))
    assert int(common or 0) >= before


@pytest.mark.parametrize(("seconds", "sent"), [(0.0, 2), (0.06, 1)], ids=["refuses", "is silent"])
def test_a_broker_that_did_not_answer_is_not_asked_again_at_once(
    seconds: float, sent: int, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    asked: list[int] = []

    def fail(*args: Any, **options: Any) -> None:
        asked.append(1)
        time.sleep(seconds)
        raise BrokerError("no answer")

    settings.API_ROLE = "write"
    monkeypatch.setattr(Task, "apply_async", fail)
    monkeypatch.setattr(middleware, "SECONDS_TO_SEND", 0.1)
    monkeypatch.setattr(middleware, "_silence", middleware._Silence())
    for _ in range(2):
        with pytest.raises(BrokerError):
            write_and_fail.apply_async(kwargs={"fails": False})
    assert len(asked) == sent
    settings.API_ROLE = "all"
    with pytest.raises(BrokerError, match="no answer"):
        write_and_fail.apply_async(kwargs={"fails": False})  # beat and workers go on
    settings.API_ROLE = "write"
    middleware._silence.until -= middleware.SECONDS_OF_SILENCE
    with pytest.raises(BrokerError, match="no answer"):
        write_and_fail.apply_async(kwargs={"fails": False})


def test_what_was_read_on_the_primary_is_required_of_the_replica_later(
    settings: Any, user_id: int
) -> None:
    settings.API_ROLE = "read"

    def view(request: HttpRequest) -> HttpResponse:
        note_reader(user_id=user_id)
        read_alias()
        return HttpResponse()

    ConsistencyMiddleware(view)(request())
    found = lsns.required_lsns(user_id=user_id)
    assert found is not None
    assert not found.seen, "it was the reader's own replica"
    servers.note_down("posts_replica", OperationalError("gone"))
    before = wal.server_lsn("posts")
    ConsistencyMiddleware(view)(request())
    found = lsns.required_lsns(user_id=user_id)
    assert found is not None
    assert found.seen["posts"] >= before
    assert not found.own
