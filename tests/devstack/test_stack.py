"""The local stack: `devstack` and `manage.py stack`.

The session's stack is shared, so a test may kill a service of it but leaves it running. Tests that
start, break or stop a stack make one of their own.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from devstack import launch, supervisor
from devstack.layout import HOST, Layout
from devstack.lifecycle import Stack, _restart_order
from devstack.logs import LogReader
from devstack.postgres import Postgres
from devstack.services import External, Phase, Service, addresses, parts
from tests.support.client import wait_until
from tests.support.stacks import assert_ports_are_free, down, one

SERVICES = [
    "valkey-cache",
    "valkey-state",
    "s3",
    "postgres-primary",
    "postgres-replica",
    "read-api-1",
    "read-api-2",
    "write-api-1",
    "write-api-2",
    "worker-1",
    "worker-2",
    "media-worker-1",
    "beat-1",
    "caddy",
]
WITHOUT_PORT = {"worker-1", "worker-2", "media-worker-1", "beat-1"}
# A replica that lacks a part of the log asks its primary again after 5 s.
SECONDS_TO_COME_BACK = 10.0
SECONDS_TO_RECOVER = 30.0


def test_status_shows_every_service_running(stack: Stack) -> None:
    statuses = {status.name: status for status in stack.status()}

    assert list(statuses) == SERVICES
    for name, status in statuses.items():
        assert status.state == "running", status
        assert status.pid is not None
        assert psutil.pid_exists(status.pid)
        assert (status.port is None) == (name in WITHOUT_PORT)


def test_everything_listens_on_loopback_only(stack: Stack) -> None:
    processes = launch.processes_of(
        str(stack.layout.var_dir),
        data_dirs={str(path) for path in stack.postgres.data_dirs.values()},
    )
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }

    declared = {port for service in stack.services for port in service.ports}
    assert listening == {(HOST, port) for port in declared}


@pytest.mark.usefixtures("reconnect_after_test")
@pytest.mark.parametrize("name", [name for name in SERVICES if not name.endswith("api-2")])
def test_a_killed_service_is_back_within_seconds(
    stack: Stack, name: str, measured: Callable[[str], None]
) -> None:
    before = one(stack, name)
    assert before.pid is not None

    psutil.Process(before.pid).kill()
    killed_at = time.monotonic()
    while True:
        after = one(stack, name)
        took = time.monotonic() - killed_at
        if after.state == "running" and after.pid != before.pid:
            break
        assert took < SECONDS_TO_COME_BACK, after
        time.sleep(0.05)

    measured(f"back after {took:.1f} s")
    # The services that depend on it must recover too, before the next test begins.
    while not all(status.is_up for status in stack.status()):
        assert time.monotonic() - killed_at < SECONDS_TO_RECOVER, stack.status()
        time.sleep(0.05)


def test_a_service_that_is_still_stopping_is_started_again(stack: Stack) -> None:
    before = one(stack, "worker-2")
    stack.supervisor.stop_program("worker-2")
    stack.supervisor.start_program("worker-2")
    wait_until(lambda: one(stack, "worker-2").is_up)
    assert one(stack, "worker-2").pid != before.pid


def test_the_web_servers_requests_have_a_log_of_their_own(stack: Stack) -> None:
    id_ = httpx.get(stack.layout.public_origin).headers["X-Request-ID"]
    own = stack.log_dir / "caddy-access.log"
    wait_until(lambda: id_ in own.read_text())
    assert id_ not in (stack.log_dir / "caddy.log").read_text(), "not through supervisord"
    for names in ([], ["caddy"], ["caddy", "beat-1"]):
        assert any(id_ in line for line in LogReader(stack.log_dir, names).new_lines())
    assert not list(LogReader(stack.log_dir, ["access"]).new_lines())


def test_old_workers_end_before_the_write_api_is_new_and_the_read_api_comes_last(
    stack: Stack,
) -> None:
    ours = [service for service in stack.services if service.is_ours]
    names = [service.name for service in sorted(ours, key=_restart_order)]
    assert {name.rstrip("-12") for name in names[:4]} == {"worker", "media-worker", "beat"}
    assert [name.rstrip("-12") for name in names[4:]] == ["write-api"] * 2 + ["read-api"] * 2


def start_storage(stack: Stack) -> None:
    """Start supervisord, the storage and the replica, as `up` does first."""
    for folder in (stack.run_dir, stack.log_dir):
        folder.mkdir(parents=True, exist_ok=True)
    stack.layout.remember_ports()
    stack.supervisor.start(stack.services, stack.environ)
    wait_until(stack.supervisor.is_running)
    for phase in (Phase.STORAGE, Phase.REPLICA):
        stack._start_phase(phase, stack.services, [], time.monotonic() + 30)


def test_a_stack_goes_down_whatever_hangs_or_is_missing_and_leaves_nothing(
    own_environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its storage alone; `test_stack_command` has all services go up and down."""
    # This supervisord is not as patient with a program that does not stop.
    monkeypatch.setattr(supervisor, "SECONDS_TO_STOP", 3)
    stack = Stack(own_environ)
    start_storage(stack)
    down(own_environ)
    assert_ports_are_free(own_environ)

    # With a new primary, the replica's data does not fit and is made again.
    shutil.rmtree(Path(own_environ["STACK_VAR_DIR"], "postgres", "primary"))
    start_storage(stack)
    assert one(stack, "postgres-replica").state == "running"

    # A program does not stop when asked, and supervisord waits for it. `down` kills both.
    psutil.Process(one(stack, "s3").pid).suspend()
    stack.supervisor.shutdown()
    assert stack.supervisor.is_running()
    down(own_environ)

    # Without supervisord, `down` still finds every process.
    stack.supervisor.start(stack.services, stack.environ)
    stack.supervisor.start_program("valkey-cache")
    wait_until(lambda: one(stack, "valkey-cache").state == "running")
    supervisor_pid = int((stack.run_dir / "supervisord.pid").read_text())
    psutil.Process(supervisor_pid).kill()
    down(own_environ)
    assert_ports_are_free(own_environ)


