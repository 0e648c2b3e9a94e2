"""What all components of a stack use, together: CPU time by role, and what Valkey and PostgreSQL
count themselves.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from django.db import connections
from redis import Redis

from core.valkey import Cluster, cache_valkey, state_valkey
from devstack import instances, launch
from devstack.lifecycle import Stack
from tests.benchmarks.servers import cpu_seconds

# What a Valkey counts, by the name that it has here.
_COUNTED = {
    "commands": "total_commands_processed",
    "round_trips": "total_reads_processed",
    "bytes_in": "total_net_input_bytes",
    "bytes_out": "total_net_output_bytes",
}
Amounts = dict[str, float]
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Used:
    """What was used between two moments. CPU time and `busy` are in seconds."""

    seconds: float = 0.0
    cpu: Amounts = field(default_factory=dict)  # by role
    valkey: dict[str, Amounts] = field(default_factory=dict)  # by server
    wal_bytes: int = 0
    client: float = 0.0  # the CPU time of this process
    busy: float = 0.0  # of some cores, by whatever runs on them


@contextmanager
def metered(stack: Stack, cores: Sequence[int] = ()) -> Iterator[Used]:
    """Measure the block; the result is filled in at its end. `cores`: whose time is `busy`."""
    used = Used()
    before = _Reading.of(stack, cores)
    yield used
    after = _Reading.of(stack, cores)
    used.seconds = after.at - before.at
    used.cpu = _less(after.cpu, before.cpu)
    used.valkey = {name: _less(after.valkey[name], before.valkey[name]) for name in after.valkey}
    used.wal_bytes = after.lsn - before.lsn
    used.client, used.busy = after.client - before.client, after.busy - before.busy


def _less(after: Amounts, before: Amounts) -> Amounts:
    return {name: after[name] - before.get(name, 0.0) for name in after}


@dataclass(frozen=True)
class _Reading:
    at: float
    cpu: Amounts
    valkey: dict[str, Amounts]
    lsn: int
    client: float
    busy: float

    @staticmethod
    def of(stack: Stack, cores: Sequence[int]) -> "_Reading":
        return _Reading(
            time.monotonic(),
            _cpu_by_role(stack),
            {"cache": _counted(cache_valkey()), "state": _counted(state_valkey())},
            _lsn(),
            time.process_time(),
            _busy(cores),
        )


def _cpu_by_role(stack: Stack) -> Amounts:
    """The CPU time so far of all processes of each role, with their children that have ended."""
    found: Amounts = defaultdict(float)
    for process, role in processes_by_role(stack):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            found[role] += cpu_seconds(process) + _ended_children(process.pid)
    return found


def processes_by_role(stack: Stack) -> Iterator[tuple[psutil.Process, str]]:
    """The processes of a stack. A decoder has no mark of the stack: it has its parent's role."""
    folders = {str(path): f"postgres-{role}" for role, path in stack.postgres.data_dirs.items()}
    roles: dict[int, str] = {}
    for process in launch.processes_of(str(stack.layout.var_dir), data_dirs=folders):
        with suppress(psutil.NoSuchProcess):
            service = process.environ().get(launch.SERVICE_MARK) or folders.get(process.cwd())
            if service:
                roles[process.pid] = instances.role_of(service) or service
    for process in psutil.process_iter():  # parents come before their children
        with suppress(psutil.NoSuchProcess):
            role = roles.get(process.pid) or roles.get(process.ppid())
            if role:
                roles[process.pid] = role
                yield process, role


def _ended_children(pid: int) -> float:
    """The CPU time of a process's children that have ended, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS


def _counted(server: Redis | Cluster) -> Amounts:
    info = server.info()
    return {name: float(info[there]) for name, there in _COUNTED.items()}


def _lsn() -> int:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return int(cursor.fetchone()[0])


def _busy(cores: Sequence[int]) -> float:
    """The seconds in which these cores were not idle. The time that a virtual core was refused
    counts too: nobody here could use it.
    """
    times = [psutil.cpu_times(percpu=True)[core] for core in cores]
    return float(sum(sum(core[:8]) - core.idle - core.iowait for core in times))
