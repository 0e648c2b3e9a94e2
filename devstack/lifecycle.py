"""Starts, shows and stops a stack.

`Stack.up` returns when every service answers; or it stops what it started and raises `StackError`,
within START_LIMIT + FAILURE_STOP_LIMIT seconds. `Stack.down` ends all processes, even if
supervisord was killed. Both take the stack's lock.
"""

import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

import psutil

from devstack import instances, launch
from devstack.instances import Instances
from devstack.layout import GRPC_OFFSET, PROJECT_DIR, Layout, StackError, is_free
from devstack.logs import LogReader
from devstack.postgres import Postgres, data_dirs_of, remove_data, unprivileged_account
from devstack.services import External, Phase, Service, addresses, parts, s3_ports
from devstack.status import Status, age, status_of
from devstack.supervisor import POLL_INTERVAL, SECONDS_TO_STOP, Supervisor

# Seconds from the beginning of `up`; together less than a minute.
START_LIMIT = 48.0
FAILURE_STOP_LIMIT = 8.0
STOP_LIMIT = SECONDS_TO_STOP + 5.0
# `up` fails when a service was started so many times and never answered.
HOPELESS_STARTS = 5
LOG_LINES = 15


class Stack:
    """The stack of STACK_PORT_BASE, STACK_VAR_DIR and `*_URL` in `environ`, which services inherit.

    `say` is called with each step. Raises StackError if a variable is not valid.
    """

    def __init__(
        self, environ: Mapping[str, str], say: Callable[[str], object] = lambda line: None
    ) -> None:
        self.layout = Layout.from_environ(environ)
        self.say = say
        self.run_dir = self.layout.var_dir / "run"
        self.log_dir = self.layout.var_dir / "log"
        self.supervisor = Supervisor(self.layout.var_dir)
        self.environ = {
            **environ,
            **addresses(self.layout, environ),
            "STACK_PORT_BASE": str(self.layout.port_base),
            "STACK_VAR_DIR": str(self.layout.var_dir),
            "PYTHONUNBUFFERED": "1",
            launch.STACK_MARK: str(self.layout.var_dir),
        }

    @cached_property
    def postgres(self) -> Postgres:
        return Postgres(
            self.layout.var_dir,
            self.layout.port("postgres-primary"),
            self.layout.port("postgres-replica"),
            unprivileged_account(self.environ.get("STACK_POSTGRES_ACCOUNT")),
            is_synchronous=self.environ.get("STACK_SYNCHRONOUS_REPLICATION") == "on",
        )

    @cached_property
    def instances(self) -> Instances:
        """How many instances there are of each role."""
        return instances.remembered(self.layout.var_dir)

    def use_instances(self, numbers: Instances) -> None:
        """Have other services from now on. Starts and stops none."""
        for known in ("parts", "services"):
            self.__dict__.pop(known, None)
        self.instances = numbers

    @cached_property
    def parts(self) -> list[Service | External]:
        return parts(self.layout, self.environ, self.postgres, self.instances)

    @cached_property
    def services(self) -> list[Service]:
        """The bundled services, in the order in which they start."""
        return [part for part in self.parts if isinstance(part, Service)]

    def up(self, *, must_be_down: bool = False) -> list[str]:
        """Start what does not run and wait until all services answer; returns what it started.

        `must_be_down`: raise StackError if the stack runs.
        """
        deadline = time.monotonic() + START_LIMIT
        for folder in (self.run_dir, self.log_dir):
            folder.mkdir(parents=True, exist_ok=True)
        with self.lock():
            fresh = not self.supervisor.is_running()
            if must_be_down and not fresh:
                raise StackError(self._runs_already())
            if fresh:
                self._sweep()
            missing = self._missing()
            self.check_ports(missing)
            self.layout.remember_ports()
            started: list[str] = []
            try:
                if fresh:
                    self.supervisor.start(self.services, self.environ)
                    if not _await(self.supervisor.is_running, deadline):
                        raise self._failure("supervisord", "did not start")
                for phase in Phase:
                    self._start_phase(phase, missing, started, deadline)
            except BaseException:
                self.say("Stopping what was started.")
                if fresh:
                    self._take_down(FAILURE_STOP_LIMIT)
                else:
                    self.stop_services(started, time.monotonic() + FAILURE_STOP_LIMIT)
                raise
        return started

    def _runs_already(self) -> str:
        pid = self.supervisor.pid()
        since = datetime.now(UTC) - timedelta(seconds=age(pid))
        return (
            f"The stack runs already, since {since:%F %T} UTC (supervisord has the pid {pid}): "
            f"{self.layout.public_origin}/\n"
            "`stack status` shows its services, `stack logs -f` its logs, and `stack down` stops "
            "it. `stack up --detach` starts what does not run."
        )

    def _missing(self) -> list[Service]:
        """The services that do not run."""
        programs = self.supervisor.programs()
        if programs:
            self.refuse_other_settings(programs.keys())
        return [s for s in self.services if s.name not in programs or programs[s.name].pid == 0]

    def refuse_other_settings(
        self, programs: Collection[str], of: Callable[[str], bool] = lambda name: True
    ) -> None:
        """Raise StackError if the stack runs with other services than those of these settings.

        `programs`: the names of those that run. Only services are compared whose names fit `of`.
        """
        if unknown := set(programs) ^ {s.name for s in self.services if of(s.name)}:
            raise StackError(
                f"The stack runs with other settings, or another release, than these (they differ "
                f"in {', '.join(sorted(unknown))}). Stop it with `stack down` first."
            )

    def check_ports(self, services: list[Service]) -> None:
        """Raise StackError if a port of these services is taken."""
        for service in services:
            for port in service.ports:
                if not is_free(port):
                    raise StackError(
                        f"Port {port} ({service.name}) is taken by another program. "
                        f"{self.layout.advice_to_move()}"
                    )

    def _start_phase(
        self, phase: Phase, missing: list[Service], started: list[str], deadline: float
    ) -> None:
        mine = [service for service in missing if service.phase == phase]
        if mine:
            self.say(f"Starting {', '.join(service.name for service in mine)}.")
        if mine and phase == Phase.APPLICATION:
            self._prepare(deadline)
        for service in mine:
            if service.before_start is not None:
                service.before_start()
            if service.cwd.is_relative_to(self.layout.var_dir):
                service.cwd.mkdir(exist_ok=True)
            started.append(service.name)
            self.supervisor.start_program(service.name)
        for service in self.services:
            if service.phase == phase:
                self.await_service(service, deadline)
        for service in mine:
            if service.after_start is not None:
                service.after_start()

    def await_service(self, service: Service, deadline: float) -> None:
        """Return when a service answers. Raises StackError if it does not in time."""
        pids: set[int] = set()
        status = Status(service.name, "stopped")

        def is_up() -> bool:
            nonlocal status
            status = status_of(service, self.supervisor.programs())
            if status.pid is not None:
                pids.add(status.pid)
            if len(pids) >= HOPELESS_STARTS:
                raise self._failure(service.name, "exits again and again")
            return status.is_up

        if not _await(is_up, deadline):
            why = status.detail or status.state
            raise self._failure(service.name, f"did not answer in time ({why})")

    def _prepare(self, deadline: float) -> None:
        """Run the `prepare` command, with a log of its own."""
        self.say("Preparing databases, bucket and static files.")
        log = self.log_dir / "prepare.log"
        with log.open("wb") as output:
            try:
                done = subprocess.run(  # noqa: S603 (our own command)
                    [sys.executable, str(PROJECT_DIR / "manage.py"), "prepare"],
                    cwd=PROJECT_DIR,
                    env=self.environ,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=max(1.0, deadline - time.monotonic()),
                    check=False,
                    start_new_session=True,
                )
            except subprocess.TimeoutExpired as error:
                raise self._failure("prepare", "did not finish in time") from error
        if done.returncode != 0:
            raise self._failure("prepare", f"failed with exit code {done.returncode}")

    def _failure(self, name: str, what: str) -> StackError:
        log = self.log_dir / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.exists() else []
        tail = "\n".join(f"  {line}" for line in lines[-LOG_LINES:]) or "  (its log is empty)"
        return StackError(
            f"{name} {what}. The end of {log}:\n{tail}\n"
            f"Fix the cause that the log names, then run `stack up` again."
        )

    def restart(self, names: Collection[str] = ()) -> list[str]:
        """Restart services, one after the other; returns their names.

        Without names: all services that run this project's code, so that they run the new code.
        An API instance goes on until the web server has stopped sending it requests. Workers and
        beat come first: old ones might misread what the new Write API writes for them. The Read API
        comes last: its new code may read keys that only the new code of the others refreshes.
        """
        _refuse_unknown("service", names, [service.name for service in self.services])
        if not self.supervisor.is_running():
            raise StackError("The stack is not up. Start it with `stack up`.")
        with self.lock():
            self.use_instances(instances.remembered(self.layout.var_dir))
            self.refuse_other_settings(self.supervisor.programs().keys())
            chosen = [s for s in self.services if (s.name in names if names else s.is_ours)]
            for service in sorted(chosen, key=_restart_order):
                self.say(f"Restarting {service.name}.")
                deadline = time.monotonic() + STOP_LIMIT + START_LIMIT
                self.stop_services([service.name], deadline)
                self.supervisor.start_program(service.name)
                self.await_service(service, deadline)
        return [service.name for service in sorted(chosen, key=_restart_order)]

    def status(self, *names: str) -> list[Status]:
        """The status of some parts of the stack, or of all; probes each of them now."""
        _refuse_unknown("service", names, [part.name for part in self.parts])
        programs = self.supervisor.programs()
        asked = [part for part in self.parts if not names or part.name in names]
        with ThreadPoolExecutor(len(asked)) as pool:
            return list(pool.map(lambda part: status_of(part, programs), asked))

    def log_reader(self, names: Sequence[str] = ()) -> LogReader:
        """A reader of the logs of some services, or of all. Raises StackError if there is none."""
        logs = [*(service.name for service in self.services), "prepare", "supervisord"]
        _refuse_unknown("log", names, logs)
        if not self.log_dir.exists():
            raise StackError("There are no logs: the stack was never started.")
        return LogReader(self.log_dir, names)

    def down(self, *, only_pid: int | None = None, forget_ports: bool = False) -> bool:
        """Stop everything; returns whether anything was running.

        `only_pid`: only if supervisord still has this pid. `forget_ports`: the next `up` may choose
        others.
        """
        ran = False
        if self.run_dir.exists():
            with self.lock(patience=START_LIMIT + STOP_LIMIT):
                if only_pid not in {None, self.supervisor.pid()}:
                    return False
                self.use_instances(instances.remembered(self.layout.var_dir))
                ran = self.supervisor.is_running() or bool(self._processes())
                self._take_down(STOP_LIMIT)
                if forget_ports:
                    self.layout.forget_ports()
        return ran

    def remove(self) -> None:
        """Stop everything and delete its data."""
        self.down()
        remove_data(self.layout.var_dir)
        shutil.rmtree(self.layout.var_dir, ignore_errors=True)

    def _take_down(self, limit: float) -> None:
        deadline = time.monotonic() + limit
        try:
            if self.supervisor.is_running():
                self.stop_services({service.name for service in self.services}, deadline)
                self.supervisor.shutdown()
                _await(lambda: not self.supervisor.is_running(), deadline)
        finally:
            self._sweep()
            self.supervisor.remove_files()

    def stop_services(self, names: Collection[str], deadline: float) -> None:
        """Stop services, the last phase first; goes on to the next phase at the deadline."""
        for phase in reversed(Phase):
            mine = {s.name for s in self.services if s.phase == phase and s.name in names}
            for name in self.running(mine):
                self.supervisor.stop_program(name)
            while self.running(mine) and time.monotonic() <= deadline:
                time.sleep(POLL_INTERVAL)

    def running(self, names: Collection[str]) -> list[str]:
        """Those of some services that run; asks supervisord once."""
        programs = self.supervisor.programs()
        return [name for name in names if name in programs and programs[name].pid != 0]

    def _processes(self) -> list[psutil.Process]:
        data_dirs = {str(path) for path in data_dirs_of(self.layout.var_dir).values()}
        return launch.processes_of(str(self.layout.var_dir), data_dirs=data_dirs)

    def _sweep(self) -> None:
        """Kill processes that run without supervisord, and remove sockets that SeaweedFS leaves."""
        # Again, for a process may start others while it is being killed.
        while processes := self._processes():
            if alive := launch.kill(processes):
                raise StackError(f"Cannot kill the processes {[each.pid for each in alive]}.")
        for name, port in s3_ports(self.layout).items():
            if not is_free(port):
                continue  # of another stack, with the same ports
            kind = name.removeprefix("s3-")
            for file in (f"{kind}-{port}", f"{kind}-grpc-{port + GRPC_OFFSET}"):
                Path("/tmp", f"seaweedfs-{file}.sock").unlink(missing_ok=True)  # noqa: S108 (its)

    @contextmanager
    def lock(self, patience: float = 0.0) -> Iterator[None]:
        """Hold the stack's lock; the kernel releases it when its holder dies.

        Raises StackError when somebody else holds it for more than `patience` seconds.
        """
        deadline = time.monotonic() + patience
        with (self.run_dir / "lock").open("a") as file:

            def is_ours() -> bool:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                return True

            if not _await(is_ours, deadline):
                raise StackError("Another `stack` command of this stack is at work; wait for it.")
            yield


def _refuse_unknown(what: str, names: Collection[str], known: Collection[str]) -> None:
    if unknown := sorted(set(names) - set(known)):
        raise StackError(f"No {what} is called {', '.join(unknown)}; there are {', '.join(known)}.")


def _await(condition: Callable[[], bool], deadline: float) -> bool:
    """Wait until the condition is true; False if it is not at the deadline (time.monotonic)."""
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True


def _restart_order(service: Service) -> int:
    """Workers and beat before the Write API, and that before the Read API."""
    return service.name.startswith("write-api") + 2 * service.name.startswith("read-api")
