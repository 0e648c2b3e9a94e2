"""The object store: what anybody may read; all variants are stored or none."""

import logging
from io import StringIO
from typing import Any

import httpx
import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from media import storage

pytestmark = pytest.mark.usefixtures("django_db_setup")


@pytest.fixture(autouse=True)
def asked_directly(settings: Any) -> None:
    """Ask the store itself. What the web server adds is in tests/flows/test_media_site.py."""
    options = settings.STORAGES["default"]["OPTIONS"]
    settings.MEDIA_PUBLIC_BASE = f"{options['endpoint_url']}/{options['bucket_name']}"


VARIANTS = {"full.jpg": b"one", "small.jpg": b"two", "thumb.webp": b"three"}


def fetch(key: str) -> httpx.Response:
    """GET as anybody, from a page of another origin."""
    return httpx.get(storage.public_url(key), headers={"Origin": "https://app.example.org"})


def keys_under(prefix: str) -> set[str]:
    return set(storages["default"].listdir(prefix)[1])


def stored() -> str:
    prefix = storage.new_prefix()
    storage.put_variants(prefix=prefix, variants=VARIANTS)
    return prefix


def assert_public_is_readable() -> None:
    prefix = stored()
    for variant, content in VARIANTS.items():
        answer = fetch(storage.variant_key(prefix, variant))
        assert answer.content == content
        type_ = "image/webp" if variant.endswith("webp") else "image/jpeg"
        assert answer.headers["Content-Type"] == type_
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Access-Control-Allow-Origin"] in {"*", "https://app.example.org"}


def assert_the_rest_is_closed() -> None:
    key = storage.variant_key(stored(), "full.jpg")
    storage.put_variants(prefix="private/kept", variants=VARIANTS)
    assert fetch("public/%2e%2e/private/kept/full.jpg").status_code in {400, 403}
    for closed in (
        *("private/kept/full.jpg", f"{key}?acl"),
        *("", "?list-type=2&prefix=public/", "?policy"),
    ):
        assert fetch(closed).status_code == 403, closed
    for url in (storage.public_url(key), storage.public_url("public/media/new.jpg")):
        assert httpx.put(url, content=b"mine").status_code == 403
        assert httpx.delete(url).status_code == 403
    deletion = f"<Delete><Object><Key>{key}</Key></Object></Delete>"
    httpx.post(storage.public_url("?delete"), content=deletion)
    assert fetch(key).content == VARIANTS["full.jpg"]
    assert fetch("public/media/new.jpg").status_code == 404


def test_anybody_may_get_public_media_for_ever() -> None:
    assert_public_is_readable()


def test_nobody_may_get_anything_else_list_or_write() -> None:
    assert_the_rest_is_closed()


def test_prefixes_cannot_be_guessed() -> None:
    prefixes = {storage.new_prefix() for _ in range(1000)}
    assert len(prefixes) == 1000
    assert all(len(prefix.removeprefix("public/media/")) == 22 for prefix in prefixes)


def test_deleted_variants_are_gone() -> None:
    prefix = stored()
    assert keys_under(prefix) == set(VARIANTS)
    storage.delete_variants(prefix=prefix, variants=list(VARIANTS))
    assert keys_under(prefix) == set()


def test_what_was_stored_before_a_failure_is_removed_again() -> None:
    """S3 refuses keys of over 1,024 bytes: the last variant cannot be put."""
    prefix = storage.new_prefix()
    with pytest.raises(storage.StoreUnavailable):
        storage.put_variants(prefix=prefix, variants={**VARIANTS, "x" * 1100 + ".jpg": b"four"})
    assert keys_under(prefix) == set()


def test_a_failure_that_is_not_the_stores_leaves_nothing_either() -> None:
    prefix = storage.new_prefix()
    variants: dict[str, Any] = {**VARIANTS, "four.jpg": 4}
    with pytest.raises(TypeError):
        storage.put_variants(prefix=prefix, variants=variants)
    assert keys_under(prefix) == set()


@pytest.mark.usefixtures("closed_store")
def test_a_store_that_is_down_says_so_and_the_leftovers_are_logged(caplog: Any) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(storage.StoreUnavailable):
        storage.put_variants(prefix="public/media/down", variants=VARIANTS)
    assert "public/media/down" in caplog.text


def test_create_bucket_makes_a_bucket_once_with_its_rules(settings: Any) -> None:
    default = settings.STORAGES["default"]
    options = default["OPTIONS"] | {
        "bucket_name": f"made-{storage.new_prefix()[-6:].encode().hex()}"
    }
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
    settings.S3_BUCKET_NAME = options["bucket_name"]
    settings.MEDIA_PUBLIC_BASE = f"{options['endpoint_url']}/{options['bucket_name']}"
    try:
        for outcome in ("created", "is ready"):
            out = StringIO()
            call_command("create_bucket", stdout=out)
            assert out.getvalue() == f"bucket {options['bucket_name']} {outcome}\n"
        assert_public_is_readable()
        assert_the_rest_is_closed()
    finally:
        bucket = storages["default"].bucket  # type: ignore[attr-defined]
        bucket.objects.all().delete()
        bucket.delete()


@pytest.mark.usefixtures("closed_store")
def test_create_bucket_says_that_the_store_is_down() -> None:
    with pytest.raises(CommandError, match="S3_ENDPOINT_URL"):
        call_command("create_bucket")
