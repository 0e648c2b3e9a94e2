"""`manage.py shared_emails`, and the migration that refuses shared addresses."""

from collections.abc import Callable
from importlib import import_module
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from tests.users.conftest import unconstrained
from users.models import User

__all__ = ["unconstrained"]
pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("shared_emails", *arguments, stdout=out)
    return out.getvalue()


def migrate() -> None:
    migration = import_module("users.migrations.0004_one_account_an_email")
    with connection.schema_editor() as editor:
        migration.refuse_shared_emails(apps, editor)


def test_shared_addresses_are_named_and_the_migration_waits_until_they_are_released(
    alice: int, bob: int, unconstrained: None, unique: Callable[[str], str]
) -> None:
    assert run() == ""
    email = f"{unique('shared')}@example.org"
    User.objects.filter(pk=alice).update(email=email)
    User.objects.filter(pk=bob).update(email=email.upper())
    with pytest.raises(CommandError, match="1 addresses belong to several accounts"):
        run()
    with pytest.raises(RuntimeError, match=r"^1 e-mail addresses .*manage\.py shared_emails"):
        migrate()
    assert (
        run("--release") == f"{email}: left to account {min(alice, bob)}, not {max(alice, bob)}\n"
    )
    assert run() == ""
    migrate()
