"""`manage.py stack`: the local stack's command line. See `devstack`."""

import json
import os
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from devstack.instances import DEFAULTS, parsed
from devstack.layout import PROJECT_DIR, StackError
from devstack.lifecycle import Stack
from devstack.logs import LogReader
from devstack.scaling import scale
from devstack.status import Status

EXIT_NOT_ALL_UP = 3
INTERRUPTED = 130  # the exit status of a program that Ctrl-C ended
FOLLOW_INTERVAL = 0.2


class Command(BaseCommand):
    help = "Start, show or stop the local stack: real servers, supervised, on loopback ports."
    requires_system_checks = []
    _is_read = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        up = actions.add_parser(
            "up", help="start the stack and show its logs; Ctrl-C takes everything down"
        )
        up.add_argument(
            "--detach",
            action="store_true",
            help="start what does not run, and return once everything answers",
        )
        up.add_argument("--demo", action="store_true", help="fill in demo data first")
        status = actions.add_parser("status", help="show each service; exit code 3 if one is off")
        status.add_argument("--json", action="store_true")
        restart = actions.add_parser(
            "restart", help="restart services one by one, so that no request fails"
        )
        restart.add_argument(
            "service", nargs="*", help="for example: write-api-1 (default: all of this project)"
        )
        scaling = actions.add_parser(
            "scale",
            help="show or set how many instances of each role there are, now and at the next start",
            description="Start or stop instances, so that no request is lost. The numbers are "
            "remembered. Without arguments: print them.",
            epilog="Example: manage.py stack scale read-api=3 worker=4",
        )
        scaling.add_argument(
            "instances", nargs="*", metavar="ROLE=N", help=f"roles: {', '.join(DEFAULTS)}"
        )
        down = actions.add_parser("down", help="stop everything")
        down.add_argument(
            "--forget-ports",
            action="store_true",
            help="let the next `up` take the ports of STACK_PORT_BASE",
        )
        logs = actions.add_parser("logs", help="print the end of the logs")
        logs.add_argument("-f", "--follow", action="store_true")
        logs.add_argument("service", nargs="*")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            stack = Stack(os.environ, say=self._say)
            with ending_on_signals():
                getattr(self, f"_{options['action']}")(stack, options)
        except StackError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)

    def _up(self, stack: Stack, options: dict[str, Any]) -> None:
        detach = options["detach"]
        if not stack.up(must_be_down=not detach):
            self._say("The stack is up already.")
        pid = stack.supervisor.pid()
        try:
            if options["demo"]:
                self._seed(stack)
            self._summary(stack)
            if not detach:
                self._follow(stack, stack.log_reader(), pid, history=0)
        except (KeyboardInterrupt, StackError) as end:
            if detach:
                raise
            self._say("Stopping the stack.")
            stack.down(only_pid=pid)
            if isinstance(end, StackError):
                raise

    def _status(self, stack: Stack, options: dict[str, Any]) -> None:
        statuses = stack.status()
        all_up = all(status.is_up for status in statuses)
        if options["json"]:
            services = [asdict(status) for status in statuses]
            self._say(json.dumps({"up": all_up, "services": services}, indent=2))
        else:
            for status in statuses:
                self._say(line(status))
        if not all_up:
            sys.exit(EXIT_NOT_ALL_UP)

    def _restart(self, stack: Stack, options: dict[str, Any]) -> None:
        self._say(f"Restarted {', '.join(stack.restart(options['service']))}.")

    def _scale(self, stack: Stack, options: dict[str, Any]) -> None:
        wanted = parsed(options["instances"])
        if wanted:
            started, stopped = scale(stack, wanted)
            for what, names in (("Started", started), ("Stopped", stopped)):
                if names:
                    self._say(f"{what} {', '.join(names)}.")
        self._say(" ".join(f"{role}={number}" for role, number in stack.instances.items()))

    def _down(self, stack: Stack, options: dict[str, Any]) -> None:
        ran = stack.down(forget_ports=options["forget_ports"])
        self._say("The stack is down." if ran else "The stack was not up.")

    def _logs(self, stack: Stack, options: dict[str, Any]) -> None:
        reader = stack.log_reader(options["service"])
        if options["follow"]:
            self._follow(stack, reader, stack.supervisor.pid(), history=10)
        else:
            for text in reader.new_lines(last=50):
                self._say(text)

    def _follow(self, stack: Stack, reader: LogReader, pid: int, *, history: int) -> None:
        """Print new log lines until the stack is stopped elsewhere, or nobody reads the output.

        `pid`: of supervisord. Another one's is another stack, though in the same folder.
        """
        for text in reader.new_lines(last=history):
            self._say(text)
        while pid and stack.supervisor.pid() == pid:
            for text in reader.new_lines():
                self._say(text)
            if not self._is_read:
                raise KeyboardInterrupt
            time.sleep(FOLLOW_INTERVAL)
        self._say("The stack was stopped.")

    def _seed(self, stack: Stack) -> None:
        done = subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, str(PROJECT_DIR / "manage.py"), "seed_demo"],
            env=stack.environ,
            stdin=subprocess.DEVNULL,
            check=False,
            start_new_session=True,  # Ctrl-C is this command's to handle
        )
        if done.returncode != 0:
            raise StackError(f"seed_demo failed with exit code {done.returncode}; see above.")

    def _summary(self, stack: Stack) -> None:
        origin = stack.layout.public_origin
        self._say(f"socialfeed:  {origin}/")
        self._say(f"API docs:    {origin}/api/docs/")
        self._say(f"Admin:       {origin}/admin/")
        self._say(f"Logs:        {stack.log_dir}")

    def _say(self, text: str) -> None:
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            # Nobody reads the output any more. What is running must still end, such as a clean-up.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._is_read = False


def line(status: Status) -> str:
    """The line of a service in `stack status`."""
    pid = str(status.pid or "-")
    where = status.url or "-"
    detail = f"  {status.detail.splitlines()[0]}" if status.detail else ""
    return f"{status.name:<17} {status.state:<9} {pid:>8}  {where}{detail}"


@contextmanager
def ending_on_signals() -> Iterator[None]:
    """Turn the first SIGINT, SIGTERM or SIGHUP into KeyboardInterrupt; ignore later ones."""
    # A signal that is ignored already stays so: nohup ignores SIGHUP.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]

    def end(number: int, frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
