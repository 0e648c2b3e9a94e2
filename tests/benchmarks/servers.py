"""Measures the CPU time of web servers: instances of the stack, and the bare one, on one core.

Subject and reference are measured in turn, a few requests each, so that other load on the machine
affects both.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle, islice
from pathlib import Path
from statistics import median

import psutil

from devstack import launch
from devstack.layout import HOST, PROJECT_DIR, free_port_base
from devstack.lifecycle import Stack
from tests.benchmarks.wire import Answer, Connection, request
from tests.support.client import wait_until

# The bare DRF view, behind a web server.
BARE_PATH = "/api/v1/drf"
_CONFIG = PROJECT_DIR / "deploy" / "gunicorn.conf.py"
Check = Callable[[Answer], object]
# Requests per turn: few, because the speed of a virtual machine's processor changes in seconds.
TURN = 20
WARM = 100


@dataclass(frozen=True)
class Server:
    """A gunicorn with one worker process. The CPU time of the processes in `also` counts, too."""

    name: str
    master_pid: int
    port: int
    also: tuple[psutil.Process, ...] = ()

    @cached_property
    def worker(self) -> psutil.Process:
        """The process that answers requests."""
        (worker,) = psutil.Process(self.master_pid).children()
        return worker

    def cpu_seconds(self) -> float:
        """The CPU time so far of the worker and of `also`: all threads, user and system."""
        return sum(cpu_seconds(process) for process in (self.worker, *self.also))


def cpu_seconds(process: psutil.Process) -> float:
    """The CPU time of all threads of a process. The usual clock counts in steps of 10 ms."""
    used = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in used) / 1e9


@contextmanager
def bare_server(folder: Path, name: str = "bare", role: str = "all") -> Iterator[Server]:
    """Run the views that do nothing under a gunicorn like that of the instances of a role."""
    own = {"DJANGO_SETTINGS_MODULE": "tests.benchmarks.bare_settings", "API_ROLE": role}
    with _gunicorn(folder, name, "tests.benchmarks.bare:application", own, "/django") as server:
        yield server


@contextmanager
def read_api(stack: Stack, name: str, **settings: str) -> Iterator[Server]:
    """Run one more Read API for a stack, with other settings, out of reach of its web server."""
    (service,) = [service for service in stack.services if service.name == "read-api-1"]
    own = {**service.environ, **settings}
    folder = stack.layout.var_dir
    with _gunicorn(folder, name, "socialfeed.wsgi", own, "/healthz/ready") as server:
        yield server


@contextmanager
def _gunicorn(
    folder: Path, name: str, application: str, own: Mapping[str, str], path: str
) -> Iterator[Server]:
    """Run an application under a gunicorn with one worker, until it answers at a path."""
    port = free_port_base()
    environ = {
        **os.environ,
        **own,
        "GUNICORN_BIND": f"{HOST}:{port}",
        "GUNICORN_WORKERS": "1",
        "GUNICORN_METRICS_DIR": str(folder / f"metrics-{name}"),
    }
    command = [sys.executable, "-m", "gunicorn", "--config", str(_CONFIG), application]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT_DIR, env=environ, stdout=log, stderr=log)
    try:
        server = Server(name, process.pid, port)
        wait_until(lambda: _answers(port, path), 30)
        yield server
    finally:
        process.terminate()
        process.wait()


def _answers(port: int, path: str = "/django") -> bool:
    with suppress(OSError, AssertionError), Connection(port) as connection:
        return connection.ask(request("GET", path)).status == 200
    return False


@contextmanager
def bare_site(stack: Stack) -> Iterator[int]:
    """Run two bare servers behind a web server like the stack's. Yields the web server's port."""
    (web_server,) = [service for service in stack.services if service.name == "caddy"]
    folder = stack.layout.var_dir
    with (
        bare_server(folder, "bare-1", "read") as one,
        bare_server(folder, "bare-2", "read") as two,
        (folder / "bare-web.log").open("wb") as log,
    ):
        port = free_port_base()
        own = {
            "CADDY_LISTEN": f"http://:{port}",
            "CADDY_MEDIA": "off",
            "CADDY_ACCESS_LOG_FILE": str(folder / "bare-access.log"),
            "READ_API_UPSTREAMS": f"{HOST}:{one.port} {HOST}:{two.port}",
            "WRITE_API_UPSTREAMS": f"{HOST}:{one.port}",
        }
        process = subprocess.Popen(
            web_server.command,
            cwd=web_server.cwd,
            env={**os.environ, **web_server.environ, **own},
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(lambda: _answers(port, BARE_PATH), 30)
            yield port
        finally:
            process.terminate()
            process.wait()


def instance(stack: Stack, name: str) -> Server:
    """An instance of the stack, reached without the web server."""
    (service,) = [service for service in stack.services if service.name == name]
    return Server(name, stack.supervisor.programs()[name].pid, service.ports[0])


@contextmanager
def cores_apart(
    stack: Stack, servers: Sequence[Server], beside: Sequence[psutil.Process] = ()
) -> Iterator[None]:
    """Pin these servers' workers to the last core, and this process, the rest of the stack and what
    runs `beside` it to the other cores.

    With only one core, nothing is pinned.
    """
    cores = sorted(psutil.Process().cpu_affinity() or [])
    if len(cores) > 1:
        for process in (*_others(stack, servers), *beside):
            pin(process, cores[:-1])
        for server in servers:
            pin(server.worker, cores[-1:])
    try:
        yield
    finally:
        # List the processes again: a new process has inherited its parent's cores.
        mine = (server.worker for server in servers)
        for process in (*_others(stack, servers), *beside, *mine):
            pin(process, cores)


def _others(stack: Stack, servers: Sequence[Server]) -> list[psutil.Process]:
    workers = {server.worker.pid for server in servers}
    data_dirs = {str(path) for path in stack.postgres.data_dirs.values()}
    processes = launch.processes_of(str(stack.layout.var_dir), data_dirs=data_dirs)
    found = [process for process in processes if process.pid not in workers]
    return [psutil.Process(), *found]


def pin(process: psutil.Process, cores: list[int]) -> None:
    with suppress(psutil.NoSuchProcess):
        for thread in process.threads():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread.id, cores)


@dataclass(frozen=True)
class Subject:
    """A kind of request: its server, the messages to send in turn, and the check of an answer."""

    server: Server
    messages: Sequence[bytes]
    check: Check

    @contextmanager
    def turns(self) -> Iterator[Callable[[int], float]]:
        """Yields a function that sends a number of requests over one connection and checks the
        answers. It returns the server's CPU microseconds per request.
        """
        messages = cycle(self.messages)
        with Connection(self.server.port) as connection:

            def turn(times: int) -> float:
                before = self.server.cpu_seconds()
                answers = [connection.ask(message) for message in islice(messages, times)]
                used = self.server.cpu_seconds() - before
                for answer in answers:
                    self.check(answer)
                return used / times * 1e6

            yield turn


@dataclass(frozen=True)
class Compared:
    """Medians over all turns: of the subject's cost, the reference's cost, and their ratio."""

    value: float
    reference: float
    ratio: float
    n: int


def compare(subject: Subject, reference: Subject, *, times: int) -> Compared:
    """Measure both in turn, `times` requests each. Costs are CPU microseconds per request."""
    turns = -(-times // TURN)
    with subject.turns() as cost, reference.turns() as reference_cost:
        cost(WARM)
        reference_cost(WARM)
        pairs = [(cost(TURN), reference_cost(TURN)) for _ in range(turns)]
    return Compared(
        value=median(value for value, _ in pairs),
        reference=median(reference for _, reference in pairs),
        ratio=median(value / reference for value, reference in pairs),
        n=turns * TURN,
    )


def is_ok(status: int = 200) -> Check:
    """A check that an answer has this status."""

    def check(answer: Answer) -> None:
        assert answer.status == status, (answer.head, answer.body[:500])

    return check
