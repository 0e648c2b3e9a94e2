"""Starts locust in a process of its own, and reads its progress and its result."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson
from django.core.management.base import CommandError

from operations.loadtest.plan import FOLDER, Progress, Result

# Requests that are in flight at the end of the run may take so long to end, in seconds.
PATIENCE = 10
LINES_OF_ERRORS = 15
_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_PROJECT_DIR = _LOCUSTFILE.parents[2]


@dataclass(frozen=True)
class Load:
    """How much is sent where: people who come at `spawn_rate` a second, for some seconds."""

    origin: str
    people: int
    spawn_rate: float
    seconds: int


def run_locust(
    load: Load, *, folder: Path, html: Path, on_progress: Callable[[Progress], None]
) -> tuple[Result, bool]:
    """Run the plan in `folder`, and write locust's report to `html`.

    Returns the result, and whether Ctrl-C has cut the run short. Raises CommandError if locust
    fails; KeyboardInterrupt if Ctrl-C comes before there is a result.
    """
    errors, is_interrupted = folder / "errors.txt", False
    with (
        errors.open("wb") as stderr,
        # In a process group of its own, so that Ctrl-C reaches this process only.
        subprocess.Popen(  # noqa: S603  (the arguments are ours)
            _command(load, html),
            cwd=_PROJECT_DIR,
            env={**os.environ, FOLDER: str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            process_group=0,
        ) as process,
    ):
        try:
            for line in process.stdout or ():
                on_progress(Progress(**orjson.loads(line)))
            process.wait()
        except KeyboardInterrupt:
            is_interrupted = True
            process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):  # then it is killed
                process.communicate(timeout=2 * PATIENCE)
        finally:
            if process.poll() is None:
                process.kill()
    try:
        return Result.read(folder), is_interrupted
    except FileNotFoundError as error:
        if is_interrupted:
            raise KeyboardInterrupt from error
        said = "\n".join(errors.read_text().splitlines()[-LINES_OF_ERRORS:])
        raise CommandError(
            f"locust ended with {process.returncode} and no result:\n{said}"
        ) from error


def _command(load: Load, html: Path) -> list[str]:
    options = {
        "--locustfile": _LOCUSTFILE,
        "--host": load.origin,
        "--users": load.people,
        "--spawn-rate": load.spawn_rate,
        "--run-time": f"{load.seconds}s",
        "--stop-timeout": PATIENCE,
        "--html": html.resolve(),
        # The result names the failures.
        "--exit-code-on-error": 0,
    }
    pairs = [str(part) for option in options.items() for part in option]
    # Without its own logs, so that stdout has the progress only.
    flags = ["--headless", "--only-summary", "--skip-log-setup"]
    return [sys.executable, "-m", "locust", *flags, *pairs]
