"""`manage.py testserver`: says how to try the service out."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Django's would serve an empty database beside the stack's own two others."""

    help = "Say how to try the service out: the local stack serves it."
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        super().run_from_argv(argv[:2])  # whatever Django's own command would take

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError("The local stack serves the project, with demo data: `make run`.")
