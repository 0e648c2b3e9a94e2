"""Uploads, and an object store that is down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile

from media.models import Media
from media.services import store_image
from socialfeed.stack.layout import HOST
from tests.images import encoded, plain


@pytest.fixture
def upload(django_db_setup: None) -> Callable[..., Media]:
    """Store a small picture of an owner's. Needs `db` or `committed`."""

    def store(owner_id: int, content: bytes = encoded(plain()), alt: str = "") -> Media:
        file = SimpleUploadedFile("picture.jpg", content)
        return store_image(owner_id=owner_id, file=file, alt=alt)

    return store


@pytest.fixture
def stored_keys(django_db_setup: None) -> Callable[[], set[str]]:
    """Ask for the keys of all public objects."""
    store: Any = storages["default"]
    return lambda: {item.key for item in store.bucket.objects.filter(Prefix="public/")}


@pytest.fixture
def closed_store(settings: Any) -> None:
    """An object store that is down: its address is a port that nobody listens on."""
    default = settings.STORAGES["default"]
    options = default["OPTIONS"] | {"endpoint_url": f"http://{HOST}:9"}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
