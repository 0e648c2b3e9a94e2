"""`manage.py shared_emails`: find accounts with the same e-mail address."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.commands import errors_with_advice
from operations.people import People
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
            people = People(user_id for email in shared for user_id in email.user_ids)
            for email in shared:
                named = [f"{user_id} ({people.name(user_id)})" for user_id in email.user_ids]
                owner, others = named[0], ", ".join(named[1:])
                if options["release"]:
                    services.leave_email_to(email=email.email, owner_id=email.user_ids[0])
                    self.stdout.write(f"{email.email}: left to account {owner}, not {others}")
                else:
                    self.stdout.write(f"{email.email}: account {owner}, and {others}")
        if shared and not options["release"]:
            raise CommandError(
                f"{len(shared)} addresses belong to several accounts. Run this again with "
                "--release."
            )
