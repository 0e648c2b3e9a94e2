"""`manage.py media`: remove what the object store has and nothing shows; make variants that old
pictures lack; show who uploads most.
"""

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import (
    MOST,
    at_least,
    errors_with_advice,
    summed_up,
    username,
    with_progress,
    write_json,
    write_line,
)
from media.audit import count_old_media
from media.selectors import most_usage, usage_document
from media.services import Unreachable
from operations import stray_media
from operations.people import People
from operations.reprocessing import Outcome, Reprocessed, reprocess_all
from operations.stray_media import Stray, What
from users.selectors import user_id_by_username

GC = (
    "Compare the object store and the rows of media with what is shown. Remove objects without a "
    "row, former avatars, and media of accounts and posts that are gone; withhold the media of "
    "deactivated and of private accounts, and publish those of others."
)
REPROCESS = (
    "Make the medium variant and the WebPs of pictures that an older release has stored without "
    "them, from their full.jpg, at new addresses. Pictures of deactivated and private accounts are "
    "left. Exit status 1 if some cannot be read."
)
USAGE = "Show what accounts have used of their daily quotas today (UTC), the largest first."


class Command(BaseCommand):
    """Safe to interrupt, and to run while people upload. Events do the same at each change."""

    help = (
        "Look after the object store: remove what nothing shows, make variants that old pictures "
        "lack, see who uploads most."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        gc = verbs.add_parser(
            "gc",
            help=GC,
            description=GC,
            epilog="Example: manage.py media gc --dry-run",
        )
        gc.add_argument(
            "--grace",
            type=at_least(0),
            default=60,
            metavar="MINUTES",
            help="Leave objects without a row that are younger (default 60).",
        )
        gc.add_argument("--json", action="store_true", help="Print a JSON object for each line.")
        reprocess = verbs.add_parser(
            "reprocess",
            help=REPROCESS,
            description=REPROCESS,
            epilog="Example: manage.py media reprocess --limit 1000",
        )
        reprocess.add_argument(
            "--limit", type=at_least(1), metavar="N", help="Stop when N pictures are done."
        )
        reprocess.add_argument("--json", action="store_true", help="Print one JSON document.")
        for verb in (gc, reprocess):
            verb.add_argument(
                "--dry-run", action="store_true", help="Change nothing; exit status 1 if it would."
            )
        usage = verbs.add_parser(
            "usage",
            help=USAGE,
            description=USAGE,
            epilog="Examples: manage.py media usage --limit 5, manage.py media usage ada",
        )
        usage.add_argument("username", nargs="?", type=username, help="Only this account.")
        usage.add_argument(
            "--limit", type=at_least(1), default=20, help="How many accounts (default 20)."
        )
        usage.add_argument("--json", action="store_true", help="Print one JSON document.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "usage":
            with errors_with_advice():
                self._show_usage(options["username"], options["limit"], as_json=options["json"])
            return
        try:
            with errors_with_advice():
                run = self._gc if options["verb"] == "gc" else self._reprocess
                run(options)
        except Unreachable as error:
            raise CommandError(
                f"The object store at S3_ENDPOINT_URL, or the CDN at MEDIA_PURGE_URL, does not "
                f"answer or refuses: {error} Run this again for the rest."
            ) from error

    def _gc(self, options: Mapping[str, Any]) -> None:
        dry_run, as_json = options["dry_run"], options["json"]
        checked, found = 0, Counter[What]()
        batches = stray_media.check_all(grace=timedelta(minutes=options["grace"]))
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
            raise CommandError(f"{found.total()} are astray. To remove them: manage.py media gc")

    def _reprocess(self, options: Mapping[str, Any]) -> None:
        dry_run, limit = options["dry_run"], options["limit"]
        found, unreadable = Counter[Outcome](), list[Reprocessed]()
        total = None
        if sys.stderr.isatty():
            total = min(count_old_media(), limit or MOST)

        def text() -> str:
            done = "would make" if dry_run else "made"
            return (
                f"{done} the variants of {found[Outcome.MADE]} pictures; left "
                f"{found[Outcome.WITHHELD]} that are withheld, {found[Outcome.CHANGED]} that have "
                f"changed meanwhile, {found[Outcome.UNREADABLE]} that cannot be read"
            )

        def document() -> dict[str, Any]:
            counts = {outcome.value: found[outcome] for outcome in Outcome}
            lost = [{"id": str(one.media_id), "reason": one.reason} for one in unreadable]
            return {"dry_run": dry_run, **counts, "unreadable": lost}

        steps = ([one] for one in reprocess_all(dry_run=dry_run, limit=limit))
        with summed_up(self.stdout, text=text, document=document if options["json"] else None):
            for (one,) in with_progress(steps, unit="pictures", total=total):
                found[one.outcome] += 1
                if one.outcome == Outcome.UNREADABLE:
                    unreadable.append(one)
                    if not options["json"]:
                        write_line(self.stdout, f"media {one.media_id}: {one.reason}")
        if dry_run and found[Outcome.MADE]:
            raise CommandError(
                f"{found[Outcome.MADE]} pictures lack variants. To make them: "
                "manage.py media reprocess"
            )
        if unreadable:
            raise CommandError(f"{len(unreadable)} pictures cannot be read. They stay as they are.")

    def _show_usage(self, name: str | None, limit: int, *, as_json: bool) -> None:
        owner_id = user_id_by_username(username=name, active_only=False) if name else None
        found = most_usage(limit=limit, owner_id=owner_id)
        if owner_id is not None and not found:
            found = {owner_id: usage_document(owner_id=owner_id)}
        people = People(found)
        if as_json:
            accounts = [{**people.document(id_), **used} for id_, used in found.items()]
            write_json(self.stdout, {"accounts": accounts})
            return
        for id_, used in found.items():
            sent, spent = used["bytes"], used["cpu_seconds"]
            line = f"{people.name(id_)} ({id_}): {_of(sent, 1e6)} MB, {_of(spent, 1)} s of CPU time"
            write_line(self.stdout, line)
        if not found:
            write_line(self.stdout, "Nobody has uploaded anything today.")

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


def _of(quota: Mapping[str, Any], unit: float) -> str:
    """`1.5 of 2048.0`; of a quota that is off, only what is used."""
    used, limit = quota["used"] / unit, quota["limit"]
    return f"{used:.1f}" if limit is None else f"{used:.1f} of {limit / unit:.1f}"
