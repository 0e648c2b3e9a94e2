"""`manage.py counters VERB`: compare the counts with the rows, and repair them."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import at_least, errors_with_advice, with_progress, write_line
from core.ids import MAX_ID
from operations import reconcile
from operations.reconcile import Subjects

HELP = {
    "verify": "Compare the counts of likes, comments, follows and posts, and the comments shown "
    "with posts, with the rows. Exit status 1 when something has drifted. Changes nothing.",
    "reconcile": "The same, and repair what has drifted.",
}


class Command(BaseCommand):
    """Safe to interrupt, and to run while people like, comment, follow and publish."""

    help = "Compare the counts of likes, comments, follows and posts with the rows; repair them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, text in HELP.items():
            example = f"Example: manage.py counters {name} --minutes 10"
            verb = verbs.add_parser(name, help=text, description=text, epilog=example)
            which = verb.add_mutually_exclusive_group()
            which.add_argument(
                "post_ids",
                nargs="*",
                type=at_least(1, most=MAX_ID),
                default=[],
                metavar="POST_ID",
                help="Only these posts.",
            )
            which.add_argument("--all", action="store_true", help="Everything.")
            which.add_argument(
                "--minutes",
                type=at_least(1),
                default=60,
                help="What has changed in the last so many minutes (default 60).",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_with_advice():
            self._run(self._batches(options), repair=options["verb"] == "reconcile")

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
            for batch in with_progress(batches, unit="checked"):
                for drift in reconcile.find_drift(subjects=batch):
                    if repair:
                        reconcile.repair(drift=drift)
                    drifted += 1
                    off += abs(drift.off) if drift.is_count else 0
                    write_line(self.stdout, f"{drift}{'; repaired' if repair else ''}")
                checked += len(batch)
        finally:
            write_line(
                self.stdout,
                f"checked {checked} posts, comments and accounts: {drifted} drifted, off by {off}",
            )
        if drifted and not repair:
            raise CommandError(f"{drifted} drifted. To repair them: manage.py counters reconcile")
