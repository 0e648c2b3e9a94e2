"""Runs `manage.py stack`, for tests of stacks of their own."""

import subprocess
import sys
import time
from collections.abc import Mapping

from devstack import launch
from devstack.layout import GRPC_OFFSET, PORT_SPAN, PROJECT_DIR, is_free
from devstack.lifecycle import Stack
from devstack.status import Status


def manage(environ: Mapping[str, str], *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(PROJECT_DIR / "manage.py"), "stack", *args],
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=75,
        check=False,
    )


def up(environ: Mapping[str, str]) -> float:
    """Start the stack. Returns the seconds until everything answered."""
    began = time.monotonic()
    done = manage(environ, "up", "--detach")
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert launch.processes_of(environ["STACK_VAR_DIR"])
    return took


def down(environ: Mapping[str, str]) -> float:
    """Stop the stack. Returns the seconds until no process was left."""
    began = time.monotonic()
    done = manage(environ, "down")
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert not launch.processes_of(environ["STACK_VAR_DIR"])
    return took


def assert_ports_are_free(environ: Mapping[str, str]) -> None:
    """Check that nothing listens at a port of the stack."""
    base = int(environ["STACK_PORT_BASE"])
    ports = [*range(base, base + PORT_SPAN), *range(base + GRPC_OFFSET, base + GRPC_OFFSET + 10)]
    assert [port for port in ports if not is_free(port)] == []


def one(stack: Stack, name: str) -> Status:
    (status,) = stack.status(name)
    return status
