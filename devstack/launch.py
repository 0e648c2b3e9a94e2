"""The launcher of services: supervisord runs `python launch.py SPEC.json` for each of them.

supervisord restarts a service at once and without end; the launcher makes that safe. It

- waits until a second has passed since the last attempt, so that a crash loop does not spin,
- kills processes that an earlier run left: they hold the service's port or shared memory,
- changes from root to the account of the service,

and then executes the service, which keeps the launcher's pid. It runs by its path and imports
nothing of the project, so it starts within milliseconds.

This module also finds the processes of a stack, by variables in their environments.
"""

import json
import os
import pwd
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import TypedDict

import psutil

STACK_MARK = "SOCIALFEED_STACK"
SERVICE_MARK = "SOCIALFEED_SERVICE"
SECONDS_BETWEEN_ATTEMPTS = 1.0
SECONDS_TO_DIE = 5.0


class Spec(TypedDict):
    """How to start a service: its arguments, its whole environment, its folder and account."""

    command: list[str]
    environ: dict[str, str]
    cwd: str
    account: str | None


def processes_of(
    var_dir: str, *, service: str | None = None, data_dirs: Collection[str] = ()
) -> list[psutil.Process]:
    """The processes of a stack, or of one service of it, by their environments.

    PostgreSQL's children overwrite theirs: they are found by their working folder (`data_dirs`).
    """
    found = []
    for process in psutil.process_iter():
        try:
            environ = process.environ()
            marked = environ.get(STACK_MARK) == var_dir
            if service is not None:
                marked = marked and environ.get(SERVICE_MARK) == service
            ours = marked or (process.name() == "postgres" and process.cwd() in data_dirs)
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue  # ended, a kernel thread, or of another account: not of this stack
        if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def kill(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Send SIGKILL to processes; returns those that still run after SECONDS_TO_DIE."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue  # it has ended
    _, alive = psutil.wait_procs(processes, timeout=SECONDS_TO_DIE)
    return list(alive)


def pace(stamp: Path) -> None:
    """Wait until SECONDS_BETWEEN_ATTEMPTS after the last call with this file, `stamp`."""
    since = time.time() - stamp.stat().st_mtime if stamp.exists() else SECONDS_BETWEEN_ATTEMPTS
    time.sleep(min(max(0.0, SECONDS_BETWEEN_ATTEMPTS - since), SECONDS_BETWEEN_ATTEMPTS))
    stamp.touch()


def become(account: str) -> None:
    """Change from root to an account, for good."""
    user = pwd.getpwnam(account)
    os.initgroups(account, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def main(spec_path: Path) -> None:
    """Become the service that a file specifies (`Spec`, as JSON)."""
    spec: Spec = json.loads(spec_path.read_text())
    environ = spec["environ"]
    pace(spec_path.with_suffix(".started"))
    stack, service = environ[STACK_MARK], environ[SERVICE_MARK]
    kill(processes_of(stack, service=service, data_dirs={spec["cwd"]}))
    if spec["account"] is not None:
        become(spec["account"])
    os.chdir(spec["cwd"])
    os.execve(spec["command"][0], spec["command"], spec["environ"])  # noqa: S606 (our own spec)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
