"""`manage.py delete_account USERNAME`: remove an account and all that it owns."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.commands import INTERRUPTED
from core.http.problems import Conflict, NotFound
from core.valkey import ValkeyUnavailable
from users.selectors import (
    DeletionProgress,
    deletion_progress,
    described,
    user_id_by_username,
)
from users.services import RequestedBy, delete_account

SECONDS_BETWEEN_LOOKS = 0.2


class Command(BaseCommand):
    """Safe to interrupt: before the question is answered nothing is done; after it, all is."""

    help = (
        "Delete an account and all that it owns: posts, pictures, comments, likes, follows. It is "
        "gone from every page at once; the workers remove the rest. Running it again does no harm."
    )

    def create_parser(self, *args: Any, **options: Any) -> Any:
        example = "Example: manage.py delete_account ada --wait"
        return super().create_parser(*args, epilog=example, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--wait", action="store_true", help="Show how far it is, until nothing is left."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        is_asked_for = False
        try:
            username = options["username"].removeprefix("@").lower()
            user_id = user_id_by_username(username=username, active_only=False)
            if not options["yes"]:
                self._ask(username)
            requested_by = RequestedBy.COMMAND
            is_asked_for = True
            deletion_id = delete_account(user_id=user_id, requested_by=requested_by)
            self.stdout.write(f"@{username} is switched off, and is being removed.")
            if options["wait"]:
                removed = described(self._wait(deletion_id).removed)
                self.stdout.write(f"@{username} is gone: {removed}.")
        except (NotFound, Conflict) as problem:
            raise CommandError(problem.detail) from problem
        except ValkeyUnavailable as error:
            raise CommandError(
                f"STATE, the Valkey of the sessions, does not answer: {error} The account is "
                "switched off, and is removed once STATE is back. Then run this again, which ends "
                "its sessions at once."
            ) from error
        except KeyboardInterrupt as error:
            done = (
                "The account is being removed all the same; the admin's account deletions show it."
                if is_asked_for
                else "Nothing was done."
            )
            raise CommandError(f"Interrupted. {done}", returncode=INTERRUPTED) from error

    def _ask(self, username: str) -> None:
        try:
            answer = input(f"Delete @{username} and all that it owns, for good? [y/N] ")
        except EOFError as error:
            raise CommandError("Nobody answers. Nothing was done; say --yes.") from error
        if answer.strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was done.")

    def _wait(self, deletion_id: int) -> DeletionProgress:
        """Until all is gone, with a bar on a terminal's stderr; how much there was cannot be known
        before, so it counts.
        """
        with tqdm(unit=" rows", desc="removed", leave=False, disable=None) as bar:
            while True:
                progress = deletion_progress(deletion_id=deletion_id)
                bar.update(sum(progress.removed.values()) - bar.n)
                if progress.is_done:
                    return progress
                time.sleep(SECONDS_BETWEEN_LOOKS)
