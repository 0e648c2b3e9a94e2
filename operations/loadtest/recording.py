"""What the process of locust tells the command: its progress on stdout, its result in a file."""

import sys
from pathlib import Path
from threading import Event, Thread
from typing import Any

import orjson
from locust.env import Environment
from locust.runners import Runner
from locust.stats import StatsEntry

from operations.loadtest.plan import KINDS, Failure, Figures, Progress, Result

SECONDS_BETWEEN_REPORTS = 0.5


class Recorder:
    """Listens to locust. `not_modified`: how many answers were a 304."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.not_modified = 0
        self._has_ended = Event()

    def begin(self, environment: Environment, runner: Runner, **kwargs: Any) -> None:
        """Report the progress from now on."""
        self._environment, self._runner = environment, runner
        # In this process a thread is a greenlet.
        Thread(target=self._report, daemon=True).start()

    def end(self, **kwargs: Any) -> None:
        """Store the result."""
        self._has_ended.set()
        self._result().write(self._folder)

    def _report(self) -> None:
        while not self._has_ended.wait(SECONDS_BETWEEN_REPORTS):
            total = self._environment.stats.total  # another one since the test has begun
            progress = Progress(total.num_requests, total.num_failures, total.current_rps)
            try:
                sys.stdout.write(f"{orjson.dumps(progress).decode()}\n")
                sys.stdout.flush()
            except BrokenPipeError:  # the command was killed, and nobody would remove the people
                self._runner.quit()
                return

    def _result(self) -> Result:
        stats = self._environment.stats
        seconds = (stats.total.last_request_timestamp or 0.0) - stats.total.start_time
        entries = sorted(stats.entries.values(), key=lambda entry: KINDS.index(entry.name))
        failures = [
            Failure(error.name, str(error.error), error.occurrences)
            for error in stats.errors.values()
        ]
        # Errors of the people's own code, after which they go on.
        failures += [
            Failure("load test", error["msg"], error["count"])
            for error in self._runner.exceptions.values()
        ]
        return Result(
            seconds=max(seconds, 0.0),
            kinds=[_figures(entry, seconds) for entry in entries],
            total=_figures(stats.total, seconds),
            not_modified=self.not_modified,
            failures=failures,
        )


def _figures(entry: StatsEntry, seconds: float) -> Figures:
    p50, p95, p99 = (entry.get_response_time_percentile(share) for share in (0.5, 0.95, 0.99))
    return Figures(
        kind=entry.name,
        count=entry.num_requests,
        failures=entry.num_failures,
        per_second=entry.num_requests / seconds if seconds > 0 else 0.0,
        p50=p50,
        p95=p95,
        p99=p99,
        mean_bytes=entry.avg_content_length,
    )
