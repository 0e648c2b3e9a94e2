"""`manage.py outbox`: how much is still to be delivered."""

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import at_least, errors_with_advice, write_json
from core.outbox.backlog import (
    COUNTED_AT_MOST,
    POST_PUBLISHED,
    Backlog,
    measure_backlog,
    oldest_age,
)
from core.sql import PRIMARIES


class Command(BaseCommand):
    """Reads only, and may be interrupted."""

    help = (
        "Print how many outbox rows are still to be delivered, by database and kind, how many of "
        f"them are overdue (it counts at most {COUNTED_AT_MOST} rows of a database), and for how "
        "long the oldest post has waited."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Example: manage.py outbox --max-age 10 || start another worker"
        parser.add_argument("--json", action="store_true", help="Print one JSON document.")
        parser.add_argument(
            "--max-age",
            type=at_least(0, float),
            metavar="SECONDS",
            help="Exit status 1 when the oldest undelivered post has waited for longer: there are "
            "too few workers, or they are dead.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_with_advice():
            self._run(options["max_age"], as_json=options["json"])

    def _run(self, max_age: float | None, *, as_json: bool) -> None:
        age = oldest_age(kind=POST_PUBLISHED)
        backlogs = {database: measure_backlog(database=database) for database in PRIMARIES}
        if as_json:
            write_json(self.stdout, _document(age, backlogs))
        else:
            self._print(age, backlogs)
        if max_age is not None and age > max_age:
            raise CommandError(
                f"The oldest undelivered post has waited for {age:.1f} s, more than {max_age:g} s. "
                "Start more workers, and check the posts outbox in the admin for errors."
            )

    def _print(self, age: float, backlogs: Mapping[str, Backlog]) -> None:
        for database, backlog in backlogs.items():
            by_kind = [f"{count} {kind}" for kind, count in backlog.pending.items() if count]
            total = sum(backlog.pending.values())
            kinds = f" ({', '.join(by_kind)})" if by_kind else ""
            self.stdout.write(f"{database}: {total} pending{kinds}, {backlog.overdue} overdue")
        self.stdout.write(f"oldest undelivered post: {f'{age:.1f} s' if age else 'none'}")


def _document(age: float, backlogs: Mapping[str, Backlog]) -> dict[str, Any]:
    """Of each database the pending rows, by kind too; and the age of the oldest post, or null."""
    return {
        "databases": {
            database: {
                "pending": sum(backlog.pending.values()),
                "by_kind": dict(backlog.pending),
                "overdue": backlog.overdue,
            }
            for database, backlog in backlogs.items()
        },
        "oldest_post_age_seconds": age or None,
    }
