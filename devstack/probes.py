"""Probes: whether a service answers.

A probe is a function that takes the service's pid. It returns if the service answers, and raises
`NotReadyError` with the reason if not. It takes a few seconds at most.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import kombu.exceptions
import psycopg2
import redis
from celery import current_app

from devstack.errors import NotReadyError
from devstack.layout import HOST, POSTGRES_PASSWORD, POSTGRES_USER

Probe = Callable[[int], None]
# A service must answer within so many seconds.
SECONDS_TO_ANSWER = 2
# Less for a worker: a ping before it listens is lost, and the next one should follow soon.
SECONDS_TO_PONG = 0.5
# Ignores a proxy in the environment, which cannot reach loopback addresses.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


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
        try:
            row = query(port, sql)
        except psycopg2.Error as error:
            raise NotReadyError(str(error).strip()) from error
        if row != (True,):
            raise NotReadyError(problem)

    return probe


def valkey(port: int) -> Probe:
    """Probe: Valkey answers PING. It does not while it loads its data."""

    def probe(pid: int) -> None:
        client = redis.Redis(
            host=HOST,
            port=port,
            socket_timeout=SECONDS_TO_ANSWER,
            socket_connect_timeout=SECONDS_TO_ANSWER,
        )
        try:
            with client:
                client.ping()
        except redis.RedisError as error:
            raise NotReadyError(str(error)) from error

    return probe


def http_answer(url: str, *, expect: frozenset[int]) -> Probe:
    """Probe: a server answers GET with one of the expected status codes."""

    def probe(pid: int) -> None:
        try:
            with _DIRECT.open(url, timeout=SECONDS_TO_ANSWER) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            with error:
                status = error.code
        except (OSError, http.client.HTTPException) as error:
            raise NotReadyError(f"{url}: {error}") from error
        if status not in expect:
            raise NotReadyError(f"{url} answers {status}")

    return probe


def celery_worker(hostname: str, broker_url: str) -> Probe:
    """Probe: a worker replies to a ping through the broker."""
    # Without these limits, it would wait for a broker that is down.
    options = {"max_retries": 1, "interval_start": 0}

    def probe(pid: int) -> None:
        try:
            with current_app.connection(broker_url, transport_options=options) as connection:
                replies = current_app.control.ping(
                    destination=[hostname], timeout=SECONDS_TO_PONG, connection=connection
                )
        except (OSError, redis.RedisError, kombu.exceptions.KombuError) as error:
            raise NotReadyError(f"broker: {error}") from error
        if not replies:
            raise NotReadyError("does not reply to a ping")

    return probe


def celery_beat(pid_file: Path) -> Probe:
    """Probe: beat has written its pid, which it does just before it begins to schedule."""

    def probe(pid: int) -> None:
        if not pid_file.exists() or pid_file.read_text().strip() != str(pid):
            raise NotReadyError("does not schedule yet")

    return probe
