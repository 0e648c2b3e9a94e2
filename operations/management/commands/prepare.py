"""`manage.py prepare`: prepare the servers: tables, bucket, static files, schema, web client."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from core.commands import errors_with_advice
from core.http.schema import write_schema
from core.sql import PRIMARIES
from operations.web_client import publish_web_client, published_folder


class Command(BaseCommand):
    """Adds only what is missing, so it may run at every start and every deploy."""

    help = (
        "Migrate the three databases, create the bucket, and write the static files, the OpenAPI "
        "schema and the web client to STATIC_ROOT."
    )

    @errors_with_advice()
    def handle(self, *args: Any, **options: Any) -> None:
        for alias in PRIMARIES:
            self.stdout.write(f"migrating {alias}")
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        call_command("create_bucket")
        call_command("collectstatic", interactive=False, verbosity=0)
        write_schema(folder=Path(settings.STATIC_ROOT, "schema"))
        if not publish_web_client(source=settings.WEB_CLIENT_DIR, folder=published_folder()):
            self.stdout.write("The web client is not built: `make web` builds it.")
