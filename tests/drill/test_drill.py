"""The cheapest scenario, played like `make drill`, and its command line."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from devstack.layout import PROJECT_DIR
from tests.support.client import wait_until

COMMAND = (sys.executable, "-m", "tests.drill")
SECONDS = 240
INTERRUPTED = 130


def drill(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *args],
        cwd=PROJECT_DIR,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_one_of_two_of_each_role_can_be_lost(
    tmp_path: Path, measured: Callable[[str], None]
) -> None:
    file = tmp_path / "figures.json"
    done = drill(*("--only", "one-of-two", "--scale", "0.01", "--seed", "7"), "--json", str(file))

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(file.read_text())
    assert found["broken"] == {}
    for figure in found["figures"]["one-of-two"]:
        measured(f"{figure['what']}: {figure['value']:g} of {figure['n']:,}")


def test_the_command_lists_the_scenarios_on_an_unknown_name() -> None:
    unknown = drill("--only", "typo")
    assert unknown.returncode == 1
    assert "No scenario typo. There are: cache-primary, state-primary," in unknown.stderr


def test_ctrl_c_ends_all_that_it_has_started() -> None:
    with subprocess.Popen(
        [*COMMAND, "--only", "cache-primary"],
        cwd=PROJECT_DIR,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        family: set[psutil.Process] = set()

        def has_servers() -> bool:
            family.update(psutil.Process(running.pid).children(recursive=True))
            return sum(is_valkey(process) for process in family) >= 2

        wait_until(has_servers)
        running.send_signal(signal.SIGINT)
        said, _ = running.communicate(timeout=SECONDS)
    assert running.returncode == INTERRUPTED
    assert "| scenario | what |" in said
    # Python's own helper of processes ends after its parent.
    wait_until(lambda: not any(process.is_running() for process in family), 10)


def is_valkey(process: psutil.Process) -> bool:
    return process.is_running() and "valkey-server" in process.name()
