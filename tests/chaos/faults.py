"""Faults of a stack. Processes are found through the stack's supervisor, never by name.

supervisord restarts a killed process a second later. `calm` ends all lasting faults.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from threading import Event

import psutil

from core.valkey import state_valkey
from devstack import probes
from devstack.lifecycle import Stack
from tests.chaos.background import Background
from tests.chaos.proxy import Mode, Proxy
from tests.chaos.schedule import Planned
from tests.support.client import wait_until

QUEUE = "celery:celery"  # Celery's prefix in STATE, and its default queue
RELOADED = "successfully reloaded config"  # in the web server's log
# Longer than OUTBOX_LEASE_SECONDS in the suite's stacks, so that another worker takes over.
LONG = 6.0
# Longer than the clients' time-outs of Valkey.
SHORT = 3.0
DELAY = 0.2
SECONDS_TO_RETURN = 60.0


class Faults:
    """The faults of one stack. `proxies` are those in front of its servers, by target."""

    def __init__(self, stack: Stack, proxies: Mapping[str, Proxy]) -> None:
        self.stack = stack
        self.proxies = proxies
        # The names of services that do not come back.
        self.lost: set[str] = set()
        self._frozen: list[psutil.Process] = []

    # --- processes ------------------------------------------------------------------------------

    def names(self, prefix: str) -> list[str]:
        """The services whose names begin with `prefix`: `worker` means all workers."""
        return sorted(name for name in self.stack.supervisor.programs() if name.startswith(prefix))

    def pid(self, name: str) -> int:
        """The pid of a service. Waits while the service is being restarted."""
        found = 0

        def runs() -> bool:
            nonlocal found
            program = self.stack.supervisor.programs().get(name)
            found = program.pid if program else 0
            return found != 0

        wait_until(runs, SECONDS_TO_RETURN)
        return found

    def processes(self, name: str) -> list[psutil.Process]:
        """A service's main process and its descendants."""
        with suppress(psutil.NoSuchProcess):
            main = psutil.Process(self.pid(name))
            return [main, *main.children(recursive=True)]
        return []

    def kill(self, name: str) -> None:
        """Kill -9 the main process. The launcher ends the processes that it leaves behind."""
        with suppress(ProcessLookupError):
            os.kill(self.pid(name), signal.SIGKILL)

    def kill_child(self, name: str, pick: float) -> None:
        """Kill -9 one descendant of the main process."""
        if children := self.processes(name)[1:]:
            with suppress(psutil.NoSuchProcess):
                children[int(pick * len(children))].kill()

    def freeze(self, name: str) -> None:
        """SIGSTOP all processes of a service."""
        for process in self.processes(name):
            with suppress(psutil.NoSuchProcess):
                process.suspend()
                self._frozen.append(process)

    def thaw(self) -> None:
        """SIGCONT all frozen processes that still exist."""
        while self._frozen:
            with suppress(psutil.NoSuchProcess):
                self._frozen.pop().resume()

    def lose(self, name: str) -> None:
        """Kill -9 every process of a service, for good."""
        supervisor = self.stack.supervisor
        for process in self.processes(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()

        def is_stopped() -> bool:
            # supervisord ignores a stop that comes between an end and a restart.
            supervisor.stop_program(name)
            return supervisor.programs()[name].state == "STOPPED"

        self.lost.add(name)
        wait_until(is_stopped, SECONDS_TO_RETURN)

    @contextmanager
    def held_down(self, name: str) -> Iterator[None]:
        """Kill -9 every process of a service and keep it down. It is up again after the block."""
        try:
            self.lose(name)
            yield
        finally:
            self.lost.discard(name)
            self.stack.supervisor.start_program(name)
            wait_until(lambda: self.stack.status(name)[0].is_up, SECONDS_TO_RETURN)

    @contextmanager
    def stopped(self, *names: str) -> Iterator[None]:
        """Stop services cleanly. They are up again after the block."""
        supervisor = self.stack.supervisor
        for name in names:
            supervisor.stop_program(name)
        try:
            wait_until(
                lambda: not any(supervisor.programs()[name].pid for name in names),
                SECONDS_TO_RETURN,
            )
            yield
        finally:
            for name in names:
                supervisor.start_program(name)
            wait_until(
                lambda: all(status.is_up for status in self.stack.status(*names)),
                SECONDS_TO_RETURN,
            )

    def reload_web_server(self) -> None:
        """Let Caddy load its configuration again. Returns when it has."""
        log = self.stack.log_dir / "caddy.log"
        before = log.read_text().count(RELOADED)
        os.kill(self.pid("caddy"), signal.SIGUSR1)
        wait_until(lambda: log.read_text().count(RELOADED) > before, SECONDS_TO_RETURN)

    # --- the replica, and wake-ups ----------------------------------------------------------------

    def replica_is_level(self) -> bool:
        """Whether the replica has replayed the primary's log up to its current end."""
        (end,) = probes.query(
            self.stack.layout.port("postgres-primary"), "SELECT pg_current_wal_lsn()::text"
        )
        (is_level,) = probes.query(
            self.stack.layout.port("postgres-replica"),
            f"SELECT pg_last_wal_replay_lsn() >= '{end}'::pg_lsn",
        )
        return bool(is_level)

    @contextmanager
    def replay_paused(self) -> Iterator[None]:
        """Pause replay: the replica has all earlier writes, and none from inside the block."""
        # Replay is paused for the whole server, so any of its databases will do.
        replica = self.stack.layout.port("postgres-replica")
        wait_until(self.replica_is_level, SECONDS_TO_RETURN)
        probes.query(replica, "SELECT 1 FROM pg_wal_replay_pause()")
        try:
            yield
        finally:
            probes.query(replica, "SELECT 1 FROM pg_wal_replay_resume()")

    @contextmanager
    def replay_delayed(self, ms: int) -> Iterator[None]:
        """Replay each commit so much later than the primary has made it."""
        self._set_on_replica("recovery_min_apply_delay", f"{ms}ms")
        try:
            yield
        finally:
            self._set_on_replica("recovery_min_apply_delay", "0")

    def _set_on_replica(self, name: str, value: str) -> None:
        replica = probes.connect(self.stack.layout.port("postgres-replica"))
        with closing(replica), replica.cursor() as cursor:
            cursor.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            cursor.execute("SELECT pg_reload_conf()")

    def lose_wake_ups(self) -> int:
        """Delete Celery's queue from STATE."""
        return int(state_valkey().delete(QUEUE))

    # --- by the schedule --------------------------------------------------------------------------

    def inject(self, planned: Planned, stop: Event) -> None:
        """Inject a fault. A lasting fault ends before this returns, sooner when `stop` is set."""
        verb, _, target = planned.fault.partition(" ")
        if target in self.proxies:
            self.proxies[target].switch(Mode(verb), delay=DELAY)
            stop.wait(SHORT)
            self.proxies[target].switch(Mode.PASS)
            return
        names = self.names(target)
        name = names[int(planned.pick * len(names))]
        match verb:
            case "kill":
                self.kill(name)
            case "kill-child":
                self.kill_child(name, planned.pick)
            case "freeze":
                self.freeze(name)
                stop.wait(SHORT)
                self.thaw()
            case "freeze-and-kill":
                self.freeze(name)
                stop.wait(LONG)
                self.kill(name)
            case _:
                raise ValueError(f"no such fault: {planned.fault}")

    def calm(self) -> None:
        """End lasting faults: thaw all processes and let all proxies pass."""
        self.thaw()
        for proxy in self.proxies.values():
            proxy.switch(Mode.PASS)


class Monkey(Background):
    """A thread that injects faults by a schedule. Use as a context."""

    def __init__(
        self, faults: Faults, plan: Iterator[Planned], say: Callable[[str], object]
    ) -> None:
        super().__init__()
        self.faults, self.plan, self.say = faults, plan, say
        self.done: list[str] = []

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self.faults.calm()

    def _work(self) -> None:
        began = time.monotonic()
        for planned in self.plan:
            if self._stop.wait(max(0.0, began + planned.at - time.monotonic())):
                return
            self.say(f"{time.monotonic() - began:5.1f} s  {planned.fault}")
            self.faults.inject(planned, self._stop)
            self.done.append(planned.fault)