def test_an_external_server_is_shown_and_not_started(stack: Stack) -> None:
    url = "redis://:secret@cache.example:6379/0"
    environ = {**stack.environ, "CACHE_URL": url}

    everything = {part.name: part for part in parts(stack.layout, environ, stack.postgres)}

    assert everything["valkey-cache"] == External(
        "valkey-cache", "redis://:***@cache.example:6379/0"
    )
    assert all(
        isinstance(part, Service) for name, part in everything.items() if name != "valkey-cache"
    )
    (status,) = Stack(environ).status("valkey-cache")
    assert (status.state, status.pid, status.is_up) == ("external", None, True)


def test_external_primaries_without_replicas_need_no_bundled_postgres() -> None:
    layout = Layout(12_000, Path("/nowhere"))
    environ = {
        f"{name}_DATABASE_URL": f"postgres://u:p@db/{name}"
        for name in ("USERS", "POSTS", "COMMENTS")
    }
    postgres = Postgres(layout.var_dir, 1, 2, account=None)

    found = {part.name: part for part in parts(layout, environ, postgres)}

    assert addresses(layout, environ)["POSTS_REPLICA_URL"] == "postgres://u:p@db/POSTS"
    assert isinstance(found["postgres-primary"], External)
    assert isinstance(found["postgres-replica"], External)


def test_one_external_primary_keeps_the_bundled_one_for_the_others() -> None:
    layout = Layout(12_000, Path("/nowhere"))
    environ = {"USERS_DATABASE_URL": "postgres://u:p@db/users"}

    found = {
        part.name: part for part in parts(layout, environ, Postgres(layout.var_dir, 1, 2, None))
    }

    assert isinstance(found["postgres-primary"], Service)
    assert isinstance(found["postgres-replica"], Service)
