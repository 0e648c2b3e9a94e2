"""`manage.py prepare`: prepare the servers: tables, bucket, static files."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.sql import PRIMARIES


class Command(BaseCommand):
    """Adds only what is missing, so it may run at every start and every deploy."""

    help = "Migrate the three databases, create the bucket and collect static files."

    def handle(self, *args: Any, **options: Any) -> None:
        for alias in PRIMARIES:
            self.stdout.write(f"migrating {alias}")
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        call_command("create_bucket")
        call_command("collectstatic", interactive=False, verbosity=0)
