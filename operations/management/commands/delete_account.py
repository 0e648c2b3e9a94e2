"""`manage.py delete_account USERNAME`: delete an account and all that it owns."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from core.commands import INTERRUPTED, errors_with_advice, username
from core.valkey import ValkeyUnavailable
from users.selectors import DeletionProgress, deletion_progress, described, user_id_by_username
from users.services import RequestedBy, delete_account

SECONDS_BETWEEN_CHECKS = 0.2


class Command(BaseCommand):
    """Safe to interrupt: before the answer nothing is done; after it the deletion goes on."""

    help = (
        "Delete an account and all that it owns: posts, pictures, comments, likes, follows. All "
        "pages hide it at once; the workers remove the rest. Running this again does no harm."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Example: manage.py delete_account ada --wait"
        parser.add_argument("username", type=username)
        parser.add_argument("--yes", action="store_true", help="Do not ask.")
        parser.add_argument(
            "--wait", action="store_true", help="Show the progress until all is removed."
        )

    @errors_with_advice()
    def handle(self, *args: Any, **options: Any) -> None:
        done = "Nothing was done."
        try:
            name = options["username"]
            user_id = user_id_by_username(username=name, active_only=False)
            if not options["yes"]:
                self._ask(name)
            done = "The deletion goes on; the admin's account deletions show it."
            deletion_id = delete_account(user_id=user_id, requested_by=RequestedBy.COMMAND)
            self.stdout.write(f"@{name} is deactivated, and is being removed.")
            if options["wait"]:
                removed = described(self._wait(deletion_id).removed)
                self.stdout.write(f"@{name} is gone: {removed}.")
        except ValkeyUnavailable as error:
            raise CommandError(
                f"STATE, the Valkey of the sessions, does not answer: {error} The account is "
                "deactivated; it is removed once STATE is back. Run this again then, to end its "
                "sessions at once."
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(f"Interrupted. {done}", returncode=INTERRUPTED) from error

    def _ask(self, name: str) -> None:
        try:
            answer = input(f"Delete @{name} and all that it owns, for good? [y/N] ")
        except EOFError as error:
            raise CommandError("There is no answer. Nothing was done; use --yes.") from error
        if answer.strip().lower() not in {"y", "yes"}:
            raise CommandError("Nothing was done.")

    def _wait(self, deletion_id: int) -> DeletionProgress:
        """Wait until all is removed. The bar on a terminal has no total: it is not known."""
        with tqdm(unit=" rows", desc="removed", leave=False, disable=None) as bar:
            while True:
                progress = deletion_progress(deletion_id=deletion_id)
                bar.update(sum(progress.removed.values()) - bar.n)
                if progress.is_done:
                    return progress
                time.sleep(SECONDS_BETWEEN_CHECKS)
