"""`manage.py media collect`: remove what the object store has and nothing shows."""

import json
from argparse import ArgumentParser
from collections import Counter
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import at_least, errors_with_advice, with_progress, write_line
from media.services import Unreachable
from operations import stray_media
from operations.stray_media import Stray, What

COLLECT = (
    "Compare the object store and the rows of media with what is shown. Remove objects without a "
    "row, former avatars, and media of accounts and posts that are gone; withhold the media of "
    "deactivated accounts, and publish those of active ones."
)


class Command(BaseCommand):
    """Safe to interrupt, and to run while people upload. Events do the same at each change."""

    help = "Look after the object store: remove what nothing shows."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        collect = verbs.add_parser(
            "collect",
            help=COLLECT,
            description=COLLECT,
            epilog="Example: manage.py media collect --dry-run",
        )
        collect.add_argument(
            "--dry-run", action="store_true", help="Change nothing; exit status 1 if it would."
        )
        collect.add_argument(
            "--grace",
            type=at_least(0),
            default=60,
            metavar="MINUTES",
            help="Leave objects without a row that are younger (default 60).",
        )
        collect.add_argument(
            "--json", action="store_true", help="Print a JSON object for each line."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with errors_with_advice():
                self._collect(
                    dry_run=options["dry_run"], grace=options["grace"], as_json=options["json"]
                )
        except Unreachable as error:
            raise CommandError(
                f"The object store at S3_ENDPOINT_URL, or the CDN at MEDIA_PURGE_URL, does not "
                f"answer or refuses: {error} Run this again for the rest."
            ) from error

    def _collect(self, *, dry_run: bool, grace: float, as_json: bool) -> None:
        checked, found = 0, Counter[What]()
        batches = stray_media.check_all(grace=timedelta(minutes=grace))
        try:
            for batch in with_progress(batches, unit="checked"):
                if not dry_run:
                    stray_media.set_right(strays=batch.strays)
                for stray in batch.strays:
                    found[stray.what] += 1
                    self._tell(stray, dry_run=dry_run, as_json=as_json)
                checked += len(batch)
        finally:
            self._sum_up(checked, found, as_json=as_json)
        if dry_run and found:
            raise CommandError(
                f"{found.total()} are astray. To remove them: manage.py media collect"
            )

    def _tell(self, stray: Stray, *, dry_run: bool, as_json: bool) -> None:
        if as_json:
            line = json.dumps(
                {"what": stray.what.name.lower(), "subject": stray.subject, "done": not dry_run}
            )
        else:
            done = "moved" if stray.what == What.MISPLACED else "removed"
            line = f"{stray}{'' if dry_run else f'; {done}'}"
        write_line(self.stdout, line)

    def _sum_up(self, checked: int, found: Counter[What], *, as_json: bool) -> None:
        if as_json:
            by_kind = {what.name.lower(): found[what] for what in What}
            write_line(self.stdout, json.dumps({"checked": checked, "found": by_kind}))
            return
        write_line(self.stdout, f"checked {checked} rows and objects: {found.total()} astray")
