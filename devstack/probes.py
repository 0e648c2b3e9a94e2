"""Probes: whether a service answers.

A probe is a function that takes the service's pid. It returns if the service answers, and raises
one of `NOT_READY` with the reason if not. It takes a few seconds at most.
"""

import http.client
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import kombu.exceptions
import psycopg2
import redis
from celery import current_app
from redis.backoff import NoBackoff
from redis.retry import Retry

from devstack.layout import HOST, POSTGRES_PASSWORD, POSTGRES_USER
from devstack.urls import sentinels_of


class NotReadyError(Exception):
    """A service does not do its work, or not yet. The message says why."""


Probe = Callable[[int], None]
NOT_READY = (
    *(NotReadyError, OSError, http.client.HTTPException),
    *(psycopg2.Error, redis.RedisError, kombu.exceptions.KombuError),
)
# A service must answer within so many seconds.
SECONDS_TO_ANSWER = 2
# Less for a worker: a ping before it listens is lost, and the next one should follow soon.
SECONDS_TO_PONG = 0.5


def connect(port: int, database: str = "postgres") -> psycopg2.extensions.connection:
    """Connect to a bundled PostgreSQL, as its superuser, in autocommit mode."""
    connection = psycopg2.connect(
        host=HOST,
        port=port,
        dbname=database,
        user=POSTGRES_USER,
        password=POSTGRES_PASSWORD,
        connect_timeout=SECONDS_TO_ANSWER,
        options=f"-c statement_timeout={SECONDS_TO_ANSWER}s",
        application_name="stack",
    )
    connection.autocommit = True
    return connection


def query(port: int, sql: str) -> tuple[Any, ...]:
    """The first row that a statement returns, or an empty tuple."""
    with closing(connect(port)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() or ()


# What a server of each role answers with true, and what is wrong if it does not.
_POSTGRES_CHECKS = {
    "primary": ("SELECT NOT pg_is_in_recovery()", "is a replica, not a primary"),
    "replica": (
        "SELECT pg_is_in_recovery() AND status = 'streaming' FROM pg_stat_wal_receiver",
        "does not stream from the primary",
    ),
}


def postgres(port: int, role: str) -> Probe:
    """Probe: PostgreSQL is a primary, which accepts writes; or a replica that gets its log."""
    sql, problem = _POSTGRES_CHECKS[role]

    def probe(pid: int) -> None:
        if query(port, sql) != (True,):
            raise NotReadyError(problem)

    return probe


def valkey(port: int) -> Probe:
    """Probe: Valkey answers PING. It does not while it loads its data."""

    def probe(pid: int) -> None:
        timeout = SECONDS_TO_ANSWER
        with redis.Redis(
            host=HOST, port=port, socket_timeout=timeout, socket_connect_timeout=timeout
        ) as client:
            client.ping()

    return probe


def http_answer(port: int, path: str, *, expect: frozenset[int] = frozenset({200})) -> Probe:
    """Probe: a server answers GET with one of the expected status codes."""

    def probe(pid: int) -> None:
        connection = http.client.HTTPConnection(HOST, port, timeout=SECONDS_TO_ANSWER)
        with closing(connection):
            connection.request("GET", path)
            status = connection.getresponse().status
        if status not in expect:
            raise NotReadyError(f"{path} answers {status}")

    return probe


def celery_worker(hostname: str, broker_url: str) -> Probe:
    """Probe: a worker replies to a ping through the broker."""
    # Without these limits, it would wait for a broker that is down.
    options: dict[str, Any] = {"max_retries": 1, "interval_start": 0}
    if sentinels := sentinels_of(broker_url):
        broker_url = sentinels.broker_url
        options |= {
            "master_name": sentinels.name,
            "sentinel_kwargs": {
                "password": sentinels.password,
                "socket_connect_timeout": SECONDS_TO_PONG,
                "socket_timeout": SECONDS_TO_PONG,
                "retry": Retry(NoBackoff(), 0),
            },
        }

    def probe(pid: int) -> None:
        with current_app.connection(broker_url, transport_options=options) as connection:
            replies = current_app.control.ping(
                destination=[hostname], timeout=SECONDS_TO_PONG, connection=connection
            )
        if not replies:
            raise NotReadyError("does not reply to a ping")

    return probe


def celery_beat(pid_file: Path) -> Probe:
    """Probe: beat has written its pid, which it does just before it begins to schedule."""

    def probe(pid: int) -> None:
        if not pid_file.exists() or pid_file.read_text().strip() != str(pid):
            raise NotReadyError("does not schedule yet")

    return probe
