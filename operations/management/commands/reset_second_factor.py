"""`manage.py reset_second_factor USERNAME`: for staff who have lost their app and their codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import errors_with_advice, username
from core.valkey import ValkeyUnavailable
from users.selectors import user_id_by_username
from users.services import remove_second_factor


class Command(BaseCommand):
    """May be repeated."""

    help = (
        "Remove the authenticator app and the recovery codes of an account, and end its sessions. "
        "The next log-in to the admin sets up new ones. First make sure who asks for it: then the "
        "password is all that protects the account."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Example: manage.py reset_second_factor ada"
        parser.add_argument("username", type=username)

    @errors_with_advice()
    def handle(self, *args: Any, **options: Any) -> None:
        name = options["username"]
        try:
            user_id = user_id_by_username(username=name, active_only=False)
            removed = remove_second_factor(user_id=user_id)
        except ValkeyUnavailable as error:
            raise CommandError(
                f"STATE, the Valkey of the sessions, does not answer: {error} The second factor is "
                "removed. Run this again once STATE is back, to end the sessions."
            ) from error
        had = "had a second factor: it is removed" if removed else "had no second factor"
        self.stdout.write(f"@{name} {had}. All sessions have ended.")
