"""Fixtures of all tests: one real stack per session, on free ports, in a temporary folder.

Tests marked `django_db` run in this process, on the stack's databases, in a transaction that is
rolled back. Tests that commit (`committed`) and tests over HTTP leave their rows behind. They use
unique names, so no test depends on another.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from copy import deepcopy
from itertools import count
from pathlib import Path
from random import randrange
from typing import Any

import django
import pytest
from django.db import OperationalError, connections

from devstack.layout import HOST
from devstack.lifecycle import Stack
from tests.support import clusters, environment
from tests.support.costs import counted_round_trips

_FOLDER = Path(tempfile.mkdtemp(prefix="socialfeed-tests-"))
MAIL_FOLDER = _FOLDER / "mail"
# TEST_CACHE=cluster: CACHE is a cluster, for the tests of what is stored there.
_CLUSTER = (
    clusters.Servers(_FOLDER / "cache", replicas=3)
    if os.environ.get("TEST_CACHE") == "cluster"
    else None
)
environment.set_up(
    _FOLDER,
    {
        "LOG_LEVEL": "WARNING",
        "CORS_ALLOWED_ORIGINS": "https://app.example.org,http://localhost:5173",
        "ADMIN_REQUIRES_TOTP": "True",  # as in production
        "OUTBOX_EXPORT_SECONDS": "0.5",
        # Another process soon takes over the deliveries of a killed one.
        "OUTBOX_LEASE_SECONDS": "8",
        "RAISE_UNRECORDED_READS": "True",
        # Valkey may answer more slowly on a machine that is busy with tests.
        "VALKEY_TIMEOUT_SECONDS": "2",
        # Rolled-back tests leave rows and objects of uploads that have not arrived. Beat removes
        # none of them while other tests count objects.
        "MEDIA_SWEEP_SECONDS": "86400",
        # A body that stops coming is soon given up.
        "BODY_PATIENCE_SECONDS": "2",
        # So is a client that does not read its answer.
        "CADDY_WRITE_IDLE": "5s",
        # One address sends all requests. The log-in limit is the default; tests/flows resets it.
        "RATE_LIMIT_IP": "100000/minute",
        "RATE_LIMIT_READ": "100000/minute",
        "RATE_LIMIT_WRITE": "100000/minute",
        "RATE_LIMIT_UPLOAD": "100000/minute",
        "RATE_LIMIT_SIGNUP": "100000/minute",
        "RATE_LIMIT_RESET": "100000/minute",
        "RATE_LIMIT_REFRESH": "100000/minute",
        **({"CACHE_URL": _CLUSTER.url} if _CLUSTER else {}),
    },
)

django.setup()
# Only the stack logs at this level: a flow reads its logs. This process keeps the level above.
os.environ["LOG_LEVEL"] = "INFO"

ALL_DATABASES = ["default", "posts", "comments"]
_numbers = count(randrange(10**6) * 1000)


def pytest_configure() -> None:
    """Handle SIGTERM (from a CI's time limit) like Ctrl-C, so that the stack is taken down.

    A shell starts background jobs with SIGINT ignored. That is undone here, for the children too:
    some tests interrupt them.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Remove the temporary folder, whether or not a test used the stack."""
    shutil.rmtree(_FOLDER)


_measured: list[tuple[str, str]] = []


@pytest.fixture
def measured(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """A function that notes a measured figure. All figures are printed at the end of the run."""
    return lambda figure: _measured.append((request.node.name, figure))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the measured figures."""
    if _measured:
        terminalreporter.section("measured")
    for test, figure in sorted(_measured):
        terminalreporter.line(f"{test}: {figure}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each `django_db` test use all three databases."""
    for item in items:
        if item.get_closest_marker("django_db"):
            item.add_marker(pytest.mark.django_db(databases=ALL_DATABASES), append=False)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The running stack."""
    running = Stack(os.environ)
    with _CLUSTER.run() if _CLUSTER else nullcontext(), pytest.MonkeyPatch.context() as patch:
        from core.valkey import Cluster  # noqa: PLC0415  (Django must be set up first)

        # To ask a cluster for its slots would count as a round trip now and then.
        patch.setattr(Cluster, "TRUST_SECONDS", 86400)
        try:
            running.up()
            yield running
        finally:
            running.remove()


@pytest.fixture(scope="session")
def django_db_setup(stack: Stack) -> None:
    """Use the stack's databases, which `manage.py prepare` has migrated."""


@pytest.fixture
def committed(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Allow database access with real commits, so that the stack's processes see the writes."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def reconnect_after_test() -> Iterator[None]:
    """Close all connections after the test, because the test may kill the servers behind them."""
    yield
    connections.close_all()


@pytest.fixture
def paused_replay(committed: None) -> Iterator[Callable[[], None]]:
    """A function that pauses the replica's WAL replay. Replay resumes after the test."""

    def on_replica(sql: str) -> Any:
        # Another test may have killed the server behind this connection.
        connections["posts_replica"].close()
        with connections["posts_replica"].cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    yield lambda: on_replica("SELECT pg_wal_replay_pause()")
    while on_replica("SELECT pg_is_wal_replay_paused()"):
        # A replayed change may cancel this statement.
        with suppress(OperationalError):
            on_replica("SELECT pg_wal_replay_resume()")


@pytest.fixture
def fresh_sql_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset what this process knows: no SQL server is down, no other process has written."""
    from core.sql import hosts, lsns, servers  # noqa: PLC0415

    monkeypatch.setattr(hosts, "_failures", {})
    monkeypatch.setattr(hosts, "_timelines", {})
    monkeypatch.setattr(servers, "_silent", {})
    monkeypatch.setattr(servers, "_servers", {})
    common = lsns._Common(read_at=time.monotonic() + 3600, lsns={})
    monkeypatch.setattr(lsns, "_common", common)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """A function that makes a username which no other test has."""
    return lambda name: f"{name}_{next(_numbers)}"


@pytest.fixture
def person(unique: Callable[[str], str]) -> Callable[[str], int]:
    """A function that makes an account and returns its id. Needs `db` or `committed`."""
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
    """A function that makes an in-process DRF client, authenticated as the user with an id."""
    from rest_framework.test import APIClient  # noqa: PLC0415  (Django must be set up first)

    from core.http.callers import Caller  # noqa: PLC0415

    def client(user_id: int) -> APIClient:
        authenticated = APIClient()
        authenticated.force_authenticate(Caller(user_id))  # type: ignore[arg-type]
        return authenticated

    return client


@pytest.fixture
def round_trips() -> Iterator[Callable[[], int]]:
    """A function that counts this process's round trips to any Valkey since the test began."""
    with counted_round_trips() as costs:
        yield lambda: costs.round_trips


@pytest.fixture
def closed_cache(settings: Any) -> None:
    """Take CACHE down for this process: its address becomes a port with no listener."""
    caches = deepcopy(settings.CACHES)
    caches["cache"]["LOCATION"] = f"redis://{HOST}:9/0"
    if "CLUSTER_HOSTS" in caches["cache"]["OPTIONS"]:
        caches["cache"]["OPTIONS"] |= {"CLUSTER_HOSTS": [(HOST, 9)]}
    settings.CACHES = caches


@pytest.fixture
def closed_state(settings: Any) -> None:
    """Take STATE down in the same way."""
    caches = {**settings.CACHES, "default": {**settings.CACHES["default"]}}
    caches["default"]["LOCATION"] = f"redis://{HOST}:9/0"
    settings.CACHES = caches
