"""`manage.py counters VERB`: compare the counts with the rows, and repair them."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.commands import INTERRUPTED, SECONDS_BEFORE_PROGRESS, at_least
from core.ids import MAX_ID
from core.valkey import ValkeyUnavailable
from operations import reconcile
from operations.reconcile import Subjects

HELP = {
    "verify": "Compare the counts of likes, comments, follows and posts, and what is shown of "
    "comments, with the rows. "
    "Exit status 1 when something has drifted. Changes nothing.",
    "reconcile": "The same, and repair what has drifted.",
}


class Command(BaseCommand):
    """Safe to interrupt, and to run while people like, comment, follow and publish."""

    help = "Compare the counts of likes, comments, follows and posts with the rows; repair them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb, text in HELP.items():
            example = f"Example: manage.py counters {verb} --minutes 10"
            self._add_which(verbs.add_parser(verb, help=text, description=text, epilog=example))

    def _add_which(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument(
            "post_ids",
            nargs="*",
            type=at_least(1, most=MAX_ID),
            default=[],
            metavar="POST_ID",
            help="Only these posts.",
        )
        which.add_argument("--all", action="store_true", help="All posts, comments and accounts.")
        which.add_argument(
            "--minutes",
            type=at_least(1),
            default=60,
            help="What has changed in the last so many minutes (default 60).",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._run(self._batches(options), repair=options["verb"] == "reconcile")
        except ValkeyUnavailable as error:
            raise CommandError(
                f"CACHE, the Valkey of the records, does not answer: {error} Start it, or correct "
                "CACHE_URL, and run this again."
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                "Interrupted. What is printed above was found; run this again for the rest.",
                returncode=INTERRUPTED,
            ) from error

    def _batches(self, options: dict[str, Any]) -> Iterable[Subjects]:
        if options["all"]:
            return reconcile.all_subjects()
        if options["post_ids"]:
            return reconcile.in_batches(Subjects(posts=options["post_ids"]))
        seconds = options["minutes"] * 60.0
        return reconcile.in_batches(reconcile.subjects_lately(seconds=seconds, limit=10**9))

    def _run(self, batches: Iterable[Subjects], *, repair: bool) -> None:
        checked = drifted = off = 0
        try:
            with tqdm(
                unit=" checked", leave=False, delay=SECONDS_BEFORE_PROGRESS, disable=None
            ) as bar:
                for batch in batches:
                    for drift in reconcile.find_drift(subjects=batch):
                        if repair:
                            reconcile.repair(drift=drift)
                        drifted += 1
                        off += abs(drift.off) if drift.is_count else 0
                        self._print(f"{drift}{'; repaired' if repair else ''}")
                    checked += len(batch)
                    bar.update(len(batch))
        finally:
            self._print(
                f"checked {checked} posts, comments and accounts: {drifted} drifted, off by {off}"
            )
        if drifted and not repair:
            raise CommandError(f"{drifted} drifted. To repair them: manage.py counters reconcile")

    def _print(self, line: str) -> None:
        with tqdm.external_write_mode():
            self.stdout.write(line)
