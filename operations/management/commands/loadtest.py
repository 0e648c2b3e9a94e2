"""`manage.py loadtest`: a realistic load on a running stack."""

import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.commands import INTERRUPTED, at_least, errors_with_advice
from operations.loadtest.origin import check_limits, check_origin
from operations.loadtest.plan import PICTURE, Plan, Progress, Result
from operations.loadtest.run import Load, run_locust
from operations.loadtest.table import table
from operations.loadtest.world import alone, log_in, log_out, make_world, remove_people
from operations.pictures import picture

# Unless it is chosen, all people are there after so many seconds.
SECONDS_TO_SPAWN = 5


class Command(BaseCommand):
    """Safe to interrupt: it prints what it has measured, and removes its people."""

    help = (
        "Send realistic requests to a running stack, and print how it answers: people scroll "
        "through their home timelines, look at posts and profiles, and now and then write. The "
        "people are accounts of its own, which it removes at the end. Exit status 1 if a request "
        "has failed. Needs locust."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Example: manage.py loadtest --people 50 --seconds 120"
        number = parser.add_argument
        number(
            "--seconds", type=at_least(1, most=86_400), default=60, help="How long (default 60)."
        )
        number("--people", type=at_least(2, most=1000), default=30, help="At once (default 30).")
        number(
            "--posts",
            type=at_least(1, most=10_000),
            default=60,
            help="How many there are at the start, each with a picture (default 60).",
        )
        number(
            "--think",
            type=at_least(0.01, float, most=3600),
            default=1.0,
            metavar="SECONDS",
            help="Mean time between the requests of a person, exponential (default 1).",
        )
        number(
            "--reads-per-write",
            type=at_least(0, float),
            default=100.0,
            metavar="READS",
            help="How many requests only read for each one that writes (default 100).",
        )
        number(
            "--spawn-rate",
            type=at_least(0.01, float),
            metavar="PEOPLE",
            help=f"How many people come a second (default: all within {SECONDS_TO_SPAWN} s).",
        )
        number(
            "--exponent",
            type=at_least(0, float, most=4),
            default=1.0,
            help="Of Zipf's law, by which posts and authors are popular; 0: all the same "
            "(default 1).",
        )
        number("--seed", type=int, default=1, help="Of all that is left to chance (default 1).")
        number("--origin", default=settings.PUBLIC_ORIGIN, help="The web server (%(default)s).")
        number(
            "--html",
            type=Path,
            default=Path("var/loadtest.html"),
            metavar="FILE",
            help="The report with charts (default %(default)s).",
        )
        number("--json", type=Path, metavar="FILE", help="Also write the figures as JSON.")
        number("--keep", action="store_true", help="Keep the people; the next run uses them again.")
        number("--yes", action="store_true", help="Run on a stack that is not local.")

    @errors_with_advice()
    def handle(self, *args: Any, **options: Any) -> None:
        origin = options["origin"].rstrip("/")
        self._check(origin, options)
        seconds, people = options["seconds"], options["people"]
        spawn_rate = options["spawn_rate"] or people / min(SECONDS_TO_SPAWN, seconds / 4)
        load = Load(origin=origin, people=people, spawn_rate=spawn_rate, seconds=seconds)
        try:
            with alone(), self._removed_people(keep=options["keep"]):
                result, is_interrupted = self._run(load, options)
                self._report(result, options, is_complete=not is_interrupted)
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted. People who are left are used, and removed, by the next run.",
                returncode=INTERRUPTED,
            ) from error
        if is_interrupted:
            raise CommandError(
                "Interrupted: the figures are those of the requests until then.",
                returncode=INTERRUPTED,
            )
        if result.failures:
            raise CommandError(f"Something has failed: see above, and {options['html']}.")

    def _check(self, origin: str, options: dict[str, Any]) -> None:
        """Raise CommandError if the run cannot succeed, before anything is made."""
        if not settings.LOCAL and not options["yes"]:
            raise CommandError(
                "This is not a local stack: a load test would slow it down for everybody, and add "
                "accounts and posts to it until it ends. With --yes it does that all the same."
            )
        if find_spec("locust") is None:
            raise CommandError(
                "The load test runs on locust, a tool for developers that is not installed. "
                "Install it with `make setup`, or `pip install -r requirements-dev.txt`."
            )
        for file in filter(None, (options["html"], options["json"])):
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.touch()
            except OSError as error:
                raise CommandError(f"Cannot write {file}: {error.strerror}.") from error
        check_limits(
            people=options["people"],
            think_seconds=options["think"],
            reads_per_write=options["reads_per_write"],
        )
        check_origin(origin)

    @contextmanager
    def _removed_people(self, *, keep: bool) -> Iterator[None]:
        """Remove the people at the end, also after an error or Ctrl-C."""
        try:
            yield
        finally:
            if keep:
                self.stdout.write(f"kept {log_out()} people for the next run")
            elif left := remove_people():
                self.stdout.write(f"{left} people are hidden, and the workers will remove them")
            else:
                self.stdout.write("removed the people and all that they own")

    def _run(self, load: Load, options: dict[str, Any]) -> tuple[Result, bool]:
        """Make the people, and let them act; returns the result, and whether it was cut short."""
        seed, exponent = options["seed"], options["exponent"]
        world = make_world(
            people=load.people,
            posts=options["posts"],
            exponent=exponent,
            random=Random(seed),  # noqa: S311  (a load, no secret)
        )
        plan = Plan(
            people=log_in(world),
            posts=[str(post_id) for post_id in world.posts],
            think_seconds=options["think"],
            reads_per_write=options["reads_per_write"],
            exponent=exponent,
            seed=seed,
            tokens_made_at=time.time(),
            token_seconds=settings.HEADLESS_JWT_ACCESS_TOKEN_EXPIRES_IN,
        )
        check_origin(load.origin, token=plan.people[0].access_token)
        self.stdout.write(f"{load.people} people use {load.origin} for {load.seconds} s")
        with tempfile.TemporaryDirectory(prefix="socialfeed-loadtest-") as name, _bar(load) as show:
            folder = Path(name)
            plan.write(folder)
            (folder / PICTURE).write_bytes(picture(seed))
            return run_locust(load, folder=folder, html=options["html"], on_progress=show)

    def _report(self, result: Result, options: dict[str, Any], *, is_complete: bool) -> None:
        for line in table(result):
            self.stdout.write(line)
        self.stdout.write(f"charts: {options['html']}")
        if options["json"]:
            document = {**result.document(), "complete": is_complete}
            options["json"].write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))


@contextmanager
def _bar(load: Load) -> Iterator[Callable[[Progress], None]]:
    """A function that shows the progress on a terminal."""
    began = time.monotonic()
    form = "{l_bar}{bar}| {n_fmt} of {total_fmt} s{postfix}"
    with tqdm(total=load.seconds, bar_format=form, leave=False, disable=None) as bar:

        def show(progress: Progress) -> None:
            bar.set_postfix_str(
                f"{progress.per_second:.0f} requests/s, {progress.failures} failures", refresh=False
            )
            bar.update(min(round(time.monotonic() - began), load.seconds) - bar.n)

        yield show
