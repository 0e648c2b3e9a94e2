"""`manage.py shared_emails`: find accounts with the same e-mail address."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import errors_with_advice
from users import selectors, services


class Command(BaseCommand):
    """May be interrupted: each address is released in a transaction of its own."""

    help = (
        "Find accounts with the same e-mail address, in upper or lower case. Since an address can "
        "belong to one account only, such accounts must be separated before `manage.py prepare` "
        "can migrate the users database. Exit status 1 if there are any."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.epilog = "Example: manage.py shared_emails && manage.py prepare"
        parser.add_argument(
            "--release",
            action="store_true",
            help="Leave each address to the account that has verified it, or else to the oldest, "
            "and take it from the others. These can still log in by name, and add an address.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_with_advice():
            shared = selectors.shared_emails()
            for email in shared:
                owner, *others = email.user_ids
                names = ", ".join(map(str, others))
                if options["release"]:
                    services.leave_email_to(email=email.email, owner_id=owner)
                    self.stdout.write(f"{email.email}: left to account {owner}, not {names}")
                else:
                    self.stdout.write(f"{email.email}: account {owner}, and {names}")
        if shared and not options["release"]:
            raise CommandError(
                f"{len(shared)} addresses belong to several accounts. Run this again with "
                "--release."
            )
