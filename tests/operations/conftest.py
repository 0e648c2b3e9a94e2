"""What the tests of Operations share."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.storage import storages

from media import storage
from media.models import Media
from tests.support.fixtures import bobs, follows, stored_keys, upload

__all__ = ["bobs", "follows", "stored_keys", "upload"]


@pytest.fixture
def own_bucket(settings: Any, django_db_setup: None) -> Iterator[None]:
    """A bucket that has only the objects of the test. Only the store itself serves them."""
    name = f"gc-{storage.new_prefix()[-6:].encode().hex()}"
    own = {}
    for alias in ("default", "requests"):
        shared = settings.STORAGES[alias]
        own[alias] = {**shared, "OPTIONS": shared["OPTIONS"] | {"bucket_name": name}}
    settings.STORAGES = settings.STORAGES | own
    storage.ensure_bucket()
    yield
    bucket = storages["default"].bucket  # type: ignore[attr-defined]
    bucket.objects.all().delete()
    bucket.delete()


@pytest.fixture
def no_other_rows(db: None) -> None:
    """Committing tests leave rows behind, some without an account. This is rolled back."""
    Media.objects.all().delete()
