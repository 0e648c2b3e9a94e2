"""`manage.py create_bucket`: the bucket and its rules."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from media.storage import StoreUnavailable, ensure_bucket


class Command(BaseCommand):
    """Changes nothing but the rules when the bucket is there already."""

    help = "Create the media bucket if it is missing, and let anybody read what is public in it."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = ensure_bucket()
        except StoreUnavailable as error:
            raise CommandError(f"The object store at S3_ENDPOINT_URL refused: {error}") from error
        self.stdout.write(f"bucket {settings.S3_BUCKET_NAME} {'created' if made else 'is ready'}")
