"""`manage.py stack`: what it refuses, what it says, and how it ends."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from devstack import launch
from devstack.layout import (
    HOST,
    PROJECT_DIR,
    S3_ACCESS_KEY,
    S3_BUCKET,
    S3_SECRET_KEY,
    StackError,
    free_port_base,
)
from devstack.lifecycle import Stack
from devstack.probes import query
from tests.devstack.test_stack import SERVICES
from tests.support.client import wait_until
from tests.support.stacks import assert_ports_are_free, down, manage, up


def test_status_as_json(stack: Stack) -> None:
    done = manage(stack.environ, "status", "--json")

    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["up"] is True
    assert [service["name"] for service in shown["services"]] == SERVICES


def test_a_second_up_finds_the_stack_up(stack: Stack) -> None:
    done = manage(stack.environ, "up", "--detach")

    assert done.returncode == 0, done.stderr
    assert "up already" in done.stdout


def test_an_up_that_would_show_logs_refuses_a_stack_that_it_has_not_started(stack: Stack) -> None:
    before = stack.supervisor.programs()

    done = manage(stack.environ, "up", "--demo")

    assert done.returncode == 1
    pid = stack.supervisor.pid()
    assert re.search(
        rf"runs already, since 20.* UTC \(supervisord has the pid {pid}\)", done.stderr
    )
    assert stack.layout.public_origin in done.stderr
    for way_out in ("stack status", "stack logs -f", "stack down", "stack up --detach"):
        assert f"`{way_out}`" in done.stderr
    assert "Stopping" not in done.stdout
    assert stack.supervisor.programs() == before, "nothing was stopped or started"


def test_who_has_started_one_stack_does_not_stop_another_in_its_place(stack: Stack) -> None:
    pid = stack.supervisor.pid()
    assert stack.down(only_pid=pid + 1) is False
    assert stack.supervisor.pid() == pid


def test_a_stack_remembers_its_ports(stack: Stack) -> None:
    environ = {**stack.environ, "STACK_PORT_BASE": ""}
    assert manage(environ, "status").returncode == 0
    assert Stack(environ).layout == stack.layout


def test_unknown_names_are_refused(stack: Stack) -> None:
    for follow in ([], ["-f"]):
        done = manage(stack.environ, "logs", "caddy", "nosuch", *follow)
        assert (done.returncode, done.stdout) == (1, "")
        assert "No log is called nosuch; there are valkey-cache," in done.stderr
        assert done.stderr.rstrip().endswith("caddy, prepare, supervisord.")
    with pytest.raises(StackError, match="No service is called nosuch; there are valkey-cache,"):
        stack.status("beat-1", "nosuch")


@pytest.mark.parametrize("log", ["prepare", "supervisord", "worker-1"])
def test_each_log_can_be_named(log: str, stack: Stack) -> None:
    done = manage(stack.environ, "logs", log)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} <= {log}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["restart"], "The stack is not up."),
        (["logs"], "There are no logs"),
        (["logs", "-f"], "no"),
    ],
    ids=["restart", "logs", "logs -f"],
)
def test_a_stack_that_was_never_started_has_no_logs_and_no_restarts(
    arguments: list[str], said: str, own_environ: dict[str, str]
) -> None:
    done = manage(own_environ, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not Path(own_environ["STACK_VAR_DIR"]).exists()


def test_a_restart_of_an_unknown_service_is_refused(stack: Stack) -> None:
    done = manage(stack.environ, "restart", "read-api-1", "read-api")

    assert done.returncode == 1
    assert "No service is called read-api; there are valkey-cache," in done.stderr


def test_a_restart_takes_the_named_services_or_all_of_this_project(stack: Stack) -> None:
    before = {status.name: status.pid for status in stack.status()}

    done = manage(stack.environ, "restart", "beat-1")

    assert done.returncode == 0, done.stderr
    assert "Restarted beat-1." in done.stdout
    changed = {status.name for status in stack.status() if status.pid != before[status.name]}
    assert changed == {"beat-1"}
    ours = [service.name for service in stack.services if service.is_ours]
    assert ours == [
        name for name in SERVICES if "api" in name or "worker" in name or name == "beat-1"
    ]


def test_scale_prints_the_numbers_and_says_what_is_possible(stack: Stack) -> None:
    done = manage(stack.environ, "scale")
    assert done.stdout == "read-api=2 write-api=2 worker=2 media-worker=1 beat=1\n"
    done = manage(stack.environ, "scale", "caddy=2")
    assert done.returncode == 1
    assert "The roles are read-api, write-api, worker, media-worker, beat" in done.stderr


def test_a_stack_that_is_down_has_the_numbers_at_its_next_start(
    own_environ: dict[str, str],
) -> None:
    done = manage(own_environ, "scale", "worker=1", "read-api=3", "beat=2")
    assert done.stdout == "read-api=3 write-api=2 worker=1 media-worker=1 beat=2\n"
    names = [service.name for service in Stack(own_environ).services]
    assert {"read-api-3", "worker-1", "beat-2"} <= set(names)
    assert "worker-2" not in names


def test_scale_does_not_touch_a_stack_that_was_started_with_other_settings(stack: Stack) -> None:
    others = {**stack.environ, "CACHE_URL": "redis://127.0.0.1:1/0"}
    done = manage(others, "scale", "worker=1")
    assert done.returncode == 1
    assert "(they differ in valkey-cache)" in done.stderr
    assert [status.is_up for status in stack.status("worker-2", "valkey-cache")] == [True, True]


def test_a_second_up_at_the_same_time_is_refused(stack: Stack) -> None:
    with stack.lock():
        done = manage(stack.environ, "up", "--detach")

    assert done.returncode == 1
    assert "at work" in done.stderr


def test_a_taken_port_is_named_with_the_setting_that_moves_it(
    own_environ: dict[str, str],
) -> None:
    port = int(own_environ["STACK_PORT_BASE"]) + 1
    with socket.create_server((HOST, port)):
        done = manage(own_environ, "up", "--detach")

    assert done.returncode == 1
    assert f"Port {port} (postgres-primary) is taken" in done.stderr
    assert "STACK_PORT_BASE=" in done.stderr


def test_a_service_that_fails_is_named_with_its_log(own_environ: dict[str, str]) -> None:
    began = time.monotonic()
    done = manage(own_environ | {"GUNICORN_THREADS": "many"}, "up", "--detach")

    assert time.monotonic() - began < 60
    assert done.returncode == 1
    assert "read-api-1 exits again and again" in done.stderr
    assert "invalid literal for int() with base 10: 'many'" in done.stderr
    assert not launch.processes_of(own_environ["STACK_VAR_DIR"])


def test_ctrl_c_stops_the_stack_that_it_has_started_and_its_data_can_move_to_other_ports(
    own_environ: dict[str, str], tmp_path: Path, measured: Callable[[str], None]
) -> None:
    output = tmp_path / "output"
    command = [sys.executable, str(PROJECT_DIR / "manage.py"), "stack", "up"]
    with output.open("w") as file:
        shown = subprocess.Popen(command, env=own_environ, stdout=file, stderr=subprocess.STDOUT)
    took = wait_until(lambda: "API docs:" in output.read_text() or shown.poll() is not None, 75)
    measured(f"up, the first time: {took:.1f} s")
    first = Stack(own_environ)
    bucket(first).put_object(Key="moved", Body=b"with it")
    system = "SELECT system_identifier::text FROM pg_control_system()"
    before = query(first.layout.port("postgres-primary"), system)
    shown.send_signal(signal.SIGINT)
    assert shown.wait(30) == 0
    assert "Stopping the stack." in output.read_text()
    assert not launch.processes_of(own_environ["STACK_VAR_DIR"])
    assert_ports_are_free(own_environ)

    moved = own_environ | {"STACK_PORT_BASE": str(free_port_base())}
    for action in (["up", "--detach"], ["status"], ["down", "--forget-ports"]):
        done = manage(moved, *action)
        assert done.returncode == 1
        assert "has the ports from" in done.stderr
    assert manage(own_environ | {"STACK_PORT_BASE": ""}, "down", "--forget-ports").returncode == 0
    up(moved)
    second = Stack(moved)
    assert second.layout.port_base != first.layout.port_base
    assert query(second.layout.port("postgres-primary"), system) == before
    assert bucket(second).Object("moved").get()["Body"].read() == b"with it"
    measured(f"down: {down(moved):.1f} s")
    assert_ports_are_free(moved)
    assert manage(moved, "status").returncode == 3
    assert "was not up" in manage(moved, "down").stdout


def bucket(stack: Stack) -> Any:
    """The stack's bucket in its object store."""
    store = boto3.resource(
        "s3",
        endpoint_url=stack.layout.urls()["S3_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=S3_ACCESS_KEY,
        aws_secret_access_key=S3_SECRET_KEY,
    )
    return store.Bucket(S3_BUCKET)
