"""`manage.py timeline show USERNAME`: a timeline as it is in Valkey, decoded."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from socialfeed.common.ids import created_at_of
from socialfeed.common.problems import NotFound
from socialfeed.management import timeline_explain
from timeline import store
from timeline.slices import home_timeline, profile_timeline
from users.selectors import user_id_by_username


class Command(BaseCommand):
    """Looks only: it builds nothing, but counts as a read of the timeline."""

    help = "Look at timelines in Valkey. Example: manage.py timeline show ada --limit 50"

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        show = verbs.add_parser("show", help="Print the entries of one timeline, newest first.")
        show.add_argument("username")
        show.add_argument(
            "--profile", action="store_true", help="The profile, not the home timeline."
        )
        show.add_argument("--limit", type=int, default=20, help="How many entries (default 20).")
        timeline_explain.add_arguments(
            verbs.add_parser("explain", help="Why a post is, or is not, in a home timeline.")
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "explain":
            timeline_explain.handle(options, self.stdout)
            return
        try:
            user_id = user_id_by_username(username=options["username"])
        except NotFound as error:
            raise CommandError(error.detail) from error
        timeline = (profile_timeline if options["profile"] else home_timeline)(user_id=user_id)
        part = store.read(key=timeline.key, before=None, limit=options["limit"])
        if part is None:
            self.stdout.write(f"{timeline.key} is cold: the next read builds it from SQL.")
            return
        self.stdout.write(f"{timeline.key}\n{'post':>20} {'author':>20}  published")
        for post_id, author_id in part.refs:
            self.stdout.write(f"{post_id:>20} {author_id:>20}  {created_at_of(post_id):%F %T.%f}")
        self.stdout.write("(end)" if part.is_end else "(more)")
