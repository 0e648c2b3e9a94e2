"""What all tests share: one real stack for the session, on free ports, with its own folder.

Tests in the process (`django_db`) work on the stack's own databases, in a transaction that is
rolled back; tests that need commits (`committed`) and those over HTTP leave their rows behind and
use names of their own, so no test depends on another.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import randrange
from typing import Any

import django
import pytest
from django.db import OperationalError, connections

from devstack.layout import HOST
from devstack.lifecycle import Stack
from tests.support import environment
from tests.support.costs import counted_round_trips

_FOLDER = Path(tempfile.mkdtemp(prefix="socialfeed-tests-"))
MAIL_FOLDER = _FOLDER / "mail"
environment.set_up(
    _FOLDER,
    {
        "LOG_LEVEL": "WARNING",
        "OUTBOX_EXPORT_SECONDS": "0.5",
        # What a killed process had in hand is taken over soon.
        "OUTBOX_LEASE_SECONDS": "8",
        "RAISE_UNRECORDED_READS": "True",
        # A machine that is busy with tests may take longer than one that serves.
        "VALKEY_TIMEOUT_SECONDS": "2",
        # One address sends all requests. The limit of log-ins is a real one; tests/flows resets it.
        "RATE_LIMIT_IP": "100000/minute",
        "RATE_LIMIT_READ": "100000/minute",
        "RATE_LIMIT_WRITE": "100000/minute",
        "RATE_LIMIT_UPLOAD": "100000/minute",
        "RATE_LIMIT_SIGNUP": "100000/minute",
        "RATE_LIMIT_RESET": "100000/minute",
        "RATE_LIMIT_REFRESH": "100000/minute",
    },
)

django.setup()
# For the stack, whose logs a flow follows; what this process logs is as said above.
os.environ["LOG_LEVEL"] = "INFO"

ALL_DATABASES = ["default", "posts", "comments"]
_numbers = count(randrange(10**6) * 1000)


def pytest_configure() -> None:
    """Asked to end (a CI's time limit), take the stack down all the same."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Leave nothing behind, whether or not a test needed the stack."""
    shutil.rmtree(_FOLDER)


_measured: list[tuple[str, str]] = []


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Note a figure that a test has measured; all are printed at the end of the run."""
    return lambda figure: _measured.append((request.node.name, figure))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if _measured:
        terminalreporter.section("measured")
    for test, figure in sorted(_measured):
        terminalreporter.line(f"{test}: {figure}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in the process may use all three databases."""
    for item in items:
        if item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.django_db(databases=ALL_DATABASES), append=False)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole stack, up."""
    running = Stack.from_environ(os.environ)
    try:
        running.up()
        yield running
    finally:
        running.remove()


@pytest.fixture(scope="session")
def django_db_setup(stack: Stack) -> None:
    """The databases are the stack's own, migrated by `manage.py prepare`."""


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Database access whose writes are committed, so that the stack's processes see them."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def reconnect_after_test() -> Iterator[None]:
    """What this process is connected to may be killed; the tests after this one connect again."""
    yield
    connections.close_all()


@pytest.fixture
def paused_replay(committed: None) -> Iterator[Callable[[], None]]:
    """Pause the replica's replay of the primary's log; it goes on after the test."""

    def on_replica(sql: str) -> Any:
        # Another test may have killed the server that this was connected to.
        connections["posts_replica"].close()
        with connections["posts_replica"].cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    yield lambda: on_replica("SELECT pg_wal_replay_pause()")
    while on_replica("SELECT pg_is_wal_replay_paused()"):
        # What is replayed may cancel the very statement that lets it go on.
        with suppress(OperationalError):
            on_replica("SELECT pg_wal_replay_resume()")


@pytest.fixture
def fresh_sql_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process knows of no SQL server that is gone, and of nothing that others have written."""
    from core.sql import lsns, servers  # noqa: PLC0415

    monkeypatch.setattr(servers, "_servers", {})
    common = lsns._Common(read_at=time.monotonic() + 3600, lsns={})
    monkeypatch.setattr(lsns, "_common", common)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make a username that no other test has."""
    return lambda name: f"{name}_{next(_numbers)}"


@pytest.fixture
def person(unique: Callable[[str], str]) -> Callable[[str], int]:
    """Make an account with a unique name; returns its id. Needs `db` or `committed`."""
    from users.services import ensure_account  # noqa: PLC0415  (Django must be set up first)

    def make(name: str) -> int:
        username = unique(name)
        return ensure_account(username=username, email=f"{username}@example.org")[0]

    return make


@pytest.fixture
def alice(db: None, person: Callable[[str], int]) -> int:
    """The id of a user."""
    return person("alice")


@pytest.fixture
def bob(db: None, person: Callable[[str], int]) -> int:
    """The id of another user."""
    return person("bob")


@pytest.fixture
def api() -> Callable[[int], Any]:
    """A DRF client in the process, authenticated as the user of an id."""
    from rest_framework.test import APIClient  # noqa: PLC0415  (Django must be set up first)

    from core.http.callers import Caller  # noqa: PLC0415

    def client(user_id: int) -> APIClient:
        authenticated = APIClient()
        authenticated.force_authenticate(Caller(user_id))  # type: ignore[arg-type]
        return authenticated

    return client


@pytest.fixture
def round_trips() -> Iterator[Callable[[], int]]:
    """How many round trips to any Valkey this process has made since the test began."""
    with counted_round_trips() as costs:
        yield lambda: costs.round_trips


@pytest.fixture
def closed_cache(settings: Any) -> None:
    """A CACHE Valkey that is down: its address is a port that nobody listens on."""
    caches = {**settings.CACHES, "cache": {**settings.CACHES["cache"]}}
    caches["cache"]["LOCATION"] = f"redis://{HOST}:9/0"
    settings.CACHES = caches


@pytest.fixture
def closed_state(settings: Any) -> None:
    """A STATE Valkey that is down, likewise."""
    caches = {**settings.CACHES, "default": {**settings.CACHES["default"]}}
    caches["default"]["LOCATION"] = f"redis://{HOST}:9/0"
    settings.CACHES = caches
