"""`manage.py test`: says how to run the tests."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """Django's would find no test, and make empty databases beside those of the stack."""

    help = "Say how to run the tests: they run under pytest, on servers of their own."
    requires_system_checks = []

    def run_from_argv(self, argv: list[str]) -> None:
        super().run_from_argv(argv[:2])  # whatever Django's own command would take

    def handle(self, *args: Any, **options: Any) -> None:
        raise CommandError(
            "The tests run under pytest: `make test`, or a part of them with "
            '`make test ARGS="tests/timeline -k cursor"`.'
        )
