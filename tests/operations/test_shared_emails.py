"""`manage.py shared_emails`, and the migration that refuses shared addresses."""

from collections.abc import Callable
from importlib import import_module
from io import StringIO
from typing import Any

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
    alice: int,
    bob: int,
    unconstrained: None,
    unique: Callable[[str], str],
    django_assert_num_queries: Any,
) -> None:
    assert run() == ""
    email = f"{unique('shared')}@example.org"
    User.objects.filter(pk=alice).update(email=email)
    User.objects.filter(pk=bob).update(email=email.upper())
    with (
        pytest.raises(CommandError, match="1 addresses belong to several accounts"),
        django_assert_num_queries(2),  # the addresses, and all names
    ):
        run()
    with pytest.raises(RuntimeError, match=r"^1 e-mail addresses .*manage\.py shared_emails"):
        migrate()
    said = run("--release")
    owner, other = (
        f"{user_id} (@{User.objects.get(pk=user_id).username})" for user_id in sorted((alice, bob))
    )
    assert said == f"{email}: left to account {owner}, not {other}\n"
    assert run() == ""
    migrate()
