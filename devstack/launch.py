"""Becomes one service of the stack: `python launch.py SPEC.json`, started by supervisord.

supervisord restarts a service at once and for ever; this launcher makes that safe. Before it
turns into the service, keeping its pid, it

- lets a second pass since the last attempt, so that a crash loop neither spins nor backs off,
- kills what an earlier instance left behind: orphans hold its port or its shared memory,
- gives up root for the account that the service runs as.

It runs by path and imports nothing of the project, so that a start costs only milliseconds.
The module also knows which processes belong to a stack: each carries a mark in its environment.
"""

from __future__ import annotations

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
    """How to start a service: its argument list, whole environment, folder and account."""

    command: list[str]
    environ: dict[str, str]
    cwd: str
    account: str | None


def processes_of(
    var_dir: str, *, service: str | None = None, data_dirs: Collection[str] = ()
) -> list[psutil.Process]:
    """The processes that carry the mark of this stack, or of this service of it.

    PostgreSQL's children write their title over their environment, so these are known by their
    working folder, `data_dirs`.
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
            continue  # another account's, a kernel thread or already gone: none of this stack's
        if ours and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def kill(processes: list[psutil.Process]) -> list[psutil.Process]:
    """SIGKILL all of them; returns those that still live after a few seconds."""
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue  # it was faster
    _, alive = psutil.wait_procs(processes, timeout=SECONDS_TO_DIE)
    return list(alive)


def pace(stamp: Path) -> None:
    """Return when the last attempt, whose time `stamp` keeps, is long enough ago."""
    since = time.time() - stamp.stat().st_mtime if stamp.exists() else SECONDS_BETWEEN_ATTEMPTS
    time.sleep(min(max(0.0, SECONDS_BETWEEN_ATTEMPTS - since), SECONDS_BETWEEN_ATTEMPTS))
    stamp.touch()


def become(account: str) -> None:
    """Drop root, for good."""
    user = pwd.getpwnam(account)
    os.initgroups(account, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)


def main(spec_path: Path) -> None:
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
