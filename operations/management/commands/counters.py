"""`manage.py counters VERB`: compare the counts with the rows, and repair them."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import at_least, errors_with_advice, summed_up, with_progress, write_line
from core.ids import MAX_ID
from operations import reconcile
from operations.people import People
from operations.reconcile import Drift, Subjects
from posts.selectors import existing_ids

HELP = {
    "verify": "Compare the counts of likes, comments, replies, follows and posts, and the comments "
    "shown with posts, with the rows. Exit status 1 when something has drifted, or a post is "
    "missing. Changes nothing.",
    "reconcile": "The same, and repair what has drifted.",
}


class Command(BaseCommand):
    """Safe to interrupt, and to run while people like, comment, follow and publish."""

    help = "Compare the counts of likes, comments, replies, follows and posts; repair them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for name, text in HELP.items():
            example = f"Example: manage.py counters {name} --minutes 10"
            verb = verbs.add_parser(name, help=text, description=text, epilog=example)
            verb.add_argument("--json", action="store_true", help="Print one JSON document.")
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
            self._run(
                self._batches(options),
                repair=options["verb"] == "reconcile",
                as_json=options["json"],
            )

    def _batches(self, options: dict[str, Any]) -> Iterable[Subjects]:
        if options["all"]:
            return reconcile.all_subjects()
        if post_ids := options["post_ids"]:
            if missing := sorted(set(post_ids) - existing_ids(post_ids=post_ids)):
                raise CommandError(f"There is no post {', '.join(map(str, missing))}.")
            return reconcile.in_batches(Subjects(posts=post_ids))
        seconds = options["minutes"] * 60.0
        return reconcile.in_batches(reconcile.subjects_lately(seconds=seconds, limit=10**9))

    def _run(self, batches: Iterable[Subjects], *, repair: bool, as_json: bool) -> None:
        checked = off = 0
        found: list[dict[str, Any]] = []

        def text() -> str:
            return (
                f"checked {checked} posts, comments and accounts: {len(found)} drifted, "
                f"off by {off}"
            )

        def document() -> dict[str, Any]:
            return {"checked": checked, "drifted": len(found), "off_by": off, "drifts": found}

        with summed_up(self.stdout, text=text, document=document if as_json else None):
            for batch in with_progress(batches, unit="checked"):
                drifts = reconcile.find_drift(subjects=batch)
                owners = reconcile.owners(drifts=drifts)
                people = People(owners.values())
                for drift in drifts:
                    if repair:
                        reconcile.repair(drift=drift)
                    owner = owners.get(drift)
                    found.append(_document(drift, owner, people) | {"repaired": repair})
                    off += abs(drift.off) if drift.is_count else 0
                    if not as_json:
                        line = drift.described(_whose(drift, owner, people))
                        write_line(self.stdout, f"{line}{'; repaired' if repair else ''}")
                checked += len(batch)
        if found and not repair:
            raise CommandError(
                f"{len(found)} drifted. To repair them: manage.py counters reconcile"
            )


def _whose(drift: Drift, owner: int | None, people: People) -> str:
    if owner is None:
        return ""
    return people.name(owner) if drift.kind == "accounts" else f"by {people.name(owner)}"


def _document(drift: Drift, owner: int | None, people: People) -> dict[str, Any]:
    """`subject` is a post, a comment or an account, `user` its author or the account itself."""
    return {
        "what": drift.what.name.lower(),
        "subject": {"type": drift.kind.removesuffix("s"), "id": str(drift.subject_id)},
        "user": None if owner is None else people.document(owner),
        "off_by": drift.off if drift.is_count else None,
    }
