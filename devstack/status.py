"""The status of each part of a stack."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from devstack.probes import NOT_READY
from devstack.services import External, Service
from devstack.supervisor import Program

# A worker that is older and does not answer is busy with a task, and not starting.
SECONDS_TO_BOOT = 30.0


@dataclass(frozen=True)
class Status:
    """One line of `stack status`; `detail` says why a service that runs does not answer."""

    name: str
    state: str
    pid: int | None = None
    port: int | None = None
    url: str | None = None
    detail: str | None = None

    @property
    def is_up(self) -> bool:
        return self.state in {"running", "external"}


def status_of(part: Service | External, programs: Mapping[str, Program]) -> Status:
    """The status of a part of the stack; probes it now."""
    if isinstance(part, External):
        return Status(part.name, "external", url=part.url)
    port = part.ports[0] if part.ports else None
    program = programs.get(part.name)
    if program is None or program.pid == 0:
        return Status(part.name, "stopped", port=port, url=part.url)
    try:
        part.probe(program.pid)
    except NOT_READY as error:
        busy = not part.always_answers and age(program.pid) > SECONDS_TO_BOOT
        state = "running" if busy else "starting"
        return Status(part.name, state, program.pid, port, part.url, str(error).strip())
    return Status(part.name, "running", program.pid, port, part.url)


def age(pid: int) -> float:
    """For how many seconds a process has run; 0 when there is none."""
    try:
        return time.time() - float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0
