"""`manage.py media gc`: finds what nothing shows, in a bucket of its own."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from media import incoming, storage
from media.models import Media
from media.uploads import begin_upload
from operations import stray_media
from posts.models import Post
from posts.services import publish_post
from tests.support.account_data import AccountData
from tests.support.deliveries import KilledError
from tests.support.stored import (
    ALL,
    IS_GONE,
    IS_PUBLIC,
    IS_WITHHELD,
    deliver_removals,
    objects_of,
)
from users.models import User
from users.services import ensure_account, update_profile

pytestmark = pytest.mark.django_db

Upload = Callable[..., Media]


@pytest.fixture(autouse=True)
def own_store(own_bucket: None, no_other_rows: None) -> None:
    """Before all other fixtures: only what the test makes is compared."""


def gc(*options: str) -> list[str]:
    out = StringIO()
    try:
        call_command("media", "gc", *options, stdout=out)
    finally:
        lines = out.getvalue().splitlines()
    return lines


def dry_run(*options: str) -> list[str]:
    """The lines of a run that finds something, and changes nothing."""
    out = StringIO()
    with pytest.raises(CommandError, match="media gc"):
        call_command("media", "gc", "--dry-run", *options, stdout=out)
    return out.getvalue().splitlines()


@pytest.mark.usefixtures("bobs")
def test_what_is_shown_or_still_unused_is_not_astray() -> None:
    (line,) = gc("--grace", "0")
    assert line == "checked 36 rows and objects: 0 astray"


def unknown() -> str:
    prefix = storage.new_prefix()
    storage.put_variants(prefix=prefix, variants=dict.fromkeys(sorted(ALL), b"x"))
    return prefix


def test_objects_without_a_row_go_when_they_are_old_enough(alice: int, upload: Upload) -> None:
    prefix, kept = unknown(), upload(alice)
    withheld = storage.withheld_prefix(prefix)
    storage.copy_objects(keys=[(f"{prefix}/full.jpg", f"{withheld}/full.jpg")])
    assert gc() == ["checked 18 rows and objects: 0 astray"], "the grace of an hour"
    keys = [f"{prefix}/{name}" for name in sorted(ALL)] + [f"{withheld}/full.jpg"]
    lines = [f"object without a row: {key}" for key in keys]
    assert dry_run("--grace", "0") == [*lines, "checked 18 rows and objects: 9 astray"]
    assert objects_of(prefix) == (ALL, {"full.jpg"})
    removed = [f"{line}; removed" for line in lines]
    assert gc("--grace", "0") == [*removed, "checked 18 rows and objects: 9 astray"]
    assert objects_of(prefix) == IS_GONE
    assert objects_of(kept.storage_prefix) == IS_PUBLIC
    assert gc("--grace", "0") == ["checked 9 rows and objects: 0 astray"]


def test_files_that_clients_have_sent_and_no_upload_names_go(alice: int) -> None:
    store: Any = storages["default"]
    client, bucket = store.connection.meta.client, store.bucket_name
    sent, begun = (storage.new_incoming_key() for _ in range(2))
    named = begin_upload(owner_id=alice, content_type="image/jpeg", byte_size=1)
    in_parts = begin_upload(
        owner_id=alice, content_type="image/jpeg", byte_size=incoming.MAX_FORM_BYTES + 1
    )
    for key in (sent, named.key):
        client.put_object(Bucket=bucket, Key=key, Body=b"x")
    client.create_multipart_upload(Bucket=bucket, Key=begun)
    lines = {f"object without a row: {key}" for key in (sent, begun)}
    assert set(dry_run("--grace", "0")[:-1]) == lines
    gc("--grace", "0")
    assert {item.key for item in store.bucket.objects.all()} == {named.key}
    left = client.list_multipart_uploads(Bucket=bucket)["Uploads"]
    assert [one["Key"] for one in left] == [in_parts.key]
    incoming.remove(key=in_parts.key)


def test_more_objects_than_a_page_are_all_compared(
    alice: int, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of two objects: those of one upload are on several."""
    prefixes, kept = [unknown() for _ in range(3)], [upload(alice) for _ in range(2)]
    monkeypatch.setattr(storage, "LISTED_AT_ONCE", 2)
    assert gc("--grace", "0")[-1] == "checked 42 rows and objects: 24 astray"
    for prefix in prefixes:
        assert objects_of(prefix) == IS_GONE
    for media in kept:
        assert objects_of(media.storage_prefix) == IS_PUBLIC


