"""A stack's folder remembers its ports, and no command reaches the stack of another checkout."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.layout import (
    DATABASES,
    DEFAULT_PORT_BASE,
    HOST,
    PROJECT_DIR,
    Layout,
    StackError,
    control_socket,
    free_port_base,
)
from devstack.lifecycle import Stack

MOVE = "`STACK_PORT_BASE= manage.py stack down --forget-ports`"


def layout(var_dir: Path, base: str | None = None) -> Layout:
    environ = {} if base is None else {"STACK_PORT_BASE": base}
    return Layout.from_environ({"STACK_VAR_DIR": str(var_dir), **environ})


def test_a_folder_remembers_its_ports(tmp_path: Path) -> None:
    assert layout(tmp_path).port_base == DEFAULT_PORT_BASE
    layout(tmp_path, "9800").remember_ports()
    assert layout(tmp_path).port_base == 9800
    assert layout(tmp_path, "").port_base == 9800, "empty is unset"
    assert layout(tmp_path, "9800").port_base == 9800
    with pytest.raises(StackError) as refused:
        layout(tmp_path, "9900")
    said = str(refused.value)
    assert (
        f"The stack in {tmp_path} has the ports from 9800 on, but STACK_PORT_BASE is 9900" in said
    )
    assert MOVE in said
    assert "`STACK_PORT_BASE=9900 manage.py stack up`" in said
    layout(tmp_path).forget_ports()
    assert layout(tmp_path, "9900").port_base == 9900
    assert layout(tmp_path).port_base == DEFAULT_PORT_BASE


@pytest.mark.parametrize("text", ["", "eighty", "80", "8800\n9800"])
def test_a_memory_that_makes_no_sense_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "port-base").write_text(text)
    with pytest.raises(StackError, match=f"{tmp_path}/port-base has no port base"):
        layout(tmp_path)


def test_a_relative_folder_is_below_the_project_wherever_a_command_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert layout(Path("other")).var_dir == PROJECT_DIR / "other"
    assert Layout.from_environ({}).var_dir == PROJECT_DIR / "var"


# --- a stranger at our ports ----------------------------------------------------------------------


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Layout]:
    """The layout of a stack that is down, at whose ports another stack listens."""
    found = Layout(free_port_base(), tmp_path)
    with socket.create_server((HOST, found.port("valkey-cache"))):
        yield found


def test_a_stranger_at_the_ports_of_a_stack_that_is_down_is_refused(stranger: Layout) -> None:
    port = stranger.port("valkey-cache")
    with pytest.raises(StackError, match=rf"is down, but something listens at its port {port}"):
        stranger.refuse_strangers({})
    with pytest.raises(StackError, match="STACK_PORT_BASE="):
        stranger.refuse_strangers(stranger.urls())
    stranger.remember_ports()
    with pytest.raises(StackError, match=MOVE):
        stranger.refuse_strangers({})


def test_servers_elsewhere_and_ports_where_nobody_listens_are_no_strangers(
    stranger: Layout,
) -> None:
    stranger.refuse_strangers({"CACHE_URL": "redis://cache.example:6379/0"})
    Layout(free_port_base(), stranger.var_dir).refuse_strangers({})


def test_the_primaries_of_other_servers_are_their_replicas_too(tmp_path: Path) -> None:
    found = Layout(free_port_base(), tmp_path)
    elsewhere = {f"{name.upper()}_DATABASE_URL": "postgres://u:p@db/x" for name in DATABASES}
    with socket.create_server((HOST, found.port("postgres-replica"))):
        found.refuse_strangers(elsewhere)


def test_the_servers_of_our_own_stack_are_no_strangers(stack: Stack, stranger: Layout) -> None:
    stack.layout.refuse_strangers({})
    (stranger.var_dir / "run").mkdir()
    control_socket(stranger.var_dir).parent.mkdir()
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(control_socket(stranger.var_dir)))
        with pytest.raises(StackError):
            stranger.refuse_strangers({})  # a socket that a dead supervisord has left
        control.listen()
        stranger.refuse_strangers({})


# --- commands -------------------------------------------------------------------------------------


def run(environ: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT_DIR,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        *(["stack", "status"], ["stack", "down"], ["stack", "up", "--detach"], ["stack", "logs"]),
        *(["timeline", "stats"], ["outbox"], ["migrate"], ["shell", "-c", "print(1)"]),
    ],
    ids=" ".join,
)
def test_every_command_refuses_ports_that_are_not_the_remembered_ones(
    arguments: list[str], tmp_path: Path
) -> None:
    Layout(9800, tmp_path).remember_ports()
    done = run({"STACK_VAR_DIR": str(tmp_path)}, "manage.py", *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"manage.py: The stack in {tmp_path} has the ports from 9800")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "celery", "--app", "socialfeed", "worker", "--pool", "solo"],
        ["-m", "celery", "--app", "socialfeed", "beat"],
        ["-m", "gunicorn", "--config", "deploy/gunicorn.conf.py", "socialfeed.wsgi"],
    ],
    ids=["worker", "beat", "gunicorn"],
)
def test_a_service_that_is_started_by_hand_refuses_them_too(
    command: list[str], tmp_path: Path
) -> None:
    Layout(9800, tmp_path).remember_ports()
    bind = f"{HOST}:{free_port_base()}"
    done = run({"STACK_VAR_DIR": str(tmp_path), "GUNICORN_BIND": bind}, *command)
    assert done.returncode != 0
    assert f"The stack in {tmp_path} has the ports from 9800 on" in done.stderr + done.stdout


def test_a_command_that_would_reach_a_stranger_is_refused_and_one_that_reads_no_data_is_not(
    stranger: Layout,
) -> None:
    environ = {
        "STACK_VAR_DIR": str(stranger.var_dir),
        "STACK_PORT_BASE": str(stranger.port_base),
    }
    done = run(environ, "manage.py", "timeline", "clear")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "perhaps the stack of another checkout" in done.stderr
    assert "Traceback" not in done.stderr
    for harmless in (["check"], ["timeline", "clear", "--help"], ["help", "timeline"]):
        done = run(environ, "manage.py", *harmless)
        assert done.returncode == 0, done.stderr


def test_a_setting_that_makes_no_sense_is_one_line_unless_the_traceback_is_asked_for() -> None:
    done = run({"API_ROLE": "reader"}, "manage.py", "check")
    assert done.returncode == 1
    assert done.stderr == "manage.py: API_ROLE must be 'read', 'write' or 'all'.\n"
    done = run({"API_ROLE": "reader"}, "manage.py", "check", "--traceback")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