def test_what_a_release_without_events_has_left_is_set_right(
    alice: int, bob: int, upload: Upload, bobs: AccountData
) -> None:
    """A former avatar, media of a post and of an account that are gone, of one that is off."""
    old, avatar, of_post, shown = (upload(alice) for _ in range(4))
    update_profile(user_id=alice, changes={"avatar": avatar.pk})
    Media.objects.filter(pk=old.pk).update(used_as="avatar", used_by_id=alice, position=0)
    gone = publish_post(author_id=alice, caption="", media_ids=[of_post.pk])
    publish_post(author_id=alice, caption="", media_ids=[shown.pk])
    Post.objects.filter(pk=gone).delete()
    leaver, _ = ensure_account(username="leaver_of_media", email="leaver@example.org")
    left = upload(leaver)
    User.objects.filter(pk=leaver).delete()
    User.objects.filter(pk=bob).update(is_active=False)
    bobs_media = list(Media.objects.filter(owner_id=bob).order_by("pk"))
    lines = dry_run("--json", "--grace", "0")
    found = [json.loads(line) for line in lines]
    assert found[-1] == {
        "checked": 9 + 9 * len(ALL),
        "found": {
            **dict.fromkeys(["unknown"], 0),
            **dict.fromkeys(["account_gone", "post_gone", "old_avatar"], 1),
            "misplaced": 4,
        },
    }
    wanted = {(str(media.pk), "misplaced") for media in bobs_media} | {
        (str(old.pk), "old_avatar"),
        (str(of_post.pk), "post_gone"),
        (str(left.pk), "account_gone"),
    }
    assert {(one["subject"], one["what"]) for one in found[:-1]} == wanted
    assert not any(one["done"] for one in found[:-1])
    assert objects_of(old.storage_prefix) == IS_PUBLIC
    done = [json.loads(line) for line in gc("--json", "--grace", "0")]
    assert all(one["done"] for one in done[:-1])
    deliver_removals(old)
    for media in (old, of_post, left):
        assert objects_of(media.storage_prefix) == IS_GONE
    for media in (avatar, shown):
        assert objects_of(media.storage_prefix) == IS_PUBLIC
    for media in bobs_media:
        assert objects_of(media.storage_prefix) == IS_WITHHELD
    User.objects.filter(pk=bob).update(is_active=True)
    assert [line.split("; ")[1] for line in gc()[:-1]] == ["moved"] * 4
    for media in bobs_media:
        assert objects_of(media.storage_prefix) == IS_PUBLIC
    assert gc("--grace", "0")[-1].endswith("0 astray")


def test_an_upload_that_is_still_arriving_is_left(
    alice: int, monkeypatch: pytest.MonkeyPatch, upload: Upload
) -> None:
    put = storage.put_variants

    def put_and_die(**stored: Any) -> None:
        put(**stored)
        raise KilledError

    monkeypatch.setattr(storage, "put_variants", put_and_die)
    with pytest.raises(KilledError):
        upload(alice)
    User.objects.filter(pk=alice).update(is_active=False)
    assert gc("--grace", "0") == ["checked 8 rows and objects: 0 astray"]


def test_an_interrupted_run_says_so_and_the_next_one_does_the_rest(
    alice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = unknown()

    def interrupted(**arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stray_media, "set_right", interrupted)
        with pytest.raises(CommandError, match="Interrupted") as end:
            gc("--grace", "0")
    assert end.value.returncode == 130
    gc("--grace", "0")
    assert objects_of(prefix) == IS_GONE


def test_a_store_that_is_down_is_named(settings: Any) -> None:
    unknown()
    default = settings.STORAGES["default"]
    options = default["OPTIONS"] | {"endpoint_url": "http://127.0.0.1:9"}
    open_storages = settings.STORAGES
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": options}}
    with pytest.raises(CommandError, match="S3_ENDPOINT_URL"):
        gc()
    settings.STORAGES = open_storages
